// Checkpoints of a phase: which are kept, and what is found when some are
// damaged, missing, or a kill came between two names.
#include "runtime/files/keep.h"

#include <stdlib.h>
#include <unistd.h>

#include "runtime/base/file.h"
#include "tests/harness.h"

static Keep keep;
static Store store;
static char warnings[2000];

static void hear(void *context, const char *text)
{
    (void)context;
    size_t used = strlen(warnings);
    snprintf(warnings + used, sizeof warnings - used, "%s\n", text);
}

static const char *path_of(const char *file)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/p/%s", test_folder(), file);
    return path;
}

static bool there(const char *file)
{
    return file_exists(path_of(file));
}

static void open_keep(int count)
{
    CHECK_TEXT(rundir_create(test_folder(), "p").text, "");
    CHECK_TEXT(keep_open(&keep, test_folder(), "p", count).text, "");
}

// A store of one weight, whose first number is `number`.
static void make_store(float number)
{
    PlanParam param = {
        {"w", PLAN_F32, 1, {4}, 16}, PLAN_WEIGHT, PLAN_INIT_CONSTANT, 0};
    Plan plan = {.param_count = 1, .params = &param};
    if (!store.count)
        CHECK_TEXT(store_add_plan(&store, &plan).text, "");
    *(float *)store.tensors[0].data = number;
}

static void save(int64_t step, double loss)
{
    CheckpointInfo info = {.phase = "p", .step = step};
    make_store((float)step);
    CHECK_TEXT(keep_save(&keep, &store, &info, loss).text, "");
}

// The step that a new process would go on from; -1 = from the start.
static int64_t find(Status *status)
{
    char path[RUNDIR_PATH];
    CheckpointInfo info;
    warnings[0] = '\0';
    open_keep(2);
    *status = keep_find(&keep, path, &info, hear, NULL);
    if (status->code != STATUS_OK || !path[0])
        return -1;
    CHECK_TEXT(checkpoint_load(path, &store).text, "");
    CHECK(*(float *)store.tensors[0].data == (float)info.step);
    return info.step;
}

// Replaces the file's last byte, or cuts it off.
static void damage(const char *file, bool cut)
{
    char *bytes;
    int64_t size;
    CHECK_TEXT(file_read(path_of(file), 1 << 20, &bytes, &size).text, "");
    if (size == 0)
        return;
    bytes[size - 1] ^= 1;
    CHECK_TEXT(file_write(path_of(file), bytes, size - cut).text, "");
    free(bytes);
}

TEST(keep_holds_as_many_as_asked_for)
{
    open_keep(3);
    for (int step = 10; step <= 50; step += 10)
        save(step, 1.0 / step);
    CHECK(there("checkpoint.safetensors"));
    CHECK(there("checkpoint-40.safetensors"));
    CHECK(there("checkpoint-30.safetensors"));
    CHECK(!there("checkpoint-20.safetensors"));
    CHECK(!there("checkpoint-50.safetensors"));
    open_keep(1);
    CHECK(keep_exists(&keep));
    Status status;
    CHECK_INT(find(&status), 50);
    keep.count = 1;
    save(60, NAN);
    CHECK(!there("checkpoint-40.safetensors"));
    CHECK(!there("checkpoint-50.safetensors"));
}

TEST(keep_best_is_the_one_with_the_least_loss)
{
    CheckpointInfo info;
    Status status;
    open_keep(2);
    save(10, 3);
    save(20, 1);
    save(30, 2);
    CHECK_INT(checkpoint_info(path_of("best.safetensors"), &info).code,
              STATUS_OK);
    CHECK_INT(info.step, 20);
    CHECK_INT(find(&status), 30);
    CHECK_INT(keep.best_step, 20);
    save(40, 1.5); // what was best is remembered
    save(50, NAN);
    checkpoint_info(path_of("best.safetensors"), &info);
    CHECK_INT(info.step, 20);
    save(60, 0.5);
    // Killed between the two names: the second is given on the way back.
    CHECK_INT(unlink(path_of("best.safetensors")), 0);
    CHECK_INT(find(&status), 60);
    checkpoint_info(path_of("best.safetensors"), &info);
    CHECK_INT(info.step, 60);
}

TEST(keep_falls_back_with_a_warning)
{
    Status status;
    open_keep(2);
    CHECK(!keep_exists(&keep));
    CHECK_INT(find(&status), -1);
    CHECK_TEXT(status.text, "");
    for (int cut = 0; cut < 2; cut++) {
        save(10, 1);
        save(20, 1);
        damage("checkpoint.safetensors", cut);
        CHECK_INT(find(&status), 10);
        CHECK(strstr(warnings, "checkpoint.safetensors") != NULL);
        save(15, 1); // over the damaged one; 10 stays
        CHECK(there("checkpoint-10.safetensors"));
        CHECK_INT(find(&status), 15);
        CHECK_TEXT(warnings, "");
        damage("checkpoint.safetensors", cut);
        damage("checkpoint-10.safetensors", cut);
        CHECK_INT(find(&status), -1);
        CHECK_INT(status.code, STATUS_DATA);
        CHECK(strstr(status.text, "--force") != NULL);
        keep.resumes = false; // which starts over, and drops what was there
        save(3, 1);
        CHECK(!there("checkpoint-10.safetensors"));
        CHECK_INT(find(&status), 3);
    }
}

// As on a file system without links, killed between two renames.
TEST(keep_finds_a_checkpoint_without_a_newest)
{
    Status status;
    open_keep(2);
    save(10, 1);
    save(20, 1);
    CHECK_INT(unlink(path_of("checkpoint.safetensors")), 0);
    CHECK(keep_exists(&keep));
    CHECK_INT(find(&status), 10);
    CHECK_TEXT(warnings, "");
}

// A damaged bit anywhere in a checkpoint or model is seen.
TEST(keep_sees_every_damaged_byte)
{
    CheckpointInfo info;
    char *bytes;
    int64_t size;
    open_keep(2);
    save(10, 1);
    const char *path = path_of("checkpoint.safetensors");
    CHECK_TEXT(file_read(path, 1 << 20, &bytes, &size).text, "");
    for (int64_t i = 0; i < size; i++) {
        bytes[i] ^= (char)(1 << i % 8);
        FILE *file = fopen(path, "r+b");
        fwrite(bytes, 1, (size_t)size, file);
        fclose(file);
        CHECK_INT(checkpoint_info(path, &info).code, STATUS_DATA);
        bytes[i] ^= (char)(1 << i % 8);
    }
    free(bytes);
}
