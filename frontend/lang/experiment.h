// What the front end makes of a .net file: parameters, and for each phase its
// graphs (forward, backward, optimizer) and settings. No AST beyond this point.
#ifndef SIMCC_FRONTEND_LANG_EXPERIMENT_H
#define SIMCC_FRONTEND_LANG_EXPERIMENT_H

#include <stdbool.h>

#include "ir/base/diag.h"
#include "ir/graph.h"

// `--set name=value` ("width=2", "finetune.batch=64").
typedef struct Setting {
    const char *name, *value;
    bool used; // set by the front end, and so is
    // whether one of the wanted phases has looked at it, or may have: one that
    // starts from or is taught by a phase that is not wanted.
    bool read;
} Setting;

typedef struct ExperimentParam {
    const char *name;
    const char *value; // printed, resolved
    const char *range; // "in [18, 34, 50]" or ""
    const char *doc;   // the comment behind it, or ""
    bool from_command_line;
} ExperimentParam;

// An augmentation operation, args resolved in the order of augment.def. Where
// it has other steps, these follow it in the list; its first argument counts
// them.
typedef struct ExperimentAugment {
    const char *name;
    int arg_count;
    const double *args;  // a word's place
    const char *printed; // as one would write it, with its steps; NULL where it
                         // belongs to another
} ExperimentAugment;

typedef VEC(ExperimentAugment) ExperimentAugments;

typedef enum ImageSource {
    IMAGES_UNLABELED,      // all of them, labels unseen
    IMAGES_LABELED,        // those with labels
    IMAGES_PARTLY_LABELED, // all of them, labels where they are seen, else -1
    IMAGES_MULTI_LABELED,  // those with labels, of which each may have several
} ImageSource;

// Are they images that have labels alone?
static inline bool source_is_labeled(ImageSource source)
{
    return source == IMAGES_LABELED || source == IMAGES_MULTI_LABELED;
}

typedef enum LabelAmount {
    AMOUNT_ALL,
    AMOUNT_FRACTION,
    AMOUNT_PER_CLASS
} LabelAmount;

// Views of each image with a size and pipelines of their own; the graphs' input
// of them is images_name(its place).
enum { VIEW_GROUPS = 8 };
typedef struct ExperimentViews {
    int views;
    int size; // pixels, of both sides
    ExperimentAugments augment, evaluate;
} ExperimentViews;

typedef struct ExperimentPhase {
    const char *name;
    SourcePos pos;
    const char *from;        // phase name or file path, or NULL
    const char *from_only;   // comma-separated globs or NULL
    const char *from_except; // comma-separated globs or NULL
    const char *teacher;     // phase name or NULL
    int batch;
    int channels;    // of its images
    bool bf16;       // activations are stored so
    int group_count; // of views
    ExperimentViews groups[VIEW_GROUPS];
    int ranks; // that share a batch of the training
    int chunk; // images at a time in a step; 0 = the whole batch at once
    double epochs;
    int64_t steps;
    ImageSource source;
    LabelAmount amount_rule; // of the labels seen
    double amount;
    bool balanced;  // training has each class as often as the others
    int classes;    // the param `classes` when the phase reads labels, else 0
    Graph *forward; // the loss and reports only, before gradients
    Graph *train;   // the whole step; options.phases. In chunks, what it does
                    // once between two passes over them: loss, reports, its
                    // gradients by the embeddings
    // The rest of a step in chunks; else NULL.
    Graph *embed;    // of a chunk: the embeddings
    Graph *backward; // of a chunk: its share of the weights' gradients; NULL
                     // where the embeddings have none
    Graph *update;   // the optimizers
    Graph *eval;     // training = false; NULL when nothing to evaluate
    Graph *value;    // options.value_name or .features_name without training;
                     // NULL = not asked for
    int value_rows;  // images at a time in it
    // What the program says to it, program_text.h: what must be the same where
    // it goes on. NULL where the program is too long for one file.
    const char *says;
} ExperimentPhase;

typedef struct Experiment {
    const char *name; // file name without folder and extension
    const char *path;
    VEC(ExperimentParam) params;
    VEC(ExperimentParam) settings; // of phases, as "pretrain.batch"
    VEC(ExperimentPhase) phases;
    const char *resolved; // `simcc show`: source text with all values resolved
} Experiment;

// The name of the input of a group's images: "images", "images.1", ...
static inline const char *images_name(Arena *arena, int group)
{
    return group ? arena_printf(arena, "images.%d", group) : "images";
}

// Views of an image, of all groups.
static inline int experiment_views(const ExperimentPhase *phase)
{
    int views = 0;
    for (int i = 0; i < phase->group_count; i++)
        views += phase->groups[i].views;
    return views;
}

// No report's name begins with it: those are identifiers.
#define SCORES_PREFIX "scores."

typedef struct LangOptions {
    DType dtype; // element type of all tensors: DT_F32 or DT_F64
    // What activations are stored in: "f32" or "bf16"; NULL = as the program's
    // param `precision` says.
    const char *precision;
    int ranks; // processes; 1
    int setting_count;
    Setting *settings;
    // The phases whose graphs are wanted; 0 = all. Of each other one `train` is
    // the forward half, for its weights and errors; the rest may be missing.
    int phase_count;
    const char *const *phases;
    // Also make a graph of one named value of one phase; NULL = none.
    const char *value_phase, *value_name;
    int value_rows; // images at a time of it; 0 = the phase's batch, at most 64
    // Without a value: also make a graph of this named value for every phase
    // of several views that has it; NULL = none.
    const char *features_name;
    // Evaluations also put out this named value, as SCORES_PREFIX and its name,
    // where it is a row of numbers for each image; NULL = none.
    const char *scores_name;
    bool check_only; // graphs are still built, gradients included
} LangOptions;

// Reads, parses and elaborates a program. NULL when there were errors, which
// are in `diags`. Everything lives in `arena`.
Experiment *lang_load(Arena *arena, const char *path,
                      const LangOptions *options, DiagList *diags);
// Is the line, of `length` bytes, of Experiment.resolved the title of an
// imported file, a comment with its path?
bool lang_is_title(const char *line, size_t length);

// Adds path and text of the program's files, as far as they decide what is made
// of it. False when they cannot be read or parsed.
bool lang_add_sources(Arena *arena, const char *path, Text *text);

// The folder of the programs that come with simcc; NULL when it is not there.
const char *lang_models(Arena *arena);

// The tree as text, for --emit=ast. NULL after a syntax error.
const char *lang_dump_ast(Arena *arena, const char *path, DiagList *diags);

#endif
