/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

/* A growable run of bytes that is written at the end and read from the front.  Used for stream
 * buffers, frames and text.  The unread bytes are always contiguous; pointers into it are valid
 * until the next call that may grow it. */

#include "base/base.h"

struct buf {
    char *data;      /* owned */
    size_t head;     /* first unread byte */
    size_t tail;     /* one past the last byte */
    size_t capacity; /* bytes in data */
};

void buf_init(struct buf *b);
void buf_deinit(struct buf *b);

static inline size_t buf_size(const struct buf *b)
{
    return b->tail - b->head;
}

static inline char *buf_bytes(const struct buf *b)
{
    return b->head > 0 ? b->data + b->head : b->data; /* NULL + 0 is undefined */
}

static inline struct span buf_span(const struct buf *b)
{
    return (struct span){buf_bytes(b), buf_size(b)};
}

/* Makes room for 'size' more bytes and returns where they go; buf_commit() makes them count. */
char *buf_reserve(struct buf *b, size_t size);
void buf_commit(struct buf *b, size_t size);

void buf_put(struct buf *b, const void *data, size_t size);
void buf_put_span(struct buf *b, struct span s);
void buf_put_str(struct buf *b, const char *s);
void buf_put_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);

/* Little-endian integers, as on the wire. */
void buf_put_u8(struct buf *b, uint8_t x);
void buf_put_u16(struct buf *b, uint16_t x);
void buf_put_u32(struct buf *b, uint32_t x);
void buf_put_u64(struct buf *b, uint64_t x);

void buf_consume(struct buf *b, size_t size); /* drops bytes at the front */
void buf_clear(struct buf *b);                /* drops all, keeps the memory */
void buf_shrink(struct buf *b);               /* gives memory back if nothing is unread */

/* The unread bytes terminated by NUL (which does not count); valid until the next change. */
char *buf_cstr(struct buf *b);

/* The unread bytes as a terminated string that the caller frees; the buffer is empty after. */
char *buf_take_str(struct buf *b);

#endif
