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
    free(phase->augment);
    free(phase->evaluate);
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

int phase_rows(const ProgramPhase *phase)
{
    return phase->chunk ? phase->chunk : phase->batch / phase_ranks(phase);
}

int plan_passes(const Plan *plan)
{
    const PlanChunks *chunks = &plan->chunks;
    return chunks->count && chunks->end[PLAN_BACKWARD] > chunks->end[PLAN_LOSS]
               ? 2
               : 1;
}
