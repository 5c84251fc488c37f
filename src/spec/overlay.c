/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/overlay_priv.h"

#include "spec/repr.h"
#include "spec/serve.h"

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key)); /* NULL if it is none */
}

static const json_t *find_entry(const json_t *deployments, const char *name)
{
    for (size_t i = 0; i < json_array_size(deployments); i++) {
        const json_t *d = json_array_get(deployments, i);
        const char *s = text_of(d, "name");

        if (s && strcmp(s, name) == 0) {
            return d;
        }
    }
    return NULL;
}

/* All entries of one deployment as one, later ones over earlier ones; NULL: it is not listed. */
static json_t *merge_entries(const json_t *listed, const char *name)
{
    json_t *out = NULL;

    for (size_t i = 0; i < json_array_size(listed); i++) {
        json_t *d = json_array_get(listed, i);
        const char *s = text_of(d, "name");

        if (s && strcmp(s, name) == 0) {
            out = out ? out : json_object();
            json_object_update(out, d);
        }
    }
    return out;
}

/* Every deployment that the configuration lists must be in the code. */
static int check_listed(const json_t *artefact, const json_t *config, struct err *err)
{
    const json_t *known = json_object_get(artefact, "deployments");
    const json_t *listed = json_object_get(config, "deployments");
    struct buf names;

    for (size_t i = 0; i < json_array_size(listed); i++) {
        const char *name = text_of(json_array_get(listed, i), "name");

        if (find_entry(known, name)) {
            continue;
        }
        buf_init(&names);
        for (size_t k = 0; k < json_array_size(known); k++) {
            buf_put_str(&names, k > 0 ? ", " : "");
            repr_str(text_of(json_array_get(known, k), "name"), &names);
        }
        err_set(err, -EINVAL, "Deployment '%s' does not exist. Available: [%s]", name,
                buf_cstr(&names));
        buf_deinit(&names);
        return -EINVAL;
    }
    return 0;
}

static int check_prefix(const char *prefix, struct err *err)
{
    size_t size = prefix ? strlen(prefix) : 0;

    if (!prefix || strcmp(prefix, "/") == 0) {
        return 0;
    }
    if (prefix[0] != '/') {
        return err_set(err, -EINVAL,
                       "Invalid route_prefix '%s', must start with a forward slash ('/').", prefix);
    }
    if (prefix[size - 1] == '/') {
        return err_set(err, -EINVAL, "Invalid route_prefix '%s', may not end with a trailing '/'.",
                       prefix);
    }
    if (strpbrk(prefix, "{}")) {
        return err_set(err, -EINVAL, "Invalid route_prefix '%s', may not contain wildcards.",
                       prefix);
    }
    return 0;
}

/* The artefact comes from our own builder, but by way of user code: nothing in it is trusted. */
static int check_artefact(const json_t *artefact, struct err *err)
{
    const json_t *deployments = json_object_get(artefact, "deployments");
    const char *ingress = text_of(artefact, "ingress");

    if (!ingress || !find_entry(deployments, ingress)) {
        return err_set(err, -EINVAL, "the build names no ingress deployment");
    }
    for (size_t i = 0; i < json_array_size(deployments); i++) {
        const json_t *d = json_array_get(deployments, i);
        const json_t *options = json_object_get(d, "options");

        if (!text_of(d, "name") || (options && !json_is_object(options))) {
            return err_set(err, -EINVAL, "entry %zu of the build's deployments is malformed", i);
        }
        if (find_entry(deployments, text_of(d, "name")) != d) {
            return err_set(err, -EINVAL, "the build has two deployments named '%s'",
                           text_of(d, "name"));
        }
    }
    return 0;
}

static int check_one_asgi(const struct app_spec *a, struct err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n_deployments; i++) {
        n += a->deployments[i].is_asgi ? 1 : 0;
    }
    if (n > 1) {
        return err_set(err, -EINVAL,
                       "Found multiple FastAPI deployments in application \"%s\". Please only "
                       "include one deployment with @serve.ingress in your application to avoid "
                       "this issue.",
                       a->name);
    }
    return 0;
}

static json_t *make_node(const struct app_spec *a, const struct deployment_spec *d)
{
    json_t *outbound = json_array();

    for (size_t i = 0; i < json_array_size(d->outbound); i++) {
        json_array_append_new(outbound, json_pack("{sOss}", "name", json_array_get(d->outbound, i),
                                                  "app_name", a->name));
    }
    return json_pack("{sssssosb}", "name", d->name, "app_name", a->name, "outbound_deployments",
                     outbound, "is_ingress", (int) d->is_ingress);
}

static json_t *make_topology(const struct app_spec *a)
{
    json_t *nodes = json_object();

    for (size_t i = 0; i < a->n_deployments; i++) {
        json_object_set_new(nodes, a->deployments[i].name, make_node(a, &a->deployments[i]));
    }
    return json_pack("{sssoss}", "app_name", a->name, "nodes", nodes, "ingress_deployment",
                     a->ingress);
}

static void fill_from_artefact(struct deployment_spec *d, const json_t *artefact,
                               const char *ingress)
{
    const json_t *outbound = json_object_get(artefact, "outbound");

    d->name = mem_strdup(text_of(artefact, "name"));
    d->blob = mem_strdup(text_of(artefact, "blob"));
    d->docs_path = mem_strdup(text_of(artefact, "docs_path"));
    d->is_asgi = json_is_true(json_object_get(artefact, "is_asgi"));
    d->has_reconfigure = json_is_true(json_object_get(artefact, "has_reconfigure"));
    d->is_ingress = strcmp(d->name, ingress) == 0;
    d->outbound = json_is_array(outbound) ? json_deep_copy(outbound) : json_array();
}

static void fill_app(struct app_spec *a, const json_t *artefact, const json_t *config)
{
    const json_t *prefix = json_object_get(config, "route_prefix");
    const json_t *python = json_object_get(artefact, "python");

    a->name = mem_strdup(spec_application_name(config));
    a->route_prefix = mem_strdup(prefix ? json_string_value(prefix) : "/");
    a->ingress = mem_strdup(text_of(artefact, "ingress"));
    a->code_version = mem_strdup(text_of(artefact, "code_version"));
    a->python = python ? json_deep_copy(python) : json_object();
    a->external_scaler_enabled = json_is_true(json_object_get(config, "external_scaler_enabled"));
    a->autoscaling_policy =
        mem_strdup(text_of(json_object_get(config, "autoscaling_policy"), "policy_function"));
}

static int fill_deployments(struct app_spec *a, const json_t *artefact, const json_t *config,
                            struct err *err)
{
    const json_t *deployments = json_object_get(artefact, "deployments");
    const json_t *listed = json_object_get(config, "deployments");
    int r;

    a->deployments = mem_alloc(json_array_size(deployments) * sizeof(*a->deployments));
    for (size_t i = 0; i < json_array_size(deployments); i++) {
        struct deployment_spec *d = &a->deployments[a->n_deployments++];
        const json_t *built = json_array_get(deployments, i);
        json_t *entry = merge_entries(listed, text_of(built, "name"));

        fill_from_artefact(d, built, a->ingress);
        r = deployment_overlay(d, &(struct deployment_sources){built, entry, config}, err);
        json_decref(entry);
        if (r < 0) {
            return r;
        }
        if (d->is_ingress) {
            a->docs_path = mem_strdup(d->docs_path);
        }
    }
    return check_one_asgi(a, err);
}

int app_spec_new(const json_t *artefact, const json_t *config, struct app_spec **ret_spec,
                 struct err *err)
{
    struct app_spec *a;
    int r = check_artefact(artefact, err);

    if (r == 0) {
        r = check_listed(artefact, config, err);
    }
    if (r < 0) {
        return r;
    }
    a = mem_new(struct app_spec);
    fill_app(a, artefact, config);
    r = check_prefix(a->route_prefix, err);
    if (r == 0) {
        r = fill_deployments(a, artefact, config, err);
    }
    if (r < 0) {
        app_spec_free(a);
        return r;
    }
    a->topology = make_topology(a);
    *ret_spec = a;
    return 0;
}

static void deinit_deployment(struct deployment_spec *d)
{
    free(d->name);
    free(d->docs_path);
    free(d->blob);
    free(d->placement_strategy);
    free(d->autoscaling.policy_function);
    for (size_t i = 0; i < d->n_resources; i++) {
        free(d->resources[i].name);
    }
    free(d->resources);
    json_decref(d->outbound);
    json_decref(d->user_config);
    json_decref(d->logging_config);
    json_decref(d->runtime_env);
    json_decref(d->bundles);
    json_decref(d->effective);
    json_decref(d->deployment_config);
    json_decref(d->required_resources);
}

void app_spec_free(struct app_spec *a)
{
    if (!a) {
        return;
    }
    for (size_t i = 0; i < a->n_deployments; i++) {
        deinit_deployment(&a->deployments[i]);
    }
    free(a->deployments);
    free(a->name);
    free(a->route_prefix);
    free(a->ingress);
    free(a->docs_path);
    free(a->code_version);
    free(a->autoscaling_policy);
    json_decref(a->python);
    json_decref(a->topology);
    free(a);
}

const struct deployment_spec *app_spec_find(const struct app_spec *a, const char *name)
{
    for (size_t i = 0; i < a->n_deployments; i++) {
        if (strcmp(a->deployments[i].name, name) == 0) {
            return &a->deployments[i];
        }
    }
    return NULL;
}
