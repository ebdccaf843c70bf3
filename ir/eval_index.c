// The oracle's rows by number and images of other sizes, from their
// definitions.
#include <math.h>
#include <string.h>

#include "ir/eval_rules.h"

// Adds the row of `count` that each number names to the one of its place, or
// with `grad` the other way round.
static void walk_rows(const EvalContext *context, Value self, bool grad,
                      int64_t count, double *out)
{
    const double *x = eval_input(context, self, 0);
    const double *numbers = eval_input(context, self, 1);
    int64_t places = type_elements(eval_input_type(context, self, 1));
    int64_t width = type_elements(grad ? eval_input_type(context, self, 0)
                                       : &eval_node(context, self)->type) /
                    places;
    for (int64_t i = 0; i < places; i++)
        for (int64_t row = 0; row < count; row++)
            for (int64_t c = 0; c < width && (double)row == numbers[i]; c++)
                if (grad)
                    out[row * width + c] += x[i * width + c];
                else
                    out[i * width + c] = x[row * width + c];
}

void eval_take(const EvalContext *context, Value self, double *out)
{
    walk_rows(context, self, false, eval_input_type(context, self, 0)->dims[0],
              out);
}

void eval_take_grad(const EvalContext *context, Value self, double *out)
{
    walk_rows(context, self, true, eval_node(context, self)->type.dims[0], out);
}

// What place j of `from` counts for place i of `to` along one axis: PyTorch's
// F.interpolate with align_corners = False.
static double share_of(bool bilinear, int64_t from, int64_t to, int64_t i,
                       int64_t j)
{
    if (!bilinear)
        return j == i * from / to;
    double place = ((double)i + 0.5) * (double)from / (double)to - 0.5;
    place = fmin(fmax(place, 0), (double)(from - 1));
    return fmax(0, 1 - fabs(place - (double)j));
}

// The sums over all places of the larger map, whichever way they go.
static void resize(const EvalContext *context, Value self, bool grad,
                   double *out)
{
    const Node *node = eval_node(context, self);
    const double *in = eval_input(context, self, 0);
    const int64_t *given = eval_input_type(context, self, 0)->dims;
    const int64_t *made = node->type.dims;
    // x is what is resized to y.
    const int64_t *x = grad ? made : given, *y = grad ? given : made;
    bool bilinear = strcmp(node->attrs[RESIZE_MODE].text, "bilinear") == 0;
    for (int64_t p = 0; p < x[0] * x[1]; p++)
        for (int64_t i = 0; i < y[2]; i++)
            for (int64_t a = 0; a < x[2]; a++) {
                double down = share_of(bilinear, x[2], y[2], i, a);
                for (int64_t j = 0; j < y[3] && down != 0; j++)
                    for (int64_t b = 0; b < x[3]; b++) {
                        double share =
                            down * share_of(bilinear, x[3], y[3], j, b);
                        int64_t at_x = (p * x[2] + a) * x[3] + b;
                        int64_t at_y = (p * y[2] + i) * y[3] + j;
                        if (share != 0)
                            out[grad ? at_x : at_y] +=
                                share * in[grad ? at_y : at_x];
                    }
            }
}

void eval_resize(const EvalContext *context, Value self, double *out)
{
    resize(context, self, false, out);
}

void eval_resize_grad(const EvalContext *context, Value self, double *out)
{
    resize(context, self, true, out);
}
