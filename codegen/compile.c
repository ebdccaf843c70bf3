// The kernels of all plans: kept by descriptor, compiled in parallel.
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "codegen/cache.h"
#include "codegen/codegen_impl.h"
#include "codegen/emit.h"
#include "codegen/object.h"
#include "ir/base/diag.h"

// Part of the cache key: to be raised when the same descriptor is given other
// code.
#define CODEGEN_VERSION "6"

enum { FIRST_TABLE_SIZE = 1024, MAX_COMPILE_THREADS = 64 };

const char *codegen_cpu_problem(Arena *arena, const char *cpu)
{
    return target_problem(arena, cpu);
}

Codegen *codegen_new(const CodegenOptions *options)
{
    Arena *arena = arena_new();
    Codegen *codegen = ARENA_NEW(arena, Codegen);
    codegen->arena = arena;
    codegen->options = *options;
    if (options->cache_dir)
        codegen->options.cache_dir = arena_strdup(arena, options->cache_dir);
    codegen->target = target_new(arena, options->cpu);
    return codegen;
}

void codegen_free(Codegen *codegen)
{
    if (!codegen)
        return;
    for (int i = 0; i < codegen->kernels.count; i++)
        free(codegen->kernels.at[i].object.bytes);
    arena_free(codegen->arena);
}

CodegenStats codegen_stats(const Codegen *codegen)
{
    CodegenStats stats = codegen->stats;
    stats.kernels = codegen->kernels.count;
    return stats;
}

const char *codegen_target(const Codegen *codegen)
{
    return codegen->target.text;
}

const char *codegen_key(const Codegen *codegen)
{
    return arena_printf(codegen->arena, "codegen %s\n%s\n", CODEGEN_VERSION,
                        codegen->target.key);
}

CpuSet codegen_needs(const Codegen *codegen)
{
    return codegen->target.needs;
}

// ---- kernels by descriptor --------------------------------------------------

// Where the text is, or the free place where it belongs.
static int table_find(const Codegen *codegen, const char *text)
{
    uint64_t hash = text_hash(TEXT_HASH_SEED, text, strlen(text));
    int mask = codegen->table_size - 1, at = (int)(hash & (uint64_t)mask);
    while (codegen->table[at] >= 0 &&
           strcmp(codegen->kernels.at[codegen->table[at]].kernel->text, text) !=
               0)
        at = (at + 1) & mask;
    return at;
}

static void table_grow(Codegen *codegen)
{
    codegen->table_size =
        codegen->table_size ? 2 * codegen->table_size : FIRST_TABLE_SIZE;
    codegen->table = ARENA_ARRAY(codegen->arena, int, codegen->table_size);
    for (int i = 0; i < codegen->table_size; i++)
        codegen->table[i] = -1;
    for (int i = 0; i < codegen->kernels.count; i++) {
        const char *text = codegen->kernels.at[i].kernel->text;
        codegen->table[table_find(codegen, text)] = i;
    }
}

static Kernel *copy_kernel(Arena *arena, const Kernel *kernel)
{
    Kernel *copy = ARENA_NEW(arena, Kernel);
    *copy = *kernel;
    copy->text = arena_strdup(arena, kernel->text);
    copy->symbol = arena_strdup(arena, kernel->symbol);
    copy->exprs.at = ARENA_ARRAY(arena, KernelExpr, kernel->exprs.count);
    copy->stores.at = ARENA_ARRAY(arena, KernelStore, kernel->stores.count);
    for (int i = 0; i < kernel->exprs.count; i++)
        copy->exprs.at[i] = kernel->exprs.at[i];
    for (int i = 0; i < kernel->stores.count; i++)
        copy->stores.at[i] = kernel->stores.at[i];
    return copy;
}

const Kernel *codegen_intern(Codegen *codegen, Kernel *kernel)
{
    if (2 * codegen->kernels.count >= codegen->table_size)
        table_grow(codegen);
    int at = table_find(codegen, kernel->text);
    if (codegen->table[at] < 0) {
        codegen->table[at] = codegen->kernels.count;
        KernelSlot slot = {.kernel = copy_kernel(codegen->arena, kernel)};
        vec_push(codegen->arena, &codegen->kernels, slot);
    }
    return codegen->kernels.at[codegen->table[at]].kernel;
}

// ---- one kernel -------------------------------------------------------------

typedef struct Worker {
    LLVMContextRef context;
    LLVMTargetMachineRef machine;
    Arena *arena;
} Worker;

static Worker worker_new(const Target *target)
{
    return (Worker){LLVMContextCreate(), target_machine(target), arena_new()};
}

static void worker_free(Worker *worker)
{
    LLVMDisposeTargetMachine(worker->machine);
    LLVMContextDispose(worker->context);
    arena_free(worker->arena);
}

// IR, cleaned up. Modules are verified; a fault is simcc's own.
static LLVMModuleRef build_module(Worker *worker, const Target *target,
                                  const Kernel *kernel)
{
    LLVMModuleRef module =
        emit_kernel(worker->context, target, kernel, worker->arena);
    const char *problem =
        target_optimize(worker->machine, module, worker->arena);
    if (problem)
        INTERNAL_ERROR("kernel\n%s%s", kernel->text, problem);
    return module;
}

static LLVMMemoryBufferRef build_file(Worker *worker, const Target *target,
                                      const Kernel *kernel,
                                      LLVMCodeGenFileType type)
{
    LLVMModuleRef module = build_module(worker, target, kernel);
    LLVMMemoryBufferRef buffer = NULL;
    char *message = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(worker->machine, module, type,
                                            &message, &buffer))
        INTERNAL_ERROR("kernel\n%s%s", kernel->text, message);
    LLVMDisposeModule(module);
    return buffer;
}

static const char *cache_key(const Codegen *codegen, const Kernel *kernel,
                             Arena *arena)
{
    return arena_printf(arena, "codegen %s\n%s%s", CODEGEN_VERSION,
                        codegen->target.key, kernel->text);
}

static void *copy_bytes(const void *bytes, size_t size)
{
    void *copy = malloc(size ? size : 1);
    if (!copy)
        arena_out_of_memory(size);
    return memcpy(copy, bytes, size);
}

// Returns whether the object came from the cache.
static bool compile_slot(Codegen *codegen, Worker *worker, KernelSlot *slot)
{
    PlanObject *object = &slot->object;
    const char *key = cache_key(codegen, slot->kernel, worker->arena);
    const char *directory = codegen->options.cache_dir;
    if (cache_read(directory, key, &object->bytes, &object->size))
        return true;
    LLVMMemoryBufferRef buffer =
        build_file(worker, &codegen->target, slot->kernel, LLVMObjectFile);
    size_t size = LLVMGetBufferSize(buffer);
    object->bytes = copy_bytes(LLVMGetBufferStart(buffer), size);
    object->size = (int64_t)size;
    LLVMDisposeMemoryBuffer(buffer);
    const char *problem =
        object_check(object->bytes, object->size, emit_math_symbols);
    if (problem)
        INTERNAL_ERROR("kernel\n%s%s", slot->kernel->text, problem);
    cache_write(directory, key, object->bytes, object->size);
    return false;
}

// ---- all kernels ------------------------------------------------------------

typedef struct CompileJob {
    Codegen *codegen;
    atomic_int next, hits, compiled;
} CompileJob;

static void *compile_thread(void *context)
{
    CompileJob *job = context;
    Codegen *codegen = job->codegen;
    Worker worker = worker_new(&codegen->target);
    for (;;) {
        int i = atomic_fetch_add(&job->next, 1);
        if (i >= codegen->kernels.count)
            break;
        KernelSlot *slot = &codegen->kernels.at[i];
        if (slot->object.bytes)
            continue;
        bool hit = compile_slot(codegen, &worker, slot);
        atomic_fetch_add(hit ? &job->hits : &job->compiled, 1);
    }
    worker_free(&worker);
    return NULL;
}

static int thread_count(const Codegen *codegen)
{
    long count = codegen->options.threads;
    if (count <= 0)
        count = sysconf(_SC_NPROCESSORS_ONLN);
    if (count > codegen->kernels.count)
        count = codegen->kernels.count;
    return count < 1                     ? 1
           : count > MAX_COMPILE_THREADS ? MAX_COMPILE_THREADS
                                         : (int)count;
}

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void compile_all(Codegen *codegen)
{
    CompileJob job = {.codegen = codegen};
    double start = now_seconds();
    pthread_t threads[MAX_COMPILE_THREADS];
    int count = thread_count(codegen), started = 0;
    // Threads that cannot be started are missed, not needed.
    while (started < count - 1 &&
           pthread_create(&threads[started], NULL, compile_thread, &job) == 0)
        started++;
    compile_thread(&job);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    codegen->stats.cache_hits += job.hits;
    codegen->stats.compiled += job.compiled;
    codegen->stats.compile_seconds += now_seconds() - start;
}

void codegen_compile(Codegen *codegen, PlanObject **objects, int *count)
{
    compile_all(codegen);
    *count = codegen->kernels.count;
    *objects = calloc((size_t)*count + 1, sizeof **objects);
    if (!*objects)
        arena_out_of_memory((size_t)*count * sizeof **objects);
    for (int i = 0; i < *count; i++) {
        const KernelSlot *slot = &codegen->kernels.at[i];
        const char *symbol = slot->kernel->symbol;
        (*objects)[i] = (PlanObject){
            copy_bytes(symbol, strlen(symbol) + 1), slot->object.size,
            copy_bytes(slot->object.bytes, (size_t)slot->object.size)};
    }
}

// ---- dumps ------------------------------------------------------------------

static void print_descriptor(const Kernel *kernel, const char *comment,
                             Text *out)
{
    const char *line = kernel->text;
    while (*line) {
        const char *end = strchr(line, '\n');
        text_add(out, comment);
        text_add(out, " ");
        text_add_n(out, line, (size_t)(end + 1 - line));
        line = end + 1;
    }
}

void codegen_print_llvm(Codegen *codegen, Text *out)
{
    Worker worker = worker_new(&codegen->target);
    for (int i = 0; i < codegen->kernels.count; i++) {
        const Kernel *kernel = codegen->kernels.at[i].kernel;
        LLVMModuleRef module = build_module(&worker, &codegen->target, kernel);
        char *text = LLVMPrintModuleToString(module);
        print_descriptor(kernel, ";", out);
        text_add(out, text);
        text_add(out, "\n");
        LLVMDisposeMessage(text);
        LLVMDisposeModule(module);
    }
    worker_free(&worker);
}

void codegen_print_asm(Codegen *codegen, Text *out)
{
    Worker worker = worker_new(&codegen->target);
    for (int i = 0; i < codegen->kernels.count; i++) {
        const Kernel *kernel = codegen->kernels.at[i].kernel;
        LLVMMemoryBufferRef buffer =
            build_file(&worker, &codegen->target, kernel, LLVMAssemblyFile);
        print_descriptor(kernel, "#", out);
        text_add_n(out, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
        text_add(out, "\n");
        LLVMDisposeMemoryBuffer(buffer);
    }
    worker_free(&worker);
}
