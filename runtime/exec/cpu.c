#include "runtime/exec/cpu.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

// Bits of XCR0 that a feature's registers need: SSE and AVX state; these and
// the three of AVX-512; configuration and data of AMX; the second half of APX's
// general registers.
enum {
    CPU_NONE = 0,
    CPU_YMM = 0x6,
    CPU_ZMM = 0xe6,
    CPU_TILES = 3 << 17,
    CPU_APX = 1 << 19,
};

static const struct {
    const char *name;
    int level;
    uint32_t leaf, subleaf;
    int word, bit;
    uint64_t state;
} features[] = {
#define FEATURE(id, name, level, leaf, subleaf, word, bit, state)              \
    {name, level, leaf, subleaf, word, bit, state},
#include "runtime/exec/cpu.def"
#undef FEATURE
};

// ---- this processor ---------------------------------------------------------

static void real_cpuid(uint32_t leaf, uint32_t subleaf,
                       uint32_t words[CPU_WORDS])
{
    words[CPU_EAX] = words[CPU_EBX] = words[CPU_ECX] = words[CPU_EDX] = 0;
#ifdef __x86_64__
    __get_cpuid_count(leaf, subleaf, &words[CPU_EAX], &words[CPU_EBX],
                      &words[CPU_ECX], &words[CPU_EDX]);
#endif
}

// Linux keeps the state of AMX's tiles for processes that have asked, and their
// threads from then on (arch/x86/include/uapi/asm/prctl.h).
static bool get_tiles(void)
{
    enum { REQUEST = 0x1023, TILE_DATA = 18 };
#ifdef __x86_64__
    return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
#else
    return false;
#endif
}

static uint64_t real_xcr0(void)
{
    uint32_t low = 0, high = 0;
#ifdef __x86_64__
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
#endif
    // Tiles are given to a process that asks for them.
    if ((low & CPU_TILES) == CPU_TILES && !get_tiles())
        low &= ~(uint32_t)CPU_TILES;
    return (uint64_t)high << 32 | low;
}

static const CpuProbe real_probe = {real_cpuid, real_xcr0};
static const CpuProbe *probe = &real_probe;

void cpu_pretend(const CpuProbe *other)
{
    probe = other ? other : &real_probe;
}

CpuSet cpu_here(void)
{
    enum { OSXSAVE = 27 }; // of leaf 1, ECX: XCR0 may be read
    uint32_t words[CPU_WORDS];
    probe->cpuid(1, 0, words);
    uint64_t saved = words[CPU_ECX] >> OSXSAVE & 1 ? probe->xcr0() : 0;
    CpuSet set = 0;
    for (int i = 0; i < CPU_FEATURES; i++) {
        if ((features[i].state & ~saved) != 0)
            continue;
        // A leaf's subleaf 0 says in EAX how many others there are; what an
        // absent one answers is not defined.
        probe->cpuid(features[i].leaf, 0, words);
        if (features[i].subleaf > words[CPU_EAX])
            continue;
        if (features[i].subleaf > 0)
            probe->cpuid(features[i].leaf, features[i].subleaf, words);
        if (words[features[i].word] >> features[i].bit & 1)
            set |= (CpuSet)1 << i;
    }
    return set;
}

// ---- sets -------------------------------------------------------------------

void cpu_names(CpuSet set, char *text, size_t size)
{
    size_t used = 0;
    if (size > 0)
        text[0] = '\0';
    for (int i = 0; i < CPU_FEATURES && used < size; i++) {
        CpuSet bit = (CpuSet)1 << i, left = set >> i >> 1;
        if (!(set & bit))
            continue;
        const char *between = left == 0           ? ""
                              : left & (left - 1) ? ", "
                                                  : " and ";
        used += (size_t)snprintf(text + used, size - used, "%s%s",
                                 features[i].name, between);
    }
}

CpuSet cpu_level(int level)
{
    CpuSet set = 0;
    for (int i = 0; i < CPU_FEATURES; i++)
        if (features[i].level > 0 && features[i].level <= level)
            set |= (CpuSet)1 << i;
    return set;
}

Status cpu_check(CpuSet needs, CpuSet has, const char *target)
{
    CpuSet lacking = needs & ~has;
    char names[512], remedy[32] = "x86-64";
    if (lacking == 0)
        return status_ok();
    for (int level = 2; level <= 4; level++)
        if ((cpu_level(level) & ~has) == 0)
            snprintf(remedy, sizeof remedy, "x86-64-v%d", level);
    cpu_names(lacking, names, sizeof names);
    return status_error(STATUS_FAILED,
                        "compiled for %.100s, whose code may use %s; this "
                        "processor lacks %s: compile it with --target %s, or "
                        "on this machine",
                        target, names, lacking & (lacking - 1) ? "them" : "it",
                        remedy);
}

const char *cpu_advice(CpuSet has)
{
    if ((has & CPU_BIT(AVX2)) && (has & CPU_BIT(FMA)))
        return NULL;
    return "this processor lacks AVX2 or fused multiply-add: everything works "
           "as elsewhere, at a fraction of the speed";
}
