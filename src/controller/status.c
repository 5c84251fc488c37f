/* SPDX-License-Identifier: Apache-2.0 */
/* What GET shows (ray-serve.md §2.2): keys, their order and types as Ray Serve's clients know them.
 */

#include <stdio.h>
#include <unistd.h>

#include "build_config.h"
#include "controller/controller.h"
#include "spec/serve.h"

static const char RAY_VERSION[] = "2.53.0"; /* whose contract this is */

/* Ids of Ray's that have no counterpart here are stable numbers made of a name. */
static void make_hex_id(const char *what, const char *name, char ret_hex[33])
{
    char *text CLEANUP(mem_freep) = mem_printf("%s %s", what, name);
    uint64_t high = map_hash(text, strlen(text));
    uint64_t low = map_hash(&high, sizeof(high));

    (void) snprintf(ret_hex, 33, "%016llx%016llx", (unsigned long long) high,
                    (unsigned long long) low);
}

/* ActorDetails. 'log_path' and 'node_id' may be NULL: not known yet. */
static json_t *actor(const struct controller *c, const char *node_id, const char *name,
                     const char *log_path)
{
    char actor_id[33];
    char worker_id[33];

    make_hex_id("actor", name, actor_id);
    make_hex_id("worker", name, worker_id);
    return json_pack("{s:s?, s:s?, s:s?, s:s?, s:s, s:s?, s:s?}", "node_id", node_id, "node_ip",
                     node_id ? c->node_ip : NULL, "node_instance_id", node_id ? "" : NULL,
                     "actor_id", node_id ? actor_id : NULL, "actor_name", name, "worker_id",
                     node_id ? worker_id : NULL, "log_file_path", log_path);
}

static json_t *show_replica(const struct controller *c, const struct replica *r)
{
    const struct deployment *d = r->deployment;
    char *name CLEANUP(mem_freep) =
        mem_printf("SERVE_REPLICA::%s#%s#%s", d->app->name, d->name, r->id);
    char *log CLEANUP(mem_freep) =
        mem_printf("/serve/replica_%s_%s_%s.log", d->app->name, d->name, r->id);
    json_t *shown = actor(c, r->node_id, name, r->node_id ? log : NULL);

    json_object_set_new(shown, "replica_id", json_string(r->id));
    json_object_set_new(shown, "state", json_string(replica_state_name(r->state)));
    json_object_set_new(shown, "pid", r->pid ? json_integer(r->pid) : json_null());
    json_object_set_new(shown, "start_time_s", json_real(r->start_time_s));
    return shown;
}

static json_t *show_message(const struct controller *c, const struct deployment *d)
{
    struct buf text;
    json_t *message;

    buf_init(&text);
    deployment_message(d, loop_now_ms(c->loop), &text);
    message = json_string_nocheck(buf_cstr(&text));
    buf_deinit(&text);
    return message;
}

static json_t *show_deployment(const struct controller *c, const struct deployment *d)
{
    json_t *replicas = json_array();
    const struct replica *r;

    LIST_FOREACH (r, &d->replicas, link) {
        json_array_append_new(replicas, show_replica(c, r));
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:O, s:I, s:O, s:o}", "name", d->name, "status",
                     deployment_state_name(d->status.state), "status_trigger",
                     deployment_trigger_name(d->status.trigger), "message", show_message(c, d),
                     "deployment_config", d->spec->deployment_config, "target_num_replicas",
                     (json_int_t) d->target, "required_resources", d->spec->required_resources,
                     "replicas", replicas);
}

/* None while a build runs and after it failed, even though old replicas serve: so does Ray. */
static json_t *show_deployments(const struct controller *c, const struct app *a)
{
    json_t *deployments = json_object();
    const struct deployment *d;

    LIST_FOREACH (d, &a->deployments, link) {
        if (d->spec && !a->build_id && !a->build_error) {
            json_object_set_new(deployments, d->name, show_deployment(c, d));
        }
    }
    return deployments;
}

static json_t *show_app(const struct controller *c, const struct app *a)
{
    bool is_declared = a->source == SOURCE_DECLARATIVE && a->config;
    struct buf message;
    enum app_state state;
    json_t *shown;

    buf_init(&message);
    state = app_status(a, &message);
    shown = json_pack("{s:s, s:s?, s:s?, s:s, s:o, s:f, s:o, s:s, s:o, s:b, s:O?}", "name", a->name,
                      "route_prefix", app_route_prefix(a), "docs_path",
                      a->target ? a->target->docs_path : NULL, "status", app_state_name(state),
                      "message", json_string_nocheck(buf_cstr(&message)), "last_deployed_time_s",
                      a->deployed_time_s, "deployed_app_config",
                      is_declared ? spec_application_shown(a->config) : json_null(), "source",
                      a->source == SOURCE_DECLARATIVE ? "declarative" : "imperative", "deployments",
                      show_deployments(c, a), "external_scaler_enabled",
                      a->target ? (int) a->target->external_scaler_enabled : 0,
                      "deployment_topology", a->target ? a->target->topology : NULL);
    buf_deinit(&message);
    return shown;
}

/* Proxies. */

static bool has_proxies(const struct controller *c)
{
    return c->serve.is_started && strcmp(c->serve.proxy_location, "Disabled") != 0;
}

static bool proxy_is_linked(const struct controller *c)
{
    const struct peer *p;

    LIST_FOREACH (p, &c->peers, link) {
        if (p->role == ROLE_PROXY) {
            return true;
        }
    }
    return false;
}

static bool proxy_is_healthy(const struct controller *c)
{
    return proxy_is_linked(c) && c->http_host;
}

static json_t *show_proxies(const struct controller *c)
{
    char *name CLEANUP(mem_freep) = mem_printf("SERVE_PROXY_ACTOR-%s", c->node_id);
    char *log CLEANUP(mem_freep) =
        mem_printf("/serve/proxy_%s.log", c->node_ip ? c->node_ip : "127.0.0.1");
    json_t *proxies = json_object();
    json_t *proxy;

    if (has_proxies(c)) {
        proxy = actor(c, c->node_id, name, log);
        json_object_set_new(proxy, "status",
                            json_string(proxy_is_healthy(c) ? "HEALTHY"
                                        : c->http_error     ? "UNHEALTHY"
                                                            : "STARTING"));
        json_object_set_new(proxies, c->node_id, proxy);
    }
    return proxies;
}

static json_t *show_target_groups(const struct controller *c)
{
    char *name CLEANUP(mem_freep) = mem_printf("SERVE_PROXY_ACTOR-%s", c->node_id);
    json_t *targets = json_array();

    if (!has_proxies(c)) {
        return targets;
    }
    if (proxy_is_healthy(c)) {
        json_array_append_new(targets,
                              json_pack("{s:s?, s:i, s:s, s:s}", "ip", c->node_ip, "port",
                                        (int) c->http_port, "instance_id", "", "name", name));
    }
    return json_pack("[{s:o, s:s, s:s}]", "targets", targets, "route_prefix", "/", "protocol",
                     "HTTP");
}

static json_t *show_controller(const struct controller *c)
{
    char *log CLEANUP(mem_freep) = mem_printf("/serve/controller_%d.log", (int) getpid());

    return actor(c, c->node_id, "SERVE_CONTROLLER_ACTOR", log);
}

static json_t *show_capacity(const struct controller *c)
{
    return c->world.target_capacity < 0 ? json_null() : json_real(c->world.target_capacity);
}

/* What is in effect: the port may be another than the one that nobody insisted on. */
static json_t *show_http_options(const struct controller *c)
{
    json_t *shown = spec_http_options_shown(c->serve.http_options);

    if (c->http_host) {
        json_object_set_new(shown, "port", json_integer(c->http_port));
    }
    return shown;
}

json_t *status_details(const struct controller *c, const char *only_source)
{
    json_t *apps = json_object();
    const struct app *a;

    if (!c->serve.is_started) {
        json_decref(apps);
        return json_pack("{s:s, s:{}, s:{}, s:{}, s:n}", "deploy_mode", "MULTI_APP",
                         "controller_info", "proxies", "applications", "target_capacity");
    }
    LIST_FOREACH (a, &c->world.apps, link) {
        const char *source = a->source == SOURCE_DECLARATIVE ? "declarative" : "imperative";

        if (!only_source || strcmp(only_source, source) == 0) {
            json_object_set_new(apps, a->name, show_app(c, a));
        }
    }
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "controller_info",
                     show_controller(c), "proxy_location", c->serve.proxy_location, "http_options",
                     show_http_options(c), "grpc_options",
                     spec_grpc_options_shown(c->serve.grpc_options), "proxies", show_proxies(c),
                     "applications", apps, "target_capacity", show_capacity(c), "target_groups",
                     show_target_groups(c));
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

json_t *status_instance(const struct controller *c)
{
    char *sockets CLEANUP(mem_freep) = mem_printf("%s/sockets", c->session_dir);
    json_t *http = c->http_host
                       ? json_pack("{s:s, s:i}", "host", c->http_host, "port", (int) c->http_port)
                       : json_null();

    return json_pack("{s:s, s:s, s:o, s:s?, s:s, s:s?, s:O?, s:s}", "session_dir", c->session_dir,
                     "sockets_dir", sockets, "http", http, "http_error", c->http_error, "node_id",
                     c->node_id, "node_ip", c->node_ip, "resources", c->node_resources, "version",
                     BUILD_VERSION);
}

json_t *status_version(const struct controller *c)
{
    char *commit CLEANUP(mem_freep) = mem_printf("model-service-%s", BUILD_VERSION);

    return json_pack("{s:s, s:s, s:s, s:s}", "version", "4", "ray_version", RAY_VERSION,
                     "ray_commit", commit, "session_name", base_name(c->session_dir));
}
