/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_LINES_H
#define NODE_LINES_H

/* What a process prints, cut into lines, and the last of it kept for the sentence that says how it
 * ended.  Pure: no descriptors. */

#include "base/buf.h"

enum {
    LINE_MAX_SIZE = 16 * 1024, /* a longer one is cut in two */
    TAIL_MAX_SIZE = 8 * 1024,
    TAIL_LINES = 20,
};

struct lines {
    struct buf partial; /* the begun line */
};

void lines_init(struct lines *l);
void lines_deinit(struct lines *l);

/* Calls 'fn' for each line that is complete, without its newline (and without a carriage return
 * before it). */
void lines_feed(struct lines *l, struct span data, void (*fn)(void *user, struct span line),
                void *user);
/* The begun line counts as complete: nothing more comes. */
void lines_end(struct lines *l, void (*fn)(void *user, struct span line), void *user);

struct tail {
    struct buf bytes;
};

void tail_init(struct tail *t);
void tail_deinit(struct tail *t);
void tail_feed(struct tail *t, struct span data);
/* At most the last TAIL_LINES lines, as long as they fit in TAIL_MAX_SIZE; no newline at the end.
 */
struct span tail_lines(const struct tail *t);

#endif
