// What processors can do and are called.
#include "runtime/exec/cpu.h"

#include "codegen/codegen.h"
#include "codegen/cpu/target.h"
#include "runtime/exec/exec.h"
#include "tests/harness.h"

// ---- artificial processors --------------------------------------------------

// CPUID's leaves of a processor that does not exist.
static struct {
    uint32_t leaf1[CPU_WORDS], leaf7[CPU_WORDS], leaf7_1[CPU_WORDS],
        extended[CPU_WORDS];
    uint64_t xcr0;
    int asked; // how often for XCR0
} made;

static void made_cpuid(uint32_t leaf, uint32_t subleaf,
                       uint32_t words[CPU_WORDS])
{
    static const uint32_t none[CPU_WORDS];
    const uint32_t *from = leaf == 1            ? made.leaf1
                           : leaf == 0x80000001 ? made.extended
                           : leaf != 7          ? none
                           : subleaf == 0       ? made.leaf7
                                                : made.leaf7_1;
    memcpy(words, from, sizeof none);
}

static uint64_t made_xcr0(void)
{
    made.asked++;
    return made.xcr0;
}

static const CpuProbe made_probe = {made_cpuid, made_xcr0};

enum { OSXSAVE = 1 << 27, EVERYTHING = -1 };

// A processor and a system that lack nothing.
static void make_best(void)
{
    memset(&made, EVERYTHING, sizeof made);
    made.asked = 0;
    made.leaf7[CPU_EAX] = 1; // subleaves behind the first
}

static CpuSet made_set(void)
{
    cpu_pretend(&made_probe);
    CpuSet set = cpu_here();
    cpu_pretend(NULL);
    return set;
}

TEST(cpu_features_are_where_cpuid_has_them)
{
    make_best();
    CHECK(made_set() == CPU_ALL);
    // From Intel's and AMD's manuals, once more, apart from cpu.def's order.
    made.leaf1[CPU_ECX] &= ~(1u << 12);
    made.leaf7[CPU_EBX] &= ~(1u << 5 | 1u << 30);
    made.leaf7[CPU_ECX] &= ~(1u << 8);
    made.leaf7[CPU_EDX] &= ~(1u << 23);
    made.leaf7_1[CPU_EAX] &= ~(1u << 5);
    made.extended[CPU_ECX] &= ~(1u << 5 | 1u << 16);
    CHECK((CPU_ALL & ~made_set()) ==
          (CPU_BIT(FMA) | CPU_BIT(AVX2) | CPU_BIT(AVX512BW) | CPU_BIT(GFNI) |
           CPU_BIT(AVX512FP16) | CPU_BIT(AVX512BF16) | CPU_BIT(LZCNT) |
           CPU_BIT(FMA4)));
    memset(&made, 0, sizeof made);
    CHECK(made_set() == 0);
}

// Registers that the system does not save are lost to another process's.
TEST(cpu_features_count_where_the_system_saves_their_registers)
{
    enum {
        SSE_STATE = 3,
        AVX_STATE = 7,
        TILE_STATE = 0x60000,
        APX_STATE = 1 << 19
    };
    const CpuSet tiles = CPU_BIT(AMXTILE) | CPU_BIT(AMXBF16);
    const CpuSet apx = CPU_BIT(EGPR) | CPU_BIT(PUSH2POP2) | CPU_BIT(PPX) |
                       CPU_BIT(NDD) | CPU_BIT(CCMP) | CPU_BIT(CF);
    const CpuSet scalar = cpu_level(2) | CPU_BIT(BMI) | CPU_BIT(BMI2) |
                          CPU_BIT(LZCNT) | CPU_BIT(MOVBE) | CPU_BIT(GFNI) |
                          CPU_BIT(SSE4A) | CPU_BIT(TBM);
    make_best();
    made.xcr0 = SSE_STATE;
    CHECK(made_set() == scalar);
    made.xcr0 = AVX_STATE;
    CpuSet avx = made_set();
    CHECK((avx & cpu_level(3)) == cpu_level(3) && (avx & CPU_BIT(AVXVNNI)));
    CHECK((avx & (CPU_BIT(AVX512F) | CPU_BIT(AVX512BF16) | apx)) == 0);
    made.xcr0 = AVX_STATE | 0xe0;
    CHECK(made_set() == (CPU_ALL & ~apx & ~tiles));
    made.xcr0 = AVX_STATE | 0xe0 | TILE_STATE;
    CHECK(made_set() == (CPU_ALL & ~apx));
    made.xcr0 = SSE_STATE | APX_STATE;
    CHECK(made_set() == (scalar | apx));
    // A system that does not even let XCR0 be read is not asked for it.
    make_best();
    made.leaf1[CPU_ECX] &= ~(uint32_t)OSXSAVE;
    CHECK(made_set() == scalar);
    CHECK_INT(made.asked, 0);
}

TEST(cpu_subleaves_that_are_not_there_say_nothing)
{
    make_best();
    made.leaf7[CPU_EAX] = 0;
    CHECK((made_set() & (CPU_BIT(AVXVNNI) | CPU_BIT(AVX512BF16) |
                         CPU_BIT(AVXIFMA) | CPU_BIT(EGPR))) == 0);
}

// ---- refusals ---------------------------------------------------------------

TEST(code_for_a_better_processor_is_refused)
{
    for (int i = 0; i < CPU_FEATURES; i++) {
        CpuSet one = (CpuSet)1 << i;
        char name[64];
        cpu_names(one, name, sizeof name);
        CHECK_INT(cpu_check(one, one, "znver4").code, STATUS_OK);
        CHECK_INT(cpu_check(0, CPU_ALL & ~one, "znver4").code, STATUS_OK);
        Status status = cpu_check(CPU_ALL, CPU_ALL & ~one, "znver4");
        CHECK_INT(status.code, STATUS_FAILED);
        CHECK(strstr(status.text, name) && strstr(status.text, "znver4"));
    }
    CHECK(cpu_advice(CPU_BIT(AVX)) && cpu_advice(CPU_BIT(AVX2)));
    CHECK(!cpu_advice(CPU_BIT(AVX2) | CPU_BIT(FMA)));
}

TEST(refusals_name_what_is_lacking_and_what_would_do)
{
    CpuSet skylake = cpu_level(4);
    CHECK_TEXT(
        cpu_check(skylake | CPU_BIT(GFNI), skylake, "znver4").text,
        "compiled for znver4, whose code may use gfni; this processor lacks "
        "it: compile it with --target x86-64-v4, or on this machine");
    CHECK_TEXT(
        cpu_check(skylake | CPU_BIT(AVX512BF16) | CPU_BIT(GFNI), cpu_level(3),
                  "znver4")
            .text,
        "compiled for znver4, whose code may use avx512f, avx512bw, avx512cd, "
        "avx512dq, avx512vl, avx512bf16 and gfni; this processor lacks them: "
        "compile it with --target x86-64-v3, or on this machine");
    CHECK(strstr(cpu_check(CPU_BIT(AVX), 0, "").text, "--target x86-64,"));
    // All there are fit, beside a name without end.
    char target[4000];
    memset(target, 'x', sizeof target);
    target[sizeof target - 1] = 0;
    CHECK(strstr(cpu_check(CPU_ALL, 0, target).text, "or on this machine"));
    char text[8];
    cpu_names(CPU_ALL, text, sizeof text);
    CHECK_TEXT(text, "sse3, s");
    cpu_names(0, text, sizeof text);
    CHECK_TEXT(text, "");
}

// Whatever this processor is, it may be made to lack what code needs.
TEST(a_program_for_a_better_processor_is_not_loaded)
{
    Program program = {.target = "tomorrow", .needs = cpu_here()};
    CodeImage *image;
    CHECK_INT(code_load(&program, &image).code, STATUS_OK);
    code_free(image);
    make_best();
    made.leaf7[CPU_EBX] &= ~(1u << 8);
    program.needs = cpu_level(3);
    cpu_pretend(&made_probe);
    Status status = code_load(&program, &image);
    CHECK_INT(status.code, STATUS_FAILED);
    CHECK(image == NULL);
    CHECK_TEXT(status.text,
               "compiled for tomorrow, whose code may use bmi2; this processor "
               "lacks it: compile it with --target x86-64-v2, or on this "
               "machine");
    program.needs = cpu_level(3) & ~CPU_BIT(BMI2);
    CHECK_INT(code_load(&program, &image).code, STATUS_OK);
    code_free(image);
    cpu_pretend(NULL);
}

// ---- what LLVM makes of names -----------------------------------------------

TEST(processors_need_what_llvm_takes_them_to_have)
{
    const CpuSet v2 = cpu_level(2), v3 = cpu_level(3), v4 = cpu_level(4);
    const CpuSet ice_lake = v4 | CPU_BIT(AVX512IFMA) | CPU_BIT(AVX512VBMI) |
                            CPU_BIT(AVX512VBMI2) | CPU_BIT(AVX512VNNI) |
                            CPU_BIT(AVX512BITALG) | CPU_BIT(AVX512VPOPCNTDQ) |
                            CPU_BIT(GFNI);
    const struct {
        const char *name;
        int bytes;
        CpuSet needs;
    } rows[] = {
        {"x86-64", 16, 0},
        {"k8", 16, 0},
        {"barcelona", 16,
         CPU_BIT(SSE3) | CPU_BIT(POPCNT) | CPU_BIT(LZCNT) | CPU_BIT(SSE4A)},
        {"x86-64-v2", 16, v2},
        {"sandybridge", 16, v2 | CPU_BIT(AVX)},
        {"x86-64-v3", 32, v3},
        {"haswell", 32, v3},
        {"alderlake", 32, v3 | CPU_BIT(GFNI) | CPU_BIT(AVXVNNI)},
        {"bdver4", 32,
         v3 | CPU_BIT(SSE4A) | CPU_BIT(XOP) | CPU_BIT(FMA4) | CPU_BIT(TBM)},
        {"knl", 64, v3 | CPU_BIT(AVX512F) | CPU_BIT(AVX512CD)},
        {"x86-64-v4", 64, v4},
        {"cascadelake", 64, v4 | CPU_BIT(AVX512VNNI)},
        {"icelake-server", 64, ice_lake},
        {"znver4", 64, ice_lake | CPU_BIT(AVX512BF16) | CPU_BIT(SSE4A)},
        {"sapphirerapids", 64,
         ice_lake | CPU_BIT(AVX512BF16) | CPU_BIT(AVX512FP16) |
             CPU_BIT(AVXVNNI) | CPU_BIT(AMXTILE) | CPU_BIT(AMXBF16)},
        // Tests may add features, also such as bring others with them.
        {"x86-64-v4,+avx512bf16", 64, v4 | CPU_BIT(AVX512BF16)},
        {"x86-64-v4,+amx-bf16", 64, v4 | CPU_BIT(AMXTILE) | CPU_BIT(AMXBF16)},
        {"znver4,-sse4a", 64, ice_lake | CPU_BIT(AVX512BF16)},
    };
    Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CpuTarget target = target_new(arena, rows[i].name);
        CpuSet differs = target.needs ^ rows[i].needs;
        char names[512];
        cpu_names(differs, names, sizeof names);
        CHECK_INT(target.vector_bytes, rows[i].bytes);
        if (differs)
            test_fail(__FILE__, __LINE__, "%s: %s", rows[i].name, names);
    }
    // The name of a processor may stand for more than a virtual one of it has.
    CpuTarget here = target_new(arena, "native");
    CHECK((here.needs & ~cpu_here()) == 0);
    // What the list of its features says is what trying each one says.
    CHECK(here.needs == target_probe(&here, CPU_ALL, arena));
    // On a name's features, the list has the last word.
    here = target_new(arena, "x86-64-v3");
    here.features = "-fma,+gfni";
    CHECK(target_probe(&here, CPU_ALL, arena) ==
          ((cpu_level(3) & ~CPU_BIT(FMA)) | CPU_BIT(GFNI)));
    arena_free(arena);
}

TEST(features_that_do_not_pay_are_not_used)
{
    const char *list = "+amx-tile,+avx512bf16";
    Arena *arena = arena_new();
    CHECK_TEXT(target_features(arena, "emeraldrapids", list, CPU_ALL), list);
    CHECK_TEXT(
        target_features(arena, "emeraldrapids", list,
                        CPU_ALL & ~CPU_BIT(AMXTILE)),
        "+amx-tile,+avx512bf16,-amx-tile,-amx-bf16,-amx-int8,-avx512bf16");
    CHECK_TEXT(target_features(arena, "znver4", "+avx512bf16",
                               CPU_ALL & ~CPU_BIT(AMXTILE)),
               "+avx512bf16,-amx-tile,-amx-bf16,-amx-int8");
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
        CpuTarget target = target_new(arena, names[i]);
        CHECK(target.vector_bytes >= 16);
        CHECK(target.vector_bytes < 64 || (target.needs & CPU_BIT(AVX512F)));
        // AMD had fused multiply-adds of four operands first.
        CHECK(target.fma ==
              ((target.needs & (CPU_BIT(FMA) | CPU_BIT(FMA4))) != 0));
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
    // What tests alone may ask for.
    CHECK(codegen_cpu_problem(arena, "x86-64-v4,+avx512bf16") != NULL);
    arena_free(arena);
}
