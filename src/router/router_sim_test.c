/* SPDX-License-Identifier: Apache-2.0 */
/* The router against random events: a second, naive account of every request says what may happen
 * next, and the router must agree.  No request is lost, answered twice or sent where it may not
 * run; no slot leaks; each caller's order and turn are kept.  A million events by default;
 * ROUTER_SIM_EVENTS and ROUTER_SIM_SEED choose others. */

#include "router/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum {
    N_REQUESTS = 192,
    N_DEPLOYMENTS = 3,
    N_CALLERS = 5,
    N_REPLICAS = 10,
    CHECK_EVERY = 64,
};

enum sim_state { FREE, WAITING, SENT, BEGUN };

struct sim_request {
    struct router_request r;
    enum sim_state state;
    int deployment;
    int caller;
    int replica; /* SENT, BEGUN */
    uint64_t order;
    int n_sent; /* without having begun */
    bool retried;
    bool cancelled;
    int is_orphan;  /* its deployment was removed: it cannot wait again */
    int may_fail;   /* the event being fed is to fail it: this many times */
    int may_revoke; /* … to have its replica told */
};

struct sim_replica {
    char id[8];
    struct router_replica *router;
    bool connected;
    int listed; /* deployment, or -1 */
    int n_running;
    int n_foreign;
};

struct sim_deployment {
    char id[8];
    struct router_deployment *router; /* NULL while removed */
    struct router_limits limits;
    int n_passed[N_CALLERS]; /* others served while this one waited */
    int n_jumps;             /* requests that came back since the start: they go first */
};

static struct {
    struct router *router;
    uint64_t seed;
    uint64_t n_submitted;
    uint64_t n_wakes;
    struct sim_request requests[N_REQUESTS];
    struct sim_deployment deployments[N_DEPLOYMENTS];
    struct sim_replica replicas[N_REPLICAS];
    struct router_caller callers[N_CALLERS];
    int jumps_seen[N_DEPLOYMENTS][N_CALLERS];
} sim;

static unsigned draw(unsigned n)
{
    sim.seed ^= sim.seed << 13;
    sim.seed ^= sim.seed >> 7;
    sim.seed ^= sim.seed << 17;
    return (unsigned) (sim.seed >> 20) % n;
}

static struct span id_of(const char *id)
{
    return span_of(id);
}

/* --- the naive account -------------------------------------------------------------------------
 */

static int count_waiting(int deployment, int caller)
{
    int n = 0;

    for (int i = 0; i < N_REQUESTS; i++) {
        const struct sim_request *q = &sim.requests[i];

        n += q->state == WAITING && q->deployment == deployment && q->caller == caller;
    }
    return n;
}

static bool is_usable(const struct sim_replica *replica, int deployment)
{
    return replica->connected && replica->listed == deployment;
}

static bool has_free_slot(int deployment)
{
    int limit = (int) sim.deployments[deployment].limits.max_ongoing_requests;

    for (int i = 0; i < N_REPLICAS; i++) {
        const struct sim_replica *p = &sim.replicas[i];

        if (is_usable(p, deployment) && p->n_running + p->n_foreign < limit) {
            return true;
        }
    }
    return false;
}

static int count_listed(int deployment)
{
    int n = 0;

    for (int i = 0; i < N_REPLICAS; i++) {
        n += sim.replicas[i].listed == deployment;
    }
    return n;
}

static void set_free(struct sim_request *q)
{
    ASSERT(q->r.state == REQUEST_IDLE);
    *q = (struct sim_request){.state = FREE};
}

static void begins_to_wait(int deployment, int caller)
{
    sim.deployments[deployment].n_passed[caller] = 0;
    sim.jumps_seen[deployment][caller] = sim.deployments[deployment].n_jumps;
}

/* Turns: while a caller waits, each other one goes at most once before it, but for those that came
 * back from a dead replica. */
static void served(int deployment, int caller)
{
    struct sim_deployment *d = &sim.deployments[deployment];

    for (int c = 0; c < N_CALLERS; c++) {
        if (c == caller || count_waiting(deployment, c) == 0) {
            begins_to_wait(deployment, c);
            continue;
        }
        d->n_passed[c]++;
        ASSERT(d->n_passed[c] <= N_CALLERS - 1 + d->n_jumps - sim.jumps_seen[deployment][c]);
    }
}

static void on_dispatch(void *user, struct router_request *r, struct router_replica *replica)
{
    struct sim_request *q = CONTAINER_OF(r, struct sim_request, r);
    struct sim_replica *p = router_replica_user(replica);
    const struct sim_deployment *d = &sim.deployments[q->deployment];

    (void) user;
    ASSERT(q->state == WAITING && !q->cancelled && !q->may_fail);
    ASSERT(is_usable(p, q->deployment) && p->router == replica);
    ASSERT(p->n_running + p->n_foreign < (int) d->limits.max_ongoing_requests);
    for (int i = 0; i < N_REPLICAS; i++) { /* the fewest ongoing */
        const struct sim_replica *other = &sim.replicas[i];

        ASSERT(q->r.model != 0 || !is_usable(other, q->deployment) ||
               other->n_running + other->n_foreign >= p->n_running + p->n_foreign);
    }
    for (int i = 0; i < N_REQUESTS; i++) { /* the first of its caller */
        const struct sim_request *other = &sim.requests[i];

        ASSERT(other->state != WAITING || other->deployment != q->deployment ||
               other->caller != q->caller || other->order >= q->order);
    }
    q->state = SENT;
    q->replica = (int) (p - sim.replicas);
    q->n_sent++;
    p->n_running++;
    served(q->deployment, q->caller);
}

static void on_revoke(void *user, struct router_request *r)
{
    struct sim_request *q = CONTAINER_OF(r, struct sim_request, r);

    (void) user;
    ASSERT(q->may_revoke-- == 1);
}

static void on_fail(void *user, struct router_request *r, enum router_failure why)
{
    struct sim_request *q = CONTAINER_OF(r, struct sim_request, r);

    (void) user;
    ASSERT(q->may_fail == 1 + (int) why);
    set_free(q);
}

static void on_wake(void *user, struct router_deployment *d)
{
    (void) user;
    ASSERT(router_deployment_replicas(d) == 0 && router_deployment_queued(d) > 0);
    sim.n_wakes++;
}

static const struct router_actions actions = {on_dispatch, on_revoke, on_fail, on_wake};

/* --- events ------------------------------------------------------------------------------------
 */

/* A random request in one of two states, or NULL. */
static struct sim_request *pick(enum sim_state a, enum sim_state b)
{
    unsigned from = draw(N_REQUESTS);

    for (unsigned i = 0; i < N_REQUESTS; i++) {
        struct sim_request *q = &sim.requests[(from + i) % N_REQUESTS];

        if (q->state == a || q->state == b) {
            return q;
        }
    }
    return NULL;
}

static void submit(void)
{
    struct sim_request *q = pick(FREE, FREE);
    int deployment = (int) draw(N_DEPLOYMENTS);
    int caller = (int) draw(N_CALLERS);
    struct sim_deployment *d = &sim.deployments[deployment];
    uint64_t n_wakes = sim.n_wakes;
    int n = count_waiting(deployment, caller);
    bool is_free = has_free_slot(deployment);
    enum router_result result;

    if (!q || !d->router) {
        return;
    }
    *q = (struct sim_request){.state = WAITING,
                              .deployment = deployment,
                              .caller = caller,
                              .order = sim.n_submitted++,
                              .r.idempotent = draw(3) == 0,
                              .r.model = draw(4) == 0 ? 1 + draw(5) : 0};
    if (n == 0) {
        begins_to_wait(deployment, caller);
    }
    result = router_submit(sim.router, d->router, &sim.callers[caller], &q->r);
    switch (result) {
    case ROUTER_UNAVAILABLE: ASSERT(!d->limits.available); break;
    case ROUTER_FULL:
        ASSERT(d->limits.max_queued_requests >= 0 && n >= d->limits.max_queued_requests);
        ASSERT(!is_free);
        break;
    case ROUTER_QUEUED:
        ASSERT(q->state == WAITING && !is_free);
        ASSERT(d->limits.max_queued_requests < 0 || n < d->limits.max_queued_requests);
        ASSERT(sim.n_wakes == n_wakes + (count_listed(deployment) == 0));
        return;
    case ROUTER_DISPATCHED: ASSERT(q->state == SENT && is_free); return;
    }
    set_free(q);
}

static void start(void)
{
    struct sim_request *q = pick(SENT, SENT);

    if (q) {
        q->state = BEGUN;
        router_started(sim.router, &q->r);
        if (draw(8) == 0) {
            q->r.is_spent = true; /* some of its answer has come */
        }
    }
}

static void end(void)
{
    struct sim_request *q = pick(SENT, BEGUN);
    int replica;

    if (q) {
        replica = q->replica;
        q->state = FREE;
        sim.replicas[replica].n_running--;
        router_ended(sim.router, &q->r);
        set_free(q);
    }
}

/* What is to become of a request whose replica did not finish it. */
static void expect_return(struct sim_request *q)
{
    const struct sim_deployment *d = &sim.deployments[q->deployment];
    bool has_begun = q->state == BEGUN;

    if (q->cancelled || q->r.is_spent || (has_begun && (!q->r.idempotent || q->retried))) {
        q->may_fail = 1 + ROUTER_FAILURE_DIED;
    } else if (!has_begun && q->n_sent >= ROUTER_MAX_ATTEMPTS) {
        q->may_fail = 1 + ROUTER_FAILURE_ATTEMPTS;
    } else if (q->is_orphan) {
        q->may_fail = 1 + ROUTER_FAILURE_REMOVED;
    } else if (!d->limits.available && count_listed(q->deployment) == 0) {
        q->may_fail = 1 + ROUTER_FAILURE_UNAVAILABLE;
    } else {
        q->state = WAITING;
        q->retried |= has_begun;
        sim.deployments[q->deployment].n_jumps++;
    }
}

static void not_taken(void)
{
    struct sim_request *q = pick(SENT, SENT);

    if (q) {
        sim.replicas[q->replica].n_running--;
        expect_return(q);
        router_not_taken(sim.router, &q->r);
    }
}

static void cancel(struct sim_request *q)
{
    if (!q || q->state == FREE) {
        return;
    }
    q->may_revoke = q->state != WAITING && !q->cancelled;
    if (q->state == WAITING) {
        q->state = FREE;
        ASSERT(router_cancel(sim.router, &q->r));
        set_free(q);
    } else {
        q->cancelled = true;
        ASSERT(!router_cancel(sim.router, &q->r));
        ASSERT(q->may_revoke == 0);
    }
}

/* The link of a caller ends, and another one comes. */
static void replace_caller(void)
{
    int caller = (int) draw(N_CALLERS);

    for (int i = 0; i < N_REQUESTS; i++) {
        if (sim.requests[i].state != FREE && sim.requests[i].caller == caller) {
            cancel(&sim.requests[i]);
        }
    }
    router_caller_deinit(&sim.callers[caller]);
    router_caller_init(&sim.callers[caller]);
    for (int d = 0; d < N_DEPLOYMENTS; d++) {
        begins_to_wait(d, caller);
    }
}

static void connect_replica(struct sim_replica *p)
{
    if (!p->connected) {
        p->connected = true;
        p->n_foreign = (int) draw(8) == 0 ? (int) draw(3) : 0;
        p->router = router_replica_find(sim.router, id_of(p->id));
        /* The dispatches of connect ask for it: it is the listed one, or nobody sends there. */
        p->router = router_replica_connect(sim.router, id_of(p->id), p, (unsigned) p->n_foreign);
    }
}

static void release(struct sim_replica *p)
{
    if (p->connected && p->n_foreign > 0) {
        p->n_foreign--;
        router_replica_release(sim.router, p->router);
    }
}

static void lose(struct sim_replica *p)
{
    if (!p->connected) {
        return;
    }
    p->connected = false;
    p->n_running = 0;
    p->n_foreign = 0;
    for (int i = 0; i < N_REQUESTS; i++) {
        struct sim_request *q = &sim.requests[i];

        if ((q->state == SENT || q->state == BEGUN) && &sim.replicas[q->replica] == p) {
            expect_return(q);
        }
    }
    router_replica_lost(sim.router, p->router);
}

static void expect_hopeless(int deployment)
{
    for (int i = 0; i < N_REQUESTS; i++) {
        struct sim_request *q = &sim.requests[i];

        if (q->state == WAITING && q->deployment == deployment &&
            !sim.deployments[deployment].limits.available && count_listed(deployment) == 0) {
            q->may_fail = 1 + ROUTER_FAILURE_UNAVAILABLE;
        }
    }
}

static void list_replica(struct sim_replica *p, int deployment)
{
    int before = p->listed;

    if (sim.deployments[deployment].router) {
        p->listed = deployment;
        if (before >= 0 && before != deployment) {
            expect_hopeless(before);
        }
        router_replica_list(sim.router, sim.deployments[deployment].router, id_of(p->id));
    }
}

static void unlist_replica(struct sim_replica *p)
{
    struct router_replica *replica = router_replica_find(sim.router, id_of(p->id));
    int before = p->listed;

    if (before >= 0) {
        p->listed = -1;
        expect_hopeless(before);
        router_replica_unlist(sim.router, replica);
    }
}

static void set_deployment(int deployment, bool available)
{
    struct sim_deployment *d = &sim.deployments[deployment];

    d->limits = (struct router_limits){.max_ongoing_requests = 1 + draw(4),
                                       .max_queued_requests = (int) draw(12) - 1,
                                       .available = available};
    expect_hopeless(deployment);
    d->router = router_deployment_set(sim.router, id_of(d->id), &d->limits);
}

static void remove_deployment(int deployment)
{
    struct sim_deployment *d = &sim.deployments[deployment];

    if (!d->router) {
        return;
    }
    for (int i = 0; i < N_REQUESTS; i++) {
        struct sim_request *q = &sim.requests[i];

        if (q->state != FREE && q->deployment == deployment) {
            q->is_orphan = true;
            q->may_fail = q->state == WAITING ? 1 + ROUTER_FAILURE_REMOVED : 0;
        }
    }
    for (int i = 0; i < N_REPLICAS; i++) {
        if (sim.replicas[i].listed == deployment) {
            sim.replicas[i].listed = -1;
        }
    }
    router_deployment_remove(sim.router, d->router);
    *d = (struct sim_deployment){.id = {d->id[0]}};
    memset(sim.jumps_seen[deployment], 0, sizeof(sim.jumps_seen[deployment]));
}

static void rare_event(void)
{
    struct sim_replica *p = &sim.replicas[draw(N_REPLICAS)];
    int deployment = (int) draw(N_DEPLOYMENTS);
    unsigned what = draw(100);

    if (what < 30) {
        connect_replica(p);
    } else if (what < 45) {
        lose(p);
    } else if (what < 65) {
        list_replica(p, deployment);
    } else if (what < 75) {
        unlist_replica(p);
    } else if (what < 90) {
        release(p);
    } else if (what < 97) {
        set_deployment(deployment, draw(5) > 0);
    } else if (what < 99) {
        replace_caller();
    } else {
        remove_deployment(deployment);
    }
}

static void step(void)
{
    unsigned what = draw(100);

    if (what < 38) {
        submit();
    } else if (what < 58) {
        start();
    } else if (what < 84) {
        end();
    } else if (what < 86) {
        not_taken();
    } else if (what < 93) {
        cancel(&sim.requests[draw(N_REQUESTS)]);
    } else {
        rare_event();
    }
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static void compare(void)
{
    size_t n_waiting[N_DEPLOYMENTS] = {0};

    router_check(sim.router);
    for (int i = 0; i < N_REQUESTS; i++) {
        const struct sim_request *q = &sim.requests[i];

        ASSERT((q->state == FREE) == (q->r.state == REQUEST_IDLE));
        ASSERT((q->state == WAITING) == (q->r.state == REQUEST_QUEUED));
        ASSERT((q->state == BEGUN) == (q->r.state == REQUEST_STARTED));
        n_waiting[q->deployment] += q->state == WAITING;
    }
    for (int i = 0; i < N_DEPLOYMENTS; i++) {
        const struct sim_deployment *d = &sim.deployments[i];

        ASSERT(!d->router || router_deployment_queued(d->router) == n_waiting[i]);
        ASSERT(!d->router || router_deployment_replicas(d->router) == (size_t) count_listed(i));
    }
}

/* All that was accepted comes to its end once there is somebody to run it. */
static void drain(void)
{
    struct sim_request *q;

    for (int i = 0; i < N_DEPLOYMENTS; i++) {
        set_deployment(i, true);
    }
    for (int i = 0; i < N_REPLICAS; i++) {
        connect_replica(&sim.replicas[i]);
        list_replica(&sim.replicas[i], i % N_DEPLOYMENTS);
        while (sim.replicas[i].n_foreign > 0) {
            release(&sim.replicas[i]);
        }
    }
    while (pick(SENT, BEGUN)) {
        end();
    }
    q = pick(WAITING, WAITING);
    ASSERT(!q);
    compare();
    for (int i = 0; i < N_DEPLOYMENTS; i++) {
        ASSERT(router_deployment_ongoing(sim.deployments[i].router) == 0);
    }
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void begin(void)
{
    sim.seed = number_of("ROUTER_SIM_SEED", 20251219);
    sim.router = router_new(&actions, NULL, sim.seed);
    for (int i = 0; i < N_CALLERS; i++) {
        router_caller_init(&sim.callers[i]);
    }
    for (int i = 0; i < N_DEPLOYMENTS; i++) {
        sim.deployments[i].id[0] = (char) ('A' + i);
        set_deployment(i, true);
    }
    for (int i = 0; i < N_REPLICAS; i++) {
        sim.replicas[i] = (struct sim_replica){.id = {(char) ('a' + i)}, .listed = -1};
    }
}

static void random_events_lose_no_request_and_leak_no_slot(void **state)
{
    uint64_t n_events = number_of("ROUTER_SIM_EVENTS", 1000000);

    (void) state;
    begin();
    for (uint64_t i = 0; i < n_events; i++) {
        step();
        if (i % CHECK_EVERY == 0) {
            compare();
        }
        if (i % (n_events / 8 + 1) == 0) {
            drain();
        }
    }
    drain();
    assert_true(sim.n_submitted > n_events / 10 && sim.n_wakes > 0);
    router_free(sim.router);
    for (int i = 0; i < N_CALLERS; i++) {
        router_caller_deinit(&sim.callers[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_events_lose_no_request_and_leak_no_slot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
