// Solarize, rotate and the other operations with an amount, erase, noise, and
// steps within steps: against torchvision (tests/reference/augment.py writes
// augment.txt) and by what they must be like.
#include <stdlib.h>

#include "frontend/cli/program.h"
#include "runtime/base/philox.h"
#include "runtime/data/augment.h"
#include "runtime/data/augment_move.h"
#include "runtime/data/augment_noise.h"
#include "runtime/data/augment_tone.h"
#include "tests/harness.h"

enum { MAX_SIDE = 24, MAX_VALUES = 3 * MAX_SIDE * MAX_SIDE };

// The image of make_image in augment.py.
static Image make_image(int size)
{
    Image image;
    CHECK(image_new(size, size, &image).code == STATUS_OK);
    for (int i = 0; i < 3 * size * size; i++) {
        int c = i % 3, x = i / 3 % size, y = i / 3 / size;
        int raw = (37 * x + 91 * y + 13 * x * y + 59 * c + 7 * c * x) % 256;
        image.pixels[i] = (uint8_t)(y % 4 == 0 ? raw : 40 + raw / 2);
    }
    return image;
}

// The image cropped whole, then the steps.
static void run(const AugmentStep *steps, int count, const Image *image,
                uint64_t sample, char *told, float *out)
{
    AugmentStep all[8] = {{AUGMENT_CENTER_CROP, {image->width, 1}}};
    memcpy(all + 1, steps, (size_t)count * sizeof *steps);
    AugmentScratch scratch = {.told = told};
    AugmentKey key = {1, 2, 3, sample, 0, 0};
    Status status = augment_image(all, count + 1, image, &key, &scratch,
                                  image->width, image->width, out);
    CHECK_TEXT(status.text, "");
    scratch.told = NULL;
    augment_scratch_free(&scratch);
}

static int step_by_name(const char *name)
{
    for (int op = 0; op < AUGMENT_COUNT; op++)
        if (strcmp(augment_name(op), name) == 0)
            return op;
    test_fail(__FILE__, __LINE__, "no operation %s", name);
    exit(1);
}

static FILE *open_vectors(void)
{
    FILE *file = fopen("tests/reference/augment.txt", "r");
    if (!file) {
        test_fail(__FILE__, __LINE__, "no tests/reference/augment.txt");
        exit(1);
    }
    return file;
}

TEST(augmentations_are_those_of_torchvision)
{
    FILE *file = open_vectors();
    char line[512], name[64];
    int size = 0, cases = 0, used;
    float out[MAX_VALUES];
    while (fscanf(file, "%63s", name) == 1 && strcmp(name, "space") != 0) {
        CHECK(fgets(line, sizeof line, file) != NULL);
        if (strcmp(name, "size") == 0) {
            size = atoi(line);
            continue;
        }
        const char *at = line;
        CHECK_INT(sscanf(at, "%63s%n", name, &used), 1);
        AugmentStep step = {.op = step_by_name(name)};
        at += used;
        for (int i = 0; sscanf(at, "%lf%n", &step.args[i], &used) == 1; i++)
            at += used;
        Image image = make_image(size);
        run(&step, 1, &image, 0, NULL, out);
        image_free(&image);
        int wrong = 0;
        for (int i = 0; i < 3 * size * size; i++) {
            double want;
            CHECK_INT(fscanf(file, "%lf", &want), 1);
            wrong += !(fabs(out[i] - want) <= 2e-6);
        }
        if (wrong)
            test_fail(__FILE__, __LINE__, "%d values are wrong: %s", wrong,
                      line);
        cases++;
    }
    fclose(file);
    CHECK_INT(cases, 40);
}

// ---- policies ---------------------------------------------------------------

static AugmentStep *load_policy(const char *call, Program **program)
{
    char path[512];
    snprintf(path, sizeof path, "%s/program.net", test_folder());
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    fprintf(file,
            "import \"lib/augment.net\"\n"
            "optimizer sgd(w, g) { w <- w - 0.1 * g }\n"
            "phase p(batch = 2, steps = 1) {\n"
            "    input images = unlabeled, augment [center_crop(96)] + %s\n"
            "    weight w[3] = 1\n"
            "    minimize mean(images * w)\n"
            "    using sgd()\n"
            "}\n",
            call);
    fclose(file);
    Arena *arena = arena_new();
    DiagList diags = diag_list_new(arena);
    LangOptions options = {.dtype = DT_F32, .ranks = 1, .check_only = true};
    Experiment *experiment = lang_load(arena, path, &options, &diags);
    if (!experiment) {
        for (int i = 0; i < diags.items.count; i++)
            test_fail(__FILE__, __LINE__, "line %d: %s",
                      diags.items.at[i].pos.line, diags.items.at[i].message);
        exit(1);
    }
    *program = program_from_experiment(experiment, DT_F32, "");
    arena_free(arena);
    CHECK_INT((*program)->phases[0].groups[0].augment[1].op,
              AUGMENT_RANDOM_CHOICE);
    return (*program)->phases[0].groups[0].augment;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// What a step may be by, least first.
static int step_amounts(const AugmentStep *step, double amounts[64],
                        bool *random_sign)
{
    static const int places[AUGMENT_COUNT] = {
        [AUGMENT_SOLARIZE] = 1, [AUGMENT_POSTERIZE] = 1,
        [AUGMENT_ROTATE] = 1,   [AUGMENT_ENHANCE] = 2,
        [AUGMENT_SHEAR] = 2,    [AUGMENT_TRANSLATE] = 2};
    int place = places[step->op];
    amounts[0] = 0;
    *random_sign = false;
    if (place == 0)
        return 1;
    const double *args = step->args + place;
    CHECK_NEAR(step->args[place - 1], 1, 0); // p
    bool signs = step->op != AUGMENT_SOLARIZE && step->op != AUGMENT_POSTERIZE;
    *random_sign = signs && args[3] == 1;
    int levels = args[2] > 0 ? (int)args[2] : 1;
    for (int i = 0; i < levels; i++) {
        amounts[i] = args[0];
        if (levels > 1)
            amounts[i] += (args[1] - args[0]) * i / (levels - 1);
        if (step->op == AUGMENT_POSTERIZE)
            amounts[i] = rint(amounts[i]);
    }
    CHECK(levels > 1 || args[0] == args[1]);
    qsort(amounts, (size_t)levels, sizeof *amounts, by_size);
    return levels;
}

static void check_policy(const char *policy, const char *call)
{
    static const struct {
        const char *theirs;
        int op, word;
    } names[] = {{"Identity", AUGMENT_RANDOM_APPLY, 0},
                 {"ShearX", AUGMENT_SHEAR, 0},
                 {"ShearY", AUGMENT_SHEAR, 1},
                 {"TranslateX", AUGMENT_TRANSLATE, 0},
                 {"TranslateY", AUGMENT_TRANSLATE, 1},
                 {"Rotate", AUGMENT_ROTATE, 1},
                 {"Brightness", AUGMENT_ENHANCE, 1},
                 {"Color", AUGMENT_ENHANCE, 3},
                 {"Contrast", AUGMENT_ENHANCE, 2},
                 {"Sharpness", AUGMENT_ENHANCE, 0},
                 {"Posterize", AUGMENT_POSTERIZE, 1},
                 {"Solarize", AUGMENT_SOLARIZE, 1},
                 {"AutoContrast", AUGMENT_AUTOCONTRAST, 1},
                 {"Equalize", AUGMENT_EQUALIZE, 1}};
    enum { OPERATIONS = sizeof names / sizeof *names };
    Program *program;
    const AugmentStep *steps = load_policy(call, &program);
    int at = 2, end = augment_next(steps, 1), found = 0, signs;
    char line[1024], name[64], theirs[64];
    FILE *file = open_vectors();
    while (fgets(line, sizeof line, file)) {
        int used, k = 0;
        if (sscanf(line, "space %63s %63s %d%n", name, theirs, &signs, &used) !=
                3 ||
            strcmp(name, policy) != 0)
            continue;
        while (k < OPERATIONS && strcmp(names[k].theirs, theirs) != 0)
            k++;
        CHECK(k < OPERATIONS && at < end);
        CHECK_INT(steps[at].op, names[k].op);
        CHECK_INT((int)steps[at].args[0], names[k].word);
        if (steps[at].op == AUGMENT_ROTATE || steps[at].op == AUGMENT_SHEAR)
            CHECK_NEAR(steps[at].args[steps[at].op == AUGMENT_SHEAR ? 6 : 5], 1,
                       0); // torchvision's default, nearest
        double amounts[64], want;
        bool random_sign;
        int count = step_amounts(&steps[at], amounts, &random_sign);
        CHECK_INT(random_sign, signs);
        const char *text = line + used;
        for (int i = 0; i < count; i++, text += used) {
            CHECK_INT(sscanf(text, "%lf%n", &want, &used), 1);
            CHECK_NEAR(amounts[i], want, 2e-6 * (1 + fabs(want)));
        }
        CHECK(sscanf(text, "%lf", &want) != 1);
        at = augment_next(steps, at);
        found++;
    }
    fclose(file);
    CHECK_INT(found, OPERATIONS);
    CHECK_INT(at, end);
    program_free(program);
}

TEST(rand_augment_is_that_of_torchvision)
{
    check_policy("rand_augment", "rand_augment(96, magnitude = 13)");
    Program *program;
    load_policy("rand_augment(96, operations = 3)", &program);
    int choices = 0;
    const ViewGroup *phase = &program->phases[0].groups[0];
    for (int i = 1; i < phase->augment_count;
         i = augment_next(phase->augment, i))
        choices += phase->augment[i].op == AUGMENT_RANDOM_CHOICE;
    CHECK_INT(choices, 3);
    program_free(program);
}

TEST(trivial_augment_is_that_of_torchvision)
{
    check_policy("trivial_augment", "trivial_augment()");
}

// ---- steps within steps -----------------------------------------------------

TEST(each_choice_is_as_likely)
{
    // A list of two, one of its own, and one that is empty.
    const AugmentStep steps[] = {{AUGMENT_RANDOM_CHOICE, {5}},
                                 {AUGMENT_RANDOM_APPLY, {2, 1}},
                                 {AUGMENT_FLIP, {1}},
                                 {AUGMENT_GRAYSCALE, {1}},
                                 {AUGMENT_SOLARIZE, {1, 0.5, 0.5}},
                                 {AUGMENT_RANDOM_APPLY, {0, 1}}};
    const char *want[] = {"; flip; grayscale", "; solarize 0.5", ""};
    Image image = make_image(9);
    int counts[3] = {0}, others = 0, total = 3000;
    float out[MAX_VALUES];
    char told[AUGMENT_TOLD];
    for (int i = 0; i < total; i++) {
        run(steps, 6, &image, (uint64_t)i, told, out);
        const char *rest = told + strcspn(told, ";");
        int k = 0;
        while (k < 3 && strcmp(rest, want[k]) != 0)
            k++;
        k < 3 ? counts[k]++ : others++;
    }
    CHECK_INT(others, 0);
    for (int k = 0; k < 3; k++) // four standard deviations are 0.034
        CHECK_NEAR((double)counts[k] / total, 1.0 / 3, 0.034);
    image_free(&image);
}

TEST(steps_are_applied_together)
{
    const AugmentStep steps[] = {{AUGMENT_RANDOM_APPLY, {2, 0.3}},
                                 {AUGMENT_FLIP, {1}},
                                 {AUGMENT_GRAYSCALE, {1}}};
    Image image = make_image(9);
    int both = 0, none = 0, total = 3000;
    float out[MAX_VALUES];
    char told[AUGMENT_TOLD];
    for (int i = 0; i < total; i++) {
        run(steps, 3, &image, (uint64_t)i, told, out);
        both += strstr(told, "; flip; grayscale") != NULL;
        none += strchr(told, ';') == NULL;
    }
    CHECK_INT(both + none, total);
    CHECK_NEAR((double)both / total, 0.3, 0.034);
    image_free(&image);
}

TEST(unsound_steps_are_refused)
{
    const AugmentStep crop = {AUGMENT_CENTER_CROP, {24, 1}};
    const AugmentStep bad[][3] = {
        {crop, {AUGMENT_RANDOM_APPLY, {2, 1}}, {AUGMENT_FLIP, {1}}},
        {crop, {AUGMENT_RANDOM_APPLY, {-1, 1}}, {AUGMENT_FLIP, {1}}},
        {crop, {AUGMENT_RANDOM_APPLY, {0.5, 1}}, {AUGMENT_FLIP, {1}}},
        {crop, {AUGMENT_RANDOM_APPLY, {NAN, 1}}, {AUGMENT_FLIP, {1}}},
        {crop, {AUGMENT_RANDOM_APPLY, {1, 2}}, {AUGMENT_FLIP, {1}}},
        {crop, {AUGMENT_RANDOM_APPLY, {1, 1}}, {AUGMENT_FLIP, {2}}},
        {crop, {AUGMENT_RANDOM_CHOICE, {0}}, {AUGMENT_FLIP, {1}}},
        {crop, {AUGMENT_RANDOM_CHOICE, {1}}, crop},
        {crop, {AUGMENT_SOLARIZE, {1, 0.6, 0.4}}, {AUGMENT_FLIP, {1}}},
        {crop, {AUGMENT_ROTATE, {1, 0, 30, 2.5}}, {AUGMENT_FLIP, {1}}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(augment_check(bad[i], 3, 3, 24, 24).code, STATUS_FAILED);
    AugmentStep deep[40] = {crop};
    for (int i = 1; i < 40; i++)
        deep[i] = (AugmentStep){AUGMENT_RANDOM_APPLY, {39 - i, 1}};
    CHECK(!augment_is_sound(deep, 40));
    CHECK(augment_is_sound(deep + 30, 10));
}

// ---- erase, noise, turns ----------------------------------------------------

TEST(erased_boxes_are_those_of_torchvision)
{
    FILE *file = open_vectors();
    char line[1024];
    double want[5] = {0}, sums[5] = {0};
    int found = 0, none = 0, count = 100000;
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "boxes", 5) == 0)
            found = sscanf(line, "boxes %lf %lf %lf %lf %lf", want, want + 1,
                           want + 2, want + 3, want + 4);
    fclose(file);
    CHECK_INT(found, 5);
    RandomStream stream = random_stream(7, 1, 2, 3, 4);
    CropRange range = {0.02, 0.33, 0.3, 3.3};
    for (int i = 0; i < count; i++) {
        CropBox box = noise_erased_box(&stream, 30, 40, range);
        const int numbers[] = {box.height, box.width, box.height * box.width,
                               box.y, box.x};
        CHECK(box.x + box.width <= 30 && box.y + box.height <= 40);
        none += box.width == 0;
        for (int k = 0; k < 5; k++)
            sums[k] += numbers[k];
    }
    // Deviations are about 7, 6, 107, 9 and 7, of both sides' 100,000 draws:
    // five standard errors of the difference.
    const double errors[] = {0.16, 0.14, 2.4, 0.2, 0.16};
    for (int k = 0; k < 5; k++)
        CHECK_NEAR(sums[k] / (count - none), want[k], errors[k]);
}

TEST(erase_fills_its_box)
{
    Image image = make_image(24);
    float plain[MAX_VALUES], out[MAX_VALUES];
    char told[AUGMENT_TOLD];
    for (int noise = 0; noise < 2; noise++)
        for (uint64_t i = 0; i < 50; i++) {
            const AugmentStep step = {AUGMENT_ERASE,
                                      {1, 0.02, 0.33, 0.3, 3.3, noise, 0.25}};
            CropBox box;
            run(&step, 0, &image, i, NULL, plain);
            run(&step, 1, &image, i, told, out);
            CHECK_INT(sscanf(told + strcspn(told, ";"),
                             "; erase %d x %d at %d, %d", &box.width,
                             &box.height, &box.x, &box.y),
                      4);
            int wrong = 0, same = 0;
            for (int k = 0; k < MAX_VALUES; k++) {
                int x = k % 24 - box.x, y = k / 24 % 24 - box.y;
                bool inside =
                    x >= 0 && x < box.width && y >= 0 && y < box.height;
                if (!inside)
                    wrong += out[k] != plain[k];
                else if (!noise)
                    wrong += out[k] != 0.25f;
                else
                    same += out[k] == plain[k] || out[k] == out[k - 1];
                wrong += !(out[k] >= 0 && out[k] <= 1);
            }
            CHECK_INT(wrong, 0);
            CHECK(same < 3);
        }
    image_free(&image);
}

TEST(noise_has_its_deviation)
{
    Image image = make_image(24);
    memset(image.pixels, 128, 3 * 24 * 24);
    float out[MAX_VALUES], again[MAX_VALUES];
    double sum = 0, squares = 0;
    const AugmentStep step = {AUGMENT_NOISE, {1, 0.07, 0.07}};
    enum { IMAGES = 60 };
    for (uint64_t i = 0; i < IMAGES; i++) {
        run(&step, 1, &image, i, NULL, out);
        run(&step, 1, &image, i, NULL, again);
        CHECK(memcmp(out, again, sizeof out) == 0);
        for (int k = 0; k < MAX_VALUES; k++) {
            double noise = (double)out[k] - 128 / 255.0;
            sum += noise;
            squares += noise * noise;
        }
    }
    const double n = (double)IMAGES * MAX_VALUES;
    CHECK_NEAR(sum / n, 0, 5 * 0.07 / sqrt(n));
    CHECK_NEAR(sqrt(squares / n), 0.07, 5 * 0.07 / sqrt(2 * n));
    image_free(&image);
}

TEST(quarter_turns_exchange_sides)
{
    // 1 2 3   one turn, counter-clockwise: 3 6 / 2 5 / 1 4
    // 4 5 6
    const float plane[] = {1, 2, 3, 4, 5, 6};
    const float want[3][6] = {
        {3, 6, 2, 5, 1, 4}, {6, 5, 4, 3, 2, 1}, {4, 1, 5, 2, 6, 3}};
    for (int turns = 1; turns <= 3; turns++) {
        float out[6];
        move_quarter_turns(plane, out, 3, 2, turns);
        CHECK(memcmp(out, want[turns - 1], sizeof out) == 0);
    }
    // Before a crop the image need not be square; a pending flip is done first.
    Image image;
    CHECK(image_new(6, 4, &image).code == STATUS_OK);
    for (int i = 0; i < 6 * 4 * 3; i++)
        image.pixels[i] = (uint8_t)(i / 3 * 10);
    const AugmentStep steps[] = {{AUGMENT_FLIP, {1}},
                                 {AUGMENT_QUARTER_TURN, {1}},
                                 {AUGMENT_CENTER_CROP, {4, 1}}};
    int seen[3] = {0};
    float out[3 * 16];
    char told[AUGMENT_TOLD];
    AugmentScratch scratch = {.told = told};
    for (uint64_t i = 0; i < 60; i++) {
        AugmentKey key = {1, 2, 3, i, 0, 0};
        CHECK(augment_image(steps, 3, &image, &key, &scratch, 4, 4, out).code ==
              STATUS_OK);
        int degrees = 0;
        CHECK_INT(sscanf(told, "flip; turned by %d degrees; center_crop %*d",
                         &degrees),
                  1);
        CHECK(strstr(told, degrees == 180 ? "crop 6 x 4" : "crop 4 x 6"));
        seen[degrees / 90 - 1]++;
    }
    CHECK(seen[0] > 5 && seen[1] > 5 && seen[2] > 5);
    scratch.told = NULL;
    augment_scratch_free(&scratch);
    image_free(&image);
}

TEST(tones_leave_flat_planes_alone)
{
    float plane[400];
    for (int i = 0; i < 400; i++)
        plane[i] = 0.3f;
    tone_equalize(plane, 400);
    tone_autocontrast(plane, 400);
    for (int i = 0; i < 400; i++)
        CHECK_NEAR(plane[i], 0.3, 1e-7);
}

TEST(operations_of_any_shape_stay_in_range)
{
    const AugmentStep steps[] = {
        {AUGMENT_ROTATE, {1, -180, 180, 0, 1, 0}},
        {AUGMENT_SHEAR, {1, 1, -1, 1, 0, 0, 0}},
        {AUGMENT_QUARTER_TURN, {0.75}},
        {AUGMENT_TRANSLATE, {0, 1, -9, 9, 19, 1}},
        {AUGMENT_EQUALIZE, {0.5}},
        {AUGMENT_CENTER_CROP, {MAX_SIDE, 1}},
        {AUGMENT_ENHANCE, {0, 1, -1, 3, 0, 0}},
        {AUGMENT_ERASE, {1, 0.02, 0.33, 0.3, 3.3, 1, 0}},
        {AUGMENT_AUTOCONTRAST, {0.5}},
        {AUGMENT_NOISE, {1, 0, 0.5}},
        {AUGMENT_ENHANCE, {2, 1, -0.9, 0.9, 31, 1}},
        {AUGMENT_SOLARIZE, {0.5, 0, 1, 0}},
        {AUGMENT_POSTERIZE, {0.5, 0, 8, 0}},
    };
    const int sizes[][2] = {{1, 1}, {2, 50}, {50, 2}, {24, 24}, {61, 37}};
    AugmentScratch scratch = {0};
    float out[MAX_VALUES], again[MAX_VALUES];
    for (int s = 0; s < 5; s++) {
        Image image;
        CHECK(image_new(sizes[s][0], sizes[s][1], &image).code == STATUS_OK);
        for (int i = 0; i < sizes[s][0] * sizes[s][1] * 3; i++)
            image.pixels[i] = (uint8_t)(i * 37 + i / 11 * 5);
        for (uint64_t i = 0; i < 40; i++) {
            AugmentKey key = {i, 1, 2, 3, 4, 5};
            for (int twice = 0; twice < 2; twice++) {
                Status status = augment_image(
                    steps, sizeof steps / sizeof *steps, &image, &key, &scratch,
                    MAX_SIDE, MAX_SIDE, twice ? again : out);
                CHECK_TEXT(status.text, "");
            }
            CHECK(memcmp(out, again, sizeof out) == 0);
            int outside = 0;
            for (int k = 0; k < MAX_VALUES; k++)
                outside += !(out[k] >= 0 && out[k] <= 1);
            CHECK_INT(outside, 0);
        }
        image_free(&image);
    }
    augment_scratch_free(&scratch);
}
