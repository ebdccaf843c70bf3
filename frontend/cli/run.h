// What `simcc sweep` asks of the runs that it will start.
#ifndef SIMCC_FRONTEND_CLI_RUN_H
#define SIMCC_FRONTEND_CLI_RUN_H

#include "frontend/cli/job.h"

// Could the phases that the command line names be trained: is there what they
// start from, can they be validated by what --best names, and gone on with? The
// job is open, if only by job_check. Writes nothing.
Status run_check(Job *job);

#endif
