// The number of a validation that the scores of all its images give together:
// no report of a batch has it.
#ifndef SIMCC_RUNTIME_VALID_SCORES_H
#define SIMCC_RUNTIME_VALID_SCORES_H

#include "runtime/train/infer.h"

typedef struct ValidScores ValidScores;

// "mean_average_precision" where images have several classes, else
// "balanced_accuracy"; NULL where the phase's evaluation puts out no scores of
// the data's classes (plan_scores).
const char *valid_scores_name(const ProgramPhase *phase, const Dataset *data);

// Room for the validation part's scores. The phase has valid_scores_name, and
// with the data outlives it. STATUS_MEMORY for lack of memory.
Status valid_scores_new(const ProgramPhase *phase, const Dataset *data,
                        ValidScores **scores);
void valid_scores_free(ValidScores *scores);
// For evaluate_plan: forgets what came before.
InferSink valid_scores_sink(ValidScores *scores);
// Of the images that can be read and have a label; NaN where there are none.
Status valid_scores_number(ValidScores *scores, double *number);

#endif
