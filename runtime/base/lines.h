// Lines as they come from a pipe or a terminal.
#ifndef SIMCC_RUNTIME_LINES_H
#define SIMCC_RUNTIME_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/status.h"

typedef struct LineReader {
    int descriptor;
    char *buffer; // what was read
    size_t room, begin, end;
    bool over; // nothing more comes
} LineReader;

// The next line without its end (\n or \r\n), valid until the next call; a last
// one may lack it. NULL at the end of the input and, unless it `waits`, when no
// whole line is there yet. STATUS_FAILED when reading fails, STATUS_DATA for a
// line of more than a million bytes, STATUS_MEMORY.
Status line_read(LineReader *reader, bool waits, char **line);
// Frees what it holds; the descriptor stays open.
void line_close(LineReader *reader);

#endif
