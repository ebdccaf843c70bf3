// The oracle's attention and its gradients, straight from their definitions.
#include <math.h>

#include "ir/attention.h"
#include "ir/eval_rules.h"

// One matrix of each operand, and its softmax p[m,s].
typedef struct Heads {
    AttentionSizes z;
    double scale;
    const double *q, *k, *v, *y, *dy;
    double *p;
} Heads;

static Heads heads_of(const EvalContext *context, Value self)
{
    const Node *node = eval_node(context, self);
    Heads h = {.z = attention_sizes(context->graph, node),
               .scale = node->attrs[SCALE_SCALE].f,
               .q = eval_input(context, self, 0),
               .k = eval_input(context, self, 1),
               .v = eval_input(context, self, 2)};
    if (node->input_count == 5) {
        h.y = eval_input(context, self, 3);
        h.dy = eval_input(context, self, 4);
    }
    h.p = ARENA_ARRAY(context->arena, double, h.z.m *h.z.s);
    return h;
}

static void next_heads(Heads *h)
{
    const AttentionSizes *z = &h->z;
    h->q += z->m * z->d;
    h->k += z->s * z->d;
    h->v += z->s * z->e;
    if (h->y) {
        h->y += z->m * (z->e + 1);
        h->dy += z->m * (z->e + 1);
    }
}

static double score(const Heads *h, int64_t i, int64_t j)
{
    double sum = 0;
    for (int64_t c = 0; c < h->z.d; c++)
        sum += h->q[i * h->z.d + c] * h->k[j * h->z.d + c];
    return h->scale * sum;
}

// Fills row i of p; returns the logarithm of the sum of exponentials.
static double softmax_row(Heads *h, int64_t i)
{
    double top = -INFINITY, sum = 0, *p = h->p + i * h->z.s;
    for (int64_t j = 0; j < h->z.s; j++) {
        p[j] = score(h, i, j);
        top = p[j] > top ? p[j] : top;
    }
    for (int64_t j = 0; j < h->z.s; j++)
        sum += p[j] = exp(p[j] - top);
    for (int64_t j = 0; j < h->z.s; j++)
        p[j] /= sum;
    return top + log(sum);
}

void eval_attention(const EvalContext *context, Value self, double *out)
{
    Heads h = heads_of(context, self);
    for (int64_t n = 0; n < h.z.count; n++, next_heads(&h))
        for (int64_t i = 0; i < h.z.m; i++, out += h.z.e + 1) {
            out[h.z.e] = softmax_row(&h, i);
            for (int64_t c = 0; c < h.z.e; c++)
                for (int64_t j = 0; j < h.z.s; j++)
                    out[c] += h.p[i * h.z.s + j] * h.v[j * h.z.e + c];
        }
}

// d loss / d (scale q_i . k_j)
static double score_gradient(const Heads *h, int64_t i, int64_t j)
{
    const double *y = h->y + i * (h->z.e + 1), *dy = h->dy + i * (h->z.e + 1);
    double sum = dy[h->z.e];
    for (int64_t c = 0; c < h->z.e; c++)
        sum += dy[c] * (h->v[j * h->z.e + c] - y[c]);
    return h->p[i * h->z.s + j] * sum;
}

void eval_attention_grad_q(const EvalContext *context, Value self, double *out)
{
    Heads h = heads_of(context, self);
    for (int64_t n = 0; n < h.z.count; n++, next_heads(&h))
        for (int64_t i = 0; i < h.z.m; i++, out += h.z.d) {
            softmax_row(&h, i);
            for (int64_t j = 0; j < h.z.s; j++) {
                double by = h.scale * score_gradient(&h, i, j);
                for (int64_t c = 0; c < h.z.d; c++)
                    out[c] += by * h.k[j * h.z.d + c];
            }
        }
}

void eval_attention_grad_kv(const EvalContext *context, Value self, double *out)
{
    Heads h = heads_of(context, self);
    for (int64_t n = 0; n < h.z.count; n++, next_heads(&h)) {
        for (int64_t i = 0; i < h.z.m; i++)
            softmax_row(&h, i);
        for (int64_t j = 0; j < h.z.s; j++, out += h.z.d + h.z.e)
            for (int64_t i = 0; i < h.z.m; i++) {
                double by = h.scale * score_gradient(&h, i, j);
                double p = h.p[i * h.z.s + j];
                for (int64_t c = 0; c < h.z.d; c++)
                    out[c] += by * h.q[i * h.z.d + c];
                for (int64_t c = 0; c < h.z.e; c++)
                    out[h.z.d + c] += p * h.dy[i * (h.z.e + 1) + c];
            }
    }
}
