/* SPDX-License-Identifier: Apache-2.0 */
#include "io/stream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_SIZE = 64 * 1024,
    IN_MAX = 256 * 1024,
    FDS_PER_CALL = 16,
    KEEP_SIZE = 4096,       /* an empty buffer larger than this is given back */
    DIRECT_MIN = 32 * 1024, /* bytes that are worth a system call of their own to save a copy */
    LINGER_MS = 2000,
};

struct control {
    _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(FDS_PER_CALL * sizeof(int))];
};

static void on_event(struct io_watch *w, unsigned events);
static void on_flush(struct turn_hook *h);
static void on_linger(struct timer *t);

static void set_flags(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    ASSERT(flags >= 0);
    ASSERT(fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
    ASSERT(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
}

void stream_init(struct stream *s, struct loop *loop, int fd, const struct stream_events *events)
{
    int domain = 0;
    socklen_t size = sizeof(domain);

    *s = (struct stream){.loop = loop, .fd = fd, .events = events, .in_max = IN_MAX};
    set_flags(fd);
    s->passes_fds = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
    buf_init(&s->in);
    buf_init(&s->out);
    list_init(&s->in_fds);
    list_init(&s->out_fds);
    turn_hook_init(&s->flush, on_flush);
    timer_init(&s->linger, loop, on_linger);
    io_watch_start(&s->watch, loop, fd, IO_READ, on_event);
}

static void free_fds(struct list *fds)
{
    struct list *entry;

    while ((entry = list_pop_front(fds))) {
        struct stream_fd *f = LIST_ENTRY(entry, struct stream_fd, link);

        (void) close(f->fd);
        free(f);
    }
}

void stream_deinit(struct stream *s)
{
    if (s->alive) {
        *s->alive = false;
        s->alive = NULL;
    }
    if (s->fd < 0) {
        return;
    }
    turn_hook_cancel(&s->flush);
    timer_stop(&s->linger);
    io_watch_stop(&s->watch);
    (void) close(s->fd);
    s->fd = -1;
    s->closed = true;
    buf_deinit(&s->in);
    buf_deinit(&s->out);
    free_fds(&s->in_fds);
    free_fds(&s->out_fds);
}

/* Tells the owner once.  The owner may free the stream in the callback. */
static void broken(struct stream *s, int error)
{
    if (!s->closed) {
        s->closed = true;
        turn_hook_cancel(&s->flush);
        timer_stop(&s->linger);
        io_watch_stop(&s->watch);
        s->events->on_close(s, error);
    }
}

static void update_watch(struct stream *s)
{
    bool full = !s->closing && buf_size(&s->in) >= s->in_max;
    /* Output that leaves at the end of this turn needs no waiting for, and no system call. */
    bool stuck = buf_size(&s->out) > 0 && !list_linked(&s->flush.link);

    if (!s->closed) {
        io_watch_set(&s->watch, (s->paused || full ? 0u : (unsigned) IO_READ) |
                                    (stuck ? (unsigned) IO_WRITE : 0u));
    }
}

/* Sending. */

struct buf *stream_out(struct stream *s)
{
    if (!s->closed) {
        turn_hook_schedule(&s->flush, s->loop);
    }
    return &s->out;
}

/* Sends what is queued and as much of 'data' as the socket takes; returns how much of it that was.
 * Errors are left for the flush to find. */
static size_t send_direct(struct stream *s, const void *data, size_t size)
{
    union {
        const void *readable;
        void *for_iovec; /* which is for reading into memory as well */
    } bytes = {data};
    size_t queued = buf_size(&s->out);
    struct iovec iov[2] = {{.iov_base = queued > 0 ? buf_bytes(&s->out) : NULL, .iov_len = queued},
                           {.iov_base = bytes.for_iovec, .iov_len = size}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    ssize_t n = sendmsg(s->fd, &msg, MSG_NOSIGNAL);
    size_t from_queue = MIN(n > 0 ? (size_t) n : 0, queued);

    if (n <= 0) {
        return 0;
    }
    s->written += (uint64_t) n;
    s->sent_direct = true;
    buf_consume(&s->out, from_queue);
    return (size_t) n - from_queue;
}

void stream_write(struct stream *s, const void *data, size_t size)
{
    struct buf *out = stream_out(s);
    bool full = (s->watch.events & IO_WRITE) != 0;

    if (size >= DIRECT_MIN && !s->closed && !full && list_empty(&s->out_fds)) {
        size_t n = send_direct(s, data, size);

        data = (const char *) data + n;
        size -= n;
    }
    buf_put(out, data, size);
}

size_t stream_pending(const struct stream *s)
{
    return buf_size(&s->out);
}

void stream_send_fd(struct stream *s, int fd)
{
    struct stream_fd *f = mem_new(struct stream_fd);

    ASSERT(s->passes_fds);
    f->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    ASSERT(f->fd >= 0);
    f->offset = s->written + buf_size(&s->out);
    list_push_back(&s->out_fds, &f->link);
}

/* Sends up to the byte before the next descriptor's, or that byte and what follows with it. */
static ssize_t send_some(struct stream *s)
{
    struct control control = {0};
    struct iovec iov = {.iov_base = buf_bytes(&s->out), .iov_len = buf_size(&s->out)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct stream_fd *first = NULL;
    struct stream_fd *second = NULL;
    ssize_t n;

    if (list_empty(&s->out_fds)) {
        return send(s->fd, buf_bytes(&s->out), buf_size(&s->out), MSG_NOSIGNAL);
    }
    first = LIST_ENTRY(s->out_fds.next, struct stream_fd, link);
    if (first->link.next != &s->out_fds) {
        second = LIST_ENTRY(first->link.next, struct stream_fd, link);
    }
    if (first->offset > s->written) {
        iov.iov_len = first->offset - s->written;
        return sendmsg(s->fd, &msg, MSG_NOSIGNAL);
    }
    if (second && second->offset - s->written < iov.iov_len) {
        iov.iov_len = second->offset - s->written;
    }
    msg.msg_control = control.bytes;
    msg.msg_controllen = CMSG_SPACE(sizeof(int));
    CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
    CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
    CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &first->fd, sizeof(int));
    n = sendmsg(s->fd, &msg, MSG_NOSIGNAL);
    if (n > 0) {
        list_remove(&first->link);
        (void) close(first->fd);
        free(first);
    }
    return n;
}

/* 0 when all has left or the socket is full, else -errno. */
static int send_all(struct stream *s)
{
    while (buf_size(&s->out) > 0) {
        ssize_t n = send_some(s);

        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno == EAGAIN ? 0 : -errno;
        }
        s->written += (uint64_t) n;
        buf_consume(&s->out, (size_t) n);
    }
    if (s->out.capacity > KEEP_SIZE) {
        buf_shrink(&s->out);
    }
    return 0;
}

/* Writing failed: the peer does not read any more, but what it sent before may still wait for us.
 */
static void sending_failed(struct stream *s, int error)
{
    buf_clear(&s->out);
    free_fds(&s->out_fds);
    if (s->closing || s->paused) {
        broken(s, error);
    } else {
        (void) shutdown(s->fd, SHUT_WR);
        update_watch(s);
    }
}

void stream_flush(struct stream *s)
{
    bool had = buf_size(&s->out) > 0 || s->sent_direct;
    int r;

    if (s->closed) {
        return;
    }
    s->sent_direct = false;
    turn_hook_cancel(&s->flush);
    r = send_all(s);
    if (r < 0) {
        sending_failed(s, r);
        return;
    }
    update_watch(s);
    if (buf_size(&s->out) > 0) {
        return;
    }
    if (s->closing) {
        (void) shutdown(s->fd, SHUT_WR);
        timer_start(&s->linger, LINGER_MS);
    } else if (had && s->events->on_drain) {
        s->events->on_drain(s);
    }
}

static void on_flush(struct turn_hook *h)
{
    stream_flush(CONTAINER_OF(h, struct stream, flush));
}

/* Receiving. */

static void take_fds(struct stream *s, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        size_t n;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            struct stream_fd *f = mem_new(struct stream_fd);

            memcpy(&f->fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            list_push_back(&s->in_fds, &f->link);
        }
    }
}

int stream_take_fd(struct stream *s)
{
    struct list *entry = list_pop_front(&s->in_fds);
    struct stream_fd *f;
    int fd;

    if (!entry) {
        return -1;
    }
    f = LIST_ENTRY(entry, struct stream_fd, link);
    fd = f->fd;
    free(f);
    return fd;
}

/* Reads into the free end of 'in' and, what does not fit, into a scratch area of the thread: a
 * small message costs a small buffer, a large one a single call. */
static ssize_t receive(struct stream *s)
{
    static _Thread_local char scratch[READ_SIZE];
    struct control control;
    size_t room = s->in.capacity - s->in.tail;
    struct iovec iov[2] = {{.iov_base = room > 0 ? s->in.data + s->in.tail : NULL, .iov_len = room},
                           {.iov_base = scratch, .iov_len = sizeof(scratch)}};
    struct msghdr msg = {.msg_iov = room > 0 ? iov : iov + 1, .msg_iovlen = room > 0 ? 2 : 1};
    ssize_t n;

    if (s->passes_fds) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
    }
    n = recvmsg(s->fd, &msg, MSG_CMSG_CLOEXEC);
    if (n > 0 && s->passes_fds) {
        take_fds(s, &msg);
    }
    if (n > 0 && !s->closing) {
        buf_commit(&s->in, MIN((size_t) n, room));
        if ((size_t) n > room) {
            buf_put(&s->in, scratch, (size_t) n - room);
        }
    }
    return n;
}

/* One read a turn: a busy peer cannot starve the others, and what it sent while we worked comes at
 * once. */
static void read_some(struct stream *s)
{
    bool alive = true;
    ssize_t n = receive(s);

    if (n == 0) {
        broken(s, 0);
        return;
    }
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            broken(s, -errno);
        }
        return;
    }
    if (s->closing) {
        return; /* read and dropped: see stream_finish() */
    }
    ASSERT(!s->alive);
    s->alive = &alive;
    s->events->on_read(s);
    if (!alive) {
        return;
    }
    s->alive = NULL;
    if (buf_size(&s->in) == 0 && s->in.capacity > KEEP_SIZE && n < KEEP_SIZE) {
        buf_shrink(&s->in);
    }
    update_watch(s);
}

static void on_event(struct io_watch *w, unsigned events)
{
    struct stream *s = CONTAINER_OF(w, struct stream, watch);

    if ((events & IO_READ) && s->paused) {
        broken(s, -ECONNRESET); /* only errors are reported while nothing is wanted */
        return;
    }
    if ((events & IO_WRITE) && !(events & IO_READ)) {
        stream_flush(s);
        return;
    }
    if (events & IO_WRITE) {
        bool alive = true;

        s->alive = &alive;
        stream_flush(s);
        if (!alive) {
            return;
        }
        s->alive = NULL;
    }
    if (!s->closed) {
        read_some(s);
    }
}

void stream_pause(struct stream *s)
{
    s->paused = true;
    update_watch(s);
}

void stream_resume(struct stream *s)
{
    s->paused = false;
    update_watch(s);
}

static void on_linger(struct timer *t)
{
    broken(CONTAINER_OF(t, struct stream, linger), -ETIMEDOUT);
}

void stream_finish(struct stream *s)
{
    if (s->closed || s->closing) {
        return;
    }
    s->closing = true;
    s->paused = false;
    buf_clear(&s->in);
    turn_hook_schedule(&s->flush, s->loop);
    update_watch(s);
}
