// Shape rules, through the text form: what each accepts, and the sentence with
// which it refuses.
#include "ir/text_form.h"
#include "tests/harness.h"

// Leaves that the cases below read.
static const char leaves[] =
    "graph \"g\" {\n"
    "  %0 = input {name=\"x\"} : f32[8,3,32,32]\n"
    "  %1 = input {name=\"w\"} : f32[64,4,3,3]\n"
    "  %2 = input {name=\"m\"} : f32[2,3]\n"
    "  %3 = input {name=\"n\"} : f64[2,3]\n"
    "  %4 = input {name=\"b\"} : bool[2,3]\n"
    "  %5 = input {name=\"s\"} : f32[]\n"
    "  %6 = input {name=\"y\"} : f32[64,3,7,7]\n"
    "  %7 = input {name=\"big\"} : f32[1048576,1048576]\n"
    "  %8 = param {name=\"p\", role=\"weight\", init=\"normal\", scale=1}"
    " : f32[2,3]\n"
    "  %9 = input {name=\"xb\"} : f32[2,3,9,7,4] blocked\n"
    "  %10 = input {name=\"wb\"} : f32[8,12,3,3]\n"
    "  %11 = input {name=\"yb\"} : f32[2,2,5,4,4] blocked\n"
    "  %12 = input {name=\"pb\"} : f32[2,3,5,4,4] blocked\n"
    "  %13 = input {name=\"uneven\"} : f32[2,2,9,7,6]\n"
    "  %14 = input {name=\"wide\"} : f32[2,12,3,3]\n"
    "  %15 = input {name=\"rows\"} : f32[2]\n"
    "  %16 = input {name=\"long\"} : f32[2,12]\n"
    "  %17 = input {name=\"one\"} : f32[8,1,5,3]\n"
    "  %18 = input {name=\"key\"} : f32[5]\n"
    "  %19 = input {name=\"half\"} : bf16[8,3,32,32]\n"
    "  %20 = input {name=\"wh\"} : bf16[64,3,7,7]\n"
    "  %21 = input {name=\"yh\"} : bf16[8,64,16,16]\n"
    "  %22 = ";

// The type or the message that `node` gives; the type in the text is `type`.
static const char *infer(Arena *arena, const char *node, const char *type)
{
    Text text = text_new(arena);
    text_addf(&text, "%s%s : %s\n}\n", leaves, node, type);
    DiagList diags = diag_list_new(arena);
    Source *source =
        source_from_text(arena, "case", text_string(&text), text.length);
    GraphList *list = graph_parse(arena, source, &diags);
    if (!list)
        return diags.items.at[0].message;
    return type_text(arena, graph_type(list->graphs.at[0], 22));
}

typedef struct Good {
    const char *node, *type;
} Good;

TEST(shape_rules_accept)
{
    static const Good cases[] = {
        {"conv2d %0, %6 {stride=[2,2], pad=[3,3,3,3]}", "f32[8,64,16,16]"},
        {"conv2d %19, %6 {stride=[2,2], pad=[3,3,3,3]}", "bf16[8,64,16,16]"},
        {"conv2d_grad_x %6, %21 {stride=[2,2], pad=[3,3,3,3], "
         "dims=[8,3,32,32]}",
         "bf16[8,3,32,32]"},
        {"conv2d_grad_w %19, %21 {stride=[2,2], pad=[3,3,3,3], "
         "dims=[64,3,7,7]}",
         "f32[64,3,7,7]"},
        {"conv2d %0, %6 {stride=[1,3], pad=[0,1,2,3]}", "f32[8,64,28,10]"},
        {"conv2d %0, %6 {stride=[100,100], pad=[0,0,0,0]}", "f32[8,64,1,1]"},
        {"conv2d %9, %10 {stride=[2,2], pad=[1,1,1,1]}",
         "f32[2,2,5,4,4] blocked"},
        {"conv2d_grad_x %10, %11 {stride=[2,2], pad=[1,1,1,1], "
         "dims=[2,3,9,7,4], form=blocked}",
         "f32[2,3,9,7,4] blocked"},
        {"conv2d_grad_w %9, %11 {stride=[2,2], pad=[1,1,1,1], "
         "dims=[8,12,3,3]}",
         "f32[8,12,3,3]"},
        {"max_pool %9 {kernel=[3,3], stride=[2,2], pad=[1,1,1,1]}",
         "f32[2,3,5,4,4] blocked"},
        {"max_pool_grad %9, %12 {kernel=[3,3], stride=[2,2], pad=[1,1,1,1]}",
         "f32[2,3,9,7,4] blocked"},
        {"sum_pool_grad %12 {kernel=[3,3], stride=[2,2], pad=[1,1,1,1], "
         "dims=[2,3,9,7,4], form=blocked}",
         "f32[2,3,9,7,4] blocked"},
        {"relu %9", "f32[2,3,9,7,4] blocked"},
        {"reduce_sum %9 {axes=[2,3]}", "f32[2,3,4]"},
        {"reshape %9 {dims=[2,3,9,7,4]}", "f32[2,3,9,7,4]"},
        {"reshape %0 {dims=[8,3,32,32,1], form=planes}",
         "f32[8,3,32,32,1] planes"},
        {"slice %9 {start=[0,1,0,0,0], size=[2,2,9,7,4]}",
         "f32[2,2,9,7,4] blocked"},
        {"max_pool %0 {kernel=[3,2], stride=[2,1], pad=[1,0,1,0]}",
         "f32[8,3,16,31]"},
        {"sum_pool %0 {kernel=[32,32], stride=[1,1], pad=[0,0,0,0]}",
         "f32[8,3,1,1]"},
        {"broadcast %2 {dims=[2,4,3], axes=[0,2]}", "f32[2,4,3]"},
        {"broadcast %4 {dims=[2,3,1], axes=[0,1]}", "bool[2,3,1]"},
        {"matmul %2, %8 {trans_a=1, trans_b=0}", "f32[3,3]"},
        {"matmul %0, %0 {trans_a=0, trans_b=1}", "f32[8,3,32,32]"},
        {"matmul %8, %10 {trans_a=0, trans_b=0}", "f32[8,12,2,3]"},
        {"matmul %10, %17 {trans_a=1, trans_b=1}", "f32[8,12,3,5]"},
        {"attention %2, %8, %2 {scale=1}", "f32[2,4]"},
        {"attention %10, %10, %10 {scale=-2}", "f32[8,12,3,4]"},
        {"take %2, %15", "f32[2,3]"},
        {"take %1, %2", "f32[2,3,4,3,3]"},
        {"take %15, %5", "f32[]"},
        {"take_grad %2, %15 {count=7}", "f32[7,3]"},
        {"take_grad %5, %5 {count=2}", "f32[2]"},
        {"resize %0 {size=[1,40], mode=\"nearest\"}", "f32[8,3,1,40]"},
        {"resize_grad %0 {size=[5,6], mode=\"bilinear\"}", "f32[8,3,5,6]"},
        {"reshape %2 {dims=[1,6,1]}", "f32[1,6,1]"},
        {"reshape %5 {dims=[]}", "f32[]"},
        {"transpose %0 {perm=[0,2,3,1]}", "f32[8,32,32,3]"},
        {"slice %2 {start=[1,2], size=[1,1]}", "f32[1,1]"},
        {"pad %2 {low=[0,0], high=[0,0], value=nan}", "f32[2,3]"},
        {"concat %2 {axis=0}", "f32[2,3]"},
        {"concat %2, %2, %8 {axis=0}", "f32[6,3]"},
        {"reduce_sum %0 {axes=[0,2,3]}", "f32[3]"},
        {"reduce_max %2 {axes=[0,1]}", "f32[]"},
        {"cast %4 {dtype=\"bf16\"}", "bf16[2,3]"},
        {"select %4, %2, %8", "f32[2,3]"},
        {"select %4, %4, %4", "bool[2,3]"},
        {"eq %2, %8", "bool[2,3]"},
        {"all_gather %2 {ranks=3}", "f32[6,3]"},
        {"reduce_scatter %2 {ranks=2}", "f32[1,3]"},
        {"assign %8, %2", "f32[2,3]"},
        {"const {value=1}", "bool[4]"},
        {"const {value=0.5}", "bf16[1,1,1,1,1,1]"},
        {"rank", "f64[]"},
    };
    Arena *arena = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_TEXT(infer(arena, cases[i].node, cases[i].type), cases[i].type);
    arena_free(arena);
}

typedef struct Bad {
    const char *node, *message;
} Bad;

static void check_bad(const Bad *cases, size_t count, const char *type)
{
    Arena *arena = arena_new();
    for (size_t i = 0; i < count; i++)
        CHECK_TEXT(infer(arena, cases[i].node, type), cases[i].message);
    arena_free(arena);
}
#define CHECK_BAD(cases, type)                                                 \
    check_bad(cases, sizeof(cases) / sizeof((cases)[0]), type)

TEST(window_rules_refuse)
{
    static const Bad cases[] = {
        {"conv2d %0, %1 {stride=[1,1], pad=[0,0,0,0]}",
         "conv2d: x f32[8,3,32,32] has 3 channels, but w f32[64,4,3,3] takes "
         "4"},
        {"conv2d %0, %2 {stride=[1,1], pad=[0,0,0,0]}",
         "conv2d: needs x[n,c,h,w] and w[o,c,kh,kw] of one float type, not "
         "f32[8,3,32,32] and f32[2,3]"},
        {"conv2d %19, %20 {stride=[1,1], pad=[0,0,0,0]}",
         "conv2d: weights of images in bf16 are f32, not bf16[64,3,7,7]"},
        {"conv2d %0, %20 {stride=[1,1], pad=[0,0,0,0]}",
         "conv2d: needs x[n,c,h,w] and w[o,c,kh,kw] of one float type, not "
         "f32[8,3,32,32] and bf16[64,3,7,7]"},
        {"conv2d_grad_w %19, %11 {stride=[2,2], pad=[3,3,3,3], "
         "dims=[64,3,7,7]}",
         "conv2d_grad_w: dy is f32[2,2,5,4,4] blocked, but the result it is "
         "for is bf16[8,64,16,16]"},
        {"conv2d %0, %6 {stride=[0,1], pad=[0,0,0,0]}",
         "conv2d: stride is two positive numbers: down and across"},
        {"conv2d %0, %6 {stride=[1], pad=[0,0,0,0]}",
         "conv2d: stride is two positive numbers: down and across"},
        {"conv2d %0, %6 {stride=[1,1], pad=[0,-1,0,0]}",
         "conv2d: pad is four numbers, none negative: top, left, bottom and "
         "right"},
        {"conv2d %0, %6 {stride=[1,1], pad=[9000000000000000000,1,1,1]}",
         "conv2d: pad is four numbers, none negative: top, left, bottom and "
         "right"},
        {"conv2d %6, %0 {stride=[1,1], pad=[0,0,0,0]}",
         "conv2d: kernel of w f32[8,3,32,32] does not fit padded "
         "f32[64,3,7,7]"},
        {"conv2d_grad_x %6, %0 {stride=[1,1], pad=[3,3,3,3], "
         "dims=[8,3,32,32]}",
         "conv2d_grad_x: dy is f32[8,3,32,32], but the result it is for is "
         "f32[8,64,32,32]"},
        {"conv2d_grad_x %6, %0 {stride=[1,1], pad=[3,3,3,3], dims=[8,3,32]}",
         "conv2d_grad_x: dims must be four sane sizes, or those of blocks or "
         "tiles, not f32[8,3,32]"},
        {"conv2d_grad_w %0, %0 {stride=[1,1], pad=[0,0,0,0], dims=[3,4,1,1]}",
         "conv2d_grad_w: x f32[8,3,32,32] has 3 channels, but w f32[3,4,1,1] "
         "takes 4"},
        {"max_pool %0 {kernel=[3,3], stride=[1,1], pad=[3,0,0,0]}",
         "max_pool: pad 3 is not smaller than the kernel, 3"},
        {"max_pool %0 {kernel=[3,0], stride=[1,1], pad=[0,0,0,0]}",
         "max_pool: kernel is two positive numbers: down and across"},
        {"max_pool %0 {kernel=[33,1], stride=[1,1], pad=[0,0,0,0]}",
         "max_pool: kernel 33x1 does not fit f32[8,3,32,32]"},
        {"max_pool %2 {kernel=[1,1], stride=[1,1], pad=[0,0,0,0]}",
         "max_pool: needs floats x[n,c,h,w], not f32[2,3]"},
        {"max_pool_grad %0, %6 {kernel=[1,1], stride=[1,1], pad=[0,0,0,0]}",
         "max_pool_grad: dy is f32[64,3,7,7], but the result it is for is "
         "f32[8,3,32,32]"},
        {"sum_pool_grad %0 {kernel=[2,2], stride=[2,2], pad=[0,0,0,0], "
         "dims=[8,3,32,32]}",
         "sum_pool_grad: dy is f32[8,3,32,32], but the result it is for is "
         "f32[8,3,16,16]"},
    };
    CHECK_BAD(cases, "f32[]");
}

// What a form stands for must stay true of the dims.
TEST(forms_are_kept_or_refused)
{
    static const Bad cases[] = {
        {"slice %9 {start=[0,0,0,0,0], size=[2,3,9,7,2]}",
         "slice: axis 4 of f32[2,3,9,7,4] blocked can only stay whole"},
        {"pad %9 {low=[0,0,0,0,1], high=[0,0,0,0,0], value=0}",
         "pad: axis 4 of f32[2,3,9,7,4] blocked can only stay whole"},
        {"concat %9, %9 {axis=4}",
         "concat: f32[2,3,9,7,4] blocked cannot follow f32[2,3,9,7,4] blocked "
         "along axis 4"},
        {"reshape %0 {dims=[8,3,32,16,2], form=planes}",
         "reshape: f32[8,3,32,16,2] planes cannot be of that form"},
        {"reshape %0 {dims=[8,1,32,32,3], form=blocked}",
         "reshape: f32[8,1,32,32,3] blocked cannot be of that form"},
        {"reshape %6 {dims=[2,1,7,7,32,3], form=tiled}",
         "reshape: f32[2,1,7,7,32,3] tiled cannot be of that form"},
        {"conv2d %0, %6 {stride=[1,1], pad=[3,3,3,3], block=16}",
         "conv2d: block is for convolutions of planes, not of f32[8,3,32,32]"},
    };
    CHECK_BAD(cases, "f32[]");
}

TEST(window_rules_refuse_mixed_forms)
{
    static const Bad cases[] = {
        {"conv2d %9, %6 {stride=[1,1], pad=[0,0,0,0]}",
         "conv2d: x f32[2,3,9,7,4] blocked has 12 channels, but w "
         "f32[64,3,7,7] takes "
         "3"},
        {"conv2d %9, %14 {stride=[1,1], pad=[0,0,0,0]}",
         "conv2d: the 2 outputs of w f32[2,12,3,3] do not fill blocks of 4"},
        {"conv2d %13, %10 {stride=[1,1], pad=[0,0,0,0]}",
         "conv2d: needs x[n,c,h,w] and w[o,c,kh,kw] of one float type, not "
         "f32[2,2,9,7,6] and f32[8,12,3,3]"},
        {"conv2d %9, %9 {stride=[1,1], pad=[0,0,0,0]}",
         "conv2d: needs x[n,c,h,w] and w[o,c,kh,kw] of one float type, not "
         "f32[2,3,9,7,4] blocked and f32[2,3,9,7,4] blocked"},
        {"conv2d_grad_x %10, %11 {stride=[2,2], pad=[1,1,1,1], "
         "dims=[2,12,9,7]}",
         "conv2d_grad_x: dy is f32[2,2,5,4,4] blocked, but the result it is "
         "for is "
         "f32[2,8,5,4]"},
        {"conv2d_grad_w %9, %11 {stride=[2,2], pad=[1,1,1,1], "
         "dims=[2,3,3,3,4]}",
         "conv2d_grad_w: needs x[n,c,h,w] and w[o,c,kh,kw] of one float type, "
         "not f32[2,3,9,7,4] blocked and f32[2,3,3,3,4]"},
        {"max_pool %13 {kernel=[1,1], stride=[1,1], pad=[0,0,0,0]}",
         "max_pool: needs floats x[n,c,h,w], not f32[2,2,9,7,6]"},
        {"max_pool_grad %9, %11 {kernel=[3,3], stride=[2,2], pad=[1,1,1,1]}",
         "max_pool_grad: dy is f32[2,2,5,4,4] blocked, but the result it is "
         "for is "
         "f32[2,3,5,4,4] blocked"},
        {"sum_pool_grad %12 {kernel=[3,3], stride=[2,2], pad=[1,1,1,1], "
         "dims=[2,12,9,7]}",
         "sum_pool_grad: dy is f32[2,3,5,4,4] blocked, but the result it is "
         "for is "
         "f32[2,12,5,4]"},
    };
    CHECK_BAD(cases, "f32[]");
}

TEST(matmul_refuses)
{
    static const Bad cases[] = {
        {"matmul %2, %8 {trans_a=0, trans_b=0}",
         "matmul: inner sizes differ: f32[2,3] has 3, f32[2,3] has 2"},
        {"matmul %2, %8 {trans_a=1, trans_b=1}",
         "matmul: inner sizes differ: f32[2,3] transposed has 2, f32[2,3] "
         "transposed has 3"},
        {"matmul %2, %8 {trans_a=2, trans_b=0}",
         "matmul: trans_a and trans_b are 0 or 1"},
        {"matmul %2, %3 {trans_a=0, trans_b=1}",
         "matmul: needs matrices of one float type, not f32[2,3] and "
         "f64[2,3]"},
        {"matmul %4, %4 {trans_a=0, trans_b=1}",
         "matmul: needs matrices of one float type, not bool[2,3] and "
         "bool[2,3]"},
        {"matmul %2, %15 {trans_a=0, trans_b=0}",
         "matmul: needs matrices of one float type, not f32[2,3] and f32[2]"},
        {"matmul %9, %9 {trans_a=0, trans_b=1}",
         "matmul: needs matrices of one float type, not f32[2,3,9,7,4] blocked "
         "and f32[2,3,9,7,4] blocked"},
        {"matmul %0, %2 {trans_a=0, trans_b=0}",
         "matmul: inner sizes differ: f32[8,3,32,32] has 32, f32[2,3] has 2"},
        {"matmul %10, %14 {trans_a=0, trans_b=0}",
         "matmul: axes before the last two differ: f32[8,12,3,3] has 8, "
         "f32[2,12,3,3] has 2"},
    };
    CHECK_BAD(cases, "f32[]");
}

TEST(attention_refuses)
{
    static const Bad cases[] = {
        {"attention %2, %8, %3 {scale=1}",
         "attention: needs q[..,m,d], k[..,s,d] and v[..,s,e] of one float "
         "type, not f32[2,3], f32[2,3] and f64[2,3]"},
        {"attention %15, %15, %15 {scale=1}",
         "attention: needs q[..,m,d], k[..,s,d] and v[..,s,e] of one float "
         "type, not f32[2], f32[2] and f32[2]"},
        {"attention %10, %14, %10 {scale=1}",
         "attention: needs q[..,m,d], k[..,s,d] and v[..,s,e] of one float "
         "type, not f32[8,12,3,3], f32[2,12,3,3] and f32[8,12,3,3]"},
        {"attention %2, %16, %16 {scale=1}",
         "attention: needs q[..,m,d], k[..,s,d] and v[..,s,e] of one float "
         "type, not f32[2,3], f32[2,12] and f32[2,12]"},
        {"attention %2, %8, %2 {scale=inf}",
         "attention: scale is not a finite number"},
        {"attention_grad_q %2, %8, %2, %2, %2 {scale=1}",
         "attention_grad_q: y and dy are f32[2,3], but the result they are for "
         "is f32[2,4]"},
    };
    CHECK_BAD(cases, "f32[]");
}

TEST(rows_by_number_and_resized_images_refuse)
{
    static const Bad cases[] = {
        {"take %2, %3",
         "take: needs one float type, not f32[2,3] and f64[2,3]"},
        {"take %9, %15",
         "take: needs plain tensors, not f32[2,3,9,7,4] blocked and f32[2]"},
        {"take %5, %15", "take: a scalar has no rows"},
        {"take %0, %10",
         "take: rows of f32[8,3,32,32] for each of f32[8,12,3,3] have more "
         "than 6 axes"},
        {"take_grad %2, %15 {count=0}",
         "take_grad: count must be 1 or more, not 0"},
        {"take_grad %15, %2 {count=3}",
         "take_grad: f32[2] does not have a row for each of f32[2,3]"},
        {"take_grad %0, %15 {count=3}",
         "take_grad: f32[8,3,32,32] does not have a row for each of f32[2]"},
        {"resize %2 {size=[2,2], mode=\"nearest\"}",
         "resize: needs floats x[n,c,h,w], not f32[2,3]"},
        {"resize %0 {size=[2], mode=\"nearest\"}",
         "resize: size is two positive numbers: height and width"},
        {"resize %0 {size=[2,0], mode=\"nearest\"}",
         "resize: size is two positive numbers: height and width"},
        {"resize_grad %0 {size=[2,2], mode=\"cubic\"}",
         "resize_grad: mode is \"nearest\" or \"bilinear\", not \"cubic\""},
    };
    CHECK_BAD(cases, "f32[]");
}

TEST(matmul_rows_refuse)
{
    static const Bad cases[] = {
        {"matmul_lse %2, %3, %2",
         "matmul_lse: needs two matrices of one float type, not f32[2,3] and "
         "f64[2,3]"},
        {"matmul_max %2, %16, %15",
         "matmul_max: rows of f32[2,3] and f32[2,12] differ in length"},
        {"matmul_lse %2, %8, %5",
         "matmul_lse: which to leave out is a number for each of the 2 rows of "
         "f32[2,3], not f32[]"},
        {"matmul_entropy %2, %8, %15 {guard=-1}",
         "matmul_entropy: guard is from 0 up to 1"},
        {"matmul_softmax %2, %8, %15, %15, %2 {trans=2}",
         "matmul_softmax: trans is 0 or 1"},
        {"matmul_softmax %2, %8, %15, %5, %2 {trans=0}",
         "matmul_softmax: needs a logarithm for each row, not f32[]"},
        {"matmul_softmax %2, %8, %15, %15, %15 {trans=0}",
         "matmul_softmax: f32[2] does not have a row for each of f32[2,3]"},
    };
    CHECK_BAD(cases, "f32[]");
}

TEST(elementwise_rules_refuse)
{
    static const Bad cases[] = {
        {"add %2, %3", "add: types differ: f32[2,3] and f64[2,3]"},
        {"add %4, %4", "add: needs floats, not bool[2,3]"},
        {"exp %4", "exp: needs floats, not bool[2,3]"},
        {"not %2", "not: needs bool, not f32[2,3]"},
        {"and %4, %2", "and: types differ: bool[2,3] and f32[2,3]"},
        {"or %2, %2", "or: needs bool, not f32[2,3]"},
        {"lt %2, %5", "lt: types differ: f32[2,3] and f32[]"},
        {"select %2, %2, %2", "select: needs bool, not f32[2,3]"},
        {"select %4, %2, %3", "select: types differ: f32[2,3] and f64[2,3]"},
        {"select %4, %5, %5",
         "select: condition bool[2,3] and choices f32[] differ in shape"},
        {"cast %2 {dtype=\"int\"}", "cast: unknown element type \"int\""},
        {"assign %2, %2", "assign: %2 is not a param"},
        {"assign %8, %3", "assign: types differ: f32[2,3] and f64[2,3]"},
        {"neg %2, %2", "neg: takes 1 input, not 2"},
    };
    CHECK_BAD(cases, "f32[]");
}

TEST(movement_rules_refuse)
{
    static const Bad cases[] = {
        {"broadcast %2 {dims=[2,4], axes=[0,1]}",
         "broadcast: axis 1 of f32[2,3] does not fit f32[2,4]"},
        {"broadcast %2 {dims=[3,2], axes=[1,0]}",
         "broadcast: axes must increase: 0 follows 1"},
        {"broadcast %2 {dims=[2,3], axes=[0,2]}",
         "broadcast: there is no axis 2 among 2"},
        {"broadcast %2 {dims=[2,3], axes=[0]}",
         "broadcast: axes has 1 number, but f32[2,3] has 2 axes"},
        {"broadcast %5 {dims=[0], axes=[]}",
         "broadcast: f32[0] has a size below 1 or more than 2^40 elements"},
        {"broadcast %5 {dims=[1099511627776,1099511627776], axes=[]}",
         "broadcast: f32[1099511627776,1099511627776] has a size below 1 or "
         "more than 2^40 elements"},
        {"reshape %2 {dims=[5]}",
         "reshape: f32[2,3] has 6 elements, but f32[5] has 5"},
        {"reshape %2 {dims=[-2,-3]}",
         "reshape: f32[-2,-3] has a size below 1 or more than 2^40 elements"},
        {"transpose %2 {perm=[0,0]}",
         "transpose: perm must name each axis of f32[2,3] once"},
        {"transpose %2 {perm=[0,64]}",
         "transpose: perm must name each axis of f32[2,3] once"},
        {"slice %2 {start=[0,2], size=[2,2]}",
         "slice: 2 from 2 on is outside axis 1 of f32[2,3]"},
        {"slice %2 {start=[0,-1], size=[2,2]}",
         "slice: 2 from -1 on is outside axis 1 of f32[2,3]"},
        {"slice %2 {start=[0,1], size=[2,9223372036854775806]}",
         "slice: 9223372036854775806 from 1 on is outside axis 1 of "
         "f32[2,3]"},
        {"pad %2 {low=[0,-1], high=[0,0], value=0}",
         "pad: low and high must be 0 to 2^40"},
        {"pad %2 {low=[0,0], high=[0,-1], value=0}",
         "pad: low and high must be 0 to 2^40"},
        {"pad %4 {low=[0,1], high=[0,0], value=0.5}",
         "pad: a bool is 0 or 1, not 0.5"},
        {"pad %7 {low=[1,0], high=[0,0], value=0}",
         "pad: f32[1048577,1048576] has a size below 1 or more than 2^40 "
         "elements"},
        {"concat %2, %0 {axis=0}",
         "concat: f32[8,3,32,32] cannot follow f32[2,3] along axis 0"},
        {"concat %2, %3 {axis=0}",
         "concat: f64[2,3] cannot follow f32[2,3] along axis 0"},
        {"concat %2, %2, %7 {axis=1}",
         "concat: f32[1048576,1048576] cannot follow f32[2,3] along axis 1"},
        {"concat %2 {axis=2}", "concat: f32[2,3] has no axis 2"},
        {"concat %5 {axis=0}", "concat: f32[] has no axis 0"},
        {"concat {axis=0}", "concat: takes at least one input"},
    };
    CHECK_BAD(cases, "f32[]");
}

TEST(reductions_and_collectives_refuse)
{
    static const Bad cases[] = {
        {"reduce_sum %2 {axes=[]}", "reduce_sum: no axis to reduce"},
        {"reduce_sum %2 {axes=[1,1]}",
         "reduce_sum: axes must increase: 1 follows 1"},
        {"reduce_sum %2 {axes=[2]}", "reduce_sum: there is no axis 2 among 2"},
        {"reduce_max %4 {axes=[0]}", "reduce_max: needs floats, not bool[2,3]"},
        {"all_sum %2 {ranks=0}", "all_sum: ranks must be 1 to 65536, not 0"},
        {"all_gather %5 {ranks=2}", "all_gather: a scalar has no axis 0"},
        {"all_gather %7 {ranks=2}",
         "all_gather: f32[2097152,1048576] has a size below 1 or more than "
         "2^40 elements"},
        {"reduce_scatter %2 {ranks=3}",
         "reduce_scatter: axis 0 of f32[2,3] cannot be divided by 3 ranks"},
        {"reduce_scatter %5 {ranks=1}",
         "reduce_scatter: axis 0 of f32[] cannot be divided by 1 ranks"},
    };
    CHECK_BAD(cases, "f32[]");
}

TEST(random_numbers_refuse)
{
    static const Bad cases[] = {
        {"random %2 {dims=[2], steps=[1], stream=\"\"}",
         "random: the key is f32[5] or f64[5], not f32[2,3]"},
        {"random %18 {dims=[0], steps=[1], stream=\"\"}",
         "random: f32[0] has a size below 1 or more than 2^40 elements"},
        {"random %18 {dims=[1,65536,65537], steps=[0,0,0], stream=\"\"}",
         "random: f32[1,65536,65537] has more than 2^32 elements for one index "
         "of axis 0"},
        {"random %18 {dims=[2,3], steps=[1], stream=\"\"}",
         "random: steps are a number of at least 0 for each of 2 axes, and "
         "lead to less than 2^60"},
        {"random %18 {dims=[2], steps=[-1], stream=\"\"}",
         "random: steps are a number of at least 0 for each of 1 axes, and "
         "lead to less than 2^60"},
        {"random %18 {dims=[4194304], steps=[1099511627776], stream=\"\"}",
         "random: steps are a number of at least 0 for each of 1 axes, and "
         "lead to less than 2^60"},
        {"random %18 {dims=[2], steps=[1], stream=\"\", images=[2]}",
         "random: images are two numbers from 1 to 2^24, of a part and of the "
         "whole batch, or four: then of a run, and from one run to the next"},
        {"random %18 {dims=[2], steps=[1], stream=\"\", images=[4,2]}",
         "random: images are two numbers from 1 to 2^24, of a part and of the "
         "whole batch, or four: then of a run, and from one run to the next"},
        {"random %18 {dims=[2], steps=[1], stream=\"\", images=[4,16,3,6]}",
         "random: 4 images in runs of 3, one every 6, are none of a batch of "
         "16"},
        {"random %18 {dims=[2], steps=[1], stream=\"\", images=[4,8,2,7]}",
         "random: 4 images in runs of 2, one every 7, are none of a batch of "
         "8"},
        {"random %18 {dims=[2], steps=[1], stream=\"\", images=[4,8,2,1]}",
         "random: 4 images in runs of 2, one every 1, are none of a batch of "
         "8"},
        {"random %18 {dims=[2,3,4,4,6], steps=[1,1,1,1,1], stream=\"\", "
         "form=blocked}",
         "random: f32[2,3,4,4,6] blocked cannot be of that form"},
    };
    CHECK_BAD(cases, "f32[]");
}

TEST(leaves_refuse)
{
    static const Bad scalars[] = {
        {"param {name=\"\", role=\"weight\", init=\"normal\", scale=1}",
         "param: name is empty"},
        {"param {name=\"q\", role=\"wait\", init=\"normal\", scale=1}",
         "param: role \"wait\" is not weight, state, slot, frozen or sum"},
        {"param {name=\"q\", role=\"slot\", init=\"zero\", scale=1}",
         "param: init \"zero\" is not constant, normal, truncated_normal, "
         "uniform or copy"},
        {"param {name=\"q\", role=\"slot\", init=\"normal\", scale=inf}",
         "param: scale is not a finite number"},
        {"input {name=\"\"}", "input: name is empty"},
        {"iota {axis=0}", "iota: f32[] has no axis 0"},
    };
    static const Bad bools[] = {
        {"const {value=0.5}", "const: a bool is 0 or 1, not 0.5"},
        {"const {value=nan}", "const: a bool is 0 or 1, not nan"},
        {"iota {axis=0}", "iota: elements must be floats, not bool"},
        {"rank", "rank: the type is a scalar float, not bool[2]"},
        {"param {name=\"q\", role=\"slot\", init=\"normal\", scale=1}",
         "param: elements must be floats, not bool"},
    };
    static const Bad huge[] = {
        {"const {value=1}", "const: f32[1099511627776,2] has a size below 1 or "
                            "more than 2^40 elements"},
        {"input {name=\"q\"}", "input: f32[1099511627776,2] has a size below "
                               "1 or more than 2^40 elements"},
    };
    CHECK_BAD(scalars, "f32[]");
    CHECK_BAD(bools, "bool[2]");
    CHECK_BAD(huge, "f32[1099511627776,2]");
}

TEST(windows_are_counted_as_defined)
{
    // Against counting the places one by one.
    for (int size = 1; size <= 9; size++)
        for (int kernel = 1; kernel <= 5; kernel++)
            for (int stride = 1; stride <= 4; stride++)
                for (int pads = 0; pads <= 8; pads++) {
                    int places = 0, low = pads / 3, high = pads - low;
                    for (int at = 0; at + kernel <= size + pads; at += stride)
                        places++;
                    CHECK_INT(shape_windows(size, kernel, stride, low, high),
                              places);
                }
}
