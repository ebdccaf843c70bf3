// The text of a list of files as a table of cells.
#ifndef SIMCC_RUNTIME_LIST_TEXT_H
#define SIMCC_RUNTIME_LIST_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef enum ListCut {
    LIST_COMMAS,
    LIST_SEMICOLONS,
    LIST_TABS,
    LIST_SPACES, // the first cell reaches to an image's extension, and may have
                 // spaces before that
    LIST_WORDS,  // spaces and tabs, none in a cell
    LIST_CUTS
} ListCut;

enum { LIST_COLUMNS = 64 }; // that are looked at

typedef struct ListRow {
    int64_t first; // its cells begin there
    int count;
    int64_t line;  // in the file, from 1
    bool nameless; // LIST_SPACES: no image's extension, cut as words
} ListRow;

typedef struct ListText {
    const char *path; // of the file, for messages
    char *text;       // the cells point into it
    ListCut cut;
    char **cells;
    int64_t cell_count, cell_room;
    ListRow *rows;
    int64_t count, row_room;
} ListText;

// Reads a file and cuts its lines, empty ones left out, in the way that yields
// most files in `folder` among its first lines. STATUS_DATA, with the line,
// when a line cannot be cut, or the file is no UTF-8 text with \n or \r\n at
// the ends of lines.
Status list_text_read(const char *path, const char *folder, ListText *list);
void list_text_free(ListText *list);

// "" when the row has not so many.
const char *list_cell(const ListText *list, const ListRow *row, int column);
// Is there a regular file of that name in the folder?
bool list_names_file(const char *folder, const char *name);
Status list_bad_line(const ListText *list, int64_t line, const char *reason);

// Why text of `size` bytes is no list, as a sentence without its subject; NULL
// when nothing speaks against it. *line is where, 0 = everywhere.
const char *list_text_fault(const char *text, int64_t size, int64_t *line);
// Takes the next line off *rest, without its end; NULL when there is none.
char *list_next_line(char **rest);

#endif
