/* SPDX-License-Identifier: Apache-2.0 */
/* What was declared: by PUT (the whole set of applications), by serve.run (one), and Serve's own
 * start and stop.  Changes the world; what follows from it is decided at the end of the turn. */

#include "base/log.h"
#include "controller/controller.h"
#include "spec/diff.h"
#include "spec/serve.h"

/* The application that owns a prefix in force, other than 'self'. */
static struct app *owner_of(const struct controller *c, const char *prefix, const struct app *self)
{
    struct app *a;

    LIST_FOREACH (a, &c->world.apps, link) {
        const char *theirs = app_route_prefix(a);

        if (a != self && theirs && prefix && strcmp(theirs, prefix) == 0) {
            return a;
        }
    }
    return NULL;
}

/* The last writer has it. */
static void take_prefix(struct controller *c, const struct app *a)
{
    struct app *other = owner_of(c, app_route_prefix(a), a);

    if (other) {
        log_warn("an application takes the route_prefix of another", "prefix=%s from=%s to=%s",
                 app_route_prefix(a), other->name, a->name);
        other->prefix_is_lost = true;
    }
}

static void fail(struct app *a, const char *what, const char *why)
{
    char *text CLEANUP(mem_freep) = mem_printf("%s\n%s", what, why);

    app_end_build(a, text);
}

/* Lays its config over an artefact. */
static void set_target(struct controller *c, struct app *a, json_t *artefact, const char *key)
{
    char *what CLEANUP(mem_freep) =
        mem_printf("Unexpected error occurred while deploying application '%s': ", a->name);
    struct err err;

    if (app_set_target(a, artefact, key, a->config, &err) < 0) {
        fail(a, what, err.text);
        return;
    }
    app_end_build(a, NULL);
    take_prefix(c, a);
}

static void forget_build(struct controller *c, struct app *a)
{
    if (a->build_id && a->build_is_asked) {
        act_cancel_build(c, a->build_id);
    }
    app_end_build(a, NULL);
}

static bool needs_build(const struct app *a, const char *key)
{
    struct buf ignored;
    enum app_state state;

    buf_init(&ignored);
    state = app_status(a, &ignored);
    buf_deinit(&ignored);
    return !a->artefact || a->build_id || a->is_deleting || state == APP_DEPLOY_FAILED ||
           strcmp(a->artefact_key, key) != 0;
}

static void put_one(struct controller *c, const json_t *config)
{
    const char *name = spec_application_name(config);
    char *key CLEANUP(mem_freep) = app_build_key(config);
    struct app *a = world_find_app(&c->world, name);
    json_t *artefact;

    if (!a) {
        a = app_new(&c->world, name);
    }
    a->source = SOURCE_DECLARATIVE;
    a->deployed_time_s = c->world.unix_s;
    c->world.is_changed = true;
    if (needs_build(a, key)) {
        forget_build(c, a);
        app_start_build(a, json_deep_copy(config), key);
        return;
    }
    json_decref(a->config);
    a->config = json_deep_copy(config);
    artefact = json_incref(a->artefact);
    set_target(c, a, artefact, key);
    json_decref(artefact);
}

static bool is_in(const json_t *applications, const char *name)
{
    for (size_t i = 0; i < json_array_size(applications); i++) {
        if (strcmp(spec_application_name(json_array_get(applications, i)), name) == 0) {
            return true;
        }
    }
    return false;
}

static void delete_app(struct controller *c, struct app *a)
{
    if (!a->is_deleting) {
        log_info("an application is deleted", "application=%s", a->name);
        forget_build(c, a);
        app_delete(a);
    }
}

void apps_put(struct controller *c, const json_t *document)
{
    const json_t *applications = json_object_get(document, "applications");
    const json_t *capacity = json_object_get(document, "target_capacity");
    struct app *a;

    c->world.unix_s = controller_unix_s();
    c->world.target_capacity = json_is_number(capacity) ? json_number_value(capacity) : -1;
    serve_start(c, document, "0.0.0.0");
    LIST_FOREACH (a, &c->world.apps, link) {
        if (a->source == SOURCE_DECLARATIVE && !is_in(applications, a->name)) {
            delete_app(c, a);
        }
    }
    for (size_t i = 0; i < json_array_size(applications); i++) {
        put_one(c, json_array_get(applications, i));
    }
    log_info("a configuration was deployed", "applications=%zu", json_array_size(applications));
    controller_wake(c);
}

/* serve.run: the artefact comes with it; its config is what little a driver can say. */
int apps_put_artefact(struct controller *c, const char *name, const json_t *body, struct err *err)
{
    json_t *artefact = json_object_get(body, "artefact");
    json_t *prefix = json_object_get(body, "route_prefix");
    json_t *logging = json_object_get(body, "logging_config");
    json_t *external = json_object_get(body, "external_scaler_enabled");
    struct app *a = world_find_app(&c->world, name);
    const struct app *owner = owner_of(c, json_string_value(prefix), a);
    char *version CLEANUP(mem_freep) = NULL;
    json_t *config;
    int r;

    if (owner) {
        return err_set(err, -EADDRINUSE,
                       "Prefix %s is being used by application \"%s\". Failed to deploy "
                       "application \"%s\".",
                       json_string_value(prefix), owner->name, name);
    }
    if (!json_is_object(artefact)) {
        return err_set(err, -EINVAL, "the body has no artefact");
    }
    config = json_pack("{s:s, s:b}", "name", name, "external_scaler_enabled",
                       (int) json_is_true(external));
    if (json_is_object(logging)) {
        json_object_set(config, "logging_config", logging);
    }
    if (prefix) {
        json_object_set(config, "route_prefix", prefix);
    }
    c->world.unix_s = controller_unix_s();
    serve_start(c, NULL, "127.0.0.1");
    a = a ? a : app_new(&c->world, name);
    version = mem_printf("run %s", a->name);
    r = app_set_target(a, artefact, version, config, err);
    if (r == 0) {
        forget_build(c, a);
        json_decref(TAKE_PTR(a->config));
        a->source = SOURCE_IMPERATIVE;
        a->deployed_time_s = c->world.unix_s;
        take_prefix(c, a);
        log_info("an application was run", "application=%s", name);
    } else if (!a->target && !a->build_id && !a->build_error) {
        app_free(a); /* it was made for nothing */
    }
    json_decref(config);
    controller_wake(c);
    return r;
}

void apps_delete(struct controller *c, const char *name)
{
    struct app *a = world_find_app(&c->world, name);

    if (a) {
        delete_app(c, a);
        controller_wake(c);
    }
}

static struct app *find_build(const struct controller *c, struct span build_id)
{
    struct app *a;

    LIST_FOREACH (a, &c->world.apps, link) {
        if (a->build_id && span_is(build_id, a->build_id)) {
            return a;
        }
    }
    return NULL;
}

void apps_on_built(struct controller *c, struct span build_id, struct span result_json)
{
    struct app *a = find_build(c, build_id);
    json_error_t problem;
    json_t *result;
    const char *error;
    char *what CLEANUP(mem_freep) = NULL;

    if (!a) {
        return; /* of a configuration that was replaced */
    }
    result = json_loadb(result_json.data, result_json.size, 0, &problem);
    error = json_string_value(json_object_get(result, "error"));
    if (json_is_true(json_object_get(result, "is_runtime_env"))) {
        what = mem_printf("Runtime env setup for app '%s' failed:", a->name);
    } else {
        what = mem_printf("Deploying app '%s' failed with exception:", a->name);
    }
    if (error) {
        fail(a, what, error);
    } else if (!json_is_object(result)) {
        fail(a, what, problem.text);
    } else {
        log_info("an application was built", "application=%s", a->name);
        set_target(c, a, result, a->build_key);
    }
    json_decref(result);
}

/* Serve itself. */

/* Whether something that was asked for explicitly is not what runs. */
static bool is_other(enum schema_id id, json_t *asked, const json_t *running)
{
    json_t *effective = schema_effective(schema_get(id), running);
    bool differs = false;
    const char *name;
    json_t *value;

    json_object_foreach(asked, name, value)
    {
        differs |= !json_equal(value, json_object_get(effective, name));
    }
    json_decref(effective);
    return differs;
}

static void warn_if_ignored(const struct serve *s, const json_t *options)
{
    const char *location = json_string_value(json_object_get(options, "proxy_location"));

    if (is_other(SCHEMA_HTTP_OPTIONS, json_object_get(options, "http_options"), s->http_options)) {
        log_warn("Serve runs: other http_options are ignored");
    }
    if (is_other(SCHEMA_GRPC_OPTIONS, json_object_get(options, "grpc_options"), s->grpc_options)) {
        log_warn("Serve runs: other grpc_options are ignored");
    }
    if (location && strcmp(location, s->proxy_location) != 0) {
        log_warn("Serve runs: another proxy_location is ignored", "proxy_location=%s", location);
    }
}

static json_t *copy_or_empty(const json_t *options, const char *key)
{
    const json_t *value = json_object_get(options, key);

    return json_is_object(value) ? json_deep_copy(value) : json_object();
}

void serve_start(struct controller *c, const json_t *options, const char *default_host)
{
    struct serve *s = &c->serve;
    const char *location = json_string_value(json_object_get(options, "proxy_location"));
    json_t *logging = json_object_get(options, "logging_config");

    if (s->is_started && !s->is_stopping) {
        warn_if_ignored(s, options);
        if (c->http_error) {
            act_listen_http(c); /* whoever had the port may have gone */
        }
        return;
    }
    json_decref(s->http_options);
    json_decref(s->grpc_options);
    json_decref(s->logging_config);
    free(s->proxy_location);
    s->http_options = copy_or_empty(options, "http_options");
    s->grpc_options = copy_or_empty(options, "grpc_options");
    s->logging_config = json_is_object(logging) ? json_deep_copy(logging) : NULL;
    s->proxy_location = mem_strdup(location ? location : "EveryNode");
    s->http_may_move = !json_object_get(s->http_options, "port");
    if (!json_object_get(s->http_options, "host")) {
        json_object_set_new(s->http_options, "host", json_string(default_host));
    }
    s->is_started = true;
    s->is_stopping = false;
    c->world.is_hurried = false;
    c->world.is_changed = true;
    log_info("Serve starts", "proxy_location=%s", s->proxy_location);
    act_listen_http(c);
    controller_wake(c);
}

void serve_stop(struct controller *c)
{
    struct app *a;

    if (!c->serve.is_started || c->serve.is_stopping) {
        return;
    }
    log_info("Serve stops");
    c->serve.is_stopping = true;
    c->world.is_hurried = true;
    c->world.is_changed = true;
    LIST_FOREACH (a, &c->world.apps, link) {
        delete_app(c, a);
    }
    act_listen_http(c);
    controller_wake(c);
}

void serve_check_stopped(struct controller *c)
{
    struct serve *s = &c->serve;

    if (s->is_stopping && list_empty(&c->world.apps)) {
        s->is_started = false;
        s->is_stopping = false;
        c->world.is_hurried = false;
        c->world.target_capacity = -1;
        c->world.is_changed = true;
        log_info("Serve has stopped");
    }
    if (!s->is_stopping) {
        api_on_serve_stopped(c);
    }
}
