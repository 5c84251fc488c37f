/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fixture_test.h"

static void before_any_application_the_proxy_is_not_healthy(void **state)
{
    (void) state;
    http_expect_end(http_send(GET("/-/healthz")), "Route table is not populated yet.");
    http_expect_end(http_send(GET("/-/routes")), "HTTP/1.1 503 ");
    snapshot("", "\"replicas\": []");
    http_expect_end(http_send(GET("/-/healthz")), "success");
    http_expect_end(http_send(GET("/-/routes")), "{\"/a\":\"a\"}");
    http_expect_end(http_send(GET("/b%20c?q=1")),
                    "Path '/b c' not found. Ping http://.../-/routes for available routes.");
}

static void a_new_proxy_answers_nobody_before_it_knows_the_world(void **state)
{
    struct peer r;
    int fd;

    (void) state;
    assert_int_equal(kill(proxy_pid, SIGKILL), 0);
    assert_int_equal(waitpid(proxy_pid, NULL, 0), proxy_pid);
    hang_up(&controller);
    hang_up(&node);
    fd = http_send(GET("/a")); /* waits in the listener, which the node holds */
    start_proxy();
    meet_proxy();
    snapshot("", "\"replicas\": [\"r1\"]");
    r = awaited_replica("r1");
    expect(&r, MSG_DISPATCH_HTTP);
    SEND(&r, head, FRAME_END, r.f.stream, .status = 200, .body = SPAN("after all"));
    http_expect_end(fd, "after all");
    hang_up(&r);
}

static void a_controller_that_went_away_is_found_again_and_requests_go_on(void **state)
{
    struct peer r;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    hang_up(&controller);
    fd = http_send(GET("/a"));
    expect(&r, MSG_DISPATCH_HTTP);
    SEND(&r, head, FRAME_END, r.f.stream, .status = 200, .body = SPAN("alone"));
    http_expect_end(fd, "alone");
    controller = (struct peer){.fd = accept_blocking(controller_listener)};
    greet(&controller, ROLE_CONTROLLER, "controller", "{}");
    expect(&controller, MSG_LOAD);
    snapshot("", "\"replicas\": [\"r1\"]");
    hang_up(&r);
}

static void a_request_that_finds_no_replica_wakes_the_controller_at_once(void **state)
{
    struct msg_load m;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": []");
    fd = http_send(GET("/a"));
    do {
        expect(&controller, MSG_LOAD);
        assert_int_equal(msg_load_get(&controller.f, &m), 0);
    } while (!memmem(m.load_json.data, m.load_json.size, "\"queued\":1", 10));
    (void) close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(before_any_application_the_proxy_is_not_healthy),
        TEST(a_new_proxy_answers_nobody_before_it_knows_the_world),
        TEST(a_controller_that_went_away_is_found_again_and_requests_go_on),
        TEST(a_request_that_finds_no_replica_wakes_the_controller_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
