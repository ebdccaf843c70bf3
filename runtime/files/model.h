// Models: weights on disk, against what a program wants. Every loading of
// weights compares names and shapes first, and can say what differs.
#ifndef SIMCC_RUNTIME_MODEL_H
#define SIMCC_RUNTIME_MODEL_H

#include <stddef.h>

#include "runtime/exec/program.h"
#include "runtime/exec/store.h"
#include "runtime/files/rename.h"

enum {
    MODEL_SHOWN = 10,  // differences of a kind that are listed
    MODEL_LINE = 256,  // bytes of one of them
    MODEL_TEXT = 16384 // bytes of the whole table
};

// What a model says about itself.
typedef struct ModelInfo {
    const char *program, *phase;
    const char *parameters; // "name = value" lines; NULL = none
    const char *classes;    // names of the classes, a line each; NULL = none
    const char *data;       // "held_out = 0.2" and "seed = 0" lines, of images
                            // that were not trained on; NULL = none
    int64_t step;
} ModelInfo;

// Writes weights and running state, atomically, with metadata that other
// programs expect ("format": "pt").
Status model_save(const char *path, const Store *store, const ModelInfo *info);

typedef enum ModelDifference {
    MODEL_MISSING,   // in the program only
    MODEL_EXTRA,     // in the file only
    MODEL_SHAPE,     // in both, with other shapes
    MODEL_PARAMETER, // a parameter of the program with another value
    MODEL_DIFFERENCES
} ModelDifference;

typedef struct ModelReport {
    int matched;
    int counters; // torchvision's num_batches_tracked, which nothing here needs
    int slots;    // an optimizer's tensors and a trainer's notes
    int copies;   // tensors of another copy of the net: a moving average
    char names[MODEL_LINE]; // whose names the file has, found without a map
    const char *notes[2];   // what besides names is other there, or NULL
    int counts[MODEL_DIFFERENCES];
    char lines[MODEL_DIFFERENCES][MODEL_SHOWN][MODEL_LINE];
    // Extra tensors of modules that the program has too ("layer" of
    // layer4.2.conv1.weight): another network, not a larger file.
    int strange;
} ModelReport;

// What model_load does with the names it meets.
typedef struct ModelFilter {
    const char *only;   // comma-separated globs: load these alone; NULL = all
    const char *except; // comma-separated globs: not these; NULL = none
    const char *prefix; // of the store's names, absent in the file ("teacher.")
    int32_t role;       // load PLAN_FROZEN tensors, or all others but slots
    const Renames *renames; // of the file's names; NULL = found by themselves
    const Plan *known;      // its tensors are not extra; NULL = none
    const char *parameters; // the program's, to compare; NULL = none
    bool new_classes;       // another program's classifier of other classes is
                            // missing, not of another shape
} ModelFilter;

// Loads the store's tensors from a file of tensors.h by name, converting F16,
// BF16, F32 and F64 to the store's type. Nothing is loaded when a shape
// differs: STATUS_DATA, with one sentence; the report is complete then too.
// The caller judges what is missing or extra.
Status model_load(const char *path, Store *store, const ModelFilter *filter,
                  ModelReport *report);

// Compares a file with the weights and running state of a plan, by their names
// here.
Status model_compare(const char *path, const Plan *plan, const char *parameters,
                     ModelReport *report);

// The parameters a model was made with, lines "name = value": malloc'ed; NULL
// when it does not say. Of another program's file they are those of the ResNet
// it holds, if it is one. STATUS_DATA or STATUS_FAILED when the file cannot be
// read.
Status model_parameters(const char *path, char **lines);
// The same of other programs' files alone: NULL for our own.
Status model_recognized(const char *path, char **lines);
// The value of one of them, cut off at `size` bytes; "" when it is not there.
void model_parameter(const char *lines, const char *name, char *value,
                     size_t size);
// What a model's file says of itself under that key: malloc'ed, NULL when it
// says nothing.
Status model_note(const char *path, const char *key, char **lines);
// The names of its classes, a line each.
static inline Status model_classes(const char *path, char **lines)
{
    return model_note(path, "classes", lines);
}
// The phase that it was trained by.
static inline Status model_phase(const char *path, char **name)
{
    return model_note(path, "phase", name);
}
// ModelInfo.data of it, for model_parameter.
static inline Status model_data(const char *path, char **lines)
{
    return model_note(path, "data", lines);
}

// Do names and shapes agree?
bool model_agrees(const ModelReport *report);
// "2 tensors missing (fc.weight, ...), 1 of another shape (...)"
void model_report_sentence(const ModelReport *report, char *text, size_t size);
// The table of what matched and what differs: lines without a newline at the
// end.
void model_report_table(const ModelReport *report, char text[MODEL_TEXT]);

// Is a tensor of that name in checkpoints alone: an optimizer's, or a moving
// average's?
bool model_leaves_out(const char *name);

// Is a tensor of that name the last layer's, which tells classes apart: fc, or
// what classifier_name of models/lib/nets.net says?
bool model_is_classifier(const char *name);

// Does `name` match one of the comma-separated globs (`*`, `?`)?
bool name_matches(const char *globs, const char *name);

#endif
