#include "frontend/cli/csv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void csv_text(FileWriter *file, const char *text)
{
    file_put(file, text, (int64_t)strlen(text));
}

void csv_field(FileWriter *file, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        csv_text(file, text);
        return;
    }
    csv_text(file, "\"");
    for (; *text; text++)
        csv_text(file, *text == '"' ? "\"\"" : (char[]){*text, '\0'});
    csv_text(file, "\"");
}

void csv_number(FileWriter *file, double number, int digits)
{
    char text[40];
    snprintf(text, sizeof text, ",%.*g", digits, number);
    csv_text(file, text);
}
