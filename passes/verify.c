// Checks what the front end made, before any pass relies on it.
#include "ir/base/diag.h"
#include "ir/text_form.h"
#include "passes/all.h"

void pass_verify(Graph *graph, const PassContext *context)
{
    Arena *scratch = context->scratch;
    const char *wrong = graph_verify(graph, scratch);
    if (wrong)
        INTERNAL_ERROR("graph \"%s\": %s", graph->name, wrong);
}
