/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_HTTP_ORACLE_H
#define TESTS_HTTP_ORACLE_H

/* Reads the first request of some bytes twice: with our parsers and with llhttp, Node's, in its
 * strict mode.  Two readers that see different requests in the same bytes are how requests are
 * smuggled; so what we accept llhttp must accept and understand in the same way.  We may be
 * stricter. */

#include "base/buf.h"

struct message {
    enum { MESSAGE_PARTIAL, MESSAGE_COMPLETE, MESSAGE_REFUSED } verdict;
    char why[80];        /* of a refusal */
    bool unknown_method; /* llhttp knows only registered ones */
    bool has_head;       /* what follows is filled, but for body and size */
    unsigned minor_version;
    struct buf method;
    struct buf target;
    struct buf fields; /* "name:value\n" each, names in lower case */
    struct buf body;   /* what came of it */
    size_t size;       /* bytes of the message, when complete */
};

void oracle_ours(struct message *m, const void *bytes, size_t size);
void oracle_llhttp(struct message *m, const void *bytes, size_t size);
void oracle_free(struct message *m);

/* NULL if the rule is kept, else what differs. */
const char *oracle_compare(const struct message *ours, const struct message *theirs);

#endif
