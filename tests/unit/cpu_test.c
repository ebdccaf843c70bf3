// What processors can do and are called.
#include "runtime/exec/cpu.h"

#include "codegen/codegen.h"
#include "codegen/cpu/target.h"
#include "runtime/exec/exec.h"
#include "tests/harness.h"

TEST(code_for_a_better_processor_is_refused)
{
    for (PlanCpu needs = PLAN_CPU_ANY; needs <= PLAN_CPU_AVX512; needs++)
        for (PlanCpu has = PLAN_CPU_ANY; has <= PLAN_CPU_AVX512; has++) {
            Status status = cpu_check(needs, has, "znver4");
            CHECK_INT(status.code, needs <= has ? STATUS_OK : STATUS_FAILED);
            CHECK(needs <= has || strstr(status.text, cpu_name(needs)));
            CHECK(needs <= has || strstr(status.text, "znver4"));
        }
    CHECK(cpu_advice(PLAN_CPU_AVX) && !cpu_advice(PLAN_CPU_AVX2));
}

TEST(a_program_for_a_better_processor_is_not_loaded)
{
    Program program = {.target = "tomorrow", .cpu = (int32_t)cpu_here()};
    CodeImage *image;
    CHECK_INT(code_load(&program, &image).code, STATUS_OK);
    code_free(image);
    if (cpu_here() == PLAN_CPU_AVX512)
        test_skip("this processor runs everything there is");
    program.cpu++;
    CHECK_INT(code_load(&program, &image).code, STATUS_FAILED);
    CHECK(image == NULL);
}

TEST(processors_need_what_their_vectors_are)
{
    static const struct {
        const char *name;
        int bytes;
        PlanCpu needs;
    } rows[] = {
        {"x86-64", 16, PLAN_CPU_ANY},      {"x86-64-v2", 16, PLAN_CPU_ANY},
        {"sandybridge", 16, PLAN_CPU_AVX}, {"x86-64-v3", 32, PLAN_CPU_AVX2},
        {"haswell", 32, PLAN_CPU_AVX2},    {"x86-64-v4", 64, PLAN_CPU_AVX512},
        {"znver4", 64, PLAN_CPU_AVX512}};
    Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CpuTarget target = target_new(arena, rows[i].name);
        CHECK_INT(target.vector_bytes, rows[i].bytes);
        CHECK_INT(target.needs, rows[i].needs);
    }
    CpuTarget here = target_new(arena, "native");
    CHECK(here.needs <= cpu_here());
    arena_free(arena);
}

// LLVM ends the process at a name it does not know.
TEST(llvm_knows_every_processor_that_is_listed)
{
    static const char *const names[] = {
#define CPU(name) name,
#include "codegen/cpu/cpus.def"
#undef CPU
    };
    Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CHECK(codegen_cpu_problem(arena, names[i]) == NULL);
        CHECK(target_new(arena, names[i]).vector_bytes >= 16);
    }
    arena_free(arena);
}

TEST(unknown_processors_are_answered)
{
    Arena *arena = arena_new();
    CHECK_TEXT(codegen_cpu_problem(arena, "znver44"),
               "no processor is called 'znver44': did you mean znver4?");
    CHECK(strstr(codegen_cpu_problem(arena, "quantum-9000"), "x86-64-v3"));
    CHECK(codegen_cpu_problem(arena, "") != NULL);
    arena_free(arena);
}
