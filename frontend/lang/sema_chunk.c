// A step that takes its batch in chunks (gradient caching: Gao et al. 2021),
// for losses that compare more images than memory holds the activations of.
// The phase is elaborated twice, for the whole batch and for a chunk, and both
// graphs are cut at the embeddings, where rows of different images meet first:
//   embed     a chunk: its embeddings, and the running states of its norms
//   train     all: loss, reports, and the gradient g by the embeddings z
//   backward  a chunk once more: the gradient of sum(z * g) by the weights,
//             which is its share of the loss's, added to what came before
//   update    the optimizers, with these sums
// Where no statistic is taken over a chunk, that is the ordinary step.
#include <inttypes.h>
#include <string.h>

#include "frontend/lang/elaborate.h"
#include "frontend/lang/setting.h"
#include "frontend/lang/tensor.h"
#include "ir/build.h"
#include "ir/random.h"

// ---- the setting ------------------------------------------------------------

void chunk_check(Sema *s, Phase *phase)
{
    // `chunk` need not be declared to be set. Behind the others: `show` writes
    // it there.
    const Setting *setting = setting_find(s, phase->item->name.text, "chunk");
    if (setting && !phase_option(phase, "chunk") && phase->options.count) {
        Option given = {
            .name = "chunk",
            .value = setting_value(s, setting, datum_none(), phase->module),
            .from_command_line = true};
        vec_push(s->arena, &phase->options, given);
    }
    const Option *option = phase_option(phase, "chunk");
    int64_t batch = phase->out->batch;
    if (!option || option->value.kind == DATUM_NONE ||
        option->value.kind == DATUM_POISON || !batch)
        return;
    if (option->value.kind != DATUM_INT || option->value.whole < 1) {
        sema_fail(s, option->pos,
                  "a chunk is a whole number of images, or none, not %s",
                  datum_describe(s->arena, option->value, NULL));
        return;
    }
    // Of a phase that is not wanted nothing is shared.
    int64_t chunk = option->value.whole, divisor = chunk;
    int64_t ranks = phase->is_wanted ? s->options->ranks : 1;
    if (chunk >= batch || batch % ranks != 0) // the latter has been said
        return;
    while (divisor > ranks && (batch % divisor != 0 || divisor % ranks != 0))
        divisor--;
    if (divisor < ranks)
        divisor = ranks;
    if (divisor == chunk)
        phase->out->chunk = (int)chunk;
    else if (batch % chunk != 0)
        sema_fail(s, option->pos,
                  "the batch of %" PRId64 " in phase `%s` does not divide into "
                  "chunks of %" PRId64 "; chunks of %" PRId64 " do",
                  batch, phase->item->name.text, chunk, divisor);
    else
        sema_fail(s, option->pos,
                  "a chunk of %" PRId64
                  " image%s in phase `%s` does not divide "
                  "by %" PRId64 " processes; one of %" PRId64 " does",
                  chunk, text_s(chunk), phase->item->name.text, ranks, divisor);
}

// ---- parts ------------------------------------------------------------------

static const char *part_name(Sema *s, const Phase *phase, const char *part)
{
    return arena_printf(s->arena, "%s.%s", phase->item->name.text, part);
}

// Port `index` of a kind: "embedding.0".
static const char *port_name(Sema *s, const char *kind, int index)
{
    return arena_printf(s->arena, "%s.%d", kind, index);
}

// Leaves what outputs and assignments need. Ports that a part does not read
// would be fed in vain.
static void keep_needed(Sema *s, Graph *graph)
{
    bool *keep = ARENA_ARRAY(s->arena, bool, graph->nodes.count + 1);
    for (int i = 0; i < graph->outputs.count; i++)
        keep[graph->outputs.at[i].value] = true;
    for (Value v = graph->nodes.count - 1; v >= 0; v--) {
        const Node *node = graph_node(graph, v);
        keep[v] = keep[v] || node->op == OP_ASSIGN;
        for (int i = 0; keep[v] && i < node->input_count; i++)
            keep[node->inputs[i]] = true;
    }
    graph_compact(graph, keep, NULL);
}

// What a weight's gradient is added up in.
static Value sum_param(Sema *s, Graph *graph, const Variable *weight)
{
    return build_param(graph, weight->type,
                       arena_printf(s->arena, "gradient.%s", weight->name),
                       "sum", "constant", 0);
}

static void add_to_sum(Sema *s, Graph *graph, const Variable *weight,
                       Value gradient)
{
    if (train_is_zero(graph, gradient))
        return;
    Value sum = sum_param(s, graph, weight);
    build_assign(graph, sum, build_binary(graph, OP_ADD, sum, gradient));
}

// ---- the cut ----------------------------------------------------------------

static void refuse(Sema *s, const Phase *phase, SourcePos pos, const char *why)
{
    sema_error(s, pos, "phase `%s` cannot take its batch in chunks: %s",
               phase->item->name.text, why);
}

// False after a diagnostic.
static bool cut_is_good(Sema *s, const Phase *phase, const Graph *graph,
                        const Split *split)
{
    SourcePos here = phase->item->name.pos;
    if (split->whole_window != NO_VALUE) {
        refuse(s, phase,
               sema_origin(s, graph_node(graph, split->whole_window)->origin),
               "images meet before this window");
        sema_note(s, sema_origin(s, graph_node(graph, split->meeting)->origin),
                  "they meet here; only means over the batch that a running "
                  "state keeps may be a chunk's");
    } else if (split->statistic != NO_VALUE) {
        refuse(s, phase,
               sema_origin(s, graph_node(graph, split->statistic)->origin),
               "the loss or a report reads this statistic, which is a "
               "chunk's");
    } else if (split->moving != NO_VALUE) {
        refuse(s, phase,
               sema_origin(s, graph_node(graph, split->moving)->origin),
               "the embeddings depend on this state, which changes in the "
               "step");
    } else if (!split->cut_count) {
        refuse(s, phase, here,
               "nothing it minimizes or reports is made of "
               "its images");
    } else {
        return true;
    }
    return false;
}

static bool find_cut(Sema *s, const Build *build, Split *split)
{
    int count = 0;
    Value *params = ARENA_ARRAY(s->arena, Value, build->order.count + 1);
    Value *updates = ARENA_ARRAY(s->arena, Value, build->order.count + 1);
    for (int i = 0; i < build->order.count; i++) {
        const Variable *variable = build->order.at[i];
        if (!variable->updated)
            continue;
        params[count] = variable->param;
        updates[count++] = variable->current.tensor;
    }
    split_find(build->graph, build->batch / build->ranks, count, params,
               updates, s->arena, split);
    return cut_is_good(s, build->phase, build->graph, split);
}

// ---- of the whole batch -----------------------------------------------------

// The weights, and behind them the values of the cut, for train_gradients.
static Value *weights_and_cut(Sema *s, const VariableList *trained,
                              const Split *split)
{
    Value *wrt =
        ARENA_ARRAY(s->arena, Value, trained->count + split->cut_count + 1);
    for (int i = 0; i < trained->count; i++)
        wrt[i] = trained->at[i]->param;
    for (int i = 0; i < split->cut_count; i++)
        wrt[trained->count + i] = split->cut[i];
    return wrt;
}

// Assigns, in a part made of the build's graph, the states whose new values are
// of these classes there.
static void assign_states(Graph *part, const Build *build, const Split *split,
                          unsigned classes)
{
    int known = build->graph->nodes.count;
    for (int i = 0; i < build->order.count; i++) {
        const Variable *variable = build->order.at[i];
        if (!variable->updated)
            continue;
        Value value = variable->current.tensor;
        SplitClass class = value < known ? split->classes[value] : SPLIT_FREE;
        if (classes >> class & 1)
            train_assign(part, variable);
    }
}

// The first of the images that a process has of the batch is not that of those
// that it has of a chunk: the key that says so is another.
static void name_key(Graph *graph, int ranks)
{
    for (Value v = 0; ranks > 1 && v < graph->nodes.count; v++) {
        Node *node = graph_node(graph, v);
        if (node->op == OP_INPUT &&
            strcmp(node->attrs[INPUT_NAME].text, RANDOM_KEY_NAME) == 0)
            node->attrs[INPUT_NAME].text = RANDOM_KEY_BATCH_NAME;
    }
}

// Loss, reports, gradients by the embeddings, and by the weights that come
// behind them. `given`: which weights get a gradient here.
static bool make_loss(Sema *s, const Build *build, Value loss,
                      const VariableList *trained, bool *given)
{
    Phase *phase = build->phase;
    const Split *split = &phase->chunks.split;
    Graph *graph = build_copy(s, build->graph, part_name(s, phase, "train"));
    int cut_count = split->cut_count;
    // Here the embeddings come from outside: what made them becomes an input.
    for (int i = 0; i < cut_count; i++) {
        Node *node = graph_node(graph, split->cut[i]);
        node->op = OP_INPUT;
        node->input_count = 0;
        node->attrs[INPUT_NAME].text = port_name(s, "embedding", i);
    }
    name_key(graph, build->ranks);
    Value *grads = train_gradients(s, graph, loss, trained->count + cut_count,
                                   weights_and_cut(s, trained, split));
    if (!grads)
        return false;
    phase->chunks.has_gradient = ARENA_ARRAY(s->arena, bool, cut_count + 1);
    for (int i = 0; i < cut_count; i++) {
        Value gradient = grads[trained->count + i];
        if (train_is_zero(graph, gradient))
            continue;
        phase->chunks.has_gradient[i] = true;
        graph_add_output(graph, port_name(s, "gradient", i), gradient);
    }
    for (int i = 0; i < trained->count; i++) {
        given[i] = !train_is_zero(graph, grads[i]);
        add_to_sum(s, graph, trained->at[i], grads[i]);
    }
    assign_states(graph, build, split, 1u << SPLIT_WHOLE | 1u << SPLIT_ROWS);
    keep_needed(s, graph);
    phase->out->train = graph;
    return true;
}

// The sum of cut * gradient, whose gradient by what comes before the cut is
// that of the loss.
static Value share_of_loss(Sema *s, const Phase *phase, Graph *graph,
                           const Split *split)
{
    Value sum = NO_VALUE;
    for (int i = 0; i < split->cut_count; i++) {
        if (!phase->chunks.has_gradient[i])
            continue;
        TensorType type = *graph_type(graph, split->cut[i]);
        int64_t axes[MAX_RANK];
        for (int k = 0; k < type.rank; k++)
            axes[k] = k;
        Value given = build_input(graph, type, port_name(s, "gradient", i));
        Value part = build_reduce(
            graph, OP_REDUCE_SUM,
            build_binary(graph, OP_MUL, split->cut[i], given), type.rank, axes);
        sum = sum == NO_VALUE ? part : build_binary(graph, OP_ADD, sum, part);
    }
    return sum;
}

// Adds to `given` the weights that come before the cut and get a gradient
// there.
static bool reach_weights(Sema *s, const Build *build,
                          const VariableList *trained, bool *given)
{
    const Split *split = &build->phase->chunks.split;
    Graph *graph = build_copy(s, build->graph, "reached");
    Value sum = share_of_loss(s, build->phase, graph, split);
    if (sum == NO_VALUE)
        return true;
    Value *grads = train_gradients(s, graph, sum, trained->count,
                                   weights_and_cut(s, trained, split));
    for (int i = 0; grads && i < trained->count; i++)
        given[i] = given[i] || !train_is_zero(graph, grads[i]);
    return grads != NULL;
}

static bool reads_images(const Graph *graph)
{
    for (Value v = 0; v < graph->nodes.count; v++) {
        const Node *node = graph_node(graph, v);
        if (node->op == OP_INPUT &&
            (split_is_images(node->attrs[INPUT_NAME].text) ||
             strcmp(node->attrs[INPUT_NAME].text, "labels") == 0))
            return true;
    }
    return false;
}

// The optimizers run as in any step, into a copy of the graph: a build of its
// own, whose variables are the phase's.
static bool make_update(Sema *s, Build *build, const VariableList *trained,
                        const bool *given)
{
    Phase *phase = build->phase;
    Build update = *build;
    Graph *graph = build_copy(s, build->graph, part_name(s, phase, "update"));
    graph->outputs.count = 0;
    update.graph = graph;
    if (!train_settings(s, &update, trained))
        return false;
    Value *sums = ARENA_ARRAY(s->arena, Value, trained->count + 1);
    Value *grads = ARENA_ARRAY(s->arena, Value, trained->count + 1);
    for (int i = 0; i < trained->count; i++) {
        const Variable *weight = trained->at[i];
        Site site = {
            .build = &update, .pos = weight->pos, .what = weight->name};
        grads[i] = sums[i] = given[i] ? sum_param(s, graph, weight)
                                      : build_const(graph, weight->type, 0);
        if (given[i])
            grads[i] = tensor_rank_mean(s, &site, sums[i]).tensor;
    }
    train_update(s, &update, trained, grads);
    if (!update.failed)
        still_warn(s, &update);
    // What the optimizers have declared is the phase's, too.
    Graph *whole = build->graph;
    *build = update;
    build->graph = whole;
    assign_states(graph, build, &phase->chunks.split, 1u << SPLIT_FREE);
    for (int i = 0; i < trained->count; i++)
        if (given[i])
            build_assign(graph, sums[i],
                         build_const(graph, trained->at[i]->type, 0));
    keep_needed(s, graph);
    phase->out->update = graph;
    if (reads_images(graph))
        refuse(s, phase, build->usings.at[0]->stmt->pos,
               "its optimizer is given what is made of the images");
    return !build->failed;
}

bool chunk_whole(Sema *s, Build *build, Value loss)
{
    Phase *phase = build->phase;
    VariableList trained = train_weights(s, build);
    bool *given = ARENA_ARRAY(s->arena, bool, trained.count + 1);
    bool ok = find_cut(s, build, &phase->chunks.split) &&
              make_loss(s, build, loss, &trained, given) &&
              reach_weights(s, build, &trained, given) &&
              make_update(s, build, &trained, given);
    phase->chunks.whole = build_finish(s, build);
    return ok;
}

// ---- of a chunk -------------------------------------------------------------

// Random tensors whose first axis is as long as the images are in one of the
// graphs alone.
static void note_random(Sema *s, const Graph *whole, const Graph *chunk)
{
    for (Value v = 0; v < chunk->nodes.count; v++)
        for (Value w = 0;
             graph_node(chunk, v)->op == OP_RANDOM && w < whole->nodes.count;
             w++) {
            const Node *a = graph_node(chunk, v), *b = graph_node(whole, w);
            if (b->op == OP_RANDOM &&
                strcmp(a->attrs[RANDOM_STREAM].text,
                       b->attrs[RANDOM_STREAM].text) == 0 &&
                a->attrs[RANDOM_IMAGES].ints.count !=
                    b->attrs[RANDOM_IMAGES].ints.count)
                sema_note(s, sema_origin(s, a->origin),
                          "the first axis of this random tensor is as long as "
                          "there are images in a %s alone; if it does not "
                          "count them, say images = false",
                          a->attrs[RANDOM_IMAGES].ints.count ? "chunk"
                                                             : "batch");
        }
}

static bool same_cut(Sema *s, const Build *build, const Split *split)
{
    const Phase *phase = build->phase;
    const Chunks *chunks = &phase->chunks;
    bool same = split->cut_count == chunks->split.cut_count;
    for (int i = 0; same && i < split->cut_count; i++)
        same = split_same(chunks->whole, &chunks->split, chunks->split.cut[i],
                          build->graph, split->cut[i], s->arena);
    if (!same)
        refuse(s, phase, phase->item->name.pos,
               "the embeddings depend on how many images there are at once");
    if (!same)
        note_random(s, chunks->whole, build->graph);
    return same;
}

static void make_embed(Sema *s, const Build *build, const Split *split)
{
    Phase *phase = build->phase;
    Graph *graph = build_copy(s, build->graph, part_name(s, phase, "embed"));
    graph->outputs.count = 0;
    for (int i = 0; i < split->cut_count; i++)
        graph_add_output(graph, port_name(s, "embedding", i), split->cut[i]);
    assign_states(graph, build, split, 1u << SPLIT_STATISTIC);
    keep_needed(s, graph);
    phase->out->embed = graph;
}

static bool make_backward(Sema *s, const Build *build, const Split *split)
{
    Phase *phase = build->phase;
    Graph *graph = build_copy(s, build->graph, part_name(s, phase, "backward"));
    VariableList trained = train_weights(s, build);
    graph->outputs.count = 0;
    Value sum = share_of_loss(s, phase, graph, split);
    if (sum == NO_VALUE)
        return true; // all weights come behind the embeddings
    Value *grads = train_gradients(s, graph, sum, trained.count,
                                   weights_and_cut(s, &trained, split));
    if (!grads)
        return false;
    for (int i = 0; i < trained.count; i++)
        add_to_sum(s, graph, trained.at[i], grads[i]);
    keep_needed(s, graph);
    if (reads_images(graph))
        phase->out->backward = graph;
    return true;
}

bool chunk_parts(Sema *s, Phase *phase)
{
    Split split;
    Build build;
    build_begin(s, &build, phase, phase->out->chunk, true, "chunk");
    bool ok = build_forward(s, &build);
    if (ok) {
        build_outputs(s, &build, hidden_find(s, &build));
        ok = find_cut(s, &build, &split) && same_cut(s, &build, &split);
        if (ok)
            make_embed(s, &build, &split);
        ok = ok && make_backward(s, &build, &split) && !build.failed;
        build_finish(s, &build);
    } else {
        sema_note(s, phase->item->name.pos,
                  "in a chunk of %d of the batch's %d images",
                  phase->out->chunk, phase->out->batch);
    }
    build_leave(s);
    return ok;
}
