// Products of plain matrices as generated kernels.
#include "codegen/cpu/lower.h"
#include "codegen/integers.h"

// The matrix in panels of 16 columns.
static Place push_pack(Lowering *lower, Place from, const PackKernel *pack,
                       const char *label)
{
    CpuKernel kernel = {.kind = CPU_PACK_KERNEL, .pack = *pack};
    int64_t bytes = pack_elements(pack) * dtype_size(pack->types.out);
    Place out = {PLACE_SLAB, buffer_new(lower, bytes)};
    LowerStep step = cpu_step(lower, &kernel, 2, pack_tasks(pack), label);
    step.role = STEP_WEIGHTS;
    step_arg(lower, &step, from, 0, false, false);
    step_arg(lower, &step, out, 0, true, false);
    step_push(lower, &step);
    return out;
}

int64_t product_lower(Lowering *lower, const MatmulGeometry *g, Value value)
{
    const Node *node = graph_node(lower->graph, value);
    const char *label = value_label(lower, value);
    int64_t unit = g->m / node->type.dims[0];
    CpuKernel kernel = {.kind = CPU_PRODUCT_KERNEL,
                        .product = product_choose(g, cpu_vector_bytes(lower),
                                                  max_i64(1, unit))};
    const ProductKernel *product = &kernel.product;
    Place a = value_place(lower, node->inputs[0]);
    if (product->packed)
        a = push_pack(lower, a,
                      &(PackKernel){.types = product->types,
                                    .rows = g->m,
                                    .cols = g->k,
                                    .transposed = g->trans_a},
                      arena_printf(lower->arena, "%s: rows packed", label));
    Place b = push_pack(lower, value_place(lower, node->inputs[1]),
                        &(PackKernel){.types = product->types,
                                      .rows = g->k,
                                      .cols = g->n,
                                      .transposed = g->trans_b},
                        arena_printf(lower->arena, "%s: packed", label));
    cpu_want_scratch(lower,
                     product_scratch(product) * dtype_size(product->types.out));
    LowerStep step = cpu_step(lower, &kernel, 3, product_tasks(product), label);
    step_arg(lower, &step, a, 0, false, false);
    step_arg(lower, &step, b, 0, false, false);
    step_arg(lower, &step, value_new_buffer(lower, value), 0, true, false);
    step_push(lower, &step);
    const ProductTile *tile = &product->tile;
    bool whole = tile->task_panels >= ceil_div(g->n, CPU_BLOCK);
    return whole && unit > 0 && tile->task_rows % unit == 0
               ? tile->task_rows / unit
               : 0;
}
