/* SPDX-License-Identifier: Apache-2.0 */
/* What the proxies must know (docs/interfaces.md §6): made anew after each decision, sent when it
 * differs from the last one.  A replica is stopped, and a deployment called complete, only after
 * every proxy has acknowledged the snapshot that says so, or has had its time. */

#include "base/log.h"
#include "controller/controller.h"

static json_t *http_part(const struct controller *c)
{
    static const char *const fields[] = {"request_timeout_s", "keep_alive_timeout_s", "root_path"};
    json_t *effective = schema_effective(schema_get(SCHEMA_HTTP_OPTIONS), c->serve.http_options);
    json_t *http = json_object();

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        json_object_set(http, fields[i], json_object_get(effective, fields[i]));
    }
    json_decref(effective);
    return http;
}

static json_t *app_part(const struct app *a)
{
    const struct deployment_spec *ingress = app_spec_find(a->target, a->routed_ingress);
    json_t *names = json_array();
    const struct deployment *d;

    LIST_FOREACH (d, &a->deployments, link) {
        if (d->mode != DEPLOYMENT_DELETING) {
            json_array_append_new(names, json_string(d->name));
        }
    }
    return json_pack("{s:s, s:s?, s:s, s:b, s:o}", "name", a->name, "route_prefix",
                     app_route_prefix(a), "ingress", a->routed_ingress, "is_asgi",
                     ingress ? (int) ingress->is_asgi : 0, "deployments", names);
}

static void list_replica(struct controller *c, struct replica *r, bool is_listed)
{
    if (r->is_listed != is_listed) {
        r->is_listed = is_listed;
        r->is_settled = false;
        r->listed_version = c->snapshot_version + 1;
    }
}

static json_t *deployment_part(struct controller *c, const struct deployment *d)
{
    char *id CLEANUP(mem_freep) = mem_printf("%s#%s", d->app->name, d->name);
    json_t *replicas = json_array();
    struct replica *r;

    LIST_FOREACH (r, &d->replicas, link) {
        list_replica(c, r, replica_serves(r));
        if (r->is_listed) {
            json_array_append_new(replicas, json_string(r->id));
        }
    }
    return json_pack("{s:s, s:I, s:I, s:b, s:o}", "id", id, "max_ongoing_requests",
                     (json_int_t) d->max_ongoing_requests, "max_queued_requests",
                     (json_int_t) d->max_queued_requests, "available",
                     (int) deployment_is_available(d), "replicas", replicas);
}

static void hide(struct controller *c, const struct deployment *d)
{
    struct replica *r;

    LIST_FOREACH (r, &d->replicas, link) {
        list_replica(c, r, false);
    }
}

static char *make(struct controller *c)
{
    json_t *apps = json_array();
    json_t *deployments = json_array();
    const struct deployment *d;
    const struct app *a;
    json_t *all;
    char *text;

    LIST_FOREACH (a, &c->world.apps, link) {
        bool is_routed = a->target && !a->is_deleting;

        if (is_routed) {
            json_array_append_new(apps, app_part(a));
        }
        LIST_FOREACH (d, &a->deployments, link) {
            if (is_routed && d->mode != DEPLOYMENT_DELETING) {
                json_array_append_new(deployments, deployment_part(c, d));
            } else {
                hide(c, d);
            }
        }
    }
    all = json_pack("{s:o, s:o, s:o}", "http", http_part(c), "applications", apps, "deployments",
                    deployments);
    text = json_dumps(all, JSON_COMPACT);
    ASSERT(text);
    json_decref(all);
    return text;
}

void snapshot_send(struct controller *c, struct peer *proxy)
{
    if (c->snapshot_text) {
        msg_snapshot_put(channel_out(&proxy->channel), 0, 0,
                         &(struct msg_snapshot){.version = c->snapshot_version,
                                                .snapshot_json = span_of(c->snapshot_text)});
    }
}

static uint64_t acknowledged(const struct controller *c)
{
    uint64_t version = c->snapshot_version;
    const struct peer *p;

    LIST_FOREACH (p, &c->peers, link) {
        if (p->role == ROLE_PROXY) {
            version = MIN(version, p->acked_version);
        }
    }
    return version;
}

/* True: some replica's standing is now known to all routers. */
static bool settle(struct controller *c, uint64_t *due_ms)
{
    uint64_t acked = acknowledged(c);
    uint64_t patience_ends_ms = c->snapshot_ms + SNAPSHOT_PATIENCE_MS;
    bool is_changed = false;
    struct map_node *n;
    struct map_node *tmp;

    if (acked < c->snapshot_version && loop_now_ms(c->loop) >= patience_ends_ms) {
        log_warn_RL("a proxy does not acknowledge routes", "version=%llu",
                    (unsigned long long) c->snapshot_version);
        acked = c->snapshot_version;
    }
    MAP_FOREACH (n, tmp, &c->world.replicas) {
        struct replica *r = MAP_ENTRY(n, struct replica, node);

        if (!r->is_settled && r->listed_version <= acked) {
            r->is_settled = true;
            is_changed = true;
        } else if (!r->is_settled) {
            *due_ms = MIN(*due_ms, patience_ends_ms);
        }
    }
    return is_changed;
}

bool snapshot_publish(struct controller *c, uint64_t *due_ms)
{
    char *text = make(c);
    struct peer *p;

    if (!c->snapshot_text || strcmp(text, c->snapshot_text) != 0) {
        free(c->snapshot_text);
        c->snapshot_text = text;
        c->snapshot_version++;
        c->snapshot_ms = loop_now_ms(c->loop);
        LIST_FOREACH (p, &c->peers, link) {
            if (p->role == ROLE_PROXY) {
                snapshot_send(c, p);
            }
        }
    } else {
        free(text);
    }
    return settle(c, due_ms);
}
