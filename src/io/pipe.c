/* SPDX-License-Identifier: Apache-2.0 */
#include "io/pipe.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { READ_SIZE = 64 * 1024, DRAIN_MAX = 1024 * 1024 };

/* Reads once: what there was, 0 at the end, -EAGAIN when nothing is there. */
static ssize_t read_some(struct pipe_reader *r)
{
    static char bytes[READ_SIZE];
    ssize_t n = read(r->fd, bytes, sizeof(bytes));

    if (n > 0) {
        r->on_data(r, (struct span){bytes, (size_t) n});
        return n;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return -EAGAIN;
    }
    pipe_reader_stop(r);
    return 0;
}

static void on_readable(struct io_watch *w, unsigned events)
{
    struct pipe_reader *r = CONTAINER_OF(w, struct pipe_reader, watch);

    (void) events;
    if (read_some(r) == 0 && r->on_end) {
        r->on_end(r);
    }
}

void pipe_reader_start(struct pipe_reader *r, struct loop *loop, int fd,
                       void (*on_data)(struct pipe_reader *r, struct span data),
                       void (*on_end)(struct pipe_reader *r))
{
    *r = (struct pipe_reader){.fd = fd, .on_data = on_data, .on_end = on_end};
    (void) fcntl(fd, F_SETFL, O_NONBLOCK);
    (void) fcntl(fd, F_SETFD, FD_CLOEXEC);
    io_watch_start(&r->watch, loop, fd, IO_READ, on_readable);
}

void pipe_reader_stop(struct pipe_reader *r)
{
    if (r->watch.loop) {
        io_watch_stop(&r->watch);
        (void) close(r->fd);
        r->fd = -1;
    }
}

void pipe_reader_drain(struct pipe_reader *r)
{
    ssize_t n = 1;

    for (size_t total = 0; r->watch.loop && n > 0 && total < DRAIN_MAX; total += (size_t) n) {
        n = read_some(r);
    }
}

void pipe_writer_open(struct pipe_writer *w, int fd)
{
    char path[64];

    (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    *w = (struct pipe_writer){
        .fd = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
    if (w->fd < 0) {
        w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        w->may_block = true;
    }
}

void pipe_writer_close(struct pipe_writer *w)
{
    if (w->fd >= 0) {
        (void) close(w->fd);
        w->fd = -1;
    }
}

/* POLLOUT promises room for PIPE_BUF bytes; a longer piece is cut rather than waited for. */
static bool write_piece(struct pipe_writer *w, struct span piece)
{
    size_t done = 0;

    while (done < piece.size) {
        size_t size = w->may_block ? MIN(piece.size - done, (size_t) PIPE_BUF) : piece.size - done;
        struct pollfd p = {.fd = w->fd, .events = POLLOUT};
        ssize_t n;

        if (w->may_block && (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))) {
            break;
        }
        n = write(w->fd, piece.data + done, size);
        if (n < 0) {
            break;
        }
        done += (size_t) n;
    }
    return done > 0 || piece.size == 0;
}

void pipe_writer_put(struct pipe_writer *w, struct span piece)
{
    char note[64];
    int n;

    if (w->fd < 0) {
        return;
    }
    if (w->n_lost > 0) {
        n = snprintf(note, sizeof(note), "(%llu lines were not shown)\n",
                     (unsigned long long) w->n_lost);
        if (!write_piece(w, (struct span){note, (size_t) n})) {
            w->n_lost++;
            return;
        }
        w->n_lost = 0;
    }
    if (!write_piece(w, piece)) {
        w->n_lost++;
    }
}
