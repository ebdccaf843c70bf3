// Loads relocatable x86-64 ELF objects: places their sections in one mapping,
// applies relocations, and makes the code executable. The objects may come
// from a file, so every number in them is checked before use.
#include <elf.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/exec/cpu.h"
#include "runtime/exec/exec.h"

typedef struct CodeSymbol {
    const char *name; // owned by the program
    unsigned char *address;
} CodeSymbol;

struct CodeImage {
    unsigned char *base; // code, then constants and the offset table
    int64_t code_bytes, bytes;
    int count;
    CodeSymbol *symbols; // sorted by name
};

// What kernels may call. A call reaches at most 2 GiB, the C library may lie
// further away: each function has a jump inside the mapping.
typedef void AnyFunction(void);
typedef struct External {
    const char *name;
    AnyFunction *function;
} External;

#define EXTERNAL(function)                                                     \
    {                                                                          \
#function, (AnyFunction *)function                                     \
    }
#define EXTERNAL_MATH(function) EXTERNAL(function), EXTERNAL(function##f)

static const External externals[] = {
    EXTERNAL_MATH(exp),       EXTERNAL_MATH(exp2),  EXTERNAL_MATH(expm1),
    EXTERNAL_MATH(log),       EXTERNAL_MATH(log2),  EXTERNAL_MATH(log1p),
    EXTERNAL_MATH(sin),       EXTERNAL_MATH(cos),   EXTERNAL_MATH(tanh),
    EXTERNAL_MATH(pow),       EXTERNAL_MATH(sqrt),  EXTERNAL_MATH(erf),
    EXTERNAL_MATH(fma),       EXTERNAL_MATH(fmod),  EXTERNAL_MATH(floor),
    EXTERNAL_MATH(ceil),      EXTERNAL_MATH(trunc), EXTERNAL_MATH(round),
    EXTERNAL_MATH(rint),      EXTERNAL_MATH(fmin),  EXTERNAL_MATH(fmax),
    EXTERNAL_MATH(roundeven), EXTERNAL(memset),     EXTERNAL(memcpy),
    EXTERNAL(memmove),
};

enum {
    EXTERNAL_COUNT = sizeof externals / sizeof externals[0],
    STUB_BYTES = 16,
    PAGE = 4096,
    MAX_IMAGE = 1 << 30, // any two places within reach of a 32-bit distance
};

typedef struct Object {
    const CodeObject *plan;
    Elf64_Shdr *sections;
    int64_t *places; // of each section in the image; -1 = not loaded
    int section_count;
    int symtab; // section index; 0 = none
} Object;

typedef struct Loader {
    CodeImage *image;
    Object *objects;
    int count;
    int64_t code, data; // bytes planned so far
    int64_t offset_table, offset_slots, offset_used;
} Loader;

static Status bad_object(const Object *object, const char *reason)
{
    return status_error(STATUS_DATA, "object code of kernel '%s': %s",
                        object->plan->symbol, reason);
}

static bool is_inside(uint64_t offset, uint64_t size, uint64_t total)
{
    return offset <= total && size <= total - offset;
}

static int64_t round_up(int64_t bytes, int64_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

static Status read_sections(Object *object)
{
    const unsigned char *bytes = object->plan->bytes;
    uint64_t size = (uint64_t)object->plan->size;
    Elf64_Ehdr header;
    if (size < sizeof header)
        return bad_object(object, "shorter than an ELF header");
    memcpy(&header, bytes, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_REL ||
        header.e_machine != EM_X86_64 ||
        header.e_shentsize != sizeof(Elf64_Shdr))
        return bad_object(object, "not a relocatable x86-64 ELF object");
    uint64_t table = (uint64_t)header.e_shnum * sizeof(Elf64_Shdr);
    if (header.e_shnum == 0 || !is_inside(header.e_shoff, table, size))
        return bad_object(object, "section table outside the object");

    object->section_count = header.e_shnum;
    object->sections = malloc(table);
    object->places = malloc(header.e_shnum * sizeof *object->places);
    if (!object->sections || !object->places)
        return status_error(STATUS_MEMORY, "no memory to load kernels");
    memcpy(object->sections, bytes + header.e_shoff, table);
    for (int i = 0; i < object->section_count; i++) {
        const Elf64_Shdr *section = &object->sections[i];
        object->places[i] = -1;
        if (section->sh_type != SHT_NOBITS && section->sh_type != SHT_NULL &&
            !is_inside(section->sh_offset, section->sh_size, size))
            return bad_object(object, "section outside the object");
        if (section->sh_type == SHT_SYMTAB) {
            if (section->sh_link >= header.e_shnum ||
                section->sh_entsize != sizeof(Elf64_Sym))
                return bad_object(object, "malformed symbol table");
            object->symtab = i;
        }
    }
    return status_ok();
}

// Decides where a section goes: code sections grow the code part, others the
// data part (placed after the code once its size is known).
static Status place_section(Loader *loader, Object *object, int index)
{
    const Elf64_Shdr *section = &object->sections[index];
    if (!(section->sh_flags & SHF_ALLOC) || section->sh_size == 0 ||
        section->sh_type == SHT_NULL)
        return status_ok();
    uint64_t align = section->sh_addralign ? section->sh_addralign : 1;
    if (section->sh_flags & (SHF_TLS | SHF_COMPRESSED))
        return bad_object(object, "thread-local or compressed section");
    if ((align & (align - 1)) || align > PAGE || section->sh_size > MAX_IMAGE)
        return bad_object(object, "section alignment or size out of range");
    bool code = section->sh_flags & SHF_EXECINSTR;
    int64_t *end = code ? &loader->code : &loader->data;
    object->places[index] = round_up(*end, (int64_t)align);
    *end = object->places[index] + (int64_t)section->sh_size;
    if (*end > MAX_IMAGE)
        return bad_object(object, "more than 1 GiB of code");
    return status_ok();
}

static int relocation_count(const Object *object, int index)
{
    return (int)(object->sections[index].sh_size / sizeof(Elf64_Rela));
}

static Elf64_Rela read_relocation(const Object *object, int index, int i)
{
    Elf64_Rela relocation;
    memcpy(&relocation,
           object->plan->bytes + object->sections[index].sh_offset +
               (size_t)i * sizeof relocation,
           sizeof relocation);
    return relocation;
}

static bool goes_through_table(Elf64_Rela relocation)
{
    uint32_t type = ELF64_R_TYPE(relocation.r_info);
    return type == R_X86_64_GOTPCREL || type == R_X86_64_GOTPCRELX ||
           type == R_X86_64_REX_GOTPCRELX;
}

// Relocation sections of loaded sections; others (debug information) are left.
static bool is_applied(const Object *object, int index)
{
    const Elf64_Shdr *section = &object->sections[index];
    return section->sh_type == SHT_RELA &&
           section->sh_info < (uint32_t)object->section_count &&
           object->places[section->sh_info] >= 0;
}

static Status plan_object(Loader *loader, Object *object)
{
    TRY(read_sections(object));
    for (int i = 0; i < object->section_count; i++)
        TRY(place_section(loader, object, i));
    for (int i = 0; i < object->section_count; i++) {
        if (object->sections[i].sh_type == SHT_REL)
            return bad_object(object, "relocations without addends");
        if (!is_applied(object, i))
            continue;
        int count = relocation_count(object, i);
        for (int k = 0; k < count; k++)
            loader->offset_slots +=
                goes_through_table(read_relocation(object, i, k));
    }
    return status_ok();
}

static Status map_image(Loader *loader)
{
    CodeImage *image = loader->image;
    image->code_bytes = round_up(loader->code, PAGE);
    loader->offset_table = image->code_bytes + round_up(loader->data, 8);
    image->bytes =
        round_up(loader->offset_table + loader->offset_slots * 8, PAGE);
    void *base = mmap(NULL, (size_t)image->bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return status_error(STATUS_MEMORY, "no memory for %lld bytes of code",
                            (long long)image->bytes);
    image->base = base;
    return status_ok();
}

// jmp *0(%rip), followed by the address it reads.
static void write_stubs(unsigned char *base)
{
    static const unsigned char jump[6] = {0xff, 0x25, 0, 0, 0, 0};
    for (int i = 0; i < EXTERNAL_COUNT; i++) {
        unsigned char *stub = base + i * STUB_BYTES;
        memcpy(stub, jump, sizeof jump);
        memcpy(stub + sizeof jump, &externals[i].function,
               sizeof externals[i].function);
    }
}

static void copy_sections(Loader *loader, Object *object)
{
    for (int i = 0; i < object->section_count; i++) {
        const Elf64_Shdr *section = &object->sections[i];
        if (object->places[i] < 0)
            continue;
        if (!(section->sh_flags & SHF_EXECINSTR))
            object->places[i] += loader->image->code_bytes;
        if (section->sh_type != SHT_NOBITS) // else zero, as the mapping is
            memcpy(loader->image->base + object->places[i],
                   object->plan->bytes + section->sh_offset, section->sh_size);
    }
}

static Status find_external(const Loader *loader, const Object *object,
                            const char *name, unsigned char **address)
{
    for (int i = 0; i < EXTERNAL_COUNT; i++) {
        if (strcmp(externals[i].name, name) == 0) {
            *address = loader->image->base + i * STUB_BYTES;
            return status_ok();
        }
    }
    return status_error(STATUS_DATA,
                        "object code of kernel '%s' refers to '%s', which "
                        "kernels may not use",
                        object->plan->symbol, name);
}

static Status read_symbol(const Object *object, uint64_t index,
                          Elf64_Sym *symbol, const char **name)
{
    const Elf64_Shdr *table = &object->sections[object->symtab];
    if (!object->symtab || index >= table->sh_size / sizeof *symbol)
        return bad_object(object, "symbol number out of range");
    memcpy(symbol,
           object->plan->bytes + table->sh_offset + index * sizeof *symbol,
           sizeof *symbol);
    const Elf64_Shdr *strings = &object->sections[table->sh_link];
    if (strings->sh_type != SHT_STRTAB || symbol->st_name >= strings->sh_size)
        return bad_object(object, "symbol name outside its table");
    const unsigned char *text = object->plan->bytes + strings->sh_offset;
    if (!memchr(text + symbol->st_name, 0, strings->sh_size - symbol->st_name))
        return bad_object(object, "symbol name outside its table");
    *name = (const char *)text + symbol->st_name;
    return status_ok();
}

static Status symbol_address(const Loader *loader, const Object *object,
                             uint64_t index, unsigned char **address)
{
    Elf64_Sym symbol;
    const char *name;
    TRY(read_symbol(object, index, &symbol, &name));
    if (symbol.st_shndx == SHN_UNDEF)
        return find_external(loader, object, name, address);
    if (symbol.st_shndx >= object->section_count ||
        object->places[symbol.st_shndx] < 0)
        return bad_object(object, "symbol in a section that is not loaded");
    if (symbol.st_value > object->sections[symbol.st_shndx].sh_size)
        return bad_object(object, "symbol outside its section");
    *address =
        loader->image->base + object->places[symbol.st_shndx] + symbol.st_value;
    return status_ok();
}

// With S the symbol, A the addend, P the place and G the symbol's slot in the
// offset table: 64 stores S + A, PC32 and PLT32 store S + A - P, the GOTPCREL
// family G + A - P (System V ABI, AMD64 supplement, table 4.9). Sums are taken
// modulo 2^64, as addends are the file's to choose.
static Status apply(Loader *loader, const Object *object, int target,
                    Elf64_Rela relocation)
{
    uint32_t type = ELF64_R_TYPE(relocation.r_info);
    bool wide = type == R_X86_64_64 || type == R_X86_64_PC64;
    if (type == R_X86_64_NONE)
        return status_ok();
    if (!wide && type != R_X86_64_PC32 && type != R_X86_64_PLT32 &&
        !goes_through_table(relocation))
        return bad_object(object, "relocation of a kind that is not known");
    if (!is_inside(relocation.r_offset, wide ? 8 : 4,
                   object->sections[target].sh_size))
        return bad_object(object, "relocation outside its section");

    unsigned char *symbol;
    TRY(symbol_address(loader, object, ELF64_R_SYM(relocation.r_info),
                       &symbol));
    unsigned char *place =
        loader->image->base + object->places[target] + relocation.r_offset;
    if (goes_through_table(relocation)) {
        unsigned char *slot = loader->image->base + loader->offset_table +
                              8 * loader->offset_used++;
        memcpy(slot, &symbol, sizeof symbol);
        symbol = slot;
    }
    uint64_t value = (uint64_t)symbol + (uint64_t)relocation.r_addend;
    if (type != R_X86_64_64)
        value -= (uint64_t)place;
    if (!wide && (int64_t)value != (int32_t)value)
        return bad_object(object, "relocation out of reach");
    memcpy(place, &value, wide ? 8 : 4);
    return status_ok();
}

static Status relocate(Loader *loader, const Object *object)
{
    for (int i = 0; i < object->section_count; i++) {
        if (!is_applied(object, i))
            continue;
        const Elf64_Shdr *section = &object->sections[i];
        if (section->sh_entsize != sizeof(Elf64_Rela) ||
            section->sh_link != (uint32_t)object->symtab)
            return bad_object(object, "malformed relocation table");
        int count = relocation_count(object, i);
        for (int k = 0; k < count; k++)
            TRY(apply(loader, object, (int)section->sh_info,
                      read_relocation(object, i, k)));
    }
    return status_ok();
}

static Status find_kernel(Loader *loader, const Object *object,
                          CodeSymbol *kernel)
{
    const Elf64_Shdr *table = &object->sections[object->symtab];
    uint64_t count = object->symtab ? table->sh_size / sizeof(Elf64_Sym) : 0;
    for (uint64_t i = 0; i < count; i++) {
        Elf64_Sym symbol;
        const char *name;
        TRY(read_symbol(object, i, &symbol, &name));
        if (symbol.st_shndx == SHN_UNDEF ||
            strcmp(name, object->plan->symbol) != 0)
            continue;
        if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC ||
            symbol.st_shndx >= object->section_count ||
            !(object->sections[symbol.st_shndx].sh_flags & SHF_EXECINSTR))
            return bad_object(object, "the kernel is not a function");
        kernel->name = object->plan->symbol;
        return symbol_address(loader, object, i, &kernel->address);
    }
    return bad_object(object, "does not define the kernel");
}

static int compare_symbols(const void *a, const void *b)
{
    return strcmp(((const CodeSymbol *)a)->name, ((const CodeSymbol *)b)->name);
}

static Status index_kernels(Loader *loader)
{
    CodeImage *image = loader->image;
    for (int i = 0; i < loader->count; i++)
        TRY(find_kernel(loader, &loader->objects[i], &image->symbols[i]));
    image->count = loader->count;
    if (image->count == 0)
        return status_ok();
    qsort(image->symbols, (size_t)image->count, sizeof *image->symbols,
          compare_symbols);
    for (int i = 1; i < image->count; i++)
        if (compare_symbols(&image->symbols[i - 1], &image->symbols[i]) == 0)
            return status_error(STATUS_DATA, "kernel '%s' is defined twice",
                                image->symbols[i].name);
    return status_ok();
}

static Status load(Loader *loader, const Program *program)
{
    loader->code = round_up(EXTERNAL_COUNT * STUB_BYTES, 64);
    for (int i = 0; i < loader->count; i++) {
        loader->objects[i].plan = &program->objects[i];
        TRY(plan_object(loader, &loader->objects[i]));
    }
    TRY(map_image(loader));
    write_stubs(loader->image->base);
    for (int i = 0; i < loader->count; i++)
        copy_sections(loader, &loader->objects[i]);
    for (int i = 0; i < loader->count; i++)
        TRY(relocate(loader, &loader->objects[i]));
    TRY(index_kernels(loader));
    CodeImage *image = loader->image;
    if (mprotect(image->base, (size_t)image->code_bytes,
                 PROT_READ | PROT_EXEC) != 0 ||
        (image->bytes > image->code_bytes &&
         mprotect(image->base + image->code_bytes,
                  (size_t)(image->bytes - image->code_bytes), PROT_READ) != 0))
        return status_error(STATUS_FAILED,
                            "this system does not let a process make code "
                            "executable (mprotect refused)");
    return status_ok();
}

Status code_load(const Program *program, CodeImage **out)
{
    *out = NULL;
    TRY(cpu_check(program->needs, cpu_here(), program->target));
    size_t count = (size_t)program->object_count;
    Loader loader = {.count = program->object_count};
    loader.image = calloc(1, sizeof *loader.image);
    loader.objects = calloc(count + 1, sizeof *loader.objects);
    if (loader.image)
        loader.image->symbols = calloc(count + 1, sizeof(CodeSymbol));
    Status status =
        loader.image && loader.objects && loader.image->symbols
            ? load(&loader, program)
            : status_error(STATUS_MEMORY, "no memory to load kernels");
    for (size_t i = 0; loader.objects && i < count; i++) {
        free(loader.objects[i].sections);
        free(loader.objects[i].places);
    }
    free(loader.objects);
    if (status.code != STATUS_OK) {
        code_free(loader.image);
        loader.image = NULL;
    }
    *out = loader.image;
    return status;
}

void code_free(CodeImage *image)
{
    if (!image)
        return;
    if (image->base)
        munmap(image->base, (size_t)image->bytes);
    free(image->symbols);
    free(image);
}

PlanKernel *code_find(const CodeImage *image, const char *symbol)
{
    CodeSymbol key = {.name = symbol};
    if (!image || image->count == 0)
        return NULL;
    const CodeSymbol *found =
        bsearch(&key, image->symbols, (size_t)image->count, sizeof key,
                compare_symbols);
    PlanKernel *kernel = NULL;
    if (found)
        memcpy(&kernel, &found->address, sizeof kernel);
    return kernel;
}
