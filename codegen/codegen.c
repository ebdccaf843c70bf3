// The compiler's core, of any target: kernels by description, compiled in
// parallel, kept in a cache; what codegen.h promises of a Codegen.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "codegen/cache.h"
#include "codegen/codegen_impl.h"
#include "ir/base/diag.h"

// CODEGEN_VERSION, a checksum of what lies in codegen/, comes from the
// Makefile: it is part of the cache key, for a changed emitter gives the same
// description other code.

enum { FIRST_TABLE_SIZE = 1024 };

// The target that a processor's name belongs to: there is one.
static const Backend *backend_of(const char *cpu)
{
    (void)cpu;
    return &cpu_backend;
}

const char *codegen_cpu_problem(Arena *arena, const char *cpu)
{
    return backend_of(cpu)->cpu_problem(arena, cpu);
}

int codegen_block(const CodegenOptions *options)
{
    return backend_of(options->cpu)->block(options);
}

ConvBf16 codegen_bf16_products(const CodegenOptions *options)
{
    return backend_of(options->cpu)->bf16_products(options);
}

Codegen *codegen_new(const CodegenOptions *options)
{
    Arena *arena = arena_new();
    Codegen *codegen = ARENA_NEW(arena, Codegen);
    codegen->arena = arena;
    codegen->options = *options;
    if (options->cache_dir)
        codegen->options.cache_dir = arena_strdup(arena, options->cache_dir);
    codegen->backend = backend_of(options->cpu);
    codegen->target = codegen->backend->open(arena, options);
    pthread_mutex_init(&codegen->queue.lock, NULL);
    pthread_cond_init(&codegen->queue.changed, NULL);
    return codegen;
}

static void finish_threads(Codegen *codegen, bool compile_rest);

void codegen_free(Codegen *codegen)
{
    if (!codegen)
        return;
    finish_threads(codegen, false);
    pthread_cond_destroy(&codegen->queue.changed);
    pthread_mutex_destroy(&codegen->queue.lock);
    for (int i = 0; i < codegen->kernels.count; i++)
        free(codegen->kernels.at[i]->object.bytes);
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

void codegen_set_ways(Codegen *codegen, const char *ways)
{
    codegen->ways = ways;
}

const char *codegen_conv_ways(const Codegen *codegen, const Graph *graph,
                              Value value, Arena *arena, const char **shape)
{
    return codegen->backend->conv_ways(codegen, graph, value, arena, shape);
}

// ---- kernels by descriptor --------------------------------------------------

// Where the text is, or the free place where it belongs.
static int table_find(const Codegen *codegen, const char *text)
{
    uint64_t hash = text_hash(TEXT_HASH_SEED, text, strlen(text));
    int mask = codegen->table_size - 1, at = (int)(hash & (uint64_t)mask);
    while (codegen->table[at] >= 0 &&
           strcmp(codegen->kernels.at[codegen->table[at]]->kernel->text,
                  text) != 0)
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
        const char *text = codegen->kernels.at[i]->kernel->text;
        codegen->table[table_find(codegen, text)] = i;
    }
}

const Kernel *codegen_intern(Codegen *codegen, Kernel kernel)
{
    if (2 * codegen->kernels.count >= codegen->table_size)
        table_grow(codegen);
    int at = table_find(codegen, kernel.text);
    if (codegen->table[at] < 0) {
        Kernel *kept = ARENA_NEW(codegen->arena, Kernel);
        uint64_t hash =
            text_hash(TEXT_HASH_SEED, kernel.text, strlen(kernel.text));
        *kept = kernel;
        kept->text = arena_strdup(codegen->arena, kernel.text);
        kept->symbol =
            arena_printf(codegen->arena, "k_%016llx", (unsigned long long)hash);
        codegen->table[at] = codegen->kernels.count;
        KernelSlot *slot = ARENA_NEW(codegen->arena, KernelSlot);
        slot->kernel = kept;
        pthread_mutex_lock(&codegen->queue.lock);
        vec_push(codegen->arena, &codegen->kernels, slot);
        pthread_cond_signal(&codegen->queue.changed);
        pthread_mutex_unlock(&codegen->queue.lock);
    }
    return codegen->kernels.at[codegen->table[at]]->kernel;
}

// ---- machine code -----------------------------------------------------------

// Takes a kernel from the cache or compiles it; returns whether it did the
// former. *worker is NULL until one is compiled: who finds all in the cache
// needs none.
static bool compile_slot(Codegen *codegen, void **worker, KernelSlot *slot,
                         Arena *scratch)
{
    CodeObject *object = &slot->object;
    const char *key = arena_printf(scratch, "codegen %s\n%s%s", CODEGEN_VERSION,
                                   codegen->target.key, slot->kernel->text);
    const char *directory = codegen->options.cache_dir;
    if (cache_read(directory, key, &object->bytes, &object->size))
        return true;
    if (!*worker)
        *worker = codegen->backend->worker_new(&codegen->target);
    codegen->backend->compile(*worker, slot->kernel, object);
    cache_write(directory, key, object->bytes, object->size);
    return false;
}

// The next kernel, waiting for it if one may come; NULL when there is none.
static KernelSlot *take_kernel(Codegen *codegen)
{
    CompileQueue *queue = &codegen->queue;
    KernelSlot *slot = NULL;
    pthread_mutex_lock(&queue->lock);
    while (queue->next == codegen->kernels.count && !queue->complete)
        pthread_cond_wait(&queue->changed, &queue->lock);
    if (queue->next < codegen->kernels.count)
        slot = codegen->kernels.at[queue->next++];
    pthread_mutex_unlock(&queue->lock);
    return slot;
}

static void *compile_thread(void *of)
{
    Codegen *codegen = of;
    CompileQueue *queue = &codegen->queue;
    Arena *scratch = arena_new();
    void *worker = NULL;
    for (KernelSlot *slot; (slot = take_kernel(codegen));) {
        bool hit = compile_slot(codegen, &worker, slot, scratch);
        pthread_mutex_lock(&queue->lock);
        *(hit ? &queue->cache_hits : &queue->compiled) += 1;
        pthread_mutex_unlock(&queue->lock);
    }
    if (worker)
        codegen->backend->worker_free(worker);
    arena_free(scratch);
    return NULL;
}

// So many threads beside this one. Those that cannot be started are missed, not
// needed.
static void start_threads(Codegen *codegen, long count)
{
    CompileQueue *queue = &codegen->queue;
    count = count < MAX_COMPILE_THREADS ? count : MAX_COMPILE_THREADS;
    while (queue->thread_count < count &&
           pthread_create(&queue->threads[queue->thread_count], NULL,
                          compile_thread, codegen) == 0)
        queue->thread_count++;
}

// Waits for the threads, which compile all that is left beside this one, or
// nothing more.
static void finish_threads(Codegen *codegen, bool compile_rest)
{
    CompileQueue *queue = &codegen->queue;
    pthread_mutex_lock(&queue->lock);
    queue->complete = true;
    if (!compile_rest)
        queue->next = codegen->kernels.count;
    bool more = queue->next < codegen->kernels.count;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    if (more)
        compile_thread(codegen);
    while (queue->thread_count > 0)
        pthread_join(queue->threads[--queue->thread_count], NULL);
    queue->complete = false;
}

static long wanted_threads(const Codegen *codegen)
{
    long count = codegen->options.threads;
    return count > 0 ? count : sysconf(_SC_NPROCESSORS_ONLN);
}

void codegen_compile_ahead(Codegen *codegen)
{
    start_threads(codegen, wanted_threads(codegen) - 1);
}

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void compile_all(Codegen *codegen)
{
    CompileQueue *queue = &codegen->queue;
    double start = now_seconds();
    long count = wanted_threads(codegen);
    if (count > codegen->kernels.count)
        count = codegen->kernels.count;
    start_threads(codegen, count - 1);
    finish_threads(codegen, true);
    codegen->stats.cache_hits = queue->cache_hits;
    codegen->stats.compiled = queue->compiled;
    codegen->stats.compile_seconds += now_seconds() - start;
}

static void *copy_bytes(const void *bytes, size_t size)
{
    void *copy = malloc(size ? size : 1);
    if (!copy)
        arena_out_of_memory(size);
    return memcpy(copy, bytes, size);
}

void codegen_compile(Codegen *codegen, CodeObject **objects, int *count)
{
    compile_all(codegen);
    *count = codegen->kernels.count;
    *objects = calloc((size_t)*count + 1, sizeof **objects);
    if (!*objects)
        arena_out_of_memory((size_t)*count * sizeof **objects);
    for (int i = 0; i < *count; i++) {
        const KernelSlot *slot = codegen->kernels.at[i];
        const char *symbol = slot->kernel->symbol;
        (*objects)[i] = (CodeObject){
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
        size_t length = strcspn(line, "\n");
        text_add(out, comment);
        text_add(out, " ");
        text_add_n(out, line, length);
        text_add(out, "\n");
        line += length + (line[length] == '\n');
    }
}

typedef void PrintKernel(void *worker, const Kernel *kernel, Text *out);

// Every kernel's description, as comments, and what the back end prints of it.
static void print_kernels(Codegen *codegen, PrintKernel *print,
                          const char *comment, Text *out)
{
    void *worker = codegen->backend->worker_new(&codegen->target);
    for (int i = 0; i < codegen->kernels.count; i++) {
        const Kernel *kernel = codegen->kernels.at[i]->kernel;
        print_descriptor(kernel, comment, out);
        print(worker, kernel, out);
        text_add(out, "\n");
    }
    codegen->backend->worker_free(worker);
}

void codegen_print_llvm(Codegen *codegen, Text *out)
{
    print_kernels(codegen, codegen->backend->print_ir, ";", out);
}

void codegen_print_asm(Codegen *codegen, Text *out)
{
    print_kernels(codegen, codegen->backend->print_asm,
                  codegen->backend->comment, out);
}
