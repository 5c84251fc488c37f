/* SPDX-License-Identifier: Apache-2.0 */
/* What survives a restart of the controller: <session>/state.json, replaced whole.  What was
 * declared, what was built from it, which replicas exist and what they were started with.  All else
 * is told by nodes and proxies. */

#include <stdio.h>

#include "base/log.h"
#include "controller/controller.h"
#include "io/file.h"

enum { STATE_VERSION = 1, STATE_MAX = 256 * 1024 * 1024 };

static char *state_path(const struct controller *c)
{
    return mem_printf("%s/state.json", c->session_dir);
}

/* Saving. */

static json_t *hex(uint64_t x) /* JSON has no unsigned 64-bit numbers */
{
    char text[17];

    (void) snprintf(text, sizeof(text), "%016llx", (unsigned long long) x);
    return json_string(text);
}

static json_t *save_replica(const struct replica *r)
{
    json_t *claim = json_object();

    for (size_t i = 0; i < r->n_claim; i++) {
        json_object_set_new(claim, r->claim[i].name, json_integer(r->claim[i].amount));
    }
    return json_pack("{s:s, s:o, s:o, s:s, s:o, s:b, s:b, s:I, s:I}", "id", r->id, "version",
                     hex(r->version), "config_version", hex(r->config_version), "node_id",
                     r->node_id, "claim", claim, "has_served", (int) r->has_served, "is_stopping",
                     (int) (r->state == REPLICA_STOPPING), "stop_wait_loop_ms",
                     (json_int_t) r->stop_wait_loop_ms, "stop_timeout_ms",
                     (json_int_t) r->stop_timeout_ms);
}

static json_t *save_deployment(const struct deployment *d)
{
    json_t *replicas = json_array();
    const struct replica *r;

    LIST_FOREACH (r, &d->replicas, link) {
        if (r->node_id) {
            json_array_append_new(replicas, save_replica(r));
        }
    }
    return json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:o}", "name", d->name, "is_deleting",
                     (int) (d->mode == DEPLOYMENT_DELETING), "target", (json_int_t) d->target,
                     "scaled_to", (json_int_t) d->scaled_to, "max_ongoing_requests",
                     (json_int_t) d->max_ongoing_requests, "max_queued_requests",
                     (json_int_t) d->max_queued_requests, "replicas", replicas);
}

static json_t *save_app(const struct app *a)
{
    json_t *deployments = json_array();
    const struct deployment *d;

    LIST_FOREACH (d, &a->deployments, link) {
        json_array_append_new(deployments, save_deployment(d));
    }
    return json_pack(
        "{s:s, s:b, s:b, s:f, s:O?, s:s?, s:b, s:s?, s:O?, s:s?, s:O?, s:b, s:s?, s:o}", "name",
        a->name, "is_imperative", (int) (a->source == SOURCE_IMPERATIVE), "is_deleting",
        (int) a->is_deleting, "deployed_time_s", a->deployed_time_s, "config", a->config,
        "build_key", a->build_key, "is_building", (int) (a->build_id != NULL), "build_error",
        a->build_error, "artefact", a->artefact, "artefact_key", a->artefact_key, "target_config",
        a->target_config, "prefix_is_lost", (int) a->prefix_is_lost, "routed_ingress",
        a->routed_ingress, "deployments", deployments);
}

static json_t *save_serve(const struct serve *s)
{
    return json_pack("{s:b, s:O?, s:O?, s:O?, s:s?, s:b}", "is_stopping", (int) s->is_stopping,
                     "http_options", s->http_options, "grpc_options", s->grpc_options,
                     "logging_config", s->logging_config, "proxy_location", s->proxy_location,
                     "http_may_move", (int) s->http_may_move);
}

void state_save(struct controller *c)
{
    char *path CLEANUP(mem_freep) = state_path(c);
    json_t *apps = json_array();
    const struct app *a;
    json_t *state;
    struct err err;
    char *text;

    c->world.is_changed = false;
    LIST_FOREACH (a, &c->world.apps, link) {
        json_array_append_new(apps, save_app(a));
    }
    state = json_pack("{s:i, s:o?, s:f, s:o}", "version", STATE_VERSION, "serve",
                      c->serve.is_started ? save_serve(&c->serve) : NULL, "target_capacity",
                      c->world.target_capacity, "applications", apps);
    text = json_dumps(state, JSON_COMPACT);
    ASSERT(text);
    json_decref(state);
    if (c->state_text && strcmp(text, c->state_text) == 0) {
        free(text);
        return;
    }
    if (file_replace(path, span_of(text), 0600, true, &err) < 0) {
        log_error("the state was not saved", "reason=%s", err.text);
    }
    free(c->state_text);
    c->state_text = text;
}

/* Loading. */

static uint64_t load_hex(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? strtoull(text, NULL, 16) : 0;
}

static const char *load_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool load_bool(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static int64_t load_int(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void load_claim(struct replica *r, json_t *claim)
{
    const char *name;
    json_t *amount;

    r->claim = mem_alloc((json_object_size(claim) + 1) * sizeof(*r->claim));
    json_object_foreach(claim, name, amount)
    {
        r->claim[r->n_claim++] =
            (struct resource){mem_strdup(name), (int64_t) json_integer_value(amount)};
    }
}

static void load_replica(struct controller *c, struct deployment *d, const json_t *saved)
{
    const char *id = load_text(saved, "id");
    uint64_t now_ms = loop_now_ms(c->loop);
    struct replica *r;

    if (!id || strlen(id) != REPLICA_ID_SIZE || world_find_replica(&c->world, span_of(id))) {
        return;
    }
    r = deployment_add_replica(d, id, now_ms);
    r->version = load_hex(saved, "version");
    r->config_version = load_hex(saved, "config_version");
    r->node_id = mem_strdup(load_text(saved, "node_id"));
    r->stop_wait_loop_ms = (uint64_t) load_int(saved, "stop_wait_loop_ms");
    r->stop_timeout_ms = (uint64_t) load_int(saved, "stop_timeout_ms");
    load_claim(r, json_object_get(saved, "claim"));
    r->has_served = load_bool(saved, "has_served");
    replica_feed(r, REPLICA_REMEMBER, now_ms);
    if (load_bool(saved, "is_stopping")) {
        replica_feed(r, REPLICA_STOP, now_ms);
    }
}

static void load_deployment(struct controller *c, struct app *a, const json_t *saved)
{
    const char *name = load_text(saved, "name");
    json_t *replicas = json_object_get(saved, "replicas");
    struct deployment *d;

    if (!name) {
        return;
    }
    d = app_find(a, name);
    if (!d) {
        d = deployment_new(a, name);
        d->max_ongoing_requests = load_int(saved, "max_ongoing_requests");
        d->max_queued_requests = load_int(saved, "max_queued_requests");
        deployment_leave(d);
    }
    for (size_t i = 0; i < json_array_size(replicas); i++) {
        load_replica(c, d, json_array_get(replicas, i));
    }
    if (load_bool(saved, "is_deleting")) {
        deployment_delete(d);
    } else {
        deployment_restore(d, load_int(saved, "target"), load_int(saved, "scaled_to"));
    }
}

static void load_build(struct app *a, const json_t *saved)
{
    const char *error = load_text(saved, "build_error");
    json_t *config = json_object_get(saved, "config");

    if (!json_is_object(config)) {
        return;
    }
    if (load_bool(saved, "is_building")) {
        app_start_build(a, json_incref(config), load_text(saved, "build_key"));
    } else {
        a->config = json_incref(config);
        app_end_build(a, error);
    }
}

static void load_app(struct controller *c, const json_t *saved)
{
    const char *name = load_text(saved, "name");
    const char *key = load_text(saved, "artefact_key");
    json_t *artefact = json_object_get(saved, "artefact");
    json_t *deployments = json_object_get(saved, "deployments");
    struct err err = {0};
    struct app *a;

    if (!name || world_find_app(&c->world, name)) {
        return;
    }
    a = app_new(&c->world, name);
    a->source = load_bool(saved, "is_imperative") ? SOURCE_IMPERATIVE : SOURCE_DECLARATIVE;
    a->deployed_time_s = json_real_value(json_object_get(saved, "deployed_time_s"));
    if (json_is_object(artefact) && key &&
        app_set_target(a, artefact, key, json_object_get(saved, "target_config"), &err) < 0) {
        log_error("a saved application is lost", "application=%s reason=%s", name, err.text);
    }
    a->prefix_is_lost = load_bool(saved, "prefix_is_lost");
    load_build(a, saved);
    for (size_t i = 0; i < json_array_size(deployments); i++) {
        load_deployment(c, a, json_array_get(deployments, i));
    }
    if (load_text(saved, "routed_ingress") && app_find(a, load_text(saved, "routed_ingress"))) {
        free(a->routed_ingress);
        a->routed_ingress = mem_strdup(load_text(saved, "routed_ingress"));
    }
    if (load_bool(saved, "is_deleting")) {
        app_delete(a);
    }
}

static void load_serve(struct serve *s, const json_t *saved)
{
    const char *location = load_text(saved, "proxy_location");
    json_t *logging = json_object_get(saved, "logging_config");

    s->is_started = true;
    s->is_stopping = load_bool(saved, "is_stopping");
    s->http_options = json_incref(json_object_get(saved, "http_options"));
    s->grpc_options = json_incref(json_object_get(saved, "grpc_options"));
    s->logging_config = json_is_object(logging) ? json_incref(logging) : NULL;
    s->proxy_location = mem_strdup(location ? location : "EveryNode");
    s->http_may_move = load_bool(saved, "http_may_move");
}

int state_load(struct controller *c, struct err *err)
{
    char *path CLEANUP(mem_freep) = state_path(c);
    char *text CLEANUP(mem_freep) = NULL;
    json_error_t problem;
    json_t *state;
    json_t *apps;
    size_t size = 0;
    int r = file_read(path, STATE_MAX, &text, &size, err);

    if (r == -ENOENT) {
        return 0; /* the first start */
    }
    if (r < 0) {
        return r;
    }
    state = json_loadb(text, size, 0, &problem);
    if (!state || load_int(state, "version") != STATE_VERSION) {
        json_decref(state);
        return err_set(err, -EINVAL, "%s: %s", path, state ? "unknown version" : problem.text);
    }
    if (json_is_object(json_object_get(state, "serve"))) {
        load_serve(&c->serve, json_object_get(state, "serve"));
    }
    c->world.is_hurried = c->serve.is_stopping;
    c->world.target_capacity = json_number_value(json_object_get(state, "target_capacity"));
    apps = json_object_get(state, "applications");
    for (size_t i = 0; i < json_array_size(apps); i++) {
        load_app(c, json_array_get(apps, i));
    }
    log_info("the state was read", "applications=%zu replicas=%zu", json_array_size(apps),
             c->world.replicas.size);
    json_decref(state);
    return 0;
}
