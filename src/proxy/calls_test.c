/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fixture_test.h"

static void a_handle_call_goes_from_a_driver_to_a_replica_and_back(void **state)
{
    struct msg_dispatch_call d;
    struct msg_chunk c;
    struct msg_error e;
    struct peer r;
    struct peer driver;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    driver = dial_router(ROLE_DRIVER, "42", "{}");
    SEND(&driver, call, FRAME_END, 1, .deployment = SPAN("a#D"), .request_id = SPAN("id"),
         .method = SPAN("predict"), .args = SPAN("args"));
    expect(&r, MSG_DISPATCH_CALL);
    assert_int_equal(msg_dispatch_call_get(&r.f, &d), 0);
    assert_true(span_is(d.method, "predict") && span_is(d.args, "args") && span_is(d.app, "a"));
    SEND(&r, started, 0, r.f.stream);
    expect(&driver, MSG_STARTED);
    SEND(&r, chunk, FRAME_END, r.f.stream, .data = SPAN("result"));
    expect(&driver, MSG_CHUNK);
    assert_int_equal(msg_chunk_get(&driver.f, &c), 0);
    assert_int_equal(driver.f.stream, 1);
    assert_true(span_is(c.data, "result") && (driver.f.flags & FRAME_END));
    SEND(&driver, call, FRAME_END, 3, .deployment = SPAN("a#Nobody"));
    expect(&driver, MSG_ERROR);
    assert_int_equal(msg_error_get(&driver.f, &e), 0);
    assert_int_equal(e.kind, ERROR_NOT_FOUND);
    SEND(&driver, lookup, 0, 5, .app = SPAN("a"));
    expect(&driver, MSG_LOOKUP_RESULT);
    hang_up(&driver);
    hang_up(&r);
}

static void the_calls_of_a_link_that_ends_are_cancelled(void **state)
{
    struct peer r;
    struct peer driver;
    uint64_t stream;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    driver = dial_router(ROLE_DRIVER, "42", "{}");
    SEND(&driver, call, FRAME_END, 1, .deployment = SPAN("a#D"), .method = SPAN("m"));
    expect(&r, MSG_DISPATCH_CALL);
    stream = r.f.stream;
    hang_up(&driver);
    expect(&r, MSG_CANCEL);
    assert_int_equal(r.f.stream, stream);
    hang_up(&r);
}

/* Sends 'size' bytes of arguments of call 1. */
static void send_args(struct peer *driver, size_t size)
{
    static char part[FRAME_DATA_MAX];

    for (size_t n; size > 0; size -= n) {
        n = MIN(size, sizeof(part));
        SEND(driver, body, 0, 1, .data = {part, n});
    }
}

/* Reads a dispatched call with so many bytes of arguments, not more. */
static void expect_args(struct peer *r, size_t size)
{
    struct msg_dispatch_call d;
    struct msg_body m;

    expect(r, MSG_DISPATCH_CALL);
    assert_int_equal(msg_dispatch_call_get(&r->f, &d), 0);
    assert_true(d.args.size <= size);
    size -= d.args.size;
    while (size > 0) {
        expect(r, MSG_BODY);
        assert_int_equal(msg_body_get(&r->f, &m), 0);
        assert_true(m.data.size <= size);
        size -= m.data.size;
    }
}

static void a_second_replica_is_sent_no_more_than_it_allows(void **state)
{
    enum { MORE = 64 * 1024 };
    struct msg_credit c;
    struct peer r;
    struct peer driver;
    uint64_t stream;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    driver = dial_router(ROLE_DRIVER, "42", "{}");
    SEND(&driver, call, 0, 1, .deployment = SPAN("a#D"), .method = SPAN("m"));
    send_args(&driver, FRAME_CREDIT);
    expect_args(&r, FRAME_CREDIT);
    SEND(&r, credit, 0, r.f.stream, .size = MORE);
    expect(&driver, MSG_CREDIT);
    assert_int_equal(msg_credit_get(&driver.f, &c), 0);
    assert_int_equal(c.size, MORE);
    hang_up(&r);
    r = awaited_replica("r1");
    expect_args(&r, FRAME_CREDIT);
    stream = r.f.stream;
    send_args(&driver, MORE);
    expect_silence(&driver);
    expect_silence(&r); /* what came is kept until there is room for it */
    SEND(&r, credit, 0, stream, .size = MORE);
    expect(&r, MSG_BODY);
    expect_silence(&driver); /* it was allowed so much already */
    hang_up(&r);
    expect(&driver, MSG_ERROR); /* its beginning is gone: it cannot be sent a third time */
    hang_up(&driver);
}

static void a_caller_that_sends_more_than_it_may_is_cut_off(void **state)
{
    struct peer r;
    struct peer driver;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    driver = dial_router(ROLE_DRIVER, "42", "{}");
    SEND(&driver, call, 0, 1, .deployment = SPAN("a#D"), .method = SPAN("m"));
    send_args(&driver, FRAME_CREDIT + 1);
    expect_hang_up(&driver);
    expect(&r, MSG_CANCEL);
    hang_up(&r);
}

static void a_call_that_is_cancelled_frees_its_slot_when_the_replica_is_done(void **state)
{
    struct msg_error e;
    struct peer r;
    struct peer driver;
    uint64_t first;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica_running("r1", "2"); /* one slot is left */
    driver = dial_router(ROLE_DRIVER, "42", "{}");
    SEND(&driver, call, FRAME_END, 1, .deployment = SPAN("a#D"), .method = SPAN("m"));
    expect(&r, MSG_DISPATCH_CALL);
    first = r.f.stream;
    SEND(&driver, call, FRAME_END, 3, .deployment = SPAN("a#D"), .method = SPAN("m"));
    SEND(&driver, cancel, 0, 1, .kind = ERROR_CANCELLED);
    expect(&driver, MSG_ERROR);
    assert_int_equal(msg_error_get(&driver.f, &e), 0);
    assert_int_equal(e.kind, ERROR_CANCELLED);
    expect(&r, MSG_CANCEL);
    expect_silence(&r);
    SEND(&r, error, FRAME_END, first, .kind = ERROR_CANCELLED);
    expect(&r, MSG_DISPATCH_CALL);
    hang_up(&driver);
    hang_up(&r);
}

static void items_of_a_stream_go_out_under_the_callers_credit(void **state)
{
    struct msg_credit c;
    struct msg_chunk m;
    struct peer r;
    struct peer driver;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    driver = dial_router(ROLE_DRIVER, "42", "{}");
    SEND(&driver, call, FRAME_END, 1, .deployment = SPAN("a#D"), .method = SPAN("m"),
         .streaming = 1);
    expect(&r, MSG_DISPATCH_CALL);
    SEND(&r, chunk, FRAME_MORE, r.f.stream, .data = SPAN("it"));
    SEND(&r, chunk, 0, r.f.stream, .data = SPAN("em"));
    expect(&driver, MSG_CHUNK);
    assert_int_equal(driver.f.flags, FRAME_MORE);
    expect(&driver, MSG_CHUNK);
    assert_int_equal(msg_chunk_get(&driver.f, &m), 0);
    assert_true(span_is(m.data, "em") && driver.f.flags == 0);
    SEND(&driver, credit, 0, 1, .size = 1000); /* more than it was sent */
    expect(&r, MSG_CREDIT);
    assert_int_equal(msg_credit_get(&r.f, &c), 0);
    assert_int_equal(c.size, 4);
    SEND(&r, chunk, FRAME_END, r.f.stream, .data = SPAN(""));
    expect(&driver, MSG_CHUNK);
    assert_int_equal(driver.f.flags, FRAME_END);
    hang_up(&driver);
    hang_up(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_handle_call_goes_from_a_driver_to_a_replica_and_back),
        TEST(the_calls_of_a_link_that_ends_are_cancelled),
        TEST(a_second_replica_is_sent_no_more_than_it_allows),
        TEST(a_caller_that_sends_more_than_it_may_is_cut_off),
        TEST(a_call_that_is_cancelled_frees_its_slot_when_the_replica_is_done),
        TEST(items_of_a_stream_go_out_under_the_callers_credit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
