/* SPDX-License-Identifier: Apache-2.0 */
#include "router/router.h"

#include "router/router_priv.h"

struct router *router_new(const struct router_actions *actions, void *user, uint64_t seed)
{
    struct router *router = mem_new(struct router);

    router->actions = actions;
    router->user = user;
    router->seed = seed ? seed : 1;
    map_init(&router->deployments);
    map_init(&router->replicas);
    return router;
}

void router_free(struct router *router)
{
    struct map_node *n;
    struct map_node *tmp;

    if (!router) {
        return;
    }
    MAP_FOREACH (n, tmp, &router->deployments) {
        router_deployment_remove(router, MAP_ENTRY(n, struct router_deployment, node));
    }
    MAP_FOREACH (n, tmp, &router->replicas) {
        struct router_replica *replica = MAP_ENTRY(n, struct router_replica, node);
        struct list *entry;

        while ((entry = list_pop_front(&replica->running))) {
            struct router_request *r = LIST_ENTRY(entry, struct router_request, link);

            request_enter(r, REQUEST_IDLE);
            r->replica = NULL;
        }
        free(replica->id);
        free(replica);
    }
    map_deinit(&router->deployments);
    map_deinit(&router->replicas);
    free(router);
}

void request_enter(struct router_request *r, enum request_state state)
{
    static const bool allowed[4][4] = {
        [REQUEST_IDLE] = {[REQUEST_QUEUED] = true, [REQUEST_DISPATCHED] = true},
        [REQUEST_QUEUED] = {[REQUEST_IDLE] = true},
        [REQUEST_DISPATCHED] = {[REQUEST_STARTED] = true, [REQUEST_IDLE] = true},
        [REQUEST_STARTED] = {[REQUEST_IDLE] = true},
    };

    ASSERT(allowed[r->state][state]);
    r->state = state;
}

static void fail(struct router *router, struct router_request *r, enum router_failure why)
{
    ASSERT(r->state == REQUEST_IDLE);
    router->actions->fail(router->user, r, why);
}

/* Binds who waits to what is free. */
static void pump(struct router *router, struct router_deployment *d)
{
    struct router_request *r;

    while ((r = queue_peek_turn(d))) {
        struct router_replica *replica = slots_choose(router, d, r->model);

        if (!replica) {
            return;
        }
        (void) queue_pop_turn(d);
        r->n_attempts++;
        slots_take(replica, r);
        router->actions->dispatch(router->user, r, replica);
    }
}

/* After what is rare: the request's deployment need not be the one that now lists the replica. */
static void pump_all(struct router *router)
{
    struct map_node *n;
    struct map_node *tmp;

    MAP_FOREACH (n, tmp, &router->deployments) {
        pump(router, MAP_ENTRY(n, struct router_deployment, node));
    }
}

/* Deployments. */

static void fail_queued(struct router *router, struct router_deployment *d, enum router_failure why)
{
    struct router_request *r;

    while ((r = queue_pop_turn(d))) {
        fail(router, r, why);
    }
}

/* What waits at a deployment that failed to deploy and has no replica left. */
static void fail_hopeless(struct router *router, struct router_deployment *d)
{
    if (!d->limits.available && d->n_replicas == 0) {
        fail_queued(router, d, ROUTER_FAILURE_UNAVAILABLE);
    }
}

struct router_deployment *router_deployment_find(const struct router *router, struct span id)
{
    struct map_node *n = map_get(&router->deployments, id);

    return n ? MAP_ENTRY(n, struct router_deployment, node) : NULL;
}

struct router_deployment *router_deployment_set(struct router *router, struct span id,
                                                const struct router_limits *limits)
{
    struct router_deployment *d = router_deployment_find(router, id);

    ASSERT(limits->max_ongoing_requests > 0);
    if (!d) {
        d = mem_new(struct router_deployment);
        d->id = mem_strndup(id.data, id.size);
        list_init(&d->turns);
        list_init(&d->queues);
        list_init(&d->replicas);
        map_put(&router->deployments, (struct span){d->id, id.size}, &d->node);
    }
    d->limits = *limits;
    fail_hopeless(router, d);
    pump(router, d);
    return d;
}

/* What still runs cannot come back to a queue of 'd'. */
static void forget_queues(struct router *router, const struct router_deployment *d)
{
    struct map_node *n;
    struct map_node *tmp;

    MAP_FOREACH (n, tmp, &router->replicas) {
        struct router_replica *replica = MAP_ENTRY(n, struct router_replica, node);
        struct router_request *r;

        LIST_FOREACH (r, &replica->running, link) {
            if (r->queue && r->queue->deployment == d) {
                r->queue = NULL;
            }
        }
    }
}

void router_deployment_remove(struct router *router, struct router_deployment *d)
{
    forget_queues(router, d);
    fail_queued(router, d, ROUTER_FAILURE_REMOVED);
    while (!list_empty(&d->replicas)) {
        router_replica_unlist(router,
                              LIST_ENTRY(d->replicas.next, struct router_replica, of_deployment));
    }
    while (!list_empty(&d->queues)) {
        queue_free(LIST_ENTRY(d->queues.next, struct router_queue, of_deployment));
    }
    map_remove(&router->deployments, &d->node);
    free(d->id);
    free(d);
}

struct router_deployment *router_deployment_next(const struct router *router,
                                                 const struct router_deployment *d)
{
    struct map_node *n = map_next(&router->deployments, d ? &d->node : NULL);

    return n ? MAP_ENTRY(n, struct router_deployment, node) : NULL;
}

struct span router_deployment_id(const struct router_deployment *d)
{
    return d->node.key;
}

int router_deployment_max_queued(const struct router_deployment *d)
{
    return d->limits.max_queued_requests;
}

size_t router_deployment_queued(const struct router_deployment *d)
{
    return d->n_queued;
}

size_t router_deployment_ongoing(const struct router_deployment *d)
{
    return d->n_ongoing;
}

size_t router_deployment_replicas(const struct router_deployment *d)
{
    return d->n_replicas;
}

size_t router_queued_by(const struct router_deployment *d, const struct router_caller *c)
{
    const struct router_queue *q;

    LIST_FOREACH (q, &c->queues, of_caller) {
        if (q->deployment == d) {
            return q->n_waiting;
        }
    }
    return 0;
}

/* Replicas. */

struct router_replica *router_replica_find(const struct router *router, struct span id)
{
    struct map_node *n = map_get(&router->replicas, id);

    return n ? MAP_ENTRY(n, struct router_replica, node) : NULL;
}

static struct router_replica *get_replica(struct router *router, struct span id)
{
    struct router_replica *replica = router_replica_find(router, id);

    if (!replica) {
        replica = mem_new(struct router_replica);
        replica->id = mem_strndup(id.data, id.size);
        list_init(&replica->of_deployment);
        list_init(&replica->running);
        map_put(&router->replicas, (struct span){replica->id, id.size}, &replica->node);
    }
    return replica;
}

static void take_off(struct router_replica *replica)
{
    struct router_deployment *d = replica->deployment;

    list_remove(&replica->of_deployment);
    replica->deployment = NULL;
    d->n_replicas--;
    d->n_ongoing -= replica->n_running;
}

void router_replica_list(struct router *router, struct router_deployment *d, struct span id)
{
    struct router_replica *replica = get_replica(router, id);
    struct router_deployment *before = replica->deployment;

    if (before && before != d) {
        take_off(replica);
        fail_hopeless(router, before);
    }
    if (!replica->deployment) {
        replica->deployment = d;
        list_push_back(&d->replicas, &replica->of_deployment);
        d->n_replicas++;
        d->n_ongoing += replica->n_running;
        pump(router, d);
    }
}

void router_replica_unlist(struct router *router, struct router_replica *replica)
{
    struct router_deployment *d = replica->deployment;

    if (d) {
        take_off(replica);
        slots_forget(router, replica);
        fail_hopeless(router, d);
    }
}

struct router_replica *router_replica_connect(struct router *router, struct span id, void *user,
                                              unsigned n_running)
{
    struct router_replica *replica = get_replica(router, id);

    ASSERT(user && !replica->user && replica->n_running == 0);
    replica->user = user;
    replica->n_foreign = n_running;
    if (replica->deployment) {
        pump(router, replica->deployment);
    }
    return replica;
}

void router_replica_release(struct router *router, struct router_replica *replica)
{
    ASSERT(replica->n_foreign > 0);
    replica->n_foreign--;
    if (replica->deployment) {
        pump(router, replica->deployment);
    }
}

/* Puts a request that its replica did not finish back to the head of its queue, or ends it. */
static void give_back(struct router *router, struct router_request *r, bool was_started)
{
    const struct router_deployment *d = r->queue ? r->queue->deployment : NULL;

    if (r->cancelled || r->is_spent || (was_started && (!r->idempotent || r->retried))) {
        fail(router, r, ROUTER_FAILURE_DIED);
    } else if (!was_started && r->n_attempts >= ROUTER_MAX_ATTEMPTS) {
        fail(router, r, ROUTER_FAILURE_ATTEMPTS);
    } else if (!d) {
        fail(router, r, ROUTER_FAILURE_REMOVED);
    } else if (!d->limits.available && d->n_replicas == 0) {
        fail(router, r, ROUTER_FAILURE_UNAVAILABLE);
    } else {
        r->retried |= was_started;
        queue_put_back(r->queue, r);
    }
}

/* From the youngest on, so that the oldest ends up first in its queue. */
void router_replica_lost(struct router *router, struct router_replica *replica)
{
    ASSERT(replica->user);
    replica->user = NULL;
    memset(replica->models, 0, sizeof(replica->models));
    replica->n_foreign = 0;
    while (!list_empty(&replica->running)) {
        struct router_request *r = LIST_ENTRY(replica->running.prev, struct router_request, link);
        bool was_started = r->state == REQUEST_STARTED;

        slots_release(r);
        give_back(router, r, was_started);
    }
    slots_forget(router, replica);
    pump_all(router);
}

struct router_replica *router_replica_next(const struct router_deployment *d,
                                           const struct router_replica *replica)
{
    struct list *next = replica ? replica->of_deployment.next : d->replicas.next;

    return next == &d->replicas ? NULL : LIST_ENTRY(next, struct router_replica, of_deployment);
}

void *router_replica_user(const struct router_replica *replica)
{
    return replica->user;
}

struct span router_replica_id(const struct router_replica *replica)
{
    return replica->node.key;
}

/* Requests. */

enum router_result router_submit(struct router *router, struct router_deployment *d,
                                 struct router_caller *caller, struct router_request *r)
{
    struct router_queue *q;

    ASSERT(r->state == REQUEST_IDLE);
    if (!d->limits.available) {
        return ROUTER_UNAVAILABLE;
    }
    q = queue_get(d, caller);
    if (d->limits.max_queued_requests >= 0 &&
        q->n_waiting >= (size_t) d->limits.max_queued_requests && !slots_choose(router, d, 0)) {
        return ROUTER_FULL;
    }
    r->order = router->n_submitted++;
    queue_push_back(q, r);
    pump(router, d);
    if (r->state == REQUEST_QUEUED && d->n_replicas == 0) {
        router->actions->wake(router->user, d);
    }
    return r->state == REQUEST_QUEUED ? ROUTER_QUEUED : ROUTER_DISPATCHED;
}

void router_started(struct router *router, struct router_request *r)
{
    (void) router;
    if (r->state == REQUEST_DISPATCHED) {
        request_enter(r, REQUEST_STARTED);
    }
}

void router_ended(struct router *router, struct router_request *r)
{
    struct router_replica *replica = r->replica;
    struct router_deployment *d = replica->deployment;

    slots_release(r);
    slots_forget(router, replica);
    if (d) {
        pump(router, d);
    }
}

void router_not_taken(struct router *router, struct router_request *r)
{
    struct router_replica *replica = r->replica;

    ASSERT(r->state == REQUEST_DISPATCHED);
    slots_release(r);
    slots_forget(router, replica);
    give_back(router, r, false);
    pump_all(router);
}

bool router_cancel(struct router *router, struct router_request *r)
{
    switch (r->state) {
    case REQUEST_IDLE: return true;
    case REQUEST_QUEUED: queue_remove(r->queue, r); return true;
    case REQUEST_DISPATCHED:
    case REQUEST_STARTED:
        if (!r->cancelled) {
            r->cancelled = true;
            r->queue = NULL; /* its caller may go now */
            router->actions->revoke(router->user, r);
        }
        return false;
    }
    NOT_REACHED();
}

/* Invariants. */

static void check_deployment(const struct router_deployment *d)
{
    const struct router_queue *q;
    const struct router_replica *replica;
    const struct router_request *r;
    size_t n_queued = 0;
    size_t n_ongoing = 0;
    size_t n_replicas = 0;
    bool has_free = false;

    LIST_FOREACH (q, &d->queues, of_deployment) {
        size_t n = 0;

        LIST_FOREACH (r, &q->waiting, link) {
            ASSERT(r->state == REQUEST_QUEUED && r->queue == q && !r->replica && !r->cancelled);
            n++;
        }
        ASSERT(n == q->n_waiting && list_linked(&q->turn) == (n > 0));
        n_queued += n;
    }
    LIST_FOREACH (replica, &d->replicas, of_deployment) {
        ASSERT(replica->deployment == d);
        has_free |= replica->user && slots_taken(replica) < d->limits.max_ongoing_requests;
        n_ongoing += replica->n_running;
        n_replicas++;
    }
    ASSERT(n_queued == d->n_queued && n_ongoing == d->n_ongoing && n_replicas == d->n_replicas);
    ASSERT(n_queued == 0 || !has_free);
}

void router_check(const struct router *router)
{
    struct map_node *n;
    struct map_node *tmp;

    MAP_FOREACH (n, tmp, &router->deployments) {
        check_deployment(MAP_ENTRY(n, struct router_deployment, node));
    }
    MAP_FOREACH (n, tmp, &router->replicas) {
        const struct router_replica *replica = MAP_ENTRY(n, struct router_replica, node);
        const struct router_request *r;
        size_t n_running = 0;

        LIST_FOREACH (r, &replica->running, link) {
            ASSERT(r->replica == replica &&
                   (r->state == REQUEST_DISPATCHED || r->state == REQUEST_STARTED));
            n_running++;
        }
        ASSERT(n_running == replica->n_running);
        ASSERT(replica->user || replica->n_running == 0);
    }
}
