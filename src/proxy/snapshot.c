/* SPDX-License-Identifier: Apache-2.0 */
/* What the controller says the world is (docs/interfaces.md, "Snapshot"), made true in the router
 * and the routes. */

#include "proxy/proxy.h"

#include <jansson.h>

#include "spec/repr.h"

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    return s ? s : "";
}

static void apply_http(struct proxy *p, const json_t *http)
{
    json_t *keep_alive = json_object_get(http, "keep_alive_timeout_s");
    json_t *access = json_object_get(http, "enable_access_log");

    free(p->root_path);
    p->root_path = mem_strdup(text_of(http, "root_path"));
    p->request_timeout_s = json_number_value(json_object_get(http, "request_timeout_s"));
    if (!json_is_number(json_object_get(http, "request_timeout_s"))) {
        p->request_timeout_s = -1;
    }
    buf_clear(&p->timeout_text);
    repr_float(p->request_timeout_s, &p->timeout_text);
    p->logs_access = !json_is_false(access);
    if (json_is_number(keep_alive) && json_number_value(keep_alive) > 0) {
        http_server_set_keep_alive(p->http, (uint64_t) (json_number_value(keep_alive) * 1000));
    }
}

static void apply_routes(struct proxy *p, const json_t *apps)
{
    size_t n = json_array_size(apps);
    struct route *rows = mem_alloc(n * sizeof(struct route));
    char **ingresses = mem_alloc(n * sizeof(char *));
    json_t *by_name = json_object();
    size_t n_rows = 0;
    json_t *app;
    size_t i;

    json_array_foreach(apps, i, app)
    {
        (void) json_object_set(by_name, text_of(app, "name"), app);
        if (json_is_string(json_object_get(app, "route_prefix"))) {
            ingresses[n_rows] = mem_printf("%s#%s", text_of(app, "name"), text_of(app, "ingress"));
            rows[n_rows] = (struct route){text_of(app, "route_prefix"), text_of(app, "name"),
                                          ingresses[n_rows]};
            n_rows++;
        }
    }
    routes_unref(p->routes);
    p->routes = routes_new(rows, n_rows);
    p->had_routes |= n_rows > 0;
    for (i = 0; i < n_rows; i++) {
        free(ingresses[i]);
    }
    free(ingresses);
    free(rows);
    free(p->apps_json);
    p->apps_json = json_dumps(by_name, JSON_COMPACT);
    json_decref(by_name);
}

static bool lists(const json_t *ids, struct span id)
{
    json_t *one;
    size_t i;

    json_array_foreach(ids, i, one)
    {
        if (span_is(id, json_string_value(one))) {
            return true;
        }
    }
    return false;
}

/* Replicas that a deployment no longer lists get nothing new. */
static void unlist_gone(struct proxy *p, struct router_deployment *d, const json_t *ids)
{
    struct router_replica *replica = NULL;
    struct router_replica *next = router_replica_next(d, NULL);

    while ((replica = next)) {
        next = router_replica_next(d, replica);
        if (!lists(ids, router_replica_id(replica))) {
            router_replica_unlist(p->router, replica);
        }
    }
}

static void apply_deployment(struct proxy *p, const json_t *row)
{
    const json_t *ids = json_object_get(row, "replicas");
    json_t *queued = json_object_get(row, "max_queued_requests");
    struct router_limits limits = {
        .max_ongoing_requests =
            (unsigned) MAX(json_integer_value(json_object_get(row, "max_ongoing_requests")), 1),
        .max_queued_requests = json_is_integer(queued) ? (int) json_integer_value(queued) : -1,
        .available = !json_is_false(json_object_get(row, "available")),
    };
    struct router_deployment *d =
        router_deployment_set(p->router, span_of(text_of(row, "id")), &limits);
    json_t *one;
    size_t i;

    unlist_gone(p, d, ids);
    json_array_foreach(ids, i, one)
    {
        router_replica_list(p->router, d, span_of(json_string_value(one)));
    }
}

static void remove_gone(struct proxy *p, const json_t *rows)
{
    struct router_deployment *d = router_deployment_next(p->router, NULL);

    while (d) {
        struct router_deployment *next = router_deployment_next(p->router, d);
        bool is_there = false;
        json_t *row;
        size_t i;

        json_array_foreach(rows, i, row)
        {
            is_there |= span_is(router_deployment_id(d), text_of(row, "id"));
        }
        if (!is_there) {
            router_deployment_remove(p->router, d);
        }
        d = next;
    }
}

int snapshot_apply(struct proxy *p, struct span json)
{
    json_t *doc = json_loadb(json.data, json.size, 0, NULL);
    const json_t *rows = json_object_get(doc, "deployments");
    json_t *row;
    size_t i;

    if (!json_is_object(doc) || !json_is_array(rows)) {
        json_decref(doc);
        return -EPROTO;
    }
    apply_http(p, json_object_get(doc, "http"));
    json_array_foreach(rows, i, row)
    {
        apply_deployment(p, row);
    }
    apply_routes(p, json_object_get(doc, "applications"));
    remove_gone(p, rows);
    json_decref(doc);
    return 0;
}
