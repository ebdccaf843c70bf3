// Products of plain matrices.
//
// A task makes some panels of some rows. Groups of panels pass over the rows
// one after the other, so that the rows of a and the panels of a group are
// found in the second-level cache; where k is long, all groups go through a
// part of it, then the next, and c holds the sums in between. A register tile
// asks for the rows of the next one. The order of the sum is that of k, for any
// tile, task and thread. The columns of a last panel that c does not have are
// kept apart: its sums lie in scratch until they are whole.
#include "codegen/integers.h"
#include "codegen/cpu/emit_gradient.h"

enum { MAX_SOON = 8 };

typedef struct ProductTask {
    const Emit *emit;
    const ProductKernel *kernel;
    LLVMValueRef *sums;
    GradientRange rows, part;       // of m; of k's whole blocks
    LLVMValueRef is_first, is_last; // part; NULL: it is the only one
    int64_t panels;                 // of b
    int64_t row_step, block_step;   // of a: elements to the next row, block
    int64_t columns;                // of the last panel, if it is not full
} ProductTask;

// ---- register tiles ---------------------------------------------------------

// Where a tile's results of panel `panel` begin, and elements to the next row.
typedef struct TileColumn {
    LLVMValueRef at, step;
} TileColumn;

static TileColumn tile_column(const ProductTask *task, LLVMValueRef row,
                              LLVMValueRef group, int panel)
{
    const Emit *e = task->emit;
    const ProductKernel *kernel = task->kernel;
    int panels = kernel->tile.panels;
    LLVMValueRef at = taps_step(e, e->args[2], row, kernel->n);
    at = taps_at(e, taps_step(e, at, group, panels * CPU_BLOCK),
                 panel * CPU_BLOCK);
    TileColumn column = {at, emit_i64(e, kernel->n)};
    if (!task->columns || panel < panels - 1)
        return column;
    LLVMBuilderRef b = e->builder;
    LLVMValueRef last = LLVMBuildICmp(
        b, LLVMIntEQ, group, emit_i64(e, task->panels / panels - 1), "");
    LLVMValueRef own = LLVMBuildSub(b, row, task->rows.low, "");
    own = taps_step(e, LLVMGetParam(e->function, 3), own, CPU_BLOCK);
    column.at = LLVMBuildSelect(b, last, own, at, "");
    column.step =
        LLVMBuildSelect(b, last, emit_i64(e, CPU_BLOCK), column.step, "");
    return column;
}

// A row of c starts on a whole line only where rows are whole lines.
static unsigned alignment(const ProductTask *task)
{
    return task->columns ? sizeof(float) : CPU_BLOCK * sizeof(float);
}

static LLVMValueRef load(const ProductTask *task, LLVMValueRef at)
{
    const Emit *e = task->emit;
    LLVMValueRef value =
        LLVMBuildLoad2(e->builder, emit_type(e, DT_F32, CPU_BLOCK), at, "");
    LLVMSetAlignment(value, alignment(task));
    return value;
}

static void store(const ProductTask *task, LLVMValueRef value, LLVMValueRef at)
{
    LLVMSetAlignment(LLVMBuildStore(task->emit->builder, value, at),
                     alignment(task));
}

// The next group's panels come from a cache that all cores share, or from
// memory: the tiles of this group ask for them, each for as many lines of every
// block of k, so that they are there when the first tile of that group begins.
// Where these lines are in block 0; returns how many a tile asks for.
static int find_soon(const ProductTask *task, int rows, LLVMValueRef row,
                     LLVMValueRef w, LLVMValueRef soon[MAX_SOON])
{
    const Emit *e = task->emit;
    const ProductKernel *kernel = task->kernel;
    int64_t tiles = kernel->tile.task_rows / kernel->tile.rows;
    int64_t panel = kernel->k * CPU_BLOCK,
            all = kernel->tile.panels * CPU_BLOCK;
    if (rows < kernel->tile.rows || tiles * MAX_SOON < all)
        return 0;
    LLVMBuilderRef b = e->builder;
    int lines = (int)ceil_div(all, tiles);
    LLVMValueRef next = taps_at(e, w, kernel->tile.panels * panel);
    LLVMValueRef tile =
        LLVMBuildUDiv(b, LLVMBuildSub(b, row, task->rows.low, ""),
                      emit_i64(e, kernel->tile.rows), "");
    LLVMValueRef width = emit_i64(e, CPU_BLOCK);
    for (int i = 0; i < lines; i++) {
        LLVMValueRef line = taps_affine(e, tile, lines, i);
        soon[i] = taps_step(e, next, LLVMBuildUDiv(b, line, width, ""), panel);
        soon[i] =
            taps_step(e, soon[i], LLVMBuildURem(b, line, width, ""), CPU_BLOCK);
    }
    return lines;
}

// `rows` rows from `row` on, of a group of panels.
static void make_tile(const ProductTask *task, int rows, LLVMValueRef row,
                      LLVMValueRef group)
{
    const Emit *e = task->emit;
    const ProductKernel *kernel = task->kernel;
    int panels = kernel->tile.panels;
    TapsTile tile = {.pixels = rows,
                     .blocks = panels,
                     .sums = task->sums,
                     .pixel_step = task->row_step,
                     .block_step = kernel->k * CPU_BLOCK,
                     .x_ahead = rows * task->row_step};
    LLVMValueRef at[TAPS_MAX_TILE];
    for (int p = 0; p < panels; p++) {
        TileColumn column = tile_column(task, row, group, p);
        for (int r = 0; r < rows; r++) {
            int i = r * panels + p;
            LLVMValueRef skip =
                LLVMBuildMul(e->builder, column.step, emit_i64(e, r), "");
            at[i] = LLVMBuildGEP2(e->builder, emit_type(e, DT_F32, 1),
                                  column.at, &skip, 1, "");
            taps_set_zero(e, tile.sums[i]);
            if (task->is_first)
                taps_set(e, tile.sums[i],
                         LLVMBuildSelect(e->builder, task->is_first,
                                         emit_const(e, DT_F32, CPU_BLOCK, 0),
                                         load(task, at[i]), ""));
            else
                taps_prefetch(e, at[i], PREFETCH_WRITE);
        }
    }
    LLVMValueRef x = taps_step(e, e->args[0], row, task->row_step);
    LLVMValueRef w = taps_step(e, e->args[1], group, panels * tile.block_step);
    LLVMValueRef soon[MAX_SOON];
    int lines = find_soon(task, rows, row, w, soon);
    EmitLoop block = emit_loop_begin(e, task->part.low, task->part.high, 1);
    for (int i = 0; i < lines; i++)
        taps_prefetch(e, taps_step(e, soon[i], block.index, CPU_TILE),
                      PREFETCH_LATER);
    taps_multiply(e, &tile, NULL,
                  taps_step(e, x, block.index, task->block_step),
                  taps_step(e, w, block.index, CPU_TILE));
    emit_loop_end(e, &block);
    int64_t whole = kernel->k / CPU_BLOCK, rest = kernel->k % CPU_BLOCK;
    if (rest) {
        LLVMValueRef count = emit_i64(e, rest);
        if (task->is_last)
            count = LLVMBuildSelect(e->builder, task->is_last, count,
                                    emit_i64(e, 0), "");
        EmitLoop one = emit_loop_begin(e, emit_i64(e, 0), count, 1);
        taps_multiply_one(
            e, &tile, NULL,
            taps_step(e, taps_at(e, x, whole * task->block_step), one.index, 1),
            taps_step(e, taps_at(e, w, whole * CPU_TILE), one.index,
                      CPU_BLOCK));
        emit_loop_end(e, &one);
    }
    for (int i = 0; i < rows * panels; i++)
        store(task, taps_get(e, tile.sums[i]), at[i]);
}

// ---- tasks ------------------------------------------------------------------

// The rows of a last tile, of a full task or of the last one, if they are left.
static void make_rest(const ProductTask *task, int64_t rows, LLVMValueRef group)
{
    const Emit *e = task->emit;
    LLVMBuilderRef b = e->builder;
    int tile = task->kernel->tile.rows;
    if (rows == 0)
        return;
    LLVMValueRef count = LLVMBuildSub(b, task->rows.high, task->rows.low, "");
    LLVMValueRef left = LLVMBuildURem(b, count, emit_i64(e, tile), "");
    LLVMValueRef from = LLVMBuildSub(b, task->rows.high, left, "");
    LLVMValueRef is = LLVMBuildICmp(b, LLVMIntEQ, left, emit_i64(e, rows), "");
    EmitLoop once = emit_loop_begin(
        e, from, LLVMBuildSelect(b, is, task->rows.high, from, ""), rows);
    make_tile(task, (int)rows, once.index, group);
    emit_loop_end(e, &once);
}

static void make_group(const ProductTask *task, LLVMValueRef group)
{
    const Emit *e = task->emit;
    const ProductKernel *kernel = task->kernel;
    int rows = kernel->tile.rows;
    EmitLoop tile = emit_loop_begin(e, task->rows.low, task->rows.high, rows);
    make_tile(task, rows, tile.index, group);
    emit_loop_end(e, &tile);
    int64_t full = kernel->tile.task_rows % rows;
    int64_t last = kernel->m % kernel->tile.task_rows % rows;
    make_rest(task, full, group);
    if (last != full)
        make_rest(task, last, group);
}

// The columns that c has of its last panel, from scratch, in the tasks that
// make it.
static void copy_columns(const ProductTask *task, LLVMValueRef high)
{
    const Emit *e = task->emit;
    LLVMBuilderRef b = e->builder;
    LLVMTypeRef type = emit_type(e, DT_F32, 1);
    LLVMValueRef last = emit_i64(e, task->panels / task->kernel->tile.panels);
    LLVMValueRef has = LLVMBuildICmp(b, LLVMIntEQ, high, last, "");
    EmitLoop row = emit_loop_begin(
        e, task->rows.low,
        LLVMBuildSelect(b, has, task->rows.high, task->rows.low, ""), 1);
    LLVMValueRef own = LLVMBuildSub(b, row.index, task->rows.low, "");
    LLVMValueRef from =
        taps_step(e, LLVMGetParam(e->function, 3), own, CPU_BLOCK);
    LLVMValueRef to = taps_step(e, e->args[2], row.index, task->kernel->n);
    to = taps_at(e, to, task->kernel->n - task->columns);
    EmitLoop col = taps_loop(e, 0, task->columns, 1);
    LLVMBuildStore(
        b, LLVMBuildLoad2(b, type, taps_step(e, from, col.index, 1), ""),
        taps_step(e, to, col.index, 1));
    emit_loop_end(e, &col);
    emit_loop_end(e, &row);
}

void emit_product(Emit *e)
{
    const ProductKernel *kernel = &cpu_kernel(e)->product;
    const ProductTile *tile = &kernel->tile;
    ProductTask task = {.emit = e,
                        .kernel = kernel,
                        .panels = ceil_div(kernel->n, CPU_BLOCK),
                        .columns = kernel->n % CPU_BLOCK,
                        .row_step = kernel->packed ? CPU_BLOCK : kernel->k,
                        .block_step =
                            kernel->packed ? kernel->m * CPU_BLOCK : CPU_BLOCK};
    LLVMBuilderRef b = e->builder;
    task.sums = taps_variables(e, tile->rows * tile->panels);
    int64_t groups = task.panels / tile->panels;
    int64_t share = tile->task_panels / tile->panels;
    LLVMValueRef shares = emit_i64(e, ceil_div(groups, share));
    task.rows.low = taps_affine(e, LLVMBuildUDiv(b, e->task, shares, ""),
                                tile->task_rows, 0);
    task.rows.high = emit_min_i64(
        e, taps_add(e, task.rows.low, tile->task_rows), emit_i64(e, kernel->m));
    LLVMValueRef low =
        taps_affine(e, LLVMBuildURem(b, e->task, shares, ""), share, 0);
    LLVMValueRef high =
        emit_min_i64(e, taps_add(e, low, share), emit_i64(e, groups));
    GradientRange all = {emit_i64(e, 0), emit_i64(e, kernel->k / CPU_BLOCK)};
    EmitLoop part = gradient_parts(e, all, tile->reads, &task.part);
    if (tile->reads < kernel->k / CPU_BLOCK) {
        task.is_first = LLVMBuildICmp(b, LLVMIntEQ, part.index, all.low, "");
        task.is_last =
            LLVMBuildICmp(b, LLVMIntEQ, task.part.high, all.high, "");
    }
    EmitLoop group = emit_loop_begin(e, low, high, 1);
    make_group(&task, group.index);
    emit_loop_end(e, &group);
    emit_loop_end(e, &part);
    if (task.columns)
        copy_columns(&task, high);
}

// ---- packing ----------------------------------------------------------------

typedef struct PackTask {
    const Emit *emit;
    const PackKernel *kernel;
    LLVMValueRef rows, cols;  // of the matrix
    LLVMValueRef panel;       // the current one
    LLVMValueRef panel_from;  // elements between two panels, to be read
    LLVMValueRef panel_to;    // and written
    LLVMValueRef column_from; // between two columns
    LLVMValueRef row_from;    // between two rows
} PackTask;

static LLVMValueRef packed_row(const PackTask *task, LLVMValueRef row)
{
    const Emit *e = task->emit;
    LLVMValueRef to = taps_steps(e, e->args[1], task->panel, task->panel_to);
    return taps_step(e, to, row, CPU_BLOCK);
}

// Where the panel's number at (row, column 0) lies.
static LLVMValueRef plain_row(const PackTask *task, LLVMValueRef row)
{
    const Emit *e = task->emit;
    LLVMValueRef from = taps_steps(e, e->args[0], row, task->row_from);
    return taps_steps(e, from, task->panel, task->panel_from);
}

// Rows [low, high) of the panel, number by number, the first `columns` of it.
static void pack_edge(const PackTask *task, LLVMValueRef low, LLVMValueRef high,
                      int64_t columns)
{
    const Emit *e = task->emit;
    EmitLoop row = emit_loop_begin(e, low, high, 1);
    LLVMValueRef from = plain_row(task, row.index);
    LLVMValueRef to = packed_row(task, row.index);
    if (columns < CPU_BLOCK)
        taps_store(e, emit_const(e, DT_F32, CPU_BLOCK, 0), to);
    EmitLoop col = taps_loop(e, 0, columns, 1);
    LLVMValueRef at = taps_steps(e, from, col.index, task->column_from);
    LLVMBuildStore(e->builder,
                   LLVMBuildLoad2(e->builder, emit_type(e, DT_F32, 1), at, ""),
                   taps_step(e, to, col.index, 1));
    emit_loop_end(e, &col);
    emit_loop_end(e, &row);
}

// Rows [low, high) of `panels` full panels from the current one on.
static void pack_panels(PackTask *task, LLVMValueRef low, LLVMValueRef high,
                        int panels)
{
    const Emit *e = task->emit;
    const PackKernel *kernel = task->kernel;
    LLVMValueRef first = task->panel;
    EmitLoop row =
        emit_loop_begin(e, low, high, kernel->transposed ? CPU_BLOCK : 1);
    LLVMValueRef from = plain_row(task, row.index);
    LLVMValueRef to = packed_row(task, row.index);
    for (int p = 0; p < panels; p++) {
        LLVMValueRef read =
            taps_steps(e, from, emit_i64(e, p), task->panel_from);
        LLVMValueRef written =
            taps_steps(e, to, emit_i64(e, p), task->panel_to);
        if (kernel->transposed)
            taps_transpose_steps(e, read, task->column_from, !kernel->ragged,
                                 written);
        else
            taps_store(e, taps_load_unaligned(e, read), written);
    }
    emit_loop_end(e, &row);
    if (kernel->ragged) {
        LLVMBuilderRef b = e->builder;
        LLVMValueRef rest = LLVMBuildURem(b, LLVMBuildSub(b, high, low, ""),
                                          emit_i64(e, CPU_BLOCK), "");
        for (int p = 0; p < panels; p++) {
            task->panel = taps_add(e, first, p);
            pack_edge(task, LLVMBuildSub(b, high, rest, ""), high, CPU_BLOCK);
        }
    }
    task->panel = first;
}

static LLVMValueRef quotient(const Emit *e, LLVMValueRef x, int64_t by)
{
    return LLVMBuildUDiv(e->builder, x, emit_i64(e, by), "");
}

void emit_pack(Emit *e)
{
    const PackKernel *kernel = &cpu_kernel(e)->pack;
    LLVMBuilderRef b = e->builder;
    LLVMValueRef one = emit_i64(e, 1);
    PackTask task = {.emit = e,
                     .kernel = kernel,
                     .rows = taps_imm(e, PACK_IMM_ROWS),
                     .cols = taps_imm(e, PACK_IMM_COLS)};
    task.row_from = kernel->transposed ? one : task.cols;
    task.column_from = kernel->transposed ? task.rows : one;
    task.panel_from = taps_affine(e, task.column_from, CPU_BLOCK, 0);
    task.panel_to = taps_affine(e, task.rows, CPU_BLOCK, 0);
    enum { GROUP = PACK_PANELS * CPU_BLOCK }; // columns of a task
    LLVMValueRef groups = quotient(e, taps_add(e, task.cols, GROUP - 1), GROUP);
    LLVMValueRef group = LLVMBuildURem(b, e->task, groups, "");
    LLVMValueRef low =
        taps_affine(e, LLVMBuildUDiv(b, e->task, groups, ""), PACK_ROWS, 0);
    LLVMValueRef high = emit_min_i64(e, taps_add(e, low, PACK_ROWS), task.rows);
    LLVMValueRef first = taps_affine(e, group, PACK_PANELS, 0);
    LLVMValueRef end = taps_add(e, first, PACK_PANELS);
    // Whole groups of full panels, then full panels, then the last one.
    LLVMValueRef full = quotient(e, task.cols, CPU_BLOCK);
    LLVMValueRef grouped =
        taps_affine(e, quotient(e, full, PACK_PANELS), PACK_PANELS, 0);
    EmitLoop panels =
        emit_loop_begin(e, first, emit_min_i64(e, end, grouped), PACK_PANELS);
    task.panel = panels.index;
    pack_panels(&task, low, high, PACK_PANELS);
    emit_loop_end(e, &panels);
    EmitLoop panel = emit_loop_begin(e, taps_max(e, first, grouped),
                                     emit_min_i64(e, end, full), 1);
    task.panel = panel.index;
    pack_panels(&task, low, high, 1);
    emit_loop_end(e, &panel);
    if (kernel->edge) {
        EmitLoop last =
            emit_loop_begin(e, taps_max(e, first, full),
                            emit_min_i64(e, end, taps_add(e, full, 1)), 1);
        task.panel = last.index;
        pack_edge(&task, low, high, kernel->edge);
        emit_loop_end(e, &last);
    }
}
