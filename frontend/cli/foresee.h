// What a program will do that its author may not have meant, seen in its graphs
// before the first step.
#ifndef SIMCC_CLI_FORESEE_H
#define SIMCC_CLI_FORESEE_H

#include "frontend/cli/compiler.h"
#include "frontend/cli/job.h"

// Warns of warm-ups that outlast their phase, of batch norms over one row and
// of norms that move although their weights are frozen, for the phases that
// are to be run. Wants the graphs as they were before any pass.
void foresee(const Job *job, const Compiler *compiler);

#endif
