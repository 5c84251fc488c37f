/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "spec/vectors.h"

static json_t *parse_text(const char *text, struct spec_report *report)
{
    json_t *document = json_loads(text, JSON_DECODE_ANY, NULL);
    json_t *out;

    assert_non_null(document);
    spec_report_init(report);
    out = spec_serve_parse(document, report);
    json_decref(document);
    return out;
}

/* The sentences about 'text', which must be in error; the caller frees them. */
static char *sentences_of(const char *text)
{
    struct spec_report report;
    struct buf b;

    buf_init(&b);
    assert_null(parse_text(text, &report));
    spec_report_sentences(&report, &b);
    spec_report_deinit(&report);
    return buf_take_str(&b);
}

static void check_vector(const json_t *vector)
{
    struct spec_report report;
    json_t *out;
    const json_t *expected = json_object_get(vector, "out");

    spec_report_init(&report);
    out = spec_part_parse(SCHEMA_DEPLOY, json_object_get(vector, "in"), &report);
    if (expected) {
        if (!out || !json_equal(out, expected)) {
            char *in = json_dumps(vector, 0);
            char *got = out ? json_dumps(out, 0) : spec_serve_error(&report);

            fail_msg("vector %s\n gives %s", in, got);
        }
    } else {
        struct buf text;

        buf_init(&text);
        spec_report_ray_text(&report, "ServeDeploySchema", &text);
        assert_null(out);
        assert_string_equal(buf_cstr(&text), json_string_value(json_object_get(vector, "error")));
        buf_deinit(&text);
    }
    json_decref(out);
    spec_report_deinit(&report);
}

static void test_documents_are_judged_as_by_ray(void **state)
{
    (void) state;
    assert_true(for_each_vector("serve_schema.jsonl", check_vector) > 1000);
}

static void test_every_error_is_one_sentence_with_its_path(void **state)
{
    char *text = sentences_of("{\"applications\": [{\"import_path\": \"m:a\", \"deployments\": ["
                              "{\"name\": \"D\"}, {\"name\": \"E\", \"max_ongoing_requests\": 0, "
                              "\"num_replicas\": 0}]}]}");

    (void) state;
    assert_string_equal(
        text, "applications[0].deployments[1].max_ongoing_requests: ensure this value is "
              "greater than 0\n"
              "applications[0].deployments[1]: `num_replicas` must be an int or \"auto\", "
              "but got: 0");
    free(text);
}

static void test_the_answer_to_a_bad_document_is_rays_text_and_our_sentences(void **state)
{
    struct spec_report report;
    char *text;

    (void) state;
    assert_null(parse_text("{}", &report));
    text = spec_serve_error(&report);
    assert_string_equal(text, "ValidationError(model='ServeDeploySchema', errors=[{'loc': "
                              "('applications',), 'msg': 'field required', 'type': "
                              "'value_error.missing'}, {'loc': ('__root__',), 'msg': \"'NoneType' "
                              "object is not iterable\", 'type': 'type_error'}])\n"
                              "applications: field required");
    free(text);
    spec_report_deinit(&report);
}

static void test_unknown_keys_are_warnings_that_name_the_nearest_key(void **state)
{
    struct spec_report report;
    const struct spec_problem *w;
    json_t *out = parse_text("{\"applications\": [{\"import_path\": \"m:a\", \"deployments\": ["
                             "{\"name\": \"D\", \"num_replica\": 2, \"autoscaling_config\": "
                             "{\"max_replica\": 2}}]}], \"zzz\": 1}",
                             &report);
    char *path;

    (void) state;
    assert_non_null(out);
    w = LIST_ENTRY(report.warnings.next, struct spec_problem, link);
    path = spec_path(w->loc);
    assert_string_equal(path, "applications[0].deployments[0].autoscaling_config.max_replica");
    assert_string_equal(w->msg, "unknown key, ignored; did you mean max_replicas?");
    free(path);
    w = LIST_ENTRY(w->link.next, struct spec_problem, link);
    path = spec_path(w->loc);
    assert_string_equal(path, "applications[0].deployments[0].num_replica");
    assert_string_equal(w->msg, "unknown key, ignored; did you mean num_replicas?");
    free(path);
    w = LIST_ENTRY(w->link.next, struct spec_problem, link);
    assert_string_equal(w->msg, "unknown key, ignored");
    assert_ptr_equal(w->link.next, &report.warnings);
    json_decref(out);
    spec_report_deinit(&report);
}

static const char *app_encoding(const json_t *document, size_t i)
{
    const json_t *app = json_array_get(json_object_get(document, "applications"), i);

    return json_string_value(json_object_get(json_object_get(app, "logging_config"), "encoding"));
}

static void test_applications_inherit_the_logging_config(void **state)
{
    struct spec_report report;
    json_t *out = parse_text(
        "{\"logging_config\": {\"encoding\": \"JSON\"}, \"applications\": [{\"import_path\": "
        "\"m:a\"}, {\"import_path\": \"m:a\", \"name\": \"b\", \"route_prefix\": \"/b\", "
        "\"logging_config\": {\"encoding\": \"TEXT\"}}, {\"import_path\": \"m:a\", \"name\": "
        "\"c\", \"route_prefix\": \"/c\", \"logging_config\": null}]}",
        &report);

    (void) state;
    assert_non_null(out);
    assert_string_equal(app_encoding(out, 0), "JSON");
    assert_string_equal(app_encoding(out, 1), "TEXT");
    assert_string_equal(app_encoding(out, 2), "JSON");
    json_decref(out);
    spec_report_deinit(&report);
}

static void test_options_are_shown_whole_and_without_secrets(void **state)
{
    json_t *set = json_loads("{\"port\": 1, \"ssl_keyfile_password\": \"p\"}", 0, NULL);
    json_t *shown = spec_http_options_shown(set);

    (void) state;
    assert_int_equal(json_object_size(shown), 9);
    assert_int_equal(json_integer_value(json_object_get(shown, "port")), 1);
    assert_string_equal(json_string_value(json_object_get(shown, "host")), "0.0.0.0");
    assert_string_not_equal(json_string_value(json_object_get(shown, "ssl_keyfile_password")), "p");
    assert_true(json_is_null(json_object_get(shown, "ssl_keyfile")));
    json_decref(shown);
    json_decref(set);
}

static void test_every_default_is_json(void **state)
{
    (void) state;
    for (int id = 0; id < SCHEMA_COUNT; id++) {
        const struct schema *s = schema_get((enum schema_id) id);

        for (size_t i = 0; i < s->n_fields; i++) {
            const char *text = s->fields[i].default_json;
            json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : json_null();

            assert_non_null(value);
            json_decref(value);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents_are_judged_as_by_ray),
        cmocka_unit_test(test_every_error_is_one_sentence_with_its_path),
        cmocka_unit_test(test_the_answer_to_a_bad_document_is_rays_text_and_our_sentences),
        cmocka_unit_test(test_unknown_keys_are_warnings_that_name_the_nearest_key),
        cmocka_unit_test(test_applications_inherit_the_logging_config),
        cmocka_unit_test(test_options_are_shown_whole_and_without_secrets),
        cmocka_unit_test(test_every_default_is_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
