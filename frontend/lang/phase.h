// Phases, and the graphs in the making of them.
#ifndef SIMCC_FRONTEND_LANG_PHASE_H
#define SIMCC_FRONTEND_LANG_PHASE_H

#include <string.h>

#include "frontend/lang/sema.h"
#include "ir/split.h"

// A weight, state or slot of the graph being built.
typedef struct Variable {
    const char *name;        // full
    SourcePos pos, call_pos; // its declaration, and the call that ran it
    Value param;
    TensorType type;
    bool is_state, is_frozen;
    bool in_model;                  // else in checkpoints alone
    const struct Variable *follows; // the weight it is the average of, or NULL
    Datum decay;                    // of that average
    Datum current; // what reading it gives: the param, or its update
    bool updated;
} Variable;

typedef struct Report {
    const char *name;
    SourcePos pos;
    Value value;
} Report;

typedef struct Using {
    const Stmt *stmt;
    const struct Function *optimizer;
    Datum settings[MAX_FORMALS]; // by formal; ABSENT = its default
    SourcePos setting_pos[MAX_FORMALS];
    const char *resolved; // all settings, for `show`
    bool updates;         // it is the first that matches a trained weight
} Using;

// What moving_average(x, decay) is asked for while x is run.
typedef struct Average {
    SourcePos pos;
    Datum decay; // a number or scalar tensor
} Average;

typedef struct Loss {
    Value value;
    SourcePos pos;
} Loss;

// One graph in the making: a phase's statements run into it. It lies where the
// function that makes the graph has it, and no longer than that runs. All zero,
// it is what is evaluated outside phases: no graph, no scope.
struct Build {
    Phase *phase;
    Graph *graph;
    struct Build *outer; // what was evaluated into before
    bool failed; // an error was met while it was made, told before or not
    int batch;   // images of this graph, on all ranks
    int ranks;   // that share them: 1 but in training
    bool training;
    bool sketched; // forward only: the phase is not one of those wanted
    bool sharing;  // inside shared(...): declared names are reused
    bool frozen;   // inside a teacher
    const Average *average; // inside moving_average(...), else NULL
    const char *scope;      // "layer1.0", "" at the top
    Map variables;          // full name -> Variable
    VEC(Variable *) order;
    Map schedule_inputs; // "step" ... -> Value + 1
    // While its optimizers are set and run; else NULL.
    const Datum *trained;   // the names of the weights, a list
    const Value *gradients; // theirs, NULL until they are known
    int gradient_count;
    Datum global_norm;   // of these, once asked for
    Map streams;         // scope -> how many random tensors it has drawn
    const Stmt *input;   // the input statement, once seen
    Value hidden_labels; // labels that training must not see, or NO_VALUE
    VEC(Loss) losses;
    VEC(Report) reports;
    VEC(const char *) weight_reports; // names that optimizers report
    VEC(Using *) usings;
    VEC(const Stmt *) freezes;
};

typedef struct Option {
    const char *name;
    SourcePos pos;
    Datum value;
    const Expr *expr;
    bool from_command_line;
} Option;

// What the graph of the whole batch says of a step in chunks of it.
typedef struct Chunks {
    const Graph *whole;
    Split split;
    bool *has_gradient; // by place in split.cut: the loss depends on it
} Chunks;

typedef enum PhaseState { PHASE_NEW, PHASE_FAILED, PHASE_DONE } PhaseState;

struct Phase {
    const PhaseItem *item;
    Module *module;
    PhaseState state;
    bool is_wanted; // its graphs are: see LangOptions.phases
    VEC(Option) options;
    Phase *from, *teacher;
    WordList renamed; // phases of its header that --set replaced
    ExperimentPhase *out;
    Datum input;               // the DATUM_SOURCE of its input
    VEC(Variable *) variables; // of its train graph
    VEC(const char *) usings;  // resolved, for `show`
    Chunks chunks;             // of a step in chunks
};

// The setting of that name, or NULL.
static inline const Option *phase_option(const Phase *phase, const char *name)
{
    for (int i = 0; i < phase->options.count; i++)
        if (strcmp(phase->options.at[i].name, name) == 0)
            return &phase->options.at[i];
    return NULL;
}

#endif
