// Random tensors: nodes whose numbers are named by (seed, phase, step, the
// place of the call, the element), see ir/random.h.
#include "frontend/lang/builtins_tensor.h"
#include "frontend/lang/frame.h"
#include "frontend/lang/map.h"
#include "ir/random.h"

// What a call in this scope draws: as weights are named by their path, so are
// numbers, and a change elsewhere in the source leaves them. Calls of one scope
// are told apart by their order.
static const char *next_stream(Sema *s)
{
    Build *build = s->build;
    intptr_t before = (intptr_t)map_get(&build->streams, build->scope);
    map_set(&build->streams, build->scope, (void *)(before + 1));
    return arena_printf(s->arena, "%s/%lld", build->scope, (long long)before);
}

// The step's key, made when it is first wanted. Known like the numbers of a
// step, because it is one.
static Datum key_input(Sema *s, const Site *site)
{
    Build *build = s->build;
    intptr_t known =
        (intptr_t)map_get(&build->schedule_inputs, RANDOM_KEY_NAME);
    if (known)
        return datum_tensor((Value)(known - 1));
    const int64_t elements = RANDOM_KEY_ELEMENTS;
    Attr attrs[MAX_ATTRS] = {[INPUT_NAME] = {.text = RANDOM_KEY_NAME}};
    TensorType type = type_make(s->options->dtype, 1, &elements);
    Datum key = tensor_add(s, site, OP_INPUT, 0, NULL, attrs, &type);
    if (key.kind == DATUM_TENSOR)
        map_set(&build->schedule_inputs, RANDOM_KEY_NAME,
                (void *)((intptr_t)key.tensor + 1));
    return key;
}

// Whether the tensor is there, and in training: what is evaluated, embedded or
// predicted is to come out the same each time.
static bool check_place(Sema *s, const Call *call)
{
    if (!s->build->graph)
        sema_fail(s, call->pos, "tensors exist only inside phases");
    else if (!s->build->training)
        sema_fail(
            s, call->pos,
            "`random_uniform` is there in training only: what is evaluated "
            "comes out the same each time. Put it in `if training { ... "
            "}`, with what stands for it otherwise behind `else`");
    else
        return true;
    return false;
}

static bool is_in_optimizer(const Sema *s)
{
    const Frame *frame = s->frame;
    while (frame && frame->kind != FRAME_OPTIMIZER)
        frame = frame->caller;
    return frame != NULL;
}

// Does axis 0 count this graph's images? The argument says, else its size: but
// what an optimizer draws is of a weight.
static bool counts_images(Sema *s, const Call *call, int arg, int rank,
                          const int64_t *dims, bool *counts)
{
    const Build *build = s->build;
    int64_t images = build->batch / build->ranks;
    const ExperimentPhase *phase = build->phase->out;
    int64_t views = build->input ? experiment_views(phase) : 1;
    bool fits = rank > 0 && (dims[0] == images || dims[0] == images * views);
    for (int i = 0; build->input && i < phase->group_count; i++)
        fits = fits || (rank > 0 && dims[0] == images * phase->groups[i].views);
    *counts = fits && !is_in_optimizer(s);
    if (!call_has(call, arg) || call->args[arg].kind == DATUM_NONE)
        return true;
    if (!call_bool(s, call, arg, counts))
        return false;
    if (!*counts || fits)
        return true;
    sema_fail(s, call->exprs[arg]->pos,
              "the first of `dims` is to count images, of which there are "
              "%lld here: batch_size(x)",
              (long long)(images * views));
    return false;
}

Datum builtin_random_uniform(Sema *s, const Call *call)
{
    int rank;
    int64_t dims[MAX_RANK], steps[MAX_RANK];
    bool counts;
    if (!check_place(s, call) || !call_sizes(s, call, 0, 1, &rank, dims) ||
        !counts_images(s, call, 1, rank, dims, &counts))
        return datum_poison();
    const Build *build = s->build;
    // Of the batch a process has a share of each chunk.
    const ExperimentPhase *phase = build->phase->out;
    int64_t here = build->batch / build->ranks;
    bool shares = build->ranks > 1 && phase->chunk > 0;
    const int64_t images[] = {here, phase->batch,
                              shares ? phase->chunk / build->ranks : here,
                              phase->chunk};
    Site site = call_site(s, call);
    Datum key = key_input(s, &site);
    if (key.kind != DATUM_TENSOR)
        return key;
    random_plain_steps(rank, dims, steps);
    Attr attrs[MAX_ATTRS] = {[RANDOM_DIMS] = {.ints = {rank, dims}},
                             [RANDOM_STEPS] = {.ints = {rank, steps}},
                             [RANDOM_STREAM] = {.text = next_stream(s)},
                             [RANDOM_IMAGES] = {.ints = {!counts  ? 0
                                                         : shares ? 4
                                                                  : 2,
                                                         images}}};
    return tensor_add(s, &site, OP_RANDOM, 1, &key.tensor, attrs, NULL);
}
