// What lowering makes of graphs: steps, memory, kernels shared, objects, cache.
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "codegen/backend.h"
#include "codegen/codegen_impl.h"
#include "codegen/cpu/object.h"
#include "ir/build.h"
#include "runtime/exec/program.h"
#include "tests/harness.h"

#define L(...) ((const int64_t[]){__VA_ARGS__})

// What a test made, freed when its process ends.
enum { MAX_MADE = 16 };
static struct {
    Arena *arenas[MAX_MADE];
    Codegen *codegens[MAX_MADE];
    Plan plans[MAX_MADE];
    CodeObject *objects[MAX_MADE];
    int object_counts[MAX_MADE];
    int arena_count, codegen_count, plan_count, objects_count;
} owned;

static void free_made(void)
{
    for (int i = 0; i < owned.objects_count; i++) {
        for (int j = 0; j < owned.object_counts[i]; j++) {
            free(owned.objects[i][j].symbol);
            free(owned.objects[i][j].bytes);
        }
        free(owned.objects[i]);
    }
    for (int i = 0; i < owned.plan_count; i++)
        plan_free(&owned.plans[i]);
    for (int i = 0; i < owned.codegen_count; i++)
        codegen_free(owned.codegens[i]);
    for (int i = 0; i < owned.arena_count; i++)
        arena_free(owned.arenas[i]);
}

static Graph *make_graph(const char *name)
{
    if (owned.arena_count == 0)
        atexit(free_made);
    Arena *arena = owned.arenas[owned.arena_count++] = arena_new();
    return graph_new(arena, name);
}

static Codegen *new_codegen_for(const char *cpu, const char *cache_dir)
{
    CodegenOptions options = {.cpu = cpu, .cache_dir = cache_dir, .threads = 2};
    return owned.codegens[owned.codegen_count++] = codegen_new(&options);
}

static Codegen *new_codegen(const char *cache_dir)
{
    return new_codegen_for("native", cache_dir);
}

static CodeObject *compile(Codegen *codegen, int *count)
{
    CodeObject *objects;
    codegen_compile(codegen, &objects, count);
    owned.object_counts[owned.objects_count] = *count;
    return owned.objects[owned.objects_count++] = objects;
}

static Value input(Graph *g, int rank, const int64_t *dims)
{
    return build_input(g, type_make(DT_F32, rank, dims), "x");
}

static Plan lower(Codegen *codegen, const Graph *g)
{
    Plan plan;
    codegen_lower(codegen, g, &plan);
    const char *wrong = codegen_verify_plan(&plan, g->arena);
    if (wrong)
        test_fail(__FILE__, __LINE__, "%s", wrong);
    return owned.plans[owned.plan_count++] = plan;
}

// ---- memory -----------------------------------------------------------------

// `length` separate maps, each of the one before.
static Graph *chain(int length, int64_t size)
{
    Graph *g = make_graph("chain");
    Value v = input(g, 1, L(size));
    for (int i = 0; i < length; i++)
        v = build_unary(g, i % 2 ? OP_NEG : OP_EXP, v);
    graph_add_output(g, "y", v);
    return g;
}

TEST(a_chain_of_maps_runs_in_place)
{
    Plan plan = lower(new_codegen(NULL), chain(20, 4096));
    CHECK_INT(plan.step_count, 20);
    // Input, output, and one buffer between for all.
    CHECK_INT(plan.slab_bytes, 3 * 4096 * 4);
}

// The operand is read again later, or along another axis: no taking over.
TEST(buffers_still_read_are_not_taken_over)
{
    Graph *g = make_graph("still read");
    Value x = input(g, 2, L(64, 64));
    Value a = build_unary(g, OP_EXP, x);
    Value b = build_unary(g, OP_NEG, a);
    Value c = build_binary(g, OP_ADD, b, a);
    Value d = build_binary(g, OP_ADD, c, build_transpose(g, c, L(1, 0)));
    graph_add_output(g, "y", build_unary(g, OP_NEG, d));
    Plan plan = lower(new_codegen(NULL), g);
    CHECK_INT(plan.slab_bytes, 4 * 64 * 64 * 4);
}

TEST(every_offset_is_aligned)
{
    Graph *g = make_graph("odd");
    Value v = input(g, 1, L(13));
    for (int i = 0; i < 5; i++) {
        v = build_unary(g, OP_EXP, v);
        graph_add_output(g, arena_printf(g->arena, "y%d", i), v);
    }
    Plan plan = lower(new_codegen(NULL), g);
    for (int i = 0; i < plan.output_count; i++)
        CHECK_INT(plan.outputs[i].offset % PLAN_ALIGN, 0);
    CHECK_INT(plan.slab_bytes, 6 * PLAN_ALIGN);
}

// Moved by one buffer's length, some argument must collide with a live one.
TEST(the_replay_finds_moved_arguments)
{
    Graph *g = chain(3, 4096);
    Codegen *codegen = new_codegen(NULL);
    Plan plan = lower(codegen, g);
    CHECK(!codegen_replay_plan(codegen, &plan, g->arena));
    for (int r = 0; r < plan.ref_count; r++) {
        int64_t offset = plan.refs[r].offset;
        plan.refs[r].offset = (offset + 4096 * 4) % plan.slab_bytes;
        CHECK(codegen_replay_plan(codegen, &plan, g->arena) != NULL);
        plan.refs[r].offset = plan.slab_bytes;
        CHECK(codegen_replay_plan(codegen, &plan, g->arena) != NULL);
        CHECK(codegen_verify_plan(&plan, g->arena) != NULL);
        plan.refs[r].offset = offset;
    }
    CHECK(!codegen_replay_plan(codegen, &plan, g->arena));
}

// ---- steps ------------------------------------------------------------------

TEST(params_and_ports_are_described)
{
    Graph *g = make_graph("ports");
    Value p =
        build_param(g, type_make(DT_F64, 1, L(3)), "p", "slot", "uniform", 0.5);
    Value q = build_param(g, type_make(DT_F64, 1, L(3)), "q", "frozen",
                          "constant", 2);
    Value x = build_input(g, type_make(DT_F64, 1, L(3)), "x");
    Value sum = build_binary(g, OP_ADD, p, x);
    Value assign = build_assign(g, p, sum);
    graph_node(g, sum)->group = graph_node(g, assign)->group = 1;
    graph_add_output(g, "q twice", build_binary(g, OP_ADD, q, q));
    Plan plan = lower(new_codegen(NULL), g);
    CHECK_INT(plan.param_count, 2);
    CHECK_TEXT(plan.params[0].tensor.name, "p");
    CHECK_INT(plan.params[0].role, PLAN_SLOT);
    CHECK_INT(plan.params[0].init, PLAN_INIT_UNIFORM);
    CHECK_NEAR(plan.params[0].scale, 0.5, 0);
    CHECK_INT(plan.params[1].role, PLAN_FROZEN);
    CHECK_INT(plan.params[1].tensor.bytes, 24);
    CHECK_TEXT(plan.inputs[0].tensor.name, "x");
    CHECK_TEXT(plan.outputs[0].tensor.name, "q twice");
    CHECK_INT(plan.outputs[0].tensor.dtype, PLAN_F64);
    // The sum goes straight into p.
    CHECK_INT(plan.step_count, 2);
    CHECK_INT(plan.refs[plan.steps[0].first_arg + 2].space, PLAN_PARAM);
}

static Value relu_of_product(Graph *g, Value x, Value w)
{
    Value y = build_matmul(g, x, w, false, false);
    return build_unary(g, OP_RELU, y);
}

TEST(epilogues_are_chained_in_place)
{
    // Few columns: the product is cut along its rows alone, as the epilogue is.
    Graph *g = make_graph("epilogue");
    Value x = input(g, 2, L(256, 256));
    Value w = build_param(g, type_make(DT_F32, 2, L(256, 128)), "w", "weight",
                          "constant", 0);
    Value y = relu_of_product(g, x, w);
    for (Value v = y - 1; v <= y; v++)
        graph_node(g, v)->group = 1;
    graph_add_output(g, "sum", build_reduce(g, OP_REDUCE_SUM, y, 2, L(0, 1)));
    Plan plan = lower(new_codegen(NULL), g);
    // The first step packs w.
    const PlanStep *product = &plan.steps[1], *next = &plan.steps[2];
    CHECK_INT(next->flags, PLAN_STEP_CHAINED);
    CHECK_INT(next->task_count, product->task_count);
    CHECK(product->task_count > 1);
    const PlanRef *made = &plan.refs[product->first_arg + 2];
    const PlanRef *epilogue = &plan.refs[next->first_arg];
    CHECK_INT(epilogue[0].offset, made->offset);
    CHECK_INT(epilogue[1].offset, made->offset);
}

// What comes before a kernel's code says what it is, a line or several.
TEST(kernels_print_behind_their_description)
{
    Graph *g = make_graph("product");
    Value x = input(g, 2, L(256, 256));
    Value w = build_param(g, type_make(DT_F32, 2, L(256, 128)), "w", "weight",
                          "constant", 0);
    graph_add_output(g, "y", relu_of_product(g, x, w));
    Codegen *codegen = new_codegen(NULL);
    lower(codegen, g);
    Text text = text_new(g->arena);
    codegen_print_llvm(codegen, &text);
    CHECK(strstr(text_string(&text), "; pack: f32 f32 > f32") != NULL);
    CHECK(strstr(text_string(&text), "\n; product") != NULL);
    CHECK(strstr(text_string(&text), "define ") != NULL);
    text = text_new(g->arena);
    codegen_print_asm(codegen, &text);
    CHECK(strstr(text_string(&text), "vfmadd") != NULL ||
          strstr(text_string(&text), "mulps") != NULL);
}

TEST(nodes_nobody_needs_make_no_steps)
{
    Graph *g = chain(2, 10);
    build_unary(g, OP_SIN, 0);
    Plan plan = lower(new_codegen(NULL), g);
    CHECK_INT(plan.step_count, 2);
}

TEST(the_plan_prints)
{
    Graph *g = chain(1, 10);
    Plan plan = lower(new_codegen(NULL), g);
    Text text = text_new(g->arena);
    codegen_print_plan(&plan, &text);
    CHECK(strstr(text_string(&text), "plan \"chain\" {") != NULL);
    CHECK(strstr(text_string(&text), "input \"x\" : f32[10] at slab:") != NULL);
    CHECK(strstr(text_string(&text), "x1 \"exp\"") != NULL);
}

// ---- kernels ----------------------------------------------------------------

// Layers of equal shape share their kernels, whatever their depth.
TEST(equal_layers_share_kernels)
{
    enum { LAYERS = 2000, NODES = 30 };
    Graph *g = make_graph("deep");
    Value x = input(g, 2, L(8, 64));
    for (int layer = 0; layer < LAYERS; layer++) {
        Value mean = build_reduce(g, OP_REDUCE_SUM, x, 1, L(0));
        Value wide = build_broadcast(g, mean, 2, L(8, 64), L(1));
        Value v = build_binary(g, OP_SUB, x, wide);
        for (int i = 3; i < NODES; i++)
            v = build_unary(g, i % 3 ? OP_NEG : OP_RELU, v);
        x = v;
    }
    graph_add_output(g, "y", x);
    CHECK(g->nodes.count > 59000);
    Codegen *codegen = new_codegen(NULL);
    Plan plan = lower(codegen, g);
    CHECK(plan.step_count > 55000);
    CHECK(codegen_stats(codegen).kernels < 10);
}

static int64_t tasks_of(int rank, const int64_t *dims, unsigned reduced,
                        int64_t *parts)
{
    LoopKernel kernel = {.rank = rank, .reduced = reduced};
    memcpy(kernel.dims, dims, sizeof *dims * (size_t)rank);
    int64_t made = cpu_backend.split_loop(&kernel);
    if (parts)
        *parts = made;
    return kernel.split.task_count;
}

TEST(tasks_follow_from_the_shape)
{
    int64_t parts;
    CHECK_INT(tasks_of(1, L(1000), 0, NULL), 1);
    CHECK_INT(tasks_of(1, L(1 << 24), 0, NULL), 64);
    CHECK_INT(tasks_of(2, L(1 << 10, 1 << 10), 0, NULL), 64);
    // A sum over all: in parts. Over the rows of many: by rows in parts, or by
    // column where a row is not whole vectors.
    CHECK_INT(tasks_of(1, L(1 << 24), 1, &parts), 64);
    CHECK_INT(parts, 64);
    CHECK_INT(tasks_of(2, L(1 << 10, 1 << 10), 1, &parts), 16);
    CHECK_INT(parts, 16);
    CHECK_INT(tasks_of(2, L(1 << 10, 1000), 1, &parts), 16);
    CHECK_INT(parts, 1);
}

TEST(dims_walked_as_one_are_merged)
{
    Arena *arena = make_graph("merge")->arena;
    LoopKernel kernel = {.rank = 4, .dims = {2, 3, 1, 5}};
    LoopExpr load;
    memset(&load, 0, sizeof load);
    memcpy(load.strides, L(15, 5, 5, 1), 4 * sizeof *load.strides);
    loop_add_expr(arena, &kernel, &load);
    CHECK_INT(loop_add_expr(arena, &kernel, &load), 0);
    loop_collapse(&kernel, 0);
    CHECK_INT(kernel.rank, 1);
    CHECK_INT(kernel.dims[0], 30);
    CHECK_INT(kernel.exprs.at[0].strides[0], 1);
}

// ---- objects ----------------------------------------------------------------

static Graph *power(void)
{
    Graph *g = make_graph("power");
    Value x = input(g, 1, L(100));
    graph_add_output(g, "y", build_binary(g, OP_POW, x, x));
    return g;
}

TEST(objects_call_the_math_library_alone)
{
    Codegen *codegen = new_codegen(NULL);
    int count;
    lower(codegen, power());
    CodeObject *objects = compile(codegen, &count);
    CHECK_INT(count, 1);
    const char *const none[] = {NULL}, *const powf[] = {"powf", NULL};
    CHECK_TEXT(object_check(objects[0].bytes, objects[0].size, none),
               "undefined symbol powf");
    CHECK(!object_check(objects[0].bytes, objects[0].size, powf));
    CHECK(object_check(objects[0].bytes, 10, powf) != NULL);
}

// exp of f32 is vector code: no call at all, and no spill in its loop.
// Thirty-two registers hold its constants, too; of sixteen some go to memory.
TEST(single_precision_exp_is_vector_code)
{
    static const char *const cpus[] = {"x86-64-v3", "x86-64-v4"};
    for (int i = 0; i < 2; i++) {
        Graph *g = chain(1, 4096);
        Codegen *codegen = new_codegen_for(cpus[i], NULL);
        lower(codegen, g);
        Text text = text_new(g->arena);
        codegen_print_asm(codegen, &text);
        CHECK(strstr(text_string(&text), "call") == NULL);
        CHECK(i == 0 || strstr(text_string(&text), "%rsp") == NULL);
        CHECK(strstr(text_string(&text), "mulps") != NULL);
    }
}

// Two graphs, so that threads that begin early wait for the second.
static CodeObject *compile_two(bool ahead, int *count)
{
    Codegen *codegen = new_codegen(NULL);
    if (ahead)
        codegen_compile_ahead(codegen);
    lower(codegen, chain(2, 100));
    lower(codegen, chain(2, 192));
    return compile(codegen, count);
}

TEST(kernels_compiled_ahead_are_the_same)
{
    int count, then;
    CodeObject *late = compile_two(false, &count);
    CodeObject *early = compile_two(true, &then);
    CHECK_INT(count, 4);
    CHECK_INT(then, 4);
    for (int i = 0; i < count; i++) {
        CHECK(strcmp(early[i].symbol, late[i].symbol) == 0);
        CHECK_INT(early[i].size, late[i].size);
        CHECK(memcmp(early[i].bytes, late[i].bytes, (size_t)late[i].size) == 0);
    }
}

// A program that turns out wrong later compiles nothing more.
TEST(compiling_ahead_can_be_given_up)
{
    Codegen *codegen = new_codegen(NULL);
    codegen_compile_ahead(codegen);
    lower(codegen, chain(20, 100));
    codegen_free(codegen);
    owned.codegen_count--;
}

// ---- cache ------------------------------------------------------------------

static CodegenStats compile_with(const char *cache_dir)
{
    Codegen *codegen = new_codegen(cache_dir);
    int count;
    lower(codegen, chain(2, 100));
    CodeObject *objects = compile(codegen, &count);
    CHECK_INT(count, 2);
    for (int i = 0; i < count; i++)
        CHECK(!object_check(objects[i].bytes, objects[i].size,
                            (const char *const[]){NULL}));
    return codegen_stats(codegen);
}

// Changes the byte in the middle of every file under the cache's folders.
static int damage_files(const char *directory)
{
    char command[512];
    snprintf(command, sizeof command,
             "for f in %s/*/*.o; do s=$(wc -c < $f); printf X | dd of=$f "
             "bs=1 seek=$((s / 2)) conv=notrunc 2>/dev/null; done",
             directory);
    return system(command);
}

TEST(the_cache_serves_what_is_sound)
{
    const char *folder = test_folder();
    CHECK_INT(compile_with(folder).compiled, 2);
    CHECK_INT(compile_with(folder).cache_hits, 2);
    CHECK_INT(damage_files(folder), 0);
    CHECK_INT(compile_with(folder).compiled, 2);
    CHECK_INT(compile_with(folder).cache_hits, 2);
}

// A folder that cannot be made is no error.
TEST(a_cache_that_cannot_be_written_is_no_error)
{
    CHECK_INT(compile_with("/dev/null/cache").compiled, 2);
}

// What static asserts cannot see: sizes and words that both sides know.
TEST(plan_and_graph_agree_on_types_and_words)
{
    for (int t = 0; t < DT_COUNT; t++)
        CHECK_INT(dtype_size((DType)t), plan_dtype_bytes(t));
    const int64_t dims[] = {2};
    TensorType type = type_make(DT_F32, 1, dims);
    Graph *g = make_graph("words");
    for (int role = 0; role < PLAN_ROLES; role++)
        for (int init = 0; init < PLAN_INITS; init++) {
            char name[32];
            snprintf(name, sizeof name, "p.p%d%d", role, init);
            CHECK(plan_role_words[role] && plan_init_words[init]);
            build_param(g, type, name, plan_role_words[role],
                        plan_init_words[init], 0.5);
        }
    Plan plan = {0};
    codegen_list_params(g, &plan);
    CHECK_INT(plan.param_count, PLAN_ROLES * PLAN_INITS);
    for (int i = 0; i < plan.param_count; i++) {
        CHECK_INT(plan.params[i].role, i / PLAN_INITS);
        CHECK_INT(plan.params[i].init, i % PLAN_INITS);
    }
    plan_free(&plan);
}
