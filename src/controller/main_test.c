/* SPDX-License-Identifier: Apache-2.0 */
/* The life of applications, as nodes and proxies see it. */

#include "controller/harness_test.h"

static void a_put_becomes_a_running_application(void **state)
{
    char id[9];

    (void) state;
    put(CONFIG("m:a", ""), 200);
    assert_string_equal(APP_STATUS(), "DEPLOYING");
    assert_string_equal(DEPLOYMENT("status"), ""); /* none while it is built */
    take_listen("0.0.0.0", 8000);
    answer_build("\"import_path\":\"m:a\"", ARTEFACT("v1"));
    take_start(id);
    assert_string_equal(DEPLOYMENT("status"), "UPDATING");
    assert_string_equal(REPLICA("0", "state"), "STARTING");
    report(id, PHASE_READY, "");
    expect_routes("/a", id, false);
    expect_silence(&node);
    assert_string_equal(APP_STATUS(), "DEPLOYING"); /* the proxy has not said that it knows */
    expect_silence(&node);
    SEND(&proxy, snapshot_ack, .version = UINT64_MAX);
    expect_silence(&proxy);
    assert_string_equal(APP_STATUS(), "RUNNING");
    assert_string_equal(DEPLOYMENT("status"), "HEALTHY");
    assert_string_equal(DEPLOYMENT("status_trigger"), "CONFIG_UPDATE_COMPLETED");
    assert_string_equal(REPLICA("0", "replica_id"), id);
    assert_string_equal(shown("proxies", "n1", "status", NULL), "HEALTHY");
    assert_string_equal(shown("target_groups", "0", "targets", "0", "ip", NULL), "10.0.0.1");
}

static void a_constructor_that_fails_three_times_fails_the_deploy(void **state)
{
    char id[9];

    (void) state;
    put(CONFIG("m:a", ""), 200);
    take_listen("0.0.0.0", 8000);
    answer_build("m:a", ARTEFACT("v1"));
    for (int i = 0; i < 3; i++) {
        take_start(id);
        report(id, PHASE_FAILED, "Traceback: no weights \xff");
        take_stop(id);
        report(id, PHASE_GONE, "");
    }
    expect_silence(&node);
    assert_string_equal(APP_STATUS(), "DEPLOY_FAILED");
    assert_string_equal(APP_MESSAGE(), "Failed to update the deployments ['D'].");
    assert_string_equal(DEPLOYMENT("status_trigger"), "REPLICA_STARTUP_FAILED");
    assert_non_null(strstr(DEPLOYMENT("message"), "failed to start 3 times in a row"));
    assert_non_null(strstr(DEPLOYMENT("message"), "Traceback: no weights ?"));
}

static void a_failed_build_is_in_the_status_and_the_old_version_serves(void **state)
{
    char id[9];

    (void) state;
    run_a(id);
    put(CONFIG("m:broken", ""), 200);
    answer_build("m:broken", "{\"error\": \"Traceback: no module\"}");
    expect_silence(&node);
    assert_string_equal(APP_STATUS(), "DEPLOY_FAILED");
    assert_string_equal(APP_MESSAGE(),
                        "Deploying app 'a' failed with exception:\nTraceback: no module");
    assert_string_equal(DEPLOYMENT("status"), "");
    expect_silence(&proxy); /* routes have not changed */
}

static void an_identical_put_moves_nothing(void **state)
{
    char id[9];

    (void) state;
    run_a(id);
    put(CONFIG("m:a", ""), 200);
    expect_silence(&node);
    expect_silence(&proxy);
    assert_string_equal(APP_STATUS(), "RUNNING");
    assert_string_equal(REPLICA("0", "replica_id"), id);
}

static void a_put_during_a_build_cancels_it(void **state)
{
    char first[64];
    char id[9];

    (void) state;
    put(CONFIG("m:a", ""), 200);
    take_listen("0.0.0.0", 8000);
    take_build(first, sizeof(first), "m:a");
    put(CONFIG("m:b", ""), 200);
    {
        EXPECT(&node, CANCEL_BUILD, cancel_build);
        assert_true(span_is(cancel_build.build_id, first));
    }
    SEND(&node, built, .build_id = span_of(first), .result_json = SPAN(ARTEFACT("v1")));
    answer_build("m:b", ARTEFACT("v2"));
    take_start(id);
}

static void an_update_keeps_the_old_replica_until_the_new_one_serves(void **state)
{
    char old[9];
    char new[9];

    (void) state;
    run_a(old);
    put(CONFIG("m:b", ""), 200);
    answer_build("m:b", ARTEFACT("v2"));
    take_start(new);
    expect_silence(&node); /* the old one is not touched */
    report(new, PHASE_READY, "");
    expect_routes("/a", new, false); /* one takes the other's place in one step */
    expect_silence(&node);           /* not stopped before the proxy knows */
    SEND(&proxy, snapshot_ack, .version = UINT64_MAX);
    take_stop(old);
    assert_string_equal(APP_STATUS(), "RUNNING");
    report(old, PHASE_GONE, "");
    expect_silence(&node);
    assert_string_equal(REPLICA("0", "replica_id"), new);
}

static void a_new_user_config_goes_to_the_replica_in_place(void **state)
{
    char id[9];

    (void) state;
    run_a(id);
    put(CONFIG("m:a", ", \"user_config\": {\"x\": 1}"), 200);
    {
        EXPECT(&node, RECONFIGURE, reconfigure);
        assert_true(span_is(reconfigure.replica_id, id));
    }
    report(id, PHASE_RECONFIGURE, "");
    expect_silence(&node);
    assert_string_equal(REPLICA("0", "state"), "UPDATING");
    report(id, PHASE_READY, "");
    expect_silence(&node);
    assert_string_equal(APP_STATUS(), "RUNNING");
}

static void an_application_that_is_declared_no_more_goes(void **state)
{
    char id[9];

    (void) state;
    run_a(id);
    put("{\"applications\": []}", 200);
    expect_routes(NULL, "", true);
    take_stop(id);
    assert_string_equal(APP_STATUS(), "DELETING");
    report(id, PHASE_GONE, "");
    expect_silence(&node);
    assert_string_equal(APP_STATUS(), "");
    assert_string_equal(shown("proxy_location", NULL), "EveryNode"); /* Serve runs on */
}

static void delete_ends_serve_and_answers_when_all_is_gone(void **state)
{
    int fd = stream_connect_tcp("127.0.0.1", port, NULL);
    char answer[512];
    char id[9];
    ssize_t n;

    (void) state;
    run_a(id);
    set_blocking(fd);
    send_all(fd, SPAN("DELETE /api/serve/applications/ HTTP/1.1\r\nhost: x\r\n\r\n"));
    take_listen("", 0);
    expect_routes(NULL, "", true);
    take_stop(id);
    assert_int_equal(recv(fd, answer, sizeof(answer), MSG_DONTWAIT), -1);
    report(id, PHASE_GONE, "");
    n = recv(fd, answer, sizeof(answer) - 1, 0);
    assert_true(n > 0);
    answer[n] = '\0';
    assert_int_equal(strncmp(answer, "HTTP/1.1 200 ", 13), 0);
    (void) close(fd);
    assert_string_equal(shown("deploy_mode", NULL), "MULTI_APP");
}

static void a_restarted_controller_adopts_what_runs(void **state)
{
    char id[9];

    (void) state;
    run_a(id);
    hang_up(&node);
    hang_up(&proxy);
    end_controller(SIGKILL);
    start_controller();
    proxy = dial(ROLE_PROXY, "{\"node_id\": \"n1\"}");
    expect_silence(&proxy); /* no routes before the node has told */
    join_node();
    take_listen("0.0.0.0", 8000);
    report(id, PHASE_READY, "");
    SEND(&node, node_ready, .info_json = SPAN("{}"));
    expect_routes("/a", id, true);
    expect_silence(&node); /* nothing is started or stopped */
    expect_silence(&proxy);
    assert_string_equal(APP_STATUS(), "RUNNING");
    assert_string_equal(REPLICA("0", "replica_id"), id);
    put(CONFIG("m:a", ""), 200);
    expect_silence(&node); /* and it still knows what that is made of */
}

static void a_restarted_controller_replaces_what_has_gone(void **state)
{
    char id[9];
    char another[9];

    (void) state;
    run_a(id);
    hang_up(&node);
    hang_up(&proxy);
    end_controller(SIGKILL);
    start_controller();
    join_node();
    take_listen("0.0.0.0", 8000);
    SEND(&node, node_ready, .info_json = SPAN("{}"));
    take_start(another);
    assert_string_not_equal(id, another);
}

static void a_replica_that_nobody_knows_is_stopped(void **state)
{
    (void) state;
    report("stranger", PHASE_READY, "");
    take_stop("stranger");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_put_becomes_a_running_application),
        TEST(a_constructor_that_fails_three_times_fails_the_deploy),
        TEST(a_failed_build_is_in_the_status_and_the_old_version_serves),
        TEST(an_identical_put_moves_nothing),
        TEST(a_put_during_a_build_cancels_it),
        TEST(an_update_keeps_the_old_replica_until_the_new_one_serves),
        TEST(a_new_user_config_goes_to_the_replica_in_place),
        TEST(an_application_that_is_declared_no_more_goes),
        TEST(delete_ends_serve_and_answers_when_all_is_gone),
        TEST(a_restarted_controller_adopts_what_runs),
        TEST(a_restarted_controller_replaces_what_has_gone),
        TEST(a_replica_that_nobody_knows_is_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
