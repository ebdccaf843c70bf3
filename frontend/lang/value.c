#include "frontend/lang/value.h"

#include <inttypes.h>
#include <string.h>

#include "frontend/lang/builtins.h"
#include "frontend/lang/module.h"

Datum datum_list(Arena *arena, int count, const Datum *items)
{
    DatumList *list = ARENA_NEW(arena, DatumList);
    list->count = count;
    list->at = ARENA_ARRAY(arena, Datum, count ? count : 1);
    if (count)
        memcpy(list->at, items, sizeof(Datum) * (size_t)count);
    return (Datum){.kind = DATUM_LIST, .list = list};
}

Datum datum_ints(Arena *arena, int count, const int64_t *items)
{
    DatumList *list = ARENA_NEW(arena, DatumList);
    list->count = count;
    list->at = ARENA_ARRAY(arena, Datum, count ? count : 1);
    for (int i = 0; i < count; i++)
        list->at[i] = datum_int(items[i]);
    return (Datum){.kind = DATUM_LIST, .list = list};
}

static bool lists_equal(const DatumList *a, const DatumList *b)
{
    if (a->count != b->count)
        return false;
    for (int i = 0; i < a->count; i++)
        if (!datum_equal(a->at[i], b->at[i]))
            return false;
    return true;
}

// A tensor equals itself alone: its numbers are not known yet.
bool datum_equal(Datum a, Datum b)
{
    if (a.kind == DATUM_INT && b.kind == DATUM_INT)
        return a.whole == b.whole;
    if (datum_is_number(a) && datum_is_number(b))
        return datum_number(a) == datum_number(b);
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case DATUM_BOOL:
        return a.truth == b.truth;
    case DATUM_STRING:
        return strcmp(a.text, b.text) == 0;
    case DATUM_LIST:
        return lists_equal(a.list, b.list);
    case DATUM_TENSOR:
        return a.tensor == b.tensor;
    case DATUM_FUNCTION:
        return a.function == b.function;
    case DATUM_BUILTIN:
        return a.builtin == b.builtin;
    case DATUM_OPERATION:
        return a.operation == b.operation;
    case DATUM_NONE:
    case DATUM_ALL:
        return true;
    default:
        return false;
    }
}

const char *datum_kind_text(DatumKind kind)
{
    switch (kind) {
    case DATUM_POISON:
        return "an error";
    case DATUM_ABSENT:
        return "nothing";
    case DATUM_NONE:
        return "none";
    case DATUM_INT:
        return "a whole number";
    case DATUM_FLOAT:
        return "a number";
    case DATUM_BOOL:
        return "a truth value";
    case DATUM_STRING:
        return "a string";
    case DATUM_LIST:
        return "a list";
    case DATUM_TENSOR:
        return "a tensor";
    case DATUM_FUNCTION:
    case DATUM_BUILTIN:
    case DATUM_OPERATION:
        return "a function";
    case DATUM_AUGMENT_ROW:
    case DATUM_AUGMENT:
        return "an augmentation";
    case DATUM_INIT:
        return "an initializer";
    case DATUM_SOURCE:
        return "a source of images";
    case DATUM_ALL:
        return "`all`";
    case DATUM_TEACHER:
        return "a teacher";
    }
    return "something";
}

int augment_find_word(const char *words, const char *word, size_t length)
{
    for (int place = 0;; place++) {
        size_t here = strcspn(words, "|");
        if (here == length && memcmp(words, word, length) == 0)
            return place;
        if (!words[here])
            return -1;
        words += here + 1;
    }
}

void augment_print_arg(const char *name, const char *words, double value,
                       Text *out)
{
    text_addf(out, "%s = ", name);
    if (!words) {
        text_add_double(out, value);
        return;
    }
    for (int place = 0; place < (int)value; place++)
        words += strcspn(words, "|") + 1;
    text_addf(out, "\"%.*s\"", (int)strcspn(words, "|"), words);
}

static void print_augment(const Augment *augment, Text *out)
{
    const AugmentRow *row = augment->row;
    text_addf(out, "%s(", row->name);
    for (int i = 0; i < row->count; i++) {
        const AugmentParam *param = &row->params[i];
        text_add(out, i ? ", " : "");
        if (param->kind != AUGMENT_STEPS) {
            augment_print_arg(param->name, param->words, augment->args[i], out);
            continue;
        }
        text_add(out, "[");
        for (int k = 0; k < augment->steps->count; k++) {
            text_add(out, k ? ", " : "");
            print_augment(augment->steps->at[k].augment, out);
        }
        text_add(out, "]");
    }
    text_add(out, ")");
}

static void print_source(const DataSource *source, Text *out)
{
    text_add(out, source->images == IMAGES_UNLABELED       ? "unlabeled"
                  : source->images == IMAGES_LABELED       ? "labeled("
                  : source->images == IMAGES_MULTI_LABELED ? "multi_labeled("
                                                           : "partly_labeled(");
    if (source->images != IMAGES_UNLABELED) {
        datum_print(*source->amount, NULL, out);
        text_add(out, ")");
    }
    if (source->group_count == 1 && source->views[0] == 1)
        return;
    for (int i = 0; i < source->group_count; i++)
        text_addf(out, "%s%d", i ? ", " : ".views(", source->views[i]);
    text_add(out, ")");
}

static void print_items(const DatumList *list, const Graph *graph, Text *out)
{
    text_add(out, "[");
    for (int i = 0; i < list->count; i++) {
        text_add(out, i ? ", " : "");
        datum_print(list->at[i], graph, out);
    }
    text_add(out, "]");
}

void datum_print(Datum x, const Graph *graph, Text *out)
{
    switch (x.kind) {
    case DATUM_INT:
        text_addf(out, "%" PRId64, x.whole);
        break;
    case DATUM_FLOAT:
        ast_print_number(x.number, out);
        break;
    case DATUM_BOOL:
        text_add(out, x.truth ? "true" : "false");
        break;
    case DATUM_STRING:
        text_add_json(out, x.text);
        break;
    case DATUM_LIST:
        print_items(x.list, graph, out);
        break;
    case DATUM_TENSOR:
        text_add(out, type_text(out->arena, graph_type(graph, x.tensor)));
        break;
    case DATUM_FUNCTION:
        text_add(out, function_name(x.function));
        break;
    case DATUM_BUILTIN:
        text_add(out, x.builtin->name);
        break;
    case DATUM_OPERATION:
        text_add(out, op_info(x.operation)->text);
        break;
    case DATUM_AUGMENT_ROW:
        text_add(out, x.augment_row->name);
        break;
    case DATUM_AUGMENT:
        print_augment(x.augment, out);
        break;
    case DATUM_INIT:
        text_addf(out, "%s(", x.init->name);
        text_add_double(out, x.init->scale);
        text_add(out, ")");
        break;
    case DATUM_SOURCE:
        print_source(x.source, out);
        break;
    case DATUM_ALL:
        text_add(out, "all");
        break;
    default:
        text_add(out, "none");
    }
}

const char *datum_text(Arena *arena, Datum x)
{
    Text text = text_new(arena);
    datum_print(x, NULL, &text);
    return text_string(&text);
}

const char *datum_describe(Arena *arena, Datum x, const Graph *graph)
{
    Text text = text_new(arena);
    switch (x.kind) {
    case DATUM_INT:
    case DATUM_FLOAT:
    case DATUM_BOOL:
    case DATUM_STRING:
    case DATUM_FUNCTION:
        text_addf(&text, "%s ", datum_kind_text(x.kind) + 2);
        datum_print(x, graph, &text);
        return arena_printf(arena, "the %s", text_string(&text));
    case DATUM_TENSOR:
        datum_print(x, graph, &text);
        return text_string(&text);
    default:
        return datum_kind_text(x.kind);
    }
}
