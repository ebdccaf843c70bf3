// A run, or an evaluation, by several processes of an MPI launcher: rank 0
// speaks and writes, the others keep quiet as long as all goes well. On one
// process these do nothing.
#ifndef SIMCC_CLI_TOGETHER_H
#define SIMCC_CLI_TOGETHER_H

#include "frontend/cli/cli.h"

// Joins the others. Those on one machine share its cores, unless --threads says
// how many each takes or the launcher bound them.
Status together_begin(Cli *cli);
// What this process came to before the work, which it can wait for the others
// to come to: STATUS_OK where all can go on.
int together_agree(const Cli *cli, int code);
// Says a line on standard error, with the process's number before it: what rank
// 0 does not know.
void together_tell(const char *line);
// The end, with the exit code: of all at once where one has failed.
int together_end(int code);

#endif
