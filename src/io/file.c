/* SPDX-License-Identifier: Apache-2.0 */
#include "io/file.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

enum { READ_SIZE = 64 * 1024 };

int file_read(const char *path, size_t max, char **ret_data, size_t *ret_size, struct err *err)
{
    struct buf b;
    ssize_t n = 1;
    int r = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return err_errno(err, "cannot open %s", path);
    }
    buf_init(&b);
    while (r == 0 && n > 0) {
        n = read(fd, buf_reserve(&b, READ_SIZE), READ_SIZE);
        if (n < 0) {
            r = err_errno(err, "cannot read %s", path);
        } else {
            buf_commit(&b, (size_t) n);
        }
        if (buf_size(&b) > max) {
            r = err_set(err, -EFBIG, "%s is larger than %zu bytes", path, max);
        }
    }
    (void) close(fd);
    if (r == 0) {
        *ret_size = buf_size(&b);
        *ret_data = buf_take_str(&b);
    }
    buf_deinit(&b);
    return r;
}

static int write_all(int fd, struct span data)
{
    while (data.size > 0) {
        ssize_t n = write(fd, data.data, data.size);

        if (n < 0 && errno != EINTR) {
            return -1;
        }
        if (n > 0) {
            data = (struct span){data.data + n, data.size - (size_t) n};
        }
    }
    return 0;
}

static void sync_folder_of(const char *path)
{
    char *copy CLEANUP(mem_freep) = mem_strdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        (void) fsync(fd);
        (void) close(fd);
    }
}

int file_replace(const char *path, struct span data, unsigned mode, bool durable, struct err *err)
{
    char *beside CLEANUP(mem_freep) = mem_printf("%s.%d.tmp", path, (int) getpid());
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    int r = 0;

    if (fd < 0) {
        return err_errno(err, "cannot make %s", beside);
    }
    if (write_all(fd, data) < 0 || (durable && fsync(fd) < 0)) {
        r = err_errno(err, "cannot write %s", beside);
    }
    if (close(fd) < 0 && r == 0) {
        r = err_errno(err, "cannot write %s", beside);
    }
    if (r == 0 && rename(beside, path) < 0) {
        r = err_errno(err, "cannot rename %s to %s", beside, path);
    }
    if (r < 0) {
        (void) unlink(beside);
    } else if (durable) {
        sync_folder_of(path);
    }
    return r;
}

int file_make_folder(const char *path, unsigned mode, struct err *err)
{
    char *part CLEANUP(mem_freep) = mem_strdup(path);

    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash) {
            *slash = '\0';
        }
        if (mkdir(part, mode) < 0 && errno != EEXIST) {
            return err_errno(err, "cannot make the folder %s", part);
        }
        if (!slash) {
            return 0;
        }
        *slash = '/';
    }
}
