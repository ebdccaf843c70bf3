#include "codegen/cpu/target.h"

#include <pthread.h>
#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/Core.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "ir/base/diag.h"
#include "ir/base/text.h"

// LLVM would rewrite the addresses of loops for fewer additions (loop strength
// reduction), which takes a quarter of its time. Kernels are emitted with
// addresses that want none of that: in f32 it saved at most 5% of the
// instructions of a kind of kernel's loops, and no time. Options belong to the
// process; they can be set once.
static void initialize_once(void)
{
    static const char *const options[] = {"simcc", "-disable-lsr"};
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMParseCommandLineOptions(sizeof options / sizeof *options, options, "");
}

static void initialize_llvm(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialize_once);
}

LLVMTargetMachineRef target_machine(const CpuTarget *target)
{
    LLVMTargetRef llvm;
    char *message = NULL;
    if (LLVMGetTargetFromTriple(target->triple, &llvm, &message))
        INTERNAL_ERROR("LLVM target %s: %s", target->triple, message);
    // Position-independent code of the small model: all references are
    // relative, so the loader may map an object anywhere.
    return LLVMCreateTargetMachine(llvm, target->triple, target->cpu,
                                   target->features, LLVMCodeGenLevelDefault,
                                   LLVMRelocPIC, LLVMCodeModelSmall);
}

const char *target_optimize(LLVMTargetMachineRef machine, LLVMModuleRef module,
                            Arena *arena)
{
    char *message = NULL;
    const char *problem = NULL;
    if (LLVMVerifyModule(module, LLVMReturnStatusAction, &message))
        problem = arena_strdup(arena, message);
    LLVMDisposeMessage(message);
    if (problem)
        return problem;
    // The code is explicit vector code already; heavier pipelines only cost
    // time.
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(module,
                                       "function(mem2reg,early-cse,instcombine<"
                                       "no-verify-fixpoint>,simplifycfg)",
                                       machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (error) {
        char *text = LLVMGetErrorMessage(error);
        problem = arena_strdup(arena, text);
        LLVMDisposeErrorMessage(text);
    }
    return problem;
}

// ---- names ------------------------------------------------------------------

static const char *const target_names[] = {
    "native",
#define CPU(name) name,
#include "codegen/cpu/cpus.def"
#undef CPU
};

const char *target_problem(Arena *arena, const char *cpu)
{
    int count = sizeof target_names / sizeof *target_names;
    for (int i = 0; i < count; i++)
        if (strcmp(cpu, target_names[i]) == 0)
            return NULL;
    const char *close = text_closest(cpu, target_names, count);
    if (close)
        return arena_printf(
            arena, "no processor is called '%s': did you mean %s?", cpu, close);
    return arena_printf(arena,
                        "no processor is called '%s': there are native, "
                        "x86-64, x86-64-v2, x86-64-v3, x86-64-v4, and names "
                        "like haswell, skylake-avx512 or znver4",
                        cpu);
}

// ---- probes -----------------------------------------------------------------

static const char *const feature_names[] = {
#define FEATURE(id, name, level, leaf, subleaf, word, bit, state) name,
#include "runtime/exec/cpu.def"
#undef FEATURE
};

// void name(ptr), open for its body.
static LLVMValueRef add_function(LLVMModuleRef module, LLVMBuilderRef builder,
                                 const char *name)
{
    LLVMContextRef context = LLVMGetModuleContext(module);
    LLVMTypeRef pointer = LLVMPointerTypeInContext(context, 0);
    LLVMTypeRef type =
        LLVMFunctionType(LLVMVoidTypeInContext(context), &pointer, 1, 0);
    LLVMValueRef f = LLVMAddFunction(module, name, type);
    LLVMPositionBuilderAtEnd(builder,
                             LLVMAppendBasicBlockInContext(context, f, ""));
    return f;
}

// Of the features, those that a list such as "+avx2,-xop" has and, in *told,
// those that it names at all.
static CpuSet listed_features(const char *list, CpuSet *told)
{
    CpuSet set = 0;
    *told = 0;
    for (const char *at = list; *at;) {
        size_t length = strcspn(at, ",");
        for (int i = 0; i < CPU_FEATURES; i++) {
            CpuSet bit = (CpuSet)1 << i;
            if (length != strlen(feature_names[i]) + 1 ||
                strncmp(at + 1, feature_names[i], length - 1) != 0)
                continue;
            *told |= bit;
            set = *at == '+' ? set | bit : set & ~bit;
        }
        at += length + (at[length] == ',');
    }
    return set;
}

// LLVM's C interface has no such question, but its inliner asks it: code that
// may use a feature goes into a function only where that has it, too. So a
// function for the target calls a small one for the target and one feature
// more, for each feature, and what is still called after inlining is what the
// target lacks. Each costs LLVM the making of a subtarget, 0.3 ms.
CpuSet target_probe(const CpuTarget *target, CpuSet asked, Arena *arena)
{
    if (!asked)
        return 0;
    LLVMTargetMachineRef machine = target_machine(target);
    LLVMContextRef context = LLVMContextCreate();
    LLVMModuleRef module = LLVMModuleCreateWithNameInContext("probe", context);
    LLVMBuilderRef builder = LLVMCreateBuilderInContext(context);
    LLVMValueRef small[CPU_FEATURES] = {0};
    LLVMSetTarget(module, target->triple);
    for (int i = 0; i < CPU_FEATURES; i++) {
        if (!(asked >> i & 1))
            continue;
        small[i] = add_function(module, builder, feature_names[i]);
        LLVMAddTargetDependentFunctionAttr(small[i], "target-cpu", target->cpu);
        LLVMAddTargetDependentFunctionAttr(
            small[i], "target-features",
            arena_printf(arena, "%s%s+%s", target->features,
                         *target->features ? "," : "", feature_names[i]));
        LLVMBuildRetVoid(builder);
    }
    LLVMValueRef caller = add_function(module, builder, "caller");
    LLVMAddTargetDependentFunctionAttr(caller, "target-cpu", target->cpu);
    if (*target->features)
        LLVMAddTargetDependentFunctionAttr(caller, "target-features",
                                           target->features);
    LLVMValueRef argument = LLVMGetParam(caller, 0);
    for (int i = 0; i < CPU_FEATURES; i++)
        if (small[i])
            LLVMBuildCall2(builder, LLVMGlobalGetValueType(small[i]), small[i],
                           &argument, 1, "");
    LLVMBuildRetVoid(builder);
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error =
        LLVMRunPasses(module, "cgscc(inline)", machine, options);
    if (error)
        INTERNAL_ERROR("LLVM: %s", LLVMGetErrorMessage(error));
    LLVMDisposePassBuilderOptions(options);
    CpuSet set = asked;
    for (LLVMValueRef at =
             LLVMGetFirstInstruction(LLVMGetEntryBasicBlock(caller));
         at; at = LLVMGetNextInstruction(at))
        for (int i = 0; i < CPU_FEATURES; i++)
            if (LLVMIsACallInst(at) && LLVMGetCalledValue(at) == small[i])
                set &= ~((CpuSet)1 << i);
    LLVMDisposeBuilder(builder);
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
    LLVMDisposeTargetMachine(machine);
    return set;
}

// Assembly of: void f(<16 x float> *p) { *p = fma(*p, *p, *p); }. The width
// preference is what LLVM takes as leave to use its widest registers.
static char *probe_assembly(LLVMTargetMachineRef machine, Arena *arena)
{
    LLVMContextRef context = LLVMContextCreate();
    LLVMModuleRef module = LLVMModuleCreateWithNameInContext("probe", context);
    LLVMBuilderRef builder = LLVMCreateBuilderInContext(context);
    LLVMTypeRef vector = LLVMVectorType(LLVMFloatTypeInContext(context), 16);
    LLVMValueRef f = add_function(module, builder, "f");
    LLVMAddTargetDependentFunctionAttr(f, "prefer-vector-width", "512");
    LLVMAddTargetDependentFunctionAttr(f, "min-legal-vector-width", "512");
    LLVMValueRef p = LLVMGetParam(f, 0);
    LLVMValueRef x = LLVMBuildLoad2(builder, vector, p, "");
    LLVMValueRef fma = LLVMGetIntrinsicDeclaration(
        module, LLVMLookupIntrinsicID("llvm.fma", 8), &vector, 1);
    LLVMValueRef args[] = {x, x, x};
    LLVMValueRef y =
        LLVMBuildCall2(builder, LLVMGlobalGetValueType(fma), fma, args, 3, "");
    LLVMBuildStore(builder, y, p);
    LLVMBuildRetVoid(builder);
    LLVMMemoryBufferRef buffer = NULL;
    char *message = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(machine, module, LLVMAssemblyFile,
                                            &message, &buffer))
        INTERNAL_ERROR("LLVM: %s", message);
    char *text = arena_strndup(arena, LLVMGetBufferStart(buffer),
                               LLVMGetBufferSize(buffer));
    LLVMDisposeMemoryBuffer(buffer);
    LLVMDisposeBuilder(builder);
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
    return text;
}

ConvBf16 target_bf16_products(const CpuTarget *target, ConvBf16 asked)
{
    static const ConvBf16 products[] = {[CPU_BF16_NONE] = CONV_BF16_NONE,
                                        [CPU_BF16_VECTORS] = CONV_BF16_PLAIN,
                                        [CPU_BF16_TILES] = CONV_BF16_ALL};
    return asked ? asked : products[target->bf16];
}

static CpuBf16 bf16_of(const CpuTarget *target)
{
    CpuSet tiles = CPU_BIT(AMXTILE) | CPU_BIT(AMXBF16);
    if (target->vector_bytes < 64)
        return CPU_BF16_NONE;
    if ((target->needs & tiles) == tiles)
        return CPU_BF16_TILES;
    return target->needs & CPU_BIT(AVX512BF16) ? CPU_BF16_VECTORS
                                               : CPU_BF16_NONE;
}

const char *target_features(Arena *arena, const char *cpu, const char *list,
                            CpuSet here)
{
    bool tiles = here & CPU_BIT(AMXTILE);
    return arena_printf(arena, "%s%s%s", list,
                        tiles ? "" : ",-amx-tile,-amx-bf16,-amx-int8",
                        !tiles && strstr(cpu, "rapids") ? ",-avx512bf16" : "");
}

CpuTarget target_new(Arena *arena, const char *cpu)
{
    initialize_llvm();
    cpu = cpu ? cpu : "native";
    const char *more = strchrnul(cpu, ',');
    CpuTarget target = {.triple = "x86_64-unknown-linux-gnu",
                        .cpu = arena_strndup(arena, cpu, (size_t)(more - cpu)),
                        .features = ""};
    if (strcmp(target.cpu, "native") == 0) {
        char *name = LLVMGetHostCPUName();
        char *features = LLVMGetHostCPUFeatures();
        target.cpu = arena_strdup(arena, name);
        target.features = target_features(arena, name, features, cpu_here());
        LLVMDisposeMessage(name);
        LLVMDisposeMessage(features);
    }
    target.features = *target.features
                          ? arena_printf(arena, "%s%s", target.features, more)
                          : more + (*more == ',');
    LLVMTargetMachineRef machine = target_machine(&target);
    const char *probe = probe_assembly(machine, arena);
    LLVMDisposeTargetMachine(machine);
    // LLVM lists what this processor has; of another, its name has to do.
    CpuSet told;
    target.needs = listed_features(target.features, &told);
    target.needs |= target_probe(&target, CPU_ALL & ~told, arena);
    target.fma = strstr(probe, "vfmadd") != NULL;
    target.vector_bytes = strstr(probe, "%zmm")   ? 64
                          : strstr(probe, "%ymm") ? 32
                                                  : 16;
    target.bf16 = bf16_of(&target);
    unsigned major, minor, patch;
    LLVMGetVersion(&major, &minor, &patch);
    target.text =
        arena_printf(arena, "%s%s, %d-byte vectors, LLVM %u.%u.%u", target.cpu,
                     more, target.vector_bytes, major, minor, patch);
    target.key = arena_printf(arena, "%s\n%s\n", target.text, target.features);
    return target;
}
