/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_DEPLOYMENT_H
#define POLICY_DEPLOYMENT_H

/* One deployment of an application: what it should be (its spec and the number of replicas) and the
 * replicas that it has.  deployment_decide() compares the two; world.h calls it.  Pure. */

#include "base/buf.h"
#include "policy/deployment_fsm.h"
#include "policy/replica_fsm.h"

struct app;
struct decision;

enum deployment_mode {
    DEPLOYMENT_LIVE,     /* belongs to the application's target */
    DEPLOYMENT_LEFTOVER, /* no longer: serves until the new target does */
    DEPLOYMENT_DELETING, /* its replicas stop, then it is forgotten */
};

struct deployment {
    struct list link; /* in app.deployments */
    struct app *app;
    char *name; /* owned */
    enum deployment_mode mode;
    /* In app.target; NULL when the target has it no more. */
    const struct deployment_spec *spec;
    uint64_t version; /* of the replicas that are wanted; see replica_fsm.h */
    uint64_t config_version;
    int64_t target;    /* replicas */
    int64_t scaled_to; /* by the scale API; -1: nobody asked */
    int64_t max_ongoing_requests;
    int64_t max_queued_requests;
    struct deployment_status status;
    unsigned n_failures;  /* starts of this version that failed in a row */
    bool has_started;     /* one of this version served */
    bool is_unplaceable;  /* no node will ever do, for long enough to say so */
    struct list replicas; /* of struct replica.link; owned */
};

struct deployment *deployment_new(struct app *app, const char *name) MUST_CHECK;
void deployment_free(struct deployment *d); /* with its replicas */

/* The new target.  'code' stands for the application's code, 'capacity' as in
 * rollout_at_capacity().  What had failed is tried again even if nothing changed. */
struct target_change {
    const struct deployment_spec *spec;
    const json_t *python;
    uint64_t code;
    double capacity;
};
void deployment_set_target(struct deployment *d, const struct target_change *change);
/* The target has it no more, but it serves on. */
void deployment_leave(struct deployment *d);
void deployment_delete(struct deployment *d);

/* What was remembered over the controller's restart; after deployment_set_target(). */
void deployment_restore(struct deployment *d, int64_t target, int64_t scaled_to);

/* POST scale: the status stays what it is. */
void deployment_scale(struct deployment *d, int64_t n_replicas);
/* Requests wait at a router. */
void deployment_on_queued(struct deployment *d, uint64_t n_queued);

/* An event of one of its replicas, which may be freed by it. 'detail' may be NULL. */
void deployment_on_replica(struct deployment *d, struct replica *r, enum replica_event event,
                           const char *detail, uint64_t now_ms);

/* A replica from before the controller's restart; the caller fills in what it knows. */
struct replica *deployment_add_replica(struct deployment *d, const char *id, uint64_t now_ms);

void deployment_decide(struct deployment *d, struct decision *decision);

bool deployment_is_available(const struct deployment *d); /* false: answer 503 at once */
size_t deployment_n_serving(const struct deployment *d);
/* What GET shows: the status's message, or why it waits. */
void deployment_message(const struct deployment *d, uint64_t now_ms, struct buf *out);

#endif
