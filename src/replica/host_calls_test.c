/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/host_testing.h"

static void answer(uint64_t id, uint16_t flags, struct span data)
{
    msg_chunk_put(channel_out(&router.ch), flags, id, &(struct msg_chunk){.data = data});
}

static void a_call_gets_its_result(void **state)
{
    uint64_t id = call(SPAN("args"), false);
    struct got *g = next_frame(&router, MSG_CALL);
    struct host_event *e;
    struct msg_call m;

    (void) state;
    assert_int_equal(msg_call_get(&g->frame, &m), 0);
    assert_true(span_is(m.deployment, "a#B"));
    assert_true(span_is(m.args, "args"));
    assert_int_equal(g->frame.flags, FRAME_END);
    free(g);
    msg_started_put(channel_out(&router.ch), 0, id, &(struct msg_started){0});
    answer(id, FRAME_MORE, SPAN("res"));
    answer(id, FRAME_END, SPAN("ult"));
    skip_event(HOST_STARTED);
    e = next_event(HOST_DONE);
    assert_int_equal(e->id, id);
    assert_true(e->is_complete && span_is(e->data, "result"));
    host_event_free(e);
}

static void a_streaming_call_gets_items_and_gives_credit_when_they_are_read(void **state)
{
    uint64_t id = call(SPAN(""), true);
    char *big = pattern(FRAME_DATA_MAX);
    struct host_event *e;

    (void) state;
    skip_frame(&router, MSG_CALL);
    answer(id, 0, SPAN("one"));
    answer(id, FRAME_MORE, (struct span){big, FRAME_DATA_MAX});
    answer(id, 0, (struct span){big, FRAME_DATA_MAX});
    host_event_free(next_event(HOST_ITEM));
    e = next_event(HOST_ITEM);
    assert_int_equal(e->data.size, 2 * FRAME_DATA_MAX);
    host_event_free(e);
    skip_frame(&router, MSG_CREDIT); /* for the first half, which no reader will see alone */
    loop_turn(loop, 5);
    assert_true(list_empty(&router.frames));
    host_read(host, id, 3 + 2 * FRAME_DATA_MAX);
    skip_frame(&router, MSG_CREDIT);
    answer(id, FRAME_END, SPAN(""));
    e = next_event(HOST_DONE);
    assert_false(e->is_complete);
    host_event_free(e);
    free(big);
}

static void long_arguments_of_a_call_flow_under_credit(void **state)
{
    size_t size = 700000;
    char *args = pattern(size);
    uint64_t id = call((struct span){args, size}, false);
    struct buf got = {0};
    bool is_end = false;

    (void) state;
    while (!is_end) {
        struct got *g = next_frame(&router, buf_size(&got) == 0 ? MSG_CALL : MSG_BODY);
        struct msg_body m = {0};
        struct msg_call c;

        if (g->frame.type == MSG_CALL) {
            assert_int_equal(msg_call_get(&g->frame, &c), 0);
            m.data = c.args;
        } else {
            assert_int_equal(msg_body_get(&g->frame, &m), 0);
        }
        buf_put_span(&got, m.data);
        is_end = g->frame.flags & FRAME_END;
        free(g);
        if (buf_size(&got) % FRAME_CREDIT == 0) {
            send_credit(id, FRAME_CREDIT);
        }
    }
    assert_int_equal(buf_size(&got), size);
    assert_memory_equal(buf_bytes(&got), args, size);
    buf_deinit(&got);
    free(args);
}

static void an_error_reaches_the_caller(void **state)
{
    uint64_t id = call(SPAN(""), false);
    struct host_event *e;

    (void) state;
    msg_error_put(channel_out(&router.ch), FRAME_END, id,
                  &(struct msg_error){.kind = ERROR_USER, .text = SPAN("t"), .data = SPAN("d")});
    e = next_event(HOST_ERROR);
    assert_int_equal(e->kind, ERROR_USER);
    assert_true(span_is(e->text, "t") && span_is(e->data, "d"));
    host_event_free(e);
}

static void a_cancelled_call_hears_of_its_end(void **state)
{
    uint64_t id = call(SPAN(""), false);
    struct host_event *e;

    (void) state;
    host_cancel(host, id);
    skip_frame(&router, MSG_CALL);
    skip_frame(&router, MSG_CANCEL);
    answer(id, FRAME_END, SPAN("too late"));
    e = next_event(HOST_ERROR);
    assert_int_equal(e->kind, ERROR_CANCELLED);
    host_event_free(e);
}

static void a_new_proxy_gets_what_had_not_started(void **state)
{
    uint64_t started = call(SPAN("1"), false);
    uint64_t waiting = call(SPAN("2"), false);
    struct host_event *e;
    struct got *g;

    (void) state;
    skip_frame(&router, MSG_CALL);
    skip_frame(&router, MSG_CALL);
    msg_started_put(channel_out(&router.ch), 0, started, &(struct msg_started){0});
    skip_event(HOST_STARTED);
    peer_cut(&router);
    skip_event(HOST_LINK);
    e = next_event(HOST_ERROR);
    assert_int_equal(e->id, started);
    assert_int_equal(e->kind, ERROR_UNREACHABLE);
    host_event_free(e);
    g = next_frame(&router, MSG_CALL);
    assert_int_equal(g->frame.stream, waiting);
    free(g);
    skip_event(HOST_LINK);
    answer(waiting, FRAME_END, SPAN("done"));
    skip_event(HOST_DONE);
}

static void an_application_is_looked_up(void **state)
{
    char *json = NULL;
    uint64_t id = 0;

    (void) state;
    assert_int_equal(host_lookup(host, SPAN("a"), 0, &id, &json), -EAGAIN);
    skip_frame(&router, MSG_LOOKUP);
    msg_lookup_result_put(channel_out(&router.ch), 0, id,
                          &(struct msg_lookup_result){.found = 1, .info_json = SPAN("{}")});
    loop_turn(loop, 0);
    assert_int_equal(host_lookup(host, SPAN("a"), 5000, &id, &json), 0);
    assert_string_equal(json, "{}");
    free(json);
    assert_int_equal(host_lookup(host, SPAN("b"), 0, &id, &json), -EAGAIN);
    peer_cut(&router); /* the question is asked again */
    skip_event(HOST_LINK);
    UNTIL(router.n_links == 2 && !list_empty(&router.frames));
    peer_forget(&router);
    msg_lookup_result_put(channel_out(&router.ch), 0, id, &(struct msg_lookup_result){0});
    loop_turn(loop, 0);
    assert_int_equal(host_lookup(host, SPAN("b"), 5000, &id, &json), 0);
    assert_null(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DRIVER(a_call_gets_its_result),
        DRIVER(a_streaming_call_gets_items_and_gives_credit_when_they_are_read),
        DRIVER(long_arguments_of_a_call_flow_under_credit),
        DRIVER(an_error_reaches_the_caller),
        DRIVER(a_cancelled_call_hears_of_its_end),
        DRIVER(a_new_proxy_gets_what_had_not_started),
        DRIVER(an_application_is_looked_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
