// What a run says while it goes on and when a phase ends.
#ifndef SIMCC_FRONTEND_CLI_PROGRESS_H
#define SIMCC_FRONTEND_CLI_PROGRESS_H

#include "frontend/cli/job.h"

// TrainOptions.progress and .message; the context is the Job. On a terminal
// progress is one line, rewritten; elsewhere a line every few seconds.
void progress_tell(void *context, const TrainProgress *progress);
void progress_message(void *context, const char *text);
// TrainOptions.unreadable: heard of every process.
void progress_unreadable(void *context, const char *text);
// TrainOptions.warn: stays under --quiet.
void progress_warn(void *context, const char *text);
// TrainOptions.explain: stays under --quiet, as the error it belongs to.
void progress_explain(void *context, const char *text);

#endif
