/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/follow.h"

#include <dirent.h>
#include <stdio.h>

enum { CHUNK = 64 * 1024 };

struct follow_file {
    struct map_node node; /* its key is 'name' */
    char *name;           /* owned */
    long offset;          /* of what was not shown yet */
};

static bool is_replica_log(const char *name)
{
    size_t size = strlen(name);

    return strncmp(name, "replica_", 8) == 0 && size > 4 && strcmp(name + size - 4, ".log") == 0;
}

static FILE *open_log(const struct follow *f, const char *name)
{
    char *path CLEANUP(mem_freep) = mem_printf("%s/%s", f->folder, name);

    return fopen(path, "re");
}

/* Calls 'fn' with the name of each replica's log. */
static void for_each_log(struct follow *f, void fn(struct follow *f, const char *name))
{
    DIR *dir = opendir(f->folder);
    const struct dirent *entry;

    /* One thread of ours reads this one folder. */
    while (dir && (entry = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe) */
        if (is_replica_log(entry->d_name)) {
            fn(f, entry->d_name);
        }
    }
    if (dir) {
        (void) closedir(dir);
    }
}

static struct follow_file *add(struct follow *f, const char *name)
{
    struct follow_file *file = mem_new(struct follow_file);

    file->name = mem_strdup(name);
    map_put(&f->files, span_of(file->name), &file->node);
    return file;
}

/* What an old file already has was for somebody else. */
static void skip_old(struct follow *f, const char *name)
{
    FILE *log = open_log(f, name);
    struct follow_file *file = add(f, name);

    if (log) {
        (void) fseek(log, 0, SEEK_END);
        file->offset = MAX(ftell(log), 0L);
        (void) fclose(log);
    }
}

/* Prints whole lines only: the rest of one that is being written comes later. */
static void show_new(struct follow *f, const char *name)
{
    static char chunk[CHUNK];
    struct map_node *node = map_get(&f->files, span_of(name));
    struct follow_file *file = node ? MAP_ENTRY(node, struct follow_file, node) : add(f, name);
    FILE *log = open_log(f, name);
    size_t n = 0;

    if (log && fseek(log, file->offset, SEEK_SET) == 0) {
        n = fread(chunk, 1, sizeof(chunk), log);
    }
    while (n > 0 && n < sizeof(chunk) && chunk[n - 1] != '\n') {
        n--;
    }
    file->offset += (long) fwrite(chunk, 1, n, stdout);
    if (log) {
        (void) fclose(log);
    }
}

void follow_init(struct follow *f, const char *session_dir)
{
    f->folder = mem_printf("%s/logs/serve", session_dir);
    map_init(&f->files);
    for_each_log(f, skip_old);
}

void follow_deinit(struct follow *f)
{
    struct map_node *n;
    struct map_node *tmp;

    MAP_FOREACH (n, tmp, &f->files) {
        struct follow_file *file = MAP_ENTRY(n, struct follow_file, node);

        map_remove(&f->files, n);
        free(file->name);
        free(file);
    }
    map_deinit(&f->files);
    free(f->folder);
}

void follow_run(struct follow *f)
{
    for_each_log(f, show_new);
    (void) fflush(stdout);
}
