#include "codegen/plan/epilogue.h"

#include "codegen/codegen_impl.h"
#include "codegen/plan/lower.h"

void epilogue_text(Text *text, const Epilogue *epilogue)
{
    for (int i = 0; i < epilogue->exprs.count; i++) {
        const EpilogueExpr *e = &epilogue->exprs.at[i];
        text_addf(text, ", e%d %s = ", i, dtype_name(e->dtype));
        switch (e->kind) {
        case EPILOGUE_SUM:
            text_add(text, "sum");
            break;
        case EPILOGUE_CONST:
            text_addf(text, "const %a", e->value);
            break;
        case EPILOGUE_EACH:
            text_addf(text, "each a%d", e->operand);
            break;
        case EPILOGUE_CHANNEL:
            text_addf(text, "channel a%d by %lld", e->operand,
                      (long long)e->stride);
            break;
        case EPILOGUE_OP:
            text_add(text, op_info(e->op)->text);
            for (int j = 0; j < op_info(e->op)->input_count; j++)
                text_addf(text, " e%d", e->in[j]);
            break;
        }
    }
}

// ---- of a group -------------------------------------------------------------

// In the making. Expressions are those of values by Lowering.expr.
typedef struct Builder {
    Lowering *lower;
    const TensorType *type; // of the convolution
    Epilogue *epilogue;
    LowerEpilogue *made;
} Builder;

static int add_expr(Builder *b, EpilogueExpr expr)
{
    vec_push(b->lower->codegen->arena, &b->epilogue->exprs, expr);
    return b->epilogue->exprs.count;
}

static int find_operand(Builder *b, const Access *access)
{
    StepArg arg = {access->place, access->offset * dtype_size(DT_F32), false,
                   false};
    for (int i = 0; i < b->made->operands.count; i++) {
        const StepArg *old = &b->made->operands.at[i];
        if (old->place.kind == arg.place.kind &&
            old->place.index == arg.place.index &&
            old->place.offset == arg.place.offset && old->offset == arg.offset)
            return i;
    }
    vec_push(b->lower->arena, &b->made->operands, arg);
    return b->made->operands.count - 1;
}

// Whether an access of a blocked image walks it as the strides do, along axes
// that are any longer than 1.
static bool walks(const TensorType *type, const Access *access,
                  const int64_t *strides)
{
    for (int d = 0; d < type->rank; d++)
        if (type->dims[d] != 1 && access->strides[d] != strides[d])
            return false;
    return true;
}

// 1 + the expression of a value from outside; 0: there is none.
static int add_operand(Builder *b, Value value)
{
    Access access = value_access(b->lower, value);
    EpilogueExpr expr = {.dtype = access.dtype};
    int64_t each[MAX_RANK], channel[MAX_RANK] = {0};
    if (access.kind == EXPR_CONST) {
        expr.kind = EPILOGUE_CONST;
        expr.value = access.value;
        return add_expr(b, expr);
    }
    if (access.kind != EXPR_LOAD || access.dtype != DT_F32 ||
        access.place.kind == PLACE_NONE)
        return 0;
    strides_row_major(b->type->rank, b->type->dims, each);
    channel[1] = access.strides[1];
    channel[4] = 1;
    if (walks(b->type, &access, channel)) {
        expr.kind = EPILOGUE_CHANNEL;
        expr.stride = access.strides[1];
    } else if (walks(b->type, &access, each) && access.offset == 0 &&
               access.place.offset == 0) {
        expr.kind = EPILOGUE_EACH;
    } else {
        return 0;
    }
    expr.operand = find_operand(b, &access);
    return add_expr(b, expr);
}

static bool add_node(Builder *b, Value value)
{
    const Node *node = graph_node(b->lower->graph, value);
    EpilogueExpr expr = {
        .kind = EPILOGUE_OP, .dtype = node->type.dtype, .op = node->op};
    if ((expr.dtype != DT_F32 && expr.dtype != DT_BOOL) ||
        op_info(node->op)->lower != LOWER_MAP || node->op == OP_ASSIGN ||
        !type_same_dims(&node->type, b->type))
        return false;
    for (int i = 0; i < node->input_count; i++) {
        int *known = &b->lower->expr[node->inputs[i]];
        int in = *known ? *known : add_operand(b, node->inputs[i]);
        if (!in)
            return false;
        expr.in[i] = in - 1;
    }
    b->lower->expr[value] = add_expr(b, expr);
    return true;
}

LowerEpilogue *epilogue_of(Lowering *lower, const Members *group)
{
    int count = group->nodes.count;
    Value anchor = group->nodes.at[0], result = group->nodes.at[count - 1];
    const TensorType *type = graph_type(lower->graph, anchor);
    int stored = 0;
    for (int i = 0; i < count; i++)
        stored += lower->needs_buffer[group->nodes.at[i]];
    if (count < 2 || stored != 1 || !lower->needs_buffer[result] ||
        graph_type(lower->graph, result)->dtype != DT_F32 ||
        type->dtype != DT_F32 || type->form != FORM_BLOCKED)
        return NULL;
    LowerEpilogue *made = ARENA_NEW(lower->arena, LowerEpilogue);
    Epilogue *epilogue = ARENA_NEW(lower->codegen->arena, Epilogue);
    Builder b = {lower, type, epilogue, made};
    lower->expr[anchor] =
        add_expr(&b, (EpilogueExpr){.kind = EPILOGUE_SUM, .dtype = DT_F32});
    bool good = true;
    for (int i = 1; i < count && good; i++)
        good = add_node(&b, group->nodes.at[i]);
    for (int i = 0; i < count; i++)
        lower->expr[group->nodes.at[i]] = 0;
    epilogue->operand_count = made->operands.count;
    made->epilogue = epilogue;
    made->result = result;
    made->label = value_group_label(lower, count, group->nodes.at);
    return good ? made : NULL;
}
