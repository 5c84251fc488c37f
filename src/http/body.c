/* SPDX-License-Identifier: Apache-2.0 */
#include "http/body.h"

#include "http/chars.h"

enum {
    MAX_EXTENSION = 1024,    /* bytes after a chunk's size */
    MAX_TRAILERS = 8 * 1024, /* bytes of all trailers */
};

/* The only place where a decoder changes its state. */
static void move(struct body_decoder *d, enum body_state state)
{
    d->state = state;
}

static void start(struct body_decoder *d, enum body_state state, uint64_t left)
{
    *d = (struct body_decoder){.left = left};
    move(d, state);
}

void body_start_length(struct body_decoder *d, uint64_t length)
{
    start(d, length > 0 ? BODY_LENGTH : BODY_DONE, length);
}

void body_start_chunked(struct body_decoder *d)
{
    start(d, BODY_SIZE_FIRST, 0);
}

void body_start_until_close(struct body_decoder *d)
{
    start(d, BODY_UNTIL_CLOSE, UINT64_MAX);
}

/* Gives 'v' the digit 'c'.  False if it is none, or the size would leave 60 bits. */
static bool add_digit(uint64_t *v, char c)
{
    int digit = char_hex(c);

    if (digit < 0 || *v >> 56 != 0) {
        return false;
    }
    *v = *v * 16 + (unsigned) digit;
    return true;
}

static enum body_state after_size(const struct body_decoder *d)
{
    return d->left > 0 ? BODY_CHUNK : BODY_TRAILER_FIRST;
}

static enum body_state expect(bool right, enum body_state next)
{
    return right ? next : BODY_BROKEN;
}

static enum body_state in_extension(struct body_decoder *d, char c)
{
    if (c == '\r') {
        return BODY_SIZE_LF;
    }
    return expect(char_is_token(c) && ++d->overhead <= MAX_EXTENSION, d->state);
}

static enum body_state in_trailer(struct body_decoder *d, bool right, enum body_state next)
{
    return expect(right && ++d->overhead <= MAX_TRAILERS, next);
}

static enum body_state in_name(struct body_decoder *d, char c)
{
    if (d->n_name < sizeof(d->name)) {
        d->name[d->n_name++] = char_lower(c);
    }
    return in_trailer(d, char_is_token(c), BODY_TRAILER_NAME);
}

/* RFC 9110 §6.5.1: what says where a message ends cannot come after it. */
static bool may_be_trailer(const struct body_decoder *d)
{
    struct span name = {d->name, d->n_name};

    return !span_is(name, "transfer-encoding") && !span_is(name, "content-length");
}

/* The next state after one byte of framing; data bytes never come here. */
static enum body_state framing(struct body_decoder *d, char c)
{
    switch (d->state) {
    case BODY_SIZE_FIRST:
        d->left = 0;
        d->overhead = 0;
        return expect(add_digit(&d->left, c), BODY_SIZE);
    case BODY_SIZE:
        if (c == '\r') {
            return BODY_SIZE_LF;
        }
        return c == ';' ? BODY_EXTENSION_FIRST : expect(add_digit(&d->left, c), BODY_SIZE);
    case BODY_EXTENSION_FIRST: return expect(char_is_token(c), BODY_EXTENSION_NAME);
    case BODY_EXTENSION_NAME: return c == '=' ? BODY_EXTENSION_VALUE : in_extension(d, c);
    case BODY_EXTENSION_VALUE: return in_extension(d, c);
    case BODY_SIZE_LF: d->overhead = 0; return expect(c == '\n', after_size(d));
    case BODY_CHUNK_CR: return expect(c == '\r', BODY_CHUNK_LF);
    case BODY_CHUNK_LF: return expect(c == '\n', BODY_SIZE_FIRST);
    case BODY_TRAILER_FIRST: d->n_name = 0; return c == '\r' ? BODY_LAST_LF : in_name(d, c);
    case BODY_TRAILER_NAME:
        return c == ':' ? expect(may_be_trailer(d), BODY_TRAILER_VALUE) : in_name(d, c);
    case BODY_TRAILER_VALUE:
        return c == '\r' ? BODY_TRAILER_LF : in_trailer(d, char_is_text(c), BODY_TRAILER_VALUE);
    case BODY_TRAILER_LF: return expect(c == '\n', BODY_TRAILER_FIRST);
    case BODY_LAST_LF: return expect(c == '\n', BODY_DONE);
    case BODY_LENGTH:
    case BODY_UNTIL_CLOSE:
    case BODY_CHUNK:
    case BODY_DONE:
    case BODY_BROKEN: NOT_REACHED();
    }
    NOT_REACHED();
}

static bool at_data(const struct body_decoder *d)
{
    return d->state == BODY_LENGTH || d->state == BODY_CHUNK || d->state == BODY_UNTIL_CLOSE;
}

/* Takes up to 'size' data bytes; returns how many. */
static size_t take_data(struct body_decoder *d, size_t size)
{
    size_t n = (size_t) MIN(d->left, (uint64_t) size);

    if (d->state != BODY_UNTIL_CLOSE) {
        d->left -= n;
        if (d->left == 0) {
            move(d, d->state == BODY_LENGTH ? BODY_DONE : BODY_CHUNK_CR);
        }
    }
    return n;
}

enum body_verdict body_decode(struct body_decoder *d, struct span in, size_t max, size_t *ret_used,
                              struct span *ret_data)
{
    size_t at = 0;

    while (at < in.size && !at_data(d) && d->state != BODY_DONE && d->state != BODY_BROKEN) {
        move(d, framing(d, in.data[at++]));
    }
    *ret_used = at;
    *ret_data = (struct span){0};
    if (d->state == BODY_DONE) {
        return BODY_END;
    }
    if (d->state == BODY_BROKEN) {
        return BODY_BAD;
    }
    if (at == in.size) {
        return BODY_MORE;
    }
    if (max == 0) {
        return BODY_BLOCKED;
    }
    *ret_data = (struct span){in.data + at, take_data(d, MIN(max, in.size - at))};
    *ret_used = at + ret_data->size;
    return BODY_DATA;
}

void body_put_chunk_size(struct buf *out, size_t size)
{
    char line[18] = {[16] = '\r', [17] = '\n'};
    size_t at = 16;

    ASSERT(size > 0);
    for (; size > 0; size >>= 4) {
        line[--at] = "0123456789abcdef"[size & 15];
    }
    buf_put(out, line + at, sizeof(line) - at);
}

void body_put_last_chunk(struct buf *out)
{
    buf_put_str(out, "0\r\n\r\n");
}
