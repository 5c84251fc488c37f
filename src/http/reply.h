/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

/* Writes heads of answers.  Pure: fields in, bytes out.  It decides framing and the connection's
 * fate from what the request was and what the handler gave, in one place. */

#include "base/buf.h"
#include "http/head.h"

const char *reply_reason(int status); /* "Unknown" for what has no name */

enum reply_framing {
    REPLY_NO_BODY,     /* HEAD, 1xx, 204, 304: the head is all */
    REPLY_LENGTH,      /* 'length' bytes follow */
    REPLY_CHUNKED,     /* chunks follow */
    REPLY_UNTIL_CLOSE, /* for a 1.0 client, without a length */
};

struct reply {
    /* The request's. */
    unsigned minor_version;
    bool is_head;
    bool keep_alive; /* in: the connection may stay; out: it will */

    /* The answer's. */
    int status;
    const struct http_header *fields;
    size_t n_fields;
    bool has_length; /* in: the body is whole, 'length' bytes; out: a length is known */
    uint64_t length;

    struct span date_line;   /* "date: …\r\n" and the like, added unless */
    struct span server_line; /* the handler gives that field itself */

    enum reply_framing framing; /* out */
};

/* Fills what is marked "out" and appends the head.  False: a field may not be sent (no token,
 * control characters, a content-length that is no number or stands twice); then nothing was
 * appended. */
bool reply_put_head(struct buf *out, struct reply *r) MUST_CHECK;

#endif
