// A graph from its begin to its end: the frame its phase's statements run in,
// and what they make its outputs.
#include <string.h>

#include "frontend/lang/elaborate.h"
#include "frontend/lang/eval.h"
#include "frontend/lang/tensor.h"

// `batch` in the body is what this graph has: an evaluation takes a chunk or a
// rank's share of what the options say.
void build_begin(Sema *s, Build *build, Phase *phase, int batch, bool training,
                 const char *what)
{
    const char *name =
        arena_printf(s->arena, "%s.%s", phase->item->name.text, what);
    *build = (Build){.phase = phase,
                     .graph = graph_new(s->arena, name),
                     .batch = batch,
                     .ranks = training ? s->options->ranks : 1,
                     .training = training,
                     .sketched = !phase->is_wanted,
                     .scope = "",
                     .variables = map_new(s->arena),
                     .schedule_inputs = map_new(s->arena),
                     .streams = map_new(s->arena),
                     .hidden_labels = NO_VALUE};
    build->graph->nodes.at = s->nodes;
    build->graph->nodes.capacity = s->node_capacity;
    build->outer = build_enter(s, build);
    frame_push(s, FRAME_PHASE, phase->module, NULL, phase->item->name.pos);
    for (int i = 0; i < phase->options.count; i++) {
        const Option *option = &phase->options.at[i];
        bool images = strcmp(option->name, "batch") == 0;
        frame_bind(s, s->frame, option->name,
                   images ? datum_int(batch) : option->value, option->pos);
    }
    if (phase->item->teacher.text)
        frame_bind(s, s->frame, phase->item->teacher_name.text,
                   phase->teacher ? (Datum){.kind = DATUM_TEACHER,
                                            .teacher = phase->teacher}
                                  : datum_poison(),
                   phase->item->teacher_name.pos);
}

bool build_forward(Sema *s, const Build *build)
{
    exec_block(s, build->phase->item->body);
    return !build->failed && !s->stopped;
}

void build_leave(Sema *s)
{
    frame_pop(s);
    build_enter(s, s->build->outer);
}

// The nodes move into an array of just their number. The roomy one serves the
// next graph, which is of like size: grown anew for each, the outgrown ones
// would stay in the arena.
Graph *build_finish(Sema *s, const Build *build)
{
    Graph *graph = build->graph;
    size_t count = (size_t)graph->nodes.count;
    s->nodes = graph->nodes.at;
    s->node_capacity = graph->nodes.capacity;
    graph->nodes.at = ARENA_ARRAY(s->arena, Node, count);
    graph->nodes.capacity = graph->nodes.count;
    if (count)
        memcpy(graph->nodes.at, s->nodes, sizeof(Node) * count);
    return graph;
}

Graph *build_copy(Sema *s, const Graph *graph, const char *name)
{
    Arena *arena = s->arena;
    Graph *copy = graph_new(arena, name);
    for (int i = 0; i < graph->nodes.count; i++) {
        Node node = graph->nodes.at[i];
        // graph_compact renumbers inputs where they are; types and attributes
        // are never written to.
        Value *inputs = ARENA_ARRAY(arena, Value, node.input_count + 1);
        if (node.input_count)
            memcpy(inputs, node.inputs,
                   sizeof(Value) * (size_t)node.input_count);
        node.inputs = inputs;
        vec_push(arena, &copy->nodes, node);
    }
    for (int i = 0; i < graph->outputs.count; i++)
        vec_push(arena, &copy->outputs, graph->outputs.at[i]);
    return copy;
}

// ---- outputs ----------------------------------------------------------------

// The mean of a number of each image, and then of a number of each rank, which
// on one is that itself. A scalar is its own mean.
static Value mean_of_all(Sema *s, const Build *build, Value x, SourcePos pos)
{
    Site site = {.build = build, .pos = pos, .what = "the loss"};
    Datum mean = tensor_mean(s, &site, x, 0, NULL, false);
    if (mean.kind == DATUM_TENSOR)
        mean = tensor_rank_mean(s, &site, mean.tensor);
    return mean.kind == DATUM_TENSOR ? mean.tensor : NO_VALUE;
}

// One number an image: the runtime averages these over all images.
static bool is_per_image(const Build *build, Value x)
{
    const TensorType *type = graph_type(build->graph, x);
    return type->rank == 1 && type->dims[0] == build->batch / build->ranks;
}

// The sum of all losses; kept per image in evaluation when each is.
static Value total_loss(Sema *s, const Build *build)
{
    bool per_image = !build->training;
    for (int i = 0; i < build->losses.count; i++)
        per_image = per_image && is_per_image(build, build->losses.at[i].value);
    Datum total = datum_none();
    for (int i = 0; i < build->losses.count; i++) {
        Loss loss = build->losses.at[i];
        Site site = {.build = build, .pos = loss.pos, .what = "the loss"};
        Datum part = datum_tensor(loss.value);
        if (!per_image)
            part = tensor_mean(s, &site, loss.value, 0, NULL, false);
        if (part.kind == DATUM_TENSOR && i > 0)
            part = tensor_binary(s, &site, OP_ADD, total, part);
        if (part.kind != DATUM_TENSOR)
            return NO_VALUE;
        total = part;
    }
    return total.tensor;
}

// Reports that need hidden labels are left to the evaluation, those of a step
// to the training.
Value build_outputs(Sema *s, const Build *build, const bool *left_out)
{
    Value loss = total_loss(s, build);
    Site site = {
        .build = build, .pos = build->losses.at[0].pos, .what = "the loss"};
    Datum mean = tensor_rank_mean(s, &site, loss);
    graph_add_output(build->graph, "loss",
                     mean.kind == DATUM_TENSOR ? mean.tensor : NO_VALUE);
    for (int i = 0; i < build->reports.count; i++) {
        Report report = build->reports.at[i];
        Value value = report.value;
        if (left_out && left_out[value])
            continue;
        if (build->training || !is_per_image(build, value))
            value = mean_of_all(s, build, value, report.pos);
        graph_add_output(build->graph, report.name, value);
    }
    return loss;
}
