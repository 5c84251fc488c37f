/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Two ends of one link in one loop, and what each has heard. */
struct end {
    struct channel ch;
    int n_hellos;
    int n_messages;
    int n_closed;
    int fd; /* the last one received */
    uint64_t last_stream;
    size_t last_size;
    char why[200];
};

static struct loop *loop;
static struct end a;
static struct end b;

static struct end *end_of(struct channel *ch)
{
    return CONTAINER_OF(ch, struct end, ch);
}

static int on_hello(struct channel *ch, const struct msg_hello *hello)
{
    end_of(ch)->n_hellos++;
    return span_is(hello->name, "stranger") ? -EPERM : 0;
}

static int on_message(struct channel *ch, const struct frame *f)
{
    struct end *e = end_of(ch);

    e->n_messages++;
    e->last_stream = f->stream;
    e->last_size = f->size;
    if (f->flags & FRAME_FD) {
        e->fd = channel_take_fd(ch);
    }
    if (f->type == MSG_BODY) {
        struct msg_body m;

        return msg_body_get(f, &m);
    }
    return 0;
}

static void on_close(struct channel *ch, const struct err *err)
{
    struct end *e = end_of(ch);

    e->n_closed++;
    (void) snprintf(e->why, sizeof(e->why), "%s", err->text);
    channel_deinit(ch);
}

static const struct channel_events events = {on_hello, on_message, on_close, NULL};

static void link_up(enum wire_role role_a, enum wire_role role_b, const char *name_b)
{
    int fds[2];
    struct channel_hello ha = {.role = role_a, .peer_roles = role_b, .name = "a"};
    struct channel_hello hb = {.role = role_b, .peer_roles = role_a, .name = name_b};

    loop = loop_new();
    a = (struct end){.fd = -1};
    b = (struct end){.fd = -1};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    channel_init(&a.ch, loop, fds[0], &ha, &events);
    channel_init(&b.ch, loop, fds[1], &hb, &events);
}

static void turns(int n)
{
    while (n-- > 0) {
        loop_turn(loop, 1);
    }
}

static void link_down(void)
{
    channel_deinit(&a.ch);
    channel_deinit(&b.ch);
    loop_free(loop);
}

static void both_sides_greet_and_talk(void **state)
{
    (void) state;
    link_up(ROLE_PROXY, ROLE_REPLICA, "b");
    msg_body_put(channel_out(&a.ch), FRAME_END, 42, &(struct msg_body){.data = SPAN("hello")});
    turns(4);
    assert_int_equal(a.n_hellos, 1);
    assert_int_equal(b.n_hellos, 1);
    assert_int_equal(b.n_messages, 1);
    assert_int_equal(b.last_stream, 42);
    link_down();
}

static void who_may_not_send_a_message_is_cut_off(void **state)
{
    (void) state;
    link_up(ROLE_PROXY, ROLE_REPLICA, "b");
    msg_spawn_put(channel_out(&b.ch), 0, 0, &(struct msg_spawn){.id = SPAN("x")});
    turns(6);
    assert_int_equal(a.n_messages, 0);
    assert_int_equal(a.n_closed, 1);
    assert_non_null(strstr(a.why, "may not send message 10 (SPAWN)"));
    assert_int_equal(b.n_closed, 1);
    link_down();
}

static void a_refused_hello_ends_the_link(void **state)
{
    (void) state;
    link_up(ROLE_PROXY, ROLE_REPLICA, "stranger");
    turns(6);
    assert_int_equal(a.n_closed, 1);
    assert_int_equal(b.n_closed, 1);
    link_down();
}

static void a_truncated_message_ends_the_link(void **state)
{
    struct buf *out;
    size_t mark;

    (void) state;
    link_up(ROLE_PROXY, ROLE_REPLICA, "b");
    out = channel_out(&a.ch);
    mark = frame_begin(out, MSG_BODY, 0, 2);
    buf_put_u32(out, 100);
    buf_put_str(out, "less than that");
    frame_end(out, mark);
    turns(6);
    assert_int_equal(b.n_closed, 1);
    assert_non_null(strstr(b.why, "malformed BODY"));
    link_down();
}

static void descriptors_travel_with_their_messages(void **state)
{
    int pipe_fds[2];
    char c = 0;

    (void) state;
    link_up(ROLE_NODE, ROLE_INIT, "b");
    assert_int_equal(pipe(pipe_fds), 0);
    msg_kill_put(channel_out(&a.ch), 0, 0, &(struct msg_kill){.id = SPAN("before")});
    channel_send_fd(&a.ch, pipe_fds[1]);
    msg_keep_put(channel_out(&a.ch), FRAME_FD, 0, &(struct msg_keep){.name = SPAN("pipe")});
    channel_send_fd(&a.ch, pipe_fds[0]);
    msg_keep_put(channel_out(&a.ch), FRAME_FD, 0, &(struct msg_keep){.name = SPAN("other")});
    (void) close(pipe_fds[1]);
    turns(6);
    assert_int_equal(b.n_messages, 3);
    assert_true(b.fd >= 0);
    (void) c;
    (void) close(b.fd);
    (void) close(pipe_fds[0]);
    link_down();
}

static void a_document_of_megabytes_arrives_whole(void **state)
{
    char *text = mem_alloc(6000000);

    (void) state;
    link_up(ROLE_CONTROLLER, ROLE_PROXY, "b");
    msg_snapshot_put(channel_out(&a.ch), 0, 0,
                     &(struct msg_snapshot){.version = 7, .snapshot_json = {text, 6000000}});
    turns(400);
    assert_int_equal(b.n_messages, 1);
    assert_int_equal(b.last_size, 6000000 + 12);
    free(text);
    link_down();
}

static void a_message_prints_on_one_line(void **state)
{
    struct buf frames = {0};
    struct buf text = {0};
    struct frame f;

    (void) state;
    msg_error_put(&frames, FRAME_END, 4,
                  &(struct msg_error){.kind = ERROR_TIMEOUT, .text = SPAN("too late")});
    assert_int_equal(frame_peek(buf_span(&frames), &f), 1);
    message_print(&text, &f);
    assert_string_equal(buf_cstr(&text), "ERROR stream=4 END kind=3 text=too late data=0B");
    buf_deinit(&frames);
    buf_deinit(&text);
}

static void fields_that_an_older_sender_left_out_are_zero(void **state)
{
    struct buf out = {0};
    struct frame f;
    struct msg_dispatch_call m;
    size_t mark = frame_begin(&out, MSG_DISPATCH_CALL, 0, 2);

    (void) state;
    buf_put_u32(&out, 1500);
    frame_end(&out, mark);
    assert_int_equal(frame_peek(buf_span(&out), &f), 1);
    assert_int_equal(msg_dispatch_call_get(&f, &m), 0);
    assert_int_equal(m.timeout_ms, 1500);
    assert_int_equal(m.args.size, 0);
    assert_int_equal(m.streaming, 0);
    buf_deinit(&out);
}

static void header_blocks_and_string_rows_come_apart_again(void **state)
{
    struct buf out = {0};
    struct span block;
    struct span name;
    struct span value;
    struct span row = {"one\0two\0cut", 11};

    (void) state;
    wire_header_put(&out, SPAN("host"), SPAN("x"));
    wire_header_put(&out, SPAN("empty"), SPAN(""));
    block = buf_span(&out);
    assert_true(wire_header_next(&block, &name, &value));
    assert_true(span_is(name, "host") && span_is(value, "x"));
    assert_true(wire_header_next(&block, &name, &value));
    assert_true(span_is(name, "empty") && value.size == 0);
    assert_false(wire_header_next(&block, &name, &value));
    block = (struct span){buf_bytes(&out), 7};
    assert_false(wire_header_next(&block, &name, &value));
    assert_int_equal(block.size, 7);
    assert_string_equal(wire_string_next(&row), "one");
    assert_string_equal(wire_string_next(&row), "two");
    assert_null(wire_string_next(&row));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_greet_and_talk),
        cmocka_unit_test(who_may_not_send_a_message_is_cut_off),
        cmocka_unit_test(a_refused_hello_ends_the_link),
        cmocka_unit_test(a_truncated_message_ends_the_link),
        cmocka_unit_test(descriptors_travel_with_their_messages),
        cmocka_unit_test(a_document_of_megabytes_arrives_whole),
        cmocka_unit_test(a_message_prints_on_one_line),
        cmocka_unit_test(fields_that_an_older_sender_left_out_are_zero),
        cmocka_unit_test(header_blocks_and_string_rows_come_apart_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
