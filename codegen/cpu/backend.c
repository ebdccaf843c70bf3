// x86-64 processors as a target: the table of functions.
#include "codegen/backend.h"

#include <string.h>

#include "codegen/cpu/compile.h"
#include "codegen/cpu/lower.h"

static Target open_target(Arena *arena, const CodegenOptions *options)
{
    CpuTarget *target = ARENA_NEW(arena, CpuTarget);
    *target = target_new(arena, options->cpu);
    return (Target){target, target->text, target->key, target->needs};
}

static int block_of(const CodegenOptions *options)
{
    (void)options; // the same for every processor, of any vector width
    return CPU_BLOCK;
}

static ConvBf16 bf16_products(const CodegenOptions *options)
{
    CpuSet any = CPU_BIT(AVX512BF16) | CPU_BIT(AMXBF16);
    bool native = !options->cpu || strcmp(options->cpu, "native") == 0;
    if (native && !(cpu_here() & any))
        return options->bf16_products; // without LLVM, which takes 2 ms
    Arena *arena = arena_new();
    CpuTarget target = target_new(arena, options->cpu);
    ConvBf16 products = target_bf16_products(&target, options->bf16_products);
    arena_free(arena);
    return products;
}

const Backend cpu_backend = {
    .cpu_problem = target_problem,
    .open = open_target,
    .block = block_of,
    .bf16_products = bf16_products,
    .lower_product = cpu_lower_product,
    .lower_conv = cpu_lower_conv,
    .lower_pool = cpu_lower_pool,
    .lower_rows = cpu_lower_rows,
    .lower_call = cpu_lower_call,
    .split_loop = cpu_split_loop,
    .share_loop = cpu_share_loop,
    .conv_ways = cpu_conv_ways,
    .worker_new = cpu_worker_new,
    .worker_free = cpu_worker_free,
    .compile = cpu_compile,
    .print_ir = cpu_print_ir,
    .print_asm = cpu_print_asm,
    .comment = "#",
};
