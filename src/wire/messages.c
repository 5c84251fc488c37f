/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/messages.h"

#include <endian.h>
#include <inttypes.h>

/* Reading a payload.  A field that an older sender left out is zero; one that is cut is an error.
 */
struct reader {
    const char *p;
    size_t left;
    bool bad;
};

static bool take(struct reader *r, void *to, size_t size)
{
    if (r->left == 0 || r->bad) {
        return false;
    }
    if (r->left < size) {
        r->bad = true;
        return false;
    }
    memcpy(to, r->p, size);
    r->p += size;
    r->left -= size;
    return true;
}

static uint8_t read_u8(struct reader *r)
{
    uint8_t x = 0;

    (void) take(r, &x, sizeof(x));
    return x;
}

static uint16_t read_u16(struct reader *r)
{
    uint16_t x = 0;

    (void) take(r, &x, sizeof(x));
    return le16toh(x);
}

static uint32_t read_u32(struct reader *r)
{
    uint32_t x = 0;

    (void) take(r, &x, sizeof(x));
    return le32toh(x);
}

static uint64_t read_u64(struct reader *r)
{
    uint64_t x = 0;

    (void) take(r, &x, sizeof(x));
    return le64toh(x);
}

static struct span read_bytes(struct reader *r)
{
    struct span s = {r->p, read_u32(r)};

    if (s.size > r->left) {
        r->bad = true;
        return (struct span){NULL, 0};
    }
    s.data = r->p;
    r->p += s.size;
    r->left -= s.size;
    return s;
}

static struct span read_str(struct reader *r)
{
    return read_bytes(r);
}

static void put_bytes(struct buf *out, struct span s)
{
    ASSERT(s.size <= FRAME_MAX);
    buf_put_u32(out, (uint32_t) s.size);
    buf_put_span(out, s);
}

#define put_u8  buf_put_u8
#define put_u16 buf_put_u16
#define put_u32 buf_put_u32
#define put_u64 buf_put_u64
#define put_str put_bytes

/* The encoder and the decoder of each row. */
#define PUT_FIELD(type, name) put_##type(out, m->name);
#define GET_FIELD(type, name) m.name = read_##type(&r);
#define MESSAGE(NAME, name, number, since, from, to)                                               \
    void msg_##name##_put(struct buf *out, uint16_t flags, uint64_t stream,                        \
                          const struct msg_##name *m)                                              \
    {                                                                                              \
        size_t mark = frame_begin(out, number, flags, stream);                                     \
                                                                                                   \
        FIELDS_##name(PUT_FIELD);                                                                  \
        frame_end(out, mark);                                                                      \
    }                                                                                              \
                                                                                                   \
    int msg_##name##_get(const struct frame *f, struct msg_##name *ret)                            \
    {                                                                                              \
        struct reader r = {f->payload, f->size, false};                                            \
        struct msg_##name m;                                                                       \
                                                                                                   \
        FIELDS_##name(GET_FIELD);                                                                  \
        if (r.bad) {                                                                               \
            return -EPROTO;                                                                        \
        }                                                                                          \
        *ret = m;                                                                                  \
        return 0;                                                                                  \
    }
#include "wire/messages.def"
#undef MESSAGE

/* The table itself. */
static const struct row {
    const char *name;
    unsigned from;
    unsigned to;
} rows[] = {
#define MESSAGE(NAME, name, number, since, from, to) [number] = {#NAME, from, to},
#include "wire/messages.def"
#undef MESSAGE
};

const char *message_name(unsigned type)
{
    return type < ARRAY_LEN(rows) && rows[type].name ? rows[type].name : "?";
}

bool message_allowed(unsigned type, enum wire_role from, enum wire_role to)
{
    return type < ARRAY_LEN(rows) && (rows[type].from & (unsigned) from) &&
           (rows[type].to & (unsigned) to);
}

static const struct error_info errors[] = {
#define ERROR_KIND(NAME, number, status, python, retry)                                            \
    [number] = {ERROR_##NAME, #NAME, status, python, retry},
#include "wire/errors.def"
#undef ERROR_KIND
};

const struct error_info *error_info(unsigned kind)
{
    return kind < ARRAY_LEN(errors) && errors[kind].name ? &errors[kind] : NULL;
}

/* The printer: short text as it is, all else by its size. */
static void print_text(struct buf *out, struct span s)
{
    if (s.size > 80) {
        buf_printf(out, "%zuB", s.size);
        return;
    }
    for (size_t i = 0; i < s.size; i++) {
        buf_put_char(out, s.data[i] >= ' ' && s.data[i] < 127 ? s.data[i] : '.');
    }
}

static void print_number(struct buf *out, const char *name, uint64_t x)
{
    buf_printf(out, " %s=%" PRIu64, name, x);
}

#define print_u8(out, name, x)    print_number(out, name, x)
#define print_u16(out, name, x)   print_number(out, name, x)
#define print_u32(out, name, x)   print_number(out, name, x)
#define print_u64(out, name, x)   print_number(out, name, x)
#define print_str(out, name, x)   (buf_printf(out, " %s=", name), print_text(out, x))
#define print_bytes(out, name, x) buf_printf(out, " %s=%zuB", name, (x).size)
#define PRINT_FIELD(type, name)   print_##type(out, #name, m.name);

void message_print(struct buf *out, const struct frame *f)
{
    buf_printf(out, "%s stream=%" PRIu64, message_name(f->type), f->stream);
    if (f->flags & FRAME_END) {
        buf_put_str(out, " END");
    }
    if (f->flags & FRAME_MORE) {
        buf_put_str(out, " MORE");
    }
    switch (f->type) {
#define MESSAGE(NAME, name, number, since, from, to)                                               \
    case number: {                                                                                 \
        struct msg_##name m;                                                                       \
                                                                                                   \
        if (msg_##name##_get(f, &m) == 0) {                                                        \
            FIELDS_##name(PRINT_FIELD)                                                             \
        }                                                                                          \
        break;                                                                                     \
    }
#include "wire/messages.def"
#undef MESSAGE
    default: break;
    }
}

/* Header blocks and string rows. */

void wire_header_put(struct buf *out, struct span name, struct span value)
{
    ASSERT(name.size <= UINT16_MAX && value.size <= FRAME_MAX);
    buf_put_u16(out, (uint16_t) name.size);
    buf_put_span(out, name);
    buf_put_u32(out, (uint32_t) value.size);
    buf_put_span(out, value);
}

bool wire_header_next(struct span *block, struct span *ret_name, struct span *ret_value)
{
    struct reader r = {block->data, block->size, false};
    struct span name;
    struct span value;

    name.size = read_u16(&r);
    name.data = r.p;
    if (r.bad || name.size > r.left || block->size == 0) {
        return false;
    }
    r.p += name.size;
    r.left -= name.size;
    if (r.left < sizeof(uint32_t)) {
        return false;
    }
    value = read_bytes(&r);
    if (r.bad) {
        return false;
    }
    *ret_name = name;
    *ret_value = value;
    *block = (struct span){r.p, r.left};
    return true;
}

const char *wire_string_next(struct span *row)
{
    const char *s = row->data;
    const char *end = row->size > 0 ? memchr(s, '\0', row->size) : NULL;

    if (!end) {
        return NULL;
    }
    row->size -= (size_t) (end + 1 - s);
    row->data = end + 1;
    return s;
}
