/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTER_ROUTER_PRIV_H
#define ROUTER_ROUTER_PRIV_H

/* The router's own structs, shared by router.c (events), slots.c (replicas and the choice among
 * them) and queue.c (who waits, and whose turn it is). */

#include "router/router.h"

struct router {
    const struct router_actions *actions;
    void *user;
    uint64_t seed;
    uint64_t n_submitted;
    struct map deployments; /* of struct router_deployment.node; owned */
    struct map replicas;    /* of struct router_replica.node; owned */
};

struct router_deployment {
    struct map_node node; /* in router.deployments, by id */
    char *id;             /* owned */
    struct router_limits limits;
    struct list turns;    /* of struct router_queue.turn: those with somebody waiting, next first */
    struct list queues;   /* of struct router_queue.of_deployment; owned */
    struct list replicas; /* of struct router_replica.of_deployment: the listed ones */
    size_t n_replicas;
    size_t n_queued;
    size_t n_ongoing; /* on listed replicas */
};

/* The FIFO of one caller at one deployment. */
struct router_queue {
    struct router_deployment *deployment;
    struct router_caller *caller;
    struct list of_deployment;
    struct list of_caller;
    struct list turn;    /* in deployment.turns while somebody waits */
    struct list waiting; /* of struct router_request.link */
    size_t n_waiting;
};

struct router_replica {
    struct map_node node;                 /* in router.replicas, by id */
    char *id;                             /* owned */
    struct router_deployment *deployment; /* NULL while not listed */
    struct list of_deployment;
    struct list running;            /* of struct router_request.link */
    size_t n_running;               /* in that list */
    size_t n_foreign;               /* slots taken by requests of an earlier router */
    void *user;                     /* NULL while not connected */
    uint64_t models[ROUTER_MODELS]; /* those last asked for, the latest first; 0: none */
};

/* router.c: the only place where a request changes its state. */
void request_enter(struct router_request *r, enum request_state state);

/* queue.c */
struct router_queue *queue_of(struct router_deployment *d, struct router_caller *c); /* or NULL */
struct router_queue *queue_get(struct router_deployment *d, struct router_caller *c);
void queue_push_back(struct router_queue *q, struct router_request *r);
/* One that comes back waited before: it goes before those that came after it, and its caller is
 * next. */
void queue_put_back(struct router_queue *q, struct router_request *r);
void queue_remove(struct router_queue *q, struct router_request *r);
/* The request whose turn it is, taken out; its caller goes to the end of the turns.  NULL: nobody
 * waits. */
struct router_request *queue_pop_turn(struct router_deployment *d);
struct router_request *queue_peek_turn(const struct router_deployment *d);
void queue_free(struct router_queue *q); /* an empty one */

/* slots.c */
static inline size_t slots_taken(const struct router_replica *replica)
{
    return replica->n_running + replica->n_foreign;
}
/* A usable replica with a free slot, or NULL: one that holds the model, else one with the fewest
 * models if one is asked for; of these one with the fewest ongoing requests, ties by lot. */
struct router_replica *slots_choose(struct router *router, const struct router_deployment *d,
                                    uint64_t model);
void slots_take(struct router_replica *replica, struct router_request *r);
void slots_release(struct router_request *r);
/* Frees a replica that is neither listed nor connected nor running anything. */
void slots_forget(struct router *router, struct router_replica *replica);

#endif
