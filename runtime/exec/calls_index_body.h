// TAKE, TAKE_GRAD, RESIZE and RESIZE_GRAD for one element type. Included by
// calls.c as calls_body.h is.

#define Tap            NAME(Tap)
#define find_taps      NAME(find_taps)
#define resize_nearest NAME(resize_nearest)
#define resize_linear  NAME(resize_linear)
#define spread_nearest NAME(spread_nearest)
#define spread_linear  NAME(spread_linear)

void NAME(call_take)(void *const *args, const int64_t *imm, int64_t task,
                     void *scratch)
{
    (void)scratch;
    CallTake in;
    memcpy(&in, imm, sizeof in);
    const T *x = args[0], *numbers = args[1];
    int64_t first = task * in.rows_per_task;
    int64_t end = first + part_of(in.places, first, in.rows_per_task);
    for (int64_t i = first; i < end; i++) {
        T *to = (T *)args[2] + i * in.width;
        int64_t row = row_of((double)numbers[i], in.rows);
        if (row < 0)
            memset(to, 0, (size_t)in.width * sizeof *to);
        else
            memcpy(to, x + row * in.width, (size_t)in.width * sizeof *to);
    }
}

// Each task goes through all places and adds up what falls on its own rows, in
// the order of the places.
void NAME(call_take_grad)(void *const *args, const int64_t *imm, int64_t task,
                          void *scratch)
{
    (void)scratch;
    CallTake in;
    memcpy(&in, imm, sizeof in);
    const T *dy = args[0], *numbers = args[1];
    T *out = args[2];
    int64_t first = task * in.rows_per_task;
    int64_t count = part_of(in.rows, first, in.rows_per_task);
    if (count <= 0)
        return;
    memset(out + first * in.width, 0, (size_t)(count * in.width) * sizeof *out);
    for (int64_t i = 0; i < in.places; i++) {
        int64_t row = row_of((double)numbers[i], in.rows);
        if (row < first || row >= first + count)
            continue;
        const T *from = dy + i * in.width;
        T *to = out + row * in.width;
        for (int64_t c = 0; c < in.width; c++)
            to[c] += from[c];
    }
}

// Between two places of an axis: (1 - share) of `at` and `share` of `next`.
typedef struct Tap {
    int64_t at, next;
    T share;
} Tap;
_Static_assert(sizeof(Tap) <= PLAN_RESIZE_TAP, "more than scratch has");

// Those of the places first, first + 1, ... of an axis of `from` that becomes
// one of `to`.
static void find_taps(int64_t from, int64_t to, int64_t first, int64_t count,
                      Tap *taps)
{
    for (int64_t i = 0; i < count; i++) {
        double place =
            ((double)(first + i) + 0.5) * (double)from / (double)to - 0.5;
        int64_t at = place > 0 ? (int64_t)place : 0;
        at = at < from - 1 ? at : from - 1;
        double share = place - (double)at;
        taps[i] =
            (Tap){at, at < from - 1 ? at + 1 : at, (T)(place > 0 ? share : 0)};
    }
}

static void resize_nearest(const CallResize *s, const T *x, T *y)
{
    for (int64_t i = 0; i < s->oh; i++, y += s->ow) {
        const T *row = x + i * s->h / s->oh * s->w;
        for (int64_t j = 0; j < s->ow; j++)
            y[j] = row[j * s->w / s->ow];
    }
}

static void spread_nearest(const CallResize *s, const T *dy, T *dx)
{
    for (int64_t i = 0; i < s->oh; i++, dy += s->ow) {
        T *row = dx + i * s->h / s->oh * s->w;
        for (int64_t j = 0; j < s->ow; j++)
            row[j * s->w / s->ow] += dy[j];
    }
}

// Down first, then across: `row` has room for a row of x.
static void resize_linear(const CallResize *s, const T *x, const Tap *across,
                          T *row, T *y)
{
    for (int64_t i = 0; i < s->oh; i++, y += s->ow) {
        Tap down;
        find_taps(s->h, s->oh, i, 1, &down);
        const T *a = x + down.at * s->w, *b = x + down.next * s->w;
        for (int64_t j = 0; j < s->w; j++)
            row[j] = (1 - down.share) * a[j] + down.share * b[j];
        for (int64_t j = 0; j < s->ow; j++)
            y[j] = (1 - across[j].share) * row[across[j].at] +
                   across[j].share * row[across[j].next];
    }
}

static void spread_linear(const CallResize *s, const T *dy, const Tap *across,
                          T *row, T *dx)
{
    for (int64_t i = 0; i < s->oh; i++, dy += s->ow) {
        Tap down;
        find_taps(s->h, s->oh, i, 1, &down);
        memset(row, 0, (size_t)s->w * sizeof *row);
        for (int64_t j = 0; j < s->ow; j++) {
            row[across[j].at] += (1 - across[j].share) * dy[j];
            row[across[j].next] += across[j].share * dy[j];
        }
        T *a = dx + down.at * s->w, *b = dx + down.next * s->w;
        for (int64_t j = 0; j < s->w; j++) {
            a[j] += (1 - down.share) * row[j];
            b[j] += down.share * row[j];
        }
    }
}

void NAME(call_resize)(void *const *args, const int64_t *imm, int64_t task,
                       void *scratch)
{
    CallResize in;
    memcpy(&in, imm, sizeof in);
    Tap *across = scratch;
    T *row = (T *)(across + in.ow);
    int64_t first = task * in.planes_per_task;
    int64_t end = first + part_of(in.planes, first, in.planes_per_task);
    if (in.bilinear)
        find_taps(in.w, in.ow, 0, in.ow, across);
    for (int64_t p = first; p < end; p++) {
        const T *x = (const T *)args[0] + p * in.h * in.w;
        T *y = (T *)args[1] + p * in.oh * in.ow;
        if (in.bilinear)
            resize_linear(&in, x, across, row, y);
        else
            resize_nearest(&in, x, y);
    }
}

void NAME(call_resize_grad)(void *const *args, const int64_t *imm, int64_t task,
                            void *scratch)
{
    CallResize in;
    memcpy(&in, imm, sizeof in);
    Tap *across = scratch;
    T *row = (T *)(across + in.ow);
    int64_t first = task * in.planes_per_task;
    int64_t end = first + part_of(in.planes, first, in.planes_per_task);
    if (in.bilinear)
        find_taps(in.w, in.ow, 0, in.ow, across);
    for (int64_t p = first; p < end; p++) {
        const T *dy = (const T *)args[0] + p * in.oh * in.ow;
        T *dx = (T *)args[1] + p * in.h * in.w;
        memset(dx, 0, (size_t)(in.h * in.w) * sizeof *dx);
        if (in.bilinear)
            spread_linear(&in, dy, across, row, dx);
        else
            spread_nearest(&in, dy, dx);
    }
}

#undef Tap
#undef find_taps
#undef resize_nearest
#undef resize_linear
#undef spread_nearest
#undef spread_linear
