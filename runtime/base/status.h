// The runtime returns status codes and never exits; the command line turns
// them into exit codes.
#ifndef SIMCC_RUNTIME_STATUS_H
#define SIMCC_RUNTIME_STATUS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum StatusCode {
    STATUS_OK = 0,
    STATUS_FAILED = 1,   // something the user can mend
    STATUS_USAGE = 2,    // wrong command line
    STATUS_SOURCE = 3,   // errors in the .net source
    STATUS_DATA = 4,     // bad or missing data
    STATUS_DIVERGED = 5, // NaN or infinity in training
    STATUS_MEMORY = 6,   // does not fit
    STATUS_INTERNAL = 70,
} StatusCode;

enum { STATUS_TEXT_SIZE = 1024 };

// A failure and one sentence about it: path, reason, what to do.
typedef struct Status {
    StatusCode code;
    char text[STATUS_TEXT_SIZE];
    // The text asks for another --set, which a program that is compiled already
    // does not take.
    bool wants_setting;
} Status;

static inline Status status_ok(void)
{
    return (Status){.code = STATUS_OK};
}
Status status_error(StatusCode code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// What a word of a sentence gets behind a number of things: "" or "s".
static inline const char *status_s(int64_t count)
{
    return count == 1 ? "" : "s";
}

// Leaves the calling function with the status when it is a failure.
#define TRY(expression)                                                        \
    do {                                                                       \
        Status try_ = (expression);                                            \
        if (try_.code != STATUS_OK)                                            \
            return try_;                                                       \
    } while (0)

#endif
