// What an optimizer may ask of all trained weights, beside its own.
#include "frontend/lang/builtins_tensor.h"
#include "frontend/lang/elaborate.h"

Datum builtin_weight_names(Sema *s, const Call *call)
{
    const Build *build = s->build;
    if (!build->trained)
        return sema_fail(s, call->pos,
                         "`weight_names` is for optimizers: which weights are "
                         "trained is known there");
    return *build->trained;
}

// Summed in the order of the weights' declarations, once for all of them.
Datum builtin_global_norm(Sema *s, const Call *call)
{
    Build *build = s->build;
    Site site = call_site(s, call);
    if (!build->gradients)
        return sema_fail(s, call->pos,
                         "`global_norm` is for the body of an optimizer: there "
                         "are gradients there");
    if (build->global_norm.kind == DATUM_TENSOR)
        return build->global_norm;
    Datum sum = datum_float(0);
    for (int i = 0; i < build->gradient_count; i++) {
        Datum g = datum_tensor(build->gradients[i]);
        if (train_is_zero(build->graph, g.tensor))
            continue;
        Datum part = tensor_binary(s, &site, OP_MUL, g, g);
        if (part.kind == DATUM_TENSOR)
            part = tensor_reduce(s, &site, OP_REDUCE_SUM, part.tensor, 0, NULL,
                                 false);
        if (part.kind == DATUM_TENSOR)
            sum = tensor_binary(s, &site, OP_ADD, sum, part);
        if (part.kind != DATUM_TENSOR || sum.kind != DATUM_TENSOR)
            return datum_poison();
    }
    // An optimizer runs where some gradient is not zero.
    return build->global_norm = tensor_unary(s, &site, OP_SQRT, sum.tensor);
}
