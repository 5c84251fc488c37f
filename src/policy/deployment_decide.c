/* SPDX-License-Identifier: Apache-2.0 */
/* What a deployment has against what it should have: which replicas start, stop and change. */

#include "policy/deployment_priv.h"
#include "policy/rollout.h"
#include "policy/world.h"

enum { NEVER_FITS_MS = 30 * 1000 }; /* after this the deployment fails */

static bool is_old(const struct deployment *d, const struct replica *r)
{
    return r->version != d->version;
}

static void stop(struct replica *r, struct decision *decision)
{
    replica_feed(r, REPLICA_STOP, decision->now_ms);
    decision->world->is_changed = true;
    if (!r->node_id) {
        replica_forget(r); /* nobody was asked to start it */
    }
}

static struct rollout count(const struct deployment *d)
{
    struct rollout c = {.target = d->target, .is_halted = deployment_is_halted(d)};
    const struct replica *r;

    LIST_FOREACH (r, &d->replicas, link) {
        if (is_old(d, r)) {
            c.old_running += replica_serves(r) ? 1 : 0;
            c.old_stopping += r->state == REPLICA_STOPPING ? 1 : 0;
        } else if (r->state != REPLICA_STOPPING) {
            c.new_running += replica_serves(r) ? 1 : 0;
            c.new_pending += replica_serves(r) ? 0 : 1;
        }
        c.is_blocked |=
            !is_old(d, r) && r->state == REPLICA_STARTING && r->waiting && !r->never_fits;
    }
    return c;
}

/* The youngest one that is old (or not) and serves (or not); NULL: there is none. */
static struct replica *victim(const struct deployment *d, bool old, bool serves)
{
    struct replica *found = NULL;
    struct replica *r;

    LIST_FOREACH (r, &d->replicas, link) {
        if (r->state != REPLICA_STOPPING && is_old(d, r) == old && replica_serves(r) == serves) {
            found = r;
        }
    }
    return found;
}

static void stop_some(struct deployment *d, int64_t n, bool old, bool serves,
                      struct decision *decision)
{
    struct replica *r;

    while (n-- > 0 && (r = victim(d, old, serves))) {
        stop(r, decision);
    }
}

/* What one replica takes from its node: its own resources, or its placement group's. */
static void set_claim(struct replica *r, const struct deployment_spec *s)
{
    json_t *sum;

    if (!s->bundles) {
        r->n_claim = s->n_resources;
        r->claim = mem_alloc(MAX(s->n_resources, 1) * sizeof(*r->claim));
        for (size_t i = 0; i < s->n_resources; i++) {
            r->claim[i] =
                (struct resource){mem_strdup(s->resources[i].name), s->resources[i].amount};
        }
        return;
    }
    sum = json_object();
    for (size_t i = 0; i < json_array_size(s->bundles); i++) {
        const char *name;
        json_t *amount;

        json_object_foreach(json_array_get(s->bundles, i), name, amount)
        {
            double before = json_number_value(json_object_get(sum, name));

            json_object_set_new(sum, name, json_real(before + json_number_value(amount)));
        }
    }
    r->claim = place_resources(sum, &r->n_claim);
    json_decref(sum);
}

static void start_one(struct deployment *d, struct decision *decision)
{
    char id[REPLICA_ID_SIZE + 1];
    struct replica *r;

    world_make_id(decision->world, id, REPLICA_ID_SIZE);
    r = deployment_add_replica(d, id, decision->now_ms);
    r->version = d->version;
    r->config_version = d->config_version;
    set_claim(r, d->spec);
    deployment_set_stop_times(r, d->spec);
}

static int64_t count_on_node(const void *user, const struct place_node *n)
{
    const struct deployment *d = user;
    const struct replica *r;
    int64_t count = 0;

    LIST_FOREACH (r, &d->replicas, link) {
        count += r->node_id && strcmp(r->node_id, n->id) == 0 ? 1 : 0;
    }
    return count;
}

static void place(struct deployment *d, struct replica *r, struct decision *decision)
{
    struct place_claim claim = {.resources = r->claim,
                                .n_resources = r->n_claim,
                                .max_per_node = d->spec ? d->spec->max_replicas_per_node : 0,
                                .count = count_on_node,
                                .user = d};
    struct place_node *n = NULL;
    enum place_verdict verdict;
    struct buf why;

    buf_init(&why);
    verdict = placement_choose(&decision->world->placement, &claim, &n, &why);
    free(r->waiting);
    r->waiting = verdict == PLACE_FITS ? NULL : buf_take_str(&why);
    r->never_fits = verdict == PLACE_NEVER;
    if (verdict == PLACE_FITS) {
        r->node_id = mem_strdup(n->id);
        r->config_version = d->config_version; /* it is started with the latest */
        placement_take(n, r->claim, r->n_claim);
        decision->world->is_changed = true;
    }
    buf_deinit(&why);
}

static void place_all(struct deployment *d, struct decision *decision)
{
    struct replica *r;

    LIST_FOREACH (r, &d->replicas, link) {
        if (r->state == REPLICA_STARTING && !r->node_id && !is_old(d, r)) {
            place(d, r, decision);
        }
    }
}

static void apply(struct deployment *d, const struct rollout_plan *plan, struct decision *decision)
{
    int64_t n_pending = count(d).new_pending;

    stop_some(d, INT64_MAX, true, false, decision); /* old and not serving: of no use */
    stop_some(d, plan->stop_old, true, true, decision);
    stop_some(d, MIN(plan->stop_new, n_pending), false, false, decision);
    stop_some(d, plan->stop_new - n_pending, false, true, decision);
    for (int64_t i = 0; i < plan->start; i++) {
        start_one(d, decision);
    }
}

static void roll_out(struct deployment *d, struct decision *decision)
{
    struct rollout counts = count(d);
    struct rollout_plan plan = rollout_plan(&counts);

    apply(d, &plan, decision);
    place_all(d, decision);
    counts = count(d);
    if (counts.is_blocked && counts.old_running > 0) {
        plan = rollout_plan(&counts);
        plan.start = 0;
        apply(d, &plan, decision);
    }
}

/* A changed config reaches replicas in place, as few at a time as a roll-out replaces. */
static void update_in_place(struct deployment *d, struct decision *decision)
{
    int64_t room = rollout_size(d->target);
    struct replica *r;

    LIST_FOREACH (r, &d->replicas, link) {
        room -= r->state == REPLICA_UPDATING ? 1 : 0;
    }
    LIST_FOREACH (r, &d->replicas, link) {
        bool differs = !is_old(d, r) && r->config_version != d->config_version;

        if (differs &&
            (r->state == REPLICA_UPDATING || (r->state == REPLICA_RUNNING && room > 0))) {
            room -= r->state == REPLICA_RUNNING ? 1 : 0;
            replica_feed(r, REPLICA_UPDATE, decision->now_ms);
            r->config_version = d->config_version;
            decision->world->is_changed = true;
        }
    }
}

static bool may_stop_now(const struct replica *r)
{
    return !r->has_served || (!r->is_listed && r->is_settled);
}

static void ask_to_stop(struct replica *r, struct decision *decision)
{
    bool is_hurried = decision->world->is_hurried;

    if (may_stop_now(r)) {
        r->is_asked = true;
        decision_add(decision,
                     (struct action){.kind = ACTION_STOP,
                                     .replica = r,
                                     .wait_loop_ms = is_hurried ? MIN(r->stop_wait_loop_ms, 100U)
                                                                : r->stop_wait_loop_ms,
                                     .timeout_ms = r->has_served ? r->stop_timeout_ms : 0});
    }
}

/* What its node still has to be told. */
static void ask(struct replica *r, struct decision *decision)
{
    const struct place_node *n =
        r->node_id ? placement_find(&decision->world->placement, r->node_id) : NULL;

    if (r->is_asked || !n || !n->is_up) {
        return;
    }
    switch (r->state) {
    case REPLICA_STARTING:
        r->is_asked = true;
        decision_add(decision, (struct action){.kind = ACTION_START, .replica = r});
        break;
    case REPLICA_UPDATING:
        r->is_asked = true;
        decision_add(decision, (struct action){.kind = ACTION_RECONFIGURE, .replica = r});
        break;
    case REPLICA_STOPPING: ask_to_stop(r, decision); break;
    case REPLICA_RUNNING:
    case REPLICA_RECOVERING:
    case REPLICA_ENDED:
    case N_REPLICA_STATES: break;
    }
}

static void check_room(struct deployment *d, struct decision *decision)
{
    const struct replica *r;
    char *text CLEANUP(mem_freep) = NULL;

    LIST_FOREACH (r, &d->replicas, link) {
        if (!r->never_fits || r->state != REPLICA_STARTING || decision->world->waits_for_nodes ||
            d->is_unplaceable) {
            continue;
        }
        if (decision->now_ms < r->since_ms + NEVER_FITS_MS) {
            decision_wait_until(decision, r->since_ms + NEVER_FITS_MS);
            continue;
        }
        d->is_unplaceable = true;
        text = mem_printf("Deployment '%s' in application '%s' cannot be placed. %s", d->name,
                          d->app->name, r->waiting);
        (void) deployment_status_feed(&d->status, DEPLOYMENT_CANNOT_START, text);
        return;
    }
}

/* Everything that should run runs, is known to the routers, and nothing else is routed to. */
static bool is_complete(const struct deployment *d)
{
    const struct replica *r;
    int64_t n_running = 0;

    LIST_FOREACH (r, &d->replicas, link) {
        if (r->state == REPLICA_STOPPING) {
            if (!r->is_asked) {
                return false;
            }
            continue;
        }
        if (is_old(d, r) || r->state != REPLICA_RUNNING || r->config_version != d->config_version ||
            !r->is_listed || !r->is_settled) {
            return false;
        }
        n_running++;
    }
    return n_running == d->target;
}

void deployment_decide(struct deployment *d, struct decision *decision)
{
    struct replica *r;

    switch (d->mode) {
    case DEPLOYMENT_LIVE:
        roll_out(d, decision);
        update_in_place(d, decision);
        check_room(d, decision);
        break;
    case DEPLOYMENT_LEFTOVER: break;
    case DEPLOYMENT_DELETING:
        stop_some(d, INT64_MAX, true, true, decision);
        stop_some(d, INT64_MAX, true, false, decision);
        stop_some(d, INT64_MAX, false, true, decision);
        stop_some(d, INT64_MAX, false, false, decision);
        break;
    }
    LIST_FOREACH (r, &d->replicas, link) {
        ask(r, decision);
    }
    if (d->mode == DEPLOYMENT_LIVE && is_complete(d)) {
        d->n_failures = 0;
        d->is_unplaceable = false;
        (void) deployment_status_feed(&d->status, DEPLOYMENT_IS_COMPLETE, NULL);
    }
}
