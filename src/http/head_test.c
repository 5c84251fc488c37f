/* SPDX-License-Identifier: Apache-2.0 */
#include "http/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Verdicts on good and bad requests stand in tests/http/oracle_cases.def; here is what the parser
 * gives beyond them. */

static struct head h;
static char text[8192];

static enum head_verdict parse(const char *bytes)
{
    assert_true(strlen(bytes) < sizeof(text));
    memcpy(text, bytes, strlen(bytes) + 1);
    return head_parse_request(&h, text, strlen(bytes), 100);
}

static enum head_verdict parse_response(const char *bytes)
{
    memcpy(text, bytes, strlen(bytes) + 1);
    return head_parse_response(&h, text, strlen(bytes));
}

static void assert_span(struct span s, const char *expected)
{
    if (!span_is(s, expected)) {
        fail_msg("'%.*s' is not '%s'", (int) s.size, s.data, expected);
    }
}

static void the_end_is_found_however_the_bytes_arrive(void **state)
{
    static const char bytes[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\nmore\r\n\r\n";
    const size_t end = sizeof("GET / HTTP/1.1\r\nHost: a\r\n\r\n") - 1;
    size_t scan = 0;

    (void) state;
    for (size_t n = 0; n < end; n++) {
        assert_int_equal(head_find_end((struct span){bytes, n}, &scan), 0);
        assert_true(scan <= n);
    }
    assert_int_equal(head_find_end((struct span){bytes, sizeof(bytes) - 1}, &scan), end);
    scan = 0;
    assert_int_equal(head_find_end(SPAN("a\n\nb"), &scan), 3);
}

/* What was looked at is not looked at again: else a slow client would cost the square of its head.
 */
static void the_search_goes_on_where_it_stopped(void **state)
{
    char bytes[1000];
    size_t scan = 0;

    (void) state;
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(head_find_end((struct span){bytes, 1000}, &scan), 0);
    assert_int_equal(scan, 1000);
    bytes[998] = '\r';
    bytes[999] = '\n';
    scan = 900;
    assert_int_equal(head_find_end((struct span){bytes, 1000}, &scan), 0);
    assert_int_equal(scan, 999);
}

static void a_request_is_taken_apart(void **state)
{
    (void) state;
    assert_int_equal(parse("PUT /a%20b?x=1&y HTTP/1.1\r\nHost: h:1\r\nX-Thing:  one two \r\n"
                           "Content-Length: 12\r\nx-thing: three\r\n\r\n"),
                     HEAD_OK);
    assert_span(h.method, "PUT");
    assert_span(h.target, "/a%20b?x=1&y");
    assert_span(h.raw_path, "/a%20b");
    assert_span(h.query, "x=1&y");
    assert_int_equal(h.minor_version, 1);
    assert_int_equal(h.n_fields, 4);
    assert_span(h.fields[1].name, "x-thing");
    assert_span(h.fields[1].value, "one two");
    assert_span(h.fields[3].value, "three");
    assert_span(head_field(&h, "x-thing"), "one two");
    assert_null(head_field(&h, "x-other").data);
    assert_true(h.has_length && h.length == 12 && !h.chunked);
}

static void a_target_is_split_by_its_form(void **state)
{
    static const struct {
        const char *line;
        const char *path;
        const char *query;
    } cases[] = {
        {"GET / HTTP/1.1", "/", ""},
        {"GET /? HTTP/1.1", "/", ""},
        {"GET /a?b?c HTTP/1.1", "/a", "b?c"},
        {"GET //a//b/ HTTP/1.1", "//a//b/", ""},
        {"GET http://h:1 HTTP/1.1", "/", ""},
        {"GET http://h?q HTTP/1.1", "/", "q"},
        {"GET HTTPS://h/p?q HTTP/1.1", "/p", "q"},
        {"OPTIONS * HTTP/1.1", "*", ""},
    };
    char bytes[200];

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void) snprintf(bytes, sizeof(bytes), "%s\r\nHost: h\r\n\r\n", cases[i].line);
        assert_int_equal(parse(bytes), HEAD_OK);
        assert_span(h.raw_path, cases[i].path);
        assert_span(h.query, cases[i].query);
    }
}

static void persistence_follows_version_and_connection(void **state)
{
    static const struct {
        const char *bytes;
        bool keep_alive;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x , CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(parse(cases[i].bytes), HEAD_OK);
        assert_int_equal(h.keep_alive, cases[i].keep_alive);
    }
}

static void expectation_and_upgrade_need_http_1_1(void **state)
{
    (void) state;
    assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n"
                           "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
                     HEAD_OK);
    assert_true(h.expect_continue && h.upgrade);
    assert_int_equal(parse("GET / HTTP/1.0\r\nExpect: 100-continue\r\n"
                           "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
                     HEAD_OK);
    assert_false(h.expect_continue || h.upgrade);
    assert_int_equal(parse("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"), HEAD_OK);
    assert_false(h.upgrade);
}

static void limits_have_verdicts_of_their_own(void **state)
{
    char bytes[4096];
    size_t n;

    (void) state;
    (void) snprintf(bytes, sizeof(bytes), "GET /%099d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
    assert_int_equal(parse(bytes), HEAD_OK);
    (void) snprintf(bytes, sizeof(bytes), "GET /%0100d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
    assert_int_equal(parse(bytes), HEAD_TARGET_TOO_LONG);
    n = (size_t) snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 1; i < HEAD_MAX_FIELDS; i++) {
        n += (size_t) snprintf(bytes + n, sizeof(bytes) - n, "a: b\r\n");
    }
    (void) snprintf(bytes + n, sizeof(bytes) - n, "\r\n");
    assert_int_equal(parse(bytes), HEAD_OK);
    assert_int_equal(h.n_fields, HEAD_MAX_FIELDS);
    (void) snprintf(bytes + n, sizeof(bytes) - n, "a: b\r\n\r\n");
    assert_int_equal(parse(bytes), HEAD_TOO_LARGE);
}

static void a_response_is_taken_apart(void **state)
{
    (void) state;
    assert_int_equal(parse_response("HTTP/1.1 404 Not  Found\r\nContent-Length: 3\r\n\r\n"),
                     HEAD_OK);
    assert_int_equal(h.status, 404);
    assert_span(h.reason, "Not  Found");
    assert_true(h.has_length && h.length == 3 && h.keep_alive);
    assert_int_equal(parse_response("HTTP/1.0 200\r\n\r\n"), HEAD_OK);
    assert_int_equal(h.status, 200);
    assert_false(h.keep_alive);
    assert_int_equal(parse_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                     HEAD_OK);
    assert_true(h.chunked);
}

static void a_bad_response_is_refused(void **state)
{
    static const char *const cases[] = {
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 O\001K\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(parse_response(cases[i]), HEAD_BAD);
    }
}

static void a_path_is_decoded_where_it_is_encoded(void **state)
{
    static const struct {
        const char *path;
        const char *decoded;
    } cases[] = {
        {"/", "/"},     {"/a%20b", "/a b"},       {"/%41%6a%6A", "/Ajj"}, {"/%", "/%"},
        {"/%4", "/%4"}, {"/%4g%zz", "/%4g%zz"},   {"/%%41", "/%A"},       {"/a+b", "/a+b"},
        {"/%2f", "//"}, {"/%c3%bc", "/\xc3\xbc"}, {"/%2541", "/%41"},
    };
    char out[100];

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = head_decode_path(span_of(cases[i].path), out);

        assert_span((struct span){out, n}, cases[i].decoded);
    }
    assert_int_equal(head_decode_path(SPAN("/%00"), out), 2);
    assert_memory_equal(out, "/\0", 2);
}

static void a_field_that_could_split_an_answer_is_not_valid(void **state)
{
    static const struct http_header good = {SPAN("X-Y"), SPAN("a b\t\xff")};
    static const struct http_header bad[] = {
        {SPAN(""), SPAN("a")},    {SPAN("a b"), SPAN("c")},  {SPAN("a"), SPAN("b\r\nc: d")},
        {SPAN("a:"), SPAN("b")},  {SPAN("a"), SPAN("b\nc")}, {SPAN("a"), SPAN("\0")},
        {SPAN("a\n"), SPAN("b")},
    };

    (void) state;
    assert_true(head_field_valid(&good));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(head_field_valid(&bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_found_however_the_bytes_arrive),
        cmocka_unit_test(the_search_goes_on_where_it_stopped),
        cmocka_unit_test(a_request_is_taken_apart),
        cmocka_unit_test(a_target_is_split_by_its_form),
        cmocka_unit_test(persistence_follows_version_and_connection),
        cmocka_unit_test(expectation_and_upgrade_need_http_1_1),
        cmocka_unit_test(limits_have_verdicts_of_their_own),
        cmocka_unit_test(a_response_is_taken_apart),
        cmocka_unit_test(a_bad_response_is_refused),
        cmocka_unit_test(a_path_is_decoded_where_it_is_encoded),
        cmocka_unit_test(a_field_that_could_split_an_answer_is_not_valid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
