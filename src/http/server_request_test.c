/* SPDX-License-Identifier: Apache-2.0 */
#include "http/server_fixture_test.h"

/* Requests. */

static void a_handler_can_look_at_everything(void **state)
{
    int fd = dial();
    size_t n;
    const struct http_header *fields;
    char port_text[16];

    (void) state;
    say(fd, "GET /a%20b?q=%20 HTTP/1.1\r\nHost: h\r\nX-Y: 1\r\nx-y: 2\r\n\r\n");
    until_seen("request GET /a b|");
    fields = http_request_headers(held, &n);
    assert_int_equal(n, 3);
    assert_true(span_is(fields[1].name, "x-y") && span_is(fields[2].value, "2"));
    assert_true(span_is(http_request_target(held), "/a%20b?q=%20"));
    assert_true(span_is(http_request_raw_path(held), "/a%20b"));
    assert_true(span_is(http_request_query(held), "q=%20"));
    assert_true(span_is(http_request_header(held, "x-y"), "1"));
    assert_null(http_request_header(held, "x-z").data);
    assert_int_equal(http_request_minor_version(held), 1);
    assert_true(http_request_keep_alive(held));
    assert_int_equal(http_request_body_size(held), 0);
    assert_true(http_request_body_complete(held));
    (void) snprintf(port_text, sizeof(port_text), "127.0.0.1:%u", port);
    assert_string_equal(http_request_local(held), port_text);
    assert_int_equal(strncmp(http_request_peer(held), "127.0.0.1:", 10), 0);
    assert_ptr_equal(http_server_user(http_request_server(held)), &port);
    assert_null(http_request_user(held));
    http_request_bind(held, &fd);
    assert_ptr_equal(http_request_user(held), &fd);
    http_reply_abort(held);
    assert_hears(fd, NULL, "");
    (void) close(fd);
}

/* Answers. */

static void head_has_no_body(void **state)
{
    int fd = dial();

    (void) state;
    say(fd, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_hears(fd, "hello",
                 "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\n" HELLO);
    (void) close(fd);
}

static void an_answer_in_pieces_is_chunked(void **state)
{
    int fd = dial();

    (void) state;
    say(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    until_seen("/x|");
    assert_false(http_reply_begun(held));
    http_reply_head(held, 201, NULL, 0);
    assert_true(http_reply_begun(held));
    http_reply_chunk(held, SPAN("ab"));
    assert_hears(fd, "ab\r\n",
                 "HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n");
    http_reply_chunk(held, (struct span){0});
    http_reply_chunk(held, SPAN("cd"));
    http_reply_end(held);
    assert_hears(fd, "0\r\n\r\n", "2\r\ncd\r\n0\r\n\r\n");
    say(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_hears(fd, "hello", HELLO);
    (void) close(fd);
}

static void an_answer_in_pieces_to_1_0_ends_with_the_connection(void **state)
{
    int fd = dial();

    (void) state;
    say(fd, "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    until_seen("/x|");
    http_reply_head(held, 200, NULL, 0);
    http_reply_chunk(held, SPAN("ab"));
    http_reply_end(held);
    assert_hears(fd, NULL, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nab");
    (void) close(fd);
}

static void a_declared_length_is_kept(void **state)
{
    static const struct http_header length = {SPAN("content-length"), SPAN("4")};
    int fd = dial();

    (void) state;
    say(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    until_seen("/x|");
    http_reply_head(held, 200, &length, 1);
    http_reply_chunk(held, SPAN("ab"));
    http_reply_chunk(held, SPAN("cdef"));
    http_reply_end(held);
    assert_hears(fd, "abcd", "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabcd");
    say(fd, "GET /y HTTP/1.1\r\nHost: a\r\n\r\n");
    until_seen("/y|");
    http_reply_head(held, 200, &length, 1);
    http_reply_chunk(held, SPAN("ab"));
    http_reply_end(held);
    assert_hears(fd, NULL, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab");
    (void) close(fd);
}

static void an_aborted_answer_looks_broken(void **state)
{
    int fd = dial();
    int error = 0;

    (void) state;
    say(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    until_seen("/x|");
    http_reply_head(held, 200, NULL, 0);
    http_reply_chunk(held, SPAN("ab"));
    http_reply_abort(held);
    assert_hears(fd, NULL, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n");
    (void) close(fd);
    fd = dial();
    say(fd, "GET /old HTTP/1.0\r\n\r\n");
    until_seen("/old|");
    http_reply_head(held, 200, NULL, 0);
    turns(2);
    http_reply_abort(held);
    free(hear(fd, NULL, &error));
    assert_int_equal(error, ECONNRESET);
    (void) close(fd);
}

static void an_illegal_header_makes_it_a_500(void **state)
{
    static const struct http_header bad = {SPAN("x"), SPAN("a\r\nset-cookie: b")};
    int fd = dial();

    (void) state;
    say(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    until_seen("/x|");
    http_reply(held, 200, &bad, 1, SPAN("secret"));
    assert_hears(fd, "Error\r\n",
                 "HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain; charset=utf-8\r\n"
                 "content-length: 21\r\n\r\nInternal Server Error");
    say(fd, "GET /y HTTP/1.1\r\nHost: a\r\n\r\n");
    until_seen("/y|");
    http_reply_head(held, 99, NULL, 0);
    http_reply_chunk(held, SPAN("ab"));
    http_reply_end(held);
    assert_hears(fd, "\r\n\r\n", "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
    (void) close(fd);
}

static void a_client_that_does_not_read_is_told_of_by_pending(void **state)
{
    static char block[1 << 20];
    int fd = dial();
    size_t received = 0;

    (void) state;
    say(fd, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    until_seen("/x|");
    http_reply_head(held, 200, NULL, 0);
    turns(3);
    n_drains = 0;
    for (int i = 0; i < 16; i++) {
        http_reply_chunk(held, (struct span){block, sizeof(block)});
    }
    turns(5);
    assert_true(http_reply_pending(held) > 1 << 20);
    assert_int_equal(n_drains, 0);
    while (http_reply_pending(held) > 0) {
        ssize_t n = recv(fd, block, sizeof(block), MSG_DONTWAIT);

        received += n > 0 ? (size_t) n : 0;
        turns(1);
    }
    assert_true(received > 4u << 20);
    assert_int_equal(n_drains, 1);
    http_reply_end(held);
    (void) close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_handler_can_look_at_everything),
        TEST(head_has_no_body),
        TEST(an_answer_in_pieces_is_chunked),
        TEST(an_answer_in_pieces_to_1_0_ends_with_the_connection),
        TEST(a_declared_length_is_kept),
        TEST(an_aborted_answer_looks_broken),
        TEST(an_illegal_header_makes_it_a_500),
        TEST(a_client_that_does_not_read_is_told_of_by_pending),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
