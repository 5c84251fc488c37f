/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/deployment_priv.h"

#include "policy/rollout.h"
#include "policy/world.h"
#include "spec/diff.h"
#include "spec/field.h"

enum {
    SLOW_MS = 30 * 1000, /* after this a start is called slow */
    WAIT_TOLD_MS = 1000, /* a shorter wait for room is not worth a word */
    FAILURES_PER_REPLICA = 3,
};

struct deployment *deployment_new(struct app *app, const char *name)
{
    struct deployment *d = mem_new(struct deployment);

    d->app = app;
    d->name = mem_strdup(name);
    d->scaled_to = -1;
    deployment_status_init(&d->status);
    list_init(&d->replicas);
    list_push_back(&app->deployments, &d->link);
    app->world->is_changed = true;
    return d;
}

void replica_forget(struct replica *r)
{
    struct world *w = r->deployment->app->world;

    w->is_changed = true;
    map_remove(&w->replicas, &r->node);
    list_remove(&r->link);
    for (size_t i = 0; i < r->n_claim; i++) {
        free(r->claim[i].name);
    }
    free(r->claim);
    free(r->node_id);
    free(r->waiting);
    free(r);
}

void deployment_free(struct deployment *d)
{
    struct replica *r;
    struct replica *tmp;

    LIST_FOREACH_SAFE (r, tmp, &d->replicas, link) {
        replica_forget(r);
    }
    list_remove(&d->link);
    d->app->world->is_changed = true;
    deployment_status_deinit(&d->status);
    free(d->name);
    free(d);
}

struct replica *deployment_add_replica(struct deployment *d, const char *id, uint64_t now_ms)
{
    struct world *w = d->app->world;
    struct replica *r = mem_new(struct replica);

    memcpy(r->id, id, MIN(strlen(id), (size_t) REPLICA_ID_SIZE));
    r->deployment = d;
    r->since_ms = now_ms;
    r->start_time_s = w->unix_s;
    list_push_back(&d->replicas, &r->link);
    map_put(&w->replicas, span_of(r->id), &r->node);
    w->is_changed = true;
    return r;
}

/* The target. */

static uint64_t hash_json(json_t *value /* taken */)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    uint64_t hash;

    ASSERT(text);
    hash = map_hash(text, strlen(text));
    free(text);
    json_decref(value);
    return hash;
}

/* Equal numbers: a replica of the one is as good as a replica of the other. */
static uint64_t version_of(const struct target_change *c)
{
    const struct deployment_spec *s = c->spec;

    return hash_json(json_pack("[s?, O?, o, O?, O?, s?, I, I]", s->blob, s->runtime_env,
                               deployment_replica_resources(s), s->bundles, c->python,
                               s->placement_strategy, (json_int_t) s->max_replicas_per_node,
                               (json_int_t) c->code));
}

static double seconds_to_ms(double s)
{
    return MIN(s, 1e6) * 1000;
}

/* How many replicas a changed spec wants, by ray-serve.md §6.5 and §6.8. */
static int64_t wanted_replicas(const struct deployment *d, const struct target_change *c,
                               bool is_new)
{
    const struct deployment_spec *s = c->spec;
    int64_t low;
    int64_t high;

    if (!s->is_autoscaled) {
        return rollout_at_capacity(s->num_replicas, c->capacity);
    }
    if (is_new || s->autoscaling.initial_replicas >= 0) {
        return rollout_at_capacity(deployment_initial_replicas(s), c->capacity);
    }
    low = rollout_at_capacity(s->autoscaling.min_replicas, c->capacity);
    high = rollout_at_capacity(s->autoscaling.max_replicas, c->capacity);
    return MIN(MAX(d->target, low), high);
}

/* What changed, in the words of the status. False: nothing. */
static bool classify(const struct deployment *d, const struct target_change *c, bool is_new,
                     int64_t target, enum deployment_event *ret)
{
    unsigned changes;

    if (is_new || d->version != version_of(c)) {
        *ret = DEPLOYMENT_CHANGED;
        return true;
    }
    changes = deployment_diff(d->spec, c->spec);
    if (changes & ~(unsigned) CHANGE_SCALE) {
        *ret = DEPLOYMENT_CHANGED;
        return true;
    }
    if (target != d->target) {
        *ret = target > d->target ? DEPLOYMENT_RAISED : DEPLOYMENT_LOWERED;
        return true;
    }
    return false;
}

static void tell_scaling(struct deployment *d, enum deployment_event event, int64_t target)
{
    char *text CLEANUP(mem_freep) = NULL;

    if (event != DEPLOYMENT_CHANGED) {
        text = mem_printf("%s from %lld to %lld replicas.",
                          target > d->target ? "Upscaling" : "Downscaling", (long long) d->target,
                          (long long) target);
    }
    (void) deployment_status_feed(&d->status, event, text);
}

void deployment_set_stop_times(struct replica *r, const struct deployment_spec *s)
{
    r->stop_wait_loop_ms = (uint64_t) seconds_to_ms(s->graceful_shutdown_wait_loop_s);
    r->stop_timeout_ms = (uint64_t) seconds_to_ms(s->graceful_shutdown_timeout_s);
}

void deployment_set_target(struct deployment *d, const struct target_change *c)
{
    bool is_new = d->mode != DEPLOYMENT_LIVE || !d->spec;
    bool real_change = is_new || deployment_diff(d->spec, c->spec) != 0;
    int64_t target = real_change ? wanted_replicas(d, c, is_new) : d->target;
    enum deployment_event event = DEPLOYMENT_CHANGED;
    bool is_failed = d->status.state == DEPLOYMENT_DEPLOY_FAILED;
    struct replica *r;

    if (!c->spec->is_autoscaled) { /* target_capacity may have changed */
        target = d->scaled_to >= 0 && !real_change ? d->scaled_to : wanted_replicas(d, c, is_new);
    }
    if (classify(d, c, is_new, target, &event) || is_failed) {
        tell_scaling(d, event, target);
    }
    if (event == DEPLOYMENT_CHANGED) {
        d->n_failures = 0;
        d->has_started = false; /* but see below */
        d->is_unplaceable = false;
    }
    d->scaled_to = real_change ? -1 : d->scaled_to;
    d->mode = DEPLOYMENT_LIVE;
    d->spec = c->spec;
    d->target = target;
    d->version = version_of(c);
    d->config_version = hash_json(deployment_replica_config(c->spec));
    d->max_ongoing_requests = c->spec->max_ongoing_requests;
    d->max_queued_requests = c->spec->max_queued_requests;
    LIST_FOREACH (r, &d->replicas, link) {
        if (r->version == d->version) {
            deployment_set_stop_times(r, c->spec);
            d->has_started |= replica_serves(r);
        }
    }
    d->app->world->is_changed = true;
}

void deployment_restore(struct deployment *d, int64_t target, int64_t scaled_to)
{
    d->scaled_to = scaled_to;
    if (scaled_to >= 0) {
        d->target = scaled_to;
    } else if (d->spec && d->spec->is_autoscaled) {
        d->target =
            MIN(MAX(target, d->spec->autoscaling.min_replicas), d->spec->autoscaling.max_replicas);
    }
}

void deployment_leave(struct deployment *d)
{
    d->spec = NULL;
    d->mode = d->mode == DEPLOYMENT_LIVE ? DEPLOYMENT_LEFTOVER : d->mode;
    d->app->world->is_changed = true;
}

void deployment_delete(struct deployment *d)
{
    if (d->mode != DEPLOYMENT_DELETING) {
        d->mode = DEPLOYMENT_DELETING;
        d->target = 0;
        (void) deployment_status_feed(&d->status, DEPLOYMENT_DELETED, NULL);
        d->app->world->is_changed = true;
    }
}

void deployment_scale(struct deployment *d, int64_t n_replicas)
{
    d->scaled_to = n_replicas;
    d->target = n_replicas;
    d->app->world->is_changed = true;
}

void deployment_on_queued(struct deployment *d, uint64_t n_queued)
{
    bool may_wake = d->mode == DEPLOYMENT_LIVE && d->spec && d->spec->is_autoscaled &&
                    d->app->world->target_capacity != 0;

    if (may_wake && d->target == 0 && n_queued > 0) {
        tell_scaling(d, DEPLOYMENT_AUTO_RAISED, 1);
        d->target = 1;
        d->app->world->is_changed = true;
    }
}

/* Events of replicas. */

static int64_t failure_limit(const struct deployment *d)
{
    const struct world *w = d->app->world;
    int64_t limit = d->spec ? d->spec->max_constructor_retry_count : 0;

    if (w->retry_limit >= 0) {
        limit = w->retry_limit;
    }
    return MIN(limit, d->target * FAILURES_PER_REPLICA);
}

bool deployment_is_halted(const struct deployment *d)
{
    return !d->has_started && d->target > 0 && d->n_failures >= failure_limit(d);
}

static void on_failed_start(struct deployment *d, const char *detail)
{
    int64_t limit = failure_limit(d);
    struct buf text;

    if (d->target == 0) {
        return;
    }
    d->n_failures++;
    buf_init(&text);
    if (d->n_failures >= limit) {
        buf_printf(&text,
                   "The deployment failed to start %u times in a row. This may be due to a problem "
                   "with its constructor or initial health check failing. See controller logs for "
                   "details. Error:\n%s",
                   d->n_failures, detail);
        (void) deployment_status_feed(&d->status, DEPLOYMENT_CANNOT_START, buf_cstr(&text));
    } else {
        buf_put_str(&text, "A replica failed to start with exception. ");
        if (!d->has_started) {
            buf_printf(&text, "Retrying %lld more time(s). ", (long long) (limit - d->n_failures));
        }
        buf_printf(&text, "Error:\n%s", detail);
        (void) deployment_status_feed(&d->status, DEPLOYMENT_RETRIES, buf_cstr(&text));
    }
    buf_deinit(&text);
}

/* Ray's sentence, and below it how the replica ended or what its check said. */
static void on_broken(struct deployment *d, const char *detail)
{
    static const char sentence[] = "A replica's health check failed. This deployment will be "
                                   "UNHEALTHY until the replica recovers or a new deploy happens.";
    char *text CLEANUP(mem_freep) =
        mem_printf("%s%s%s", sentence, detail && *detail ? "\n" : "", detail ? detail : "");

    (void) deployment_status_feed(&d->status, DEPLOYMENT_REPLICA_BROKE, text);
}

void deployment_on_replica(struct deployment *d, struct replica *r, enum replica_event event,
                           const char *detail, uint64_t now_ms)
{
    enum replica_outcome outcome = replica_feed(r, event, now_ms);
    bool is_wanted = d->mode == DEPLOYMENT_LIVE && r->version == d->version;

    if (is_wanted && outcome == REPLICA_DID_NOT_START) {
        on_failed_start(d, detail ? detail : "");
    } else if (is_wanted && outcome == REPLICA_BROKE) {
        on_broken(d, detail);
    }
    if (event == REPLICA_IS_READY) {
        d->has_started |= is_wanted && replica_serves(r);
        d->app->world->is_changed = true;
    }
    if (r->state == REPLICA_ENDED) {
        replica_forget(r);
    }
}

/* For those who look. */

size_t deployment_n_serving(const struct deployment *d)
{
    const struct replica *r;
    size_t n = 0;

    LIST_FOREACH (r, &d->replicas, link) {
        n += replica_serves(r) ? 1 : 0;
    }
    return n;
}

bool deployment_is_available(const struct deployment *d)
{
    bool has_failed = d->mode == DEPLOYMENT_LIVE && (deployment_is_halted(d) || d->is_unplaceable);

    return !has_failed || deployment_n_serving(d) > 0;
}

void deployment_message(const struct deployment *d, uint64_t now_ms, struct buf *out)
{
    const char *sentence = NULL;
    const struct replica *r;
    unsigned n_waiting = 0;
    unsigned n_slow = 0;

    LIST_FOREACH (r, &d->replicas, link) {
        if (r->state == REPLICA_STARTING && r->waiting && now_ms >= r->since_ms + WAIT_TOLD_MS) {
            n_waiting++;
            sentence = r->waiting;
        }
        n_slow += r->state == REPLICA_STARTING && r->node_id && now_ms >= r->since_ms + SLOW_MS;
    }
    if (d->status.state == DEPLOYMENT_UNHEALTHY || d->status.state == DEPLOYMENT_DEPLOY_FAILED) {
        n_waiting = n_slow = 0;
    }
    if (n_waiting > 0) {
        buf_printf(out,
                   "Deployment '%s' in application '%s' has %u replicas that are not placed yet. "
                   "%s",
                   d->name, d->app->name, n_waiting, sentence);
    } else if (n_slow > 0) {
        buf_printf(out,
                   "Deployment '%s' in application '%s' has %u replicas that have taken more than "
                   "30s to initialize.\nThis may be caused by a slow __init__ or reconfigure "
                   "method.",
                   d->name, d->app->name, n_slow);
    } else {
        buf_put_str(out, d->status.message);
    }
}
