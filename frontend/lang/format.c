// Works on words and signs, not on the tree: only they know of comments and of
// where lines break. Lines are placed in three passes: first lines of
// statements, whose columns may hang together; then those that continue them;
// then the comments behind both.
#include "frontend/lang/format.h"

#include <ctype.h>
#include <string.h>

#include "frontend/lang/parse.h"

enum { INDENT = 4, COMMENT_GAP = 2 };

typedef enum PieceKind {
    PIECE_WORD, // a name, number or path
    PIECE_KEYWORD,
    PIECE_STRING,
    PIECE_SIGN,
    PIECE_COMMENT
} PieceKind;

typedef struct Piece {
    PieceKind kind;
    const char *text;
    int length;
    int column; // in the source, from 0
    int gap;    // spaces before it there
    int at;     // the column that it gets
    int set;    // index of another piece that stands under it; its own: none
    bool unary; // a minus sign
} Piece;

typedef struct Line {
    int first, end; // pieces
    int number;     // in the source
    int last;       // where it ends there
    int depth;      // open blocks
    int below;      // the piece that it is to stand under; -1: none
    int behind;     // the line whose indentation and INDENT more it gets; -1
    bool continued; // neither of both: the first line of a statement
    int indent;
} Line;

typedef struct Format {
    Arena *arena;
    const char *text, *end;
    VEC(Piece) pieces;
    VEC(Line) lines;
} Format;

static const char *const keywords[] = {
    "import",  "param",    "def",      "optimizer", "phase", "from",   "only",
    "except",  "with",     "return",   "if",        "then",  "else",   "for",
    "in",      "assert",   "minimize", "using",     "on",    "report", "freeze",
    "augment", "evaluate", "or",       "and",       "not",   "as"};

static bool is(const Piece *piece, const char *text)
{
    return piece->kind != PIECE_STRING && piece->kind != PIECE_COMMENT &&
           (int)strlen(text) == piece->length &&
           memcmp(piece->text, text, (size_t)piece->length) == 0;
}

static bool is_one_of(const Piece *piece, const char *texts)
{
    return piece->kind == PIECE_SIGN && piece->length == 1 &&
           strchr(texts, piece->text[0]);
}

// ---- words ------------------------------------------------------------------

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        at += *at == '\\' && at + 1 < end;
    return at < end ? at + 1 : end;
}

// 12, 0.5, 1e-4, 5%. As in lexer.l: no percentage where a word follows.
static const char *skip_number(const char *at, const char *end)
{
    while (at < end && isdigit((unsigned char)*at))
        at++;
    if (at + 1 < end && *at == '.' && isdigit((unsigned char)at[1]))
        for (at++; at < end && isdigit((unsigned char)*at);)
            at++;
    if (at < end && (*at == 'e' || *at == 'E')) {
        const char *digits = at + 1;
        digits += digits < end && (*digits == '+' || *digits == '-');
        if (digits < end && isdigit((unsigned char)*digits))
            for (at = digits; at < end && isdigit((unsigned char)*at);)
                at++;
    }
    if (at < end && *at == '%' &&
        !(at + 1 < end && (is_word(at[1]) || at[1] == '(')))
        at++;
    return at;
}

// What follows `as`: layer{g + 1}.{i}.
static const char *skip_path(const char *at, const char *end)
{
    int depth = 0;
    while (at < end && (depth || is_word(*at) || *at == '.' || *at == '{')) {
        if (*at == '"') {
            at = skip_string(at, end);
            continue;
        }
        depth += (*at == '{') - (*at == '}');
        at++;
    }
    return at;
}

static const char *skip_sign(const char *at, const char *end)
{
    static const char *const signs[] = {
        "..=", "..", "==", "!=", "<=", ">=", "<-", "//"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t length = strlen(signs[i]);
        if ((size_t)(end - at) >= length && memcmp(at, signs[i], length) == 0)
            return at + length;
    }
    return at + 1;
}

// A path that goes over several lines goes on one.
static void join_path(const Format *f, Piece *piece)
{
    if (!memchr(piece->text, '\n', (size_t)piece->length) ||
        memchr(piece->text, '#', (size_t)piece->length))
        return;
    Text joined = text_new(f->arena);
    for (int i = 0; i < piece->length; i++) {
        bool space = isspace((unsigned char)piece->text[i]);
        if (!space)
            text_add_n(&joined, piece->text + i, 1);
        else if (i == 0 || !isspace((unsigned char)piece->text[i - 1]))
            text_add(&joined, " ");
    }
    piece->text = text_string(&joined);
    piece->length = (int)joined.length;
}

static const char *take_piece(Format *f, const char *at, Piece *piece)
{
    const char *begin = at;
    const Piece *before =
        f->pieces.count ? &f->pieces.at[f->pieces.count - 1] : NULL;
    if (*at == '#') {
        piece->kind = PIECE_COMMENT;
        while (at < f->end && *at != '\n')
            at++;
        piece->length = (int)(at - begin);
        while (isspace((unsigned char)begin[piece->length - 1]))
            piece->length--;
        return at;
    }
    if (before && before->kind == PIECE_KEYWORD && is(before, "as")) {
        piece->kind = PIECE_WORD;
        at = skip_path(at, f->end);
    } else if (*at == '"') {
        piece->kind = PIECE_STRING;
        at = skip_string(at, f->end);
    } else if (isdigit((unsigned char)*at)) {
        piece->kind = PIECE_WORD;
        at = skip_number(at, f->end);
    } else if (is_word(*at)) {
        while (at < f->end && is_word(*at))
            at++;
        piece->kind = PIECE_WORD;
        for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
            if (strlen(keywords[i]) == (size_t)(at - begin) &&
                memcmp(keywords[i], begin, (size_t)(at - begin)) == 0)
                piece->kind = PIECE_KEYWORD;
    } else {
        piece->kind = PIECE_SIGN;
        at = skip_sign(at, f->end);
    }
    at += at == begin; // `as` in front of nothing: not of a sound file
    piece->length = (int)(at - begin);
    join_path(f, piece);
    return at;
}

static void scan_lines(Format *f)
{
    const char *at = f->text, *line = at;
    int number = 1, open = -1; // the line that pieces go to
    while (at < f->end) {
        const char *space = at;
        while (at < f->end && isspace((unsigned char)*at) && *at != '\n')
            at++;
        if (at < f->end && *at == '\n') {
            line = ++at;
            number++;
            open = -1;
            continue;
        }
        if (at == f->end)
            break;
        Piece piece = {.text = at,
                       .column = (int)(at - line),
                       .gap = (int)(at - space),
                       .set = f->pieces.count};
        if (open < 0) {
            Line begun = {.first = f->pieces.count, .number = number};
            open = f->lines.count;
            vec_push(f->arena, &f->lines, begun);
        }
        const char *next = take_piece(f, at, &piece);
        for (; at < next; at++)
            if (*at == '\n') {
                number++;
                line = at + 1;
            }
        vec_push(f->arena, &f->pieces, piece);
        f->lines.at[open].end = f->pieces.count;
        f->lines.at[open].last = number;
    }
}

// ---- what a line belongs to -------------------------------------------------

// As in parse.c: behind these a statement goes on, and before those.
static bool goes_on_after(const Piece *piece)
{
    static const char *const words[] = {"if", "then", "else", "in",
                                        "or", "and",  "not"};
    static const char *const signs[] = {
        "=",  "<-", ",", "..", "..=", "==", "!=", "<", "<=", ">",
        ">=", "+",  "-", "*",  "/",   "//", "%",  "@", "^"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (piece->kind == PIECE_KEYWORD && is(piece, words[i]))
            return true;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (piece->kind == PIECE_SIGN && is(piece, signs[i]))
            return true;
    return false;
}

// The piece of a statement that lines which continue it stand under; -1: none.
static int anchor_of(const Format *f, int first, int end)
{
    static const char *const words[] = {
        "minimize", "using", "report", "freeze", "return", "assert", "input"};
    int depth = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is(&f->pieces.at[first], words[i]) && first + 1 < end)
            return first + 1;
    for (int i = first; i + 1 < end; i++) {
        const Piece *piece = &f->pieces.at[i];
        depth += is_one_of(piece, "([{") - is_one_of(piece, ")]}");
        if (depth == 0 && (is(piece, "=") || is(piece, "<-")))
            return f->pieces.at[i + 1].kind == PIECE_COMMENT ? -1 : i + 1;
    }
    return -1;
}

// Of a line behind the one that has its bracket: one that closes it gets none.
static int indent_of(const Piece *first)
{
    return is_one_of(first, ")]") ? 0 : INDENT;
}

typedef struct Open {
    int piece, line;
} Open;

typedef struct Nesting {
    VEC(Open) open;
    int blocks;
    int statement;       // the line that began it
    const Piece *before; // the last piece that is no comment
} Nesting;

static void nest_line(Format *f, Nesting *n, int index)
{
    Line *line = &f->lines.at[index];
    const Piece *first = &f->pieces.at[line->first];
    int open = n->open.count - 1;
    line->below = line->behind = -1;
    line->depth = n->blocks - is(first, "}");
    bool bracket = open >= 0 && !is(&f->pieces.at[n->open.at[open].piece], "{");
    if (bracket) {
        Open from = n->open.at[open];
        const Line *opened = &f->lines.at[from.line];
        const Piece *next = &f->pieces.at[from.piece + 1];
        line->continued = true;
        // Under what follows the bracket, or, if the writer wants it so, an
        // indentation behind the line that has it.
        int column = f->pieces.at[opened->first].column;
        if (from.piece + 1 < opened->end && next->kind != PIECE_COMMENT &&
            first->column != column + indent_of(first))
            line->below = from.piece + 1;
        else
            line->behind = from.line;
    } else if (n->before && !is(first, "}") &&
               (goes_on_after(n->before) || is(first, "as") ||
                is(first, "then") ||
                (is(first, "else") && !is(n->before, "}")))) {
        const Line *statement = &f->lines.at[n->statement];
        line->continued = true;
        line->below = anchor_of(f, statement->first, statement->end);
        if (line->below < 0)
            line->behind = n->statement;
    } else if (first->kind != PIECE_COMMENT) {
        n->statement = index;
    }
    for (int i = line->first; i < line->end; i++) {
        Piece *piece = &f->pieces.at[i];
        if (is_one_of(piece, "([{")) {
            Open opened = {i, index};
            vec_push(f->arena, &n->open, opened);
            n->blocks += is(piece, "{");
        } else if (is_one_of(piece, ")]}") && n->open.count) {
            n->open.count--;
            n->blocks -= is(piece, "}");
        }
        if (is(piece, "-"))
            piece->unary = !n->before || goes_on_after(n->before) ||
                           is_one_of(n->before, "([{};") ||
                           n->before->kind == PIECE_KEYWORD;
        if (piece->kind != PIECE_COMMENT)
            n->before = piece;
    }
}

// ---- columns ----------------------------------------------------------------

// Spaces between two pieces of a line.
static int space_between(const Line *line, const Piece *a, const Piece *b)
{
    if (b->kind == PIECE_COMMENT)
        return COMMENT_GAP;
    if (line->continued && is(a, ",") && b->gap > 1)
        return b->gap; // a table of numbers, most likely
    if (is(a, "{") && is(b, "}"))
        return 0;
    if (is_one_of(a, "([.^") || is_one_of(b, ")].,;^") || is(a, "..") ||
        is(a, "..=") || is(b, "..") || is(b, "..=") || (is(a, "-") && a->unary))
        return 0;
    if (is_one_of(b, "([") && (a->kind == PIECE_WORD || is_one_of(a, ")]") ||
                               a->kind == PIECE_STRING))
        return 0;
    return 1;
}

static int set_of(Format *f, int piece)
{
    while (f->pieces.at[piece].set != piece)
        piece = f->pieces.at[piece].set;
    return piece;
}

// Do these lines follow one another, as far as columns go?
static bool are_neighbours(const Format *f, int one, int two)
{
    const Line *a = &f->lines.at[one], *b = &f->lines.at[two];
    int between = 0; // lines that continue the first
    for (int i = one + 1; i < two; i++)
        between += f->lines.at[i].continued;
    return between == two - one - 1 && b->number - a->number == two - one &&
           a->depth == b->depth;
}

// What can be pushed to a column by spaces: not what stands without any.
static bool can_stand(const Format *f, const Line *line, int piece,
                      bool comments)
{
    const Piece *p = &f->pieces.at[piece];
    return (p->kind == PIECE_COMMENT) == comments &&
           space_between(line, p - 1, p) > 0;
}

// Pieces that stand under one another, one of them pushed there by spaces.
static void pair_lines(Format *f, int one, int two, bool comments)
{
    const Line *a = &f->lines.at[one], *b = &f->lines.at[two];
    for (int i = a->first + 1; i < a->end; i++)
        for (int k = b->first + 1; k < b->end; k++) {
            Piece *p = &f->pieces.at[i], *q = &f->pieces.at[k];
            if (p->column == q->column && (p->gap > 1 || q->gap > 1) &&
                can_stand(f, a, i, comments) && can_stand(f, b, k, comments))
                f->pieces.at[set_of(f, k)].set = set_of(f, i);
        }
}

// Where the pieces first .. end-1 of a line come to stand, each behind the
// last.
static void place(Format *f, const Line *line, int first, int end)
{
    for (int i = first; i < end; i++) {
        Piece *piece = &f->pieces.at[i], *last = piece - 1;
        piece->at = i == line->first ? line->indent
                                     : last->at + last->length +
                                           space_between(line, last, piece);
    }
}

static int line_of(const Format *f, int piece)
{
    int low = 0, high = f->lines.count - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (f->lines.at[middle].first <= piece)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

// A set's column is the farthest that one of its pieces needs. Members are in
// `at`, one for each line or more; what is left of them in their lines stands
// already.
static void place_set(Format *f, const int *at, int count)
{
    int column = 0;
    for (int i = 0; i < count; i++) {
        const Line *line = &f->lines.at[line_of(f, at[i])];
        place(f, line, at[i], line->end);
        if (f->pieces.at[at[i]].at > column)
            column = f->pieces.at[at[i]].at;
    }
    for (int i = 0; i < count; i++) {
        const Line *line = &f->lines.at[line_of(f, at[i])];
        f->pieces.at[at[i]].at = column;
        place(f, line, at[i] + 1, line->end);
    }
}

// Sets of more than one piece, from left to right in the source.
static void place_sets(Format *f, bool comments)
{
    int count = f->pieces.count;
    int *next = ARENA_ARRAY(f->arena, int, count + 1); // the next of the set
    int *last = ARENA_ARRAY(f->arena, int, count + 1);
    int *members = ARENA_ARRAY(f->arena, int, count + 1);
    VEC(int) roots = {0};
    for (int i = 0; i < count; i++) {
        int root = set_of(f, i);
        next[i] = -1;
        if ((f->pieces.at[i].kind == PIECE_COMMENT) != comments)
            continue;
        // The root need not be the first of them.
        if (last[root])
            next[last[root] - 1] = i;
        else {
            members[root] = i;
            vec_push(f->arena, &roots, root);
        }
        last[root] = i + 1;
    }
    // By columns of the source, in which all of a set are alike.
    int widest = 0;
    for (int i = 0; i < roots.count; i++)
        if (f->pieces.at[roots.at[i]].column > widest)
            widest = f->pieces.at[roots.at[i]].column;
    int *buckets = ARENA_ARRAY(f->arena, int, widest + 2); // 0: none
    int *following = ARENA_ARRAY(f->arena, int, roots.count + 1);
    for (int i = roots.count - 1; i >= 0; i--) {
        int column = f->pieces.at[roots.at[i]].column;
        following[i] = buckets[column];
        buckets[column] = i + 1;
    }
    int *at = ARENA_ARRAY(f->arena, int, count + 1);
    for (int column = 0; column <= widest; column++)
        for (int i = buckets[column] - 1; i >= 0; i = following[i] - 1) {
            int size = 0;
            for (int m = members[roots.at[i]]; m >= 0; m = next[m])
                at[size++] = m;
            if (size > 1)
                place_set(f, at, size);
        }
}

static void place_lines(Format *f)
{
    int before = -1; // the last line that began a statement
    for (int i = 0; i < f->lines.count; i++) {
        Line *line = &f->lines.at[i];
        line->indent = INDENT * (line->depth > 0 ? line->depth : 0);
        if (line->continued)
            continue;
        place(f, line, line->first, line->end);
        if (before >= 0 && are_neighbours(f, before, i))
            pair_lines(f, before, i, false);
        before = i;
    }
    place_sets(f, false);
    for (int i = 0; i < f->lines.count; i++) {
        Line *line = &f->lines.at[i];
        if (!line->continued)
            continue;
        line->indent = line->below >= 0
                           ? f->pieces.at[line->below].at
                           : f->lines.at[line->behind].indent +
                                 indent_of(&f->pieces.at[line->first]);
        place(f, line, line->first, line->end);
    }
    for (int i = 1; i < f->lines.count; i++)
        if (f->lines.at[i].number == f->lines.at[i - 1].number + 1)
            pair_lines(f, i - 1, i, true);
    place_sets(f, true);
}

static const char *print_lines(const Format *f)
{
    Text out = text_new(f->arena);
    for (int i = 0; i < f->lines.count; i++) {
        const Line *line = &f->lines.at[i];
        if (i && line->number > line[-1].last + 1)
            text_add(&out, "\n");
        int column = 0;
        for (int k = line->first; k < line->end; k++) {
            const Piece *piece = &f->pieces.at[k];
            for (; column < piece->at; column++)
                text_add(&out, " ");
            text_add_n(&out, piece->text, (size_t)piece->length);
            column += piece->length;
        }
        text_add(&out, "\n");
    }
    return text_string(&out);
}

// ---- the file ---------------------------------------------------------------

static const char *tree_of(Arena *arena, const Source *source, DiagList *diags)
{
    int before = diags->error_count;
    Program *program = parse_program(arena, source, diags);
    Text tree = text_new(arena);
    if (diags->error_count != before)
        return NULL;
    ast_print(program, &tree);
    return text_string(&tree);
}

const char *lang_format(Arena *arena, const Source *source, DiagList *diags)
{
    const char *tree = tree_of(arena, source, diags);
    if (!tree)
        return NULL;
    Format format = {.arena = arena,
                     .text = source->text,
                     .end = source->text + source->length};
    Nesting nesting = {0};
    scan_lines(&format);
    for (int i = 0; i < format.lines.count; i++)
        nest_line(&format, &nesting, i);
    place_lines(&format);
    const char *text = print_lines(&format);
    // Nothing is handed out that means something else.
    DiagList ignored = diag_list_new(arena);
    const char *again = tree_of(
        arena,
        source_from_text(arena, source->path, text, (int64_t)strlen(text)),
        &ignored);
    if (!again || strcmp(again, tree) != 0)
        INTERNAL_ERROR("formatting would change the tree of %s", source->path);
    return text;
}
