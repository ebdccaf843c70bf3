// The plan: what the compiler hands to the runtime. Kernels in a fixed order,
// every buffer's offset decided, nothing left to choose or allocate in a step.
// Target-neutral (what a CPU adds to it stands in code.h and cpu.h); written by
// codegen/, executed by runtime/exec/exec.c, stored in artifacts by
// runtime/files/artifact.c. Plain data, no pointers into the compiler.
#ifndef SIMCC_RUNTIME_PLAN_H
#define SIMCC_RUNTIME_PLAN_H

#include <stdint.h>

enum { PLAN_MAX_RANK = 6, PLAN_ALIGN = 64 };
// Elements of the input "random", from which kernels draw (random_key.h).
enum { PLAN_RANDOM_KEY = 5 };

// Values equal to ir's DType.
typedef enum PlanDType { PLAN_F32, PLAN_F64, PLAN_BF16, PLAN_BOOL } PlanDType;
enum { PLAN_DTYPES = PLAN_BOOL + 1 };

// How convolutions add up, which decides low bits.
typedef enum PlanSums {
    PLAN_SUMS_FAST,   // whichever is fastest
    PLAN_SUMS_STRICT, // with no larger error than plain sums have
    PLAN_SUMS_PLAIN   // plain sums
} PlanSums;
enum { PLAN_SUMS = PLAN_SUMS_PLAIN + 1 };

// Runtime functions by number.
typedef enum PlanCall {
#define CALL(id, function, imms, args, doc) PLAN_CALL_##id,
#include "runtime/exec/abi.def"
    PLAN_CALL_COUNT
} PlanCall;

// The integers of runtime functions by name: CallMatmul and its like. A step's
// are the bytes of its function's struct.
#define IMMS(type)                                                             \
    typedef struct type type;                                                  \
    struct type {
#define IMM(field, doc)           int64_t field;
#define IMM_REAL(field, doc)      double field;
#define IMM_LIST(field, n, doc)   int64_t field[n];
#define IMM_ALL(type, field, doc) type field;
#define IMMS_END(type)                                                         \
    }                                                                          \
    ;                                                                          \
    _Static_assert(sizeof(type) % sizeof(int64_t) == 0, #type);
#include "runtime/exec/abi.def"

// Every kernel, generated or from the runtime, has this type. args: buffers in
// the step's order; imm: the step's integers, each kernel's own (a convolution
// reads how many images there are from them); task: 0 .. task_count-1;
// scratch: this thread's Plan.scratch_bytes, or what calls.h says. Tasks of a
// step write disjoint memory and may run in any order.
typedef void PlanKernel(void *const *args, const int64_t *imm, int64_t task,
                        void *scratch);

typedef struct PlanTensor {
    char *name;
    int32_t dtype; // PlanDType
    int32_t rank;
    int64_t dims[PLAN_MAX_RANK];
    int64_t bytes;
} PlanTensor;

typedef enum PlanInit {
    PLAN_INIT_CONSTANT,         // scale
    PLAN_INIT_NORMAL,           // sigma = scale
    PLAN_INIT_TRUNCATED_NORMAL, // sigma = scale, redrawn beyond 2 sigma
    PLAN_INIT_UNIFORM,          // [-scale, scale)
    PLAN_INIT_COPY              // of another param: plan_copied
} PlanInit;
enum { PLAN_INITS = PLAN_INIT_COPY + 1 };

typedef enum PlanRole {
    PLAN_WEIGHT, // trained or frozen here; saved
    PLAN_STATE,  // running statistics; saved
    PLAN_SLOT,   // of optimizers and moving averages: in checkpoints alone
    PLAN_FROZEN, // a teacher's tensor; loaded, never saved
    PLAN_SUM     // of gradients over a step's chunks; 0 between steps
} PlanRole;
enum { PLAN_ROLES = PLAN_SUM + 1 };

// A tensor that lives between steps. Plans of one phase share params by name.
// Its elements are in row-major order or, weights [o, c, kh, kw] of
// convolutions that kernels read in tiles, as [o/tile, c/tile, kh, kw, tile c,
// tile o].
typedef struct PlanParam {
    PlanTensor tensor; // the dims of the rows in either case
    int32_t role;      // PlanRole
    int32_t init;      // PlanInit
    double scale;
    int32_t tile; // side of a tile; 0 = row-major
} PlanParam;

// Where a named input or output lies in the slab.
typedef struct PlanPort {
    PlanTensor tensor;
    int64_t offset;
} PlanPort;

// Calls that reduce a product of rows with rows tile by tile: what is made of
// each row, and how large a tile is at most. A task has one tile as scratch.
typedef enum PlanRows {
    PLAN_ROWS_LSE,
    PLAN_ROWS_MAX,
    PLAN_ROWS_ENTROPY
} PlanRows;
enum { PLAN_ROWS_TILE = 128, PLAN_ROWS_TILE_LONG = 512 };
// Bytes of scratch for each column of a resized image.
enum { PLAN_RESIZE_TAP = 24 };

typedef enum PlanSpace {
    PLAN_SLAB, // offset into the slab
    PLAN_PARAM // index into params; offset inside it
} PlanSpace;

typedef struct PlanRef {
    int32_t space; // PlanSpace
    int32_t param;
    int64_t offset;
} PlanRef;

enum {
    // The step runs inside the task of the step before it, task by task, with
    // no barrier between: an epilogue on data still in cache.
    PLAN_STEP_CHAINED = 1,
};

typedef struct PlanStep {
    int32_t symbol; // index into symbols, or -1: `call`
    int32_t call;   // PlanCall, when symbol is -1
    int32_t flags;  // PLAN_STEP_*
    int32_t task_count;
    int32_t first_arg, arg_count; // into refs
    int32_t first_imm, imm_count; // into imms
    char *label;                  // "layer1.0.conv1: conv2d", for profiles
    // For profiles, too: what all tasks do in a step of the training when each
    // byte is moved once (small steps are not shared among threads), and the
    // place in the source; file NULL = nowhere.
    int64_t flops, bytes;
    char *file;
    int32_t line;
} PlanStep;

// A value that a step leaves whole in memory, until a later step takes that
// over: for finding where a number without bounds came from.
typedef struct PlanValue {
    int32_t step; // once this, and those chained to it, have run
    int32_t dtype;
    PlanRef at;
    int64_t rows, elements;  // rows: its first dim
    char *label;             // "layer1.0.conv1: conv2d"
    char *file;              // of the source; NULL = nowhere
    int32_t line, last_line; // of its kernel's operations
} PlanValue;

// The parts of a step that takes its batch in chunks, one after the other.
typedef enum PlanPart {
    PLAN_EMBED,    // for each chunk: its embeddings
    PLAN_LOSS,     // once: of all embeddings, and their gradients
    PLAN_BACKWARD, // for each chunk again: gradients of weights, added up; may
                   // be empty
    PLAN_UPDATE,   // once: the optimizers
    PLAN_PARTS
} PlanPart;

// Rows of a chunk k that lie in `blocks` of so many bytes, and their places
// among all rows: block b at chunk + b * bytes and at whole + (b * count + k) *
// bytes of the slab.
typedef struct PlanCopy {
    int32_t part;   // PLAN_EMBED: to the whole, when it has run; PLAN_BACKWARD:
                    // from the whole, before it runs
    int32_t blocks; // views
    int64_t chunk, whole, bytes;
} PlanCopy;

typedef struct PlanChunks {
    int32_t count;           // in a batch; 0 = the step runs once, as a whole
    int32_t end[PLAN_PARTS]; // the step behind each part's last
    int32_t copy_count;
    PlanCopy *copies;
} PlanChunks;

typedef struct Plan {
    char *name; // "pretrain.train"
    int32_t param_count, input_count, output_count, step_count;
    int32_t ref_count, imm_count, symbol_count, value_count;
    PlanParam *params;
    PlanPort *inputs;
    PlanPort *outputs;
    PlanStep *steps;
    PlanRef *refs;
    int64_t *imms;
    PlanValue *values; // by step
    PlanChunks chunks;
    char **symbols;        // kernel names, defined by the program's objects
    int64_t slab_bytes;    // every activation, input and output
    int64_t scratch_bytes; // per thread
} Plan;

void plan_free(Plan *plan); // what it points to, not the struct itself

#endif
