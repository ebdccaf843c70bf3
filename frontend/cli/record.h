// What a run leaves behind so that it can be repeated and judged: OUT/about,
// OUT/log and OUT/card.md.
#ifndef SIMCC_FRONTEND_CLI_RECORD_H
#define SIMCC_FRONTEND_CLI_RECORD_H

#include "frontend/cli/job.h"
#include "runtime/monitor/notes.h"

// Writes OUT/about (versions, processor, data, settings, command) and opens
// OUT/log, where everything this process says from now on, and has said, goes
// too. `phases` are those that will run.
Status record_begin(const Job *job, int count, const int *phases);
// Writes OUT/card.md, the model card, from OUT/about and the states of the
// phases there.
Status record_card(const char *out);

// The number that tells how good a phase is: a test accuracy, else a test
// number, else the online probe's, else the contrastive accuracy. Returns its
// name, NULL when there is none.
const char *record_best_number(const Notes *state, double *value);

// Is the file what record_begin writes as OUT/about?
bool record_is_about(const char *path);
// Is it a run directory?
bool record_is_run(Arena *arena, const char *path);
// What phase directories are in OUT, in the program's order: names in `arena`.
typedef VEC(const char *) RecordPhases;
RecordPhases record_phases(Arena *arena, const char *out);
// The state of a phase; a phase said to be running in a directory nobody works
// in is "interrupted".
Status record_state(const char *out, const char *phase, Notes *state);

#endif
