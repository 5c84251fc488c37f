/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPLICA_HOST_PRIV_H
#define REPLICA_HOST_PRIV_H

/* The insides of the host, shared by host*.c: host.c is the thread and the queue of events,
 * host_links.c the links, host_requests.c what runs here, host_calls.c what was called from here,
 * host_lookups.c what was asked.
 *
 * Locking.  host.lock guards everything in struct host that is not marked "I/O thread".  It is held
 * for moments: to look up a stream, copy bytes, append a frame or an event; never during a system
 * call that can block.  Frames are appended to link.out under it by any thread; only the I/O thread
 * moves them to the channel, which like the loop is its own.  It takes the lock once for each
 * message, so the order of events is the order of the wire.  Functions here expect it held. */

#include <pthread.h>

#include "base/map.h"
#include "io/loop.h"
#include "replica/flow.h"
#include "replica/host.h"
#include "wire/channel.h"

enum { LINK_ROUTER, LINK_NODE, N_LINKS };

struct link {
    struct host *host;
    const char *name;
    struct channel channel; /* I/O thread; while is_open */
    struct timer retry;     /* I/O thread */
    uint64_t retry_ms;      /* I/O thread: the next wait */
    char *info_json;        /* owned */
    bool is_wanted;
    bool is_open;   /* dialled: 'out' may be filled */
    bool is_up;     /* greeted */
    struct buf out; /* frames for the I/O thread to send */
};

struct host {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* for host_wait() and host_lookup(): events or lookup answers */
    unsigned n_waiting;
    pthread_t thread;
    struct list in_hosts; /* in the list for fork() in host.c */

    enum wire_role role;
    uint64_t incarnation;
    char *session_dir; /* owned */
    char *name;        /* owned */
    char *token;       /* owned */
    struct link links[N_LINKS];
    struct loop *loop;        /* I/O thread */
    struct io_watch wake;     /* I/O thread */
    struct io_watch lifeline; /* I/O thread */
    struct timer patience;    /* I/O thread: how long calls wait for a router */

    int wake_fd;    /* wakes the I/O thread */
    bool is_asleep; /* it may be waiting, or about to */
    bool is_woken;  /* wake_fd was written and not yet read */
    bool stopping;
    bool is_dead; /* stopped, or a forked child's copy: nothing works any more */
    bool is_joined;

    int events_fd;
    struct list events; /* of struct host_event.link; owned */
    bool is_signalled;  /* events_fd was written, or is just being, and not yet read */
    bool uses_hold;     /* the consumer says host_flush() */
    bool is_holding;

    struct map requests; /* of struct request.node by id; owned */
    struct map calls;    /* of struct call.node by id; owned */
    struct map lookups;  /* of struct lookup.node by id; owned by the asking thread */
    uint64_t last_id;    /* of our calls and lookups: odd */
};

static inline struct link *router_of(struct host *h)
{
    return &h->links[LINK_ROUTER];
}

/* Where frames for the router go.  Only while it is open. */
static inline struct buf *router_out(struct host *h)
{
    ASSERT(h->links[LINK_ROUTER].is_open);
    return &h->links[LINK_ROUTER].out;
}

/* The links: host_links.c, all but _want() for the I/O thread. */
void host_link_init(struct link *l, struct host *h, const char *name);
void host_link_want(struct link *l, const char *info_json);
bool host_link_collect(struct link *l); /* true while something is to be sent */
void host_link_flush(struct link *l);   /* without the lock */
void host_link_stop(struct link *l);

/* After frames were appended by a thread that is not the I/O thread. */
void host_kick(struct host *h);
/* The same, but held answers go on waiting. */
void host_kick_answer(struct host *h);

struct host_event *host_event_new(enum host_event_type type, uint64_t id, struct span memory);
void host_event_put(struct host *h, struct host_event *e);
/* For events that are put by a consumer's own thread. */
void host_signal(struct host *h);
/* Waits on 'changed', at most until then (CLOCK_MONOTONIC); false: the time is over. */
bool host_wait_change(struct host *h, const struct timespec *until);
struct timespec host_deadline(uint64_t timeout_ms);

/* One message of the router. */
int host_request_message(struct host *h, const struct frame *f) MUST_CHECK; /* even ids */
int host_call_message(struct host *h, const struct frame *f) MUST_CHECK;    /* odd ids */
/* Marks what host_take() hands out. */
void host_request_begin(struct host *h, struct request *r);
void host_requests_link_down(struct host *h);
void host_requests_free(struct host *h);
/* The consumer took so much of a body, or of the items of a call. */
void host_request_read(struct host *h, uint64_t id, size_t size);
void host_call_read(struct host *h, uint64_t id, size_t size);
/* Appends the ids of what still runs, with commas. */
void host_requests_print(const struct host *h, struct buf *out);

int host_lookup_message(struct host *h, const struct frame *f) MUST_CHECK;
void host_lookups_link_open(struct host *h);
void host_calls_link_open(struct host *h);
void host_calls_link_down(struct host *h);
void host_calls_give_up(struct host *h); /* no router for too long */
void host_calls_free(struct host *h);

#endif
