/* SPDX-License-Identifier: Apache-2.0 */
#include "node/lines.h"

void lines_init(struct lines *l)
{
    buf_init(&l->partial);
}

void lines_deinit(struct lines *l)
{
    buf_deinit(&l->partial);
}

static void give(struct span line, void (*fn)(void *user, struct span line), void *user)
{
    if (line.size > 0 && line.data[line.size - 1] == '\r') {
        line.size--;
    }
    fn(user, line);
}

void lines_end(struct lines *l, void (*fn)(void *user, struct span line), void *user)
{
    if (buf_size(&l->partial) > 0) {
        give(buf_span(&l->partial), fn, user);
        buf_clear(&l->partial);
    }
}

void lines_feed(struct lines *l, struct span data, void (*fn)(void *user, struct span line),
                void *user)
{
    while (data.size > 0) {
        const char *newline = memchr(data.data, '\n', data.size);
        size_t size = newline ? (size_t) (newline - data.data) : data.size;
        size_t room = LINE_MAX_SIZE - buf_size(&l->partial);
        bool is_cut = size > room;

        size = MIN(size, room);
        if (newline && !is_cut && buf_size(&l->partial) == 0) {
            give((struct span){data.data, size}, fn, user); /* the common case copies nothing */
        } else {
            buf_put(&l->partial, data.data, size);
            if (newline || is_cut) {
                give(buf_span(&l->partial), fn, user);
                buf_clear(&l->partial);
            }
        }
        if (newline && !is_cut) {
            size++;
        }
        data = (struct span){data.data + size, data.size - size};
    }
}

void tail_init(struct tail *t)
{
    buf_init(&t->bytes);
}

void tail_deinit(struct tail *t)
{
    buf_deinit(&t->bytes);
}

void tail_feed(struct tail *t, struct span data)
{
    if (data.size > TAIL_MAX_SIZE) {
        data = (struct span){data.data + data.size - TAIL_MAX_SIZE, TAIL_MAX_SIZE};
    }
    buf_put_span(&t->bytes, data);
    if (buf_size(&t->bytes) > (size_t) 2 * TAIL_MAX_SIZE) {
        buf_consume(&t->bytes, buf_size(&t->bytes) - TAIL_MAX_SIZE);
    }
}

struct span tail_lines(const struct tail *t)
{
    struct span all = buf_span(&t->bytes);
    size_t at;
    unsigned n = 0;

    while (all.size > 0 && (all.data[all.size - 1] == '\n' || all.data[all.size - 1] == '\r')) {
        all.size--;
    }
    if (all.size == 0) {
        return (struct span){0};
    }
    for (at = all.size; at > 0 && all.size - at < TAIL_MAX_SIZE; at--) {
        if (all.data[at - 1] == '\n' && ++n == TAIL_LINES) {
            break;
        }
    }
    return (struct span){all.data + at, all.size - at};
}
