/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

/* The strict parser of complete HTTP/1 heads (RFC 9112).  Pure: bytes in, spans into the same bytes
 * out.  What two readers could understand differently is refused, never repaired: bare CR or LF,
 * folded lines, a space before the colon, Transfer-Encoding together with Content-Length, lengths
 * that differ, a second Host.  Used by server and client. */

#include "base/base.h"

enum {
    HEAD_MAX_FIELDS = 128,
};

struct http_header {
    struct span name; /* lower case, in what the parser gives */
    struct span value;
};

/* Why a head is refused: the statuses of the answer. */
enum head_verdict {
    HEAD_OK = 0,
    HEAD_BAD = 400,
    HEAD_TARGET_TOO_LONG = 414,
    HEAD_TOO_LARGE = 431, /* too many fields */
};

struct head {
    struct span method; /* requests */
    struct span target;
    struct span raw_path; /* of the target: without query, scheme and authority */
    struct span query;    /* without '?' */
    int status;           /* responses */
    struct span reason;
    unsigned minor_version; /* 0 or 1 */

    struct http_header fields[HEAD_MAX_FIELDS];
    size_t n_fields;

    /* What the fields say about framing and the connection. */
    bool chunked;
    bool has_length;
    uint64_t length; /* 0 unless has_length */
    bool keep_alive;
    bool expect_continue;
    bool upgrade; /* "connection: upgrade" with an upgrade field */
};

/* Finds the empty line that ends a head.  '*scan' is 0 at first and remembers how far earlier calls
 * looked.  Returns the size of the head with that line, or 0 if it is not complete.  Stops at a
 * bare LF ending too: the parser then refuses it. */
size_t head_find_end(struct span bytes, size_t *scan);

/* Parse a complete head (what head_find_end() measured) in place: names become lower case.  The
 * spans in 'h' point into 'bytes'; after anything but HEAD_OK it holds nothing of use. */
enum head_verdict head_parse_request(struct head *h, char *bytes, size_t size, size_t max_target)
    MUST_CHECK;
enum head_verdict head_parse_response(struct head *h, char *bytes, size_t size) MUST_CHECK;

/* The first field of that (lower-case) name; data is NULL if there is none. */
struct span head_field(const struct head *h, const char *name);

/* Percent-decodes a path into 'out' (at least path.size bytes); what is no valid escape stays as it
 * is. Returns the decoded size. */
size_t head_decode_path(struct span path, char *out);

/* The value of a Content-Length: digits only, at most 18 of them. */
bool head_parse_length(struct span value, uint64_t *ret_length) MUST_CHECK;

/* Whether a header may be sent: a token, and a value without control characters. */
bool head_field_valid(const struct http_header *field);

#endif
