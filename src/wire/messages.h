/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_MESSAGES_H
#define WIRE_MESSAGES_H

/* What messages.def makes: for each row a struct msg_<name>, an encoder, a decoder; and for the
 * table a printer and the check of who may send what to whom.
 *
 *     struct msg_started m = {0};
 *     msg_started_put(channel_out(ch), 0, stream, &m);
 *
 *     struct msg_error e;
 *     if (msg_error_get(frame, &e) < 0) ...        spans point into the frame's payload
 */

#include "wire/frame.h"

enum wire_role {
    ROLE_INIT = 1,
    ROLE_NODE = 2,
    ROLE_CONTROLLER = 4,
    ROLE_PROXY = 8,
    ROLE_REPLICA = 16,
    ROLE_DRIVER = 32,
    ROLE_CLI = 64,
    ROLE_ANY = 127,
};

enum { WIRE_MAGIC = 0x3153534d /* "MSS1" */, WIRE_VERSION_MIN = 1, WIRE_VERSION_MAX = 1 };

enum error_kind {
    ERROR_NONE = 0,
#define ERROR_KIND(NAME, number, status, python, retry) ERROR_##NAME = (number),
#include "wire/errors.def"
#undef ERROR_KIND
};

struct error_info {
    enum error_kind kind;
    const char *name;
    unsigned http_status;
    const char *python_class;
    bool can_retry;
};

const struct error_info *error_info(unsigned kind); /* NULL: no such kind */

enum message_type {
#define MESSAGE(NAME, name, number, since, from, to) MSG_##NAME = (number),
#include "wire/messages.def"
#undef MESSAGE
};

#define MSG_C_u8    uint8_t
#define MSG_C_u16   uint16_t
#define MSG_C_u32   uint32_t
#define MSG_C_u64   uint64_t
#define MSG_C_str   struct span
#define MSG_C_bytes struct span

#define MSG_FIELD(type, name) MSG_C_##type name;
#define MESSAGE(NAME, name, number, since, from, to)                                               \
    struct msg_##name {                                                                            \
        FIELDS_##name(MSG_FIELD)                                                                   \
    };                                                                                             \
    void msg_##name##_put(struct buf *out, uint16_t flags, uint64_t stream,                        \
                          const struct msg_##name *m);                                             \
    int msg_##name##_get(const struct frame *f, struct msg_##name *ret) MUST_CHECK;
#include "wire/messages.def"
#undef MESSAGE
#undef MSG_FIELD

const char *message_name(unsigned type); /* "?" when unknown */
bool message_allowed(unsigned type, enum wire_role from, enum wire_role to);

/* One line for a log: "DISPATCH_CALL stream=2 flags=END method=predict args=312B". */
void message_print(struct buf *out, const struct frame *f);

/* The headers block of HTTP messages. */
void wire_header_put(struct buf *out, struct span name, struct span value);
/* Takes the first header off 'block'; false at its end or when it is malformed (then size > 0 is
 * left). */
bool wire_header_next(struct span *block, struct span *ret_name, struct span *ret_value);

/* Rows of NUL-terminated strings (argv, env, names): takes the first off, NULL at the end. */
const char *wire_string_next(struct span *row);

#endif
