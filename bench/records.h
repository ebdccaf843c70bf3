// Lines of tab-separated words, as the measuring programs write them.
#ifndef SIMCC_BENCH_RECORDS_H
#define SIMCC_BENCH_RECORDS_H

#include "ir/base/vec.h"

typedef struct Record {
    VEC(const char *) words; // the first is the kind
} Record;
typedef VEC(Record) RecordList;

// The records of one kind in a file; none when the file is not there.
RecordList records_read(Arena *arena, const char *path, const char *kind);
// "" and 0 beyond the last word.
const char *record_text(const Record *record, int index);
double record_number(const Record *record, int index);

#endif
