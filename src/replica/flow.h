/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPLICA_FLOW_H
#define REPLICA_FLOW_H

/* The two halves of a stream under credit.  Sending: what the credit does not allow yet is kept and
 * flows as CREDIT comes.  Receiving: what the consumer has taken is gathered and given back in
 * grants of a quarter of the whole, so that few frames are needed and none can be missing.
 * Used by the host under its lock; it does no I/O, it appends frames to a buffer. */

#include "base/list.h"
#include "wire/messages.h"

struct outflow {
    size_t credit;      /* bytes that may still be sent */
    struct list pieces; /* of struct piece.link in flow.c; owned */
};

void outflow_init(struct outflow *o);
void outflow_deinit(struct outflow *o); /* drops what has not left */

static inline bool outflow_is_empty(const struct outflow *o)
{
    return list_empty(&o->pieces);
}

/* How a piece is cut into CHUNK frames. */
enum piece_flags {
    PIECE_END = 1,  /* its last frame is the last of the stream */
    PIECE_ITEM = 2, /* its frames are one item: all but the last say FRAME_MORE */
};

/* Sends as much as the credit allows and keeps a copy of the rest. */
void outflow_put(struct outflow *o, struct buf *out, uint64_t id, struct span data, unsigned flags);
/* A whole frame that needs no credit, after what is queued. */
void outflow_put_frame(struct outflow *o, struct buf *out, const struct buf *frame);
void outflow_run(struct outflow *o, struct buf *out, uint64_t id);
void outflow_add_credit(struct outflow *o, size_t size);
/* How much of 'size' bytes may be sent now in one frame; takes it off the credit. */
size_t outflow_take(struct outflow *o, size_t size);

struct inflow {
    size_t window; /* bytes that the peer may still send */
    size_t unread; /* bytes handed to the consumer and not yet taken */
    size_t owed;   /* bytes taken and not yet granted */
};

void inflow_init(struct inflow *i);
/* The peer sent so many; -EPROTO: more than it may. */
int inflow_receive(struct inflow *i, size_t size) MUST_CHECK;
/* The consumer took so many. */
void inflow_read(struct inflow *i, struct buf *out, uint64_t id, size_t size);

#endif
