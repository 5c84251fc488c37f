/* SPDX-License-Identifier: Apache-2.0 */
#include "http/server_fixture_test.h"

/* Requests. */

static void one_connection_serves_many_requests(void **state)
{
    int fd = dial();

    (void) state;
    for (int i = 0; i < 3; i++) {
        say(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_hears(fd, "hello", HELLO);
    }
    assert_int_equal(http_server_connections(server), 1);
    assert_int_equal(http_server_requests(server), 0);
    (void) close(fd);
}

static void a_head_may_come_byte_by_byte(void **state)
{
    static const char bytes[] = "\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    int fd = dial();

    (void) state;
    for (const char *p = bytes; *p; p++) {
        say(fd, (char[]){*p, '\0'});
        turns(1);
    }
    assert_hears(fd, "hello", HELLO);
    (void) close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    int fd = dial();

    (void) state;
    say(fd, "GET /late HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
            "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    until_seen("/late|");
    turns(3);
    assert_events("request GET /late|");
    http_reply(held, 204, NULL, 0, (struct span){0});
    assert_hears(fd, NULL,
                 "HTTP/1.1 204 No Content\r\n\r\n" HELLO
                 "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n"
                 "connection: close\r\n\r\nhello");
    assert_events("request GET /hello|request GET /hello|");
    (void) close(fd);
}

static size_t receive(int fd)
{
    static char bytes[65536];
    ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    loop_turn(loop, n > 0 ? 0 : 1);
    return n > 0 ? (size_t) n : 0;
}

static void who_pipelines_without_reading_is_not_served_on(void **state)
{
    static const char bytes[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    enum { SIZE = sizeof(bytes) - 1, MANY = 300000 };
    int fd = dial();
    int small = 65536;
    size_t answer_size = 0;
    size_t received = 0;
    size_t sent = 0;
    int stuck = 0;

    (void) state;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    say(fd, bytes);
    while (answer_size == 0) {
        answer_size = receive(fd);
    }
    while (stuck < 20 && sent < (size_t) MANY * SIZE) {
        ssize_t n = send(fd, bytes + sent % SIZE, SIZE - sent % SIZE, MSG_DONTWAIT | MSG_NOSIGNAL);

        stuck = n > 0 ? 0 : stuck + 1;
        sent += n > 0 ? (size_t) n : 0;
        if (n <= 0) {
            turns(1);
        }
    }
    assert_in_range(sent, 1, (size_t) MANY * SIZE - 1);
    assert_true(buf_size(&events) / sizeof("request GET /hello") < sent / SIZE); /* some wait */
    while (received < sent / SIZE * answer_size) {
        received += receive(fd);
    }
    assert_int_equal(received, sent / SIZE * answer_size);
    (void) close(fd);
}

/* Bodies. */

static void a_body_comes_only_as_far_as_it_is_allowed(void **state)
{
    int fd = dial();

    (void) state;
    say(fd, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789");
    until_seen("request POST /x|");
    turns(3);
    assert_events("request POST /x|");
    http_request_read(held, 3);
    assert_int_equal(buf_size(&events), 0); /* not from within the call */
    turns(2);
    assert_events("body 012|");
    http_request_read(held, 4);
    http_request_read(held, 1);
    turns(2);
    assert_events("body 34567|");
    assert_false(http_request_body_complete(held));
    http_request_read(held, 1000);
    turns(2);
    assert_events("body 89 end|");
    assert_true(http_request_body_complete(held));
    http_reply_text(held, 200, "text/plain", SPAN("hello"));
    assert_hears(fd, "hello", HELLO);
    (void) close(fd);
}

static void chunks_come_as_they_were_cut_and_say_where_the_end_is(void **state)
{
    int fd = dial();

    (void) state;
    credit = 1000;
    say(fd, "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    until_seen("abc|");
    assert_true(http_request_body_size(held) == HTTP_BODY_UNKNOWN);
    say(fd, "3\r\ndef\r\n0\r\n\r\n");
    until_seen("end|");
    assert_events("request POST /x|body abc|body def end|");
    http_reply_text(held, 200, "text/plain", SPAN("hello"));
    assert_hears(fd, "hello", HELLO);
    (void) close(fd);
}

static void an_upload_that_nobody_reads_stops(void **state)
{
    static char block[65536];
    int fd = dial();
    size_t sent = 0;
    int idle = 0;

    (void) state;
    say(fd, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    memset(block, 'x', sizeof(block));
    while (idle < 20) {
        ssize_t n = send(fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);

        idle = n > 0 ? 0 : idle + 1;
        sent += n > 0 ? (size_t) n : 0;
        turns(1);
    }
    assert_true(sent < 30u * 1024 * 1024); /* what the kernel's buffers hold */
    http_request_read(held, SIZE_MAX);
    until_seen("body ");
    idle = 0;
    while (idle < 3 && sent < 100000000) {
        ssize_t n =
            send(fd, block, MIN(sizeof(block), 100000000 - sent), MSG_DONTWAIT | MSG_NOSIGNAL);

        idle = n > 0 ? 0 : idle + 1;
        sent += n > 0 ? (size_t) n : 0;
        turns(1);
    }
    assert_int_equal(sent, 100000000);
    until_seen(" end|");
    http_reply_abort(held);
    (void) close(fd);
}

static void continue_is_said_when_the_body_is_asked_for(void **state)
{
    int fd = dial();
    char byte;

    (void) state;
    say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    until_seen("request POST /echo|");
    turns(3);
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    http_request_read(held, 100);
    assert_hears(fd, "\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "hello");
    assert_hears(fd, "hello", HELLO);
    (void) close(fd);
}

static void who_answers_without_the_expected_body_closes(void **state)
{
    int fd = dial();

    (void) state;
    say(fd, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_hears(fd, NULL,
                 "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n"
                 "connection: close\r\n\r\nhello");
    (void) close(fd);
}

static void a_small_unread_body_is_dropped_and_the_connection_goes_on(void **state)
{
    int fd = dial();

    (void) state;
    say(fd, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234");
    assert_hears(fd, "hello", HELLO);
    say(fd, "56789GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_hears(fd, "hello", HELLO);
    assert_events("request POST /hello|request GET /hello|");
    (void) close(fd);
}

static void a_large_unread_body_ends_the_connection_but_not_the_answer(void **state)
{
    static char block[1 << 20];
    int fd = dial();
    size_t sent = 0;

    (void) state;
    say(fd, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n");
    while (sent < 4000000) {
        ssize_t n =
            send(fd, block, MIN(sizeof(block), 4000000 - sent), MSG_DONTWAIT | MSG_NOSIGNAL);

        assert_true(n > 0 || errno == EAGAIN);
        sent += n > 0 ? (size_t) n : 0;
        turns(1);
    }
    assert_hears(fd, NULL,
                 "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n"
                 "connection: close\r\n\r\nhello");
    (void) close(fd);
}

static void a_malformed_body_is_a_400_and_an_abort(void **state)
{
    int fd = dial();
    char *answer;

    (void) state;
    credit = 100;
    say(fd, "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    answer = hear(fd, NULL, NULL);
    assert_int_equal(strncmp(answer, "HTTP/1.1 400 ", 13), 0);
    assert_events("request POST /x|abort 400|");
    free(answer);
    (void) close(fd);
}

/* Refusals. */

static void what_is_not_http_gets_the_known_400_and_a_clean_end(void **state)
{
    static const char *const cases[] = {
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "\x16\x03\x01\x02",
        "GET / HTTP/1.1\r\nHost: a\n\n",
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int fd = dial();

        say(fd, cases[i]);
        assert_hears(
            fd, NULL,
            "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n"
            "content-length: 30\r\nconnection: close\r\n\r\nInvalid HTTP request received.");
        assert_events("refused 400|");
        (void) close(fd);
    }
}

static void limits_are_kept(void **state)
{
    struct http_server_options options = {.max_head = 1000, .max_target = 500, .max_body = 10};
    char bytes[3000];

    (void) state;
    serve(&options);
    (void) snprintf(bytes, sizeof(bytes), "GET /%0600d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
    assert_refused(bytes, 414);
    (void) snprintf(bytes, sizeof(bytes), "GET /%02000d", 0);
    assert_refused(bytes, 414);
    (void) snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: a\r\nX: %01000d\r\n\r\n", 0);
    assert_refused(bytes, 431);
    (void) snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: a\r\nX: %02000d", 0);
    assert_refused(bytes, 431);
    assert_refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", 413);
}

static void a_chunked_body_beyond_the_limit_is_a_413(void **state)
{
    struct http_server_options options = {.max_body = 10};
    int fd;
    char *answer;

    (void) state;
    serve(&options);
    fd = dial();
    credit = 100;
    say(fd, "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            "6\r\nabcdef\r\n5\r\nghijk\r\n0\r\n\r\n");
    answer = hear(fd, NULL, NULL);
    assert_int_equal(strncmp(answer, "HTTP/1.1 413 ", 13), 0);
    assert_events("request POST /x|body abcdef|abort 413|");
    free(answer);
    (void) close(fd);
}

static void with_collect_body_a_request_comes_whole(void **state)
{
    struct http_server_options options = {.max_body = 10, .collect_body = true};
    int fd;

    (void) state;
    serve(&options);
    fd = dial();
    say(fd, "PUT /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n");
    assert_hears(fd, "\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "01234");
    turns(3);
    assert_events("");
    say(fd, "56789");
    assert_hears(fd, "hello", HELLO);
    say(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_hears(fd, "hello", HELLO);
    assert_events("request PUT /hello 0123456789|request GET /hello|");
    assert_refused(
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n", 413);
    assert_refused("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400);
    (void) close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_connection_serves_many_requests),
        TEST(a_head_may_come_byte_by_byte),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(who_pipelines_without_reading_is_not_served_on),
        TEST(a_body_comes_only_as_far_as_it_is_allowed),
        TEST(chunks_come_as_they_were_cut_and_say_where_the_end_is),
        TEST(an_upload_that_nobody_reads_stops),
        TEST(continue_is_said_when_the_body_is_asked_for),
        TEST(who_answers_without_the_expected_body_closes),
        TEST(a_small_unread_body_is_dropped_and_the_connection_goes_on),
        TEST(a_large_unread_body_ends_the_connection_but_not_the_answer),
        TEST(a_malformed_body_is_a_400_and_an_abort),
        TEST(what_is_not_http_gets_the_known_400_and_a_clean_end),
        TEST(limits_are_kept),
        TEST(a_chunked_body_beyond_the_limit_is_a_413),
        TEST(with_collect_body_a_request_comes_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
