// Writes relocatable objects (x86-64 ELF) and archives of them, for linkers:
// sections of bytes, kernels taken out of the compiler's objects, tables of
// pointers. Everything lives in an arena; mistakes of the caller are faults.
#ifndef SIMCC_CLI_OBJECT_FILE_H
#define SIMCC_CLI_OBJECT_FILE_H

#include "ir/base/text.h"
#include "ir/base/vec.h"
#include "runtime/base/file.h"
#include "runtime/exec/code.h"

typedef enum ObjectSection {
    OBJECT_CODE,
    OBJECT_CONSTANTS, // read only, without pointers
    OBJECT_TABLES,    // read only once pointers are set: .data.rel.ro
    OBJECT_WEIGHTS,   // read only, of any size, apart from the rest
    OBJECT_SECTIONS
} ObjectSection;

typedef struct ObjectSymbol {
    const char *name;
    int section; // ObjectSection, or -1: defined elsewhere
    int64_t at, size;
    bool global, function;
} ObjectSymbol;

typedef struct ObjectRelocation {
    int64_t at;
    uint32_t type;
    int symbol;  // index into symbols, or -1 - section: a place in that section
    int64_t add; // the addend
} ObjectRelocation;

typedef struct ObjectFile {
    Arena *arena;
    Text bytes[OBJECT_SECTIONS]; // of WEIGHTS unused
    const void *weights;         // the caller's
    int64_t weight_bytes;
    VEC(ObjectRelocation) relocations[OBJECT_SECTIONS];
    VEC(ObjectSymbol) symbols;
} ObjectFile;

ObjectFile object_new(Arena *arena);
// Adds bytes (NULL: zeros) at a multiple of `align`, a power of two up to 64;
// returns where.
int64_t object_add(ObjectFile *object, ObjectSection section, const void *bytes,
                   int64_t size, int align);
// Adds the code and constants of a kernel; its symbol is local and begins with
// `prefix`. Returns where in OBJECT_CODE it begins. STATUS_INTERNAL when the
// object has what no kernel has.
Status object_add_kernel(ObjectFile *object, const CodeObject *kernel,
                         const char *prefix, int64_t *at);
// A global symbol for a place.
void object_define(ObjectFile *object, const char *name, ObjectSection section,
                   int64_t at, int64_t size);
// The eight bytes at `at` of OBJECT_TABLES become the address of a place, or of
// a function that is defined elsewhere.
void object_point(ObjectFile *object, int64_t at, ObjectSection section,
                  int64_t to);
void object_point_to(ObjectFile *object, int64_t at, const char *function);
// The object's file.
Text object_encode(const ObjectFile *object);

// A member of an archive: an object's bytes and the global symbols in it.
typedef struct ArchiveMember {
    const char *name; // at most 15 characters: "net.o"
    const void *bytes;
    int64_t size;
} ArchiveMember;

// Writes an archive of objects with its index, atomically. Dates, owners and
// the like are zeros: equal members make equal bytes.
Status object_write_archive(Arena *arena, const char *path, int count,
                            const ArchiveMember *members);

#endif
