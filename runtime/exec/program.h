// A compiled experiment: what `simcc compile` writes and `simcc run` executes.
// Owns everything it points to; freed by program_free.
#ifndef SIMCC_RUNTIME_PROGRAM_H
#define SIMCC_RUNTIME_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/status.h"
#include "runtime/exec/code.h"
#include "runtime/exec/cpu.h"
#include "runtime/exec/plan.h"

// One augmentation operation with its resolved parameters, in the order of
// its row in augment.def.
enum { AUGMENT_MAX_ARGS = 8 };
typedef struct AugmentStep {
    int32_t op; // AugmentOp
    double args[AUGMENT_MAX_ARGS];
} AugmentStep;

typedef enum PhaseSource {
    SOURCE_UNLABELED,      // every training image, labels unseen
    SOURCE_LABELED,        // the labelled part of the training images
    SOURCE_PARTLY_LABELED, // every training image; -1 where no label is seen
    SOURCE_MULTI_LABELED, // as SOURCE_LABELED, several classes an image: labels
                          // are rows of a 0 or 1 for each class
} PhaseSource;

// How many labels a phase may see.
typedef enum LabelRule {
    LABELS_ALL,
    LABELS_FRACTION, // label_amount in (0, 1]: that share of each class
    LABELS_PER_CLASS // label_amount images of each class
} LabelRule;

// Views of each image that have a size and pipelines in common: an input of the
// plans.
enum { MAX_VIEW_GROUPS = 8 };
typedef struct ViewGroup {
    int32_t views;         // per image; the input has a batch of rows for each:
                           // all first views, then all second views, ...
    int32_t height, width; // pixels
    int32_t augment_count, evaluate_count;
    AugmentStep *augment;  // training pipeline
    AugmentStep *evaluate; // evaluation pipeline; count 0 = phase has none
} ViewGroup;

typedef struct ProgramPhase {
    char *name;
    char *from; // phase name or .safetensors path this starts from, or NULL
    char *from_only;   // comma-separated globs: load only these; NULL = all
    char *from_except; // comma-separated globs: do not load these; NULL = none
    char *ways;        // to compute convolutions, as measured and kept for
                       // resuming; NULL = all by the rule
    char *teacher;     // phase whose result the "teacher." params hold, or NULL
    uint64_t says;     // hash of what the program says to it, which must be
                       // the same where it goes on; 0 = not known
    int32_t batch;
    int32_t ranks;       // processes that share each batch of the training; 0
                         // or 1: it is one's own
    int32_t chunk;       // images that all ranks take at a time in `train`
                         // and `eval`; 0 = `batch`
    int32_t group_count; // of views, 1 and more
    ViewGroup groups[MAX_VIEW_GROUPS];
    double epochs;      // 0 when `steps` is given
    int64_t steps;      // 0 when `epochs` is given
    int32_t source;     // PhaseSource
    int32_t label_rule; // LabelRule
    double label_amount;
    int32_t balanced; // 1: training has each class as often as the others
    int32_t channels; // of its images
    int32_t classes;  // 0 when the phase has no labels
    // PlanDType that activations are stored in: PLAN_BF16, or PLAN_F32, which
    // stands for Program.dtype.
    int32_t precision;
    Plan train; // of a phase that was not compiled, params alone; inputs:
                // phase_images(0) and of further groups, maybe "labels",
    // "step", "total_steps", "epoch_steps", "image_count"
    // (scalars), "class_counts" [classes], "random"
    // (random_key.h); outputs: "loss", reports. In chunks,
    // images are a chunk's, "labels" all; with several ranks,
    // "random.batch" is of what is of all, "random" a chunk's
    Plan eval;     // step_count 0 when the phase has no evaluation.
                   // outputs: as train's; [batch] ones are per example;
                   // maybe "scores.NAME" [batch, classes], no report
    Plan features; // of the online probe: its one output is the value `h` of
                   // plain images; step_count 0 when there is none
} ProgramPhase;

typedef struct Program {
    char *name;       // of the source file
    char *source;     // the program with every parameter resolved
    char *parameters; // "name = value" lines
    char *target;     // CPU name and features the objects were made for
    CpuSet needs;     // of the processor that is to run the objects
    int32_t sums;     // PlanSums
    int32_t dtype;    // PlanDType of weights and activations
    int32_t phase_count, object_count;
    ProgramPhase *phases;
    CodeObject *objects;
} Program;

void program_free(Program *program);

// What a param of PLAN_INIT_COPY begins as: the name that follows the first dot
// of its own ("conv1.weight" of "ema.conv1.weight"); "" when there is no dot.
const char *plan_copied(const PlanParam *param);
// Are shape, type and order of elements those of the other?
bool plan_params_alike(const PlanParam *one, const PlanParam *other);
// The phase or input of that name; NULL when there is none.
const ProgramPhase *program_phase(const Program *program, const char *name);
const PlanPort *plan_input(const Plan *plan, const char *name);
// Processes that share a batch, at least 1.
int phase_ranks(const ProgramPhase *phase);
// Does it train on images that have labels alone?
static inline bool phase_is_labeled(const ProgramPhase *phase)
{
    return phase->source == SOURCE_LABELED ||
           phase->source == SOURCE_MULTI_LABELED;
}
// Numbers of its input "labels" for each image: its class, or a 0 or 1 for
// each.
int phase_label_width(const ProgramPhase *phase);
// How many images the phase's plans take at a time: one rank's.
int phase_rows(const ProgramPhase *phase);
// The name of the input of a group's images: "images", "images.1", ...
const char *phase_images(int group);
// Views of an image, of all groups.
int phase_views(const ProgramPhase *phase);
// Has a tensor of so many rows one for each of `images` images, or for each of
// their views of one group, or of all?
bool phase_has_rows(const ProgramPhase *phase, int64_t rows, int64_t images);
// The first group of images of that side; the first of all where there is none.
const ViewGroup *phase_group_of(const ProgramPhase *phase, int64_t height);
// How often a step of a plan reads its images: 2 when it goes through the
// chunks twice.
int plan_passes(const Plan *plan);

// STATUS_DATA when an index or offset of the plan is out of range, or a step
// calls a runtime function with another number of arguments than it has.
Status plan_check(const Plan *plan);
int plan_dtype_bytes(int dtype); // 0 = no PlanDType
int64_t plan_elements(const PlanTensor *tensor);
// "fast", "strict" or "plain", by PlanSums.
const char *plan_sums_word(int32_t sums);
// False when the word (it may be NULL) is none of them.
bool plan_sums_by_word(const char *word, int32_t *sums);
// "[64,3,7,7]", cut off at `size` bytes.
void plan_shape_text(int rank, const int64_t *dims, char *text, size_t size);

enum { PROGRAM_VERSION = 18 }; // of artifact files

// Artifact files: "SIMCCART", version, then checksummed sections; see
// docs/formats.md. Written atomically. Reading trusts no size in the file.
Status program_write(const Program *program, const char *path);
// The same in memory; *bytes is malloc'ed. `name` is what errors call it.
Status program_encode(const Program *program, const char *name,
                      unsigned char **bytes, int64_t *size);
Status program_decode(const char *name, const unsigned char *bytes,
                      int64_t size, Program **program);
Status program_read(const char *path, Program **program);

#endif
