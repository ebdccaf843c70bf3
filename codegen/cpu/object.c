#include "codegen/cpu/object.h"

#include <elf.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_allowed(const char *name, const char *const *allowed)
{
    for (; *allowed; allowed++)
        if (strcmp(name, *allowed) == 0)
            return true;
    return false;
}

static bool is_inside(uint64_t offset, uint64_t bytes, int64_t size)
{
    return offset <= (uint64_t)size && bytes <= (uint64_t)size - offset;
}

// The symbols of one table, whose names are in the section it links to.
static const char *check_symbols(const unsigned char *bytes,
                                 const Elf64_Shdr *table,
                                 const Elf64_Shdr *names,
                                 const char *const *allowed)
{
    static _Thread_local char problem[128];
    const char *strings = (const char *)bytes + names->sh_offset;
    for (uint64_t i = 1; i < table->sh_size / sizeof(Elf64_Sym); i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, bytes + table->sh_offset + i * sizeof symbol,
               sizeof symbol);
        const char *name = strings + symbol.st_name;
        if (symbol.st_shndx != SHN_UNDEF || is_allowed(name, allowed) ||
            strcmp(name, "_GLOBAL_OFFSET_TABLE_") == 0)
            continue;
        snprintf(problem, sizeof problem, "undefined symbol %s", name);
        return problem;
    }
    return NULL;
}

const char *object_check(const unsigned char *bytes, int64_t size,
                         const char *const *allowed)
{
    Elf64_Ehdr header;
    if (size < (int64_t)sizeof header)
        return "not an object";
    memcpy(&header, bytes, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        !is_inside(header.e_shoff, header.e_shnum * sizeof(Elf64_Shdr), size))
        return "not an ELF object";
    for (int i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr table, names;
        const unsigned char *sections = bytes + header.e_shoff;
        memcpy(&table, sections + (size_t)i * sizeof table, sizeof table);
        if (table.sh_type != SHT_SYMTAB)
            continue;
        memcpy(&names, sections + table.sh_link * sizeof names, sizeof names);
        if (!is_inside(table.sh_offset, table.sh_size, size) ||
            !is_inside(names.sh_offset, names.sh_size, size))
            return "section outside the object";
        return check_symbols(bytes, &table, &names, allowed);
    }
    return "no symbols";
}
