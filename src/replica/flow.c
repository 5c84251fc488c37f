/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/flow.h"

enum { GRANT = FRAME_CREDIT / 4, CREDIT_MAX = 1 << 30 };

struct piece {
    struct list link;
    bool is_frame; /* 'data' is a whole frame */
    unsigned flags;
    size_t size;
    size_t offset; /* bytes that have left */
    char data[];
};

void outflow_init(struct outflow *o)
{
    o->credit = FRAME_CREDIT;
    list_init(&o->pieces);
}

void outflow_deinit(struct outflow *o)
{
    struct list *entry;

    while ((entry = list_pop_front(&o->pieces))) {
        free(LIST_ENTRY(entry, struct piece, link));
    }
}

void outflow_add_credit(struct outflow *o, size_t size)
{
    o->credit = MIN(o->credit + size, (size_t) CREDIT_MAX);
}

size_t outflow_take(struct outflow *o, size_t size)
{
    size_t n = MIN(MIN(size, o->credit), (size_t) FRAME_DATA_MAX);

    o->credit -= n;
    return n;
}

/* Sends frames of the data from '*offset' on; true when its last one was sent. */
static bool send_frames(struct outflow *o, struct buf *out, uint64_t id, struct span data,
                        unsigned flags, size_t *offset)
{
    do {
        size_t left = data.size - *offset;
        size_t n = outflow_take(o, left);
        uint16_t end = flags & PIECE_END ? FRAME_END : 0;
        uint16_t more = flags & PIECE_ITEM ? FRAME_MORE : 0;

        if (n == 0 && left > 0) {
            return false;
        }
        msg_chunk_put(out, n == left ? end : more, id,
                      &(struct msg_chunk){.data = {n > 0 ? data.data + *offset : NULL, n}});
        *offset += n;
    } while (*offset < data.size);
    return true;
}

static void keep(struct outflow *o, struct span data, unsigned flags, bool is_frame)
{
    struct piece *p = mem_alloc(sizeof(*p) + data.size);

    p->is_frame = is_frame;
    p->flags = flags;
    p->size = data.size;
    if (data.size > 0) {
        memcpy(p->data, data.data, data.size);
    }
    list_push_back(&o->pieces, &p->link);
}

void outflow_put(struct outflow *o, struct buf *out, uint64_t id, struct span data, unsigned flags)
{
    size_t offset = 0;

    if (!outflow_is_empty(o) || !send_frames(o, out, id, data, flags, &offset)) {
        keep(o, (struct span){data.data + offset, data.size - offset}, flags, false);
    }
}

void outflow_put_frame(struct outflow *o, struct buf *out, const struct buf *frame)
{
    if (outflow_is_empty(o)) {
        buf_put_span(out, buf_span(frame));
    } else {
        keep(o, buf_span(frame), 0, true);
    }
}

void outflow_run(struct outflow *o, struct buf *out, uint64_t id)
{
    while (!outflow_is_empty(o)) {
        struct piece *p = LIST_ENTRY(o->pieces.next, struct piece, link);
        struct span data = {p->data, p->size};

        if (p->is_frame) {
            buf_put_span(out, data);
        } else if (!send_frames(o, out, id, data, p->flags, &p->offset)) {
            return;
        }
        list_remove(&p->link);
        free(p);
    }
}

void inflow_init(struct inflow *i)
{
    *i = (struct inflow){.window = FRAME_CREDIT};
}

int inflow_receive(struct inflow *i, size_t size)
{
    if (size > i->window) {
        return -EPROTO;
    }
    i->window -= size;
    i->unread += size;
    return 0;
}

void inflow_read(struct inflow *i, struct buf *out, uint64_t id, size_t size)
{
    size = MIN(size, i->unread);
    i->unread -= size;
    i->owed += size;
    if (i->owed >= GRANT) {
        msg_credit_put(out, 0, id, &(struct msg_credit){.size = (uint32_t) i->owed});
        i->window += i->owed;
        i->owed = 0;
    }
}
