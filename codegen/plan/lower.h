// Lowering of one graph, inside: what its files share.
//   uses.c    which values are needed, where, until when
//   access.c  a value as an address: strided views, constants, counters
//   loops.c   elementwise, reducing and moving nodes -> loop kernels
//   epilogue.c  elementwise nodes -> a part of the kernel before them
//   (products, convolutions, windows: the back end, by backend.h)
//   values.c  which values lie whole in memory after which step
//   sums.c    sums over processes that are made together
//   memory.c  lifetimes -> offsets in the slab
//   work.c    arithmetic and bytes of the steps
//   steps.c   buffers and steps
//   write_plan.c  the finished plan
//   lower.c   the walk over the graph
//   parts.c   several graphs that are one step
#ifndef SIMCC_CODEGEN_LOWER_H
#define SIMCC_CODEGEN_LOWER_H

#include "codegen/codegen.h"
#include "codegen/plan/epilogue.h"
#include "codegen/plan/kernel.h"

// Where a value's elements lie.
typedef enum PlaceKind {
    PLACE_NONE,  // in registers of some kernel, or nowhere yet
    PLACE_SLAB,  // index: into Lowering.buffers
    PLACE_PARAM, // index: into the plan's params
} PlaceKind;

typedef struct Place {
    PlaceKind kind;
    int index;
    int64_t offset; // bytes, of a value that has a stretch of a buffer alone
} Place;

// A stretch of the slab. Times count steps; a chained step shares the time of
// the step it is chained to, for their tasks run interleaved.
typedef struct SlabBuffer {
    int64_t bytes, offset;
    int first, last; // times of the first write and the last access
    bool input;      // the runtime writes it before the first step
    bool shared;     // several values have stretches of it
    bool pinned;     // an input or output: alive throughout
    int host;        // the buffer whose memory it takes over in place; or -1
} SlabBuffer;

typedef struct StepArg {
    Place place;
    int64_t offset; // bytes
    bool write;
    // The kernel touches each element once, at the iteration's own index, so
    // a result of the same size may take this memory over.
    bool pointwise;
    // Of all kernels of its chain each task touches the same share of it alone.
    bool own;
} StepArg;

// What a step does for its node.
typedef enum StepRole {
    STEP_MAIN,    // the node's own arithmetic, or a share of it
    STEP_WEIGHTS, // weights, or their gradient, from one order to another
    STEP_TILES    // images, prepared for the main step
} StepRole;

typedef struct LowerStep {
    const Kernel *kernel; // NULL: call
    PlanCall call;
    bool chained;
    int time;
    int64_t task_count;
    VEC(StepArg) args;
    VEC(int64_t) imms;
    const char *label;
    StepRole role;
    int64_t share;        // of the node's arithmetic, against its other main
                          // steps
    Value node;           // what it was made for
    int64_t flops, bytes; // work.c
} LowerStep;

// A value that is whole after a step.
typedef struct Made {
    Value value;
    int step;
} Made;

// What the kernels of a chain touch (chain.c): at a place and an offset from it
// in bytes, elements of so many bytes, of which each task has stretches of
// `period` elements, or 0 where its elements are others' as well.
typedef struct ChainUse {
    Place place;
    int64_t offset;
    int64_t bytes;
    int64_t period;
    bool written;
} ChainUse;
typedef VEC(ChainUse) ChainUses;

// The chain at work.
typedef struct Chain {
    int64_t tasks;  // 0: none
    int first, end; // its steps
    ChainUses uses;
} Chain;

typedef struct Members {
    VEC(Value) nodes;
} Members;

// The nodes behind a convolution as a part of its kernel, if that can take
// them.
typedef struct LowerEpilogue {
    const Epilogue *epilogue; // in the codegen's arena
    VEC(StepArg) operands;
    Value result;      // what is stored in place of the convolution
    const char *label; // of the step that computes all of it
    bool taken;        // the back end's answer
} LowerEpilogue;

// One of the sums of a group: that of `source`, at an offset of its buffer.
typedef struct SumMember {
    Value node, source;
    Value view; // of the source, read by the sum alone; or NO_VALUE
    int64_t offset;
    bool in_place; // the source is made there
} SumMember;

// Sums over processes that are made together (sums.c).
typedef struct SumGroup {
    VEC(SumMember) members;
    DType dtype;
    int64_t bytes;
    int buffer;    // of a group of several, or behind
    int ready;     // the time at which the last member is known
    int due;       // that of the first member's node
    bool behind;   // it is started, and waited for later
    int number;    // of those behind, in the order in which they are started
    bool finished; // and has been waited for
} SumGroup;

typedef struct Lowering {
    Arena *arena; // dies with the lowering
    Codegen *codegen;
    const Graph *graph;
    // Side tables by value (uses.c, lower.c).
    bool *needed;       // an output or an assignment depends on it
    bool *needs_buffer; // someone reads it through a pointer of its own
    int *emit_at;       // the node index at which its kernel is made
    int *last_read;     // the last emit_at among readers, views seen through
    Place *place;
    int *param_index; // of PARAM nodes
    int *expr;        // 1 + its expression in the kernel being built, or 0
    Members *groups;  // by group number
    int group_count;
    VEC(SumGroup) sums;
    int *sum_of;    // by value: 1 + the group that an ALL_SUM is of, or 0
    Place *stretch; // by value: where it is to be made, PLACE_NONE: anywhere
    VEC(SlabBuffer) buffers;
    VEC(LowerStep) steps;
    Chain chain;
    VEC(Made) made;
    int64_t slab_bytes, scratch_bytes;
    Value current;           // the node being lowered: steps are made for it
    LowerEpilogue *epilogue; // that the convolution being lowered may take, or
                             // NULL
    Value wide;       // of bf16, but its buffer is to be of f32 for now; or
                      // NO_VALUE
    bool ports_first; // inputs and outputs lie in front of all else
    bool many_ranks;  // `rank` is known when the program runs
} Lowering;

// ---- uses.c -----------------------------------------------------------------

// A value that readers see through: it has no kernel of its own unless
// needs_buffer says so.
bool value_is_folded(const Lowering *lower, Value value);
// Weights in tiles, rounded to bf16 for a convolution, which reads them where
// they were and rounds them itself.
bool value_is_rounded_weights(const Lowering *lower, Value value);
void uses_find(Lowering *lower);

// The same bytes as its input's.
bool value_is_alias(const Lowering *lower, Value value);
// A number of the compiler's: it needs no memory to be read from.
bool value_is_constant(const Lowering *lower, Value value);

// ---- access.c ---------------------------------------------------------------

// A value's elements by index: at an address, or computed from the index.
typedef struct Access {
    ExprKind kind; // EXPR_LOAD, EXPR_CONST, EXPR_IOTA or EXPR_RANDOM
    DType dtype;
    Place place;    // EXPR_LOAD; EXPR_RANDOM: of the key
    int64_t offset; // EXPR_LOAD: elements; EXPR_RANDOM: the counter at index 0
    double value;   // EXPR_CONST; EXPR_IOTA: at index 0
    int64_t strides[MAX_RANK];
    const Node *random; // EXPR_RANDOM
} Access;

// Where a value lies, seen through reshapes; PLACE_NONE when nowhere.
Place value_place(const Lowering *lower, Value value);
Access value_access(const Lowering *lower, Value value);

// ---- how results are stored -------------------------------------------------

enum {
    // A result so large is no more in the second-level caches of a few cores
    // when it is read. Stored as usual it is fetched first: 1.6 to 2 times as
    // long on the machine seen, and read no sooner from its last cache.
    STREAM_BYTES = 4 << 20,
};

// ---- chain.c ----------------------------------------------------------------

// Cuts the kernel, whose dims are those of the iteration space yet, into the
// tasks of the chain at work, if it can be the next one of it.
bool chain_join(Lowering *lower, LoopKernel *kernel, const StepArg *args);
// Cuts a kernel with reductions for a chain to begin with it, if the next ones
// may join.
bool chain_begin(Lowering *lower, LoopKernel *kernel, const StepArg *args);
// To be called when a kernel that was cut so has become a step.
void chain_pushed(Lowering *lower);

// ---- loops.c ----------------------------------------------------------------

// One kernel for elementwise nodes of equal dims and reductions of them. With
// chain_rows > 0 it is chained to the step before it, whose tasks make
// chain_rows indices of dim 0 each.
void lower_loops(Lowering *lower, int count, const Value *nodes,
                 int64_t chain_rows);
void lower_move(Lowering *lower, Value node);
// Writes a folded value (a view, a constant) to a buffer of its own.
void lower_copy(Lowering *lower, Value value);
// Writes what the access holds, for each index of `space`, to `out` at the
// index's place by out_strides (elements) from out_offset (bytes).
void lower_copy_access(Lowering *lower, const TensorType *space,
                       const Access *access, Place out, int64_t out_offset,
                       const int64_t *out_strides, const char *label);
// A copy of a placed value, for readers that come after its param changes.
Place lower_snapshot(Lowering *lower, Place place, const TensorType *type,
                     const char *label);
// out = sum over the first dim of a [count, elements] buffer, in order.
void lower_sum_parts(Lowering *lower, Place parts, Place out, int64_t count,
                     int64_t elements, DType dtype, const char *label);

// ---- epilogue.c -------------------------------------------------------------

// The group, its convolution first, as an epilogue of that; NULL where it is
// none: the convolution itself or several results are stored, images are not in
// blocks, or an operand is read in another order.
LowerEpilogue *epilogue_of(Lowering *lower, const Members *group);

// ---- sums.c -----------------------------------------------------------------

// Decides which sums over processes are made together; uses are known.
void sums_find(Lowering *lower);
// Starts what is ready once the kernels of this time (emit_at) are pushed; -1:
// before the first.
void sums_start(Lowering *lower, int time);
// Has an ALL_SUM of a group finished and placed; false when it is of none.
bool sums_finish(Lowering *lower, Value value);

// ---- values.c ---------------------------------------------------------------

// The values' kernels have just been pushed.
void values_note(Lowering *lower, int count, const Value *values);
void values_write(const Lowering *lower, Plan *plan);

// ---- memory.c ---------------------------------------------------------------

// Decides every buffer's offset; returns the bytes of the slab.
int64_t memory_plan(Lowering *lower);
// Afterwards, when it is known what lies where: which results go past the
// caches, and with that the kernels of the steps that are loops.
void loops_settle(Lowering *lower);

// ---- work.c -----------------------------------------------------------------

// Fills flops and bytes of every step.
void work_count(Lowering *lower);

// ---- steps.c ----------------------------------------------------------------

int buffer_new(Lowering *lower, int64_t bytes);
// A new buffer for the value, which becomes its place.
Place value_new_buffer(Lowering *lower, Value value);
int64_t type_bytes(const TensorType *type);
LowerStep step_call(PlanCall call, int64_t task_count, const char *label);
LowerStep step_kernel(const Kernel *kernel, int64_t task_count,
                      const char *label);
void step_arg(Lowering *lower, LowerStep *step, Place place, int64_t offset,
              bool write, bool pointwise);
void step_imms(Lowering *lower, LowerStep *step, int count,
               const int64_t *values);
// A runtime function's: its struct of abi.def (CallMatmul, ...).
void step_call_imms(Lowering *lower, LowerStep *step, const void *imms,
                    size_t bytes);
void step_push(Lowering *lower, const LowerStep *step);
// Whether it is a cast to or from bf16.
bool value_is_stored_form(const Lowering *lower, Value value);
// "layer1.0.conv1: conv2d"
const char *value_label(const Lowering *lower, Value value);
// "layer1.0.conv1: conv2d .. relu", of the nodes of one kernel.
const char *value_group_label(const Lowering *lower, int count,
                              const Value *nodes);

// ---- write_plan.c -----------------------------------------------------------

// Memory of the plan: zeroed, freed by plan_free.
void *plan_alloc(size_t count, size_t size);
char *plan_string(const char *text);
// The plan's kernels, each once, sorted by name; `all` names them with
// repetition, in any order, and is sorted. Then the index of one of them.
void plan_write_symbols(Plan *plan, int count, const char **all);
int32_t plan_find_symbol(const Plan *plan, const char *symbol);
// The finished plan, with what the verifier will hold it against.
void write_plan(const Lowering *lower, const Place *outputs, Plan *plan);

// ---- lower.c ----------------------------------------------------------------

// codegen_lower; with `ports_first` inputs and outputs lie in front of all
// else in the slab.
void lower_graph(Codegen *codegen, const Graph *graph, bool ports_first,
                 Plan *plan);

#endif
