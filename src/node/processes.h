/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_PROCESSES_H
#define NODE_PROCESSES_H

/* The node's link to init: processes that init runs for us, with their output, and descriptors that
 * it keeps.  After a restart of the node, init first tells what it has (processes_adopt(),
 * processes_take_kept()). */

#include "base/map.h"
#include "node/exit_reason.h"
#include "node/logs.h"
#include "wire/channel.h"

struct process;
struct processes;

struct process_events {
    /* It runs; its log is to be opened here, for output follows. */
    void (*on_started)(struct process *p);
    /* It has ended, or never started.  All of its output was taken; p->log is still open. */
    void (*on_ended)(struct process *p, const struct process_end *end);
};

/* One process, embedded by its owner. */
struct process {
    struct map_node node; /* in processes.by_id while asked for or running */
    struct processes *processes;
    const struct process_events *events;
    char *id;            /* what init knows it by; owned */
    unsigned pid;        /* 0 until it runs */
    uint64_t started_ms; /* Unix time */
    bool was_asked;      /* to end */
    struct pipe_reader output;
    struct log_sink log;
};

struct processes_events {
    void (*on_adopted)(void *user); /* init has told all that it has */
    void (*on_stop_all)(void *user, uint64_t grace_ms);
};

/* 'fd' is the socket to init. */
struct processes *processes_new(struct loop *loop, int fd, const struct processes_events *events,
                                void *user) MUST_CHECK;
void processes_free(
    struct processes *ps); /* NULL is fine; every process must have been forgotten */

void process_init(struct process *p, struct processes *ps, const char *id,
                  const struct process_events *events);
void process_deinit(struct process *p); /* what runs goes on without us */
bool process_is_active(const struct process *p);

/* Rows of NUL-terminated strings. */
struct process_command {
    struct span argv;
    struct span env; /* empty: init's own */
    const char *cwd; /* NULL: init's */
    struct span fds; /* names of kept descriptors: 3, 4, … */
};

void process_start(struct process *p, const struct process_command *c);
void process_kill(struct process *p, int signal_number); /* its group; harmless when it has ended */

/* Takes over what init was running under this id before we came: on_started follows at once. False:
 * it is not there. */
bool process_adopt(struct process *p);
/* Kills what nobody took over. */
void processes_kill_strangers(struct processes *ps);

/* Has init keep a copy of 'fd' under a name; -1: drop it. */
void processes_keep(struct processes *ps, const char *name, int fd);
/* A kept descriptor whose name begins with 'prefix': *ret_rest is what follows (the caller's; may
 * be NULL). The descriptor becomes the caller's; -1: none. */
int processes_take_kept(struct processes *ps, const char *prefix, char **ret_rest);

void processes_say_started(struct processes *ps, const char *error); /* "" when all is up */
void processes_say_stopped(struct processes *ps);

/* Appends a string and its NUL to a row. */
void row_add(struct buf *row, const char *fmt, ...) PRINTF(2, 3);

#endif
