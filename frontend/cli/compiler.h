// The whole compiler, from a .net file to a program the runtime can execute.
#ifndef SIMCC_FRONTEND_CLI_COMPILER_H
#define SIMCC_FRONTEND_CLI_COMPILER_H

#include "codegen/codegen.h"
#include "frontend/cli/cli.h"
#include "frontend/cli/tune.h"
#include "frontend/lang/experiment.h"
#include "passes/pass.h"
#include "runtime/exec/program.h"

// The value of a phase whose features are probed while it trains.
#define PROBED_VALUE "h"
// The value whose rows are scores of classes, by its usual name.
#define SCORED_VALUE "logits"

typedef enum EmitKind {
    EMIT_NOTHING,
    EMIT_AST,
    EMIT_GRAPH,
    EMIT_DOT,
    EMIT_PLAN,
    EMIT_LLVM,
    EMIT_ASM
} EmitKind;

// One phase of the compiler, for --time.
typedef struct CompilerTime {
    const char *name;
    double seconds;
} CompilerTime;

typedef struct Compiler {
    // What to do.
    Arena *arena;
    const char *path;
    LangOptions lang;
    CodegenOptions codegen;
    int phase_count; // compile these phases only; 0 = all
    const char *const *phases;
    const char *passes; // comma-separated; NULL = all, "none" = none
    bool validates;     // while training: an evaluation has memory beside it
    bool tune;          // choose the ways to convolve by measuring them
    // Of each phase of the experiment, for those of a run that goes on:
    // ProgramPhase.ways, not tuned; NULL = of none.
    const char **ways;
    bool verify;   // graphs must read back after every pass; check plans
    EmitKind emit; // stop after making this form, which is in `dump`
    bool codeless; // make no machine code: the program is to be checked alone
    // What came of it.
    DiagList diags; // errors and warnings of the source
    Experiment *experiment;
    Text dump;
    CodegenStats stats;
    TuneStats tuned;
    VEC(CompilerTime) times;
} Compiler;

// Where kernels and lists of files are kept from one command to the next; NULL
// = nowhere. The latter, but not under --no-cache.
const char *compiler_cache_folder(Arena *arena);
const char *compiler_index_folder(const Cli *cli);

// A compiler for the file and options of a command line. `arena` is the
// command line's.
Status compiler_open(Compiler *compiler, const Cli *cli);

// Reads and elaborates the program; false when it has errors (diags).
bool compiler_load(Compiler *compiler);
// What the program is called: `name`, its file's, but where that is a run's own
// model.net the name that the run has. In `arena`.
const char *compiler_program_name(Arena *arena, const char *path,
                                  const char *name);

// Gives the param `classes` the data's number of them, if the program has it,
// nobody set it and it is another, and loads the program again.
Status compiler_fit_classes(Compiler *compiler, Cli *cli, int classes,
                            const char *whence);
// Gives params that nobody set the values that the weights in a file were
// trained with, where these differ, and loads the program again.
Status compiler_fit_weights(Compiler *compiler, Cli *cli, const char *path);
// The same for weights that another program wrote, to start from: all but
// `classes`, which are those of the data. Ours change nothing.
Status compiler_fit_init(Compiler *compiler, Cli *cli, const char *path);

// The whole compiler. *program is the caller's (program_free), and NULL when
// `emit` asked for an earlier form. STATUS_SOURCE when the source has errors,
// which are in `diags` (the status text says how many).
Status compiler_run(Compiler *compiler, Program **program);

// Fills the params of every phase's train plan that has none: the names and
// shapes of its weights. The experiment must be loaded.
void compiler_list_params(const Compiler *compiler, Program *program);

// The graphs of a phase's training step, by PlanPart: one that is not in chunks
// is PLAN_LOSS alone. Others are NULL.
void compiler_train_graphs(const ExperimentPhase *phase,
                           Graph *graphs[PLAN_PARTS]);
// Lowers them to one plan, once the passes have run on them.
void compiler_lower_train(Codegen *codegen, const ExperimentPhase *phase,
                          Plan *plan);

// What the passes are told of the target, for graphs whose activations are
// stored in bf16 or not.
PassOptions compiler_pass_options(const Compiler *compiler, bool bf16);

// Runs passes on graphs read from a file in text form: --from=graph.
Status compiler_run_graphs(Compiler *compiler);

// Says of phases that are to store activations in bf16 which have none, and
// whether convolutions multiply in it.
void compiler_tell_precision(const Program *program, const Cli *cli);

// Prints errors and warnings of the source and then the status, unless it only
// says that there were such errors. Returns the exit code.
int compiler_report(const Compiler *compiler, const Cli *cli,
                    const Status *status);

// Is the phase one of those to compile?
bool compiler_wants(const Compiler *compiler, const char *phase);
// STATUS_USAGE when the compiler's wanted phases are not all in the loaded
// program.
Status compiler_check_names(const Compiler *compiler);
// Threads the program will run on: as asked for, or the cores there are.
int compiler_threads(const Compiler *compiler);
// "pretrain, finetune"
const char *compiler_list_names(Arena *arena, int count,
                                const char *const *names);
// STATUS_USAGE with a did-you-mean when a name in `wanted` is none of a
// program's phases.
Status compiler_check_phases(Arena *arena, int wanted_count,
                             const char *const *wanted, int count,
                             const char *const *names);

#endif
