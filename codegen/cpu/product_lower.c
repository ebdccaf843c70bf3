// Products of plain matrices as generated kernels.
#include "codegen/cpu/lower.h"
#include "codegen/integers.h"

// The matrix in panels of 16 columns.
static Place push_pack(Lowering *lower, Place from, DType dtype, int64_t rows,
                       int64_t cols, bool transposed, const char *label)
{
    CpuKernel kernel = {.kind = CPU_PACK_KERNEL,
                        .pack = pack_choose(dtype, rows, cols, transposed)};
    int64_t bytes = pack_elements(rows, cols) * dtype_size(dtype);
    Place out = {PLACE_SLAB, buffer_new(lower, bytes)};
    LowerStep step = cpu_step(lower, &kernel, 2, pack_tasks(rows, cols), label);
    const int64_t imms[PACK_IMMS] = {
        [PACK_IMM_ROWS] = rows, [PACK_IMM_COLS] = cols};
    step_imms(lower, &step, PACK_IMMS, imms);
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
        a = push_pack(lower, a, product->types.out, g->m, g->k, g->trans_a,
                      arena_printf(lower->arena, "%s: rows packed", label));
    Place b = push_pack(lower, value_place(lower, node->inputs[1]),
                        product->types.out, g->k, g->n, g->trans_b,
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
