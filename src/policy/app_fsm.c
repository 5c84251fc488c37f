/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/app_fsm.h"

#include "policy/world.h"
#include "spec/repr.h"

enum { BUILD_ID_SIZE = 12 };

struct app *app_new(struct world *w, const char *name)
{
    struct app *a = mem_new(struct app);

    a->world = w;
    a->name = mem_strdup(name);
    list_init(&a->deployments);
    list_push_back(&w->apps, &a->link);
    w->is_changed = true;
    return a;
}

void app_free(struct app *a)
{
    struct deployment *d;
    struct deployment *tmp;

    LIST_FOREACH_SAFE (d, tmp, &a->deployments, link) {
        deployment_free(d);
    }
    list_remove(&a->link);
    a->world->is_changed = true;
    app_spec_free(a->target);
    json_decref(a->config);
    json_decref(a->artefact);
    json_decref(a->target_config);
    free(a->artefact_key);
    free(a->build_key);
    free(a->build_id);
    free(a->build_error);
    free(a->routed_ingress);
    free(a->name);
    free(a);
}

struct deployment *app_find(const struct app *a, const char *name)
{
    struct deployment *d;

    LIST_FOREACH (d, &a->deployments, link) {
        if (strcmp(d->name, name) == 0) {
            return d;
        }
    }
    return NULL;
}

static void set_text(char **field, const char *text)
{
    char *old = *field;

    *field = mem_strdup(text);
    free(old);
}

/* It was being deleted: what is left of it goes on leaving, and is no start for what comes. */
static void revive(struct app *a)
{
    struct deployment *d;

    LIST_FOREACH (d, &a->deployments, link) {
        deployment_leave(d);
    }
    app_spec_free(TAKE_PTR(a->target));
    json_decref(TAKE_PTR(a->artefact));
    json_decref(TAKE_PTR(a->target_config));
    set_text(&a->routed_ingress, NULL);
    a->is_deleting = false;
}

void app_start_build(struct app *a, json_t *config, const char *build_key)
{
    char id[BUILD_ID_SIZE + 1];

    world_make_id(a->world, id, BUILD_ID_SIZE);
    set_text(&a->build_id, id);
    set_text(&a->build_key, build_key);
    set_text(&a->build_error, NULL);
    a->build_is_asked = false;
    json_decref(a->config);
    a->config = config;
    if (a->is_deleting) {
        revive(a);
    }
    a->world->is_changed = true;
}

void app_end_build(struct app *a, const char *message)
{
    set_text(&a->build_id, NULL);
    set_text(&a->build_error, message);
    a->build_is_asked = false;
    a->world->is_changed = true;
}

/* All of an application's replicas are replaced when its code is another. */
static uint64_t code_of(const struct app_spec *spec, const char *key)
{
    char *text CLEANUP(mem_freep) = mem_printf("%s\n%s", spec->code_version, key);

    return map_hash(text, strlen(text));
}

static void set_targets(struct app *a, const struct app_spec *spec, const char *key)
{
    struct deployment *d;
    struct deployment *tmp;

    for (size_t i = 0; i < spec->n_deployments; i++) {
        struct target_change change = {.spec = &spec->deployments[i],
                                       .python = spec->python,
                                       .code = code_of(spec, key),
                                       .capacity = a->world->target_capacity};

        d = app_find(a, change.spec->name);
        deployment_set_target(d ? d : deployment_new(a, change.spec->name), &change);
    }
    LIST_FOREACH_SAFE (d, tmp, &a->deployments, link) {
        if (!app_spec_find(spec, d->name)) {
            deployment_leave(d);
        }
    }
}

int app_set_target(struct app *a, json_t *artefact, const char *artefact_key, json_t *config,
                   struct err *err)
{
    struct app_spec *spec = NULL;
    int r = app_spec_new(artefact, config, &spec, err);

    if (r < 0) {
        return r;
    }
    json_incref(artefact);
    json_incref(config);
    set_targets(a, spec, artefact_key);
    app_spec_free(a->target);
    json_decref(a->artefact);
    json_decref(a->target_config);
    a->target = spec;
    a->artefact = artefact;
    a->target_config = config;
    set_text(&a->artefact_key, artefact_key);
    if (!a->routed_ingress || !app_find(a, a->routed_ingress)) {
        set_text(&a->routed_ingress, spec->ingress);
    }
    a->prefix_is_lost = false;
    a->is_deleting = false;
    a->world->is_changed = true;
    return 0;
}

void app_delete(struct app *a)
{
    struct deployment *d;

    if (a->is_deleting) {
        return;
    }
    app_end_build(a, NULL);
    a->is_deleting = true;
    json_decref(TAKE_PTR(a->config));
    LIST_FOREACH (d, &a->deployments, link) {
        deployment_delete(d);
    }
}

bool app_is_gone(const struct app *a)
{
    return a->is_deleting && list_empty(&a->deployments);
}

/* Requests go to the old ingress until the new one serves. */
static void choose_ingress(struct app *a)
{
    const struct deployment *routed = app_find(a, a->routed_ingress);
    const struct deployment *wanted = app_find(a, a->target->ingress);

    if (routed != wanted && (!routed || deployment_n_serving(routed) == 0 ||
                             deployment_n_serving(wanted) > 0 || wanted->target == 0)) {
        set_text(&a->routed_ingress, a->target->ingress);
        a->world->is_changed = true;
    }
}

static bool is_all_healthy(const struct app *a)
{
    const struct deployment *d;

    LIST_FOREACH (d, &a->deployments, link) {
        if (d->mode == DEPLOYMENT_LIVE && d->status.state != DEPLOYMENT_HEALTHY) {
            return false;
        }
    }
    return true;
}

void app_decide(struct app *a, struct decision *decision)
{
    struct deployment *d;
    struct deployment *tmp;

    if (a->build_id && !a->build_is_asked && placement_is_up(&decision->world->placement)) {
        a->build_is_asked = true;
        decision_add(decision, (struct action){.kind = ACTION_BUILD, .app = a});
    }
    LIST_FOREACH (d, &a->deployments, link) {
        deployment_decide(d, decision);
    }
    if (a->target && !a->is_deleting) {
        choose_ingress(a);
    }
    LIST_FOREACH_SAFE (d, tmp, &a->deployments, link) {
        if (d->mode == DEPLOYMENT_LEFTOVER && is_all_healthy(a)) {
            deployment_delete(d);
            deployment_decide(d, decision);
        }
        if (d->mode == DEPLOYMENT_DELETING && list_empty(&d->replicas)) {
            deployment_free(d);
        }
    }
}

/* The status. */

static void name_those(const struct app *a, enum deployment_state state, struct buf *out)
{
    const struct deployment *d;
    bool is_first = true;

    buf_put_char(out, '[');
    LIST_FOREACH (d, &a->deployments, link) {
        if (d->mode == DEPLOYMENT_LIVE && d->status.state == state) {
            buf_put_str(out, is_first ? "" : ", ");
            repr_str(d->name, out);
            is_first = false;
        }
    }
    buf_put_char(out, ']');
}

static bool is_deploying(const struct deployment *d)
{
    switch (d->status.state) {
    case DEPLOYMENT_UPDATING: return true;
    case DEPLOYMENT_UPSCALING:
    case DEPLOYMENT_DOWNSCALING: return d->status.trigger == TRIGGER_CONFIG_UPDATE_STARTED;
    case DEPLOYMENT_HEALTHY:
    case DEPLOYMENT_UNHEALTHY:
    case DEPLOYMENT_DEPLOY_FAILED:
    case N_DEPLOYMENT_STATES: return false;
    }
    return false;
}

enum app_state app_status(const struct app *a, struct buf *message)
{
    const struct deployment *d;
    bool has_failed = false;
    bool is_unhealthy = false;
    bool deploys = false;

    if (a->is_deleting) {
        return APP_DELETING;
    }
    if (a->build_error) {
        buf_put_str(message, a->build_error);
        return APP_DEPLOY_FAILED;
    }
    LIST_FOREACH (d, &a->deployments, link) {
        if (d->mode == DEPLOYMENT_LIVE) {
            has_failed |= d->status.state == DEPLOYMENT_DEPLOY_FAILED;
            is_unhealthy |= d->status.state == DEPLOYMENT_UNHEALTHY;
            deploys |= is_deploying(d);
        }
    }
    if (a->build_id || !a->target) {
        return APP_DEPLOYING;
    }
    if (has_failed) {
        buf_put_str(message, "Failed to update the deployments ");
        name_those(a, DEPLOYMENT_DEPLOY_FAILED, message);
        buf_put_char(message, '.');
        return APP_DEPLOY_FAILED;
    }
    if (is_unhealthy) {
        buf_put_str(message, "The deployments ");
        name_those(a, DEPLOYMENT_UNHEALTHY, message);
        buf_put_str(message, " are UNHEALTHY.");
        return APP_UNHEALTHY;
    }
    return deploys ? APP_DEPLOYING : APP_RUNNING;
}

const char *app_state_name(enum app_state state)
{
    static const char *const names[] = {
        [APP_NOT_STARTED] = "NOT_STARTED",     [APP_DEPLOYING] = "DEPLOYING",
        [APP_DEPLOY_FAILED] = "DEPLOY_FAILED", [APP_RUNNING] = "RUNNING",
        [APP_UNHEALTHY] = "UNHEALTHY",         [APP_DELETING] = "DELETING",
    };

    return names[state];
}

const char *app_route_prefix(const struct app *a)
{
    return a->target && !a->is_deleting && !a->prefix_is_lost ? a->target->route_prefix : NULL;
}
