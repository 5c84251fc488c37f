/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/session.h"

#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/file.h"

#define USUAL "/tmp/ray"

static char *absolute(const char *path)
{
    char *cwd CLEANUP(mem_freep) = NULL;

    if (path[0] == '/') {
        return mem_strdup(path);
    }
    cwd = getcwd(NULL, 0);
    return mem_printf("%s/%s", cwd ? cwd : "", path);
}

int session_choose_temp_dir(const char *wanted, char **ret, struct err *err)
{
    char *path CLEANUP(mem_freep) = absolute(wanted ? wanted : USUAL);
    int r = file_make_folder(path, 0755, err);

    if (r == 0 && access(path, W_OK) == 0) {
        *ret = TAKE_PTR(path);
        return 0;
    }
    if (wanted) {
        return r < 0 ? r : err_errno(err, "cannot write to %s", path);
    }
    free(path);
    path = mem_printf(USUAL "-%u", (unsigned) getuid());
    (void) printf(USUAL " belongs to another user; %s is used instead.\n", path);
    r = file_make_folder(path, 0755, err);
    if (r == 0) {
        *ret = TAKE_PTR(path);
    }
    return r;
}

static void point_latest(const struct session *s)
{
    char *link CLEANUP(mem_freep) = mem_printf("%s/session_latest", s->temp_dir);
    char *beside CLEANUP(mem_freep) = mem_printf("%s.%d", link, (int) getpid());

    /* By rename: whoever looks always finds one. */
    if (symlink(s->folder, beside) < 0 || rename(beside, link) < 0) {
        (void) unlink(beside);
    }
}

int session_make(struct session *s, struct err *err)
{
    static const struct {
        const char *name;
        unsigned mode;
    } parts[] = {{"", 0755},       {"/logs", 0755},   {"/logs/serve", 0755}, {"/sockets", 0700},
                 {"/blobs", 0700}, {"/builds", 0700}, {"/code", 0755},       {"/replicas", 0700}};
    struct timespec now;
    struct tm tm;
    char stamp[64];

    (void) clock_gettime(CLOCK_REALTIME, &now);
    (void) localtime_r(&now.tv_sec, &tm);
    (void) strftime(stamp, sizeof(stamp), "%Y-%m-%d_%H-%M-%S", &tm);
    s->folder = mem_printf("%s/session_%s_%06ld_%d", s->temp_dir, stamp, now.tv_nsec / 1000,
                           (int) getpid());
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        char *path CLEANUP(mem_freep) = mem_printf("%s%s", s->folder, parts[i].name);
        int r = file_make_folder(path, parts[i].mode, err);

        if (r < 0) {
            return r;
        }
    }
    point_latest(s);
    return 0;
}

void session_deinit(struct session *s)
{
    free(s->temp_dir);
    free(s->folder);
    *s = (struct session){0};
}

void session_random_hex(char *ret, size_t size)
{
    for (size_t i = 0; i + 1 < size; i++) {
        unsigned char byte = 0;

        ASSERT(getrandom(&byte, 1, 0) == 1);
        ret[i] = "0123456789abcdef"[byte & 15];
    }
    ret[size - 1] = '\0';
}
