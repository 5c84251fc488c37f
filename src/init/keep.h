/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_KEEP_H
#define INIT_KEEP_H

/* Descriptors that outlive the processes that use them, by name: listening sockets. */

#include "base/list.h"
#include "wire/channel.h"

struct keep {
    struct list list; /* of struct kept.link; owned */
};

void keep_init(struct keep *k);
void keep_deinit(struct keep *k); /* closes them */

/* Takes 'fd' in place of an older one; -1 only closes the older one. */
void keep_set(struct keep *k, struct span name, int fd);

/* The descriptors of a row of names, which stay ours; how many, -ENOENT or -E2BIG. */
int keep_lookup(const struct keep *k, struct span names, int *ret_fds, size_t max) MUST_CHECK;

/* Sends a KEPT for each. */
void keep_send(const struct keep *k, struct channel *ch);

#endif
