#include "frontend/cli/reuse.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "codegen/cache.h"
#include "runtime/exec/program.h"

enum { MOST_KEPT = 32 }; // programs; of megabytes each

static const char *folder(const Compiler *compiler)
{
    return arena_printf(compiler->arena, "%s/programs",
                        compiler->codegen.cache_dir);
}

// Another build of simcc is another file.
static bool add_build(Text *key)
{
    struct stat status;
    if (stat("/proc/self/exe", &status) != 0)
        return false;
    text_addf(key, "build %lld %lld %lld.%09ld\n", (long long)status.st_ino,
              (long long)status.st_size, (long long)status.st_mtim.tv_sec,
              status.st_mtim.tv_nsec);
    return true;
}

static void add_word(Text *key, const char *name, const char *value)
{
    text_addf(key, "%s ", name);
    text_add_json(key, value ? value : "");
    text_add(key, "\n");
}

static void add_options(Text *key, const Compiler *compiler)
{
    const LangOptions *lang = &compiler->lang;
    text_addf(key, "dtype %s, precision %s, ranks %d, sums %s%s\n",
              dtype_name(lang->dtype), lang->precision ? lang->precision : "",
              lang->ranks, plan_sums_word((int32_t)compiler->codegen.sums),
              compiler->codegen.sums_wait ? ", which wait" : "");
    add_word(key, "features", lang->features_name);
    add_word(key, "scores", lang->scores_name);
    for (int i = 0; i < compiler->phase_count; i++)
        add_word(key, "phase", compiler->phases[i]);
    for (int i = 0; i < lang->setting_count; i++) {
        add_word(key, "set", lang->settings[i].name);
        add_word(key, "to", lang->settings[i].value);
    }
}

const char *reuse_key(const Compiler *compiler, const Codegen *codegen)
{
    Text key = text_new(compiler->arena);
    if (compiler->emit != EMIT_NOTHING || !compiler->codegen.cache_dir ||
        compiler->passes || compiler->tune || compiler->ways ||
        compiler->verify || compiler->codeless || compiler->lang.value_name ||
        !add_build(&key))
        return NULL;
    text_add(&key, codegen_key(codegen));
    add_options(&key, compiler);
    if (!lang_add_sources(compiler->arena, compiler->path, &key))
        return NULL;
    return text_string(&key);
}

Program *reuse_find(const Compiler *compiler, const char *key)
{
    unsigned char *bytes;
    int64_t size;
    Program *program;
    if (!key || !cache_read(folder(compiler), key, &bytes, &size))
        return NULL;
    Status status = program_decode("the cache", bytes, size, &program);
    free(bytes);
    return status.code == STATUS_OK ? program : NULL;
}

void reuse_keep(const Compiler *compiler, const Codegen *codegen,
                const char *key, const Program *program)
{
    unsigned char *bytes;
    int64_t size;
    if (!key || compiler->diags.items.count)
        return;
    // A file may have been changed after it was read for the key.
    const char *now = reuse_key(compiler, codegen);
    if (!now || strcmp(now, key) != 0 ||
        program_encode(program, "the cache", &bytes, &size).code != STATUS_OK)
        return;
    cache_write(folder(compiler), key, bytes, size);
    cache_prune(folder(compiler), MOST_KEPT);
    free(bytes);
}
