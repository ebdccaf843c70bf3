// Kernels -> objects, by LLVM.
#include <stdlib.h>
#include <string.h>

#include "codegen/cpu/compile.h"
#include "codegen/cpu/emit.h"
#include "codegen/cpu/object.h"
#include "ir/base/diag.h"

typedef struct Worker {
    const CpuTarget *target;
    LLVMContextRef context;
    LLVMTargetMachineRef machine;
    Arena *arena;
} Worker;

void *cpu_worker_new(const Target *target)
{
    Worker *worker = malloc(sizeof *worker);
    if (!worker)
        arena_out_of_memory(sizeof *worker);
    worker->target = cpu_target(target);
    worker->context = LLVMContextCreate();
    worker->machine = target_machine(worker->target);
    worker->arena = arena_new();
    return worker;
}

void cpu_worker_free(void *of)
{
    Worker *worker = of;
    LLVMDisposeTargetMachine(worker->machine);
    LLVMContextDispose(worker->context);
    arena_free(worker->arena);
    free(worker);
}

// IR, cleaned up. Modules are verified; a fault is simcc's own.
static LLVMModuleRef build_module(Worker *worker, const Kernel *kernel)
{
    LLVMModuleRef module =
        emit_kernel(worker->context, worker->target, kernel, worker->arena);
    const char *problem =
        target_optimize(worker->machine, module, worker->arena);
    if (problem)
        INTERNAL_ERROR("kernel\n%s%s", kernel->text, problem);
    return module;
}

static LLVMMemoryBufferRef build_file(Worker *worker, const Kernel *kernel,
                                      LLVMCodeGenFileType type)
{
    LLVMModuleRef module = build_module(worker, kernel);
    LLVMMemoryBufferRef buffer = NULL;
    char *message = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(worker->machine, module, type,
                                            &message, &buffer))
        INTERNAL_ERROR("kernel\n%s%s", kernel->text, message);
    LLVMDisposeModule(module);
    return buffer;
}

void cpu_compile(void *worker, const Kernel *kernel, CodeObject *object)
{
    LLVMMemoryBufferRef buffer = build_file(worker, kernel, LLVMObjectFile);
    size_t size = LLVMGetBufferSize(buffer);
    object->bytes = malloc(size ? size : 1);
    if (!object->bytes)
        arena_out_of_memory(size);
    memcpy(object->bytes, LLVMGetBufferStart(buffer), size);
    object->size = (int64_t)size;
    LLVMDisposeMemoryBuffer(buffer);
    const char *problem =
        object_check(object->bytes, object->size, emit_math_symbols);
    if (problem)
        INTERNAL_ERROR("kernel\n%s%s", kernel->text, problem);
}

void cpu_print_ir(void *worker, const Kernel *kernel, Text *out)
{
    LLVMModuleRef module = build_module(worker, kernel);
    char *text = LLVMPrintModuleToString(module);
    text_add(out, text);
    LLVMDisposeMessage(text);
    LLVMDisposeModule(module);
}

void cpu_print_asm(void *worker, const Kernel *kernel, Text *out)
{
    LLVMMemoryBufferRef buffer = build_file(worker, kernel, LLVMAssemblyFile);
    text_add_n(out, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
    LLVMDisposeMemoryBuffer(buffer);
}
