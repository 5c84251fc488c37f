/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

/* Message bodies: finds the data in what the peer sent (by length, in chunks, or until it closes)
 * and writes what frames chunks.  Pure: it holds no bytes, data are spans into the input.  Used by
 * server and client. As strict as the head's parser: hexadecimal sizes without sign or space, CRLF,
 * bounded extensions and trailers, which are checked and dropped. */

#include "base/buf.h"

enum body_verdict {
    BODY_MORE,    /* all input was used and the body goes on */
    BODY_DATA,    /* a piece of data; call again */
    BODY_BLOCKED, /* there is data, but 'max' is 0 */
    BODY_END,     /* complete; what follows in the input is not the body's */
    BODY_BAD,     /* malformed, for good */
};

enum body_state {
    BODY_LENGTH,          /* 'left' bytes to go */
    BODY_UNTIL_CLOSE,     /* all that comes; only of responses */
    BODY_SIZE_FIRST,      /* chunked: at a size's first digit */
    BODY_SIZE,            /* at a further digit */
    BODY_EXTENSION_FIRST, /* after ';' */
    BODY_EXTENSION_NAME,
    BODY_EXTENSION_VALUE, /* after '=' */
    BODY_SIZE_LF,         /* at the LF of a size's line */
    BODY_CHUNK,           /* 'left' bytes of the chunk to go */
    BODY_CHUNK_CR,        /* at the CR after a chunk */
    BODY_CHUNK_LF,
    BODY_TRAILER_FIRST, /* at the start of a trailer's line */
    BODY_TRAILER_NAME,
    BODY_TRAILER_VALUE,
    BODY_TRAILER_LF,
    BODY_LAST_LF, /* at the LF of the empty line that ends all */
    BODY_DONE,
    BODY_BROKEN,
};

struct body_decoder {
    enum body_state state;
    uint64_t left;
    size_t overhead; /* bytes of this extension, or of all trailers */
    char name[20];   /* the start of this trailer's name, in lower case */
    uint8_t n_name;
};

void body_start_length(struct body_decoder *d, uint64_t length);
void body_start_chunked(struct body_decoder *d);
void body_start_until_close(struct body_decoder *d);

static inline bool body_done(const struct body_decoder *d)
{
    return d->state == BODY_DONE;
}

/* Looks at the input and finds at most one piece of at most 'max' bytes.  '*ret_used' bytes of the
 * input, the piece included, are done with.  BODY_DATA may leave the decoder done. */
enum body_verdict body_decode(struct body_decoder *d, struct span in, size_t max, size_t *ret_used,
                              struct span *ret_data) MUST_CHECK;

/* What goes before the data of a chunk (of which there must be some: an empty one would end the
 * body); CRLF goes after them. */
void body_put_chunk_size(struct buf *out, size_t size);
void body_put_last_chunk(struct buf *out);

#endif
