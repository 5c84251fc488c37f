/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CHANNEL_H
#define WIRE_CHANNEL_H

/* A link between two of our processes: a stream that speaks frames.  Both sides send HELLO first; a
 * peer of an unknown version, of a role that is not expected, or that sends what its role may not,
 * is cut off.  All messages of one turn leave in one write.  The owner embeds the channel. */

#include "io/stream.h"
#include "wire/messages.h"

struct channel;

struct channel_events {
    /* The peer's HELLO passed the checks; return -errno to refuse it (then on_close follows). */
    int (*on_hello)(struct channel *ch, const struct msg_hello *hello);
    /* One message of an allowed type.  Return -errno to cut the link, for example on a decoding
     * error. */
    int (*on_message)(struct channel *ch, const struct frame *f);
    /* The link is gone; called once.  The owner calls channel_deinit(), now or later. */
    void (*on_close)(struct channel *ch, const struct err *err);
    /* All output has left; may be NULL. */
    void (*on_drain)(struct channel *ch);
};

struct channel_hello {
    enum wire_role role;
    unsigned peer_roles; /* which roles may be at the other end */
    uint64_t incarnation;
    const char *name;
    const char *token;     /* may be NULL */
    const char *info_json; /* may be NULL */
};

struct channel {
    struct stream stream;
    const struct channel_events *events;
    struct timer hello_timer;
    enum wire_role role;
    enum wire_role peer_role; /* 0 before HELLO */
    unsigned peer_roles;
    struct err err;
    bool closed;
    bool *alive; /* set to false by deinit while a callback runs */
};

/* Takes 'fd' and queues our HELLO. */
void channel_init(struct channel *ch, struct loop *loop, int fd, const struct channel_hello *hello,
                  const struct channel_events *events);
void channel_deinit(struct channel *ch);

/* Where to encode the next message; it leaves at the end of the turn. */
static inline struct buf *channel_out(struct channel *ch)
{
    return stream_out(&ch->stream);
}

/* Cuts the link with a reason; on_close follows at once. */
void channel_close(struct channel *ch, const char *why);

/* A message with a descriptor: call this, then put the message with FRAME_FD. */
static inline void channel_send_fd(struct channel *ch, int fd)
{
    stream_send_fd(&ch->stream, fd);
}

/* The descriptor of the FRAME_FD message being handled, now the caller's; -1 if the peer sent none.
 */
static inline int channel_take_fd(struct channel *ch)
{
    return stream_take_fd(&ch->stream);
}

#endif
