// One named value of a phase over plain images: what `embed` and `predict`
// compute. Only the statements it needs are run, without training.
#include <string.h>

#include "frontend/lang/elaborate.h"
#include "frontend/lang/eval.h"
#include "frontend/lang/reads.h"
#include "frontend/lang/tensor.h"

enum { VALUE_ROWS = 64 }; // images at a time, at most

static Datum add_input(Sema *s, Word word, const char *name, int rank,
                       const int64_t *dims)
{
    Attr attrs[MAX_ATTRS] = {[INPUT_NAME] = {.text = name}};
    TensorType type = type_make(s->options->dtype, rank, dims);
    Site site = {.build = s->build, .pos = word.pos, .what = name};
    Datum input = tensor_add(s, &site, OP_INPUT, 0, NULL, attrs, &type);
    frame_bind(s, s->frame, word.text, input, word.pos);
    return input;
}

// The value under its name, once it is known to be a tensor of images.
static bool add_output(Sema *s, const Build *build, const char *name)
{
    const Phase *phase = build->phase;
    const Binding *binding = frame_find(s->frame, name);
    if (!binding && s->frame->damaged)
        return false;
    if (!binding) {
        sema_fail(s, phase->item->name.pos,
                  "phase `%s` sets no `%.40s` when it is run without training",
                  phase->item->name.text, name);
        return false;
    }
    SourcePos pos = binding->pos;
    Datum x = binding->value;
    if (x.kind == DATUM_POISON)
        return false;
    const TensorType *type =
        x.kind == DATUM_TENSOR ? graph_type(build->graph, x.tensor) : NULL;
    if (!type || type->rank < 1 || type->dims[0] != phase->out->value_rows) {
        sema_fail(s, pos, "`%s` is %s, not a tensor with a row for each image",
                  name, datum_describe(s->arena, x, build->graph));
        return false;
    }
    // A number of its own, also where the value is an input or true and false.
    Site site = {.build = build, .pos = pos, .what = name};
    x = tensor_as_numbers(s, &site, x.tensor);
    if (x.kind == DATUM_TENSOR)
        graph_add_output(build->graph, name, x.tensor);
    return x.kind == DATUM_TENSOR;
}

// One view of each image, whatever the phase trains on: the same where views
// are of the same size.
static void add_images(Sema *s, const WordList *names, int64_t rows,
                       const ExperimentPhase *phase)
{
    for (int i = 0; i < phase->group_count; i++) {
        int64_t size = phase->groups[i].size,
                dims[] = {rows, phase->channels, size, size};
        int same = 0;
        while (phase->groups[same].size != size)
            same++;
        if (same == i)
            add_input(s, names->at[i], images_name(s->arena, i), 4, dims);
        else
            frame_bind(s, s->frame, names->at[i].text,
                       frame_find(s->frame, names->at[same].text)->value,
                       names->at[i].pos);
    }
}

// The images that the output is made of become "images", the one input that a
// value has of them.
static bool name_images(Sema *s, const Build *build, const char *name)
{
    Graph *graph = build->graph;
    bool *read = ARENA_ARRAY(s->arena, bool, graph->nodes.count + 1);
    const char *first = NULL;
    for (int i = 0; i < graph->outputs.count; i++)
        read[graph->outputs.at[i].value] = true;
    for (Value v = graph->nodes.count - 1; v >= 0; v--) {
        Node *node = graph_node(graph, v);
        for (int i = 0; read[v] && i < node->input_count; i++)
            read[node->inputs[i]] = true;
        if (!read[v] || node->op != OP_INPUT ||
            !split_is_images(node->attrs[INPUT_NAME].text))
            continue;
        if (first) {
            sema_fail(s, build->phase->item->name.pos,
                      "`%.40s` is made of views of several sizes, and here "
                      "each image has one",
                      name);
            return false;
        }
        first = node->attrs[INPUT_NAME].text;
    }
    for (Value v = 0; first && v < graph->nodes.count; v++) {
        Node *node = graph_node(graph, v);
        if (node->op != OP_INPUT)
            continue;
        const char **text = &node->attrs[INPUT_NAME].text;
        if (*text == first)
            *text = "images";
        else if (strcmp(*text, "images") == 0)
            *text = first;
    }
    return true;
}

static bool build_value(Sema *s, Phase *phase, const char *name,
                        const bool *keep)
{
    const StmtList *body = phase->item->body;
    const Stmt *input = find_input(phase->item->body);
    ExperimentPhase *out = phase->out;
    Build build;
    // One view of each image, whatever the phase trains on.
    int64_t rows = s->options->value_rows    ? s->options->value_rows
                   : out->batch < VALUE_ROWS ? out->batch
                                             : VALUE_ROWS;
    out->value_rows = (int)rows;
    build_begin(s, &build, phase, (int)rows, false, "value");
    add_images(s, input->words, rows, out);
    if (input->words->count > out->group_count)
        add_input(s, input->words->at[out->group_count], "labels", 1, &rows);
    for (int i = 0; i < body->count; i++)
        if (keep[i])
            exec_stmt(s, body->at[i]);
    bool ok = !build.failed && !s->stopped && add_output(s, &build, name) &&
              name_images(s, &build, name);
    build_leave(s);
    out->value = ok ? build_finish(s, &build) : NULL;
    return ok;
}

// Features that exist for pairs of views alone are no mistake of the program:
// it is only watched less closely.
static void build_features(Sema *s, Phase *phase)
{
    const char *name = s->options->features_name;
    const StmtList *body = phase->item->body;
    bool *keep = ARENA_ARRAY(s->arena, bool, body->count + 1);
    if (!name || experiment_views(phase->out) < 2 ||
        !find_needed(s->arena, body, name, keep))
        return;
    DiagList *diags = s->diags, unheard = diag_list_new(s->arena);
    const Map said = s->said;
    s->diags = &unheard;
    s->said = map_new(s->arena); // what is told here, nobody has heard
    build_value(s, phase, name, keep);
    s->diags = diags;
    s->said = said;
    s->stopped = false;
}

// Not an error where the name is the input's: embed --value images.
bool value_build(Sema *s, Phase *phase)
{
    const char *name = s->options->value_name;
    const StmtList *body = phase->item->body;
    if (!name) {
        build_features(s, phase);
        return true;
    }
    if (strcmp(phase->item->name.text, s->options->value_phase) != 0)
        return true;
    bool *keep = ARENA_ARRAY(s->arena, bool, body->count + 1);
    const WordList *inputs = find_input(phase->item->body)->words;
    bool is_input = false;
    for (int i = 0; i < phase->out->group_count; i++)
        is_input = is_input || strcmp(name, inputs->at[i].text) == 0;
    if (!find_needed(s->arena, body, name, keep) && !is_input) {
        Text names = text_new(s->arena);
        for (int i = 0; i < body->count; i++)
            if (body->at[i]->kind == STMT_ASSIGN)
                text_addf(&names, "%s`%s`", names.length ? ", " : "",
                          body->at[i]->name.text);
        sema_fail(s, phase->item->name.pos,
                  "phase `%s` sets no `%.40s`; it has %s: --value takes "
                  "another",
                  phase->item->name.text, name,
                  names.length ? text_string(&names) : "no named values");
        return false;
    }
    return build_value(s, phase, name, keep);
}
