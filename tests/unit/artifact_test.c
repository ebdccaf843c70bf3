#include <stdlib.h>

#include "runtime/base/file.h"
#include "tests/harness.h"
#include "tests/program_sample.h"

static Status write_and_read(const Program *program, const char *path,
                             Program **copy)
{
    TRY(program_write(program, path));
    return program_read(path, copy);
}

TEST(artifact_round_trip_keeps_every_field)
{
    char path[200], again[200];
    snprintf(path, sizeof path, "%s/a.simcc", test_folder());
    snprintf(again, sizeof again, "%s/b.simcc", test_folder());
    Program *program = sample_program(), *copy = NULL;
    CHECK_TEXT(write_and_read(program, path, &copy).text, "");
    if (!copy)
        return;

    CHECK_TEXT(copy->name, "sample.net");
    CHECK_TEXT(copy->source, program->source);
    CHECK(copy->needs == (CPU_BIT(AVX2) | CPU_BIT(CF)));
    CHECK_INT(copy->sums, PLAN_SUMS_STRICT);
    CHECK_INT(copy->phase_count, 2);
    const ProgramPhase *phase = &copy->phases[1];
    CHECK_TEXT(phase->from, "pretrain");
    CHECK(phase->teacher == NULL);
    CHECK(phase->says == 0x123456789abcdef0u);
    CHECK_INT(phase->batch, 8);
    CHECK_NEAR(phase->epochs, 2.5, 0);
    CHECK_NEAR(phase->label_amount, 0.1, 0);
    CHECK_INT(phase->groups[0].augment_count, 2);
    CHECK_NEAR(phase->groups[0].augment[1].args[3], 3.25, 0);
    CHECK_INT(phase->train.params[0].tensor.dims[1], 7);
    CHECK_NEAR(phase->train.params[0].scale, 0.02, 0);
    CHECK_INT(phase->train.imms[1], INT64_MIN);
    CHECK_TEXT(phase->train.steps[1].label, "second");
    CHECK_INT(phase->train.steps[1].flops, 7);
    CHECK_TEXT(phase->train.steps[1].file, "a.net");
    CHECK(phase->train.steps[0].file == NULL);
    CHECK_TEXT(phase->train.symbols[0], "kernel_0");
    CHECK_INT(phase->eval.step_count, 0);
    CHECK_INT(phase->chunk, 0);
    CHECK_INT(phase->train.chunks.count, 0);
    CHECK_INT(copy->phases[0].chunk, 4);
    CHECK_INT(copy->phases[0].train.chunks.end[PLAN_LOSS], 2);
    CHECK_INT(copy->phases[0].train.chunks.copies[0].whole, 64);
    CHECK_INT(copy->objects[0].size, 5);
    CHECK(memcmp(copy->objects[0].bytes, "\x7f\0\1\2\3", 5) == 0);

    // All that was written was read: writing the copy gives the same bytes.
    char *first, *second;
    int64_t first_size, second_size;
    CHECK_TEXT(program_write(copy, again).text, "");
    file_read(path, 1 << 20, &first, &first_size);
    file_read(again, 1 << 20, &second, &second_size);
    CHECK_INT(first_size, second_size);
    CHECK(memcmp(first, second, (size_t)first_size) == 0);
    free(first);
    free(second);
    program_free(program);
    program_free(copy);
}

TEST(artifact_without_phases_or_objects)
{
    char path[200];
    snprintf(path, sizeof path, "%s/a.simcc", test_folder());
    Program program = {.name = "", .source = "", .target = ""}, *copy;
    CHECK_TEXT(write_and_read(&program, path, &copy).text, "");
    CHECK_INT(copy->phase_count, 0);
    CHECK_INT(copy->object_count, 0);
    program_free(copy);
}

TEST(artifact_refuses_to_write_what_it_could_not_read)
{
    char path[200];
    snprintf(path, sizeof path, "%s/a.simcc", test_folder());
    Program program = {.name = "x", .source = "", .target = NULL};
    CHECK_INT(program_write(&program, path).code, STATUS_INTERNAL);
    CHECK(!file_exists(path));
}

TEST(artifact_of_another_version_says_so)
{
    char path[200], *bytes;
    int64_t size;
    snprintf(path, sizeof path, "%s/a.simcc", test_folder());
    Program *program = sample_program(), *copy;
    program_write(program, path);
    file_read(path, 1 << 20, &bytes, &size);
    bytes[8] = 99;
    file_write(path, bytes, size);
    Status status = program_read(path, &copy);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "version 99") != NULL);
    CHECK(copy == NULL);
    free(bytes);
    program_free(program);
}
