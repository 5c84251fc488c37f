/* SPDX-License-Identifier: Apache-2.0 */
#include "http/server_fixture_test.h"

/* Ends. */

static void a_client_that_leaves_is_told_once(void **state)
{
    int fd = dial();

    (void) state;
    say(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    until_seen("/x|");
    assert_int_equal(http_server_requests(server), 1);
    (void) close(fd);
    until_seen("abort");
    turns(3);
    assert_events("request GET /x|abort 499|");
    assert_int_equal(http_server_requests(server), 0);
    assert_int_equal(http_server_connections(server), 0);
}

static void slow_heads_bodies_and_readers_are_cut_off(void **state)
{
    struct http_server_options options = {.head_timeout_ms = 40,
                                          .keep_alive_timeout_ms = 40,
                                          .body_timeout_ms = 40,
                                          .write_timeout_ms = 40};
    static char block[8 << 20];
    int fd;
    char *answer;

    (void) state;
    serve(&options);
    assert_refused("GET / HTTP/1.1\r\nHost:", 408);
    fd = dial();
    assert_hears(fd, NULL, ""); /* not a byte came */
    (void) close(fd);
    fd = dial();
    say(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_hears(fd, NULL, HELLO); /* kept alive, but not for ever */
    (void) close(fd);
    assert_events("request GET /hello|");

    fd = dial();
    credit = 100;
    say(fd, "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n1");
    answer = hear(fd, NULL, NULL);
    assert_int_equal(strncmp(answer, "HTTP/1.1 408 ", 13), 0);
    assert_events("request POST /slow|body 1|abort 408|");
    free(answer);
    (void) close(fd);

    fd = dial();
    say(fd, "GET /deaf HTTP/1.1\r\nHost: a\r\n\r\n");
    until_seen("/deaf|");
    http_reply_head(held, 200, NULL, 0);
    http_reply_chunk(held, (struct span){block, sizeof(block)});
    until_seen("abort");
    assert_events("request GET /deaf|abort 499|");
    (void) close(fd);
}

static void a_handler_that_takes_its_time_is_not_cut_off(void **state)
{
    struct http_server_options options = {.head_timeout_ms = 20,
                                          .keep_alive_timeout_ms = 20,
                                          .body_timeout_ms = 20,
                                          .write_timeout_ms = 20};
    int fd;
    uint64_t start_ms;

    (void) state;
    serve(&options);
    fd = dial();
    say(fd,
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n1"); /* nobody asked for more */
    until_seen("/x|");
    start_ms = loop_now_ms(loop);
    while (loop_now_ms(loop) - start_ms < 100) {
        loop_turn(loop, 10);
    }
    assert_events("request POST /x|");
    http_reply_abort(held);
    (void) close(fd);
}

static void stopping_finishes_what_runs(void **state)
{
    int idle = dial();
    int busy = dial();
    int fresh = dial();

    (void) state;
    say(idle, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_hears(idle, "hello", HELLO);
    say(busy, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    until_seen("/x|");
    http_server_stop(server);
    assert_hears(idle, NULL, "");
    assert_hears(fresh, NULL, "");
    turns(3);
    assert_int_equal(n_stopped, 0);
    http_reply(held, 204, NULL, 0, (struct span){0});
    assert_hears(busy, NULL, "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
    (void) close(idle);
    (void) close(busy);
    (void) close(fresh);
    while (n_stopped == 0) {
        loop_turn(loop, 10);
    }
    assert_int_equal(http_server_connections(server), 0);
}

static void a_listener_can_be_taken_away(void **state)
{
    struct err err;
    int fd = dial();
    int other;

    (void) state;
    say(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_hears(fd, "hello", HELLO);
    http_server_unlisten(server, listener);
    say(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_hears(fd, "hello", HELLO);
    other = stream_listen_tcp("127.0.0.1", port, false, &err); /* the port is free again */
    assert_true(other >= 0);
    http_server_listen(server, other);
    (void) close(fd);
    fd = dial();
    say(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_hears(fd, "hello", HELLO);
    (void) close(fd);
}

static void freeing_the_server_aborts_its_requests(void **state)
{
    int fd = dial();

    (void) state;
    say(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    until_seen("/x|");
    http_server_free(server);
    server = NULL;
    assert_events("request GET /x|abort 499|");
    (void) close(fd);
}

/* Resources. */

static void out_of_descriptors_new_clients_wait(void **state)
{
    enum { CLIENTS = 52 };
    struct rlimit before;
    struct rlimit small;
    int fds[CLIENTS];

    (void) state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    small = before;
    small.rlim_cur = 110;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    serve(NULL);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = dial();
        turns(1);
    }
    turns(3);
    assert_in_range(http_server_connections(server), 30, CLIENTS - 1);
    for (int i = 0; i < CLIENTS - 1; i++) {
        (void) close(fds[i]);
    }
    say(fds[CLIENTS - 1], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_hears(fds[CLIENTS - 1], "hello", HELLO);
    (void) close(fds[CLIENTS - 1]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void an_idle_connection_costs_little(void **state)
{
    enum { CLIENTS = 200 };
    int fds[CLIENTS];
    struct mallinfo2 before;
    size_t cost;
    uint64_t start_ms;

    (void) state;
    fds[0] = dial();
    say(fds[0], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_hears(fds[0], "hello", HELLO); /* spare request, loop's tables */
    before = mallinfo2();
    for (int i = 1; i < CLIENTS; i++) {
        fds[i] = dial();
        say(fds[i], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_hears(fds[i], "hello", HELLO);
    }
    start_ms = loop_now_ms(loop);
    while (loop_now_ms(loop) - start_ms < 2500) { /* until they rest */
        loop_turn(loop, 100);
    }
    cost = (mallinfo2().uordblks - before.uordblks) / (CLIENTS - 1);
    assert_in_range(cost, 0, 1024);
    for (int i = 0; i < CLIENTS; i++) {
        (void) close(fds[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_that_leaves_is_told_once),
        TEST(slow_heads_bodies_and_readers_are_cut_off),
        TEST(a_handler_that_takes_its_time_is_not_cut_off),
        TEST(stopping_finishes_what_runs),
        TEST(a_listener_can_be_taken_away),
        TEST(freeing_the_server_aborts_its_requests),
        TEST(out_of_descriptors_new_clients_wait),
        TEST(an_idle_connection_costs_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
