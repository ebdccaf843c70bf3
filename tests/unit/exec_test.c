#include "runtime/exec/exec.h"

#include <malloc.h>
#include <stdlib.h>

#include "runtime/base/file.h"
#include "tests/harness.h"

// Kernels as codegen makes them, but from the C compiler that builds simcc.
#define KERNEL(name)                                                           \
    "void " name "(void *const *args, const long *imm, long task, void *s)\n"

enum { TASKS = 6, WIDTH = 8 };

static const char *const sources[][2] = {
    // Constants, and calls into the C library.
    {"k_exp", "float expf(float);\n" KERNEL(
                  "k_exp") "{\n"
                           "  const float *x = args[0]; float *y = args[1];\n"
                           "  for (long i = 0; i < imm[0]; i++)\n"
                           "    y[task * imm[0] + i] = expf(x[task * imm[0] + "
                           "i] * 0.125f)\n"
                           "      + 1.25f;\n}\n"},
    // Addresses of functions: in a constant table and through the offset table.
    {"k_table",
     "double sin(double); double cos(double); double tanh(double);\n"
     "static double (*const table[2])(double) = {sin, cos};\n" KERNEL(
         "k_table") "{\n"
                    "  double (*volatile third)(double) = tanh;\n"
                    "  double *out = args[0];\n"
                    "  out[task] = table[task % 2](0.5) + third(0.25);\n}\n"},
    // Scratch, and a helper in a section of its own.
    {"k_sum", "static __attribute__((noinline)) float add(float a, float b)\n"
              "{ return a + b; }\n" KERNEL(
                  "k_sum") "{\n"
                           "  const float *x = args[0]; float *out = args[1], "
                           "*mine = s;\n"
                           "  mine[0] = 0;\n"
                           "  for (long i = 0; i < imm[0]; i++)\n"
                           "    mine[0] = add(mine[0], x[task * imm[0] + i]);\n"
                           "  out[task] = mine[0];\n}\n"},
    {"k_scale",
     KERNEL("k_scale") "{\n"
                       "  float *x = args[0]; const float *w = args[1];\n"
                       "  for (long i = 0; i < imm[0]; i++)\n"
                       "    x[task * imm[0] + i] *= w[0];\n}\n"},
    {"k_step", KERNEL("k_step") "{ ((float *)args[0])[0] += 1; }\n"},
};

enum { KERNELS = sizeof sources / sizeof sources[0] };

static CodeObject compile(const char *symbol, const char *text,
                          const char *flags)
{
    char source[200], object[200], command[600];
    CodeObject result = {.symbol = strdup(symbol)};
    snprintf(source, sizeof source, "%s/k.c", test_folder());
    snprintf(object, sizeof object, "%s/k.o", test_folder());
    snprintf(command, sizeof command,
             "cc -w -c -ffunction-sections -fno-builtin %s -o %s %s", flags,
             object, source);
    Status status = file_write(source, text, (int64_t)strlen(text));
    CHECK(status.code == STATUS_OK);
    if (system(command) != 0)
        test_skip("no C compiler to make kernels with");
    char *bytes;
    status = file_read(object, 1 << 20, &bytes, &result.size);
    CHECK(status.code == STATUS_OK);
    result.bytes = malloc((size_t)result.size); // exact, for the sanitizer
    memcpy(result.bytes, bytes, (size_t)result.size);
    free(bytes);
    return result;
}

static Program *compile_all(const char *flags)
{
    Program *program = calloc(1, sizeof *program);
    program->objects = calloc(KERNELS, sizeof *program->objects);
    for (int i = 0; i < KERNELS; i++)
        program->objects[i] = compile(sources[i][0], sources[i][1], flags);
    program->object_count = KERNELS;
    return program;
}

TEST(loader_runs_code_of_every_relocation_style)
{
    static const char *const flags[] = {"-O0 -fPIC", "-O2 -fPIC",
                                        "-O2 -fPIC -fno-plt", "-O2 -fPIE -g"};
    for (int i = 0; i < 4; i++) {
        Program *program = compile_all(flags[i]);
        CodeImage *image = NULL;
        Status status = code_load(program, &image);
        CHECK_TEXT(status.text, "");
        if (!image)
            continue;
        float x[WIDTH] = {0, 8, -8, 1, 2, 3, 4, 5}, y[WIDTH];
        double out[2];
        int64_t imm[] = {4};
        PlanKernel *run = code_find(image, "k_exp");
        run((void *[]){x, y}, imm, 0, NULL);
        run((void *[]){x, y}, imm, 1, NULL);
        for (int k = 0; k < WIDTH; k++)
            CHECK_NEAR(y[k], expf(x[k] * 0.125f) + 1.25f, 1e-6);
        run = code_find(image, "k_table");
        run((void *[]){out}, imm, 0, NULL);
        run((void *[]){out}, imm, 1, NULL);
        CHECK_NEAR(out[0], sin(0.5) + tanh(0.25), 1e-15);
        CHECK_NEAR(out[1], cos(0.5) + tanh(0.25), 1e-15);
        CHECK(code_find(image, "k_missing") == NULL);
        code_free(image);
        program_free(program);
    }
}

static void check_refused(const char *symbol, const char *text,
                          const char *reason)
{
    Program *program = calloc(1, sizeof *program);
    program->objects = calloc(1, sizeof *program->objects);
    program->objects[0] = compile(symbol, text, "-O1 -fPIC");
    program->object_count = 1;
    CodeImage *image = NULL;
    Status status = code_load(program, &image);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(image == NULL);
    if (!strstr(status.text, reason))
        test_fail(__FILE__, __LINE__, "'%s' lacks '%s'", status.text, reason);
    program_free(program);
}

TEST(loader_refuses_what_kernels_may_not_use)
{
    check_refused("k", "int system(const char *); void k(void) {system(0);}",
                  "'system'");
    check_refused("k", "void other(void) {}", "does not define");
    check_refused("k", "__thread int t; int k(void) { return t++; }", "");
    check_refused("k", "int k = 3;", "not a function");
}

TEST(loader_refuses_a_symbol_twice)
{
    Program *program = compile_all("-O1 -fPIC");
    free(program->objects[1].symbol);
    free(program->objects[1].bytes);
    program->objects[1] = compile(sources[0][0], sources[0][1], "-O1 -fPIC");
    CodeImage *image;
    Status status = code_load(program, &image);
    CHECK_INT(status.code, STATUS_DATA);
    CHECK(strstr(status.text, "twice") != NULL);
    program_free(program);
}

// Objects may come from a damaged file: nothing in them may lead outside.
TEST(loader_survives_damaged_objects)
{
    Program *program = calloc(1, sizeof *program);
    program->objects = calloc(1, sizeof *program->objects);
    CodeObject *object = &program->objects[0];
    *object = compile(sources[1][0], sources[1][1], "-O2 -fPIC");
    program->object_count = 1;
    int64_t size = object->size;
    int refused = 0;
    for (int64_t at = 0; at < size; at++)
        for (int k = 0; k < 3; k++) {
            unsigned char kept = object->bytes[at];
            object->bytes[at] = k == 0   ? kept ^ 1 << at % 8
                                : k == 1 ? 0xff
                                         : (unsigned char)~kept;
            CodeImage *image;
            refused += code_load(program, &image).code != STATUS_OK;
            code_free(image);
            object->bytes[at] = kept;
        }
    CHECK(refused > size / 2);
    unsigned char *whole = object->bytes;
    for (int64_t cut = 0; cut < size; cut += 7) {
        object->bytes = malloc((size_t)cut + 1);
        memcpy(object->bytes, whole, (size_t)cut);
        object->size = cut;
        CodeImage *image;
        CHECK(code_load(program, &image).code != STATUS_OK);
        free(object->bytes);
    }
    object->bytes = whole;
    program_free(program);
}

// ---- plans ------------------------------------------------------------------

static char *const symbols[] = {"k_exp", "k_scale", "k_sum", "k_step"};

static PlanTensor tensor(char *name, int64_t count)
{
    return (PlanTensor){name, PLAN_F32, 1, {count}, count * 4};
}

// x -> e = exp-like(x); chained: e *= w, s = sum of its rows; then twice in a
// row w += 1 (one task each); total = ones . s by BLAS.
enum { AT_X = 0, AT_E = 256, AT_S = 512, AT_TOTAL = 576, SLAB = 640 };

typedef struct Fixture {
    Plan plan;
    PlanParam params[2];
    PlanPort inputs[1], outputs[2];
    PlanStep steps[6];
    PlanRef refs[11];
    struct {
        int64_t width;
        CallMatmul total;
    } imms;
} Fixture;

static void make_plan(Fixture *f)
{
    *f = (Fixture){
        .params = {{tensor("w", 1), PLAN_WEIGHT, PLAN_INIT_CONSTANT, 3},
                   {tensor("ones", TASKS), PLAN_FROZEN, PLAN_INIT_CONSTANT, 1}},
        .inputs = {{tensor("x", TASKS * WIDTH), AT_X}},
        .outputs = {{tensor("sums", TASKS), AT_S},
                    {tensor("total", 1), AT_TOTAL}},
        .steps = {{0, 0, 0, TASKS, 0, 2, 0, 1, "exp"},
                  {1, 0, PLAN_STEP_CHAINED, TASKS, 2, 2, 0, 1, "scale"},
                  {2, 0, PLAN_STEP_CHAINED, TASKS, 4, 2, 0, 1, "sum"},
                  {3, 0, 0, 1, 6, 1, 0, 0, "step"},
                  {3, 0, 0, 1, 7, 1, 0, 0, "step"},
                  {-1, PLAN_CALL_MATMUL_F32, 0, 1, 8, 3, 1, 10, "total"}},
        .refs = {{PLAN_SLAB, 0, AT_X},
                 {PLAN_SLAB, 0, AT_E},
                 {PLAN_SLAB, 0, AT_E},
                 {PLAN_PARAM, 0, 0},
                 {PLAN_SLAB, 0, AT_E},
                 {PLAN_SLAB, 0, AT_S},
                 {PLAN_PARAM, 0, 0},
                 {PLAN_PARAM, 0, 0},
                 {PLAN_PARAM, 1, 0},
                 {PLAN_SLAB, 0, AT_S},
                 {PLAN_SLAB, 0, AT_TOTAL}},
        .imms = {WIDTH,
                 {.m = 1,
                  .n = 1,
                  .k = TASKS,
                  .lda = TASKS,
                  .ldb = 1,
                  .ldc = 1,
                  .rows_per_task = 1,
                  .cols_per_task = 1}},
    };
    f->plan = (Plan){.name = "test",
                     .param_count = 2,
                     .input_count = 1,
                     .output_count = 2,
                     .step_count = 6,
                     .ref_count = 11,
                     .imm_count = 11,
                     .symbol_count = 4,
                     .params = f->params,
                     .inputs = f->inputs,
                     .outputs = f->outputs,
                     .steps = f->steps,
                     .refs = f->refs,
                     .imms = (int64_t *)&f->imms,
                     .symbols = (char **)symbols,
                     .slab_bytes = SLAB,
                     .scratch_bytes = 64};
}

static void run_plan(int threads, bool timing, float sums[TASKS], float *total)
{
    Fixture f;
    make_plan(&f);
    Program *program = compile_all("-O2 -fPIC");
    CodeImage *image;
    Store store = {0};
    Executor *executor;
    Pool *pool = pool_new(threads);
    CHECK_TEXT(code_load(program, &image).text, "");
    CHECK_TEXT(store_add_plan(&store, &f.plan).text, "");
    store_initialize(&store, 1);
    CHECK_TEXT(executor_new(&f.plan, image, &store, pool, &executor).text, "");
    executor_set_timing(executor, timing);

    float *x = executor_input(executor, "x");
    CHECK(executor_input(executor, "y") == NULL);
    CHECK((uintptr_t)x % PLAN_ALIGN == 0);
    for (int i = 0; i < TASKS * WIDTH; i++) {
        CHECK(x[i] == 0);
        x[i] = (float)(i % 11) - 4;
    }
    const float *out = executor_output(executor, "sums");
    float *w = store_find(&store, "w")->data;
    for (int step = 0; step < 3; step++)
        executor_run(executor);
    CHECK(w[0] == 9); // 3, and 2 more each time
    memcpy(sums, out, TASKS * sizeof *sums);
    *total = *(const float *)executor_output(executor, "total");
    for (int i = 0; i < 6; i++)
        CHECK((executor_step_seconds(executor)[i] > 0) == timing);
    // Every thread's spans follow one another, those of a chain too.
    for (int t = 0; t < threads; t++)
        for (int i = 1; i < 6; i++) {
            const StepSpan *spans = executor_spans(executor, t);
            CHECK(!timing || spans[i].start >= spans[i - 1].start +
                                                   spans[i - 1].seconds - 1e-7);
        }
    CHECK(executor_bytes(executor) >= SLAB + 64 * threads);

    struct mallinfo2 before = mallinfo2();
    executor_run(executor);
    struct mallinfo2 after = mallinfo2();
    CHECK(before.uordblks == after.uordblks && before.hblks == after.hblks);
    executor_free(executor);
    store_free(&store);
    pool_free(pool);
    code_free(image);
    program_free(program);
}

TEST(exec_gives_the_same_bits_for_any_thread_count)
{
    float want[TASKS], got[TASKS], want_total, total;
    run_plan(1, false, want, &want_total);
    for (int task = 0; task < TASKS; task++) {
        float sum = 0;
        for (int i = task * WIDTH; i < (task + 1) * WIDTH; i++)
            sum += 7 * (expf(((float)(i % 11) - 4) * 0.125f) + 1.25f);
        CHECK_NEAR(want[task], sum, 1e-3);
    }
    for (int threads = 2; threads <= 8; threads++) {
        run_plan(threads, threads == 4, got, &total);
        CHECK(memcmp(got, want, sizeof got) == 0);
        CHECK(total == want_total);
    }
    float sum = 0;
    for (int task = 0; task < TASKS; task++)
        sum += want[task];
    CHECK_NEAR(want_total, sum, 1e-3);
}

static void check_bad_plan(Fixture *f)
{
    Status status = plan_check(&f->plan);
    CHECK_INT(status.code, STATUS_DATA);
    make_plan(f);
}

TEST(exec_refuses_plans_that_reach_outside)
{
    Fixture f;
    make_plan(&f);
    CHECK_TEXT(plan_check(&f.plan).text, "");
    f.refs[3].param = 2;
    check_bad_plan(&f);
    f.refs[0].offset = SLAB + 1;
    check_bad_plan(&f);
    f.refs[0].offset = -1;
    check_bad_plan(&f);
    f.refs[3].offset = 5;
    check_bad_plan(&f);
    f.steps[0].symbol = 4;
    check_bad_plan(&f);
    f.steps[5].call = PLAN_CALL_COUNT;
    check_bad_plan(&f);
    f.steps[5].imm_count = 8;
    check_bad_plan(&f);
    f.steps[4].arg_count = 5;
    check_bad_plan(&f);
    f.steps[1].task_count = TASKS + 1;
    check_bad_plan(&f);
    f.steps[0].flags = PLAN_STEP_CHAINED;
    check_bad_plan(&f);
    f.outputs[1].offset = SLAB;
    check_bad_plan(&f);
    f.params[0].tensor.dims[0] = INT64_MAX;
    check_bad_plan(&f);
    f.plan.slab_bytes = INT64_MAX;
    check_bad_plan(&f);
}

TEST(exec_names_the_missing_kernel)
{
    Fixture f;
    make_plan(&f);
    Store store = {0};
    Executor *executor;
    Pool *pool = pool_new(1);
    CHECK_INT(executor_new(&f.plan, NULL, &store, pool, &executor).code,
              STATUS_INTERNAL);
    store_add_plan(&store, &f.plan);
    Status status = executor_new(&f.plan, NULL, &store, pool, &executor);
    CHECK_INT(status.code, STATUS_INTERNAL);
    CHECK(strstr(status.text, "'k_exp'") != NULL);
    CHECK(executor == NULL);
    store_free(&store);
    pool_free(pool);
}

TEST(exec_reports_a_slab_that_does_not_fit)
{
    Fixture f;
    make_plan(&f);
    f.plan.slab_bytes = (int64_t)1 << 46;
    Store store = {0};
    Executor *executor;
    Pool *pool = pool_new(1);
    store_add_plan(&store, &f.plan);
    Status status = executor_new(&f.plan, NULL, &store, pool, &executor);
    if (status.code == STATUS_INTERNAL)
        test_skip("this system promises any amount of memory");
    CHECK_INT(status.code, STATUS_MEMORY);
    store_free(&store);
    pool_free(pool);
}

// ---- store ------------------------------------------------------------------

static const float *initialized(Store *store, char *name, int init,
                                double scale, int64_t count, uint64_t seed)
{
    PlanParam param = {tensor(name, count), PLAN_WEIGHT, init, scale};
    Plan plan = {.name = "p", .param_count = 1, .params = &param};
    CHECK_TEXT(store_add_plan(store, &plan).text, "");
    store_initialize(store, seed);
    return store_find(store, name)->data;
}

TEST(store_initializers_have_their_distribution)
{
    enum { N = 100000 };
    Store store = {0};
    const float *t =
        initialized(&store, "t", PLAN_INIT_TRUNCATED_NORMAL, 0.5, N, 1);
    const float *g = initialized(&store, "g", PLAN_INIT_NORMAL, 2, N, 1);
    const float *u = initialized(&store, "u", PLAN_INIT_UNIFORM, 3, N, 1);
    double tt = 0, gg = 0, uu = 0;
    for (int i = 0; i < N; i++) {
        CHECK(fabsf(t[i]) <= 1);
        CHECK(u[i] >= -3 && u[i] <= 3);
        tt += (double)t[i] * t[i];
        gg += (double)g[i] * g[i];
        uu += (double)u[i] * u[i];
    }
    // Cutting a normal at 2 sigma leaves 0.7737413 of its variance:
    // 1 - 4 phi(2) / (2 Phi(2) - 1).
    CHECK_NEAR(tt / N, 0.25 * 0.7737413, 0.25 * 0.015);
    CHECK_NEAR(gg / N, 4, 4 * 0.027);
    CHECK_NEAR(uu / N, 3, 3 * 0.018);
    store_free(&store);
}

TEST(store_numbers_depend_on_seed_and_name_alone)
{
    Store a = {0}, b = {0};
    const float *first = initialized(&a, "one", PLAN_INIT_NORMAL, 1, 100, 9);
    initialized(&b, "zero", PLAN_INIT_NORMAL, 1, 50, 9);
    const float *again = initialized(&b, "one", PLAN_INIT_NORMAL, 1, 100, 9);
    CHECK(memcmp(first, again, 400) == 0);
    CHECK(memcmp(first, store_find(&b, "zero")->data, 200) != 0);
    Store c = {0};
    const float *other = initialized(&c, "one", PLAN_INIT_NORMAL, 1, 100, 10);
    CHECK(memcmp(first, other, 400) != 0);
    CHECK(store_bytes(&b) == 600);
    store_free(&a);
    store_free(&b);
    store_free(&c);
}

// A copy comes last, whatever the order, and of what was loaded.
TEST(store_copies_what_others_begin_as)
{
    PlanParam params[] = {
        {tensor("ema.a.w", 4), PLAN_SLOT, PLAN_INIT_COPY, 0},
        {tensor("a.w", 4), PLAN_WEIGHT, PLAN_INIT_CONSTANT, 1},
        {tensor("ema.kept", 4), PLAN_SLOT, PLAN_INIT_COPY, 0},
        {tensor("kept", 4), PLAN_STATE, PLAN_INIT_CONSTANT, 2},
    };
    Plan plan = {.name = "p", .param_count = 4, .params = params};
    Store store = {0};
    CHECK_TEXT(plan_check(&plan).text, "");
    CHECK_TEXT(store_add_plan(&store, &plan).text, "");
    ((float *)store.tensors[1].data)[3] = 7;
    ((float *)store.tensors[2].data)[3] = 8;
    store.tensors[1].loaded = store.tensors[2].loaded = true;
    store_initialize(&store, 1);
    CHECK(((float *)store.tensors[0].data)[3] == 7);
    CHECK(((float *)store.tensors[2].data)[3] == 8);
    store_free(&store);
}

TEST(plans_with_copies_of_nothing_are_refused)
{
    PlanParam params[] = {
        {tensor("ema.w", 4), PLAN_SLOT, PLAN_INIT_COPY, 0},
        {tensor("w", 5), PLAN_WEIGHT, PLAN_INIT_CONSTANT, 1},
    };
    Plan plan = {.name = "p", .param_count = 2, .params = params};
    CHECK_INT(plan_check(&plan).code, STATUS_DATA);
    params[1].tensor = tensor("w", 4);
    CHECK_INT(plan_check(&plan).code, STATUS_OK);
    params[1].init = PLAN_INIT_COPY;
    CHECK_INT(plan_check(&plan).code, STATUS_DATA);
    params[1].tensor = tensor("v", 4);
    params[1].init = PLAN_INIT_CONSTANT;
    CHECK_INT(plan_check(&plan).code, STATUS_DATA);
}

TEST(store_keeps_loaded_tensors_and_refuses_other_shapes)
{
    Store store = {0};
    initialized(&store, "w", PLAN_INIT_CONSTANT, 4, 10, 1);
    StoreTensor *w = store_find(&store, "w");
    CHECK(((float *)w->data)[9] == 4);
    ((float *)w->data)[9] = 5;
    w->loaded = true;
    store_initialize(&store, 1);
    CHECK(((float *)w->data)[9] == 5);
    PlanParam param = {tensor("w", 11), PLAN_WEIGHT, PLAN_INIT_CONSTANT, 0};
    Plan plan = {.name = "p", .param_count = 1, .params = &param};
    Status status = store_add_plan(&store, &plan);
    CHECK_INT(status.code, STATUS_FAILED);
    CHECK(strstr(status.text, "'w'") != NULL);
    CHECK_INT(store.count, 1);
    store_free(&store);
}
