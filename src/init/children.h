/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_CHILDREN_H
#define INIT_CHILDREN_H

/* The processes that init has started for the node, and the read ends of their output pipes.  A
 * child that has ended stays here until the node was told. */

#include <sys/types.h>

#include "base/list.h"
#include "init/spawn.h"

struct child {
    struct list link;
    char *id; /* the node's name for it; owned */
    pid_t pid;
    int lifeline_fd;     /* our end; closing it kills the child's group */
    int output_fd;       /* read end of its output */
    uint64_t started_ms; /* Unix time */
    bool ended;
    unsigned exit_code;
    unsigned signal;
};

struct children {
    struct list list;   /* of struct child.link; owned */
    uint64_t n_dropped; /* bytes of output that were dropped while no node was there to read them */
};

void children_init(struct children *c);
void children_deinit(struct children *c); /* what still runs is killed by its lifeline */

/* Starts 's', to which it adds output and lifeline; 'id' must be new.  0 or -errno. */
int children_start(struct children *c, const char *id, struct spawn *s, struct child **ret)
    MUST_CHECK;
struct child *children_find(struct children *c, const char *id); /* NULL: none that lives */
void children_remove(struct children *c, struct child *child);

/* Reaps all that has ended, strangers too (init is the subreaper of the instance).  Calls 'on_end'
 * for each process of the list, and for any other with child NULL. */
void children_reap(struct children *c, void (*on_end)(void *user, struct child *child, pid_t pid),
                   void *user);

/* Reads and drops the output of those whose pipe is more than half full. */
void children_drain(struct children *c);

void children_signal(struct children *c, int signal_number); /* to each living one's group */

/* Kills every process that descends from us, until none is left or 'timeout_ms' has passed. Blocks;
 * for the very end. */
void children_kill_all(struct children *c, unsigned timeout_ms);

#endif
