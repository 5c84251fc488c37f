/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>

enum { FIRST_CAPACITY = 256 };

void buf_init(struct buf *b)
{
    *b = (struct buf){0};
}

void buf_deinit(struct buf *b)
{
    free(b->data);
    buf_init(b);
}

static void compact(struct buf *b)
{
    size_t size = buf_size(b);

    if (b->head > 0) {
        if (size > 0) {
            memmove(b->data, b->data + b->head, size);
        }
        b->head = 0;
        b->tail = size;
    }
}

char *buf_reserve(struct buf *b, size_t size)
{
    if (b->capacity - b->tail < size) {
        /* Moving is worth it only when at least half of what is kept becomes free. */
        if (b->head >= buf_size(b)) {
            compact(b);
        }
        if (b->capacity - b->tail < size) {
            size_t capacity = b->capacity ? b->capacity : FIRST_CAPACITY;

            compact(b);
            while (capacity - b->tail < size) {
                ASSERT(capacity <= SIZE_MAX / 2);
                capacity *= 2;
            }
            b->data = mem_realloc(b->data, capacity);
            b->capacity = capacity;
        }
    }
    return b->data + b->tail;
}

void buf_commit(struct buf *b, size_t size)
{
    ASSERT(size <= b->capacity - b->tail);
    b->tail += size;
}

void buf_put(struct buf *b, const void *data, size_t size)
{
    if (size > 0) {
        memcpy(buf_reserve(b, size), data, size);
        b->tail += size;
    }
}

void buf_put_span(struct buf *b, struct span s)
{
    buf_put(b, s.data, s.size);
}

void buf_put_str(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

void buf_put_char(struct buf *b, char c)
{
    buf_put(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_list again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    ASSERT(n >= 0);
    (void) vsnprintf(buf_reserve(b, (size_t) n + 1), (size_t) n + 1, fmt, again);
    va_end(again);
    b->tail += (size_t) n;
}

void buf_put_u8(struct buf *b, uint8_t x)
{
    buf_put(b, &x, sizeof(x));
}

void buf_put_u16(struct buf *b, uint16_t x)
{
    x = htole16(x);
    buf_put(b, &x, sizeof(x));
}

void buf_put_u32(struct buf *b, uint32_t x)
{
    x = htole32(x);
    buf_put(b, &x, sizeof(x));
}

void buf_put_u64(struct buf *b, uint64_t x)
{
    x = htole64(x);
    buf_put(b, &x, sizeof(x));
}

void buf_consume(struct buf *b, size_t size)
{
    ASSERT(size <= buf_size(b));
    b->head += size;
    if (b->head == b->tail) {
        b->head = 0;
        b->tail = 0;
    }
}

void buf_clear(struct buf *b)
{
    b->head = 0;
    b->tail = 0;
}

void buf_shrink(struct buf *b)
{
    if (buf_size(b) == 0) {
        buf_deinit(b);
    }
}

char *buf_cstr(struct buf *b)
{
    *buf_reserve(b, 1) = '\0';
    return buf_bytes(b);
}

char *buf_take_str(struct buf *b)
{
    char *s = mem_strndup(buf_size(b) ? buf_bytes(b) : "", buf_size(b));

    buf_deinit(b);
    return s;
}
