/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_INIT_PRIV_H
#define INIT_INIT_PRIV_H

/* Shared by init's files: main.c holds the life of the instance, node_link.c the node daemon and
 * what it asks for. */

#include <sys/types.h>

#include "init/children.h"
#include "init/keep.h"
#include "io/loop.h"
#include "wire/channel.h"

enum init_state {
    INIT_STARTING, /* the node has not yet said that all is up */
    INIT_RUNNING,
    INIT_STOPPING, /* the node was asked to end everything */
    INIT_ENDED,
};

struct init {
    struct loop *loop;
    enum init_state state;
    int exit_code;
    const char *session_dir;
    const char *record;
    char **node_options; /* of argv, ends with NULL */
    int terminal_fd;     /* what stderr was before it became the log */
    int ready_fd;        /* -1: nobody waits */
    int owner_fd;        /* -1: none */
    struct io_watch owner;
    struct signal_watch signals;
    struct timer deadline; /* of the start, then of the stop */
    struct keep keep;
    struct children children;
    pid_t node_pid; /* 0: it does not run */
    struct channel link;
    bool has_link;
    struct timer restart; /* of the node */
    uint64_t restart_ms;
    struct timer drain; /* while no node reads the output */
};

extern struct init init; /* one per process */

/* main.c: the instance's state. */
void init_started(void);
void init_fail(const char *why);
void init_end(int exit_code);

/* node_link.c */
void node_link_init(void);
void node_link_start(void);
void node_link_ask_to_stop(uint32_t grace_ms);
void node_link_drop(void); /* nothing more from there */
/* For children_reap(). */
void node_link_on_child_end(void *user, struct child *child, pid_t pid);

#endif
