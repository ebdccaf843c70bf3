// A step in parts as one plan: the parts' steps one after the other, over one
// slab. Ports live from part to part and lie in front, each once; behind them
// every part has the same room for what it needs while it runs.
#include <stdlib.h>

#include "codegen/integers.h"
#include "codegen/plan/lower.h"
#include "ir/base/diag.h"

typedef struct Joined {
    Arena *arena;
    Plan parts[PLAN_PARTS];
    int64_t ports_end[PLAN_PARTS]; // in the part's own slab
    VEC(PlanPort) ports;           // of all parts, each once; names borrowed
    int64_t bytes;                 // of these
    int64_t sums;                  // begun behind the work by the parts so far
    Plan *plan;
} Joined;

// ---- ports ------------------------------------------------------------------

static const PlanPort *find_port(const Joined *joined, const PlanTensor *tensor)
{
    for (int i = 0; i < joined->ports.count; i++) {
        const PlanPort *port = &joined->ports.at[i];
        if (port->tensor.bytes == tensor->bytes &&
            strcmp(port->tensor.name, tensor->name) == 0)
            return port;
    }
    return NULL;
}

static void add_ports(Joined *joined, int part, int count,
                      const PlanPort *ports)
{
    for (int i = 0; i < count; i++) {
        int64_t bytes = align_up(ports[i].tensor.bytes, PLAN_ALIGN);
        int64_t end = ports[i].offset + bytes;
        if (end > joined->ports_end[part])
            joined->ports_end[part] = end;
        if (find_port(joined, &ports[i].tensor))
            continue;
        PlanPort port = {ports[i].tensor, joined->bytes};
        vec_push(joined->arena, &joined->ports, port);
        joined->bytes += bytes;
    }
}

// Where an offset in a part's slab lies in that of all.
static int64_t offset_of(const Joined *joined, int part, int64_t offset)
{
    const Plan *plan = &joined->parts[part];
    if (offset >= joined->ports_end[part])
        return offset - joined->ports_end[part] + joined->bytes;
    for (int i = 0; i < plan->input_count + plan->output_count; i++) {
        const PlanPort *port = i < plan->input_count
                                   ? &plan->inputs[i]
                                   : &plan->outputs[i - plan->input_count];
        if (offset >= port->offset &&
            offset < port->offset + align_up(port->tensor.bytes, PLAN_ALIGN))
            return find_port(joined, &port->tensor)->offset + offset -
                   port->offset;
    }
    INTERNAL_ERROR("offset %lld of plan %s is of no port", (long long)offset,
                   plan->name);
}

static PlanTensor copy_tensor(PlanTensor tensor)
{
    tensor.name = plan_string(tensor.name);
    return tensor;
}

// The ports between parts: no names of a program have dots.
static bool is_inner(const PlanPort *port)
{
    return strncmp(port->tensor.name, "embedding.", 10) == 0 ||
           strncmp(port->tensor.name, "gradient.", 9) == 0;
}

static bool has_port(const PlanPort *ports, int count, const PlanPort *port)
{
    for (int i = 0; i < count; i++)
        if (ports[i].offset == port->offset)
            return true;
    return false;
}

static int write_list(const Joined *joined, int count, const PlanPort *from,
                      PlanPort *to, int written)
{
    for (int i = 0; i < count; i++) {
        PlanPort port = *find_port(joined, &from[i].tensor);
        if (is_inner(&port) || has_port(to, written, &port))
            continue;
        port.tensor = copy_tensor(port.tensor);
        to[written++] = port;
    }
    return written;
}

static void write_ports(const Joined *joined)
{
    Plan *plan = joined->plan;
    size_t count = (size_t)joined->ports.count;
    plan->inputs = plan_alloc(count, sizeof *plan->inputs);
    plan->outputs = plan_alloc(count, sizeof *plan->outputs);
    for (int p = 0; p < PLAN_PARTS; p++) {
        const Plan *part = &joined->parts[p];
        plan->input_count = write_list(joined, part->input_count, part->inputs,
                                       plan->inputs, plan->input_count);
        plan->output_count =
            write_list(joined, part->output_count, part->outputs, plan->outputs,
                       plan->output_count);
    }
}

// The copies between a part's ports and the loss's of the same names.
static void write_copies(const Joined *joined, int part, int images, int count,
                         const PlanPort *ports, int whole_count,
                         const PlanPort *wholes)
{
    PlanChunks *chunks = &joined->plan->chunks;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < whole_count; k++)
            if (is_inner(&ports[i]) &&
                strcmp(ports[i].tensor.name, wholes[k].tensor.name) == 0) {
                int64_t blocks = ports[i].tensor.dims[0] / images;
                chunks->copies[chunks->copy_count++] = (PlanCopy){
                    .part = part,
                    .blocks = (int32_t)blocks,
                    .chunk = find_port(joined, &ports[i].tensor)->offset,
                    .whole = find_port(joined, &wholes[k].tensor)->offset,
                    .bytes = ports[i].tensor.bytes / blocks};
            }
}

static void write_chunks(const Joined *joined, int count, int images)
{
    const Plan *parts = joined->parts, *loss = &parts[PLAN_LOSS];
    PlanChunks *chunks = &joined->plan->chunks;
    size_t most = (size_t)parts[PLAN_EMBED].output_count +
                  (size_t)parts[PLAN_BACKWARD].input_count;
    int end = 0;
    chunks->count = count;
    chunks->copies = plan_alloc(most, sizeof *chunks->copies);
    for (int p = 0; p < PLAN_PARTS; p++)
        chunks->end[p] = end += parts[p].step_count;
    write_copies(joined, PLAN_EMBED, images, parts[PLAN_EMBED].output_count,
                 parts[PLAN_EMBED].outputs, loss->input_count, loss->inputs);
    write_copies(joined, PLAN_BACKWARD, images,
                 parts[PLAN_BACKWARD].input_count, parts[PLAN_BACKWARD].inputs,
                 loss->output_count, loss->outputs);
}

// ---- steps ------------------------------------------------------------------

static void write_symbols(const Joined *joined)
{
    Plan *plan = joined->plan;
    size_t most = 0;
    int count = 0;
    for (int p = 0; p < PLAN_PARTS; p++)
        most += (size_t)joined->parts[p].symbol_count;
    const char **all = ARENA_ARRAY(joined->arena, const char *, most + 1);
    for (int p = 0; p < PLAN_PARTS; p++)
        for (int i = 0; i < joined->parts[p].symbol_count; i++)
            all[count++] = joined->parts[p].symbols[i];
    plan_write_symbols(plan, count, all);
}

static PlanRef join_ref(const Joined *joined, int part, PlanRef ref)
{
    if (ref.space == PLAN_SLAB) {
        ref.offset = offset_of(joined, part, ref.offset);
        return ref;
    }
    const Plan *plan = joined->plan;
    const char *name = joined->parts[part].params[ref.param].tensor.name;
    for (int i = 0; i < plan->param_count; i++)
        if (strcmp(plan->params[i].tensor.name, name) == 0)
            ref.param = i;
    return ref;
}

static char *copy_text(const char *text)
{
    return text ? plan_string(text) : NULL;
}

// Sums behind the work are numbered through all parts; the part's integers have
// been copied.
static void number_sums(Joined *joined, int part)
{
    const Plan *from = &joined->parts[part];
    int64_t *imms = joined->plan->imms + joined->plan->imm_count;
    int64_t before = joined->sums;
    for (int i = 0; i < from->step_count; i++) {
        const PlanStep *step = &from->steps[i];
        bool starts =
            step->symbol < 0 && (step->call == PLAN_CALL_SUM_START_F32 ||
                                 step->call == PLAN_CALL_SUM_START_F64);
        CallSumStart start;
        CallSumFinish finish;
        if (starts) {
            memcpy(&start, imms + step->first_imm, sizeof start);
            start.number += before;
            memcpy(imms + step->first_imm, &start, sizeof start);
            joined->sums++;
        } else if (step->symbol < 0 && step->call == PLAN_CALL_SUM_FINISH) {
            memcpy(&finish, imms + step->first_imm, sizeof finish);
            finish.number += before;
            memcpy(imms + step->first_imm, &finish, sizeof finish);
        }
    }
}

// What a part that runs for every chunk does, it does so often in a step.
static void join_steps(Joined *joined, int part)
{
    const Plan *from = &joined->parts[part];
    Plan *plan = joined->plan;
    bool repeated = part == PLAN_EMBED || part == PLAN_BACKWARD;
    int64_t times = repeated ? plan->chunks.count : 1;
    for (int i = 0; i < from->step_count; i++) {
        PlanStep step = from->steps[i];
        if (step.symbol >= 0)
            step.symbol = plan_find_symbol(plan, from->symbols[step.symbol]);
        step.first_arg += plan->ref_count;
        step.first_imm += plan->imm_count;
        step.flops *= times;
        step.bytes *= times;
        step.label = plan_string(step.label);
        step.file = copy_text(step.file);
        plan->steps[plan->step_count + i] = step;
    }
    for (int i = 0; i < from->value_count; i++) {
        PlanValue value = from->values[i];
        value.step += plan->step_count;
        value.at = join_ref(joined, part, value.at);
        value.label = plan_string(value.label);
        value.file = copy_text(value.file);
        plan->values[plan->value_count++] = value;
    }
    for (int i = 0; i < from->ref_count; i++)
        plan->refs[plan->ref_count + i] = join_ref(joined, part, from->refs[i]);
    for (int i = 0; i < from->imm_count; i++)
        plan->imms[plan->imm_count + i] = from->imms[i];
    number_sums(joined, part);
    plan->step_count += from->step_count;
    plan->ref_count += from->ref_count;
    plan->imm_count += from->imm_count;
}

// ---- memory -----------------------------------------------------------------

static void size_plan(Joined *joined)
{
    Plan *plan = joined->plan;
    plan->slab_bytes = joined->bytes;
    for (int p = 0; p < PLAN_PARTS; p++) {
        const Plan *part = &joined->parts[p];
        int64_t bytes = part->slab_bytes - joined->ports_end[p] + joined->bytes;
        if (bytes > plan->slab_bytes)
            plan->slab_bytes = bytes;
        if (part->scratch_bytes > plan->scratch_bytes)
            plan->scratch_bytes = part->scratch_bytes;
    }
}

static void make_room(Joined *joined)
{
    size_t steps = 0, refs = 0, imms = 0, values = 0;
    for (int p = 0; p < PLAN_PARTS; p++) {
        const Plan *part = &joined->parts[p];
        steps += (size_t)part->step_count;
        refs += (size_t)part->ref_count;
        imms += (size_t)part->imm_count;
        values += (size_t)part->value_count;
    }
    Plan *plan = joined->plan;
    plan->steps = plan_alloc(steps, sizeof *plan->steps);
    plan->refs = plan_alloc(refs, sizeof *plan->refs);
    plan->imms = plan_alloc(imms, sizeof *plan->imms);
    plan->values = plan_alloc(values, sizeof *plan->values);
}

void codegen_lower_parts(Codegen *codegen, const Graph *const parts[PLAN_PARTS],
                         int count, int images, Plan *plan)
{
    Joined joined = {.arena = arena_new(), .plan = plan};
    *plan = (Plan){.name = plan_string(parts[PLAN_LOSS]->name)};
    for (int p = 0; p < PLAN_PARTS; p++) {
        Plan *part = &joined.parts[p];
        if (!parts[p])
            continue;
        lower_graph(codegen, parts[p], true, part);
        codegen_list_params(parts[p], plan);
        add_ports(&joined, p, part->input_count, part->inputs);
        add_ports(&joined, p, part->output_count, part->outputs);
    }
    size_plan(&joined);
    write_ports(&joined);
    write_chunks(&joined, count, images);
    write_symbols(&joined);
    make_room(&joined);
    for (int p = 0; p < PLAN_PARTS; p++)
        join_steps(&joined, p);
    for (int p = 0; p < PLAN_PARTS; p++)
        plan_free(&joined.parts[p]);
    arena_free(joined.arena);
}
