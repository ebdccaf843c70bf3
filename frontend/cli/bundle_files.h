// Files that lie inside simcc: what every library of `simcc bundle` contains.
#ifndef SIMCC_CLI_BUNDLE_FILES_H
#define SIMCC_CLI_BUNDLE_FILES_H

#define BUNDLE_FILE(name) extern const char name[], name##_end[];
BUNDLE_FILE(bundle_runtime_o)
BUNDLE_FILE(bundle_picture_o)
BUNDLE_FILE(bundle_simcc_h)
BUNDLE_FILE(bundle_example_c)
BUNDLE_FILE(bundle_example_mk)
#undef BUNDLE_FILE

#endif
