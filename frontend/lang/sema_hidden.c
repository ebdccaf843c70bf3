// What must stay out of a graph: labels out of the training of unlabelled
// images, steps out of an evaluation.
#include "frontend/lang/elaborate.h"

// Spreads flags from values to all that is computed from them.
static void spread(const Graph *graph, bool *flags)
{
    for (int i = 0; i < graph->nodes.count; i++)
        for (int k = 0; k < graph->nodes.at[i].input_count; k++)
            flags[i] = flags[i] || flags[graph->nodes.at[i].inputs[k]];
}

bool *hidden_find(Sema *s, const Build *build)
{
    const Graph *graph = build->graph;
    if (build->hidden_labels == NO_VALUE)
        return NULL;
    bool *hidden = ARENA_ARRAY(s->arena, bool, graph->nodes.count);
    hidden[build->hidden_labels] = true;
    spread(graph, hidden);
    return hidden;
}

bool *stepwise_find(Sema *s, const Build *build)
{
    const Graph *graph = build->graph;
    const Map *inputs = &build->schedule_inputs;
    bool *stepwise = ARENA_ARRAY(s->arena, bool, graph->nodes.count);
    for (int i = 0; i < inputs->entries.count; i++)
        stepwise[(intptr_t)inputs->entries.at[i].value - 1] = true;
    spread(graph, stepwise);
    return stepwise;
}

void hidden_drop(Sema *s, Graph *graph, const bool *hidden, int count)
{
    bool *keep = ARENA_ARRAY(s->arena, bool, graph->nodes.count);
    for (int i = 0; i < graph->nodes.count; i++)
        keep[i] = i >= count || !hidden[i];
    graph_compact(graph, keep, NULL);
}

// A state, too, would carry labels into the model.
bool hidden_check(Sema *s, const Build *build, const bool *hidden)
{
    for (int i = 0; i < build->losses.count; i++)
        if (hidden[build->losses.at[i].value]) {
            sema_fail(s, build->losses.at[i].pos,
                      "the loss depends on labels, but the images are "
                      "`unlabeled`; take them from labeled(amount) or "
                      "partly_labeled(amount)");
            return false;
        }
    for (int i = 0; i < build->order.count; i++) {
        const Variable *variable = build->order.at[i];
        if (variable->updated && hidden[variable->current.tensor]) {
            sema_fail(s, variable->pos,
                      "`%s` is updated from labels, but the images are "
                      "`unlabeled`",
                      variable->name);
            return false;
        }
    }
    return true;
}
