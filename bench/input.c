// Times reading images and making two augmented views of each on one core,
// beside torchvision on PIL, taking turns.
//   input [FOLDER [CASE...]]  ->  a table on standard output
// FOLDER holds images to read instead of drawn ones. BENCH_PYTHON is the
// interpreter that has torchvision; without it only simcc is timed.
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/input_photos.h"
#include "runtime/data/augment.h"
#include "runtime/data/input.h"

enum { PHOTOS = 48, MOST_IMAGES = 200, ROUNDS = 5, STEPS = 5 };

typedef struct InputCase {
    const char *id, *title;
    int source_width, source_height, size;
    double strength;
    int blur;
    double wanted;
} InputCase;

static const InputCase cases[] = {
#define INPUT(id, ...) {#id, __VA_ARGS__},
#include "bench/input.def"
#undef INPUT
};

// Processor milliseconds an image: of everything, and of reading alone.
typedef struct InputTimes {
    double all[ROUNDS], reading[ROUNDS];
    int count;
} InputTimes;

// ---- simcc ------------------------------------------------------------------

static int pipeline(const InputCase *input, AugmentStep steps[STEPS])
{
    int count = 0, size = input->size;
    steps[count++] =
        (AugmentStep){AUGMENT_RANDOM_CROP, {size, 0.08, 1, 0.75, 4.0 / 3}};
    steps[count++] = (AugmentStep){AUGMENT_FLIP, {0.5}};
    steps[count++] = (AugmentStep){AUGMENT_COLOR_JITTER,
                                   {input->strength, 0.8, 0.8, 0.8, 0.8, 0.2}};
    steps[count++] = (AugmentStep){AUGMENT_GRAYSCALE, {0.2}};
    if (input->blur)
        steps[count++] = (AugmentStep){AUGMENT_BLUR, {0.5, 0.1, 2}};
    return count;
}

// The set as training on these views would open it, without a cache.
static Dataset *open_set(const InputCase *input, const char *folder)
{
    AugmentStep steps[STEPS];
    ProgramPhase phase = {
        .group_count = 1,
        .groups = {
            {.augment = steps, .augment_count = pipeline(input, steps)}}};
    Program program = {.phases = &phase, .phase_count = 1};
    DataOptions options = {.min_side = input_min_side(&program),
                           .cache_bytes = -1};
    Dataset *data;
    Status status = dataset_open(folder, &options, &data);
    bench_require(&status);
    return data;
}

static void time_simcc(const InputCase *input, const Dataset *data, int round,
                       InputTimes *times)
{
    AugmentStep steps[STEPS];
    int count = pipeline(input, steps), size = input->size;
    int64_t all = dataset_count(data, SPLIT_TRAIN);
    int64_t stride = all > MOST_IMAGES ? all / MOST_IMAGES : 1;
    float *view = malloc(3 * sizeof *view * (size_t)size * (size_t)size);
    AugmentScratch scratch = {0};
    double start = bench_work_seconds(1), reading = 0;
    int64_t images = 0;
    for (int64_t i = 0; i < all && images < MOST_IMAGES; i += stride) {
        Image image;
        double before = bench_work_seconds(1);
        Status status = dataset_read(data, SPLIT_TRAIN, i, &image);
        bench_require(&status);
        reading += bench_work_seconds(1) - before;
        AugmentKey key = {1, 2, (uint64_t)round, (uint64_t)i, 0, (uint64_t)i};
        for (key.view = 0; key.view < 2; key.view++) {
            status = augment_image(steps, count, &image, &key, &scratch, size,
                                   size, view);
            bench_require(&status);
        }
        image_free(&image);
        images++;
    }
    double spent = bench_work_seconds(1) - start;
    augment_scratch_free(&scratch);
    free(view);
    times->all[times->count] = 1e3 * spent / (double)images;
    times->reading[times->count++] = 1e3 * reading / (double)images;
}

// ---- torchvision ------------------------------------------------------------

typedef struct InputPeer {
    pid_t process;
    FILE *to, *from;
} InputPeer;

static bool start_peer(InputPeer *peer, const InputCase *input,
                       const char *folder)
{
    const char *set = getenv("BENCH_PYTHON");
    const char *python = set && *set ? set : "python3";
    int in[2], out[2];
    char size[16], strength[32], line[256] = "";
    snprintf(size, sizeof size, "%d", input->size);
    snprintf(strength, sizeof strength, "%g", input->strength);
    if (pipe(in) != 0 || pipe(out) != 0)
        return false;
    peer->process = fork();
    if (peer->process == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        for (int i = 3; i < 64; i++)
            close(i);
        execlp(python, python, "bench/input_torch.py", folder, size, strength,
               input->blur ? "1" : "0", (char *)NULL);
        _exit(1);
    }
    close(in[0]);
    close(out[1]);
    peer->to = fdopen(in[1], "w");
    peer->from = fdopen(out[0], "r");
    return peer->to && peer->from && fgets(line, sizeof line, peer->from) &&
           strcmp(line, "ready\n") == 0;
}

static bool time_peer(const InputPeer *peer, InputTimes *times)
{
    if (fputs("go\n", peer->to) < 0 || fflush(peer->to) != 0 ||
        fscanf(peer->from, "%lf %lf", &times->all[times->count],
               &times->reading[times->count]) != 2)
        return false;
    times->count++;
    return true;
}

static void end_peer(InputPeer *peer)
{
    if (peer->to)
        fclose(peer->to);
    if (peer->from)
        fclose(peer->from);
    if (peer->process > 0)
        waitpid(peer->process, NULL, 0);
}

// ---- cases ------------------------------------------------------------------

static const char *photo_folder(Arena *arena, const InputCase *input)
{
    const char *folder =
        arena_printf(arena, "%s/photos-%dx%d", bench_folder(arena),
                     input->source_width, input->source_height);
    const char *last = arena_printf(arena, "%s/%03d.jpg", folder, PHOTOS - 1);
    struct stat info;
    mkdir(folder, 0777);
    if (stat(last, &info) != 0 &&
        !input_photos_write(folder, input->source_width, input->source_height,
                            PHOTOS)) {
        fprintf(stderr, "bench: cannot write images to %s\n", folder);
        exit(1);
    }
    return folder;
}

static void print_row(const InputCase *input, const char *title,
                      InputTimes *ours, InputTimes *theirs)
{
    double all = bench_median(ours->all, ours->count);
    double reading = bench_median(ours->reading, ours->count);
    printf("%-36s %8.3f %8.3f", title, all, reading);
    if (theirs->count == ROUNDS) {
        double peer = bench_median(theirs->all, theirs->count);
        double peer_reading = bench_median(theirs->reading, theirs->count);
        printf(" %10.3f %8.3f %7.1fx", peer, peer_reading, peer / all);
        if (input->wanted > 0)
            printf(" %6.0fx", input->wanted);
    } else {
        printf("  torchvision is not there: set BENCH_PYTHON");
    }
    putchar('\n');
    fflush(stdout);
}

static void run_case(Arena *arena, const InputCase *input, const char *folder)
{
    InputTimes ours = {.count = 0}, theirs = {.count = 0};
    InputPeer peer = {0};
    const char *title = input->title;
    if (folder)
        title = arena_printf(arena, "%s, views of %d%s", folder, input->size,
                             input->blur ? " with blur" : "");
    else
        folder = photo_folder(arena, input);
    Dataset *data = open_set(input, folder);
    bool peer_there = start_peer(&peer, input, folder);
    for (int round = 0; round < ROUNDS; round++) {
        time_simcc(input, data, round, &ours);
        peer_there = peer_there && time_peer(&peer, &theirs);
    }
    print_row(input, title, &ours, &theirs);
    end_peer(&peer);
    dataset_free(data);
}

int main(int count, char **words)
{
    Arena *arena = arena_new();
    const char *folder = count > 1 && *words[1] ? words[1] : NULL;
    printf("%-36s %8s %8s %10s %8s %8s %7s\n", "milliseconds an image", "simcc",
           "reading", "torchvis.", "reading", "ratio", "wanted");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool wanted = count < 3;
        for (int w = 2; w < count; w++)
            wanted = wanted || strcmp(words[w], cases[i].id) == 0;
        if (wanted)
            run_case(arena, &cases[i], folder);
    }
    arena_free(arena);
    return 0;
}
