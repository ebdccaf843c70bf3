#include "runtime/base/status.h"

#include <stdarg.h>
#include <stdio.h>

Status status_error(StatusCode code, const char *format, ...)
{
    Status status = {.code = code};
    va_list args;
    va_start(args, format);
    vsnprintf(status.text, sizeof status.text, format, args);
    va_end(args);
    return status;
}
