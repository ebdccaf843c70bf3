#include "frontend/cli/foresee.h"

#include <math.h>
#include <string.h>

#include "frontend/cli/program.h"
#include "ir/eval.h"
#include "runtime/data/sampler.h"
#include "runtime/train/trainset.h"

typedef struct Foresight {
    const Cli *cli;
    const ExperimentPhase *phase;
    Graph *graphs[PLAN_PARTS];
    Arena *scratch;
} Foresight;

// ---- schedules --------------------------------------------------------------

static const char *const clocks[] = {"step", "total_steps", "epoch_steps"};

static bool is_clock(const Node *node)
{
    for (int i = 0; node->op == OP_INPUT && i < 3; i++)
        if (strcmp(node->attrs[INPUT_NAME].text, clocks[i]) == 0)
            return true;
    return false;
}

// A number that follows from the step alone.
typedef struct Scalar {
    bool is, moves; // moves: with the step
    bool pieces;    // of one thing until some step, then of another
    Value copy;     // in the graph of schedules
} Scalar;

static Scalar look_at(const Graph *graph, Value value, const Scalar *scalars)
{
    const Node *node = graph_node(graph, value);
    Scalar found = {.copy = NO_VALUE};
    found.is =
        type_elements(&node->type) == 1 &&
        (is_clock(node) || node->op == OP_CONST ||
         (node->input_count > 0 && node->op != OP_ASSIGN &&
          !op_has(node->op, TRAIT_EFFECT) && !op_is_collective(node->op)));
    found.moves =
        is_clock(node) && strcmp(node->attrs[INPUT_NAME].text, "step") == 0;
    for (int i = 0; i < node->input_count && found.is; i++) {
        found.is = scalars[node->inputs[i]].is;
        found.moves = found.moves || scalars[node->inputs[i]].moves;
        found.pieces = found.pieces || scalars[node->inputs[i]].pieces;
    }
    bool choice =
        node->op == OP_SELECT || node->op == OP_MIN || node->op == OP_MAX;
    found.pieces = found.pieces || (choice && found.moves);
    return found;
}

// The graph of all numbers that follow from the step alone.
static Graph *copy_scalars(Foresight *f, const Graph *graph, Scalar *scalars)
{
    Graph *copy = graph_new(f->scratch, "schedules");
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        scalars[v] = look_at(graph, v, scalars);
        if (!scalars[v].is)
            continue;
        Value *inputs = ARENA_ARRAY(f->scratch, Value, node->input_count + 1);
        for (int i = 0; i < node->input_count; i++)
            inputs[i] = scalars[node->inputs[i]].copy;
        scalars[v].copy = graph_add(copy, node->op, node->input_count, inputs,
                                    node->attrs, &node->type);
        scalars[v].is = scalars[v].copy != NO_VALUE;
    }
    return copy;
}

// Their values at a step, by value of the copy.
static double **values_at(Foresight *f, const Graph *copy, double step,
                          double total, double epoch)
{
    EvalBinding bindings[3];
    int count = 0;
    double *numbers = ARENA_ARRAY(f->scratch, double, 3);
    const double now[] = {step, total, epoch};
    memcpy(numbers, now, sizeof now);
    for (Value v = 0; v < copy->nodes.count; v++)
        for (int i = 0; i < 3 && is_clock(graph_node(copy, v)); i++)
            if (strcmp(graph_node(copy, v)->attrs[INPUT_NAME].text,
                       clocks[i]) == 0 &&
                count < 3)
                bindings[count++] = (EvalBinding){v, &numbers[i]};
    return eval_graph(copy, f->scratch, count, bindings);
}

// Of a schedule in pieces, a straight line from 0 through the last step is a
// warm-up that never ends.
static bool only_rises(const double *at, const double *steps)
{
    double slope = at[1];
    if (at[0] != 0 || !(slope > 0))
        return false;
    for (int i = 2; i < 4; i++)
        if (!(fabs(at[i] - slope * steps[i]) <= 1e-6 * at[i]))
            return false;
    return true;
}

static bool has_other_user(const Graph *graph, Value value,
                           const Scalar *scalars)
{
    for (Value v = value + 1; v < graph->nodes.count; v++)
        for (int i = 0; i < graph_node(graph, v)->input_count; i++)
            if (graph_node(graph, v)->inputs[i] == value && !scalars[v].is)
                return true;
    return false;
}

static bool warn_rising(Foresight *f, const Graph *graph, int64_t total,
                        double epoch)
{
    Scalar *scalars = ARENA_ARRAY(f->scratch, Scalar, graph->nodes.count + 1);
    Graph *copy = copy_scalars(f, graph, scalars);
    double **values[4], last = (double)total - 1;
    const double steps[4] = {0, 1, floor(last / 2), last};
    if (total < 4)
        return false;
    for (int i = 0; i < 4; i++)
        values[i] = values_at(f, copy, steps[i], (double)total, epoch);
    for (Value v = 0; v < graph->nodes.count; v++) {
        double at[4];
        if (!scalars[v].is || !scalars[v].pieces)
            continue;
        for (int i = 0; i < 4; i++)
            at[i] = values[i][scalars[v].copy][0];
        if (!only_rises(at, steps) || !has_other_user(graph, v, scalars))
            continue;
        cli_warn(f->cli,
                 arena_printf(f->cli->arena,
                              "phase %s: its warm-up is not over when it ends: "
                              "the rate rises in a straight line through all "
                              "its %lld steps, to %g. A shorter warm-up, or "
                              "more steps",
                              f->phase->name, (long long)total, at[3]));
        return true;
    }
    return false;
}

static void foresee_schedules(Foresight *f, int64_t images)
{
    const ExperimentPhase *phase = f->phase;
    int64_t total =
        sampler_total_steps(phase->steps, phase->epochs, images, phase->batch);
    double epoch = (double)images / phase->batch;
    for (int g = 0; g < PLAN_PARTS; g++)
        if (f->graphs[g] && warn_rising(f, f->graphs[g], total, epoch))
            return;
}

// ---- norms ------------------------------------------------------------------

typedef struct Param {
    const char *name, *role;
    size_t scope; // bytes of the name before its last dot
    bool assigned, matters;
} Param;

// Which values a result or a trained weight depends on. What a phase computes
// and does not use is not frozen.
static bool *what_matters(Foresight *f, const Graph *graph)
{
    bool *matters = ARENA_ARRAY(f->scratch, bool, graph->nodes.count + 1);
    for (int i = 0; i < graph->outputs.count; i++)
        matters[graph->outputs.at[i].value] = true;
    for (Value v = graph->nodes.count - 1; v >= 0; v--) {
        const Node *node = graph_node(graph, v);
        if (node->op == OP_ASSIGN) {
            const Node *param = graph_node(graph, node->inputs[0]);
            matters[v] = strcmp(param->attrs[PARAM_ROLE].text, "weight") == 0;
        }
        for (int i = 0; matters[v] && i < node->input_count; i++)
            matters[node->inputs[i]] = true;
    }
    return matters;
}

static Param *find_param(Param *params, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(params[i].name, name) == 0)
            return &params[i];
    return NULL;
}

// The params of all graphs of the step, and which of them it changes.
static Param *list_params(Foresight *f, int *count)
{
    int room = 1;
    for (int g = 0; g < PLAN_PARTS; g++)
        for (Value v = 0; f->graphs[g] && v < f->graphs[g]->nodes.count; v++)
            room += graph_node(f->graphs[g], v)->op == OP_PARAM;
    Param *params = ARENA_ARRAY(f->scratch, Param, room);
    *count = 0;
    for (int g = 0; g < PLAN_PARTS; g++) {
        bool *matters = f->graphs[g] ? what_matters(f, f->graphs[g]) : NULL;
        for (Value v = 0; f->graphs[g] && v < f->graphs[g]->nodes.count; v++) {
            const Node *node = graph_node(f->graphs[g], v);
            bool assign = node->op == OP_ASSIGN;
            if (assign)
                node = graph_node(f->graphs[g], node->inputs[0]);
            else if (node->op != OP_PARAM)
                continue;
            const char *name = node->attrs[PARAM_NAME].text;
            const char *dot = strrchr(name, '.');
            Param *param = find_param(params, *count, name);
            if (!param)
                param = &params[(*count)++];
            *param = (Param){name, node->attrs[PARAM_ROLE].text,
                             dot ? (size_t)(dot - name) : 0,
                             param->assigned || assign,
                             param->matters || matters[v]};
        }
    }
    return params;
}

// A state that moves in a module whose weights stay.
static bool is_left_moving(const Param *params, int count, const Param *state)
{
    bool weights = false;
    if (!state->assigned || strcmp(state->role, "state") != 0 || !state->scope)
        return false;
    for (int i = 0; i < count; i++) {
        const Param *other = &params[i];
        if (strcmp(other->role, "weight") != 0 ||
            other->scope != state->scope ||
            strncmp(other->name, state->name, state->scope) != 0)
            continue;
        if (other->assigned)
            return false;
        weights = weights || other->matters;
    }
    return weights;
}

static void warn_moving(const Foresight *f, const Param *params, int count)
{
    int moving = 0;
    const Param *first = NULL;
    for (int i = 0; i < count; i++)
        if (is_left_moving(params, count, &params[i])) {
            first = first ? first : &params[i];
            moving++;
        }
    if (!first)
        return;
    cli_warn(f->cli,
             arena_printf(f->cli->arena,
                          "phase %s: %.*s is not trained, and yet its "
                          "%s moves with every batch (%d such states "
                          "in all): inference(...) around frozen parts "
                          "leaves their norms alone",
                          f->phase->name, (int)first->scope, first->name,
                          first->name + first->scope + 1, moving));
}

static void warn_one_row(const Foresight *f, const Param *params, int count)
{
    static const char end[] = ".running_var";
    const ExperimentPhase *phase = f->phase;
    int images = phase->chunk ? phase->chunk : phase->batch;
    for (int i = 0; i < count && images * experiment_views(phase) == 1; i++) {
        size_t length = strlen(params[i].name);
        if (!params[i].assigned || length < sizeof end ||
            strcmp(params[i].name + length - (sizeof end - 1), end) != 0)
            continue;
        cli_warn(f->cli,
                 arena_printf(f->cli->arena,
                              "phase %s: batch norms take mean and variance "
                              "over the rows of a step, and with %s = 1 there "
                              "is one: of vectors they make zeros (%.*s was "
                              "the first). %s = 2 or more",
                              phase->name, phase->chunk ? "chunk" : "batch",
                              (int)params[i].scope, params[i].name,
                              phase->chunk ? "chunk" : "batch"));
        return;
    }
}

static void foresee_norms(Foresight *f)
{
    int count;
    Param *params = list_params(f, &count);
    warn_moving(f, params, count);
    warn_one_row(f, params, count);
}

// ---- all of it --------------------------------------------------------------

void foresee(const Job *job, const Compiler *compiler)
{
    const Experiment *experiment = compiler->experiment;
    Program *program =
        program_from_experiment(experiment, compiler->lang.dtype, "");
    for (int i = 0; i < experiment->phases.count; i++) {
        Trainset set;
        Foresight f = {.cli = job->cli, .phase = &experiment->phases.at[i]};
        if (!compiler_wants(compiler, f.phase->name))
            continue;
        // What is wrong with the data is said when the phase is checked.
        if (trainset_select(&program->phases[i], job->data, job->options.labels,
                            job->options.seed, &set)
                .code != STATUS_OK)
            continue;
        f.scratch = arena_new();
        compiler_train_graphs(f.phase, f.graphs);
        foresee_schedules(&f, set.count);
        foresee_norms(&f);
        arena_free(f.scratch);
        trainset_free(&set);
    }
    program_free(program);
}
