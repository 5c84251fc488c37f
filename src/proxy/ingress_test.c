/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fixture_test.h"

static void a_request_reaches_the_replica_and_its_answer_the_client(void **state)
{
    struct msg_dispatch_http m;
    struct buf headers = {0};
    struct peer r;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send("POST /a/x%2fy?q=1 HTTP/1.1\r\nHost: h\r\nX-Request-Id: id-1\r\n"
                   "content-length: 4\r\n\r\nbody");
    expect(&r, MSG_DISPATCH_HTTP);
    assert_int_equal(msg_dispatch_http_get(&r.f, &m), 0);
    assert_true(r.f.flags & FRAME_END);
    assert_true(span_is(m.method, "POST") && span_is(m.path, "/a/x/y"));
    assert_true(span_is(m.raw_path, "/a/x%2fy") && span_is(m.query, "q=1"));
    assert_true(span_is(m.root_path, "/a") && span_is(m.app, "a"));
    assert_true(span_is(m.request_id, "id-1") && span_is(m.body, "body"));
    wire_header_put(&headers, SPAN("x-mine"), SPAN("1"));
    SEND(&r, head, FRAME_END, r.f.stream, .status = 201, .headers = buf_span(&headers),
         .body = SPAN("done"));
    http_expect(fd, "HTTP/1.1 201 Created\r\n");
    (void) close(fd);
    buf_deinit(&headers);
    hang_up(&r);
}

static void an_answer_streams_as_it_is_produced(void **state)
{
    struct peer r;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send(GET("/a"));
    expect(&r, MSG_DISPATCH_HTTP);
    SEND(&r, head, 0, r.f.stream, .status = 200);
    SEND(&r, chunk, 0, r.f.stream, .data = SPAN("one"));
    http_expect(fd, "3\r\none\r\n");
    SEND(&r, chunk, FRAME_END, r.f.stream, .data = SPAN(""));
    http_expect_end(fd, "0\r\n\r\n");
    hang_up(&r);
}

static void a_full_queue_answers_503_with_its_numbers(void **state)
{
    struct peer r;
    int fds[4];

    (void) state;
    snapshot("", "\"max_queued_requests\": 1, \"replicas\": [\"r1\"]");
    r = replica("r1");
    for (int i = 0; i < 3; i++) {
        fds[i] = http_send(GET("/a"));
        if (i < 2) {
            expect(&r, MSG_DISPATCH_HTTP);
        }
    }
    /* The third is queued before the fourth comes: one connection, in order. */
    http_expect_end(http_send(GET("/-/healthz")), "success");
    http_expect_end(http_send(GET("/a")), "Request dropped due to backpressure "
                                          "(num_queued_requests=1, max_queued_requests=1).");
    for (int i = 0; i < 3; i++) {
        (void) close(fds[i]);
    }
    hang_up(&r);
}

static void a_request_that_takes_too_long_answers_408_and_is_cancelled(void **state)
{
    struct msg_cancel m;
    struct peer r;
    uint64_t stream;
    int fd;

    (void) state;
    snapshot("\"request_timeout_s\": 0.2", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send(GET_ID("/a", "slow"));
    expect(&r, MSG_DISPATCH_HTTP);
    stream = r.f.stream;
    http_expect_end(fd, "Request slow timed out after 0.2s.");
    expect(&r, MSG_CANCEL);
    assert_int_equal(r.f.stream, stream);
    assert_int_equal(msg_cancel_get(&r.f, &m), 0);
    assert_int_equal(m.kind, ERROR_TIMEOUT);
    hang_up(&r);
}

static void a_big_body_flows_only_as_fast_as_it_is_taken(void **state)
{
    enum { SIZE = 2000000 };
    char *body = mem_alloc(SIZE);
    struct timeval short_wait = {.tv_usec = 100000};
    struct msg_dispatch_http d;
    struct peer r;
    size_t got;
    size_t sent = 0;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000\r\n\r\n");
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &short_wait, sizeof(short_wait)), 0);
    for (ssize_t n = 1; n > 0 && sent < SIZE;) {
        n = send(fd, body + sent, SIZE - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t) n : 0;
    }
    expect(&r, MSG_DISPATCH_HTTP);
    assert_int_equal(msg_dispatch_http_get(&r.f, &d), 0);
    got = d.body.size;
    while (got < FRAME_CREDIT) {
        struct msg_body m;

        expect(&r, MSG_BODY);
        assert_int_equal(msg_body_get(&r.f, &m), 0);
        got += m.data.size;
    }
    assert_int_equal(got, FRAME_CREDIT);
    SEND(&r, credit, 0, r.f.stream, .size = SIZE); /* counts only as far as it was sent */
    while (!(r.f.flags & FRAME_END)) {
        struct msg_body m;

        if (sent < SIZE) {
            ssize_t n = send(fd, body + sent, SIZE - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

            sent += n > 0 ? (size_t) n : 0;
        }
        expect(&r, MSG_BODY);
        assert_int_equal(msg_body_get(&r.f, &m), 0);
        got += m.data.size;
        SEND(&r, credit, 0, r.f.stream, .size = (uint32_t) m.data.size);
    }
    assert_int_equal(got, SIZE);
    SEND(&r, head, FRAME_END, r.f.stream, .status = 200, .body = SPAN("taken"));
    http_expect_end(fd, "taken");
    free(body);
    hang_up(&r);
}

/* Sends chunks as credit comes; returns how much was sent when no more comes. */
static size_t send_while_credited(struct peer *r, uint64_t stream)
{
    static char part[FRAME_DATA_MAX];
    struct timeval short_wait = {.tv_usec = 200000};
    size_t credit = FRAME_CREDIT;
    size_t sent = 0;
    struct msg_credit m;
    char byte;

    assert_int_equal(setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &short_wait, sizeof(short_wait)),
                     0);
    for (;;) {
        while (credit >= sizeof(part)) {
            SEND(r, chunk, 0, stream, .data = {part, sizeof(part)});
            credit -= sizeof(part);
            sent += sizeof(part);
        }
        if (recv(r->fd, &byte, 1, MSG_PEEK) < 0) {
            return sent;
        }
        expect(r, MSG_CREDIT);
        assert_int_equal(msg_credit_get(&r->f, &m), 0);
        credit += m.size;
    }
}

static void a_client_that_does_not_read_gets_no_more_than_fits(void **state)
{
    struct peer r;
    uint64_t stream;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send(GET("/a"));
    expect(&r, MSG_DISPATCH_HTTP);
    stream = r.f.stream;
    SEND(&r, head, 0, stream, .status = 200);
    assert_true(send_while_credited(&r, stream) < 20000000);
    (void) close(fd);
    hang_up(&r);
}

static void a_request_without_an_id_is_given_one_that_both_sides_see(void **state)
{
    struct msg_dispatch_http m;
    struct span name;
    struct span value;
    char line[64];
    struct peer r;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send(GET("/a"));
    expect(&r, MSG_DISPATCH_HTTP);
    assert_int_equal(msg_dispatch_http_get(&r.f, &m), 0);
    assert_int_equal(m.request_id.size, 36);
    assert_int_equal(m.request_id.data[14], '4');
    while (wire_header_next(&m.headers, &name, &value)) {
    }
    assert_true(span_is(name, "x-request-id") && span_equal(value, m.request_id));
    (void) snprintf(line, sizeof(line), "x-request-id: %.36s\r\n", m.request_id.data);
    SEND(&r, head, FRAME_END, r.f.stream, .status = 200);
    http_expect_end(fd, line);
    hang_up(&r);
}

static void with_a_root_path_clients_send_it_and_user_code_sees_it(void **state)
{
    struct msg_dispatch_http m;
    struct peer r;
    int fd;

    (void) state;
    snapshot("\"root_path\": \"/serve\"", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    http_expect_end(http_send(GET("/serve/-/healthz")), "success");
    http_expect_end(http_send(GET("/serve/x")), "Path '/serve/x' not found.");
    fd = http_send(GET("/serve/a/x"));
    expect(&r, MSG_DISPATCH_HTTP);
    assert_int_equal(msg_dispatch_http_get(&r.f, &m), 0);
    assert_true(span_is(m.root_path, "/serve/a") && span_is(m.path, "/serve/a/x"));
    assert_true(span_is(m.route_prefix, "/a"));
    (void) close(fd);
    hang_up(&r);
}

static void a_slow_body_is_not_waited_for_long(void **state)
{
    struct msg_dispatch_http d;
    struct msg_body m;
    struct peer r;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\nabc");
    expect(&r, MSG_DISPATCH_HTTP);
    assert_int_equal(msg_dispatch_http_get(&r.f, &d), 0);
    assert_true(span_is(d.body, "abc") && !(r.f.flags & FRAME_END));
    send_all(fd, SPAN("def"));
    expect(&r, MSG_BODY);
    assert_int_equal(msg_body_get(&r.f, &m), 0);
    assert_true(span_is(m.data, "def") && (r.f.flags & FRAME_END));
    SEND(&r, head, FRAME_END, r.f.stream, .status = 204);
    http_expect_end(fd, "HTTP/1.1 204 No Content");
    hang_up(&r);
}

static void bad_ends_have_the_texts_of_the_contract(void **state)
{
    struct peer r;
    int fd;

    (void) state;
    snapshot("", "\"available\": false, \"replicas\": []");
    http_expect_end(http_send(GET("/a")),
                    "Deployment(name='D', app='a') is unavailable because it failed to deploy.");
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send(GET("/a"));
    expect(&r, MSG_DISPATCH_HTTP);
    SEND(&r, error, FRAME_END, r.f.stream, .kind = ERROR_USER, .text = SPAN("a traceback"));
    http_expect_end(fd, "\r\n\r\nInternal Server Error");
    fd = http_send(GET("/a"));
    expect(&r, MSG_DISPATCH_HTTP);
    SEND(&r, error, FRAME_END, r.f.stream, .kind = ERROR_REFUSED, .text = SPAN("of a child"));
    http_expect_end(fd, "of a child");
    fd = http_send(GET("/a"));
    expect(&r, MSG_DISPATCH_HTTP);
    SEND(&r, head, FRAME_END, r.f.stream, .status = 99);
    http_expect_end(fd, "HTTP/1.1 500 ");
    hang_up(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_reaches_the_replica_and_its_answer_the_client),
        TEST(an_answer_streams_as_it_is_produced),
        TEST(a_full_queue_answers_503_with_its_numbers),
        TEST(a_request_that_takes_too_long_answers_408_and_is_cancelled),
        TEST(a_big_body_flows_only_as_fast_as_it_is_taken),
        TEST(a_client_that_does_not_read_gets_no_more_than_fits),
        TEST(a_request_without_an_id_is_given_one_that_both_sides_see),
        TEST(with_a_root_path_clients_send_it_and_user_code_sees_it),
        TEST(a_slow_body_is_not_waited_for_long),
        TEST(bad_ends_have_the_texts_of_the_contract),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
