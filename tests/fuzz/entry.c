// The fuzzer's entry for one target, -DTARGET=fuzz_net; see tests/fuzz/run.sh,
// which names a folder for files in FUZZ_FILES.
#include <stddef.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (!fuzz_folder)
        fuzz_folder = getenv("FUZZ_FILES");
    TARGET(bytes, (int64_t)size);
    return 0;
}
