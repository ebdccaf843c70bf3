// Artifact files: a program as bytes. Layout, all numbers little-endian:
//
//   "SIMCCART"  u32 version  u32 section count
//   per section: 4 letters, u32 zero, u64 length, u64 checksum, content
//
// Sections: PROG, then PHAS once per phase, then CODE. A checksum is FNV-1a in
// 64 bits over the content: each of its steps can be undone, so no single
// damaged byte goes unseen.
//
// Each structure has one function that both writes and reads it, field by
// field, so that the two cannot disagree. Text is a length and bytes, with
// NO_TEXT for NULL; arrays are a count and items.
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/data/augment.h"
#include "runtime/exec/program.h"

static const char MAGIC[8] = {'S', 'I', 'M', 'C', 'C', 'A', 'R', 'T'};

enum { SECTION_BYTES = 24 };
static const uint32_t NO_TEXT = UINT32_MAX;
static const int64_t FILE_LIMIT = (int64_t)1 << 32;

typedef struct Codec {
    bool reading;
    bool failed;  // memory when writing, content when reading
    bool lacking; // a name that must be there is NULL
    // Writing: everything so far. Reading: the section's content.
    unsigned char *bytes;
    size_t size, capacity;
    size_t at; // reading
} Codec;

static void put(Codec *codec, const void *bytes, size_t size)
{
    if (codec->failed || size == 0)
        return;
    if (size > codec->capacity - codec->size) {
        size_t capacity = codec->capacity * 2 + size + 4096;
        unsigned char *grown = realloc(codec->bytes, capacity);
        if (!grown) {
            codec->failed = true;
            return;
        }
        codec->bytes = grown;
        codec->capacity = capacity;
    }
    memcpy(codec->bytes + codec->size, bytes, size);
    codec->size += size;
}

// The next `size` bytes of what is read; NULL, and failed, when they are not
// there.
static const unsigned char *get(Codec *codec, size_t size)
{
    if (codec->failed || size > codec->size - codec->at) {
        codec->failed = true;
        return NULL;
    }
    const unsigned char *bytes = codec->bytes + codec->at;
    codec->at += size;
    return bytes;
}

static void code_number(Codec *codec, uint64_t *number, int size)
{
    unsigned char bytes[8];
    if (codec->reading) {
        const unsigned char *from = get(codec, (size_t)size);
        *number = 0;
        for (int i = size; from && i-- > 0;)
            *number = *number << 8 | from[i];
        return;
    }
    for (int i = 0; i < size; i++)
        bytes[i] = (unsigned char)(*number >> 8 * i);
    put(codec, bytes, (size_t)size);
}

static void code_i32(Codec *codec, int32_t *value)
{
    uint64_t number = (uint32_t)*value;
    code_number(codec, &number, 4);
    if (codec->reading)
        *value = (int32_t)number;
}

static void code_i64(Codec *codec, int64_t *value)
{
    uint64_t number = (uint64_t)*value;
    code_number(codec, &number, 8);
    if (codec->reading)
        *value = (int64_t)number;
}

static void code_f64(Codec *codec, double *value)
{
    uint64_t number;
    memcpy(&number, value, sizeof number);
    code_number(codec, &number, 8);
    if (codec->reading)
        memcpy(value, &number, sizeof number);
}

static void code_text(Codec *codec, char **text)
{
    uint64_t length = *text ? strlen(*text) : NO_TEXT;
    code_number(codec, &length, 4);
    if (codec->failed || length == NO_TEXT)
        return;
    if (!codec->reading) {
        put(codec, *text, length);
        return;
    }
    const unsigned char *bytes = get(codec, length);
    if (!bytes || memchr(bytes, 0, length)) {
        codec->failed = true;
        return;
    }
    *text = strndup((const char *)bytes, length);
    codec->failed = *text == NULL;
}

// As code_text, for text that may not be NULL.
static void code_name(Codec *codec, char **text)
{
    code_text(codec, text);
    codec->lacking = codec->lacking || !*text;
}

// The count of an array and, when reading, zeroed room for its items. Every
// item takes at least one byte per `least`, so that a count beyond what the
// content can hold is refused before memory is asked for.
static bool code_count(Codec *codec, int32_t *count, void **items, size_t size,
                       size_t least)
{
    code_i32(codec, count);
    if (codec->reading) {
        size_t left = codec->size - codec->at;
        if (*count < 0 || (size_t)*count > left / least)
            codec->failed = true;
        if (codec->failed)
            *count = 0;
        *items = calloc((size_t)*count + 1, size);
        if (!*items) {
            codec->failed = true;
            *count = 0;
        }
    }
    return !codec->failed;
}

// Runs `code_item(codec, &items[i])` over an array whose count it codes first.
#define CODE_ARRAY(codec, count, items, least, code_item)                      \
    do {                                                                       \
        if (code_count(codec, &(count), (void **)&(items), sizeof *(items),    \
                       least))                                                 \
            for (int i_ = 0; i_ < (count); i_++)                               \
                code_item(codec, &(items)[i_]);                                \
    } while (0)

static void code_tensor(Codec *codec, PlanTensor *tensor)
{
    code_name(codec, &tensor->name);
    code_i32(codec, &tensor->dtype);
    code_i32(codec, &tensor->rank);
    if (tensor->rank < 0 || tensor->rank > PLAN_MAX_RANK) {
        codec->failed = true;
        return;
    }
    for (int i = 0; i < tensor->rank; i++)
        code_i64(codec, &tensor->dims[i]);
    code_i64(codec, &tensor->bytes);
}

static void code_param(Codec *codec, PlanParam *param)
{
    code_tensor(codec, &param->tensor);
    code_i32(codec, &param->role);
    code_i32(codec, &param->init);
    code_f64(codec, &param->scale);
    code_i32(codec, &param->tile);
}

static void code_port(Codec *codec, PlanPort *port)
{
    code_tensor(codec, &port->tensor);
    code_i64(codec, &port->offset);
}

static void code_step(Codec *codec, PlanStep *step)
{
    code_i32(codec, &step->symbol);
    code_i32(codec, &step->call);
    code_i32(codec, &step->flags);
    code_i32(codec, &step->task_count);
    code_i32(codec, &step->first_arg);
    code_i32(codec, &step->arg_count);
    code_i32(codec, &step->first_imm);
    code_i32(codec, &step->imm_count);
    code_name(codec, &step->label);
    code_i64(codec, &step->flops);
    code_i64(codec, &step->bytes);
    code_text(codec, &step->file);
    code_i32(codec, &step->line);
}

static void code_ref(Codec *codec, PlanRef *ref)
{
    code_i32(codec, &ref->space);
    code_i32(codec, &ref->param);
    code_i64(codec, &ref->offset);
}

static void code_value(Codec *codec, PlanValue *value)
{
    code_i32(codec, &value->step);
    code_i32(codec, &value->dtype);
    code_ref(codec, &value->at);
    code_i64(codec, &value->rows);
    code_i64(codec, &value->elements);
    code_name(codec, &value->label);
    code_text(codec, &value->file);
    code_i32(codec, &value->line);
    code_i32(codec, &value->last_line);
}

static void code_copy(Codec *codec, PlanCopy *copy)
{
    code_i32(codec, &copy->part);
    code_i32(codec, &copy->blocks);
    code_i64(codec, &copy->chunk);
    code_i64(codec, &copy->whole);
    code_i64(codec, &copy->bytes);
}

static void code_chunks(Codec *codec, PlanChunks *chunks)
{
    code_i32(codec, &chunks->count);
    for (int i = 0; i < PLAN_PARTS; i++)
        code_i32(codec, &chunks->end[i]);
    CODE_ARRAY(codec, chunks->copy_count, chunks->copies, 32, code_copy);
}

static void code_plan(Codec *codec, Plan *plan)
{
    code_text(codec, &plan->name); // NULL in a phase without evaluation
    CODE_ARRAY(codec, plan->param_count, plan->params, 40, code_param);
    CODE_ARRAY(codec, plan->input_count, plan->inputs, 28, code_port);
    CODE_ARRAY(codec, plan->output_count, plan->outputs, 28, code_port);
    CODE_ARRAY(codec, plan->step_count, plan->steps, 60, code_step);
    CODE_ARRAY(codec, plan->ref_count, plan->refs, 16, code_ref);
    CODE_ARRAY(codec, plan->imm_count, plan->imms, 8, code_i64);
    CODE_ARRAY(codec, plan->symbol_count, plan->symbols, 4, code_name);
    CODE_ARRAY(codec, plan->value_count, plan->values, 56, code_value);
    code_i64(codec, &plan->slab_bytes);
    code_i64(codec, &plan->scratch_bytes);
}

static void code_augment(Codec *codec, AugmentStep *step)
{
    code_i32(codec, &step->op);
    for (int i = 0; i < AUGMENT_MAX_ARGS; i++)
        code_f64(codec, &step->args[i]);
}

static void code_groups(Codec *codec, ProgramPhase *phase)
{
    const size_t augment_bytes = 4 + 8 * AUGMENT_MAX_ARGS;
    code_i32(codec, &phase->group_count);
    if (phase->group_count < 1 || phase->group_count > MAX_VIEW_GROUPS) {
        codec->failed = true;
        return;
    }
    for (int i = 0; i < phase->group_count; i++) {
        ViewGroup *group = &phase->groups[i];
        code_i32(codec, &group->views);
        code_i32(codec, &group->height);
        code_i32(codec, &group->width);
        CODE_ARRAY(codec, group->augment_count, group->augment, augment_bytes,
                   code_augment);
        CODE_ARRAY(codec, group->evaluate_count, group->evaluate, augment_bytes,
                   code_augment);
    }
}

static void code_phase(Codec *codec, ProgramPhase *phase)
{
    code_name(codec, &phase->name);
    code_text(codec, &phase->from);
    code_text(codec, &phase->from_only);
    code_text(codec, &phase->from_except);
    code_text(codec, &phase->ways);
    code_text(codec, &phase->teacher);
    code_number(codec, &phase->says, 8);
    code_i32(codec, &phase->batch);
    code_i32(codec, &phase->ranks);
    code_groups(codec, phase);
    code_f64(codec, &phase->epochs);
    code_i64(codec, &phase->steps);
    code_i32(codec, &phase->source);
    code_i32(codec, &phase->label_rule);
    code_f64(codec, &phase->label_amount);
    code_i32(codec, &phase->balanced);
    code_i32(codec, &phase->channels);
    code_i32(codec, &phase->classes);
    code_i32(codec, &phase->precision);
    code_plan(codec, &phase->train);
    code_plan(codec, &phase->eval);
    code_plan(codec, &phase->features);
    code_i32(codec, &phase->chunk);
    code_chunks(codec, &phase->train.chunks);
}

static void code_program(Codec *codec, Program *program)
{
    code_name(codec, &program->name);
    code_name(codec, &program->source);
    code_text(codec, &program->parameters);
    code_name(codec, &program->target);
    code_number(codec, &program->needs, 8);
    code_i32(codec, &program->sums);
    code_i32(codec, &program->dtype);
}

static void code_object(Codec *codec, CodeObject *object)
{
    code_name(codec, &object->symbol);
    code_i64(codec, &object->size);
    if (!codec->reading) {
        put(codec, object->bytes, (size_t)object->size);
        return;
    }
    const unsigned char *bytes = get(codec, (size_t)object->size);
    if (!bytes)
        return;
    object->bytes = malloc((size_t)object->size + 1);
    if (object->bytes)
        memcpy(object->bytes, bytes, (size_t)object->size);
    else
        codec->failed = true;
}

static void code_objects(Codec *codec, Program *program)
{
    CODE_ARRAY(codec, program->object_count, program->objects, 12, code_object);
}

static uint64_t checksum(const unsigned char *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u; // FNV-1a offset basis and prime
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

// ---- writing ----------------------------------------------------------------

static void put_number(Codec *codec, uint64_t number, int size)
{
    code_number(codec, &number, size);
}

// Frames `content` as a section of `file`, and empties it.
static void put_section(Codec *file, const char *letters, Codec *content)
{
    put(file, letters, 4);
    put_number(file, 0, 4);
    put_number(file, content->size, 8);
    put_number(file, checksum(content->bytes, content->size), 8);
    put(file, content->bytes, content->size);
    file->failed = file->failed || content->failed;
    file->lacking = file->lacking || content->lacking;
    content->size = 0;
}

// The codecs read what they write, hence no const; nothing is changed.
static void put_program(Codec *file, Program *program)
{
    Codec content = {0};
    put(file, MAGIC, sizeof MAGIC);
    put_number(file, PROGRAM_VERSION, 4);
    put_number(file, (uint64_t)program->phase_count + 2, 4);
    code_program(&content, program);
    put_section(file, "PROG", &content);
    for (int i = 0; i < program->phase_count; i++) {
        code_phase(&content, &program->phases[i]);
        put_section(file, "PHAS", &content);
    }
    code_objects(&content, program);
    put_section(file, "CODE", &content);
    free(content.bytes);
}

Status program_encode(const Program *program, const char *name,
                      unsigned char **bytes, int64_t *size)
{
    Codec file = {0};
    put_program(&file, (Program *)program);
    *bytes = file.bytes;
    *size = (int64_t)file.size;
    if (!file.failed && !file.lacking)
        return status_ok();
    free(file.bytes);
    *bytes = NULL;
    if (file.failed)
        return status_error(STATUS_MEMORY, "no memory to write '%s'", name);
    return status_error(STATUS_INTERNAL, "'%s': a name is missing", name);
}

Status program_write(const Program *program, const char *path)
{
    unsigned char *bytes;
    int64_t size;
    TRY(program_encode(program, path, &bytes, &size));
    Status status = file_write(path, bytes, size);
    free(bytes);
    return status;
}

// ---- reading ----------------------------------------------------------------

static Status bad_artifact(const char *path, const char *reason)
{
    return status_error(STATUS_DATA, "'%s' is not a usable artifact: %s", path,
                        reason);
}

static uint64_t get_number(Codec *codec, int size)
{
    uint64_t number = 0;
    code_number(codec, &number, size);
    return number;
}

// Opens the next section, which must have these letters; its content is then
// read by `content`.
static Status open_section(Codec *file, const char *path, const char *letters,
                           Codec *content)
{
    const unsigned char *name = get(file, 4);
    bool wanted = name && memcmp(name, letters, 4) == 0;
    wanted = get_number(file, 4) == 0 && wanted;
    uint64_t length = get_number(file, 8);
    uint64_t sum = get_number(file, 8);
    if (file->failed || !wanted || length > file->size - file->at)
        return bad_artifact(path, "it is cut short or its sections are not "
                                  "in order");
    *content = (Codec){
        .reading = true, .bytes = file->bytes + file->at, .size = length};
    file->at += length;
    if (checksum(content->bytes, length) != sum)
        return bad_artifact(path, "a checksum is wrong; the file is damaged");
    return status_ok();
}

static Status close_section(const Codec *content, const char *path)
{
    if (content->failed || content->lacking || content->at != content->size)
        return bad_artifact(path, "a section has impossible content");
    return status_ok();
}

static bool is_sound_group(const ViewGroup *group)
{
    return group->views > 0 && group->views <= 64 && group->height >= 0 &&
           group->width >= 0 &&
           augment_is_sound(group->augment, group->augment_count) &&
           augment_is_sound(group->evaluate, group->evaluate_count);
}

static Status check_phase(const ProgramPhase *phase, const char *path)
{
    int32_t chunks = phase->train.chunks.count;
    if (phase->batch < 1 || phase->ranks < 0 || phase->ranks > phase->batch ||
        (phase->train.step_count > 0 &&
         (phase->batch % phase_ranks(phase) != 0 ||
          phase->chunk % phase_ranks(phase) != 0)) ||
        phase->chunk < 0 || chunks < 0 ||
        (phase->train.step_count > 0 && (phase->chunk == 0) != (chunks == 0)) ||
        (chunks > 0 && (int64_t)phase->chunk * chunks != phase->batch) ||
        phase->steps < 0 || !(phase->epochs >= 0) || phase->source < 0 ||
        phase->source > SOURCE_MULTI_LABELED || phase->label_rule < 0 ||
        phase->label_rule > LABELS_PER_CLASS || phase->balanced < 0 ||
        phase->balanced > 1 ||
        (phase->balanced && phase->source != SOURCE_LABELED &&
         phase->source != SOURCE_MULTI_LABELED) ||
        (phase->source == SOURCE_MULTI_LABELED &&
         phase->label_rule == LABELS_PER_CLASS) ||
        phase->classes < 0 || phase->channels < 1 || phase->channels > 64 ||
        (phase->precision != PLAN_F32 && phase->precision != PLAN_BF16) ||
        !phase->train.name ||
        (phase->eval.step_count > 0 && !phase->eval.name) ||
        (phase->features.step_count > 0 && !phase->features.name))
        return bad_artifact(path, "a phase has impossible settings");
    for (int i = 0; i < phase->group_count; i++)
        if (!is_sound_group(&phase->groups[i]))
            return bad_artifact(path, "a phase has impossible views");
    TRY(plan_check(&phase->train));
    if (phase->features.name)
        TRY(plan_check(&phase->features));
    return phase->eval.name ? plan_check(&phase->eval) : status_ok();
}

static Status read_phases(Codec *file, const char *path, Program *program)
{
    Codec content;
    for (int i = 0; i < program->phase_count; i++) {
        TRY(open_section(file, path, "PHAS", &content));
        code_phase(&content, &program->phases[i]);
        TRY(close_section(&content, path));
        TRY(check_phase(&program->phases[i], path));
    }
    return status_ok();
}

static Status read_program(Codec *file, const char *path, Program *program)
{
    Codec content;
    const unsigned char *magic = get(file, sizeof MAGIC);
    if (!magic || memcmp(magic, MAGIC, sizeof MAGIC) != 0)
        return bad_artifact(path, "it does not begin as one");
    uint64_t version = get_number(file, 4);
    if (version != PROGRAM_VERSION)
        return status_error(STATUS_DATA,
                            "'%s' is an artifact of version %llu, this "
                            "program reads version %d: compile it again",
                            path, (unsigned long long)version, PROGRAM_VERSION);
    uint64_t sections = get_number(file, 4);
    if (file->failed || sections < 2 ||
        sections > (file->size - file->at) / SECTION_BYTES)
        return bad_artifact(path, "impossible number of sections");
    program->phase_count = (int32_t)sections - 2;
    program->phases = calloc((size_t)sections, sizeof *program->phases);
    if (!program->phases)
        return status_error(STATUS_MEMORY, "no memory to read '%s'", path);

    TRY(open_section(file, path, "PROG", &content));
    code_program(&content, program);
    TRY(close_section(&content, path));
    if (program->needs & ~CPU_ALL)
        return bad_artifact(path, "unknown needs of the processor");
    if (plan_dtype_bytes(program->dtype) == 0 ||
        program->sums < PLAN_SUMS_FAST || program->sums > PLAN_SUMS_PLAIN)
        return bad_artifact(path, "unknown type of numbers");
    TRY(read_phases(file, path, program));
    TRY(open_section(file, path, "CODE", &content));
    code_objects(&content, program);
    TRY(close_section(&content, path));
    if (file->at != file->size)
        return bad_artifact(path, "more bytes than sections");
    return status_ok();
}

Status program_decode(const char *name, const unsigned char *bytes,
                      int64_t size, Program **out)
{
    *out = NULL;
    Program *program = calloc(1, sizeof *program);
    // Codecs that read write nothing.
    Codec file = {
        .reading = true, .bytes = (unsigned char *)bytes, .size = (size_t)size};
    Status status =
        program ? read_program(&file, name, program)
                : status_error(STATUS_MEMORY, "no memory to read '%s'", name);
    if (status.code == STATUS_OK)
        *out = program;
    else
        program_free(program);
    return status;
}

Status program_read(const char *path, Program **out)
{
    char *bytes;
    int64_t size;
    *out = NULL;
    TRY(file_read(path, FILE_LIMIT, &bytes, &size));
    Status status =
        program_decode(path, (const unsigned char *)bytes, size, out);
    free(bytes);
    return status;
}
