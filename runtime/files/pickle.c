#include "runtime/files/pickle.h"
#include "runtime/files/pickle_names.h"
#include "runtime/files/pickle_ops.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 1 << 16,
    VALUE_LIMIT = 1 << 20, // a ResNet-200 with Adam's slots has 1 << 16
    SHARE_LIMIT = 1 << 22, // places that hold values, all together
    NAME_LIMIT = 200
};

// The machine: a stack with marks in it, and numbered memos.
typedef struct Machine {
    Pickle *pickle;
    const char *path;
    const uint8_t *start, *at, *end;
    PickleValue **stack;
    int64_t depth, depth_room;
    int64_t *marks;
    int64_t mark_count, mark_room;
    PickleValue **memo;
    int64_t memo_count, memo_room; // count: one more than the last number
    int64_t values, shares;
    Status failure; // the first one; the machine stops then
} Machine;

static void *allot(Machine *machine, size_t size)
{
    Block *block = machine->pickle->blocks;
    size = (size + 15) & ~(size_t)15;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK ? size : BLOCK;
        block = malloc(sizeof *block + room);
        if (!block) {
            if (machine->failure.code == STATUS_OK)
                machine->failure = status_error(
                    STATUS_MEMORY, "no memory to read '%s'", machine->path);
            return NULL;
        }
        *block = (Block){machine->pickle->blocks, 0, room};
        machine->pickle->blocks = block;
    }
    void *at = block->bytes + block->used;
    block->used += size;
    return memset(at, 0, size);
}

static void fail(Machine *machine, const char *reason)
{
    if (machine->failure.code == STATUS_OK)
        machine->failure = status_error(
            STATUS_DATA,
            "'%s' holds a damaged pickle: byte %lld: "
            "%s",
            machine->path, (long long)(machine->at - machine->start), reason);
}

static bool good(const Machine *machine)
{
    return machine->failure.code == STATUS_OK;
}

// ---- values -----------------------------------------------------------------

static PickleValue *new_value(Machine *machine, PickleKind kind)
{
    if (machine->values++ == VALUE_LIMIT) {
        fail(machine, "more than 1048576 values: no state dict has as many");
        return NULL;
    }
    PickleValue *value = allot(machine, sizeof *value);
    if (value)
        value->kind = kind;
    return value;
}

// Room for `count` more items: the old ones stay in their block, at most as
// much again.
static bool reserve(Machine *machine, PickleValue *to, int64_t count)
{
    machine->shares += count;
    if (machine->shares > SHARE_LIMIT) {
        fail(machine, "it grows beyond any state dict");
        return false;
    }
    if (to->count + count <= to->room)
        return true;
    int64_t room =
        to->room * 2 < to->count + count ? to->count + count : to->room * 2;
    PickleValue **items = allot(machine, (size_t)room * sizeof *items);
    if (!items)
        return false;
    if (to->count)
        memcpy(items, to->items, (size_t)to->count * sizeof *items);
    to->items = items;
    to->room = (int)room;
    return true;
}

static void append(Machine *machine, PickleValue *to, PickleValue **items,
                   int64_t count)
{
    if (count == 0 || !reserve(machine, to, count))
        return;
    memcpy(to->items + to->count, items, (size_t)count * sizeof *items);
    to->count += (int)count;
}

// ---- the stack --------------------------------------------------------------

// Room for one more in an array; false when there is no memory.
static bool grow(Machine *machine, void *array, int64_t count, int64_t *room,
                 size_t size)
{
    void **at = array;
    if (count < *room)
        return true;
    int64_t larger = *room ? *room * 2 : 64;
    void *grown = realloc(*at, (size_t)larger * size);
    if (!grown) {
        machine->failure = status_error(STATUS_MEMORY, "no memory to read '%s'",
                                        machine->path);
        return false;
    }
    *at = grown;
    *room = larger;
    return true;
}

static void push(Machine *machine, PickleValue *value)
{
    if (!value || !grow(machine, &machine->stack, machine->depth,
                        &machine->depth_room, sizeof *machine->stack))
        return;
    machine->stack[machine->depth++] = value;
}

// Where the part of the stack above the last mark begins.
static int64_t floor_of(const Machine *machine)
{
    return machine->mark_count ? machine->marks[machine->mark_count - 1] : 0;
}

static PickleValue *pop(Machine *machine)
{
    if (machine->depth > floor_of(machine))
        return machine->stack[--machine->depth];
    fail(machine, "nothing is on the stack");
    return NULL;
}

static PickleValue *top(Machine *machine)
{
    if (machine->depth > floor_of(machine))
        return machine->stack[machine->depth - 1];
    fail(machine, "nothing is on the stack");
    return NULL;
}

// Takes what lies above the last mark off the stack: *items stays good until
// the next push. -1 = there is no mark.
static int64_t pop_mark(Machine *machine, PickleValue ***items)
{
    if (!machine->mark_count) {
        fail(machine, "no mark is on the stack");
        return -1;
    }
    int64_t mark = machine->marks[--machine->mark_count];
    int64_t count = machine->depth - mark;
    *items = machine->stack ? machine->stack + mark : NULL;
    machine->depth = mark;
    return count;
}

// ---- operands ---------------------------------------------------------------

static const uint8_t *take(Machine *machine, uint64_t size)
{
    const uint8_t *at = machine->at;
    if (size > (uint64_t)(machine->end - at)) {
        fail(machine, "it is cut off");
        return NULL;
    }
    machine->at += size;
    return at;
}

static uint64_t take_number(Machine *machine, int bytes)
{
    const uint8_t *at = take(machine, (uint64_t)bytes);
    uint64_t value = 0;
    for (int i = bytes - 1; at && i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static void push_int(Machine *machine, int64_t whole)
{
    PickleValue *value = new_value(machine, PICKLE_INT);
    if (value)
        value->whole = whole;
    push(machine, value);
}

static void push_bool(Machine *machine, bool whole)
{
    PickleValue *value = new_value(machine, PICKLE_BOOL);
    if (value)
        value->whole = whole;
    push(machine, value);
}

static void push_text(Machine *machine, PickleKind kind, int length_bytes)
{
    uint64_t size = take_number(machine, length_bytes);
    const uint8_t *text = good(machine) ? take(machine, size) : NULL;
    PickleValue *value = text ? new_value(machine, kind) : NULL;
    if (!value)
        return;
    value->text = (const char *)text;
    value->size = (int64_t)size;
    push(machine, value);
}

// A number of that many bytes, two's complement.
static void push_long(Machine *machine, uint64_t size)
{
    const uint8_t *at = good(machine) ? take(machine, size) : NULL;
    PickleValue *value = at ? new_value(machine, PICKLE_INT) : NULL;
    if (!value)
        return;
    if (size > 8) {
        value->kind = PICKLE_LONG;
        value->text = (const char *)at;
        value->size = (int64_t)size;
    } else {
        uint64_t whole = size && at[size - 1] & 0x80 ? UINT64_MAX : 0;
        for (int i = (int)size - 1; i >= 0; i--)
            whole = whole << 8 | at[i];
        value->whole = (int64_t)whole;
    }
    push(machine, value);
}

// Big-endian, unlike everything else.
static void push_float(Machine *machine)
{
    const uint8_t *at = take(machine, 8);
    PickleValue *value = at ? new_value(machine, PICKLE_FLOAT) : NULL;
    if (!value)
        return;
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | at[i];
    memcpy(&value->real, &bits, sizeof value->real);
    push(machine, value);
}

static void push_items(Machine *machine, PickleKind kind, PickleValue **items,
                       int64_t count)
{
    PickleValue *value = count < 0 ? NULL : new_value(machine, kind);
    if (!value)
        return;
    append(machine, value, items, count);
    push(machine, value);
}

static void push_tuple(Machine *machine, int count)
{
    PickleValue *items[3] = {NULL, NULL, NULL};
    for (int i = count - 1; i >= 0; i--)
        items[i] = pop(machine);
    if (good(machine))
        push_items(machine, PICKLE_TUPLE, items, count);
}

// ---- names ------------------------------------------------------------------

static bool printable(const char *text, int64_t size)
{
    for (int64_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return size > 0;
}

// What else would be a call of some function is refused here, called or not.
static void push_name(Machine *machine, const char *module, int64_t module_size,
                      const char *name, int64_t name_size)
{
    if (!good(machine))
        return;
    if (!printable(module, module_size) || !printable(name, name_size) ||
        module_size + name_size >= NAME_LIMIT) {
        fail(machine, "a name that is none");
        return;
    }
    size_t size = (size_t)(module_size + 1 + name_size);
    char *full = allot(machine, size + 1);
    PickleValue *value = full ? new_value(machine, PICKLE_NAME) : NULL;
    if (!value)
        return;
    memcpy(full, module, (size_t)module_size);
    full[module_size] = '.';
    memcpy(full + module_size + 1, name, (size_t)name_size);
    PickleKind makes;
    if (!pickle_known(full, &makes)) {
        machine->failure = status_error(
            STATUS_DATA,
            "'%s' is a pickle that names %s, which no state dict needs; "
            "nothing of it was executed. torch.save(model.state_dict(), FILE) "
            "writes what simcc reads",
            machine->path, full);
        return;
    }
    value->text = full;
    value->size = (int64_t)size;
    push(machine, value);
}

// Two lines: module and name.
static void push_global(Machine *machine)
{
    const uint8_t *parts[2];
    int64_t sizes[2];
    for (int i = 0; i < 2; i++) {
        const uint8_t *line = machine->at;
        const uint8_t *end = memchr(line, '\n', (size_t)(machine->end - line));
        if (!end) {
            fail(machine, "it is cut off");
            return;
        }
        parts[i] = line;
        sizes[i] = end - line;
        machine->at = end + 1;
    }
    push_name(machine, (const char *)parts[0], sizes[0], (const char *)parts[1],
              sizes[1]);
}

static void push_stack_global(Machine *machine)
{
    PickleValue *name = pop(machine), *module = pop(machine);
    if (!good(machine))
        return;
    if (name->kind != PICKLE_TEXT || module->kind != PICKLE_TEXT)
        fail(machine, "a name that is none");
    else
        push_name(machine, module->text, module->size, name->text, name->size);
}

// An ordered dict may come with its items: a list of pairs.
static void fill_dict(Machine *machine, PickleValue *dict,
                      const PickleValue *arguments)
{
    const PickleValue *pairs =
        arguments->count == 1 ? arguments->items[0] : NULL;
    if (!pairs || pairs->kind != PICKLE_LIST)
        return;
    for (int i = 0; i < pairs->count; i++) {
        const PickleValue *pair = pairs->items[i];
        if ((pair->kind != PICKLE_LIST && pair->kind != PICKLE_TUPLE) ||
            pair->count != 2)
            fail(machine, "a dict's item is no pair");
        else
            append(machine, dict, pair->items, 2);
    }
}

// A call, of which its function and its arguments are noted.
static void reduce(Machine *machine)
{
    PickleValue *arguments = pop(machine), *function = pop(machine);
    if (!good(machine))
        return;
    if (function->kind != PICKLE_NAME || arguments->kind != PICKLE_TUPLE) {
        fail(machine, "a call of what is no function");
        return;
    }
    PickleKind makes = PICKLE_OBJECT;
    pickle_known(function->text, &makes);
    PickleValue *value = new_value(machine, makes);
    if (!value)
        return;
    value->of = function;
    if (makes == PICKLE_DICT)
        fill_dict(machine, value, arguments);
    else
        append(machine, value, arguments->items, arguments->count);
    push(machine, value);
}

// ---- containers -------------------------------------------------------------

static void add_items(Machine *machine, PickleValue **items, int64_t count,
                      bool pairs)
{
    PickleValue *to = count < 0 ? NULL : top(machine);
    if (!to)
        return;
    bool fits = pairs ? to->kind == PICKLE_DICT : to->kind == PICKLE_LIST;
    // An object of a class that behaves like one keeps nothing.
    if (to->kind == PICKLE_OBJECT)
        return;
    if (!fits || (pairs && count % 2))
        fail(machine, "items of what holds none");
    else
        append(machine, to, items, count);
}

static void set_item(Machine *machine, int count)
{
    PickleValue *items[2] = {NULL, NULL};
    for (int i = count - 1; i >= 0; i--)
        items[i] = pop(machine);
    if (good(machine))
        add_items(machine, items, count, count == 2);
}

static void put_memo(Machine *machine, uint64_t number)
{
    PickleValue *value = top(machine);
    if (!value)
        return;
    if (number > VALUE_LIMIT) {
        fail(machine, "a memo's number is too large");
        return;
    }
    while ((uint64_t)machine->memo_count <= number) {
        if (!grow(machine, &machine->memo, machine->memo_count,
                  &machine->memo_room, sizeof *machine->memo))
            return;
        machine->memo[machine->memo_count++] = NULL;
    }
    machine->memo[number] = value;
}

static void get_memo(Machine *machine, uint64_t number)
{
    if (!good(machine))
        return;
    if (number >= (uint64_t)machine->memo_count || !machine->memo[number])
        fail(machine, "a memo that was not made");
    else
        push(machine, machine->memo[number]);
}

static void push_stored(Machine *machine)
{
    PickleValue *id = pop(machine);
    PickleValue *value = id ? new_value(machine, PICKLE_STORED) : NULL;
    if (!value)
        return;
    value->of = id;
    push(machine, value);
}

static void put_mark(Machine *machine)
{
    if (machine->mark_count > SHARE_LIMIT / 8)
        fail(machine, "it grows beyond any state dict");
    else if (grow(machine, &machine->marks, machine->mark_count,
                  &machine->mark_room, sizeof *machine->marks))
        machine->marks[machine->mark_count++] = machine->depth;
}

// ---- the interpreter --------------------------------------------------------

// What takes numbers and texts from the pickle; false for other opcodes.
static bool run_literal(Machine *machine, int code)
{
    switch (code) {
    case NONE:
        push(machine, new_value(machine, PICKLE_NONE));
        return true;
    case NEWTRUE:
    case NEWFALSE:
        push_bool(machine, code == NEWTRUE);
        return true;
    case BININT:
        push_int(machine, (int32_t)take_number(machine, 4));
        return true;
    case BININT1:
        push_int(machine, (int64_t)take_number(machine, 1));
        return true;
    case BININT2:
        push_int(machine, (int64_t)take_number(machine, 2));
        return true;
    case LONG1:
        push_long(machine, take_number(machine, 1));
        return true;
    case LONG4:
        push_long(machine, take_number(machine, 4));
        return true;
    case BINFLOAT:
        push_float(machine);
        return true;
    case BINUNICODE:
    case BINSTRING:
        push_text(machine, PICKLE_TEXT, 4);
        return true;
    case SHORT_BINUNICODE:
    case SHORT_BINSTRING:
        push_text(machine, PICKLE_TEXT, 1);
        return true;
    case BINUNICODE8:
        push_text(machine, PICKLE_TEXT, 8);
        return true;
    case BINBYTES:
        push_text(machine, PICKLE_BYTES, 4);
        return true;
    case SHORT_BINBYTES:
        push_text(machine, PICKLE_BYTES, 1);
        return true;
    case BINBYTES8:
        push_text(machine, PICKLE_BYTES, 8);
        return true;
    case GLOBAL:
        push_global(machine);
        return true;
    default:
        return false;
    }
}

// What makes and fills containers.
static bool run_container(Machine *machine, int code)
{
    PickleValue **items = NULL;
    int64_t count;
    switch (code) {
    case EMPTY_TUPLE:
        push(machine, new_value(machine, PICKLE_TUPLE));
        return true;
    case EMPTY_DICT:
        push(machine, new_value(machine, PICKLE_DICT));
        return true;
    case EMPTY_LIST:
    case EMPTY_SET:
        push(machine, new_value(machine, PICKLE_LIST));
        return true;
    case TUPLE1:
    case TUPLE2:
    case TUPLE3:
        push_tuple(machine, code - TUPLE1 + 1);
        return true;
    case TUPLE:
        count = pop_mark(machine, &items);
        push_items(machine, PICKLE_TUPLE, items, count);
        return true;
    case LIST:
    case FROZENSET:
        count = pop_mark(machine, &items);
        push_items(machine, PICKLE_LIST, items, count);
        return true;
    case DICT:
        count = pop_mark(machine, &items);
        if (count % 2)
            fail(machine, "a dict's key without a value");
        else
            push_items(machine, PICKLE_DICT, items, count);
        return true;
    case APPEND:
        set_item(machine, 1);
        return true;
    case SETITEM:
        set_item(machine, 2);
        return true;
    case APPENDS:
    case ADDITEMS:
        count = pop_mark(machine, &items);
        add_items(machine, items, count, false);
        return true;
    case SETITEMS:
        count = pop_mark(machine, &items);
        add_items(machine, items, count, true);
        return true;
    default:
        return false;
    }
}

// The rest. An object's state is let go: nothing needs it.
static void run_other(Machine *machine, int code)
{
    PickleValue **items;
    switch (code) {
    case PROTO:
        if (take_number(machine, 1) > 5)
            fail(machine, "a protocol after 5");
        break;
    case FRAME:
        take_number(machine, 8);
        break;
    case MARK:
        put_mark(machine);
        break;
    case POP:
    case BUILD:
        pop(machine);
        break;
    case POP_MARK:
        pop_mark(machine, &items);
        break;
    case DUP:
        push(machine, top(machine));
        break;
    case BINPUT:
        put_memo(machine, take_number(machine, 1));
        break;
    case LONG_BINPUT:
        put_memo(machine, take_number(machine, 4));
        break;
    case MEMOIZE:
        put_memo(machine, (uint64_t)machine->memo_count);
        break;
    case BINGET:
        get_memo(machine, take_number(machine, 1));
        break;
    case LONG_BINGET:
        get_memo(machine, take_number(machine, 4));
        break;
    case STACK_GLOBAL:
        push_stack_global(machine);
        break;
    case REDUCE:
    case NEWOBJ:
        reduce(machine);
        break;
    case BINPERSID:
        push_stored(machine);
        break;
    default:
        machine->at--;
        machine->failure = status_error(
            STATUS_DATA,
            "'%s' holds a pickle with opcode 0x%02x at byte %lld, which no "
            "state dict needs",
            machine->path, code, (long long)(machine->at - machine->start));
    }
}

static void run(Machine *machine)
{
    while (good(machine)) {
        const uint8_t *code = take(machine, 1);
        if (!code)
            return;
        if (*code == STOP) {
            machine->pickle->root = pop(machine);
            return;
        }
        if (!run_literal(machine, *code) && !run_container(machine, *code))
            run_other(machine, *code);
        if (machine->depth > SHARE_LIMIT)
            fail(machine, "it grows beyond any state dict");
    }
}

Status pickle_read(const void *bytes, int64_t size, const char *path,
                   Pickle **pickle, int64_t *used)
{
    Machine machine = {.path = path,
                       .start = bytes,
                       .at = bytes,
                       .end = (const uint8_t *)bytes + size,
                       .failure = {STATUS_OK, {0}}};
    *pickle = machine.pickle = calloc(1, sizeof *machine.pickle);
    if (!machine.pickle)
        return status_error(STATUS_MEMORY, "no memory to read '%s'", path);
    run(&machine);
    free(machine.stack);
    free(machine.marks);
    free(machine.memo);
    *used = machine.at - machine.start;
    if (!good(&machine)) {
        pickle_free(*pickle);
        *pickle = NULL;
    }
    return machine.failure;
}
