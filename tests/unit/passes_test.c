// Each rule of the passes that change nodes, on a small graph in text form.
#include "passes/order_list.h"
#include "tests/harness.h"
#include "tests/passes.h"
#include "tests/unit/pass_text.h"

// A rule of the algebra: %0 and %1 are tensors, the body begins at %2.
static void check_rule(const char *body, const char *want)
{
    Arena *arena = arena_new();
    check_pass("simplify,cse,dce", arena_printf(arena, "%s%s", X Y, body),
               arena_printf(arena, "%s%s", X Y, want));
    arena_free(arena);
}

// A binary op with a constant on one side leaves x or another node.
static void check_const(const char *op, const char *value, const char *operands,
                        const char *want)
{
    Arena *arena = arena_new();
    check_rule(arena_printf(arena,
                            "  %%2 = const {value=%s} : f64[2,3]\n"
                            "  %%3 = %s %s : f64[2,3]\n" OUT("%%3"),
                            value, op, operands),
               want);
    arena_free(arena);
}

TEST(simplify_neutral_constants)
{
    check_const("add", "0", "%0, %2", OUT("%0"));
    check_const("add", "0", "%2, %0", OUT("%0"));
    check_const("sub", "0", "%0, %2", OUT("%0"));
    check_const("mul", "1", "%2, %0", OUT("%0"));
    check_const("div", "1", "%0, %2", OUT("%0"));
    check_const("pow", "1", "%0, %2", OUT("%0"));
}

#define UNARY(op) "  %2 = " op " %0 : f64[2,3]\n" OUT("%2")

TEST(simplify_constants_to_cheaper_ops)
{
    check_const("sub", "0", "%2, %0", UNARY("neg"));
    check_const("mul", "-1", "%0, %2", UNARY("neg"));
    check_const("div", "-1", "%0, %2", UNARY("neg"));
    check_const("pow", "0.5", "%0, %2", UNARY("sqrt"));
    check_const("pow", "-0.5", "%0, %2", UNARY("rsqrt"));
    check_const("pow", "2", "%0, %2",
                "  %2 = mul %0, %0 : f64[2,3]\n" OUT("%2"));
    check_const("pow", "-1", "%0, %2",
                "  %2 = const {value=1} : f64[2,3]\n"
                "  %3 = div %2, %0 : f64[2,3]\n" OUT("%3"));
    check_const("pow", "0", "%0, %2",
                "  %2 = const {value=1} : f64[2,3]\n" OUT("%2"));
    check_const("div", "8", "%0, %2",
                "  %2 = const {value=0.125} : f64[2,3]\n"
                "  %3 = mul %0, %2 : f64[2,3]\n" OUT("%3"));
}

// What would be wrong for NaN, infinity or by rounding stays.
TEST(simplify_keeps_what_numbers_need)
{
    const char *keep = "  %%2 = const {value=%s} : f64[2,3]\n"
                       "  %%3 = %s %%0, %%2 : f64[2,3]\n" OUT("%%3");
    static const char *const cases[][2] = {
        {"0", "mul"}, {"3", "div"}, {"0", "div"}, {"1.5", "pow"}, {"0", "max"}};
    Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *body = arena_printf(arena, keep, cases[i][0], cases[i][1]);
        check_rule(body, body);
    }
    check_rule("  %2 = sub %0, %0 : f64[2,3]\n" OUT("%2"),
               "  %2 = sub %0, %0 : f64[2,3]\n" OUT("%2"));
    arena_free(arena);
}

TEST(simplify_signs)
{
    const char *neg = "  %2 = neg %0 : f64[2,3]\n";
    const char *neg2 = "  %3 = neg %1 : f64[2,3]\n";
    static const char *const cases[][2] = {
        {"  %4 = neg %2 : f64[2,3]\n", NULL},
        {"  %4 = add %1, %2 : f64[2,3]\n", "sub %1, %0"},
        {"  %4 = add %2, %1 : f64[2,3]\n", "sub %1, %0"},
        {"  %4 = sub %1, %2 : f64[2,3]\n", "add %1, %0"},
        {"  %4 = mul %2, %3 : f64[2,3]\n", "mul %0, %1"},
        {"  %4 = abs %2 : f64[2,3]\n", "abs %0"},
    };
    Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *want =
            cases[i][1]
                ? arena_printf(arena, "  %%2 = %s : f64[2,3]\n" OUT("%%2"),
                               cases[i][1])
                : OUT("%0");
        check_rule(
            arena_printf(arena, "%s%s%s" OUT("%%4"), neg, neg2, cases[i][0]),
            want);
    }
    check_rule("  %2 = sub %0, %1 : f64[2,3]\n"
               "  %3 = neg %2 : f64[2,3]\n" OUT("%3"),
               "  %2 = sub %1, %0 : f64[2,3]\n" OUT("%2"));
    check_rule("  %2 = const {value=3} : f64[2,3]\n"
               "  %3 = neg %0 : f64[2,3]\n"
               "  %4 = mul %3, %2 : f64[2,3]\n" OUT("%4"),
               "  %2 = const {value=-3} : f64[2,3]\n"
               "  %3 = mul %0, %2 : f64[2,3]\n" OUT("%3"));
    arena_free(arena);
}

TEST(simplify_ops_done_once)
{
    static const char *const ops[] = {"abs", "relu", "floor", "sign"};
    Arena *arena = arena_new();
    for (size_t i = 0; i < 4; i++)
        check_rule(arena_printf(arena,
                                "  %%2 = %s %%0 : f64[2,3]\n"
                                "  %%3 = %s %%2 : f64[2,3]\n" OUT("%%3"),
                                ops[i], ops[i]),
                   arena_printf(arena, "  %%2 = %s %%0 : f64[2,3]\n" OUT("%%2"),
                                ops[i]));
    check_rule("  %2 = max %0, %0 : f64[2,3]\n"
               "  %3 = stop_gradient %2 : f64[2,3]\n" OUT("%3"),
               OUT("%0"));
    arena_free(arena);
}

TEST(simplify_conditions)
{
    // not not; not of ==; select by the negation; by a constant; of one value.
    check_rule("  %2 = lt %0, %1 : bool[2,3]\n"
               "  %3 = not %2 : bool[2,3]\n"
               "  %4 = not %3 : bool[2,3]\n" OUT("%4"),
               "  %2 = lt %0, %1 : bool[2,3]\n" OUT("%2"));
    check_rule("  %2 = eq %0, %1 : bool[2,3]\n"
               "  %3 = not %2 : bool[2,3]\n" OUT("%3"),
               "  %2 = ne %0, %1 : bool[2,3]\n" OUT("%2"));
    check_rule("  %2 = lt %0, %1 : bool[2,3]\n"
               "  %3 = not %2 : bool[2,3]\n"
               "  %4 = select %3, %0, %1 : f64[2,3]\n" OUT("%4"),
               "  %2 = lt %0, %1 : bool[2,3]\n"
               "  %3 = select %2, %1, %0 : f64[2,3]\n" OUT("%3"));
    check_rule("  %2 = const {value=0} : bool[2,3]\n"
               "  %3 = select %2, %0, %1 : f64[2,3]\n" OUT("%3"),
               OUT("%1"));
    check_rule("  %2 = lt %0, %1 : bool[2,3]\n"
               "  %3 = select %2, %1, %1 : f64[2,3]\n" OUT("%3"),
               OUT("%1"));
    check_rule("  %2 = lt %0, %1 : bool[2,3]\n"
               "  %3 = const {value=1} : bool[2,3]\n"
               "  %4 = and %2, %3 : bool[2,3]\n"
               "  %5 = or %4, %3 : bool[2,3]\n" OUT("%4") OUT("%5"),
               "  %2 = lt %0, %1 : bool[2,3]\n"
               "  %3 = const {value=1} : bool[2,3]\n" OUT("%2") OUT("%3"));
    // With a NaN, not (x < y) is no comparison.
    check_rule("  %2 = lt %0, %1 : bool[2,3]\n"
               "  %3 = not %2 : bool[2,3]\n" OUT("%3"),
               "  %2 = lt %0, %1 : bool[2,3]\n"
               "  %3 = not %2 : bool[2,3]\n" OUT("%3"));
}

TEST(simplify_casts)
{
    check_rule("  %2 = cast %0 {dtype=\"f64\"} : f64[2,3]\n" OUT("%2"),
               OUT("%0"));
    // Down and up again loses digits; up and down does not.
    check_rule(
        "  %2 = cast %0 {dtype=\"f32\"} : f32[2,3]\n"
        "  %3 = cast %2 {dtype=\"f64\"} : f64[2,3]\n"
        "  %4 = cast %3 {dtype=\"f32\"} : f32[2,3]\n" OUT("%3") OUT("%4"),
        "  %2 = cast %0 {dtype=\"f32\"} : f32[2,3]\n"
        "  %3 = cast %2 {dtype=\"f64\"} : f64[2,3]\n" OUT("%3") OUT("%2"));
}

TEST(simplify_views)
{
    check_rule(
        "  %2 = reshape %0 {dims=[6]} : f64[6]\n"
        "  %3 = reshape %2 {dims=[3,2]} : f64[3,2]\n"
        "  %4 = reshape %2 {dims=[2,3]} : f64[2,3]\n" OUT("%3") OUT("%4"),
        "  %2 = reshape %0 {dims=[3,2]} : f64[3,2]\n" OUT("%2") OUT("%0"));
    check_rule("  %2 = broadcast %0 {dims=[2,4,3], axes=[0,2]} : f64[2,4,3]\n"
               "  %3 = broadcast %2 {dims=[5,2,4,3], axes=[1,2,3]} : "
               "f64[5,2,4,3]\n" OUT("%3"),
               "  %2 = broadcast %0 {dims=[5,2,4,3], axes=[1,3]} : "
               "f64[5,2,4,3]\n" OUT("%2"));
    check_rule(
        "  %2 = broadcast %0 {dims=[2,3], axes=[0,1]} : f64[2,3]\n" OUT("%2"),
        OUT("%0"));
    check_rule(
        "  %2 = slice %0 {start=[0,1], size=[2,2]} : f64[2,2]\n"
        "  %3 = slice %2 {start=[1,1], size=[1,1]} : f64[1,1]\n"
        "  %4 = slice %0 {start=[0,0], size=[2,3]} : f64[2,3]\n" OUT("%3")
            OUT("%4"),
        "  %2 = slice %0 {start=[1,2], size=[1,1]} : f64[1,1]\n" OUT("%2")
            OUT("%0"));
    check_rule("  %2 = pad %0 {low=[0,0], high=[0,0], value=7} : f64[2,3]\n"
               "  %3 = concat %2 {axis=1} : f64[2,3]\n" OUT("%3"),
               OUT("%0"));
}

TEST(simplify_transposes)
{
    check_rule("  %2 = transpose %0 {perm=[1,0]} : f64[3,2]\n"
               "  %3 = transpose %2 {perm=[1,0]} : f64[2,3]\n" OUT("%3"),
               OUT("%0"));
    check_pass("simplify,dce",
               "  %0 = input {name=\"x\"} : f64[2,3,4]\n"
               "  %1 = transpose %0 {perm=[2,0,1]} : f64[4,2,3]\n"
               "  %2 = transpose %1 {perm=[0,2,1]} : f64[4,3,2]\n" OUT("%2"),
               "  %0 = input {name=\"x\"} : f64[2,3,4]\n"
               "  %1 = transpose %0 {perm=[2,1,0]} : f64[4,3,2]\n" OUT("%1"));
    // An axis of size 1 moves without any element.
    check_pass("simplify,dce",
               "  %0 = input {name=\"x\"} : f64[2,1,3]\n"
               "  %1 = transpose %0 {perm=[1,0,2]} : f64[1,2,3]\n" OUT("%1"),
               "  %0 = input {name=\"x\"} : f64[2,1,3]\n"
               "  %1 = reshape %0 {dims=[1,2,3]} : f64[1,2,3]\n" OUT("%1"));
}

TEST(simplify_products_of_transposes)
{
    check_rule(
        "  %2 = transpose %0 {perm=[1,0]} : f64[3,2]\n"
        "  %3 = matmul %2, %1 {trans_a=0, trans_b=0} : f64[3,3]\n"
        "  %4 = transpose %1 {perm=[1,0]} : f64[3,2]\n"
        "  %5 = matmul %2, %4 {trans_a=1, trans_b=0} : f64[2,2]\n" OUT("%3")
            OUT("%5"),
        "  %2 = matmul %0, %1 {trans_a=1, trans_b=0} : f64[3,3]\n"
        "  %3 = matmul %0, %1 {trans_a=0, trans_b=1} : f64[2,2]\n" OUT("%2")
            OUT("%3"));
}

// A product that only its transpose reads is made transposed; one that others
// read, too, is made once.
TEST(simplify_transposes_of_products)
{
    check_rule(
        "  %2 = matmul %0, %1 {trans_a=1, trans_b=0} : f64[3,3]\n"
        "  %3 = transpose %2 {perm=[1,0]} : f64[3,3]\n" OUT("%3"),
        "  %2 = matmul %1, %0 {trans_a=1, trans_b=0} : f64[3,3]\n" OUT("%2"));
    const char *shared =
        "  %2 = matmul %0, %1 {trans_a=1, trans_b=0} : f64[3,3]\n"
        "  %3 = transpose %2 {perm=[1,0]} : f64[3,3]\n"
        "  %4 = add %2, %3 : f64[3,3]\n" OUT("%4");
    check_rule(shared, shared);
}

// The gradient of slices: parts in zeros, added, are the parts side by side.
TEST(simplify_sums_of_padded_parts)
{
    check_rule("  %2 = pad %0 {low=[0,3], high=[0,3], value=0} : f64[2,9]\n"
               "  %3 = pad %1 {low=[0,6], high=[0,0], value=0} : f64[2,9]\n"
               "  %4 = pad %0 {low=[0,0], high=[0,6], value=0} : f64[2,9]\n"
               "  %5 = add %3, %2 : f64[2,9]\n"
               "  %6 = add %5, %4 : f64[2,9]\n" OUT("%6"),
               "  %2 = concat %0, %0, %1 {axis=1} : f64[2,9]\n" OUT("%2"));
    // Apart, of other values, or one upon the other.
    const char *kept =
        "  %2 = pad %0 {low=[0,0], high=[0,7], value=0} : f64[2,10]\n"
        "  %3 = pad %1 {low=[0,6], high=[0,1], value=0} : f64[2,10]\n"
        "  %4 = add %2, %3 : f64[2,10]\n"
        "  %5 = pad %0 {low=[0,3], high=[0,4], value=1} : f64[2,10]\n"
        "  %6 = add %2, %5 : f64[2,10]\n"
        "  %7 = pad %1 {low=[0,2], high=[0,5], value=0} : f64[2,10]\n"
        "  %8 = add %2, %7 : f64[2,10]\n" OUT("%4") OUT("%6") OUT("%8");
    check_rule(kept, kept);
}

// Of more axes only where the matrices are what is transposed.
TEST(simplify_products_of_transposed_matrices)
{
    check_pass(
        "simplify,dce",
        "  %0 = input {name=\"x\"} : f64[2,3,4]\n"
        "  %1 = transpose %0 {perm=[0,2,1]} : f64[2,4,3]\n"
        "  %2 = transpose %0 {perm=[2,1,0]} : f64[4,3,2]\n"
        "  %3 = slice %2 {start=[0,0,0], size=[2,3,2]} : f64[2,3,2]\n"
        "  %4 = transpose %3 {perm=[0,2,1]} : f64[2,2,3]\n"
        "  %5 = matmul %1, %3 {trans_a=0, trans_b=0} : f64[2,4,2]\n"
        "  %6 = matmul %4, %1 {trans_a=0, trans_b=1} : f64[2,2,4]\n"
        "  %7 = matmul %2, %2 {trans_a=1, trans_b=0} : f64[4,2,2]\n" OUT("%5")
            OUT("%6") OUT("%7"),
        "  %0 = input {name=\"x\"} : f64[2,3,4]\n"
        "  %1 = transpose %0 {perm=[2,1,0]} : f64[4,3,2]\n"
        "  %2 = slice %1 {start=[0,0,0], size=[2,3,2]} : f64[2,3,2]\n"
        "  %3 = matmul %0, %2 {trans_a=1, trans_b=0} : f64[2,4,2]\n"
        "  %4 = matmul %2, %0 {trans_a=1, trans_b=0} : f64[2,2,4]\n"
        "  %5 = matmul %1, %1 {trans_a=1, trans_b=0} : f64[4,2,2]\n" OUT("%3")
            OUT("%4") OUT("%5"));
}

TEST(simplify_reductions_over_single_elements)
{
    check_pass(
        "simplify,dce",
        "  %0 = input {name=\"x\"} : f64[2,1,1]\n"
        "  %1 = reduce_sum %0 {axes=[1,2]} : f64[2]\n"
        "  %2 = reduce_max %0 {axes=[0,1]} : f64[1]\n" OUT("%1") OUT("%2"),
        "  %0 = input {name=\"x\"} : f64[2,1,1]\n"
        "  %1 = reshape %0 {dims=[2]} : f64[2]\n"
        "  %2 = reduce_max %0 {axes=[0,1]} : f64[1]\n" OUT("%1") OUT("%2"));
}

// ---- ranks, fold, cse, dce --------------------------------------------------

TEST(ranks_vanish_on_one)
{
    check_pass("ranks,dce",
               X "  %1 = all_sum %0 {ranks=1} : f64[2,3]\n"
                 "  %2 = all_gather %1 {ranks=1} : f64[2,3]\n"
                 "  %3 = reduce_scatter %2 {ranks=1} : f64[2,3]\n"
                 "  %4 = rank : f64[]\n" OUT("%3") OUT("%4"),
               X "  %1 = const {value=0} : f64[]\n" OUT("%0") OUT("%1"));
    const char *two =
        X "  %1 = rank : f64[]\n"
          "  %2 = all_sum %0 {ranks=2} : f64[2,3]\n" OUT("%1") OUT("%2");
    check_pass("ranks", two, two);
}

TEST(fold_computes_constants)
{
    check_pass(
        "fold,dce",
        "  %0 = const {value=3} : f64[4]\n"
        "  %1 = const {value=2} : f64[4]\n"
        "  %2 = mul %0, %1 : f64[4]\n"
        "  %3 = reduce_sum %2 {axes=[0]} : f64[]\n"
        "  %4 = broadcast %3 {dims=[2,2], axes=[]} : f64[2,2]\n"
        "  %5 = pad %4 {low=[1,0], high=[0,0], value=24} : f64[3,2]\n"
        "  %6 = lt %1, %0 : bool[4]\n"
        "  %7 = reduce_max %2 {axes=[0]} : f64[]\n"
        "  %8 = pad %4 {low=[1,0], high=[0,0], value=0} : f64[3,2]\n" OUT("%5")
            OUT("%6") OUT("%7") OUT("%8"),
        "  %0 = const {value=24} : f64[2,2]\n"
        "  %1 = const {value=24} : f64[3,2]\n"
        "  %2 = const {value=1} : bool[4]\n"
        "  %3 = const {value=6} : f64[]\n"
        "  %4 = pad %0 {low=[1,0], high=[0,0], value=0} : f64[3,2]\n" OUT("%1")
            OUT("%2") OUT("%3") OUT("%4"));
}

// Every folded node is rounded as a kernel would store it: 2^24 + 1 is no
// float, 1 + 2^-8 no bfloat16 (a tie, so it goes to even).
TEST(fold_rounds_to_the_element_type)
{
    check_pass("fold,dce",
               "  %0 = const {value=16777216} : f32[]\n"
               "  %1 = const {value=1} : f32[]\n"
               "  %2 = add %0, %1 : f32[]\n"
               "  %3 = sub %2, %0 : f32[]\n" OUT("%3"),
               "  %0 = const {value=0} : f32[]\n" OUT("%0"));
    check_pass("fold,dce",
               "  %0 = const {value=1.00390625} : f32[]\n"
               "  %1 = cast %0 {dtype=\"bf16\"} : bf16[]\n" OUT("%1"),
               "  %0 = const {value=1} : bf16[]\n" OUT("%0"));
}

TEST(fold_keeps_nan_but_not_infinity)
{
    const char *nan = "  %0 = const {value=-1} : f64[]\n"
                      "  %1 = log %0 : f64[]\n" OUT("%1");
    check_pass("fold", nan, nan);
    check_pass("fold,dce",
               "  %0 = const {value=0} : f64[]\n"
               "  %1 = log %0 : f64[]\n" OUT("%1"),
               "  %0 = const {value=-inf} : f64[]\n" OUT("%0"));
}

TEST(cse_merges_equal_nodes)
{
    check_pass("cse",
               X Y "  %2 = add %0, %1 : f64[2,3]\n"
                   "  %3 = add %1, %0 : f64[2,3]\n"
                   "  %4 = sub %0, %1 : f64[2,3]\n"
                   "  %5 = sub %1, %0 : f64[2,3]\n"
                   "  %6 = mul %2, %3 : f64[2,3]\n"
                   "  %7 = reduce_sum %6 {axes=[0]} : f64[3]\n"
                   "  %8 = reduce_sum %6 {axes=[1]} : f64[2]\n" OUT("%4")
                       OUT("%5") OUT("%7") OUT("%8"),
               X Y "  %2 = add %0, %1 : f64[2,3]\n"
                   "  %3 = sub %0, %1 : f64[2,3]\n"
                   "  %4 = sub %1, %0 : f64[2,3]\n"
                   "  %5 = mul %2, %2 : f64[2,3]\n"
                   "  %6 = reduce_sum %5 {axes=[0]} : f64[3]\n"
                   "  %7 = reduce_sum %5 {axes=[1]} : f64[2]\n" OUT("%3")
                       OUT("%4") OUT("%6") OUT("%7"));
}

TEST(dce_keeps_effects_and_inputs)
{
    check_pass("dce",
               X PARAM("%1", "unread")
                   PARAM("%2", "written") "  %3 = exp %0 : f64[2,3]\n"
                                          "  %4 = sin %0 : f64[2,3]\n"
                                          "  %5 = assign %2, %3 : f64[2,3]\n",
               X PARAM("%1", "written") "  %2 = exp %0 : f64[2,3]\n"
                                        "  %3 = assign %1, %2 : f64[2,3]\n");
    check_pass("dce", X "  %1 = exp %0 : f64[2,3]\n", X);
}

TEST(assigns_that_change_nothing_go)
{
    check_pass("simplify,dce",
               PARAM("%0", "w") "  %1 = assign %0, %0 : f64[2,3]\n", "");
}

// ---- sums, recompute --------------------------------------------------------

#define K "  %1 = input {name=\"k\"} : f64[3]\n"

TEST(sums_of_linear_terms_use_sums_that_exist)
{
    // sum(k * x - 2 + k) = k * sum(x) - 4 + 2 k, with sum(x) at hand.
    check_pass("sums,fold,simplify,cse,dce",
               X K "  %2 = reduce_sum %0 {axes=[0]} : f64[3]\n"
                   "  %3 = broadcast %1 {dims=[2,3], axes=[1]} : f64[2,3]\n"
                   "  %4 = mul %0, %3 : f64[2,3]\n"
                   "  %5 = const {value=2} : f64[2,3]\n"
                   "  %6 = sub %4, %5 : f64[2,3]\n"
                   "  %7 = add %6, %3 : f64[2,3]\n"
                   "  %8 = reduce_sum %7 {axes=[0]} : f64[3]\n" OUT("%2")
                       OUT("%8"),
               X K "  %2 = reduce_sum %0 {axes=[0]} : f64[3]\n"
                   "  %3 = mul %1, %2 : f64[3]\n"
                   "  %4 = const {value=2} : f64[3]\n"
                   "  %5 = const {value=4} : f64[3]\n"
                   "  %6 = sub %3, %5 : f64[3]\n"
                   "  %7 = mul %1, %4 : f64[3]\n"
                   "  %8 = add %6, %7 : f64[3]\n" OUT("%2") OUT("%8"));
}

TEST(sums_stay_where_they_would_add_passes)
{
    // No sum of x; a sum over another axis; a factor that varies along it.
    static const char *const cases[][2] = {
        {"reduce_max %0 {axes=[0]} : f64[3]", "{axes=[0]} : f64[3]"},
        {"reduce_sum %0 {axes=[1]} : f64[2]", "{axes=[0]} : f64[3]"},
        {"reduce_sum %0 {axes=[1]} : f64[2]", "{axes=[1]} : f64[2]"}};
    Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *body = arena_printf(
            arena,
            "%s  %%2 = %s\n"
            "  %%3 = broadcast %%1 {dims=[2,3], axes=[1]} : f64[2,3]\n"
            "  %%4 = mul %%0, %%3 : f64[2,3]\n"
            "  %%5 = reduce_sum %%4 %s\n" OUT("%%2") OUT("%%5"),
            X K, cases[i][0], cases[i][1]);
        check_pass("sums", body, body);
    }
    arena_free(arena);
}

#define T "f64[8,16]"

// x - sum(x) is made in both kernels that want it and stored by none.
TEST(recompute_reads_the_base_instead)
{
    const char *head = "  %0 = input {name=\"x\"} : " T "\n"
                       "  %1 = reduce_sum %0 {axes=[0]} : f64[16]\n"
                       "  %2 = broadcast %1 {dims=[8,16], axes=[1]} : " T "\n";
    Arena *arena = arena_new();
    check_pass(
        "recompute,schedule,fuse",
        arena_printf(arena,
                     "%s"
                     "  %%3 = sub %%0, %%2 : " T "\n"
                     "  %%4 = mul %%3, %%3 : " T "\n"
                     "  %%5 = reduce_sum %%4 {axes=[0]} : f64[16]\n"
                     "  %%6 = broadcast %%5 {dims=[8,16], axes=[1]} : " T "\n"
                     "  %%7 = mul %%3, %%6 : " T "\n" OUT("%%7"),
                     head),
        arena_printf(arena,
                     "%s"
                     "  %%3 = sub %%0, %%2 : " T " #1\n"
                     "  %%4 = mul %%3, %%3 : " T " #1\n"
                     "  %%5 = reduce_sum %%4 {axes=[0]} : f64[16] #1\n"
                     "  %%6 = broadcast %%5 {dims=[8,16], axes=[1]} : " T "\n"
                     "  %%7 = sub %%0, %%2 : " T " #2\n"
                     "  %%8 = mul %%7, %%6 : " T " #2\n" OUT("%%8"),
                     head));
    arena_free(arena);
}

// A kernel that makes %2 of x and y, and one that reads it, and reads x beside
// it where `beside` says so; and what that one reads after the pass.
static void check_made_again(const char *value, const char *output,
                             const char *beside, bool again)
{
    Arena *arena = arena_new();
    const char *head =
        arena_printf(arena,
                     "  %%0 = input {name=\"x\"} : " T "\n"
                     "  %%1 = input {name=\"y\"} : " T "\n"
                     "  %%2 = %s : " T "\n"
                     "  %%3 = mul %%1, %%1 : " T "\n"
                     "  %%4 = mul %%2, %%3 : " T "\n"
                     "  %%5 = reduce_sum %%4 {axes=[0]} : f64[16]\n"
                     "  %%6 = broadcast %%5 {dims=[8,16], axes=[1]} : " T "\n",
                     value);
    const char *body =
        arena_printf(arena,
                     "%s"
                     "  %%7 = mul %s, %%6 : " T "\n"
                     "  %%8 = mul %%2, %%7 : " T "\n" OUT("%%8") OUT("%s"),
                     head, beside, output);
    const char *after =
        arena_printf(arena,
                     "%s"
                     "  %%7 = mul %s, %%6 : " T "\n"
                     "  %%8 = %s : " T "\n"
                     "  %%9 = mul %%8, %%7 : " T "\n" OUT("%%9") OUT("%s"),
                     head, beside, value, output);
    check_pass("recompute", body, again ? after : body);
    arena_free(arena);
}

// A function's value is made again where it then need not be stored, not to
// save a read; a sum of one tensor for either.
TEST(recompute_weighs_functions_against_memory)
{
    check_made_again("exp %0", "%6", "%1", true);
    check_made_again("exp %0", "%2", "%0", false);
    check_made_again("add %0, %0", "%6", "%1", true);
    check_made_again("add %0, %0", "%2", "%0", true);
}

// Not when it is stored anyway and nothing beside it is read, nor when two
// tensors make it.
TEST(recompute_leaves_what_is_stored)
{
    check_made_again("add %0, %0", "%2", "%1", false);
    check_made_again("exp %0", "%2", "%1", false);
    check_made_again("add %0, %1", "%6", "%0", false);
}

// ---- the table of passes, order lists ---------------------------------------

static void count_pass(void *context, const Pass *pass, Graph *graph)
{
    (void)pass;
    (void)graph;
    ++*(int *)context;
}

TEST(passes_by_name)
{
    Arena *arena = arena_new();
    int count, seen = 0;
    const Pass *table = pass_table(&count);
    Graph *graph = pass_text_graph(arena, X OUT("%0"));
    for (int i = 0; i < count; i++)
        CHECK(!run_passes(graph, table[i].name, true));
    CHECK_TEXT(run_passes(graph, "cs", true), "cs");
    CHECK_TEXT(run_passes(graph, "cse,polish,dce", true), "polish");
    PassOptions options = {.names = "cse,cse,dce",
                           .paranoid = true,
                           .block = TEST_BLOCK,
                           .observe = count_pass,
                           .context = &seen};
    CHECK(!passes_run(graph, &options));
    CHECK_INT(seen, 3);
    options.names = NULL;
    CHECK(!passes_run(graph, &options));
    CHECK_INT(seen, 3 + count);
    options.names = "";
    CHECK(!passes_run(graph, &options));
    CHECK_INT(seen, 3 + count);
    arena_free(arena);
}

// Insertions at one place use up its labels; order must survive.
TEST(order_lists_keep_order)
{
    enum { COUNT = 3000 };
    Arena *arena = arena_new();
    OrderList list = order_list_new(arena, COUNT);
    order_list_append(&list, 1);
    order_list_append(&list, 2);
    for (int i = 3; i <= COUNT; i++)
        order_list_insert(&list, i, 1); // 1, COUNT, COUNT - 1, ..., 3, 2
    for (int i = 3; i < COUNT; i++)
        CHECK(order_list_before(&list, i + 1, i));
    CHECK(order_list_before(&list, 1, COUNT));
    CHECK(order_list_before(&list, 3, 2));
    order_list_remove(&list, COUNT);
    CHECK_INT(order_list_next(&list, 1), COUNT - 1);
    order_list_insert(&list, COUNT, 2);
    CHECK(order_list_before(&list, 2, COUNT));
    CHECK_INT(order_list_next(&list, COUNT), 0);
    int walked = 0;
    for (int at = order_list_next(&list, 0); at;
         at = order_list_next(&list, at))
        walked++;
    CHECK_INT(walked, COUNT);
    arena_free(arena);
}
