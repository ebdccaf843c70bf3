#include "codegen/cache.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/base/text.h"

enum { PATH_SIZE = 4096 };
static const char CACHE_MAGIC[8] = "SIMCCOB1";

typedef struct CacheHeader {
    char magic[8];
    uint64_t key_bytes, object_bytes;
    uint64_t checksum; // of key and object
} CacheHeader;

static uint64_t key_hash(const char *key)
{
    return text_hash(TEXT_HASH_SEED, key, strlen(key));
}

static bool cache_path(char *path, const char *directory, const char *key)
{
    unsigned long long hash = key_hash(key);
    int length = snprintf(path, PATH_SIZE, "%s/%02llx/%016llx.o", directory,
                          hash >> 56, hash);
    return length > 0 && length < PATH_SIZE;
}

// The header is sound and belongs to the key; the object follows it.
static bool read_object(FILE *file, const char *key, unsigned char **bytes,
                        int64_t *size)
{
    CacheHeader header;
    size_t key_bytes = strlen(key);
    struct stat status;
    if (fstat(fileno(file), &status) != 0 ||
        fread(&header, sizeof header, 1, file) != 1 ||
        memcmp(header.magic, CACHE_MAGIC, sizeof header.magic) != 0 ||
        header.key_bytes != key_bytes || header.object_bytes == 0 ||
        header.object_bytes > (uint64_t)status.st_size ||
        (uint64_t)status.st_size !=
            sizeof header + key_bytes + header.object_bytes)
        return false;
    size_t total = key_bytes + header.object_bytes;
    unsigned char *content = malloc(total);
    bool sound = content && fread(content, 1, total, file) == total &&
                 text_hash(TEXT_HASH_SEED, content, total) == header.checksum &&
                 memcmp(content, key, key_bytes) == 0;
    if (!sound) {
        free(content);
        return false;
    }
    memmove(content, content + key_bytes, header.object_bytes);
    *bytes = content;
    *size = (int64_t)header.object_bytes;
    return true;
}

bool cache_read(const char *directory, const char *key, unsigned char **bytes,
                int64_t *size)
{
    char path[PATH_SIZE];
    if (!directory || !cache_path(path, directory, key))
        return false;
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    bool hit = read_object(file, key, bytes, size);
    fclose(file);
    return hit;
}

// Makes every folder on the way to the file.
static void make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0777);
        *slash = '/';
    }
}

static bool write_object(FILE *file, const char *key,
                         const unsigned char *bytes, int64_t size)
{
    CacheHeader header = {.key_bytes = strlen(key),
                          .object_bytes = (uint64_t)size};
    memcpy(header.magic, CACHE_MAGIC, sizeof header.magic);
    header.checksum = text_hash(key_hash(key), bytes, (size_t)size);
    return fwrite(&header, sizeof header, 1, file) == 1 &&
           fwrite(key, header.key_bytes, 1, file) == 1 &&
           fwrite(bytes, (size_t)size, 1, file) == 1;
}

void cache_write(const char *directory, const char *key,
                 const unsigned char *bytes, int64_t size)
{
    char path[PATH_SIZE], aside[PATH_SIZE + 8];
    if (!directory || !cache_path(path, directory, key))
        return;
    make_folders(path);
    snprintf(aside, sizeof aside, "%s.XXXXXX", path);
    int descriptor = mkstemp(aside);
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "wb") : NULL;
    if (!file) {
        if (descriptor >= 0)
            close(descriptor);
        return;
    }
    bool written = write_object(file, key, bytes, size);
    written &= fclose(file) == 0;
    if (!written || rename(aside, path) != 0)
        unlink(aside);
}

// ---- pruning ----------------------------------------------------------------

typedef struct CacheFile {
    char path[PATH_SIZE];
    struct timespec time;
} CacheFile;

static bool is_older(const CacheFile *a, const CacheFile *b)
{
    return a->time.tv_sec < b->time.tv_sec ||
           (a->time.tv_sec == b->time.tv_sec &&
            a->time.tv_nsec < b->time.tv_nsec);
}

// Counts the files below, and notes the oldest.
static int count_files(const char *directory, CacheFile *oldest)
{
    DIR *folder = opendir(directory);
    int count = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        CacheFile file;
        struct stat status;
        int length =
            snprintf(file.path, PATH_SIZE, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] == '.' || length >= PATH_SIZE ||
            stat(file.path, &status) != 0)
            continue;
        if (S_ISDIR(status.st_mode)) {
            count += count_files(file.path, oldest);
            continue;
        }
        file.time = status.st_mtim;
        if (!*oldest->path || is_older(&file, oldest))
            *oldest = file;
        count++;
    }
    if (folder)
        closedir(folder);
    return count;
}

void cache_prune(const char *directory, int most)
{
    CacheFile oldest = {0};
    while (count_files(directory, &oldest) > most && unlink(oldest.path) == 0)
        *oldest.path = 0;
}
