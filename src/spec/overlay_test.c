/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/json.h"
#include "spec/overlay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "spec/diff.h"
#include "spec/serve.h"
#include "spec/vectors.h"

/* Equal but for the kind of a number: Ray shows some defaults as 2, others as 2.0. */
static bool alike(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;

    if (json_is_number(a) && json_is_number(b)) {
        return json_number_value(a) == json_number_value(b);
    }
    if (!json_is_object(a) || !json_is_object(b)) {
        return a && b && json_equal(a, b);
    }
    json_object_foreach(json_unconst(a), key, value)
    {
        if (!alike(value, json_object_get(b, key))) {
            return false;
        }
    }
    return json_object_size(a) == json_object_size(b);
}

/* An artefact of deployments with options, children first as a build lists them. */
static json_t *make_artefact(const json_t *code)
{
    json_t *deployments = json_array();

    for (size_t i = json_array_size(code); i-- > 0;) {
        json_t *d = json_deep_copy(json_array_get(code, i));

        json_object_set_new(d, "blob", json_string("b10b"));
        json_object_set_new(d, "outbound", json_array());
        json_array_append_new(deployments, d);
    }
    return json_pack("{sisOsssssoso}", "version", 1, "ingress",
                     json_object_get(json_array_get(code, 0), "name"), "application", "default",
                     "code_version", "v1", "deployments", deployments, "python", json_object());
}

static json_t *parse_app(const json_t *config)
{
    struct spec_report report;
    json_t *out;

    spec_report_init(&report);
    out = spec_part_parse(SCHEMA_APPLICATION, config, &report);
    assert_non_null(out);
    spec_report_deinit(&report);
    return out;
}

static int overlay(const json_t *code, const json_t *config, struct app_spec **ret_spec,
                   struct err *err)
{
    json_t *artefact = make_artefact(code);
    json_t *parsed = parse_app(config);
    int r = app_spec_new(artefact, parsed, ret_spec, err);

    json_decref(artefact);
    json_decref(parsed);
    return r;
}

static struct app_spec *overlay_text(const char *code, const char *config, struct err *err)
{
    json_t *c = json_loads(code, 0, NULL);
    json_t *f = json_loads(config, 0, NULL);
    struct app_spec *spec = NULL;
    int r;

    assert_non_null(c);
    assert_non_null(f);
    r = overlay(c, f, &spec, err);
    assert_int_equal(r == 0, spec != NULL);
    json_decref(c);
    json_decref(f);
    return spec;
}

/* One deployment D with 'options' in code and 'entry' in the configuration. */
static struct app_spec *overlay_one(const char *options, const char *entry)
{
    char *code = mem_printf("[{\"name\": \"D\", \"options\": %s}]", options);
    char *config = mem_printf("{\"import_path\": \"m:a\", \"deployments\": [%s]}", entry);
    struct err err = {0};
    struct app_spec *spec = overlay_text(code, config, &err);

    assert_non_null(spec);
    free(code);
    free(config);
    return spec;
}

static void fail_vector(const json_t *vector, const json_t *got)
{
    char *in = json_dumps(vector, 0);
    char *out = json_dumps(got, 0);

    fail_msg("vector %s\n gives %s", in, out);
}

static void check_deployment(const json_t *vector, const struct deployment_spec *d)
{
    json_t *expected = json_object_get(json_object_get(vector, "out"), d->name);
    json_t *config = json_array_get(expected, 0);
    json_t *actor = json_object_get(config, "ray_actor_options");

    if (!json_object_get(actor, "runtime_env")) {
        json_object_set_new(actor, "runtime_env", json_object()); /* we always show one */
    }
    if (json_is_null(json_object_get(config, "num_replicas"))) {
        json_object_set_new(config, "num_replicas", json_integer(1)); /* Ray shows null */
    }
    if (!alike(config, d->deployment_config)) {
        fail_vector(vector, d->deployment_config);
    }
    if (!alike(json_array_get(expected, 1), d->required_resources)) {
        fail_vector(vector, d->required_resources);
    }
}

static void check_vector(const json_t *vector)
{
    const char *expected = json_string_value(json_object_get(vector, "error"));
    struct app_spec *spec = NULL;
    struct err err = {0};
    int r =
        overlay(json_object_get(vector, "code"), json_object_get(vector, "config"), &spec, &err);

    if (!expected) {
        if (r < 0) {
            fail_msg("%s", err.text);
        }
        for (size_t i = 0; i < spec->n_deployments; i++) {
            check_deployment(vector, &spec->deployments[i]);
        }
        app_spec_free(spec);
        return;
    }
    if (r == 0) {
        fail_vector(vector, spec->deployments[0].deployment_config);
    }
    if (strncmp(expected, "ValueError: ", 12) == 0) {
        assert_string_equal(err.text, expected + 12);
    }
}

static void test_code_and_configuration_become_what_ray_makes_of_them(void **state)
{
    (void) state;
    assert_true(for_each_vector("overlay.jsonl", check_vector) > 250);
}

static void test_resources_are_integers_without_zeros_in_order_of_names(void **state)
{
    struct app_spec *spec =
        overlay_one("{\"ray_actor_options\": {\"num_cpus\": 0.5, \"num_gpus\": 0, \"resources\": "
                    "{\"a\": 0.0001}, \"accelerator_type\": \"T4\"}}",
                    "");
    const struct deployment_spec *d = &spec->deployments[0];

    (void) state;
    assert_int_equal(d->n_resources, 3);
    assert_string_equal(d->resources[0].name, "CPU");
    assert_int_equal(d->resources[0].amount, 5000);
    assert_string_equal(d->resources[1].name, "a");
    assert_int_equal(d->resources[1].amount, 1);
    assert_string_equal(d->resources[2].name, "accelerator_type:T4");
    assert_int_equal(d->resources[2].amount, 10);
    app_spec_free(spec);
}

static void test_the_autoscaling_struct_has_every_precedence_applied(void **state)
{
    struct app_spec *spec = overlay_one(
        "{}",
        "{\"name\": \"D\", \"autoscaling_config\": {\"max_replicas\": 4, \"smoothing_factor\": "
        "0.5, \"downscale_smoothing_factor\": 3, \"downscaling_factor\": 0.25, "
        "\"downscale_delay_s\": 9, \"policy\": {\"policy_function\": \"p:f\"}}}");
    const struct deployment_spec *d = &spec->deployments[0];

    (void) state;
    assert_true(d->is_autoscaled);
    assert_true(d->autoscaling.upscaling_factor == 0.5);
    assert_true(d->autoscaling.downscaling_factor == 0.25);
    assert_true(d->autoscaling.downscale_to_zero_delay_s == 9);
    assert_int_equal(d->autoscaling.initial_replicas, -1);
    assert_string_equal(d->autoscaling.policy_function, "p:f");
    assert_int_equal(deployment_initial_replicas(d), 1);
    app_spec_free(spec);
}

static void test_a_replicas_config_has_user_config_only_when_there_is_one(void **state)
{
    struct app_spec *without = overlay_one("{}", "{\"name\": \"D\", \"user_config\": null}");
    struct app_spec *with = overlay_one("{}", "{\"name\": \"D\", \"user_config\": {}}");
    json_t *a = deployment_replica_config(&without->deployments[0]);
    json_t *b = deployment_replica_config(&with->deployments[0]);

    (void) state;
    assert_null(json_object_get(a, "user_config"));
    assert_non_null(json_object_get(b, "user_config"));
    assert_true(json_is_real(json_object_get(a, "graceful_shutdown_timeout_s")));
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(a, "logging_config"), "log_level")),
        "INFO");
    json_decref(a);
    json_decref(b);
    app_spec_free(without);
    app_spec_free(with);
}

static void test_the_innermost_logging_config_counts(void **state)
{
    struct err err = {0};
    struct app_spec *spec = overlay_text(
        "[{\"name\": \"A\", \"options\": {}}, {\"name\": \"B\", \"options\": {\"logging_config\": "
        "{\"log_level\": \"ERROR\"}}}]",
        "{\"import_path\": \"m:a\", \"logging_config\": {\"log_level\": \"DEBUG\"}}", &err);
    const json_t *a = app_spec_find(spec, "A")->logging_config;
    const json_t *b = app_spec_find(spec, "B")->logging_config;

    (void) state;
    assert_string_equal(json_string_value(json_object_get(a, "log_level")), "DEBUG");
    assert_string_equal(json_string_value(json_object_get(b, "log_level")), "ERROR");
    app_spec_free(spec);
}

static void test_two_asgi_deployments_in_one_application_are_refused(void **state)
{
    struct err err = {0};

    (void) state;
    assert_null(
        overlay_text("[{\"name\": \"A\", \"is_asgi\": true}, {\"name\": \"B\", \"is_asgi\": "
                     "true}]",
                     "{\"import_path\": \"m:a\", \"name\": \"x\"}", &err));
    assert_string_equal(err.text,
                        "Found multiple FastAPI deployments in application \"x\". Please only "
                        "include one deployment with @serve.ingress in your application to avoid "
                        "this issue.");
}

static void test_options_from_code_are_checked_like_those_of_a_file(void **state)
{
    struct err err = {0};

    (void) state;
    assert_null(overlay_text("[{\"name\": \"A\", \"options\": {\"max_ongoing_requests\": 0}}]",
                             "{\"import_path\": \"m:a\"}", &err));
    assert_string_equal(err.text, "Deployment 'A': bad options: max_ongoing_requests: ensure this "
                                  "value is greater than 0");
}

static unsigned diff_of(const char *before, const char *after)
{
    struct app_spec *a = overlay_one("{}", before);
    struct app_spec *b = overlay_one("{}", after);
    unsigned changes = deployment_diff(&a->deployments[0], &b->deployments[0]);

    app_spec_free(a);
    app_spec_free(b);
    return changes;
}

static void test_each_change_has_the_classes_of_its_row(void **state)
{
    static const struct {
        const char *after;
        unsigned changes;
    } cases[] = {
        {"", CHANGE_NONE},
        {", \"max_ongoing_requests\": 5", CHANGE_NONE},
        {", \"max_ongoing_requests\": 6", CHANGE_RECONFIGURE | CHANGE_ROUTER},
        {", \"max_queued_requests\": 6", CHANGE_ROUTER},
        {", \"user_config\": {}", CHANGE_RECONFIGURE},
        {", \"num_replicas\": 2", CHANGE_SCALE},
        {", \"autoscaling_config\": {}", CHANGE_SCALE},
        {", \"graceful_shutdown_timeout_s\": 1", CHANGE_CONTROLLER},
        {", \"ray_actor_options\": {\"num_cpus\": 2}", CHANGE_RESTART},
        {", \"ray_actor_options\": {\"runtime_env\": {\"env_vars\": {\"A\": \"1\"}}}",
         CHANGE_RESTART},
        {", \"logging_config\": {\"log_level\": \"DEBUG\"}", CHANGE_RECONFIGURE},
        {", \"health_check_period_s\": 3, \"num_replicas\": 7", CHANGE_CONTROLLER | CHANGE_SCALE},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *entry = mem_printf("{\"name\": \"D\"%s}", cases[i].after);
        unsigned changes = diff_of("{\"name\": \"D\"}", entry);

        if (changes != cases[i].changes) {
            fail_msg("%s: %#x, not %#x", cases[i].after, changes, cases[i].changes);
        }
        free(entry);
    }
}

static char *build_key(const char *config)
{
    json_t *value = json_loads(config, 0, NULL);
    char *key = app_build_key(value);

    json_decref(value);
    return key;
}

static void test_only_what_a_build_reads_is_in_its_key(void **state)
{
    char *plain = build_key("{\"import_path\": \"m:a\"}");
    char *same = build_key("{\"args\": {}, \"import_path\": \"m:a\", \"name\": \"z\", "
                           "\"deployments\": [{\"name\": \"D\", \"num_replicas\": 3}]}");
    char *args = build_key("{\"import_path\": \"m:a\", \"args\": {\"a\": 1}}");
    char *policy = build_key("{\"import_path\": \"m:a\", \"deployments\": [{\"name\": \"D\", "
                             "\"autoscaling_config\": {\"policy\": {\"policy_function\": "
                             "\"p:f\"}}}]}");

    (void) state;
    assert_string_equal(plain, same);
    assert_string_not_equal(plain, args);
    assert_string_not_equal(plain, policy);
    free(plain);
    free(same);
    free(args);
    free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_and_configuration_become_what_ray_makes_of_them),
        cmocka_unit_test(test_resources_are_integers_without_zeros_in_order_of_names),
        cmocka_unit_test(test_the_autoscaling_struct_has_every_precedence_applied),
        cmocka_unit_test(test_a_replicas_config_has_user_config_only_when_there_is_one),
        cmocka_unit_test(test_the_innermost_logging_config_counts),
        cmocka_unit_test(test_two_asgi_deployments_in_one_application_are_refused),
        cmocka_unit_test(test_options_from_code_are_checked_like_those_of_a_file),
        cmocka_unit_test(test_each_change_has_the_classes_of_its_row),
        cmocka_unit_test(test_only_what_a_build_reads_is_in_its_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
