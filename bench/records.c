#include "bench/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static Record split_line(Arena *arena, char *line)
{
    Record record = {0};
    line[strcspn(line, "\n")] = 0;
    for (char *word = line; word;) {
        char *end = strchr(word, '\t');
        if (end)
            *end++ = 0;
        vec_push(arena, &record.words, arena_strdup(arena, word));
        word = end;
    }
    return record;
}

RecordList records_read(Arena *arena, const char *path, const char *kind)
{
    RecordList list = {0};
    char line[2048];
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        Record record = split_line(arena, line);
        if (strcmp(record.words.at[0], kind) == 0)
            vec_push(arena, &list, record);
    }
    if (file)
        fclose(file);
    return list;
}

const char *record_text(const Record *record, int index)
{
    return index < record->words.count ? record->words.at[index] : "";
}

double record_number(const Record *record, int index)
{
    return strtod(record_text(record, index), NULL);
}
