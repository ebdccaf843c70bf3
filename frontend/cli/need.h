// How much memory a phase takes, asked of the compiler before any run.
#ifndef SIMCC_FRONTEND_CLI_NEED_H
#define SIMCC_FRONTEND_CLI_NEED_H

#include "frontend/cli/compiler.h"

// Bytes of weights, a step, or an evaluation after the last one (beside the
// steps where the phase is validated), and two batches of images in the making.
// Plans without steps need nothing.
int64_t plans_need(const Plan *train, const Plan *eval, const Plan *features,
                   int threads, bool validates);

// The same for a phase of the program as the compiler would make it with these
// settings more; -1 when it does not compile with them. A second or two for a
// large net.
int64_t need_with(const Compiler *compiler, const char *phase, int count,
                  const Setting *more);

#endif
