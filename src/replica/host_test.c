/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/host_testing.h"

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER
#endif
#endif

static void a_replica_tells_who_it_is(void **state)
{
    (void) state;
    assert_string_equal(node.token, "secret");
    assert_string_equal(node.info, "{\"pid\": 1}");
    assert_string_equal(router.token, "");
    assert_string_equal(router.info, "{\"deployment\": \"a#D\", \"running\": []}");
}

static void a_router_that_comes_late_is_found(void **state)
{
    char path[100];

    (void) state;
    peer_cut(&router);
    io_watch_stop(&router.watch);
    (void) close(router.listener);
    (void) snprintf(path, sizeof(path), "%s/sockets/router", dir);
    assert_int_equal(unlink(path), 0);
    skip_event(HOST_LINK);
    assert_true(host_call(host, &(struct msg_call){.deployment = SPAN("a#B")}) > 0);
    assert_false(host_wait(host, 50)); /* some attempts fail meanwhile */
    peer_listen(&router);
    skip_event(HOST_LINK);
    skip_frame(&router, MSG_CALL);
}

static void control_goes_both_ways(void **state)
{
    struct host_event *e;
    struct got *g;
    struct msg_control m;

    (void) state;
    msg_control_put(channel_out(&node.ch), 0, 0,
                    &(struct msg_control){.name = SPAN("spec"), .body_json = SPAN("{\"a\":1}")});
    e = next_event(HOST_CONTROL);
    assert_true(span_is(e->text, "spec") && span_is(e->data, "{\"a\":1}"));
    host_event_free(e);
    assert_int_equal(host_control(host, SPAN("ready"), SPAN("{}")), 0);
    g = next_frame(&node, MSG_CONTROL);
    assert_int_equal(msg_control_get(&g->frame, &m), 0);
    assert_true(span_is(m.name, "ready"));
    free(g);
}

static void ping_is_answered_without_the_consumer(void **state)
{
    (void) state;
    msg_ping_put(channel_out(&node.ch), 0, 0, &(struct msg_ping){.nonce = 7});
    skip_frame(&node, MSG_PONG);
}

static void held_answers_leave_with_the_flush_or_soon_anyway(void **state)
{
    (void) state;
    for (uint64_t id = 2; id <= 6; id += 2) {
        send_http(id, SPAN(""), true);
        UNTIL(host_wait(host, 1));
        host_take(host, true, &events);
        skip_event(HOST_HTTP);
        host_respond(host, id, 200, (struct span){0}, SPAN("x"));
        if (id == 4) {
            host_flush(host);
        }
        skip_frame(&router, MSG_HEAD);
    }
}

static void what_was_said_before_the_end_arrives(void **state)
{
    (void) state;
    send_http(2, SPAN(""), true);
    skip_event(HOST_HTTP);
    host_respond(host, 2, 200, (struct span){0}, SPAN("last words"));
    host_stop(host);
    assert_false(host_is_alive(host));
    host_respond(host, 2, 200, (struct span){0}, SPAN("nothing"));
    skip_frame(&router, MSG_HEAD);
    UNTIL(!router.is_open);
}

static void a_forked_child_holds_no_link(void **state)
{
    pid_t pid;
    int status = 0;

    (void) state;
    pid = fork();
    if (pid == 0) {
        bool is_dead = !host_is_alive(host);

        (void) call(SPAN(""), false);
        host_free(host);
        (void) pause();
        _exit(is_dead ? 0 : 1);
    }
    host_stop(host);
    UNTIL(!router.is_open); /* although the child lives */
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void the_end_of_the_lifeline_kills_the_process_group(void **state)
{
    struct host_config config = {
        .role = ROLE_REPLICA, .session_dir = dir, .name = "r2", .token = ""};
    int fds[2];
    int status = 0;
    pid_t pid;

    (void) state;
#ifdef THREAD_SANITIZER
    skip(); /* it does not follow a fork of a process with threads */
#endif
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    pid = fork();
    if (pid == 0) {
        (void) setpgid(0, 0);
        (void) close(fds[0]);
        config.lifeline_fd = fds[1];
        if (host_new(&config)) {
            (void) pause();
        }
        _exit(0);
    }
    (void) close(fds[1]);
    (void) close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REPLICA(a_replica_tells_who_it_is),
        DRIVER(a_router_that_comes_late_is_found),
        REPLICA(control_goes_both_ways),
        REPLICA(ping_is_answered_without_the_consumer),
        REPLICA(held_answers_leave_with_the_flush_or_soon_anyway),
        REPLICA(what_was_said_before_the_end_arrives),
        DRIVER(a_forked_child_holds_no_link),
        REPLICA(the_end_of_the_lifeline_kills_the_process_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
