// What must hold for every row of ir/ops.def, and one sample of each op.
#include "ir/text_form.h"
#include "tests/harness.h"

// Every op once at least, as the printer writes it. A new op needs a line.
static const char sample[] =
    "graph \"every op\" {\n"
    "  %0 = param {name=\"w\", role=\"weight\", init=\"normal\", scale=0.01}"
    " : f32[4,3,3,3]\n"
    "  %1 = input {name=\"x\"} : f32[2,3,8,8] in \"stem\"\n"
    "  %2 = const {value=-2.5e-07} : f32[2,3] at \"resnet.net\":12\n"
    "  %3 = iota {axis=1} : f32[2,3] at \"resnet.net\":12 in \"a.\\\"b\\\"\"\n"
    "  %4 = rank : f32[]\n"
    "  %5 = neg %2 : f32[2,3] #1\n"
    "  %6 = abs %5 : f32[2,3] #1\n"
    "  %7 = exp %2 : f32[2,3]\n"
    "  %8 = log %2 : f32[2,3]\n"
    "  %9 = sqrt %2 : f32[2,3]\n"
    "  %10 = rsqrt %2 : f32[2,3]\n"
    "  %11 = sin %2 : f32[2,3]\n"
    "  %12 = cos %2 : f32[2,3]\n"
    "  %13 = tanh %2 : f32[2,3]\n"
    "  %14 = sigmoid %2 : f32[2,3]\n"
    "  %15 = relu %2 : f32[2,3]\n"
    "  %16 = floor %2 : f32[2,3]\n"
    "  %17 = sign %2 : f32[2,3]\n"
    "  %18 = cast %2 {dtype=\"bool\"} : bool[2,3]\n"
    "  %19 = not %18 : bool[2,3]\n"
    "  %20 = stop_gradient %2 : f32[2,3]\n"
    "  %21 = add %2, %3 : f32[2,3]\n"
    "  %22 = sub %2, %3 : f32[2,3]\n"
    "  %23 = mul %2, %3 : f32[2,3]\n"
    "  %24 = div %2, %3 : f32[2,3]\n"
    "  %25 = max %2, %3 : f32[2,3]\n"
    "  %26 = min %2, %3 : f32[2,3]\n"
    "  %27 = pow %2, %3 : f32[2,3]\n"
    "  %28 = eq %2, %3 : bool[2,3]\n"
    "  %29 = ne %2, %3 : bool[2,3]\n"
    "  %30 = lt %2, %3 : bool[2,3]\n"
    "  %31 = le %2, %3 : bool[2,3]\n"
    "  %32 = and %28, %29 : bool[2,3]\n"
    "  %33 = or %28, %29 : bool[2,3]\n"
    "  %34 = select %33, %2, %3 : f32[2,3]\n"
    "  %35 = broadcast %2 {dims=[2,5,3], axes=[0,2]} : f32[2,5,3]\n"
    "  %36 = broadcast %4 {dims=[2,3], axes=[]} : f32[2,3]\n"
    "  %37 = reshape %2 {dims=[6]} : f32[6]\n"
    "  %38 = transpose %2 {perm=[1,0]} : f32[3,2]\n"
    "  %39 = slice %2 {start=[0,1], size=[2,2]} : f32[2,2]\n"
    "  %40 = pad %2 {low=[1,0], high=[0,2], value=-inf} : f32[3,5]\n"
    "  %41 = concat %2, %39, %3 {axis=1} : f32[2,8]\n"
    "  %42 = reduce_sum %35 {axes=[0,2]} : f32[5]\n"
    "  %43 = reduce_max %2 {axes=[1]} : f32[2]\n"
    "  %44 = matmul %2, %3 {trans_a=0, trans_b=1} : f32[2,2]\n"
    "  %45 = slice %11 {start=[0,0], size=[2,1]} : f32[2,1]\n"
    "  %46 = reshape %45 {dims=[2]} : f32[2]\n"
    "  %47 = matmul_lse %2, %3, %46 : f32[2]\n"
    "  %48 = matmul_max %2, %3, %46 : f32[2]\n"
    "  %49 = matmul_entropy %2, %3, %46 {guard=1e-08} : f32[2]\n"
    "  %50 = matmul_softmax %2, %3, %46, %47, %3 {trans=0} : f32[2,3]\n"
    "  %51 = conv2d %1, %0 {stride=[2,2], pad=[1,1,1,1]} : f32[2,4,4,4]\n"
    "  %52 = conv2d_grad_x %0, %51 {stride=[2,2], pad=[1,1,1,1],"
    " dims=[2,3,8,8]} : f32[2,3,8,8]\n"
    "  %53 = conv2d_grad_w %1, %51 {stride=[2,2], pad=[1,1,1,1],"
    " dims=[4,3,3,3]} : f32[4,3,3,3]\n"
    "  %54 = max_pool %1 {kernel=[3,3], stride=[2,2], pad=[1,1,1,1]}"
    " : f32[2,3,4,4]\n"
    "  %55 = max_pool_grad %1, %54 {kernel=[3,3], stride=[2,2],"
    " pad=[1,1,1,1]} : f32[2,3,8,8]\n"
    "  %56 = sum_pool %1 {kernel=[2,2], stride=[2,2], pad=[0,0,0,0]}"
    " : f32[2,3,4,4]\n"
    "  %57 = sum_pool_grad %56 {kernel=[2,2], stride=[2,2], pad=[0,0,0,0],"
    " dims=[2,3,8,8]} : f32[2,3,8,8]\n"
    "  %58 = all_sum %2 {ranks=4} : f32[2,3]\n"
    "  %59 = all_gather %2 {ranks=4} : f32[8,3]\n"
    "  %60 = reduce_scatter %59 {ranks=4} : f32[2,3]\n"
    "  %61 = assign %0, %53 : f32[4,3,3,3] #2\n"
    "  %62 = erf %2 : f32[2,3]\n"
    "  %63 = take %2, %46 : f32[2,3]\n"
    "  %64 = take_grad %63, %46 {count=5} : f32[5,3]\n"
    "  %65 = resize %1 {size=[3,9], mode=\"bilinear\"} : f32[2,3,3,9]\n"
    "  %66 = resize_grad %65 {size=[8,8], mode=\"nearest\"} : f32[2,3,8,8]\n"
    "  %67 = input {name=\"random\"} : f32[5]\n"
    "  %68 = random %67 {dims=[2,3], steps=[4294967296,1], stream=\"fc/0\"}"
    " : f32[2,3]\n"
    "  %69 = random %67 {dims=[4,2,3,3,8],"
    " steps=[4294967296,72,3,1,9], stream=\"\", images=[2,8], form=blocked}"
    " : f32[4,2,3,3,8] blocked\n"
    "  %70 = attention %2, %3, %63 {scale=0.5} : f32[2,4]\n"
    "  %71 = attention_grad_q %2, %3, %63, %70, %70 {scale=0.5} : f32[2,3]\n"
    "  %72 = attention_grad_kv %2, %3, %63, %70, %70 {scale=0.5}"
    " : f32[2,6]\n"
    "  output \"sum\" = %42\n"
    "  output \"w\" = %61\n"
    "}\n";

TEST(every_op_prints_and_parses)
{
    Arena *arena = arena_new();
    DiagList diags = diag_list_new(arena);
    Source *source =
        source_from_text(arena, "sample", sample, sizeof sample - 1);
    GraphList *list = graph_parse(arena, source, &diags);
    diag_print(&diags, stdout, false);
    CHECK(list && list->graphs.count == 1);
    if (!list)
        return;
    Graph *graph = list->graphs.at[0];
    Text text = text_new(arena);
    graph_print(graph, &text);
    CHECK_TEXT(text_string(&text), sample);

    bool seen[OP_COUNT] = {false};
    for (Value v = 0; v < graph->nodes.count; v++)
        seen[graph_node(graph, v)->op] = true;
    for (int op = 0; op < OP_COUNT; op++)
        if (!seen[op])
            test_fail(__FILE__, __LINE__, "no sample of %s",
                      op_info((Op)op)->text);

    Text dot = text_new(arena);
    graph_print_dot(graph, &dot);
    CHECK(strstr(text_string(&dot), "v0 -> v51;") != NULL);
    CHECK(strstr(text_string(&dot), "cluster_1") != NULL);
    arena_free(arena);
}

// Names are words of the text form, unlike each other, and lead back.
TEST(every_op_has_a_name_of_its_own)
{
    for (int op = 0; op < OP_COUNT; op++) {
        const char *text = op_info((Op)op)->text;
        CHECK(text[0] != '\0');
        CHECK(strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") ==
              strlen(text));
        CHECK_INT(op_by_name(text), op); // fails for the second of two
    }
    CHECK_INT(op_by_name("no_such_op"), OP_NONE);
    CHECK_INT(op_by_name(""), OP_NONE);
}

TEST(every_op_has_a_line_of_doc)
{
    for (int op = 0; op < OP_COUNT; op++) {
        const OpInfo *info = op_info((Op)op);
        CHECK(strlen(info->doc) >= 2);
        CHECK(!strpbrk(info->doc, "\n\t"));
    }
}

TEST(every_op_has_sound_attributes)
{
    for (int op = 0; op < OP_COUNT; op++) {
        const AttrSpec *spec = op_info((Op)op)->attrs;
        int count = op_attr_count((Op)op);
        CHECK(count <= MAX_ATTRS);
        for (int i = 0; i < count; i++) {
            CHECK(spec[i].kind <= ATTR_FORM);
            for (int j = 0; j < i; j++)
                CHECK(strcmp(spec[i].name, spec[j].name) != 0);
        }
    }
}

TEST(traits_agree_with_the_rest_of_the_row)
{
    for (int op = 0; op < OP_COUNT; op++) {
        const OpInfo *info = op_info((Op)op);
        if (op_has((Op)op, TRAIT_COMMUTES))
            CHECK_INT(info->input_count, 2);
        if (op_has((Op)op, TRAIT_ELEMENTWISE)) {
            CHECK_INT(info->lower, LOWER_MAP);
            CHECK(info->input_count >= 1);
        }
        if (info->lower == LOWER_LEAF)
            CHECK_INT(info->input_count, 0);
        if (op_has((Op)op, TRAIT_NAMED))
            CHECK_TEXT(info->attrs[PARAM_NAME].name, "name");
        CHECK(info->gradient[0] != '\0');
    }
    CHECK(op_has(OP_ASSIGN, TRAIT_EFFECT));
}

// The enums of attribute slots in ir/op.h follow the lists in ir/op.c.
TEST(attribute_slots_follow_the_lists)
{
    static const struct {
        Op op;
        int slot;
        const char *name;
    } slots[] = {
        {OP_PARAM, PARAM_NAME, "name"},
        {OP_PARAM, PARAM_ROLE, "role"},
        {OP_PARAM, PARAM_INIT, "init"},
        {OP_PARAM, PARAM_SCALE, "scale"},
        {OP_INPUT, INPUT_NAME, "name"},
        {OP_CONST, CONST_VALUE, "value"},
        {OP_IOTA, AXIS_AXIS, "axis"},
        {OP_CONCAT, AXIS_AXIS, "axis"},
        {OP_CAST, CAST_DTYPE, "dtype"},
        {OP_BROADCAST, BROADCAST_DIMS, "dims"},
        {OP_BROADCAST, BROADCAST_AXES, "axes"},
        {OP_BROADCAST, BROADCAST_FORM, "form"},
        {OP_RESHAPE, DIMS_DIMS, "dims"},
        {OP_RESHAPE, DIMS_FORM, "form"},
        {OP_TRANSPOSE, PERM_PERM, "perm"},
        {OP_TRANSPOSE, PERM_FORM, "form"},
        {OP_CONV2D, CONV_BLOCK, "block"},
        {OP_CONV2D_GRAD_X, CONV_FORM, "form"},
        {OP_SUM_POOL_GRAD, POOL_FORM, "form"},
        {OP_SLICE, SLICE_START, "start"},
        {OP_SLICE, SLICE_SIZE, "size"},
        {OP_PAD, PAD_LOW, "low"},
        {OP_PAD, PAD_HIGH, "high"},
        {OP_PAD, PAD_VALUE, "value"},
        {OP_REDUCE_SUM, AXES_AXES, "axes"},
        {OP_MATMUL, MATMUL_TRANS_A, "trans_a"},
        {OP_MATMUL, MATMUL_TRANS_B, "trans_b"},
        {OP_CONV2D, CONV_STRIDE, "stride"},
        {OP_CONV2D, CONV_PAD, "pad"},
        {OP_CONV2D_GRAD_X, CONV_STRIDE, "stride"},
        {OP_CONV2D_GRAD_W, CONV_PAD, "pad"},
        {OP_CONV2D_GRAD_W, CONV_DIMS, "dims"},
        {OP_MAX_POOL, POOL_KERNEL, "kernel"},
        {OP_MAX_POOL, POOL_STRIDE, "stride"},
        {OP_SUM_POOL_GRAD, POOL_PAD, "pad"},
        {OP_SUM_POOL_GRAD, POOL_DIMS, "dims"},
        {OP_ALL_SUM, RANKS_RANKS, "ranks"},
        {OP_TAKE_GRAD, COUNT_COUNT, "count"},
        {OP_ATTENTION, SCALE_SCALE, "scale"},
        {OP_RESIZE, RESIZE_SIZE, "size"},
        {OP_RESIZE_GRAD, RESIZE_MODE, "mode"},
        {OP_RANDOM, RANDOM_DIMS, "dims"},
        {OP_RANDOM, RANDOM_STEPS, "steps"},
        {OP_RANDOM, RANDOM_STREAM, "stream"},
        {OP_RANDOM, RANDOM_IMAGES, "images"},
        {OP_RANDOM, RANDOM_FORM, "form"},
    };
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        CHECK(slots[i].slot < op_attr_count(slots[i].op));
        CHECK_TEXT(op_info(slots[i].op)->attrs[slots[i].slot].name,
                   slots[i].name);
    }
}
