/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

/* The router: which request runs on which replica, and when.  One per node, in its proxy.  PURE:
 * events come in by the functions below, actions go out by a table of callbacks; no descriptor, no
 * clock, no log.  It knows nothing of HTTP or frames.
 *
 * Each deployment has one FIFO per caller, served in turn.  A request is bound to a replica only
 * when that has a free slot (late binding), so replicas never queue.  A slot ends when user code
 * has really ended or its process died, never before: there is no other path.
 *
 *     IDLE ──submit──▶ QUEUED ──slot──▶ DISPATCHED ──started──▶ STARTED ──ended──▶ IDLE
 *                       │  ▲               │                        │
 *                       │  └── not taken ──┴── its replica died ────┘
 *                       └─cancel─▶ IDLE        (a cancel here is told to the replica: its end
 *                                               frees the slot)
 *
 * Callbacks must not call back into the router. */

#include "base/base.h"
#include "base/list.h"
#include "base/map.h"

enum {
    ROUTER_MAX_ATTEMPTS = 3, /* dispatches of one request of which none got STARTED */
    ROUTER_MODELS = 3,       /* that a replica is thought to hold: Ray's default */
};

struct router;
struct router_deployment;
struct router_queue;
struct router_replica;

enum request_state {
    REQUEST_IDLE,       /* not the router's */
    REQUEST_QUEUED,     /* waits for a slot */
    REQUEST_DISPATCHED, /* sent to a replica; user code has not begun */
    REQUEST_STARTED,    /* user code runs */
};

/* Embedded in its owner's request; zeroed by the owner, who then sets these. */
struct router_request {
    bool idempotent; /* may run twice: GET, HEAD, Idempotency-Key */
    bool
        is_spent; /* cannot be sent again: some of its body is gone, some of its answer passed on */
    uint64_t model; /* a hash of the model (@serve.multiplexed) that it asks for; 0: none */

    /* The router's. */
    bool cancelled; /* nobody waits for the answer, but the slot is still taken */
    bool retried;   /* was STARTED once before, on a replica that died */
    uint8_t n_attempts;
    uint64_t order; /* of submission: one that comes back gets its old place */
    enum request_state state;
    struct list link;               /* in queue.waiting or replica.running */
    struct router_queue *queue;     /* where it waits or came from; NULL once it cannot go back */
    struct router_replica *replica; /* while DISPATCHED or STARTED */
};

/* Who submits: the HTTP ingress, or the link of a replica or a driver.  Embedded in its owner. */
struct router_caller {
    struct list queues; /* of struct router_queue.of_caller */
};

void router_caller_init(struct router_caller *c);
/* All of its requests must be IDLE or cancelled. */
void router_caller_deinit(struct router_caller *c);

enum router_result {
    ROUTER_QUEUED,
    ROUTER_DISPATCHED, /* actions.dispatch was called */
    ROUTER_FULL, /* max_queued_requests of this caller are waiting; the request is not taken */
    ROUTER_UNAVAILABLE, /* the deployment failed to deploy; not taken */
};

enum router_failure {
    ROUTER_FAILURE_DIED,        /* its replica died after STARTED, or when it was spent */
    ROUTER_FAILURE_ATTEMPTS,    /* ROUTER_MAX_ATTEMPTS replicas died or refused before STARTED */
    ROUTER_FAILURE_UNAVAILABLE, /* the deployment turned unavailable while it was queued */
    ROUTER_FAILURE_REMOVED,     /* the deployment was deleted while it was queued */
};

struct router_actions {
    /* Send it to that replica, all of it: it may have been sent elsewhere before. */
    void (*dispatch)(void *user, struct router_request *r, struct router_replica *replica);
    /* Tell its replica that nobody wants the answer; the slot stays taken until router_ended(). */
    void (*revoke)(void *user, struct router_request *r);
    /* It is over and IDLE; a cancelled one has nobody to tell. */
    void (*fail)(void *user, struct router_request *r, enum router_failure why);
    /* A request waits at a deployment that has no replica at all. */
    void (*wake)(void *user, struct router_deployment *d);
};

struct router *router_new(const struct router_actions *actions, void *user, uint64_t seed)
    MUST_CHECK;
/* Fails everything queued; requests on replicas are forgotten.  NULL is fine. */
void router_free(struct router *router);

/* Deployments.  'id' is "app#deployment". */
struct router_limits {
    unsigned max_ongoing_requests;
    int max_queued_requests; /* -1: no limit */
    bool available;
};

struct router_deployment *router_deployment_set(struct router *router, struct span id,
                                                const struct router_limits *limits);
struct router_deployment *router_deployment_find(const struct router *router, struct span id);
void router_deployment_remove(struct router *router, struct router_deployment *d);

/* The next deployment after 'd' in no order; NULL starts and ends. */
struct router_deployment *router_deployment_next(const struct router *router,
                                                 const struct router_deployment *d);
struct span router_deployment_id(const struct router_deployment *d);
int router_deployment_max_queued(const struct router_deployment *d);
size_t router_deployment_queued(const struct router_deployment *d);
size_t router_deployment_ongoing(const struct router_deployment *d);
size_t router_deployment_replicas(const struct router_deployment *d); /* listed ones */
/* Requests of that caller that wait there now. */
size_t router_queued_by(const struct router_deployment *d, const struct router_caller *c);

/* Replicas.  One gets requests while it is both listed (by the controller) and connected (to us).
 */
struct router_replica *router_replica_find(const struct router *router, struct span id);
/* One that another deployment listed moves. */
void router_replica_list(struct router *router, struct router_deployment *d, struct span id);
void router_replica_unlist(struct router *router, struct router_replica *replica);
/* 'user' is the owner's link to it.  'n_running' slots are still taken by requests of an earlier
 * router; router_replica_release() gives one of them back. */
struct router_replica *router_replica_connect(struct router *router, struct span id, void *user,
                                              unsigned n_running);
void router_replica_release(struct router *router, struct router_replica *replica);
/* The link broke: the process is gone, or will connect again. */
void router_replica_lost(struct router *router, struct router_replica *replica);
/* The next listed replica of 'd' after 'replica'; NULL starts and ends. */
struct router_replica *router_replica_next(const struct router_deployment *d,
                                           const struct router_replica *replica);
void *router_replica_user(const struct router_replica *replica);
struct span router_replica_id(const struct router_replica *replica);

/* Requests. */
enum router_result router_submit(struct router *router, struct router_deployment *d,
                                 struct router_caller *caller, struct router_request *r) MUST_CHECK;
void router_started(struct router *router, struct router_request *r);
/* The replica said its last word about it: the slot is free, 'r' is IDLE. */
void router_ended(struct router *router, struct router_request *r);
/* The replica has not begun it and will not: it goes back to the head of its queue, or fails. */
void router_not_taken(struct router *router, struct router_request *r);
/* True: it is IDLE now.  False: actions.revoke was called, router_ended() will follow. */
bool router_cancel(struct router *router, struct router_request *r);

/* Asserts every invariant: slots are the sum of what runs, no limit is exceeded, nothing waits
 * while a slot is free.  For tests and simulation; linear in everything. */
void router_check(const struct router *router);

#endif
