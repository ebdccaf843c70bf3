#include "tests/program_sample.h"

#include <stdlib.h>
#include <string.h>

// A malloc'ed copy of an array, as programs own their parts.
static void *copy(const void *items, size_t size)
{
    return memcpy(malloc(size), items, size);
}

static void fill_plan(Plan *plan)
{
    PlanParam params[] = {{{strdup("w"), PLAN_F32, 2, {3, 7}, 84},
                           PLAN_WEIGHT,
                           PLAN_INIT_TRUNCATED_NORMAL,
                           0.02},
                          {{strdup("scalar"), PLAN_F64, 0, {0}, 8},
                           PLAN_SLOT,
                           PLAN_INIT_CONSTANT,
                           -0.0}};
    PlanPort inputs[] = {{{strdup("images"), PLAN_F32, 1, {4}, 16}, 64}};
    PlanPort outputs[] = {{{strdup("loss"), PLAN_F32, 0, {0}, 4}, 128}};
    PlanRef refs[] = {{PLAN_SLAB, 0, 64}, {PLAN_PARAM, 1, 0}, {0, 0, 0}};
    PlanStep steps[] = {{0, 0, 0, 5, 0, 2, 0, 1, strdup("first")},
                        {-1, PLAN_CALL_MATMUL_F32, PLAN_STEP_CHAINED, 5, 0, 3,
                         2, 10, strdup("second"), 7, 8, strdup("a.net"), 3}};
    PlanValue values[] = {
        {0,
         PLAN_F32,
         {PLAN_SLAB, 0, 64},
         2,
         4,
         strdup("relu"),
         strdup("a.net"),
         3,
         5},
        {1, PLAN_F64, {PLAN_PARAM, 1, 0}, 1, 1, strdup("w"), NULL, 0, 0}};
    int64_t imms[12] = {12, INT64_MIN, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1};
    char *symbols[] = {strdup("kernel_0")};
    *plan = (Plan){.name = strdup("phase.train"),
                   .param_count = 2,
                   .input_count = 1,
                   .output_count = 1,
                   .step_count = 2,
                   .ref_count = 3,
                   .imm_count = 12,
                   .symbol_count = 1,
                   .value_count = 2,
                   .values = copy(values, sizeof values),
                   .params = copy(params, sizeof params),
                   .inputs = copy(inputs, sizeof inputs),
                   .outputs = copy(outputs, sizeof outputs),
                   .steps = copy(steps, sizeof steps),
                   .refs = copy(refs, sizeof refs),
                   .imms = copy(imms, sizeof imms),
                   .symbols = copy(symbols, sizeof symbols),
                   .slab_bytes = 192,
                   .scratch_bytes = 32};
}

static void fill_phase(ProgramPhase *phase, const char *name, const char *from)
{
    AugmentStep augment[] = {{0, {1, 2}}, {1, {0, 0, 0, 3.25}}};
    *phase =
        (ProgramPhase){.name = strdup(name),
                       .from = from ? strdup(from) : NULL,
                       .from_except = strdup("head.*"),
                       .says = 0x123456789abcdef0u,
                       .batch = 8,
                       .epochs = 2.5,
                       .source = SOURCE_LABELED,
                       .label_rule = LABELS_FRACTION,
                       .label_amount = 0.1,
                       .channels = 4,
                       .group_count = 2,
                       .groups = {{.views = 2,
                                   .height = 32,
                                   .width = 48,
                                   .augment_count = 2,
                                   .augment = copy(augment, sizeof augment)},
                                  {.views = 6, .height = 8, .width = 8}},
                       .classes = 10};
    fill_plan(&phase->train);
}

// A step in two chunks of a plan with two parts.
static void fill_chunks(ProgramPhase *phase)
{
    PlanCopy copies[] = {{PLAN_EMBED, 2, 0, 64, 8}};
    PlanChunks *chunks = &phase->train.chunks;
    *chunks = (PlanChunks){.count = 2,
                           .end = {1, 2, 2, 2},
                           .copy_count = 1,
                           .copies = copy(copies, sizeof copies)};
    phase->chunk = 4;
    phase->train.steps[1].flags = 0;
}

Program *sample_program(void)
{
    Program *program = calloc(1, sizeof *program);
    CodeObject objects[] = {{strdup("kernel_0"), 5, copy("\x7f\0\1\2\3", 5)}};
    *program = (Program){.name = strdup("sample.net"),
                         .source = strdup("model {\n  \"caf\xc3\xa9\"\n}\n"),
                         .target = strdup("x86-64-v3"),
                         .needs = CPU_BIT(AVX2) | CPU_BIT(CF),
                         .sums = PLAN_SUMS_STRICT,
                         .dtype = PLAN_F32,
                         .phase_count = 2,
                         .object_count = 1,
                         .objects = copy(objects, sizeof objects),
                         .phases = calloc(2, sizeof *program->phases)};
    fill_phase(&program->phases[0], "pretrain", NULL);
    fill_phase(&program->phases[1], "finetune", "pretrain");
    fill_chunks(&program->phases[0]);
    return program;
}
