/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/fixture_test.h"

static void a_client_that_leaves_cancels_and_its_slot_frees_when_the_replica_is_done(void **state)
{
    struct peer r;
    uint64_t streams[2];
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    for (int i = 0; i < 2; i++) {
        fd = http_send(GET("/a"));
        expect(&r, MSG_DISPATCH_HTTP);
        streams[i] = r.f.stream;
        (void) close(fd);
        expect(&r, MSG_CANCEL);
        assert_int_equal(r.f.stream, streams[i]);
    }
    fd = http_send(GET("/a/third"));
    SEND(&r, ping, 0, 0, .nonce = 2);
    expect(&r, MSG_PONG); /* no DISPATCH came before: both slots are taken */
    SEND(&r, error, FRAME_END, streams[0], .kind = ERROR_CANCELLED);
    expect(&r, MSG_DISPATCH_HTTP);
    SEND(&r, head, FRAME_END, r.f.stream, .status = 200, .body = SPAN("third"));
    http_expect_end(fd, "third");
    hang_up(&r);
}

static void a_thousand_clients_that_leave_take_no_slot_with_them(void **state)
{
    struct peer r;
    uint64_t stream;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    for (int i = 0; i < 1000; i++) {
        fd = http_send(GET("/a"));
        if (i % 3 == 0) {
            (void) close(fd);
        }
        expect(&r, MSG_DISPATCH_HTTP);
        stream = r.f.stream;
        if (i % 3 == 1) {
            SEND(&r, head, 0, stream, .status = 200, .body = SPAN("some"));
        }
        if (i % 3 != 0) {
            (void) close(fd);
        }
        expect(&r, MSG_CANCEL);
        assert_int_equal(r.f.stream, stream);
        if (i % 2 == 0 || i % 3 == 1) {
            SEND(&r, error, FRAME_END, stream, .kind = ERROR_CANCELLED);
        } else {
            SEND(&r, head, FRAME_END, stream, .status = 200); /* it had ended already */
        }
    }
    for (int i = 0; i < 2; i++) {
        (void) http_send(GET("/a")); /* closed by the test's end */
        expect(&r, MSG_DISPATCH_HTTP);
    }
    hang_up(&r);
}

static void what_a_dead_replica_had_not_begun_another_answers(void **state)
{
    struct msg_dispatch_http m;
    struct peer r1;
    struct peer r2;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\", \"r2\"]");
    r1 = replica("r1");
    fd = http_send("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc");
    expect(&r1, MSG_DISPATCH_HTTP);
    r2 = replica("r2");
    hang_up(&r1);
    expect(&r2, MSG_DISPATCH_HTTP);
    assert_int_equal(msg_dispatch_http_get(&r2.f, &m), 0);
    assert_true(span_is(m.body, "abc"));
    SEND(&r2, head, FRAME_END, r2.f.stream, .status = 200, .body = SPAN("second"));
    http_expect_end(fd, "second");
    hang_up(&r2);
}

static void what_had_begun_answers_500_when_its_replica_dies(void **state)
{
    struct peer r;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
    expect(&r, MSG_DISPATCH_HTTP);
    SEND(&r, started, 0, r.f.stream);
    hang_up(&r);
    http_expect_end(fd, "Internal Server Error");
}

static void what_an_earlier_proxy_had_started_keeps_its_slots_until_it_ends(void **state)
{
    struct peer r;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica_running("r1", "6, 40");
    fd = http_send(GET("/a"));
    http_expect_end(http_send(GET("/-/healthz")), "success");
    expect_silence(&r);
    SEND(&r, started, 0, 6);
    SEND(&r, error, FRAME_END, 40, .kind = ERROR_CANCELLED);
    expect(&r, MSG_DISPATCH_HTTP);
    assert_true(r.f.stream > 40 && r.f.stream % 2 == 0);
    SEND(&r, head, FRAME_END, r.f.stream, .status = 200, .body = SPAN("now"));
    http_expect_end(fd, "now");
    hang_up(&r);
}

static void a_replica_that_does_not_take_a_request_leaves_it_to_another(void **state)
{
    struct peer r1;
    struct peer r2;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r1 = replica("r1");
    fd = http_send("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
    expect(&r1, MSG_DISPATCH_HTTP);
    snapshot("", "\"replicas\": [\"r2\"]");
    SEND(&r1, error, FRAME_END, r1.f.stream, .kind = ERROR_NOT_TAKEN);
    r2 = awaited_replica("r2");
    expect(&r2, MSG_DISPATCH_HTTP);
    SEND(&r2, head, FRAME_END, r2.f.stream, .status = 200, .body = SPAN("second"));
    http_expect_end(fd, "second");
    hang_up(&r1);
    hang_up(&r2);
}

static void what_may_run_twice_is_begun_once_more_and_not_a_third_time(void **state)
{
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    fd = http_send(GET("/a"));
    for (int i = 0; i < 2; i++) {
        struct peer r = awaited_replica("r1");

        expect(&r, MSG_DISPATCH_HTTP);
        SEND(&r, started, 0, r.f.stream);
        hang_up(&r);
    }
    http_expect_end(fd, "Internal Server Error");
}

static void an_answer_that_has_begun_is_broken_off_when_its_replica_dies(void **state)
{
    struct peer r;
    char byte;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send(GET("/a"));
    expect(&r, MSG_DISPATCH_HTTP);
    SEND(&r, head, 0, r.f.stream, .status = 200, .body = SPAN("half"));
    http_expect(fd, "half\r\n");
    hang_up(&r);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    (void) close(fd);
}

static void a_replica_that_breaks_the_protocol_is_cut_off(void **state)
{
    static char much[FRAME_CREDIT + 1];
    struct peer r;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    for (int i = 0; i < 3; i++) {
        r = replica("r1");
        fd = http_send("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
        expect(&r, MSG_DISPATCH_HTTP);
        SEND(&r, started, 0, r.f.stream);
        switch (i) {
        case 0: SEND(&r, chunk, 0, r.f.stream, .data = SPAN("no head")); break;
        case 1: SEND(&r, head, 0, r.f.stream, .body = {much, sizeof(much)}); break;
        case 2:
            SEND(&r, head, 0, r.f.stream, .status = 200);
            SEND(&r, head, 0, r.f.stream, .status = 200);
            break;
        }
        expect_hang_up(&r);
        http_expect_end(fd, i < 2 ? "Internal Server Error" : "HTTP/1.1 200 OK");
    }
    http_expect_end(http_send(GET("/-/healthz")), "success");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_that_leaves_cancels_and_its_slot_frees_when_the_replica_is_done),
        TEST(a_thousand_clients_that_leave_take_no_slot_with_them),
        TEST(what_a_dead_replica_had_not_begun_another_answers),
        TEST(what_had_begun_answers_500_when_its_replica_dies),
        TEST(what_an_earlier_proxy_had_started_keeps_its_slots_until_it_ends),
        TEST(a_replica_that_does_not_take_a_request_leaves_it_to_another),
        TEST(what_may_run_twice_is_begun_once_more_and_not_a_third_time),
        TEST(an_answer_that_has_begun_is_broken_off_when_its_replica_dies),
        TEST(a_replica_that_breaks_the_protocol_is_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
