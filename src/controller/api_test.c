/* SPDX-License-Identifier: Apache-2.0 */
/* The control API, as its clients see it. */

#include "controller/harness_test.h"

static void before_the_first_deploy_get_has_the_empty_form(void **state)
{
    char *text CLEANUP(mem_freep) = call("GET", "/api/serve/applications/", NULL);

    (void) state;
    assert_string_equal(text,
                        "{\"deploy_mode\":\"MULTI_APP\",\"controller_info\":{},\"proxies\":{},"
                        "\"applications\":{},\"target_capacity\":null}");
}

static void get_has_the_keys_of_the_contract_in_their_order(void **state)
{
    static const char *const keys[] = {
        "{\"controller_info\":{\"node_id\":",
        "\"log_file_path\":\"/serve/controller_",
        "\"proxy_location\":\"EveryNode\"",
        "\"http_options\":{\"host\":\"0.0.0.0\",\"port\":8000,",
        "\"keep_alive_timeout_s\":90",
        "\"grpc_options\":{\"port\":9000,",
        "\"proxies\":{\"n1\":{",
        "\"status\":\"HEALTHY\"",
        "\"applications\":{\"a\":{\"name\":\"a\",\"route_prefix\":\"/a\",",
        "\"docs_path\":null,\"status\":\"RUNNING\",\"message\":\"\",\"last_deployed_time_s\":",
        "\"deployed_app_config\":{\"name\":\"a\",\"route_prefix\":\"/a\",\"import_path\":\"m:a\",",
        "\"source\":\"declarative\",\"deployments\":{\"D\":{\"name\":\"D\",\"status\":\"HEALTHY\",",
        "\"status_trigger\":\"CONFIG_UPDATE_COMPLETED\",\"message\":\"\",\"deployment_config\":{",
        "\"target_num_replicas\":1,\"required_resources\":{\"CPU\":1",
        "\"replicas\":[{\"node_id\":",
        "\"actor_name\":\"SERVE_REPLICA::a#D#",
        "\"state\":\"RUNNING\",\"pid\":77,",
        "\"start_time_s\":",
        "\"external_scaler_enabled\":false,\"deployment_topology\":{",
        "\"target_capacity\":null,\"target_groups\":[{\"targets\":[{\"ip\":\"10.0.0.1\",",
    };
    char *text CLEANUP(mem_freep) = NULL;
    const char *at;
    char id[9];

    (void) state;
    run_a(id);
    at = text = call("GET", "/api/serve/applications/", NULL);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *found = strstr(at, keys[i]);

        if (!found) {
            fail_msg("%s is not in, or not in its place: %s", keys[i], text);
        }
        at = found;
    }
}

static void a_bad_document_is_refused_and_changes_nothing(void **state)
{
    char *answer CLEANUP(mem_freep) = NULL;
    char id[9];

    (void) state;
    run_a(id);
    answer =
        call("PUT", "/api/serve/applications/", CONFIG("m:a", ", \"max_ongoing_requests\": 0"));
    assert_int_equal(http_status, 400);
    assert_non_null(strstr(answer, "ensure this value is greater than 0"));
    assert_non_null(
        strstr(answer, "('applications', 0, 'deployments', 0, 'max_ongoing_requests')"));
    put("{", 400);
    expect_silence(&node);
    assert_string_equal(APP_STATUS(), "RUNNING");
}

static void serve_run_brings_its_artefact(void **state)
{
    char *answer CLEANUP(mem_freep) =
        call("PUT", "/api/model_service/applications/a",
             "{\"artefact\": " ARTEFACT("v1") ", \"route_prefix\": \"/r\"}");
    char *other CLEANUP(mem_freep) = NULL;
    char *deleted CLEANUP(mem_freep) = NULL;
    char id[9];

    (void) state;
    assert_string_equal(answer, "{}");
    take_listen("127.0.0.1", 8000);
    take_start(id);
    report(id, PHASE_READY, "");
    expect_routes("/r", id, true);
    expect_silence(&proxy);
    assert_string_equal(APP_STATUS(), "RUNNING");
    assert_string_equal(shown("applications", "a", "source", NULL), "imperative");
    other = call("PUT", "/api/model_service/applications/b",
                 "{\"artefact\": " ARTEFACT("v1") ", \"route_prefix\": \"/r\"}");
    assert_int_equal(http_status, 409);
    assert_non_null(strstr(other, "being used by application \"a\""));
    put("{\"applications\": []}", 200); /* says nothing about what was run */
    expect_silence(&node);
    assert_string_equal(APP_STATUS(), "RUNNING");
    deleted = call("DELETE", "/api/model_service/applications/a", NULL);
    assert_string_equal(deleted, "{}");
    expect_routes(NULL, "", true);
    take_stop(id);
}

static void the_scale_api_answers_as_ray(void **state)
{
    static const char path[] = "/api/v1/applications/a/deployments/D/scale";
    char *answers[5];
    char id[9];

    (void) state;
    answers[0] = call("POST", path, "{\"target_num_replicas\": 2}");
    assert_int_equal(http_status, 503);
    run_a(id);
    answers[1] = call("POST", path, "{\"target_num_replicas\": 2}");
    assert_int_equal(http_status, 412);
    assert_non_null(strstr(answers[1], "external_scaler_enabled=false"));
    answers[2] = call("POST", path, "{\"target_num_replicas\": -1}");
    assert_int_equal(http_status, 400);
    put("{\"applications\": [{\"name\": \"a\", \"route_prefix\": \"/a\", \"import_path\": \"m:a\", "
        "\"external_scaler_enabled\": true, \"deployments\": [{\"name\": \"D\"}]}]}",
        200);
    answers[3] =
        call("POST", "/api/v1/applications/a/deployments/X/scale", "{\"target_num_replicas\": 2}");
    assert_int_equal(http_status, 400);
    assert_non_null(strstr(answers[3], "Application or Deployment not found"));
    answers[4] = call("POST", path, "{\"target_num_replicas\": 2}");
    assert_int_equal(http_status, 200);
    take_start(id);
    assert_string_equal(DEPLOYMENT("status"), "HEALTHY");
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        free(answers[i]);
    }
}

static void health_version_and_unknown_paths_answer(void **state)
{
    char *health CLEANUP(mem_freep) = call("GET", "/api/gcs_healthz", NULL);
    char *version CLEANUP(mem_freep) = call("GET", "/api/ray/version", NULL);
    char *nothing CLEANUP(mem_freep) = NULL;
    char *type CLEANUP(mem_freep) = NULL;

    (void) state;
    assert_string_equal(health, "success");
    assert_non_null(strstr(version, "\"version\":\"4\",\"ray_version\":\"2.53.0\""));
    nothing = call("GET", "/api/serve/applications", NULL);
    assert_int_equal(http_status, 404);
    assert_string_equal(nothing, "404: Not Found");
    type = call("GET", "/api/serve/applications/?api_type=x", NULL);
    assert_int_equal(http_status, 400);
    assert_string_equal(type,
                        "Invalid 'api_type' value: 'x'. Must be one of: imperative, declarative");
}

static void a_page_in_a_browser_cannot_deploy(void **state)
{
    int fd = stream_connect_tcp("127.0.0.1", port, NULL);
    char answer[512];
    ssize_t n;

    (void) state;
    set_blocking(fd);
    send_all(fd, SPAN("PUT /api/serve/applications/ HTTP/1.1\r\nhost: x\r\norigin: http://evil\r\n"
                      "content-length: 20\r\n\r\n{\"applications\": []}"));
    n = recv(fd, answer, sizeof(answer) - 1, 0);
    assert_true(n > 0);
    answer[n] = '\0';
    assert_int_equal(strncmp(answer, "HTTP/1.1 405 ", 13), 0);
    assert_non_null(strstr(answer, "Method Not Allowed for browser traffic."));
    (void) close(fd);
    assert_string_equal(shown("deploy_mode", NULL), "MULTI_APP");
}

static void the_cluster_port_greets_a_command_line(void **state)
{
    struct peer cli = greet(stream_connect_tcp("127.0.0.1", cluster_port, NULL), ROLE_CLI, "{}");

    (void) state;
    expect_silence(&cli);
    hang_up(&cli);
}

static void start_tells_the_options_in_effect(void **state)
{
    char *first CLEANUP(mem_freep) =
        call("POST", "/api/model_service/start", "{\"http_options\": {\"port\": 8123}}");
    char *second CLEANUP(mem_freep) = NULL;
    char *instance CLEANUP(mem_freep) = NULL;

    (void) state;
    assert_int_equal(http_status, 200);
    assert_non_null(strstr(first, "\"host\":\"127.0.0.1\",\"port\":8123"));
    take_listen("127.0.0.1", 8123);
    second = call("POST", "/api/model_service/start", "{\"http_options\": {\"port\": 8124}}");
    assert_string_equal(first, second);
    expect_silence(&node);
    instance = call("GET", "/api/model_service/instance", NULL);
    assert_non_null(strstr(instance, "\"http\":{\"host\":\"127.0.0.1\",\"port\":8123}"));
    assert_non_null(strstr(instance, "\"resources\":{\"CPU\":8.0}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(before_the_first_deploy_get_has_the_empty_form),
        TEST(get_has_the_keys_of_the_contract_in_their_order),
        TEST(a_bad_document_is_refused_and_changes_nothing),
        TEST(serve_run_brings_its_artefact),
        TEST(the_scale_api_answers_as_ray),
        TEST(health_version_and_unknown_paths_answer),
        TEST(a_page_in_a_browser_cannot_deploy),
        TEST(the_cluster_port_greets_a_command_line),
        TEST(start_tells_the_options_in_effect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
