/* SPDX-License-Identifier: Apache-2.0 */
#include "http/reply.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct buf out;

static struct reply answer(int status)
{
    return (struct reply){.minor_version = 1,
                          .keep_alive = true,
                          .status = status,
                          .has_length = true,
                          .date_line = SPAN("date: D\r\n"),
                          .server_line = SPAN("server: S\r\n")};
}

static void assert_head(struct reply *r, const char *expected)
{
    buf_clear(&out);
    assert_true(reply_put_head(&out, r));
    assert_string_equal(buf_cstr(&out), expected);
}

static void a_whole_answer_has_its_length(void **state)
{
    struct http_header fields[] = {{SPAN("content-type"), SPAN("text/plain")},
                                   {SPAN("X-A"), SPAN("")},
                                   {SPAN("x-a"), SPAN("2")}};
    struct reply r = answer(200);

    (void) state;
    r.fields = fields;
    r.n_fields = 3;
    r.length = 1234567;
    assert_head(&r,
                "HTTP/1.1 200 OK\r\ndate: D\r\nserver: S\r\ncontent-type: text/plain\r\nX-A: \r\n"
                "x-a: 2\r\ncontent-length: 1234567\r\n\r\n");
    assert_int_equal(r.framing, REPLY_LENGTH);
    assert_true(r.keep_alive);
}

static void an_answer_in_pieces_is_framed_as_the_client_understands(void **state)
{
    struct reply r = answer(200);
    struct http_header length = {SPAN("Content-Length"), SPAN("7")};

    (void) state;
    r.has_length = false;
    assert_head(&r,
                "HTTP/1.1 200 OK\r\ndate: D\r\nserver: S\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_int_equal(r.framing, REPLY_CHUNKED);

    r = answer(200);
    r.has_length = false;
    r.minor_version = 0;
    assert_head(&r, "HTTP/1.1 200 OK\r\ndate: D\r\nserver: S\r\nconnection: close\r\n\r\n");
    assert_int_equal(r.framing, REPLY_UNTIL_CLOSE);
    assert_false(r.keep_alive);

    r = answer(200);
    r.has_length = false;
    r.minor_version = 0;
    r.fields = &length;
    r.n_fields = 1;
    assert_head(&r, "HTTP/1.1 200 OK\r\ndate: D\r\nserver: S\r\ncontent-length: 7\r\n"
                    "connection: keep-alive\r\n\r\n");
    assert_int_equal(r.framing, REPLY_LENGTH);
    assert_int_equal(r.length, 7);
}

static void what_has_no_body_says_so(void **state)
{
    struct reply r = answer(204);
    struct http_header length = {SPAN("content-length"), SPAN("7")};

    (void) state;
    assert_head(&r, "HTTP/1.1 204 No Content\r\ndate: D\r\nserver: S\r\n\r\n");
    assert_int_equal(r.framing, REPLY_NO_BODY);
    r = answer(304);
    assert_head(&r, "HTTP/1.1 304 Not Modified\r\ndate: D\r\nserver: S\r\n\r\n");
    r = answer(200);
    r.is_head = true;
    r.length = 5;
    assert_head(&r, "HTTP/1.1 200 OK\r\ndate: D\r\nserver: S\r\ncontent-length: 5\r\n\r\n");
    assert_int_equal(r.framing, REPLY_NO_BODY);
    /* A handler that answers HEAD itself knows the length of what it leaves out. */
    r = answer(200);
    r.is_head = true;
    r.fields = &length;
    r.n_fields = 1;
    assert_head(&r, "HTTP/1.1 200 OK\r\ndate: D\r\nserver: S\r\ncontent-length: 7\r\n\r\n");
}

static void fields_about_the_connection_are_ours(void **state)
{
    struct http_header fields[] = {{SPAN("Transfer-Encoding"), SPAN("chunked")},
                                   {SPAN("Connection"), SPAN("Close")},
                                   {SPAN("Keep-Alive"), SPAN("5")},
                                   {SPAN("Date"), SPAN("mine")},
                                   {SPAN("Server"), SPAN("too")}};
    struct reply r = answer(200);

    (void) state;
    r.fields = fields;
    r.n_fields = 5;
    assert_head(&r, "HTTP/1.1 200 OK\r\nDate: mine\r\nServer: too\r\ncontent-length: 0\r\n"
                    "connection: close\r\n\r\n");
    assert_false(r.keep_alive);
}

static void an_illegal_field_writes_nothing(void **state)
{
    static const struct http_header bad[][2] = {
        {{SPAN("a"), SPAN("b\r\nc: d")}, {SPAN("x"), SPAN("y")}},
        {{SPAN("a b"), SPAN("c")}, {SPAN("x"), SPAN("y")}},
        {{SPAN("content-length"), SPAN("5x")}, {SPAN("x"), SPAN("y")}},
        {{SPAN("content-length"), SPAN("5")}, {SPAN("content-length"), SPAN("5")}},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct reply r = answer(200);

        r.fields = bad[i];
        r.n_fields = 2;
        buf_clear(&out);
        assert_false(reply_put_head(&out, &r));
        assert_int_equal(buf_size(&out), 0);
    }
}

static void statuses_have_their_reasons(void **state)
{
    (void) state;
    assert_string_equal(reply_reason(100), "Continue");
    assert_string_equal(reply_reason(404), "Not Found");
    assert_string_equal(reply_reason(511), "Network Authentication Required");
    assert_string_equal(reply_reason(299), "Unknown");
    assert_string_equal(reply_reason(999), "Unknown");
}

static int down(void **state)
{
    (void) state;
    buf_deinit(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_answer_has_its_length),
        cmocka_unit_test(an_answer_in_pieces_is_framed_as_the_client_understands),
        cmocka_unit_test(what_has_no_body_says_so),
        cmocka_unit_test(fields_about_the_connection_are_ours),
        cmocka_unit_test(an_illegal_field_writes_nothing),
        cmocka_unit_test(statuses_have_their_reasons),
    };

    return cmocka_run_group_tests(tests, NULL, down);
}
