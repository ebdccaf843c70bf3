// The tables of commands and options as manual pages and as completion for
// shells.
#ifndef SIMCC_CLI_MANUAL_H
#define SIMCC_CLI_MANUAL_H

#include <stdio.h>

#include "frontend/cli/cli.h"

// Pages of section 1 for man: simcc.1, and of one command simcc-NAME.1.
void manual_overview(FILE *out);
void manual_command(const Command *command, FILE *out);
// Files that shells read.
void manual_bash(FILE *out);
void manual_zsh(FILE *out);
void manual_fish(FILE *out);

#endif
