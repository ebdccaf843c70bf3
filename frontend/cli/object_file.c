// The format: System V ABI, generic part and AMD64 supplement; archives: ar(5).
#include "frontend/cli/object_file.h"

#include <elf.h>
#include <string.h>

#include "ir/base/diag.h"

static const struct {
    const char *name, *relocations;
    uint32_t type;
    uint64_t flags;
} section_table[OBJECT_SECTIONS] = {
    {".text", ".rela.text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR},
    {".rodata", ".rela.rodata", SHT_PROGBITS, SHF_ALLOC},
    {".data.rel.ro", ".rela.data.rel.ro", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE},
    // Apart, lest other constants lie out of reach: the large section of the
    // medium code model.
    {".lrodata", NULL, SHT_PROGBITS, SHF_ALLOC | 0x10000000},
};

enum { ALIGN = 64 };

ObjectFile object_new(Arena *arena)
{
    ObjectFile object = {.arena = arena};
    for (int i = 0; i < OBJECT_SECTIONS; i++)
        object.bytes[i] = text_new(arena);
    return object;
}

static int64_t pad(Text *text, int64_t align)
{
    static const char zeros[ALIGN];
    size_t to =
        (text->length + (size_t)align - 1) / (size_t)align * (size_t)align;
    text_add_n(text, zeros, to - text->length);
    return (int64_t)to;
}

int64_t object_add(ObjectFile *object, ObjectSection section, const void *bytes,
                   int64_t size, int align)
{
    static const char zeros[ALIGN];
    Text *text = &object->bytes[section];
    int64_t at = pad(text, align);
    if (bytes)
        text_add_n(text, bytes, (size_t)size);
    for (int64_t i = 0; !bytes && i < size; i += ALIGN)
        text_add_n(text, zeros, (size_t)(size - i < ALIGN ? size - i : ALIGN));
    return at;
}

void object_define(ObjectFile *object, const char *name, ObjectSection section,
                   int64_t at, int64_t size)
{
    ObjectSymbol symbol = {name, section, at, size, true, false};
    vec_push(object->arena, &object->symbols, symbol);
}

static int find_undefined(ObjectFile *object, const char *name)
{
    for (int i = 0; i < object->symbols.count; i++)
        if (object->symbols.at[i].section < 0 &&
            strcmp(object->symbols.at[i].name, name) == 0)
            return i;
    ObjectSymbol symbol = {
        arena_strdup(object->arena, name), -1, 0, 0, true, true};
    vec_push(object->arena, &object->symbols, symbol);
    return object->symbols.count - 1;
}

static void relocate(ObjectFile *object, ObjectSection section,
                     ObjectRelocation relocation)
{
    vec_push(object->arena, &object->relocations[section], relocation);
}

void object_point(ObjectFile *object, int64_t at, ObjectSection section,
                  int64_t to)
{
    ObjectRelocation r = {at, R_X86_64_64, -1 - (int)section, to};
    relocate(object, OBJECT_TABLES, r);
}

void object_point_to(ObjectFile *object, int64_t at, const char *function)
{
    ObjectRelocation r = {at, R_X86_64_64, find_undefined(object, function), 0};
    relocate(object, OBJECT_TABLES, r);
}

// ---- kernels ----------------------------------------------------------------

// An object of the compiler's: its own work, so that what is not as expected is
// a fault, but nothing is read beyond its end.
typedef struct Kernel {
    const CodeObject *object;
    const Elf64_Ehdr *head;
    const Elf64_Shdr *sections;
    const Elf64_Sym *symbols;
    const char *names;
    uint64_t symbol_count;
    int64_t *places; // of each section in that of ours; -1: not taken
} Kernel;

static Status odd(const CodeObject *object, const char *what)
{
    return status_error(STATUS_INTERNAL, "object of kernel %s: %s",
                        object->symbol, what);
}

static bool is_code(const Elf64_Shdr *section)
{
    return section->sh_flags & SHF_EXECINSTR;
}

static ObjectSection home(const Elf64_Shdr *section)
{
    return is_code(section) ? OBJECT_CODE : OBJECT_CONSTANTS;
}

static Status open_kernel(ObjectFile *to, Kernel *kernel)
{
    const CodeObject *object = kernel->object;
    const unsigned char *bytes = object->bytes;
    uint64_t size = (uint64_t)object->size;
    // Malloc'ed by the compiler, and its tables lie aligned in it.
    kernel->head = (const Elf64_Ehdr *)bytes;
    if (size < sizeof *kernel->head || kernel->head->e_shoff > size ||
        kernel->head->e_shnum * sizeof(Elf64_Shdr) >
            size - kernel->head->e_shoff)
        return odd(object, "no sections");
    kernel->sections = (const Elf64_Shdr *)(bytes + kernel->head->e_shoff);
    kernel->places = ARENA_ARRAY(to->arena, int64_t, kernel->head->e_shnum);
    for (int i = 0; i < kernel->head->e_shnum; i++) {
        const Elf64_Shdr *section = &kernel->sections[i];
        kernel->places[i] = -1;
        if (section->sh_type != SHT_NOBITS && section->sh_type != SHT_NULL &&
            (section->sh_offset > size ||
             section->sh_size > size - section->sh_offset))
            return odd(object, "section outside of it");
        if (section->sh_type == SHT_SYMTAB) {
            kernel->symbols = (const Elf64_Sym *)(bytes + section->sh_offset);
            kernel->symbol_count = section->sh_size / sizeof(Elf64_Sym);
            kernel->names = (const char *)bytes +
                            kernel->sections[section->sh_link].sh_offset;
        }
        // Unwinding finds no callers above kernels: they call nothing of ours.
        if (!(section->sh_flags & SHF_ALLOC) || section->sh_size == 0 ||
            section->sh_type == SHT_X86_64_UNWIND)
            continue;
        if (section->sh_addralign > ALIGN ||
            section->sh_flags & (SHF_TLS | SHF_COMPRESSED | SHF_WRITE))
            return odd(object, "section of an unknown kind");
        int align = section->sh_addralign ? (int)section->sh_addralign : 1;
        kernel->places[i] = object_add(
            to, home(section),
            section->sh_type == SHT_NOBITS ? NULL : bytes + section->sh_offset,
            (int64_t)section->sh_size, align);
    }
    return kernel->symbols ? status_ok() : odd(object, "no symbols");
}

// What a relocation of the kernel's refers to becomes a place in our sections,
// or a function of the C library.
static Status take_relocation(ObjectFile *to, const Kernel *kernel,
                              ObjectSection section, int64_t base,
                              const Elf64_Rela *from)
{
    uint64_t index = ELF64_R_SYM(from->r_info);
    if (index >= kernel->symbol_count)
        return odd(kernel->object, "no such symbol");
    const Elf64_Sym *symbol = &kernel->symbols[index];
    ObjectRelocation relocation = {base + (int64_t)from->r_offset,
                                   (uint32_t)ELF64_R_TYPE(from->r_info), 0,
                                   from->r_addend};
    if (symbol->st_shndx == SHN_UNDEF) {
        relocation.symbol = find_undefined(to, kernel->names + symbol->st_name);
    } else {
        uint32_t type = relocation.type;
        if (symbol->st_shndx >= kernel->head->e_shnum ||
            kernel->places[symbol->st_shndx] < 0 ||
            (type != R_X86_64_64 && type != R_X86_64_PC32 &&
             type != R_X86_64_PC64 && type != R_X86_64_PLT32))
            return odd(kernel->object, "relocation of an unknown kind");
        relocation.symbol = -1 - (int)home(&kernel->sections[symbol->st_shndx]);
        relocation.add +=
            kernel->places[symbol->st_shndx] + (int64_t)symbol->st_value;
    }
    relocate(to, section, relocation);
    return status_ok();
}

Status object_add_kernel(ObjectFile *object, const CodeObject *code,
                         const char *prefix, int64_t *at)
{
    Kernel kernel = {.object = code};
    TRY(open_kernel(object, &kernel));
    for (int i = 0; i < kernel.head->e_shnum; i++) {
        const Elf64_Shdr *table = &kernel.sections[i];
        if (table->sh_type != SHT_RELA ||
            table->sh_info >= kernel.head->e_shnum ||
            kernel.places[table->sh_info] < 0)
            continue;
        const Elf64_Rela *rows =
            (const Elf64_Rela *)(code->bytes + table->sh_offset);
        for (uint64_t k = 0; k < table->sh_size / sizeof *rows; k++)
            TRY(take_relocation(object, &kernel,
                                home(&kernel.sections[table->sh_info]),
                                kernel.places[table->sh_info], &rows[k]));
    }
    for (uint64_t i = 0; i < kernel.symbol_count; i++) {
        const Elf64_Sym *symbol = &kernel.symbols[i];
        if (symbol->st_shndx == SHN_UNDEF ||
            strcmp(kernel.names + symbol->st_name, code->symbol) != 0)
            continue;
        *at = kernel.places[symbol->st_shndx] + (int64_t)symbol->st_value;
        ObjectSymbol local = {
            arena_printf(object->arena, "%s.%s", prefix, code->symbol),
            OBJECT_CODE,
            *at,
            (int64_t)symbol->st_size,
            false,
            true};
        vec_push(object->arena, &object->symbols, local);
        return status_ok();
    }
    return odd(code, "does not define it");
}

// ---- the file ---------------------------------------------------------------

// Sections of the file: null, ours, their relocations, then these.
enum { FIRST = 1, RELAS = FIRST + OBJECT_SECTIONS, SYMBOLS = RELAS + 3 };
enum { STRINGS = SYMBOLS + 1, NAMES, STACK_NOTE, SECTION_COUNT };

typedef struct Writer {
    Text file, names, strings;
    Elf64_Shdr sections[SECTION_COUNT];
} Writer;

static uint32_t add_word(Text *text, const char *word)
{
    uint32_t at = (uint32_t)text->length;
    text_add_n(text, word, strlen(word) + 1);
    return at;
}

static void put_section(Writer *w, int index, const char *name, uint32_t type,
                        uint64_t flags, const void *bytes, int64_t size,
                        int align)
{
    w->sections[index] =
        (Elf64_Shdr){.sh_name = add_word(&w->names, name),
                     .sh_type = type,
                     .sh_flags = flags,
                     .sh_offset = (uint64_t)pad(&w->file, align),
                     .sh_size = (uint64_t)size,
                     .sh_addralign = (uint64_t)align};
    if (size)
        text_add_n(&w->file, bytes, (size_t)size);
}

// Sections first, then local symbols, then global ones, as the format wants.
// Returns the first global one; numbers[i] is the place of symbols.at[i].
static uint32_t put_symbols(const ObjectFile *object, Writer *w, int *numbers)
{
    Text table = text_new(object->arena);
    Elf64_Sym none = {0};
    uint32_t first = 0;
    text_add_n(&table, (char *)&none, sizeof none);
    for (int i = 0; i < OBJECT_SECTIONS; i++) {
        Elf64_Sym symbol = {.st_info = ELF64_ST_INFO(STB_LOCAL, STT_SECTION),
                            .st_shndx = (uint16_t)(FIRST + i)};
        text_add_n(&table, (char *)&symbol, sizeof symbol);
    }
    for (int global = 0; global < 2; global++) {
        if (global)
            first = (uint32_t)(table.length / sizeof none);
        for (int i = 0; i < object->symbols.count; i++) {
            const ObjectSymbol *from = &object->symbols.at[i];
            if (from->global != global)
                continue;
            int type = from->section < 0 ? STT_NOTYPE
                       : from->function  ? STT_FUNC
                                         : STT_OBJECT;
            Elf64_Sym symbol = {.st_name = add_word(&w->strings, from->name),
                                .st_info = (unsigned char)ELF64_ST_INFO(
                                    global ? STB_GLOBAL : STB_LOCAL, type),
                                .st_shndx =
                                    (uint16_t)(from->section < 0
                                                   ? SHN_UNDEF
                                                   : FIRST + from->section),
                                .st_value = (uint64_t)from->at,
                                .st_size = (uint64_t)from->size};
            numbers[i] = (int)(table.length / sizeof symbol);
            text_add_n(&table, (char *)&symbol, sizeof symbol);
        }
    }
    put_section(w, SYMBOLS, ".symtab", SHT_SYMTAB, 0, table.at,
                (int64_t)table.length, 8);
    w->sections[SYMBOLS].sh_entsize = sizeof none;
    w->sections[SYMBOLS].sh_link = STRINGS;
    w->sections[SYMBOLS].sh_info = first;
    return first;
}

static void put_relocations(const ObjectFile *object, Writer *w, int section,
                            const int *numbers)
{
    Text table = text_new(object->arena);
    for (int i = 0; i < object->relocations[section].count; i++) {
        const ObjectRelocation *from = &object->relocations[section].at[i];
        uint64_t symbol = from->symbol < 0
                              ? (uint64_t)(FIRST + -1 - from->symbol)
                              : (uint64_t)numbers[from->symbol];
        Elf64_Rela row = {.r_offset = (uint64_t)from->at,
                          .r_info = ELF64_R_INFO(symbol, from->type),
                          .r_addend = from->add};
        text_add_n(&table, (char *)&row, sizeof row);
    }
    put_section(w, RELAS + section, section_table[section].relocations,
                SHT_RELA, SHF_INFO_LINK, table.at, (int64_t)table.length, 8);
    w->sections[RELAS + section].sh_entsize = sizeof(Elf64_Rela);
    w->sections[RELAS + section].sh_link = SYMBOLS;
    w->sections[RELAS + section].sh_info = (uint32_t)(FIRST + section);
}

Text object_encode(const ObjectFile *object)
{
    Writer w = {text_new(object->arena),
                text_new(object->arena),
                text_new(object->arena),
                {{0}}};
    int *numbers = ARENA_ARRAY(object->arena, int, object->symbols.count + 1);
    Elf64_Ehdr head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3,
                                   ELFCLASS64, ELFDATA2LSB, EV_CURRENT,
                                   ELFOSABI_NONE},
                       .e_type = ET_REL,
                       .e_machine = EM_X86_64,
                       .e_version = EV_CURRENT,
                       .e_ehsize = sizeof(Elf64_Ehdr),
                       .e_shentsize = sizeof(Elf64_Shdr),
                       .e_shnum = SECTION_COUNT,
                       .e_shstrndx = NAMES};
    text_add_n(&w.file, (char *)&head, sizeof head);
    add_word(&w.names, "");
    add_word(&w.strings, "");
    for (int i = 0; i < OBJECT_SECTIONS; i++) {
        bool given = i == OBJECT_WEIGHTS;
        put_section(&w, FIRST + i, section_table[i].name, section_table[i].type,
                    section_table[i].flags,
                    given ? object->weights : object->bytes[i].at,
                    given ? object->weight_bytes
                          : (int64_t)object->bytes[i].length,
                    ALIGN);
    }
    put_symbols(object, &w, numbers);
    for (int i = 0; i < OBJECT_WEIGHTS; i++)
        put_relocations(object, &w, i, numbers);
    put_section(&w, STRINGS, ".strtab", SHT_STRTAB, 0, w.strings.at,
                (int64_t)w.strings.length, 1);
    // Says that nothing in it needs an executable stack.
    put_section(&w, STACK_NOTE, ".note.GNU-stack", SHT_PROGBITS, 0, NULL, 0, 1);
    uint32_t own = add_word(&w.names, ".shstrtab");
    w.sections[NAMES] = (Elf64_Shdr){.sh_name = own,
                                     .sh_type = SHT_STRTAB,
                                     .sh_offset = (uint64_t)w.file.length,
                                     .sh_size = w.names.length,
                                     .sh_addralign = 1};
    text_add_n(&w.file, w.names.at, w.names.length);
    head.e_shoff = (uint64_t)pad(&w.file, 8);
    text_add_n(&w.file, (char *)w.sections, sizeof w.sections);
    memcpy(w.file.at, &head, sizeof head);
    return w.file;
}

// ---- archives ---------------------------------------------------------------

static void put_head(FileWriter *file, const char *name, int64_t size)
{
    char head[128]; // 60 of them are written
    snprintf(head, sizeof head, "%-16s%-12d%-6d%-6d%-8o%-10lld`\n", name, 0, 0,
             0, 0644, (long long)size);
    file_put(file, head, 60);
}

// The global symbols that an object defines, each with its zero, in order.
static int list_symbols(const ArchiveMember *member, Text *names)
{
    const unsigned char *bytes = member->bytes;
    const Elf64_Ehdr *head = (const Elf64_Ehdr *)bytes;
    const Elf64_Shdr *sections = (const Elf64_Shdr *)(bytes + head->e_shoff);
    int count = 0;
    for (int i = 0; i < head->e_shnum; i++) {
        if (sections[i].sh_type != SHT_SYMTAB)
            continue;
        const Elf64_Sym *symbols =
            (const Elf64_Sym *)(bytes + sections[i].sh_offset);
        const char *strings =
            (const char *)bytes + sections[sections[i].sh_link].sh_offset;
        for (uint64_t k = 0; k < sections[i].sh_size / sizeof *symbols; k++)
            if (ELF64_ST_BIND(symbols[k].st_info) == STB_GLOBAL &&
                symbols[k].st_shndx != SHN_UNDEF) {
                add_word(names, strings + symbols[k].st_name);
                count++;
            }
    }
    return count;
}

static void put_big(FileWriter *file, int64_t number)
{
    unsigned char bytes[4] = {
        (unsigned char)(number >> 24), (unsigned char)(number >> 16),
        (unsigned char)(number >> 8), (unsigned char)number};
    file_put(file, bytes, 4);
}

Status object_write_archive(Arena *arena, const char *path, int count,
                            const ArchiveMember *members)
{
    enum { HEAD = 60, MAGIC = 8 };
    FileWriter file;
    Text names = text_new(arena);
    int *counts = ARENA_ARRAY(arena, int, count), all = 0;
    for (int i = 0; i < count; i++)
        all += counts[i] = list_symbols(&members[i], &names);
    int64_t index = 4 + 4 * (int64_t)all + (int64_t)names.length;
    int64_t at = MAGIC + HEAD + (index + 1) / 2 * 2;
    TRY(file_begin(&file, path));
    file_put(&file, "!<arch>\n", MAGIC);
    put_head(&file, "/", index);
    put_big(&file, all);
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < counts[i]; k++)
            put_big(&file, at);
        at += HEAD + (members[i].size + 1) / 2 * 2;
    }
    file_put(&file, names.at, (int64_t)names.length);
    if (index % 2)
        file_put(&file, "\n", 1);
    for (int i = 0; i < count; i++) {
        put_head(&file, arena_printf(arena, "%s/", members[i].name),
                 members[i].size);
        file_put(&file, members[i].bytes, members[i].size);
        if (members[i].size % 2)
            file_put(&file, "\n", 1);
    }
    return file_commit(&file);
}
