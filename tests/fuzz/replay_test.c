// Replays the fuzzer's corpus: inputs that reached new code, and whatever once
// broke a reader.
#include <dirent.h>
#include <stdlib.h>

#include "runtime/base/file.h"
#include "tests/fuzz/fuzz.h"
#include "tests/harness.h"

typedef void FuzzFunction(const uint8_t *bytes, int64_t size);

static void replay(const char *target, FuzzFunction *function)
{
    char folder[200], path[512];
    fuzz_folder = test_folder();
    snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", target);
    DIR *files = opendir(folder);
    CHECK(files != NULL);
    int count = 0;
    for (struct dirent *file; files && (file = readdir(files));) {
        char *bytes = NULL;
        int64_t size = 0;
        if (file->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, file->d_name);
        CHECK_TEXT(file_read(path, 1 << 20, &bytes, &size).text, "");
        function((const uint8_t *)bytes, size);
        free(bytes);
        count++;
    }
    if (files)
        closedir(files);
    CHECK(count > 0);
}

#define FUZZ(target, what)                                                     \
    TEST(fuzz_corpus_of_##target)                                              \
    {                                                                          \
        replay(#target, fuzz_##target);                                        \
    }
#include "tests/fuzz/targets.def"
#undef FUZZ

// Else the fuzzer would not get behind the first fields. After a change of the
// format: simcc compile models/tour.net --target x86-64 -o, to these paths, the
// second with --set tour.chunk=2.
TEST(fuzz_corpus_has_artifacts_of_this_version)
{
    static const char *const paths[] = {"tests/fuzz/corpus/artifact/tour",
                                        "tests/fuzz/corpus/artifact/chunks"};
    fuzz_folder = test_folder();
    for (int i = 0; i < 2; i++) {
        char *bytes = NULL;
        int64_t size = 0;
        CHECK_TEXT(file_read(paths[i], 1 << 20, &bytes, &size).text, "");
        CHECK(fuzz_reads_artifact((const uint8_t *)bytes, size));
        free(bytes);
    }
}
