/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/host_testing.h"

static void a_request_comes_in_and_its_answer_goes_out(void **state)
{
    struct host_event *e;
    struct got *g;
    struct msg_head head;

    (void) state;
    send_http(2, SPAN("hello"), true);
    e = next_event(HOST_HTTP);
    assert_int_equal(e->id, 2);
    assert_true(e->is_complete);
    assert_true(span_is(e->http.body, "hello"));
    assert_true(span_is(e->http.path, "/p"));
    host_event_free(e);
    host_started(host, 2);
    host_respond(host, 2, 201, (struct span){0}, SPAN("world"));
    skip_frame(&router, MSG_STARTED);
    g = next_frame(&router, MSG_HEAD);
    assert_int_equal(g->frame.flags, FRAME_END);
    assert_int_equal(msg_head_get(&g->frame, &head), 0);
    assert_int_equal(head.status, 201);
    assert_true(span_is(head.body, "world"));
    free(g);
}

static void an_answer_to_what_is_unknown_is_dropped(void **state)
{
    (void) state;
    host_respond(host, 44, 200, (struct span){0}, SPAN("x"));
    host_result(host, 44, SPAN("x"));
    assert_true(host_chunk(host, 44, SPAN("x"), true));
    send_http(2, SPAN(""), true);
    skip_event(HOST_HTTP);
    host_respond(host, 2, 200, (struct span){0}, SPAN("first"));
    host_respond(host, 2, 200, (struct span){0}, SPAN("second"));
    send_http(4, SPAN(""), true);
    skip_event(HOST_HTTP);
    host_started(host, 4);
    skip_frame(&router, MSG_HEAD);
    skip_frame(&router, MSG_STARTED);
}

static void a_body_flows_as_it_is_read(void **state)
{
    size_t total = 0;
    char *part = pattern(FRAME_DATA_MAX);
    struct got *g;
    struct msg_credit credit;

    (void) state;
    send_http(2, (struct span){part, FRAME_DATA_MAX}, false);
    for (int i = 0; i < 3; i++) {
        msg_body_put(channel_out(&router.ch), i == 2 ? FRAME_END : 0, 2,
                     &(struct msg_body){.data = {part, FRAME_DATA_MAX - 1}});
    }
    skip_event(HOST_HTTP);
    for (int i = 0; i < 3; i++) {
        struct host_event *e = next_event(HOST_BODY);

        assert_memory_equal(e->data.data, part, e->data.size);
        assert_int_equal(e->is_complete, i == 2);
        total += e->data.size;
        host_event_free(e);
    }
    assert_int_equal(total, 3 * (FRAME_DATA_MAX - 1));
    /* All of it is here already: no credit is needed any more. */
    host_read(host, 2, 4 * FRAME_DATA_MAX);
    host_started(host, 2);
    skip_frame(&router, MSG_STARTED);

    send_http(4, (struct span){part, FRAME_DATA_MAX}, false);
    skip_event(HOST_HTTP);
    host_read(host, 4, FRAME_DATA_MAX - 1);
    host_read(host, 4, 100); /* only one is unread */
    g = next_frame(&router, MSG_CREDIT);
    assert_int_equal(msg_credit_get(&g->frame, &credit), 0);
    assert_int_equal(credit.size, FRAME_DATA_MAX);
    free(g);
    free(part);
}

static void who_sends_more_than_its_credit_is_cut_off(void **state)
{
    char *part = pattern(FRAME_CREDIT);

    (void) state;
    send_http(2, (struct span){part, FRAME_CREDIT}, false);
    skip_event(HOST_HTTP);
    msg_body_put(channel_out(&router.ch), 0, 2, &(struct msg_body){.data = SPAN("x")});
    skip_event(HOST_LINK);
    skip_event(HOST_CANCEL);
    free(part);
}

static void a_long_answer_waits_for_credit(void **state)
{
    size_t size = 1000000;
    char *body = pattern(size);
    struct buf got = {0};
    bool is_end = false;

    (void) state;
    send_http(2, SPAN(""), true);
    skip_event(HOST_HTTP);
    host_respond(host, 2, 200, (struct span){0}, (struct span){body, size});
    while (!is_end) {
        struct got *g = next_frame(&router, buf_size(&got) == 0 ? MSG_HEAD : MSG_CHUNK);
        struct msg_head head = {0};
        struct msg_chunk chunk = {0};

        if (g->frame.type == MSG_HEAD) {
            assert_int_equal(msg_head_get(&g->frame, &head), 0);
            chunk.data = head.body;
        } else {
            assert_int_equal(msg_chunk_get(&g->frame, &chunk), 0);
        }
        buf_put_span(&got, chunk.data);
        is_end = g->frame.flags & FRAME_END;
        free(g);
        if (buf_size(&got) % FRAME_CREDIT == 0) {
            loop_turn(loop, 5);
            assert_true(list_empty(&router.frames)); /* nothing more without credit */
            send_credit(2, FRAME_CREDIT);
        }
    }
    assert_int_equal(buf_size(&got), size);
    assert_memory_equal(buf_bytes(&got), body, size);
    buf_deinit(&got);
    free(body);
}

static void chunks_stop_and_go_on_with_the_credit(void **state)
{
    char *part = pattern(FRAME_DATA_MAX);
    struct span data = {part, FRAME_DATA_MAX};
    int n = 0;

    (void) state;
    send_http(2, SPAN(""), true);
    skip_event(HOST_HTTP);
    host_head(host, 2, 200, (struct span){0});
    while (host_chunk(host, 2, data, false)) {
        n++;
    }
    assert_int_equal(n, FRAME_CREDIT / FRAME_DATA_MAX - 1);
    skip_frame(&router, MSG_HEAD);
    for (int i = 0; i <= n; i++) {
        skip_frame(&router, MSG_CHUNK);
    }
    send_credit(2, 10);
    skip_event(HOST_WRITABLE);
    assert_false(host_chunk(host, 2, SPAN("0123456789end"), true));
    skip_frame(&router, MSG_CHUNK);
    send_credit(2, 10);
    free(next_frame(&router, MSG_CHUNK));
    free(part);
}

static void items_keep_their_borders(void **state)
{
    char *big = pattern(FRAME_DATA_MAX + 5);
    uint16_t flags[] = {0, FRAME_MORE, 0, 0, FRAME_END};
    size_t sizes[] = {3, FRAME_DATA_MAX, 5, 0, 0};

    (void) state;
    send_call(2, SPAN("args"), true, true);
    skip_event(HOST_CALL);
    assert_true(host_chunk(host, 2, SPAN("one"), false));
    assert_true(host_chunk(host, 2, (struct span){big, FRAME_DATA_MAX + 5}, false));
    assert_true(host_chunk(host, 2, SPAN(""), false));
    (void) host_chunk(host, 2, SPAN(""), true);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        struct got *g = next_frame(&router, MSG_CHUNK);
        struct msg_chunk m;

        assert_int_equal(g->frame.flags, flags[i]);
        assert_int_equal(msg_chunk_get(&g->frame, &m), 0);
        assert_int_equal(m.data.size, sizes[i]);
        free(g);
    }
    free(big);
}

static void ten_megabytes_of_arguments_come_as_one_event(void **state)
{
    size_t size = 10 * 1024 * 1024 + 3;
    char *args = pattern(size);
    size_t sent = 0;
    size_t credit = FRAME_CREDIT;
    struct host_event *e;

    (void) state;
    while (sent < size) {
        size_t n = MIN(MIN(size - sent, (size_t) FRAME_DATA_MAX), credit);
        struct span part = {args + sent, n};
        bool is_end = sent + n == size;

        if (n == 0) {
            struct got *g = next_frame(&router, MSG_CREDIT);
            struct msg_credit m;

            assert_int_equal(msg_credit_get(&g->frame, &m), 0);
            credit += m.size;
            free(g);
            continue;
        }
        if (sent == 0) {
            send_call(2, part, false, false);
        } else {
            msg_body_put(channel_out(&router.ch), is_end ? FRAME_END : 0, 2,
                         &(struct msg_body){.data = part});
        }
        sent += n;
        credit -= n;
    }
    e = next_event(HOST_CALL);
    assert_int_equal(e->call.args.size, size);
    assert_memory_equal(e->call.args.data, args, size);
    host_event_free(e);
    free(args);
}

static void what_user_code_has_not_seen_never_begins(void **state)
{
    (void) state;
    send_http(2, SPAN("x"), false);
    msg_body_put(channel_out(&router.ch), 0, 2, &(struct msg_body){.data = SPAN("y")});
    send_cancel(2);
    send_call(4, SPAN("part of the arguments"), false, false);
    send_cancel(4);
    expect_cancelled(2);
    expect_cancelled(4);
    assert_false(has_event());
}

static void a_running_request_is_ended_by_its_user_code(void **state)
{
    struct host_event *e;

    (void) state;
    send_http(2, SPAN("x"), true);
    skip_event(HOST_HTTP);
    send_cancel(2);
    send_cancel(2);
    e = next_event(HOST_CANCEL);
    assert_int_equal(e->kind, ERROR_TIMEOUT);
    host_event_free(e);
    loop_turn(loop, 5);
    assert_true(list_empty(&router.frames)); /* its slot is not free yet */
    host_head(host, 2, 200, (struct span){0});
    assert_true(host_chunk(host, 2, SPAN("x"), false));
    assert_true(host_chunk(host, 2, SPAN("x"), true));
    expect_cancelled(2);
}

static void after_a_new_proxy_what_runs_is_reported_and_ended(void **state)
{
    (void) state;
    send_http(2, SPAN(""), true);
    send_call(4, SPAN(""), false, true);
    skip_event(HOST_HTTP);
    skip_event(HOST_CALL);
    peer_cut(&router);
    skip_event(HOST_LINK);
    skip_event(HOST_CANCEL); /* the HTTP client is gone; the call runs on */
    skip_event(HOST_LINK);
    UNTIL(router.n_links == 2);
    assert_non_null(strstr(router.info, "\"running\": ["));
    assert_non_null(strstr(router.info, "2"));
    assert_non_null(strstr(router.info, "4"));
    host_result(host, 4, SPAN("nobody waits for it"));
    expect_cancelled(4);
    host_error(host, 2, ERROR_USER, SPAN("late"), SPAN(""));
    expect_cancelled(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REPLICA(a_request_comes_in_and_its_answer_goes_out),
        REPLICA(an_answer_to_what_is_unknown_is_dropped),
        REPLICA(a_body_flows_as_it_is_read),
        REPLICA(who_sends_more_than_its_credit_is_cut_off),
        REPLICA(a_long_answer_waits_for_credit),
        REPLICA(chunks_stop_and_go_on_with_the_credit),
        REPLICA(items_keep_their_borders),
        REPLICA(ten_megabytes_of_arguments_come_as_one_event),
        REPLICA(what_user_code_has_not_seen_never_begins),
        REPLICA(a_running_request_is_ended_by_its_user_code),
        REPLICA(after_a_new_proxy_what_runs_is_reported_and_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
