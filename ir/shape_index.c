// Shape rules of rows taken by their numbers and of images of other sizes.
#include <string.h>

#include "ir/image.h"
#include "ir/shape_rules.h"

// Rows of the table `x` for each of `numbers`, of one float type.
static const char *want_numbers(const Graph *graph, const Node *node)
{
    const TensorType *x = shape_input(graph, node, 0);
    const TensorType *numbers = shape_input(graph, node, 1);
    if (x->dtype != numbers->dtype || !dtype_is_float(x->dtype))
        return shape_error(graph, node, "needs one float type, not %s and %s",
                           shape_text(graph, node, 0),
                           shape_text(graph, node, 1));
    if (x->form != FORM_PLAIN || numbers->form != FORM_PLAIN)
        return shape_error(graph, node, "needs plain tensors, not %s and %s",
                           shape_text(graph, node, 0),
                           shape_text(graph, node, 1));
    return NULL;
}

const char *shape_take(const Graph *graph, Node *node)
{
    const TensorType *x = shape_input(graph, node, 0);
    const TensorType *numbers = shape_input(graph, node, 1);
    const char *error = want_numbers(graph, node);
    if (error)
        return error;
    if (x->rank == 0)
        return shape_error(graph, node, "a scalar has no rows");
    if (numbers->rank + x->rank - 1 > MAX_RANK)
        return shape_error(
            graph, node, "rows of %s for each of %s have more than %d axes",
            shape_text(graph, node, 0), shape_text(graph, node, 1), MAX_RANK);
    node->type = *numbers;
    for (int i = 1; i < x->rank; i++)
        node->type.dims[node->type.rank++] = x->dims[i];
    return NULL;
}

const char *shape_take_grad(const Graph *graph, Node *node)
{
    const TensorType *dy = shape_input(graph, node, 0);
    const TensorType *numbers = shape_input(graph, node, 1);
    int64_t count = node->attrs[COUNT_COUNT].i;
    const char *error = want_numbers(graph, node);
    if (error)
        return error;
    if (count < 1)
        return shape_error(graph, node, "count must be 1 or more, not %lld",
                           (long long)count);
    bool fits = dy->rank >= numbers->rank;
    for (int i = 0; fits && i < numbers->rank; i++)
        fits = dy->dims[i] == numbers->dims[i];
    if (!fits || dy->rank - numbers->rank + 1 > MAX_RANK)
        return shape_error(graph, node, "%s does not have a row for each of %s",
                           shape_text(graph, node, 0),
                           shape_text(graph, node, 1));
    node->type = type_make(dy->dtype, 1, &count);
    for (int i = numbers->rank; i < dy->rank; i++)
        node->type.dims[node->type.rank++] = dy->dims[i];
    return NULL;
}

// The image at the other size, in either direction.
const char *shape_resize(const Graph *graph, Node *node)
{
    const TensorType *x = shape_input(graph, node, 0);
    IntList size = node->attrs[RESIZE_SIZE].ints;
    const char *mode = node->attrs[RESIZE_MODE].text;
    if (x->rank != 4 || x->form != FORM_PLAIN || !dtype_is_float(x->dtype))
        return shape_error(graph, node, "needs floats x[n,c,h,w], not %s",
                           shape_text(graph, node, 0));
    if (size.count != 2 || !shape_in_range(size, 1, MAX_ELEMENTS))
        return shape_error(graph, node,
                           "size is two positive numbers: height and width");
    if (strcmp(mode, "nearest") != 0 && strcmp(mode, "bilinear") != 0)
        return shape_error(graph, node,
                           "mode is \"nearest\" or \"bilinear\", not \"%s\"",
                           mode);
    node->type = *x;
    node->type.dims[2] = size.at[0];
    node->type.dims[3] = size.at[1];
    return NULL;
}
