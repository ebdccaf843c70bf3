// Tiles of the kernels of winograd.h: where they are in maps, and their numbers
// transformed to points.
#include "codegen/cpu/winograd_emit.h"

WinogradWork winograd_begin(const Emit *e, const WinogradKernel *k,
                            WinogradScratch at)
{
    WinogradWork work = {.emit = e,
                         .k = k,
                         .axes = winograd_axes(k->form),
                         .side = winograd_side(k->form),
                         .at = at};
    work.scratch = LLVMGetParam(e->function, 3);
    work.lines = taps_at(e, work.scratch, at.lines);
    work.zeros = taps_at(e, work.scratch, at.zeros);
    work.waste = taps_at(e, work.scratch, at.waste);
    work.sums = taps_variables(e, k->pixels * k->blocks);
    taps_store(e, emit_const(e, DT_F32, CPU_BLOCK, 0), work.zeros);
    return work;
}

WinogradCorner winograd_corner(const WinogradWork *work, LLVMValueRef tile)
{
    const Emit *e = work->emit;
    LLVMBuilderRef b = e->builder;
    LLVMValueRef cols = emit_i64(e, winograd_cols(work->k));
    LLVMValueRef area = emit_i64(e, winograd_tiles(work->k));
    LLVMValueRef index = LLVMBuildAdd(b, work->first, tile, "");
    LLVMValueRef inside = LLVMBuildURem(b, index, area, "");
    LLVMValueRef row = LLVMBuildUDiv(b, inside, cols, "");
    LLVMValueRef col = LLVMBuildURem(b, inside, cols, "");
    return (WinogradCorner){LLVMBuildUDiv(b, index, area, ""), row, col};
}

LLVMValueRef winograd_weight(const WinogradWork *work, LLVMValueRef i)
{
    return emit_min_i64(work->emit, i,
                        emit_i64(work->emit, work->side->weights - 1));
}

bool winograd_in_registers(const WinogradWork *work, int numbers)
{
    enum { MOST_KEPT = 24 }; // of 32, for a transform wants some itself
    bool wide =
        work->emit->target->vector_bytes == CPU_BLOCK * (int)sizeof(float);
    return wide && numbers * work->side->points <= MOST_KEPT;
}

LLVMValueRef winograd_is_inside(const Emit *e, LLVMValueRef index, int64_t size)
{
    return LLVMBuildICmp(e->builder, LLVMIntULT, index, emit_i64(e, size), "");
}

void winograd_load_line(const WinogradWork *work, EmitLoop *i, int count,
                        LLVMValueRef *line)
{
    const Emit *e = work->emit;
    LLVMValueRef at = emit_loop_walk(e, i, DT_F32, work->lines,
                                     work->side->points * CPU_BLOCK);
    for (int j = 0; j < count; j++)
        line[j] = taps_load(e, taps_at(e, at, j * CPU_BLOCK));
}

void winograd_store_column(const WinogradWork *work, EmitLoop *j, int count,
                           LLVMValueRef *const column)
{
    const Emit *e = work->emit;
    LLVMValueRef at = emit_loop_walk(e, j, DT_F32, work->lines, CPU_BLOCK);
    for (int i = 0; i < count; i++)
        taps_store(e, column[i],
                   taps_at(e, at, i * work->side->points * CPU_BLOCK));
}

// Where the first pixel of a tile's piece lies, or would lie outside the map;
// its column, and which of the piece's rows are inside.
typedef struct Piece {
    LLVMValueRef first, col, inside[WINOGRAD_MOST];
} Piece;

static Piece piece_of(const Emit *e, const WinogradSource *source,
                      const WinogradCorner *corner, LLVMValueRef map)
{
    Piece piece = {NULL};
    piece.col = taps_affine(e, corner->col, source->step, -source->left);
    for (int i = 0; i < source->side; i++) {
        LLVMValueRef row =
            taps_affine(e, corner->row, source->step, i - source->top);
        piece.inside[i] = winograd_is_inside(e, row, source->h);
    }
    LLVMValueRef first =
        image_step(e, source->dtype, map,
                   taps_affine(e, corner->row, source->step, -source->top),
                   source->w * CPU_BLOCK);
    piece.first = image_step(e, source->dtype, first, piece.col, CPU_BLOCK);
    return piece;
}

// The points of column j of a piece, whose first pixel is `first`, numbers
// outside the map being zero.
static void piece_column(const WinogradWork *work, const WinogradSource *source,
                         const Piece *piece, LLVMValueRef j, LLVMValueRef first,
                         LLVMValueRef *column)
{
    const Emit *e = work->emit;
    LLVMBuilderRef b = e->builder;
    LLVMValueRef d[WINOGRAD_MOST];
    LLVMValueRef inside =
        winograd_is_inside(e, LLVMBuildAdd(b, piece->col, j, ""), source->w);
    for (int i = 0; i < source->side; i++) {
        LLVMValueRef at =
            image_at(e, source->dtype, first, i * source->w * CPU_BLOCK);
        LLVMValueRef both = LLVMBuildAnd(b, piece->inside[i], inside, "");
        d[i] = image_load(e, source->dtype,
                          LLVMBuildSelect(b, both, at, work->zeros, ""));
    }
    source->axis(e, d, column);
}

// A row of the points, of such columns' points.
static void point_row(const WinogradWork *work, const WinogradSource *source,
                      LLVMValueRef *line, LLVMValueRef to)
{
    const Emit *e = work->emit;
    LLVMValueRef v[WINOGRAD_MOST];
    source->axis(e, line, v);
    for (int j = 0; j < work->side->points; j++)
        taps_store(e, v[j], taps_at(e, to, j * source->point));
}

// One block of one tile; map points at the block's pixel (0, 0).
static void transform_tile(const WinogradWork *work,
                           const WinogradSource *source,
                           const WinogradCorner *corner, LLVMValueRef map,
                           LLVMValueRef out)
{
    const Emit *e = work->emit;
    int points = work->side->points, side = source->side;
    int64_t row = points * source->point;
    LLVMValueRef column[WINOGRAD_MOST];
    LLVMValueRef lines[WINOGRAD_MOST][WINOGRAD_MOST] = {{NULL}};
    Piece piece = piece_of(e, source, corner, map);
    if (winograd_in_registers(work, side)) {
        for (int j = 0; j < side; j++) {
            piece_column(work, source, &piece, emit_i64(e, j),
                         image_at(e, source->dtype, piece.first, j * CPU_BLOCK),
                         column);
            for (int i = 0; i < points; i++)
                lines[i][j] = column[i];
        }
        for (int i = 0; i < points; i++)
            point_row(work, source, lines[i], taps_at(e, out, i * row));
        return;
    }
    EmitLoop j = taps_loop(e, 0, side, 1);
    piece_column(work, source, &piece, j.index,
                 emit_loop_walk(e, &j, source->dtype, piece.first, CPU_BLOCK),
                 column);
    winograd_store_column(work, &j, points, column);
    emit_loop_end(e, &j);
    EmitLoop i = taps_loop(e, 0, points, 1);
    winograd_load_line(work, &i, side, lines[0]);
    point_row(work, source, lines[0], emit_loop_walk(e, &i, DT_F32, out, row));
    emit_loop_end(e, &i);
}

void winograd_transform_tiles(const WinogradWork *work,
                              const WinogradSource *source)
{
    const Emit *e = work->emit;
    int64_t area = source->h * source->w * CPU_BLOCK;
    EmitLoop tile = emit_loop_begin(e, emit_i64(e, 0), work->count, 1);
    WinogradCorner corner = winograd_corner(work, tile.index);
    LLVMValueRef map = image_step(e, source->dtype, source->map, corner.image,
                                  source->blocks * area);
    LLVMValueRef out = taps_step(e, source->out, tile.index, CPU_BLOCK);
    EmitLoop block = emit_loop_begin(e, emit_i64(e, 0), source->count, 1);
    transform_tile(work, source, &corner,
                   image_step(e, source->dtype, map, block.index, area),
                   taps_step(e, out, block.index, work->k->tiles * CPU_BLOCK));
    emit_loop_end(e, &block);
    emit_loop_end(e, &tile);
}
