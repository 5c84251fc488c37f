/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/serve_rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "spec/report.h"
#include "spec/repr.h"
#include "spec/runtime_env.h"

static const struct {
    json_int_t number;
    const char *name;
} log_levels[] = {{50, "CRITICAL"}, {50, "FATAL"}, {40, "ERROR"}, {30, "WARN"},
                  {30, "WARNING"},  {20, "INFO"},  {10, "DEBUG"}, {0, "NOTSET"}};

/* The attributes of Python's LogRecord, in an order in which Ray happens to print them. */
static const char *const log_attrs[] = {
    "pathname",   "levelname", "args",    "taskName",    "funcName",        "asctime",
    "threadName", "process",   "lineno",  "msg",         "relativeCreated", "stack_info",
    "levelno",    "name",      "message", "msecs",       "module",          "exc_text",
    "exc_info",   "filename",  "created", "processName", "thread"};

#define CUSTOM "value_error"

/* An error of the object at 'loc' as a whole. */
static void error_root(json_t *loc, struct spec_report *report, const char *text)
{
    json_array_append_new(loc, json_string("__root__"));
    spec_report_error(report, loc, CUSTOM, "%s", text);
    json_array_remove(loc, json_array_size(loc) - 1);
}

static void error_member(json_t *loc, const char *member, struct spec_report *report,
                         const char *text)
{
    json_array_append_new(loc, json_string(member));
    spec_report_error(report, loc, CUSTOM, "%s", text);
    json_array_remove(loc, json_array_size(loc) - 1);
}

/* Whether 'object' has a value there that is not null. */
static bool is_set(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return value && !json_is_null(value);
}

static bool is_auto(const json_t *value)
{
    return json_is_string(value) && strcmp(json_string_value(value), "auto") == 0;
}

void check_encoding(json_t **value, const json_t *loc, struct spec_report *report)
{
    const char *s = json_string_value(*value);

    if (strcmp(s, "TEXT") != 0 && strcmp(s, "JSON") != 0) {
        spec_report_error(report, loc, CUSTOM,
                          "Got '%s' for encoding. Encoding must be one of "
                          "{<EncodingType.JSON: 'JSON'>, <EncodingType.TEXT: 'TEXT'>}.",
                          s);
    }
}

/* Numbers become names; the later of two names for a number is the one that Python prints. */
void check_log_level(json_t **value, const json_t *loc, struct spec_report *report)
{
    const char *name = NULL;

    for (size_t i = 0; i < ARRAY_LEN(log_levels); i++) {
        if (json_is_integer(*value) ? json_integer_value(*value) == log_levels[i].number &&
                                          strcmp(log_levels[i].name, "FATAL") != 0
                                    : strcmp(json_string_value(*value), log_levels[i].name) == 0) {
            name = log_levels[i].name;
        }
    }
    if (name) {
        json_decref(*value);
        *value = json_string(name);
    } else if (json_is_integer(*value)) {
        spec_report_error(report, loc, CUSTOM,
                          "Got \"%lld\" for log_level. log_level must be one of "
                          "[50, 40, 30, 20, 10, 0].",
                          (long long) json_integer_value(*value));
    } else {
        spec_report_error(
            report, loc, CUSTOM,
            "Got \"%s\" for log_level. log_level must be one of ['CRITICAL', 'FATAL', "
            "'ERROR', 'WARN', 'WARNING', 'INFO', 'DEBUG', 'NOTSET'].",
            json_string_value(*value));
    }
}

static bool is_log_attr(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(log_attrs); i++) {
        if (strcmp(log_attrs[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_string(const json_t *array, const char *s)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (strcmp(json_string_value(json_array_get(array, i)), s) == 0) {
            return true;
        }
    }
    return false;
}

/* Duplicates are dropped; the first of each stays. */
void check_log_attrs(json_t **value, const json_t *loc, struct spec_report *report)
{
    json_t *unique = json_array();

    for (size_t i = 0; i < json_array_size(*value); i++) {
        const char *name = json_string_value(json_array_get(*value, i));

        if (!is_log_attr(name)) {
            struct buf known;

            buf_init(&known);
            for (size_t k = 0; k < ARRAY_LEN(log_attrs); k++) {
                buf_printf(&known, "%s'%s'", k > 0 ? ", " : "", log_attrs[k]);
            }
            spec_report_error(report, loc, CUSTOM,
                              "Unknown attribute '%s'. Additional log standard attributes must be "
                              "one of {%s}.",
                              name, buf_cstr(&known));
            buf_deinit(&known);
            break;
        }
        if (!has_string(unique, name)) {
            json_array_append_new(unique, json_string(name));
        }
    }
    json_decref(*value);
    *value = unique;
}

void check_runtime_env(json_t **value, const json_t *loc, struct spec_report *report)
{
    struct err err = {0};
    int r = runtime_env_check_uris(*value, &err);

    if (r < 0) {
        spec_report_error(report, loc, r == -EDOM ? "type_error" : CUSTOM, "%s", err.text);
    }
}

void check_import_path(json_t **value, const json_t *loc, struct spec_report *report)
{
    const char *s = json_string_value(*value);
    const char *colon = strchr(s, ':');
    const char *dot = strchr(s, '.');
    size_t size = strlen(s);
    const char *rule = NULL;

    if (colon && strchr(colon + 1, ':')) {
        rule = "may have at most one colon.";
    } else if (colon && (colon == s || colon == s + size - 1)) {
        rule = "may not start or end with a colon.";
    } else if (!colon && !dot) {
        rule = "must contain at least on dot or colon separating the module (and potentially "
               "submodules) from the deployment graph. E.g.: \"module.deployment_graph\".";
    } else if (!colon && (s[0] == '.' || s[size - 1] == '.')) {
        rule = "may not start or end with a dot.";
    }
    if (rule) {
        spec_report_error(report, loc, CUSTOM, "Got invalid import path \"%s\". An import path %s",
                          s, rule);
    }
}

static const char *app_text(const json_t *app, const char *key, const char *otherwise)
{
    const json_t *value = json_object_get(app, key);

    return value ? json_string_value(value) : otherwise;
}

/* The values of 'key' that several applications have, as '"a", "b"' in order of their second
 * appearance; returns how many there are. */
static size_t find_duplicates(const json_t *apps, const char *key, const char *otherwise,
                              struct buf *out)
{
    json_t *seen = json_object();
    json_t *twice = json_object();

    for (size_t i = 0; i < json_array_size(apps); i++) {
        const char *text = app_text(json_array_get(apps, i), key, otherwise);

        if (!text) {
            continue;
        }
        if (json_object_get(seen, text) && !json_object_get(twice, text)) {
            buf_printf(out, "%s\"%s\"", json_object_size(twice) > 0 ? ", " : "", text);
            json_object_set_new(twice, text, json_true());
        }
        json_object_set_new(seen, text, json_true());
    }
    json_decref(seen);
    json_decref(twice);
    return buf_size(out) > 0 ? 1 + (size_t) (strstr(buf_cstr(out), "\", \"") != NULL) : 0;
}

void check_applications(json_t **value, const json_t *loc, struct spec_report *report)
{
    struct buf names;
    struct buf prefixes;
    size_t n_names;
    size_t n_prefixes;

    buf_init(&names);
    buf_init(&prefixes);
    n_names = find_duplicates(*value, "name", "default", &names);
    n_prefixes = find_duplicates(*value, "route_prefix", "/", &prefixes);
    if (n_names > 0) {
        spec_report_error(report, loc, CUSTOM,
                          "Found multiple configs for application%s %s. Please remove all "
                          "duplicates.",
                          n_names > 1 ? "s" : "", buf_cstr(&names));
    } else if (n_prefixes > 0) {
        spec_report_error(report, loc, CUSTOM,
                          "Found duplicate applications for route prefix%s %s. Please ensure each "
                          "application's route_prefix is unique.",
                          n_prefixes > 1 ? "es" : "", buf_cstr(&prefixes));
    }
    for (size_t i = 0; n_names + n_prefixes == 0 && i < json_array_size(*value); i++) {
        if (app_text(json_array_get(*value, i), "name", "default")[0] == '\0') {
            spec_report_error(report, loc, CUSTOM, "Application names must be nonempty.");
            break;
        }
    }
    buf_deinit(&names);
    buf_deinit(&prefixes);
}

void check_aggregation(json_t **value, const json_t *loc, struct spec_report *report)
{
    static const char *const names[] = {"mean", "max", "min"};
    struct buf quoted;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcasecmp(json_string_value(*value), names[i]) == 0) {
            json_decref(*value);
            *value = json_string(names[i]);
            return;
        }
    }
    buf_init(&quoted);
    repr_value(*value, &quoted);
    spec_report_error(report, loc, CUSTOM, "%s is not a valid AggregationFunction",
                      buf_cstr(&quoted));
    buf_deinit(&quoted);
}

void check_http_options(json_t *object, json_t *loc, struct spec_report *report)
{
    const char *cert = json_string_value(json_object_get(object, "ssl_certfile"));
    const char *key = json_string_value(json_object_get(object, "ssl_keyfile"));

    if (cert && cert[0] != '\0' && (!key || key[0] == '\0')) {
        error_member(loc, "ssl_certfile", report,
                     "Both ssl_keyfile and ssl_certfile must be provided together to enable "
                     "HTTPS.");
    }
}

static json_int_t int_or(const json_t *object, const char *name, json_int_t otherwise)
{
    const json_t *value = json_object_get(object, name);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

void check_autoscaling(json_t *object, json_t *loc, struct spec_report *report)
{
    long long min = int_or(object, "min_replicas", 1);
    long long max = int_or(object, "max_replicas", 1);
    long long initial = int_or(object, "initial_replicas", min);
    char *text = NULL;

    if (max < min) {
        text = mem_printf("max_replicas (%lld) must be greater than or equal to min_replicas "
                          "(%lld)!",
                          max, min);
    } else if (initial < min) {
        text = mem_printf("min_replicas (%lld) must be less than or equal to initial_replicas "
                          "(%lld)!",
                          min, initial);
    } else if (initial > max) {
        text = mem_printf("max_replicas (%lld) must be greater than or equal to initial_replicas "
                          "(%lld)!",
                          max, initial);
    }
    if (text) {
        error_member(loc, "max_replicas", report, text);
        free(text);
    }
}

void check_deployment(json_t *object, json_t *loc, struct spec_report *report)
{
    const json_t *num_replicas = json_object_get(object, "num_replicas");
    const json_t *max_queued = json_object_get(object, "max_queued_requests");

    if (json_is_string(num_replicas) && !is_auto(num_replicas)) {
        char *text = mem_printf("`num_replicas` must be an int or \"auto\", but got: %s",
                                json_string_value(num_replicas));

        error_root(loc, report, text);
        free(text);
    } else if (json_is_integer(num_replicas) && is_set(object, "autoscaling_config")) {
        error_root(loc, report,
                   "Manually setting num_replicas is not allowed when autoscaling_config is "
                   "provided.");
    }
    if (is_set(object, "max_replicas_per_node") && is_set(object, "placement_group_bundles")) {
        error_root(loc, report,
                   "Setting max_replicas_per_node is not allowed when placement_group_bundles is "
                   "provided.");
    }
    if (max_queued && json_integer_value(max_queued) < 1 && json_integer_value(max_queued) != -1) {
        error_root(loc, report, "max_queued_requests must be -1 (no limit) or a positive integer.");
    }
}

/* An external scaler and our own autoscaling exclude each other. */
void check_application(json_t *object, json_t *loc, struct spec_report *report)
{
    const json_t *deployments = json_object_get(object, "deployments");
    struct buf names;

    if (!json_is_true(json_object_get(object, "external_scaler_enabled"))) {
        return;
    }
    buf_init(&names);
    for (size_t i = 0; i < json_array_size(deployments); i++) {
        const json_t *d = json_array_get(deployments, i);

        if (is_auto(json_object_get(d, "num_replicas")) || is_set(d, "autoscaling_config")) {
            buf_printf(&names, "%s\"%s\"", buf_size(&names) > 0 ? ", " : "",
                       json_string_value(json_object_get(d, "name")));
        }
    }
    if (buf_size(&names) > 0) {
        char *text = mem_printf(
            "external_scaler_enabled is set to True, but the following deployment(s) have "
            "autoscaling configured: %s. When using an external autoscaler, Serve's built-in "
            "autoscaling must be disabled for all deployments in the application.",
            buf_cstr(&names));

        error_root(loc, report, text);
        free(text);
    }
    buf_deinit(&names);
}

/* Host and port belong to the whole document.  When 'applications' is bad, Ray's own check of them
 * stumbles and adds an error that we only repeat. */
void check_deploy(json_t *object, json_t *loc, struct spec_report *report)
{
    const json_t *apps = json_object_get(object, "applications");

    if (!apps) {
        json_array_append_new(loc, json_string("__root__"));
        spec_report_error(report, loc, "type_error", "'NoneType' object is not iterable")
            ->for_ray_only = true;
        json_array_remove(loc, json_array_size(loc) - 1);
        return;
    }
    for (size_t i = 0; i < json_array_size(apps); i++) {
        const json_t *app = json_array_get(apps, i);
        const json_t *host = json_object_get(app, "host");
        const json_t *port = json_object_get(app, "port");
        const char *name = app_text(app, "name", "default");
        char *text;

        if (host) {
            text =
                mem_printf("Host \"%s\" is set in the config for application `%s`. Please remove "
                           "it and set host in the top level deploy config only.",
                           json_string_value(host), name);
        } else if (port) {
            text = mem_printf("Port %lld is set in the config for application `%s`. Please remove "
                              "it and set port in the top level deploy config only.",
                              (long long) json_integer_value(port), name);
        } else {
            continue;
        }
        error_root(loc, report, text);
        free(text);
        return;
    }
}
