/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_REPLICA_FSM_H
#define POLICY_REPLICA_FSM_H

/* The life of one replica as the controller sees it.  Events come from its node (it is ready, it
 * failed, it has ended) and from decisions (stop, update); each gives the next state and what that
 * means for the deployment.  Pure: time is a parameter, nothing is sent from here. */

#include "base/list.h"
#include "base/map.h"
#include "spec/overlay.h"

enum replica_state {
    REPLICA_STARTING,   /* waits for room, then for its constructor */
    REPLICA_UPDATING,   /* serves; a new config is being applied */
    REPLICA_RECOVERING, /* known from before the controller's restart, not yet reported */
    REPLICA_RUNNING,
    REPLICA_STOPPING, /* gets nothing new; still holds its resources */
    REPLICA_ENDED,    /* about to be forgotten */
    N_REPLICA_STATES,
};

enum replica_event {
    REPLICA_IS_COMING,    /* its node reports a phase before READY */
    REPLICA_IS_READY,     /* serves, with the config it was last given */
    REPLICA_FAILED,       /* its constructor, first health check or reconfigure raised */
    REPLICA_IS_UNHEALTHY, /* three health checks in a row failed */
    REPLICA_IS_GONE,      /* the process has ended */
    REPLICA_STOP,         /* we no longer want it */
    REPLICA_UPDATE,       /* we give it a new config */
    REPLICA_REMEMBER,     /* a new one is none: a controller before us had started it */
    N_REPLICA_EVENTS,
};

/* What an event means for the deployment. */
enum replica_outcome {
    REPLICA_FINE,
    REPLICA_DID_NOT_START, /* counts towards the deployment's limit of such failures */
    REPLICA_BROKE,         /* one that served does so no more */
};

enum { REPLICA_ID_SIZE = 8 };

struct deployment;

struct replica {
    struct list link;     /* in deployment.replicas */
    struct map_node node; /* in world.replicas, by id */
    struct deployment *deployment;
    char id[REPLICA_ID_SIZE + 1];
    enum replica_state state;
    uint64_t since_ms; /* when that state began */

    /* What it was started with, and so what it still is when its deployment has changed. */
    uint64_t version;        /* of code and everything that needs a restart */
    uint64_t config_version; /* of what may change in place */
    struct resource *claim;  /* n_claim of them, what it takes from its node; owned */
    size_t n_claim;
    uint64_t stop_wait_loop_ms;
    uint64_t stop_timeout_ms;

    char *node_id; /* NULL until it is placed; owned */
    char *waiting; /* why it is not placed, a sentence; owned */
    bool never_fits;

    bool is_asked;    /* the node was sent what this state demands */
    bool has_served;  /* was RUNNING once: it is drained before it is stopped */
    bool is_reported; /* by its node since the last link */

    /* Kept by the controller: what the routers know of it. */
    bool is_listed;          /* in the latest snapshot */
    uint64_t listed_version; /* of the snapshot that last changed that */
    bool is_settled;         /* every router has applied that snapshot */

    /* For the status only. */
    uint32_t pid; /* 0: none yet */
    double start_time_s;
};

/* The funnel: the only place that changes a replica's state. */
enum replica_outcome replica_feed(struct replica *r, enum replica_event event, uint64_t now_ms);

/* Whether requests may go to it.  One that served before the controller's restart goes on serving
 * until its node says otherwise. */
static inline bool replica_serves(const struct replica *r)
{
    return r->state == REPLICA_RUNNING || r->state == REPLICA_UPDATING ||
           (r->state == REPLICA_RECOVERING && r->has_served);
}

const char *replica_state_name(enum replica_state state); /* as GET shows it */

#endif
