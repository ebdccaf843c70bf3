// Tables of commas.
#ifndef SIMCC_FRONTEND_CSV_H
#define SIMCC_FRONTEND_CSV_H

#include "runtime/base/file.h"

// Errors are kept for file_commit.
void csv_text(FileWriter *file, const char *text);
// Quoted where a comma, quote or line end would break the table.
void csv_field(FileWriter *file, const char *text);
// A comma and the number, of so many significant digits.
void csv_number(FileWriter *file, double number, int digits);

#endif
