/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IO_STREAM_H
#define IO_STREAM_H

/* A buffered, non-blocking byte stream over a socket: TCP or Unix.  What a turn queues is written
 * in one call at its end.  Used by http (connections) and wire (channels).  It never blocks, and
 * its input buffer never grows past what its user leaves unread plus one read.
 *
 * The owner embeds it, consumes 'in' in on_read and appends to the buffer of stream_out(). */

#include "base/buf.h"
#include "base/err.h"
#include "io/loop.h"

struct stream;

struct stream_events {
    /* New bytes are in s->in; leave what is incomplete.  The callback may close the stream. */
    void (*on_read)(struct stream *s);
    /* The peer closed its side (error 0) or the connection broke (-errno).  Called once; the owner
     * then calls stream_deinit() (now or later).  Unread bytes of 'in' were offered to on_read
     * before. */
    void (*on_close)(struct stream *s, int error);
    /* All queued output has left; may be NULL. */
    void (*on_drain)(struct stream *s);
};

struct stream_fd {
    struct list link;
    size_t offset; /* in the output, counted over the stream's life: the byte that carries it */
    int fd;
};

struct stream {
    struct loop *loop;
    int fd; /* owned; -1 when closed */
    struct io_watch watch;
    struct turn_hook flush;
    struct timer linger;
    const struct stream_events *events;
    struct buf in;
    struct buf out;
    struct list out_fds; /* of struct stream_fd.link; owned */
    struct list in_fds;  /* of struct stream_fd.link; owned */
    uint64_t written;    /* bytes that have left, over the stream's life */
    size_t in_max;       /* unread bytes at which reading waits; 256 KiB unless the owner sets it */
    bool passes_fds;     /* Unix sockets between our own processes */
    bool sent_direct; /* stream_write() sent bytes in this turn: on_drain is due without any queued
                       */
    bool paused;
    bool closing; /* no more reads; close when 'out' is empty */
    bool closed;  /* on_close was called, or deinit */
    bool *alive;  /* set to false by deinit while a callback runs */
};

/* Takes 'fd' (made non-blocking and close-on-exec). */
void stream_init(struct stream *s, struct loop *loop, int fd, const struct stream_events *events);
void stream_deinit(struct stream *s); /* closes at once; harmless on a closed one */

/* The output buffer, to append to; it is written at the end of this turn. */
struct buf *stream_out(struct stream *s);
/* Appends; large data is not copied as far as the socket takes it at once. */
void stream_write(struct stream *s, const void *data, size_t size);
size_t stream_pending(const struct stream *s); /* queued bytes that have not left */

/* Tries to write now instead of at the end of the turn.  May call on_close or on_drain. */
void stream_flush(struct stream *s);

/* Stops and goes on reading: the peer then feels back-pressure.  While paused only a reset is
 * noticed, not an orderly close.  Reading also stops by itself while in_max bytes of 'in' are
 * unread; an owner that consumes outside of on_read calls stream_resume() then. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);

/* Writes what is queued, shuts the sending side, then reads and drops for at most two seconds, so
 * that the peer sees our last bytes and no reset.  on_close follows. */
void stream_finish(struct stream *s);

/* Descriptors over a Unix socket.  The one to send travels with the next byte that is appended, so
 * call it just before appending its frame; a copy is made, the caller keeps its own. */
void stream_send_fd(struct stream *s, int fd);
int stream_take_fd(struct stream *s); /* the oldest received one, now the caller's, or -1 */

/* Sockets.  All descriptors are close-on-exec and non-blocking; -errno with a sentence in 'err'. */
int stream_listen_tcp(const char *host, uint16_t port, bool reuse_port, struct err *err) MUST_CHECK;
int stream_listen_unix(const char *path, struct err *err) MUST_CHECK; /* replaces a stale one */
int stream_connect_tcp(const char *host, uint16_t port, struct err *err)
    MUST_CHECK; /* literal address */
int stream_connect_unix(const char *path, struct err *err) MUST_CHECK;
void stream_local(int fd, char *ret_name,
                  size_t size); /* our end's address, written the same way */
int stream_accept(int listener, char *ret_peer,
                  size_t peer_size); /* "1.2.3.4:567"; -EAGAIN: none */

#endif
