// What schedule and fuse make of small graphs in text form.
#include "tests/harness.h"
#include "tests/unit/pass_text.h"

// ---- the order of effects ---------------------------------------------------

TEST(schedule_puts_assigns_after_old_readers)
{
    check_pass(
        "schedule",
        X PARAM("%1", "w") "  %2 = assign %1, %0 : f64[2,3]\n"
                           "  %3 = transpose %1 {perm=[1,0]} : f64[3,2]\n"
                           "  %4 = exp %3 : f64[3,2]\n" OUT("%4"),
        X PARAM("%1", "w") "  %2 = transpose %1 {perm=[1,0]} : f64[3,2]\n"
                           "  %3 = exp %2 : f64[3,2]\n"
                           "  %4 = assign %1, %0 : f64[2,3]\n" OUT("%3"));
}

TEST(schedule_copies_params_that_swap)
{
    check_pass("schedule",
               PARAM("%0", "a") PARAM("%1", "b") //
               "  %2 = assign %0, %1 : f64[2,3]\n"
               "  %3 = assign %1, %0 : f64[2,3]\n",
               PARAM("%0", "a") PARAM("%1", "b") //
               "  %2 = stop_gradient %1 : f64[2,3]\n"
               "  %3 = stop_gradient %0 : f64[2,3]\n"
               "  %4 = assign %0, %2 : f64[2,3]\n"
               "  %5 = assign %1, %3 : f64[2,3]\n");
}

TEST(schedule_lets_readers_of_an_assign_read_its_value)
{
    check_pass("schedule",
               X PARAM("%1", "w") "  %2 = exp %0 : f64[2,3]\n"
                                  "  %3 = assign %1, %2 : f64[2,3]\n"
                                  "  %4 = sin %3 : f64[2,3]\n" OUT("%4"),
               X PARAM("%1", "w") "  %2 = exp %0 : f64[2,3]\n"
                                  "  %3 = assign %1, %2 : f64[2,3]\n"
                                  "  %4 = sin %2 : f64[2,3]\n" OUT("%4"));
}

// The update of the last layer's weight runs before the first layer's gradient,
// but not before backward has read the old weight.
TEST(schedule_updates_weights_when_their_gradients_are_ready)
{
#define M(id, a, b, ta, tb)                                                    \
    "  " id " = matmul " a ", " b " {trans_a=" ta ", trans_b=" tb              \
    "} : f64[3,3]\n"
#define P3(id, name)                                                           \
    "  " id " = param {name=\"" name                                           \
    "\", role=\"weight\", init=\"constant\", scale=0} : f64[3,3]\n"
    check_pass("schedule",
               "  %0 = input {name=\"x\"} : f64[3,3]\n" //
               P3("%1", "v") P3("%2", "w")              //
               M("%3", "%0", "%1", "0", "0")            // forward
               M("%4", "%3", "%2", "0", "0")            //
               M("%5", "%3", "%4", "1", "0")            // gradient of w
               M("%6", "%4", "%2", "0", "1")            // of the first product
               M("%7", "%0", "%6", "1", "0")            // of v
               "  %8 = sub %1, %7 : f64[3,3]\n"
               "  %9 = sub %2, %5 : f64[3,3]\n"
               "  %10 = assign %1, %8 : f64[3,3]\n"
               "  %11 = assign %2, %9 : f64[3,3]\n",
               "  %0 = input {name=\"x\"} : f64[3,3]\n" //
               P3("%1", "v") P3("%2", "w")              //
               M("%3", "%0", "%1", "0", "0")            //
               M("%4", "%3", "%2", "0", "0")            //
               M("%5", "%3", "%4", "1", "0")            //
               M("%6", "%4", "%2", "0", "1")            //
               "  %7 = sub %2, %5 : f64[3,3]\n"
               "  %8 = assign %2, %7 : f64[3,3]\n" //
               M("%9", "%0", "%6", "1", "0")       //
               "  %10 = sub %1, %9 : f64[3,3]\n"
               "  %11 = assign %1, %10 : f64[3,3]\n");
}

// A mask of the forward part, wanted by the backward part alone.
TEST(schedule_computes_late_what_can_wait)
{
    check_pass("schedule",
               "  %0 = input {name=\"x\"} : f64[3,3]\n"
               "  %1 = const {value=0} : f64[3,3]\n"
               "  %2 = lt %1, %0 : bool[3,3]\n" //
               M("%3", "%0", "%0", "0", "0")    //
               M("%4", "%3", "%0", "0", "0")    //
               "  %5 = select %2, %4, %1 : f64[3,3]\n" OUT("%5"),
               "  %0 = input {name=\"x\"} : f64[3,3]\n" //
               M("%1", "%0", "%0", "0", "0")            //
               M("%2", "%1", "%0", "0", "0")            //
               "  %3 = const {value=0} : f64[3,3]\n"
               "  %4 = lt %3, %0 : bool[3,3]\n"
               "  %5 = select %4, %2, %3 : f64[3,3]\n" OUT("%5"));
}

// ---- fuse -------------------------------------------------------------------

TEST(fuse_chains_and_siblings)
{
    // Two statistics of one tensor read it once; the square is never stored.
    check_pass("fuse",
               X "  %1 = reduce_sum %0 {axes=[0]} : f64[3]\n"
                 "  %2 = mul %0, %0 : f64[2,3]\n"
                 "  %3 = reduce_sum %2 {axes=[0]} : f64[3]\n"
                 "  %4 = mul %1, %3 : f64[3]\n" OUT("%4"),
               X "  %1 = reduce_sum %0 {axes=[0]} : f64[3] #1\n"
                 "  %2 = mul %0, %0 : f64[2,3] #1\n"
                 "  %3 = reduce_sum %2 {axes=[0]} : f64[3] #1\n"
                 "  %4 = mul %1, %3 : f64[3]\n" OUT("%4"));
}

TEST(fuse_stops_at_other_axes_and_at_results_of_reductions)
{
    check_pass(
        "fuse",
        X "  %1 = exp %0 : f64[2,3]\n"
          "  %2 = reduce_sum %1 {axes=[1]} : f64[2]\n"
          "  %3 = broadcast %2 {dims=[2,3], axes=[0]} : f64[2,3]\n"
          "  %4 = div %1, %3 : f64[2,3]\n"
          "  %5 = reduce_max %4 {axes=[0]} : f64[3]\n"
          "  %6 = reduce_sum %4 {axes=[1]} : f64[2]\n" OUT("%5") OUT("%6"),
        X "  %1 = exp %0 : f64[2,3] #1\n"
          "  %2 = reduce_sum %1 {axes=[1]} : f64[2] #1\n"
          "  %3 = broadcast %2 {dims=[2,3], axes=[0]} : f64[2,3]\n"
          "  %4 = div %1, %3 : f64[2,3] #2\n"
          "  %5 = reduce_max %4 {axes=[0]} : f64[3] #2\n"
          "  %6 = reduce_sum %4 {axes=[1]} : f64[2]\n" OUT("%5") OUT("%6"));
}

TEST(fuse_reads_views_from_stored_values_only)
{
    check_pass("fuse",
               X "  %1 = exp %0 : f64[2,3]\n"
                 "  %2 = slice %1 {start=[0,0], size=[1,3]} : f64[1,3]\n"
                 "  %3 = broadcast %2 {dims=[2,3], axes=[0,1]} : f64[2,3]\n"
                 "  %4 = sub %1, %3 : f64[2,3]\n" OUT("%4"),
               X "  %1 = exp %0 : f64[2,3]\n"
                 "  %2 = slice %1 {start=[0,0], size=[1,3]} : f64[1,3]\n"
                 "  %3 = broadcast %2 {dims=[2,3], axes=[0,1]} : f64[2,3]\n"
                 "  %4 = sub %1, %3 : f64[2,3]\n" OUT("%4"));
}

#define B "  %1 = input {name=\"b\"} : f64[3]\n"

TEST(fuse_epilogues)
{
    check_pass("fuse",
               "  %0 = input {name=\"x\"} : f64[3,3]\n" B //
                   M("%2", "%0", "%0", "0", "0")          //
               "  %3 = broadcast %1 {dims=[3,3], axes=[1]} : f64[3,3]\n"
               "  %4 = add %2, %3 : f64[3,3]\n"
               "  %5 = relu %4 : f64[3,3]\n"
               "  %6 = sin %5 : f64[3,3]\n" OUT("%5") OUT("%6"),
               "  %0 = input {name=\"x\"} : f64[3,3]\n" B //
               "  %2 = broadcast %1 {dims=[3,3], axes=[1]} : f64[3,3]\n"
               "  %3 = matmul %0, %0 {trans_a=0, trans_b=0} : f64[3,3] #1\n"
               "  %4 = add %3, %2 : f64[3,3] #1\n"
               "  %5 = relu %4 : f64[3,3] #1\n"
               "  %6 = sin %5 : f64[3,3]\n" OUT("%5") OUT("%6"));
}

// x * sigmoid(x): both readers of x end in one node. Where the sigmoid has
// another reader, x is stored for a kernel behind.
TEST(fuse_epilogues_of_two_ways)
{
#define SILU                                                                   \
    "  %0 = input {name=\"x\"} : f64[3,3]\n"                                   \
    "  %1 = matmul %0, %0 {trans_a=0, trans_b=0} : f64[3,3]"
    check_pass("fuse",
               SILU "\n"
                    "  %2 = neg %1 : f64[3,3]\n"
                    "  %3 = sigmoid %2 : f64[3,3]\n"
                    "  %4 = mul %2, %3 : f64[3,3]\n" OUT("%4"),
               SILU " #1\n"
                    "  %2 = neg %1 : f64[3,3] #1\n"
                    "  %3 = sigmoid %2 : f64[3,3] #1\n"
                    "  %4 = mul %2, %3 : f64[3,3] #1\n" OUT("%4"));
    check_pass("fuse",
               SILU "\n"
                    "  %2 = neg %1 : f64[3,3]\n"
                    "  %3 = sigmoid %2 : f64[3,3]\n"
                    "  %4 = mul %2, %3 : f64[3,3]\n" OUT("%3") OUT("%4"),
               SILU " #1\n"
                    "  %2 = neg %1 : f64[3,3] #1\n"
                    "  %3 = sigmoid %2 : f64[3,3] #2\n"
                    "  %4 = mul %2, %3 : f64[3,3] #2\n" OUT("%3") OUT("%4"));
}

// A gradient by data leaves the sum with another branch's to the kernel that
// takes a mask of it.
TEST(fuse_adds_gradients_where_they_are_masked)
{
#define BRANCHES                                                               \
    "  %0 = input {name=\"x\"} : f64[1,1,3,3]\n"                               \
    "  %1 = input {name=\"w\"} : f64[1,1,1,1]\n"                               \
    "  %2 = conv2d_grad_x %1, %0 {stride=[1,1], pad=[0,0,0,0], "               \
    "dims=[1,1,3,3]} : f64[1,1,3,3]\n"
    check_pass("fuse",
               BRANCHES "  %3 = add %2, %0 : f64[1,1,3,3]\n"
                        "  %4 = relu %3 : f64[1,1,3,3]\n" OUT("%4"),
               BRANCHES "  %3 = add %2, %0 : f64[1,1,3,3] #1\n"
                        "  %4 = relu %3 : f64[1,1,3,3] #1\n" OUT("%4"));
}

// A norm whose statistics stand still: its factor is made first, lest it part
// the epilogue.
TEST(fuse_makes_factors_early)
{
#define NORM                                                                   \
    "  %0 = input {name=\"x\"} : f64[3,3]\n" B                                 \
    "  %2 = matmul %0, %0 {trans_a=0, trans_b=0} : f64[3,3]\n"                 \
    "  %3 = broadcast %1 {dims=[3,3], axes=[1]} : f64[3,3]\n"                  \
    "  %4 = sub %2, %3 : f64[3,3]\n"                                           \
    "  %5 = rsqrt %1 : f64[3]\n"                                               \
    "  %6 = broadcast %5 {dims=[3,3], axes=[1]} : f64[3,3]\n"                  \
    "  %7 = mul %4, %6 : f64[3,3]\n"
    check_pass("fuse", NORM OUT("%7"),
               "  %0 = input {name=\"x\"} : f64[3,3]\n" B
               "  %2 = rsqrt %1 : f64[3]\n"
               "  %3 = broadcast %1 {dims=[3,3], axes=[1]} : f64[3,3]\n"
               "  %4 = broadcast %2 {dims=[3,3], axes=[1]} : f64[3,3]\n"
               "  %5 = matmul %0, %0 {trans_a=0, trans_b=0} : f64[3,3] #1\n"
               "  %6 = sub %5, %3 : f64[3,3] #1\n"
               "  %7 = mul %6, %4 : f64[3,3] #1\n" OUT("%7"));
}

// The second operand is made after the product: no epilogue. Nor where another
// node reads the product, or a reduction is what the map is for.
TEST(fuse_refuses_epilogues)
{
    const char *later = "  %0 = input {name=\"x\"} : f64[3,3]\n"    //
        M("%1", "%0", "%0", "0", "0") M("%2", "%0", "%0", "0", "1") //
        "  %3 = reduce_max %2 {axes=[0]} : f64[3]\n"
        "  %4 = broadcast %3 {dims=[3,3], axes=[0]} : f64[3,3]\n"
        "  %5 = add %1, %4 : f64[3,3]\n" OUT("%5");
    check_pass("fuse", later, later);
    check_pass("fuse",
               "  %0 = input {name=\"x\"} : f64[3,3]\n" //
               M("%1", "%0", "%0", "0", "0")            //
               "  %2 = mul %1, %1 : f64[3,3]\n"
               "  %3 = reduce_sum %2 {axes=[0]} : f64[3]\n"
               "  %4 = reduce_sum %1 {axes=[0]} : f64[3]\n" OUT("%3") OUT("%4"),
               "  %0 = input {name=\"x\"} : f64[3,3]\n" //
               M("%1", "%0", "%0", "0", "0")            //
               "  %2 = mul %1, %1 : f64[3,3] #1\n"
               "  %3 = reduce_sum %2 {axes=[0]} : f64[3] #1\n"
               "  %4 = reduce_sum %1 {axes=[0]} : f64[3] #1\n" OUT("%3")
                   OUT("%4"));
}

TEST(fuse_assigns_with_what_they_are_given)
{
    // Momentum: velocity and weight in one kernel, read before written.
    check_pass("fuse",
               X PARAM("%1", "v") PARAM("%2", "w") //
               "  %3 = add %1, %0 : f64[2,3]\n"
               "  %4 = assign %1, %3 : f64[2,3]\n"
               "  %5 = sub %2, %3 : f64[2,3]\n"
               "  %6 = assign %2, %5 : f64[2,3]\n",
               X PARAM("%1", "v") PARAM("%2", "w") //
               "  %3 = add %1, %0 : f64[2,3] #1\n"
               "  %4 = sub %2, %3 : f64[2,3] #1\n"
               "  %5 = assign %1, %3 : f64[2,3] #1\n"
               "  %6 = assign %2, %4 : f64[2,3] #1\n");
}

// The old content read elsewhere than at the element written: two kernels.
TEST(fuse_separates_assigns_from_shifted_reads)
{
    check_pass("fuse",
               PARAM("%0", "w") //
               "  %1 = slice %0 {start=[0,0], size=[1,3]} : f64[1,3]\n"
               "  %2 = broadcast %1 {dims=[2,3], axes=[0,1]} : f64[2,3]\n"
               "  %3 = exp %2 : f64[2,3]\n"
               "  %4 = add %0, %3 : f64[2,3]\n"
               "  %5 = assign %0, %4 : f64[2,3]\n",
               PARAM("%0", "w") //
               "  %1 = slice %0 {start=[0,0], size=[1,3]} : f64[1,3]\n"
               "  %2 = broadcast %1 {dims=[2,3], axes=[0,1]} : f64[2,3]\n"
               "  %3 = exp %2 : f64[2,3] #1\n"
               "  %4 = add %0, %3 : f64[2,3] #1\n"
               "  %5 = assign %0, %4 : f64[2,3]\n");
}

// a -> view -> b and c, where c also reads a: c may not join a, for b lies
// between; it joins b, and a's other reader d joins a.
TEST(fuse_makes_no_cycles)
{
    check_pass("fuse",
               X "  %1 = exp %0 : f64[2,3]\n"
                 "  %2 = reduce_sum %1 {axes=[0,1]} : f64[]\n"
                 "  %3 = sin %2 : f64[]\n"
                 "  %4 = broadcast %3 {dims=[2,3], axes=[]} : f64[2,3]\n"
                 "  %5 = mul %1, %4 : f64[2,3]\n"
                 "  %6 = cos %1 : f64[2,3]\n"
                 "  %7 = add %5, %6 : f64[2,3]\n" OUT("%7"),
               X "  %1 = exp %0 : f64[2,3] #1\n"
                 "  %2 = reduce_sum %1 {axes=[0,1]} : f64[] #1\n"
                 "  %3 = cos %1 : f64[2,3] #1\n"
                 "  %4 = sin %2 : f64[]\n"
                 "  %5 = broadcast %4 {dims=[2,3], axes=[]} : f64[2,3]\n"
                 "  %6 = mul %1, %5 : f64[2,3] #2\n"
                 "  %7 = add %6, %3 : f64[2,3] #2\n" OUT("%7"));
}

// Two chains of equal dims that meet are one kernel, though each was begun
// alone.
TEST(fuse_merges_chains_that_meet)
{
    check_pass("fuse",
               X Y "  %2 = exp %0 : f64[2,3]\n"
                   "  %3 = sin %1 : f64[2,3]\n"
                   "  %4 = add %2, %3 : f64[2,3]\n" OUT("%4"),
               X Y "  %2 = exp %0 : f64[2,3] #1\n"
                   "  %3 = sin %1 : f64[2,3] #1\n"
                   "  %4 = add %2, %3 : f64[2,3] #1\n" OUT("%4"));
}
