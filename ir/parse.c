// Recursive descent over the text form. The first error ends the parse: what
// follows a missing node would only be noise.
#include "ir/text_form.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

enum { MAX_NODES = 1 << 22, MAX_NUMBER = 64, MAX_WORD = 64 };
// Any integer read is within +-MAX_INT, so that larger ones show.
#define MAX_INT (INT64_MAX - 1)

typedef struct Parser {
    Arena *arena;   // of the graphs
    Arena *scratch; // dies with the parse
    const Source *source;
    DiagList *diags;
    const char *at, *end;
    const char *line_start;
    int line;
    SourcePos token; // where the last token began; a point
    Graph *graph;
    VEC(Value) inputs; // of the node being read
    NodeOrigin origin; // of the node before: its strings are used again
} Parser;

// ---- errors -----------------------------------------------------------------

// Reports at `pos` up to where the parser stands, if on the same line.
#define FAIL(p, pos, ...)                                                      \
    (diag_error((p)->diags, span_to_here((p), (pos)), __VA_ARGS__), false)

static SourcePos span_to_here(const Parser *p, SourcePos pos)
{
    if (pos.end_column == 0 && pos.line == p->line)
        pos.end_column = (int)(p->at - p->line_start) + 1;
    if (pos.end_column <= pos.column)
        pos.end_column = pos.column + 1;
    return pos;
}

static SourcePos here(const Parser *p)
{
    return (SourcePos){p->source, p->line, (int)(p->at - p->line_start) + 1, 0};
}

static bool fail_expected(Parser *p, const char *what)
{
    if (p->at == p->end)
        return FAIL(p, here(p), "expected %s, found the end of the file", what);
    int length = text_utf8_length(p->at);
    unsigned char byte = (unsigned char)*p->at;
    if (length == 0 || byte < 0x20)
        return FAIL(p, here(p), "expected %s, found the byte 0x%02x", what,
                    byte);
    return FAIL(p, here(p), "expected %s, found '%.*s'", what, length, p->at);
}

// ---- tokens -----------------------------------------------------------------

static void skip_space(Parser *p)
{
    while (p->at < p->end) {
        if (*p->at == '\n') {
            p->line++;
            p->line_start = p->at + 1;
        } else if (p->end - p->at >= 2 && p->at[0] == '/' && p->at[1] == '/') {
            while (p->at < p->end && *p->at != '\n')
                p->at++;
            continue;
        } else if (*p->at != ' ' && *p->at != '\t' && *p->at != '\r') {
            break;
        }
        p->at++;
    }
    p->token = here(p);
}

// Where the parser stands, to go back to when an optional part is not there:
// the space before it belongs to no token.
typedef struct Mark {
    const char *at, *line_start;
    int line;
} Mark;

static Mark mark_here(const Parser *p)
{
    return (Mark){p->at, p->line_start, p->line};
}

static void go_back(Parser *p, Mark mark)
{
    p->at = mark.at;
    p->line_start = mark.line_start;
    p->line = mark.line;
}

static bool accept(Parser *p, char symbol)
{
    skip_space(p);
    if (p->at == p->end || *p->at != symbol)
        return false;
    p->at++;
    return true;
}

static bool expect(Parser *p, char symbol)
{
    if (accept(p, symbol))
        return true;
    return fail_expected(p, (const char[]){'\'', symbol, '\'', '\0'});
}

static bool is_word_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
           byte == '_';
}

// The length of the word that comes next; it is not consumed.
static size_t peek_word(Parser *p)
{
    skip_space(p);
    const char *at = p->at;
    while (at < p->end && is_word_byte(*at))
        at++;
    return (size_t)(at - p->at);
}

static bool has_word(Parser *p, const char *word)
{
    size_t length = peek_word(p);
    return length == strlen(word) && memcmp(p->at, word, length) == 0;
}

static bool accept_word(Parser *p, const char *word)
{
    if (!has_word(p, word))
        return false;
    p->at += strlen(word);
    return true;
}

// `what` names what is wanted, for the message.
static bool read_word(Parser *p, char word[MAX_WORD], const char *what)
{
    size_t length = peek_word(p);
    if (length == 0)
        return fail_expected(p, what);
    p->at += length;
    if (length >= MAX_WORD)
        return FAIL(p, p->token, "this is too long to be %s", what);
    memcpy(word, p->at - length, length);
    word[length] = '\0';
    return true;
}

static bool read_int(Parser *p, int64_t low, int64_t high, int64_t *value)
{
    skip_space(p);
    bool negative = accept(p, '-');
    SourcePos start = p->token;
    if (p->at == p->end || *p->at < '0' || *p->at > '9')
        return fail_expected(p, "a whole number");
    uint64_t magnitude = 0;
    for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++) {
        unsigned digit = (unsigned)(*p->at - '0');
        // Sticks at the largest value, which no range here includes.
        magnitude = magnitude > ((uint64_t)INT64_MAX - digit) / 10
                        ? (uint64_t)INT64_MAX
                        : magnitude * 10 + digit;
    }
    *value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    if (*value < low || *value > high)
        return FAIL(p, start, "the number must be %lld to %lld", (long long)low,
                    (long long)high);
    return true;
}

static bool read_double(Parser *p, double *value)
{
    skip_space(p);
    char digits[MAX_NUMBER];
    size_t length = 0;
    while (p->at < p->end && length < sizeof digits - 1 &&
           (is_word_byte(*p->at) || *p->at == '-' || *p->at == '+' ||
            *p->at == '.'))
        digits[length++] = *p->at++;
    digits[length] = '\0';
    if (length == 0)
        return fail_expected(p, "a number");
    const char *bare = digits + (digits[0] == '-');
    bool named = strcmp(bare, "inf") == 0 || strcmp(digits, "nan") == 0;
    char *rest = digits;
    // Only decimals: strtod would take hex and other spellings of infinity.
    if (named || strspn(digits, "0123456789+-.e") == length)
        *value = strtod(digits, &rest);
    if (rest != digits + length || (!named && !isfinite(*value)))
        return FAIL(p, p->token, "'%s' is not a number", digits);
    return true;
}

// ---- strings ----------------------------------------------------------------

static bool read_hex4(Parser *p, unsigned *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++, p->at++) {
        char c = p->at < p->end ? *p->at : '\0';
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return fail_expected(p, "a hexadecimal digit");
        *unit = *unit * 16 + (unsigned)digit;
    }
    return true;
}

static void add_utf8(Text *text, unsigned code)
{
    char bytes[4];
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    for (size_t i = length; i-- > 1; code >>= 6)
        bytes[i] = (char)(0x80 | (code & 0x3f));
    bytes[0] = (char)(first[length] | code);
    text_add_n(text, bytes, length);
}

// After `\u`: one code point, from a pair of surrogates if need be.
static bool read_code_point(Parser *p, Text *text)
{
    unsigned code, low;
    if (!read_hex4(p, &code))
        return false;
    if (code >= 0xd800 && code <= 0xdbff) {
        if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
            return fail_expected(p, "the second half of a surrogate pair");
        p->at += 2;
        if (!read_hex4(p, &low))
            return false;
        if (low < 0xdc00 || low > 0xdfff)
            return FAIL(p, p->token, "a surrogate pair is broken");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code == 0 || (code >= 0xdc00 && code <= 0xdfff)) {
        return FAIL(p, p->token, "\\u%04x cannot stand in a string", code);
    }
    add_utf8(text, code);
    return true;
}

static bool read_escape(Parser *p, Text *text)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    char name = p->at < p->end ? *p->at : '\0';
    const char *found = name ? strchr(names, name) : NULL;
    if (name != 'u' && !found)
        return fail_expected(p, "an escape: one of \"\\/bfnrtu");
    p->at++;
    if (name == 'u')
        return read_code_point(p, text);
    text_add_n(text, &bytes[found - names], 1);
    return true;
}

// A string in the scratch arena.
static bool read_string(Parser *p, const char *what, const char **string)
{
    if (!accept(p, '"'))
        return fail_expected(p, what);
    SourcePos start = p->token;
    Text text = text_new(p->scratch);
    while (p->at < p->end && *p->at != '"') {
        int length = text_utf8_length(p->at);
        if (*p->at == '\\') {
            p->at++;
            if (!read_escape(p, &text))
                return false;
        } else if ((unsigned char)*p->at < 0x20) {
            return FAIL(p, start, "a string must end on its line");
        } else if (length == 0) {
            return fail_expected(p, "UTF-8");
        } else {
            text_add_n(&text, p->at, (size_t)length);
            p->at += length;
        }
    }
    if (p->at == p->end)
        return FAIL(p, start, "a string must end on its line");
    p->at++;
    *string = text_string(&text);
    return true;
}

// ---- parts of a node --------------------------------------------------------

// `[1,2,3]`, at most MAX_RANK numbers, into `numbers`.
static bool read_ints(Parser *p, int64_t numbers[MAX_RANK], int *count)
{
    *count = 0;
    if (!expect(p, '['))
        return false;
    if (accept(p, ']'))
        return true;
    do {
        skip_space(p);
        if (*count == MAX_RANK)
            return FAIL(p, p->token, "more than %d numbers", MAX_RANK);
        if (!read_int(p, -MAX_INT, MAX_INT, &numbers[*count]))
            return false;
        ++*count;
    } while (accept(p, ','));
    return expect(p, ']');
}

static bool read_value(Parser *p, Value *value)
{
    int64_t id;
    if (!expect(p, '%'))
        return false;
    SourcePos start = p->token;
    if (!read_int(p, 0, INT_MAX, &id))
        return false;
    if (id >= p->graph->nodes.count)
        return FAIL(p, start, "%%%lld is not defined above", (long long)id);
    *value = (Value)id;
    return true;
}

static bool read_form(Parser *p, Form *form)
{
    char word[MAX_WORD];
    if (!read_word(p, word, "a form"))
        return false;
    if (!form_by_name(word, form))
        return FAIL(p, p->token, "'%s' is not planes, blocked or tiled", word);
    return true;
}

static bool read_attr(Parser *p, AttrKind kind, Attr *attr)
{
    Form form;
    int64_t numbers[MAX_RANK];
    int count;
    switch (kind) {
    case ATTR_INT:
        return read_int(p, -MAX_INT, MAX_INT, &attr->i);
    case ATTR_FLOAT:
        return read_double(p, &attr->f);
    case ATTR_TEXT:
        return read_string(p, "a string", &attr->text);
    case ATTR_FORM:
        if (!read_form(p, &form))
            return false;
        attr->i = form;
        return true;
    case ATTR_INTS:
        if (!read_ints(p, numbers, &count))
            return false;
        int64_t *copy = ARENA_ARRAY(p->scratch, int64_t, count);
        memcpy(copy, numbers, sizeof(*copy) * (size_t)count);
        attr->ints = (IntList){count, copy};
        return true;
    }
    return false;
}

static bool read_attrs(Parser *p, Op op, Attr attrs[MAX_ATTRS])
{
    const AttrSpec *spec = op_info(op)->attrs;
    if (!spec[0].name)
        return true;
    for (int i = 0; spec[i].name; i++) {
        Mark before = mark_here(p);
        if (spec[i].optional &&
            !(accept(p, ',') && has_word(p, spec[i].name))) {
            go_back(p, before); // the comma is another's
            continue;
        }
        if (!spec[i].optional && !expect(p, i ? ',' : '{'))
            return false;
        if (!accept_word(p, spec[i].name))
            return fail_expected(
                p, arena_printf(p->scratch, "'%s='", spec[i].name));
        if (!expect(p, '=') || !read_attr(p, spec[i].kind, &attrs[i]))
            return false;
    }
    return expect(p, '}');
}

static bool read_type(Parser *p, TensorType *type)
{
    char word[MAX_WORD];
    DType dtype;
    int64_t dims[MAX_RANK];
    int rank;
    if (!read_word(p, word, "an element type"))
        return false;
    if (!dtype_by_name(word, &dtype))
        return FAIL(p, p->token, "'%s' is not f32, f64, bf16 or bool", word);
    if (!read_ints(p, dims, &rank))
        return false;
    *type = type_make(dtype, rank, dims);
    Mark end = mark_here(p);
    for (int form = FORM_PLAIN + 1; form < FORM_COUNT; form++)
        if (accept_word(p, form_name((Form)form))) {
            type->form = (Form)form;
            return true;
        }
    go_back(p, end);
    return true;
}

static const char *keep_string(Parser *p, const char *string, const char *last)
{
    if (last && strcmp(last, string) == 0)
        return last;
    return arena_strdup(p->arena, string);
}

// `#3 at "file":12 in "scope"`, each part optional.
static bool read_origin(Parser *p, int64_t *group)
{
    NodeOrigin origin = {.scope = ""};
    const char *string;
    *group = 0;
    if (accept(p, '#') && !read_int(p, 1, INT_MAX, group))
        return false;
    if (accept_word(p, "at")) {
        int64_t line;
        if (!read_string(p, "a file name", &string) || !expect(p, ':') ||
            !read_int(p, 0, INT_MAX, &line))
            return false;
        origin.file = keep_string(p, string, p->origin.file);
        origin.line = (int)line;
    }
    if (accept_word(p, "in")) {
        if (!read_string(p, "a scope", &string))
            return false;
        origin.scope = keep_string(p, string, p->origin.scope);
    }
    p->origin = origin;
    return true;
}

// ---- nodes, outputs, graphs -------------------------------------------------

static bool read_op(Parser *p, Op *op)
{
    char word[MAX_WORD];
    if (!read_word(p, word, "the name of an operation"))
        return false;
    *op = op_by_name(word);
    if (*op != OP_NONE)
        return true;
    const char *names[OP_COUNT];
    for (int i = 0; i < OP_COUNT; i++)
        names[i] = op_info((Op)i)->text;
    const char *closest = text_closest(word, names, OP_COUNT);
    return FAIL(p, p->token, "no operation is called '%s'%s%s%s", word,
                closest ? "; did you mean '" : "", closest ? closest : "",
                closest ? "'?" : "");
}

static bool read_inputs(Parser *p)
{
    p->inputs.count = 0;
    skip_space(p);
    if (p->at == p->end || *p->at != '%')
        return true;
    do {
        Value input;
        if (!read_value(p, &input))
            return false;
        vec_push(p->scratch, &p->inputs, input);
    } while (accept(p, ','));
    return true;
}

// Adds the node and checks that it has the type the text claims.
static bool add_node(Parser *p, Op op, const Attr *attrs, SourcePos op_pos,
                     const TensorType *type, SourcePos type_pos)
{
    Graph *graph = p->graph;
    graph->origin = p->origin;
    Value value =
        graph_add(graph, op, p->inputs.count, p->inputs.at, attrs, type);
    graph->origin = (NodeOrigin){.scope = ""};
    if (value == NO_VALUE)
        return FAIL(p, op_pos, "%s", graph->error);
    const TensorType *made = graph_type(graph, value);
    if (!type_equal(made, type))
        return FAIL(p, type_pos, "the type is %s, not %s",
                    type_text(p->scratch, made), type_text(p->scratch, type));
    return true;
}

// `%7 = add %5, %6 : f32[2]`; the `%` has been read.
static bool read_node(Parser *p)
{
    SourcePos start = p->token;
    int64_t id, group;
    Op op;
    Attr attrs[MAX_ATTRS] = {{0}};
    TensorType type;
    if (!read_int(p, 0, INT_MAX, &id))
        return false;
    if (id != p->graph->nodes.count)
        return FAIL(p, start, "ids count up: this is %%%d, not %%%lld",
                    p->graph->nodes.count, (long long)id);
    if (id >= MAX_NODES)
        return FAIL(p, start, "a graph has at most %d nodes", MAX_NODES);
    if (!expect(p, '='))
        return false;
    skip_space(p);
    SourcePos op_pos = p->token;
    if (!read_op(p, &op) || !read_inputs(p) || !read_attrs(p, op, attrs) ||
        !expect(p, ':'))
        return false;
    skip_space(p);
    SourcePos type_pos = p->token;
    if (!read_type(p, &type))
        return false;
    // Spans for later messages end here.
    op_pos = span_to_here(p, op_pos);
    type_pos = span_to_here(p, type_pos);
    if (!read_origin(p, &group) ||
        !add_node(p, op, attrs, op_pos, &type, type_pos))
        return false;
    graph_node(p->graph, (Value)id)->group = (int)group;
    return true;
}

// `output "loss" = %9`; the word has been read.
static bool read_output(Parser *p)
{
    const char *name;
    Value value;
    if (!read_string(p, "the output's name", &name) || !expect(p, '=') ||
        !read_value(p, &value))
        return false;
    graph_add_output(p->graph, name, value);
    return true;
}

static bool read_graph(Parser *p)
{
    const char *name;
    if (!accept_word(p, "graph"))
        return fail_expected(p, "'graph'");
    SourcePos start = p->token;
    if (!read_string(p, "the graph's name", &name) || !expect(p, '{'))
        return false;
    start = span_to_here(p, start);
    p->graph = graph_new(p->arena, name);
    while (!accept(p, '}')) {
        bool ok = accept(p, '%')             ? read_node(p)
                  : accept_word(p, "output") ? read_output(p)
                                             : fail_expected(p, "'%' or '}'");
        if (!ok)
            return false;
    }
    const char *error = graph_verify(p->graph, p->scratch);
    if (error)
        diag_error(p->diags, start, "%s", error);
    return !error;
}

GraphList *graph_parse(Arena *arena, const Source *source, DiagList *diags)
{
    Parser p = {.arena = arena,
                .scratch = arena_new(),
                .source = source,
                .diags = diags,
                .at = source->text,
                .end = source->text + source->length,
                .line_start = source->text,
                .line = 1};
    GraphList *list = ARENA_NEW(arena, GraphList);
    bool ok = true;
    skip_space(&p);
    while (ok && p.at < p.end) {
        ok = read_graph(&p);
        if (ok)
            vec_push(arena, &list->graphs, p.graph);
        skip_space(&p);
    }
    if (ok && list->graphs.count == 0)
        ok = fail_expected(&p, "'graph'");
    arena_free(p.scratch);
    return ok ? list : NULL;
}
