/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/overlay_priv.h"

#include "spec/json.h"
#include "spec/runtime_env.h"
#include "spec/serve.h"

#define DEFAULT_POLICY "ray.serve.autoscaling_policy:default_autoscaling_policy"

/* What `num_replicas: auto` starts from. */
#define AUTO_BASE "{\"min_replicas\": 1, \"max_replicas\": 100, \"target_ongoing_requests\": 2.0}"

enum { DEFAULT_CONSTRUCTOR_RETRIES = 20 };

/* The fields that GET shows, in its order. */
static const char *const shown_fields[] = {
    "name",
    "num_replicas",
    "max_ongoing_requests",
    "max_queued_requests",
    "user_config",
    "autoscaling_config",
    "graceful_shutdown_wait_loop_s",
    "graceful_shutdown_timeout_s",
    "health_check_period_s",
    "health_check_timeout_s",
    "ray_actor_options",
    "request_router_config",
};

static bool is_auto(const json_t *value)
{
    return json_is_string(value) && strcmp(json_string_value(value), "auto") == 0;
}

/* Checks a part of a deployment by its schema; the sentence names the deployment and the field. */
static int parse_part(enum schema_id id, const json_t *value, const char *deployment,
                      const char *field, json_t **ret, struct err *err)
{
    struct spec_report report;
    struct buf text;
    json_t *out;

    spec_report_init(&report);
    out = spec_part_parse(id, value, &report);
    if (!out) {
        buf_init(&text);
        spec_report_sentences(&report, &text);
        err_set(err, -EINVAL, "Deployment '%s': bad %s: %s", deployment, field, buf_cstr(&text));
        buf_deinit(&text);
    }
    spec_report_deinit(&report);
    if (!out) {
        return -EINVAL;
    }
    *ret = out;
    return 0;
}

/* ---- replicas and autoscaling ---- */

/* What the code says: NULL when it does not autoscale, else a complete configuration. */
static json_t *code_autoscaling(const json_t *options)
{
    const json_t *set = json_object_get(options, "autoscaling_config");
    json_t *out = NULL;

    if (is_auto(json_object_get(options, "num_replicas"))) {
        out = json_loads(AUTO_BASE, 0, NULL);
    } else if (json_is_object(set)) {
        out = json_object();
    }
    if (out && json_is_object(set)) {
        json_object_update(out, json_unconst(set));
    }
    return out;
}

/* The configuration's word over the code's (ray-serve.md 1.9). */
static json_t *choose_autoscaling(const json_t *options, const json_t *config)
{
    json_t *code = code_autoscaling(options);
    const json_t *set = json_object_get(config, "autoscaling_config");
    json_t *out;

    if (!is_auto(json_object_get(config, "num_replicas"))) {
        if (!set) {
            return code;
        }
        json_decref(code);
        return json_is_object(set) ? json_deep_copy(set) : NULL;
    }
    if (!json_is_object(set) && code) {
        return code;
    }
    out = json_loads(AUTO_BASE, 0, NULL);
    if (json_is_object(set)) {
        json_object_update(out, json_unconst(set));
    }
    json_decref(code);
    return out;
}

static double number_or(const json_t *object, const char *name, double otherwise)
{
    const json_t *value = json_object_get(object, name);

    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static json_int_t int_or(const json_t *object, const char *name, json_int_t otherwise)
{
    const json_t *value = json_object_get(object, name);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

/* The struct of a complete, checked configuration: every precedence between its fields applied. */
static void read_autoscaling(const json_t *c, struct autoscaling_config *a)
{
    double both = number_or(c, "smoothing_factor", 1);
    const char *aggregation = json_string_value(json_object_get(c, "aggregation_function"));
    const char *policy =
        json_string_value(json_object_get(json_object_get(c, "policy"), "policy_function"));

    a->min_replicas = int_or(c, "min_replicas", 1);
    a->initial_replicas = int_or(c, "initial_replicas", -1);
    a->max_replicas = int_or(c, "max_replicas", 1);
    a->target_ongoing_requests = number_or(c, "target_ongoing_requests", 2);
    a->metrics_interval_s = number_or(c, "metrics_interval_s", 10);
    a->look_back_period_s = number_or(c, "look_back_period_s", 30);
    a->upscaling_factor =
        number_or(c, "upscaling_factor", number_or(c, "upscale_smoothing_factor", both));
    a->downscaling_factor =
        number_or(c, "downscaling_factor", number_or(c, "downscale_smoothing_factor", both));
    a->upscale_delay_s = number_or(c, "upscale_delay_s", 30);
    a->downscale_delay_s = number_or(c, "downscale_delay_s", 600);
    a->downscale_to_zero_delay_s = number_or(c, "downscale_to_zero_delay_s", a->downscale_delay_s);
    a->aggregation = strcmp(aggregation, "max") == 0   ? AGGREGATION_MAX
                     : strcmp(aggregation, "min") == 0 ? AGGREGATION_MIN
                                                       : AGGREGATION_MEAN;
    a->policy_function = policy && strcmp(policy, DEFAULT_POLICY) != 0 ? mem_strdup(policy) : NULL;
}

/* Puts num_replicas or autoscaling_config into 'set', complete, and into the struct. */
static int overlay_replicas(struct deployment_spec *d, const json_t *options, const json_t *config,
                            json_t *set, struct err *err)
{
    json_t *chosen = choose_autoscaling(options, config);
    const json_t *count = json_object_get(config, "num_replicas");
    json_t *parsed = NULL;
    json_t *complete;
    int r;

    json_object_del(set, "num_replicas");
    json_object_del(set, "autoscaling_config");
    if (!chosen) {
        d->num_replicas =
            count ? int_or(config, "num_replicas", 1) : int_or(options, "num_replicas", 1);
        json_object_set_new(set, "num_replicas", json_integer(d->num_replicas));
        return 0;
    }
    r = parse_part(SCHEMA_AUTOSCALING, chosen, d->name, "autoscaling_config", &parsed, err);
    json_decref(chosen);
    if (r < 0) {
        return r;
    }
    complete = schema_effective(schema_get(SCHEMA_AUTOSCALING), parsed);
    json_decref(parsed);
    if (!json_is_string(json_object_get(json_object_get(complete, "policy"), "policy_function"))) {
        json_object_set_new(complete, "policy",
                            json_pack("{ss}", "policy_function", DEFAULT_POLICY));
    }
    d->is_autoscaled = true;
    read_autoscaling(complete, &d->autoscaling);
    json_object_set_new(set, "autoscaling_config", complete);
    return 0;
}

/* ---- ray_actor_options ---- */

/* What a build makes of the code's environment: the application's where the code has none, but for
 * working_dir nothing of it where it has. */
static json_t *built_env(const json_t *code_options, const json_t *app_env)
{
    const json_t *own = json_object_get(code_options, "runtime_env");
    json_t *env = json_is_object(own) ? json_deep_copy(own) : runtime_env_merge(app_env, NULL);
    json_t *working_dir = json_object_get(app_env, "working_dir");

    if (working_dir && !json_object_get(env, "working_dir")) {
        json_object_set(env, "working_dir", working_dir);
    }
    return env;
}

/* The actor options before coercion: code's, or those of the configuration in their place. */
static json_t *overlay_actor(const json_t *options, const json_t *config, const json_t *app)
{
    const json_t *code = json_object_get(options, "ray_actor_options");
    const json_t *own = json_object_get(config, "ray_actor_options");
    const json_t *app_env = json_object_get(app, "runtime_env");
    json_t *out = own ? json_deep_copy(own) : code ? json_deep_copy(code) : json_object();
    json_t *env = own ? json_incref(json_object_get(own, "runtime_env")) : built_env(code, app_env);

    if (config) {
        json_t *merged = runtime_env_merge(app_env, env);

        json_decref(env);
        env = merged;
        if (!json_object_get(env, "env_vars")) {
            json_object_set_new(env, "env_vars", json_object());
        }
    }
    json_object_set_new(out, "runtime_env", env);
    if (!json_is_number(json_object_get(out, "num_cpus"))) {
        json_object_set_new(out, "num_cpus", json_integer(1));
    }
    return out;
}

/* Resources as GET shows them, of uncoerced actor options: an integer stays an integer. */
static json_t *make_required_resources(const json_t *actor)
{
    static const char *const names[][2] = {{"num_cpus", "CPU"}, {"num_gpus", "GPU"}};
    const json_t *custom = json_object_get(actor, "resources");
    const json_t *memory = json_object_get(actor, "memory");
    const char *type = json_string_value(json_object_get(actor, "accelerator_type"));
    json_t *out = json_is_object(custom) ? json_deep_copy(custom) : json_object();

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        json_t *amount = json_object_get(actor, names[i][0]);

        if (json_is_number(amount)) {
            json_object_set(out, names[i][1], amount);
        }
    }
    if (json_is_number(memory)) {
        json_object_set_new(out, "memory", json_integer((json_int_t) json_number_value(memory)));
    }
    if (type) {
        char *name = mem_printf("accelerator_type:%s", type);

        json_object_set_new(out, name, json_real(0.001));
        free(name);
    }
    return out;
}

/* ---- the whole ---- */

/* The logging configuration of the innermost that has one. */
static json_t *choose_logging(const json_t *set, const json_t *app)
{
    const json_t *own = json_object_get(set, "logging_config");

    if (!json_is_object(own)) {
        own = json_object_get(app, "logging_config");
    }
    return schema_effective(schema_get(SCHEMA_LOGGING), own);
}

static void read_simple(struct deployment_spec *d)
{
    const json_t *e = d->effective;
    const json_t *user_config = json_object_get(e, "user_config");

    d->max_ongoing_requests = int_or(e, "max_ongoing_requests", 5);
    d->max_queued_requests = int_or(e, "max_queued_requests", -1);
    d->graceful_shutdown_wait_loop_s = number_or(e, "graceful_shutdown_wait_loop_s", 2);
    d->graceful_shutdown_timeout_s = number_or(e, "graceful_shutdown_timeout_s", 20);
    d->health_check_period_s = number_or(e, "health_check_period_s", 10);
    d->health_check_timeout_s = number_or(e, "health_check_timeout_s", 30);
    d->user_config = json_is_object(user_config) ? json_deep_copy(user_config) : NULL;
    d->runtime_env =
        json_deep_copy(json_object_get(json_object_get(e, "ray_actor_options"), "runtime_env"));
}

static json_t *make_deployment_config(const json_t *effective)
{
    json_t *out = json_object();

    for (size_t i = 0; i < ARRAY_LEN(shown_fields); i++) {
        json_t *value = json_object_get(effective, shown_fields[i]);

        if (value) {
            json_object_set(out, shown_fields[i], value);
        }
    }
    return out;
}

/* Completes request_router_config in 'set'. */
static int overlay_router(const char *name, json_t *set, struct err *err)
{
    json_t *given = json_object_get(set, "request_router_config");
    json_t *parsed = NULL;
    int r = given ? parse_part(SCHEMA_REQUEST_ROUTER, given, name, "request_router_config", &parsed,
                               err)
                  : 0;

    if (r == 0) {
        json_object_set_new(set, "request_router_config",
                            schema_effective(schema_get(SCHEMA_REQUEST_ROUTER), parsed));
    }
    json_decref(parsed);
    return r;
}

/* Code options (checked) below the configuration's entry: what is set by either. */
static int merge_set(struct deployment_spec *d, const struct deployment_sources *s, json_t **ret,
                     struct err *err)
{
    json_t *options = json_deep_copy(json_object_get(s->artefact, "options"));
    json_t *set = NULL;
    int r;

    options = options ? options : json_object();
    json_object_set_new(options, "name", json_string(d->name));
    r = parse_part(SCHEMA_DEPLOYMENT, options, d->name, "options", &set, err);
    json_decref(options);
    if (r == 0) {
        json_object_update(set, json_unconst(s->config));
        *ret = set;
    }
    return r;
}

int deployment_overlay(struct deployment_spec *d, const struct deployment_sources *s,
                       struct err *err)
{
    const json_t *options = json_object_get(s->artefact, "options");
    json_t *actor = overlay_actor(options, s->config, s->app);
    json_t *coerced = NULL;
    json_t *set = NULL;
    int r = merge_set(d, s, &set, err);

    d->required_resources = make_required_resources(actor);
    if (r == 0) {
        r = parse_part(SCHEMA_RAY_ACTOR_OPTIONS, actor, d->name, "ray_actor_options", &coerced,
                       err);
    }
    json_decref(actor);
    if (r == 0) {
        json_object_set_new(set, "ray_actor_options", coerced);
        r = overlay_replicas(d, options, s->config, set, err);
    }
    if (r == 0) {
        r = overlay_router(d->name, set, err);
    }
    if (r < 0) {
        json_decref(set);
        return r;
    }
    d->max_constructor_retry_count =
        int_or(options, "max_constructor_retry_count", DEFAULT_CONSTRUCTOR_RETRIES);
    d->logging_config = choose_logging(set, s->app);
    d->effective = schema_effective(schema_get(SCHEMA_DEPLOYMENT), set);
    json_decref(set);
    if (d->is_autoscaled) {
        json_object_del(d->effective, "num_replicas");
    }
    d->deployment_config = make_deployment_config(d->effective);
    read_simple(d);
    return deployment_place(d, err);
}

int64_t deployment_initial_replicas(const struct deployment_spec *d)
{
    if (!d->is_autoscaled) {
        return d->num_replicas;
    }
    return d->autoscaling.initial_replicas >= 0 ? d->autoscaling.initial_replicas
                                                : d->autoscaling.min_replicas;
}

json_t *deployment_replica_config(const struct deployment_spec *d)
{
    static const char *const fields[] = {
        "max_ongoing_requests",        "max_queued_requests",   "graceful_shutdown_wait_loop_s",
        "graceful_shutdown_timeout_s", "health_check_period_s", "health_check_timeout_s",
    };
    json_t *out = json_object();

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        json_object_set(out, fields[i], json_object_get(d->effective, fields[i]));
    }
    if (d->user_config) {
        json_object_set_new(out, "user_config", json_deep_copy(d->user_config));
    }
    json_object_set_new(out, "logging_config", json_deep_copy(d->logging_config));
    return out;
}

json_t *deployment_replica_resources(const struct deployment_spec *d)
{
    const json_t *actor = json_object_get(d->effective, "ray_actor_options");
    const json_t *memory = json_object_get(actor, "memory");
    json_t *out = json_object();

    json_object_set_new(out, "num_cpus", json_real(number_or(actor, "num_cpus", 1)));
    json_object_set_new(out, "num_gpus", json_real(number_or(actor, "num_gpus", 0)));
    if (json_is_number(memory)) {
        json_object_set_new(out, "memory", json_integer((json_int_t) json_number_value(memory)));
    }
    if (json_is_object(json_object_get(actor, "resources"))) {
        json_object_set_new(out, "resources", json_deep_copy(json_object_get(actor, "resources")));
    }
    return out;
}
