#include "runtime/exec/program.h"

#include <stdlib.h>
#include <string.h>

static void free_ports(PlanPort *ports, int count)
{
    for (int i = 0; ports && i < count; i++)
        free(ports[i].tensor.name);
    free(ports);
}

void plan_free(Plan *plan)
{
    for (int i = 0; plan->params && i < plan->param_count; i++)
        free(plan->params[i].tensor.name);
    free(plan->params);
    free_ports(plan->inputs, plan->input_count);
    free_ports(plan->outputs, plan->output_count);
    for (int i = 0; plan->steps && i < plan->step_count; i++) {
        free(plan->steps[i].label);
        free(plan->steps[i].file);
    }
    free(plan->steps);
    for (int i = 0; plan->values && i < plan->value_count; i++) {
        free(plan->values[i].label);
        free(plan->values[i].file);
    }
    free(plan->values);
    for (int i = 0; plan->symbols && i < plan->symbol_count; i++)
        free(plan->symbols[i]);
    free(plan->symbols);
    free(plan->chunks.copies);
    free(plan->refs);
    free(plan->imms);
    free(plan->name);
    *plan = (Plan){0};
}

static void free_phase(ProgramPhase *phase)
{
    free(phase->name);
    free(phase->from);
    free(phase->from_only);
    free(phase->from_except);
    free(phase->ways);
    free(phase->teacher);
    for (int i = 0; i < MAX_VIEW_GROUPS; i++) {
        free(phase->groups[i].augment);
        free(phase->groups[i].evaluate);
    }
    plan_free(&phase->train);
    plan_free(&phase->eval);
    plan_free(&phase->features);
}

void program_free(Program *program)
{
    if (!program)
        return;
    for (int i = 0; program->phases && i < program->phase_count; i++)
        free_phase(&program->phases[i]);
    free(program->phases);
    for (int i = 0; program->objects && i < program->object_count; i++) {
        free(program->objects[i].symbol);
        free(program->objects[i].bytes);
    }
    free(program->objects);
    free(program->name);
    free(program->source);
    free(program->parameters);
    free(program->target);
    free(program);
}

const ProgramPhase *program_phase(const Program *program, const char *name)
{
    for (int i = 0; i < program->phase_count; i++)
        if (strcmp(program->phases[i].name, name) == 0)
            return &program->phases[i];
    return NULL;
}

const PlanPort *plan_input(const Plan *plan, const char *name)
{
    for (int i = 0; i < plan->input_count; i++)
        if (strcmp(plan->inputs[i].tensor.name, name) == 0)
            return &plan->inputs[i];
    return NULL;
}

int phase_ranks(const ProgramPhase *phase)
{
    return phase->ranks > 1 ? phase->ranks : 1;
}

int phase_label_width(const ProgramPhase *phase)
{
    return phase->source == SOURCE_MULTI_LABELED && phase->classes
               ? phase->classes
               : 1;
}

int phase_rows(const ProgramPhase *phase)
{
    return (phase->chunk ? phase->chunk : phase->batch) / phase_ranks(phase);
}

const char *phase_images(int group)
{
    static const char *const names[MAX_VIEW_GROUPS] = {
        "images",   "images.1", "images.2", "images.3",
        "images.4", "images.5", "images.6", "images.7"};
    return names[group];
}

int phase_views(const ProgramPhase *phase)
{
    int views = 0;
    for (int i = 0; i < phase->group_count; i++)
        views += phase->groups[i].views;
    return views;
}

bool phase_has_rows(const ProgramPhase *phase, int64_t rows, int64_t images)
{
    bool has = rows == images || rows == images * phase_views(phase);
    for (int i = 0; i < phase->group_count; i++)
        has = has || rows == images * phase->groups[i].views;
    return has;
}

const ViewGroup *phase_group_of(const ProgramPhase *phase, int64_t height)
{
    for (int i = 0; i < phase->group_count; i++)
        if (phase->groups[i].height == height)
            return &phase->groups[i];
    return &phase->groups[0];
}

int plan_passes(const Plan *plan)
{
    const PlanChunks *chunks = &plan->chunks;
    return chunks->count && chunks->end[PLAN_BACKWARD] > chunks->end[PLAN_LOSS]
               ? 2
               : 1;
}
