/* SPDX-License-Identifier: Apache-2.0 */
#include "io/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* One end under test; the other is a plain socket that the test drives by hand. */
struct end {
    struct stream s;
    size_t n_read;  /* calls of on_read */
    size_t n_bytes; /* consumed */
    int n_drained;
    int n_closed;
    int error;
    bool keep;    /* leave bytes unread */
    bool go_away; /* deinit inside on_read */
};

static struct loop *loop;
static struct end e;
static int peer;

static void on_read(struct stream *s)
{
    struct end *end = CONTAINER_OF(s, struct end, s);

    end->n_read++;
    if (!end->keep) {
        end->n_bytes += buf_size(&s->in);
        buf_consume(&s->in, buf_size(&s->in));
    }
    if (end->go_away) {
        stream_deinit(s);
    }
}

static void on_close(struct stream *s, int error)
{
    struct end *end = CONTAINER_OF(s, struct end, s);

    end->n_closed++;
    end->error = error;
    stream_deinit(s);
}

static void on_drain(struct stream *s)
{
    CONTAINER_OF(s, struct end, s)->n_drained++;
}

static const struct stream_events events = {on_read, on_close, on_drain};

static void turns(int n)
{
    while (n-- > 0) {
        loop_turn(loop, 1);
    }
}

static int up(void **state)
{
    int fds[2];

    (void) state;
    e = (struct end){0};
    loop = loop_new();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    stream_init(&e.s, loop, fds[0], &events);
    peer = fds[1];
    return 0;
}

static int down(void **state)
{
    (void) state;
    stream_deinit(&e.s);
    (void) close(peer);
    loop_free(loop);
    return 0;
}

static void what_a_turn_queues_leaves_in_one_write(void **state)
{
    char got[16] = "";

    (void) state;
    stream_write(&e.s, "one ", 4);
    stream_write(&e.s, "two", 3);
    assert_int_equal(recv(peer, got, sizeof(got), MSG_DONTWAIT), -1);
    turns(1);
    assert_int_equal(recv(peer, got, sizeof(got), MSG_DONTWAIT), 7);
    assert_int_equal(e.n_drained, 1);
}

static void a_large_message_arrives_whole_in_both_directions(void **state)
{
    enum { SIZE = 3000000 };
    char *data = mem_alloc(SIZE);
    size_t sent = 0;
    size_t received = 0;

    (void) state;
    stream_write(&e.s, data, SIZE);
    while (sent < SIZE || received < SIZE) {
        ssize_t n = send(peer, data + sent, SIZE - sent, MSG_DONTWAIT);

        sent += n > 0 ? (size_t) n : 0;
        turns(1);
        n = recv(peer, data, SIZE, MSG_DONTWAIT);
        received += n > 0 ? (size_t) n : 0;
    }
    turns(20);
    assert_int_equal(e.n_bytes, SIZE);
    assert_int_equal(stream_pending(&e.s), 0);
    free(data);
}

/* Large data go past the buffer, but not past what was queued before them. */
static void large_data_leaves_in_its_place_and_is_drained_once(void **state)
{
    enum { SIZE = 2 << 20 };
    char *data = mem_alloc(SIZE);
    char *got = mem_alloc(SIZE + 20);
    size_t n_got = 0;

    (void) state;
    for (size_t i = 0; i < SIZE; i++) {
        data[i] = (char) (i * 7 + i / 256);
    }
    for (size_t size = 40000; size <= SIZE; size += SIZE - 40000) {
        size_t half = size / 2;

        e.n_drained = 0;
        n_got = 0;
        stream_write(&e.s, "before", 6);
        stream_write(&e.s, data, half);
        stream_write(&e.s, data + half, size - half);
        stream_write(&e.s, "after", 5);
        while (n_got < size + 11) {
            ssize_t n = recv(peer, got + n_got, SIZE + 20 - n_got, MSG_DONTWAIT);

            n_got += n > 0 ? (size_t) n : 0;
            turns(1);
        }
        assert_int_equal(n_got, size + 11);
        assert_memory_equal(got, "before", 6);
        assert_memory_equal(got + 6, data, size);
        assert_memory_equal(got + 6 + size, "after", 5);
        assert_int_equal(e.n_drained, 1);
    }
    free(data);
    free(got);
}

/* on_drain is due although nothing was ever queued. */
static void data_that_left_at_once_are_drained_too(void **state)
{
    char *data = mem_alloc(40000);

    (void) state;
    stream_write(&e.s, data, 40000);
    assert_int_equal(stream_pending(&e.s), 0);
    assert_int_equal(e.n_drained, 0); /* not from within the call */
    turns(1);
    assert_int_equal(e.n_drained, 1);
    free(data);
}

static void unread_bytes_stop_the_reading(void **state)
{
    char *data = mem_alloc(1000000);

    (void) state;
    e.keep = true;
    e.s.in_max = 100000;
    for (int i = 0; i < 50; i++) {
        (void) send(peer, data, 1000000, MSG_DONTWAIT);
        turns(1);
    }
    assert_true(buf_size(&e.s.in) < 100000 + 2 * 64 * 1024 + 4096);
    e.keep = false;
    e.n_bytes = buf_size(&e.s.in);
    buf_consume(&e.s.in, buf_size(&e.s.in));
    stream_resume(&e.s);
    turns(5);
    assert_true(e.n_bytes > 200000);
    free(data);
}

static void a_callback_may_take_the_stream_away(void **state)
{
    (void) state;
    e.go_away = true;
    stream_write(&e.s, "x", 1);
    assert_int_equal(send(peer, "hello", 5, 0), 5);
    turns(2);
    assert_int_equal(e.n_read, 1);
    assert_int_equal(e.n_closed, 0);
}

static void the_peers_end_is_told_once_after_its_bytes(void **state)
{
    (void) state;
    assert_int_equal(send(peer, "bye", 3, 0), 3);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    turns(4);
    assert_int_equal(e.n_bytes, 3);
    assert_int_equal(e.n_closed, 1);
    assert_int_equal(e.error, 0);
}

static void finish_sends_the_rest_and_waits_for_the_peer(void **state)
{
    char got[16] = "";

    (void) state;
    assert_int_equal(send(peer, "never read", 10, 0), 10);
    stream_write(&e.s, "last", 4);
    stream_finish(&e.s);
    turns(2);
    assert_int_equal(recv(peer, got, sizeof(got), MSG_DONTWAIT), 4);
    assert_int_equal(recv(peer, got, sizeof(got), MSG_DONTWAIT), 0);
    assert_int_equal(e.n_closed, 0);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    turns(2);
    assert_int_equal(e.n_closed, 1);
    assert_int_equal(e.n_read, 0);
}

static void a_reset_is_told_as_an_error_even_while_paused(void **state)
{
    (void) state;
    stream_pause(&e.s);
    stream_write(&e.s, "x", 1);
    turns(1);
    (void) close(peer);
    peer = -1;
    turns(3);
    assert_int_equal(e.n_closed, 1);
    assert_true(e.error < 0);
}

static void a_path_that_is_too_long_for_an_address_works(void **state)
{
    char dir[200] = "/tmp/stream_test_XXXXXX";
    char path[400];
    struct err err;
    int listener;
    int fd;

    (void) state;
    assert_non_null(mkdtemp(dir));
    (void) snprintf(path, sizeof(path), "%s/%0120d", dir, 0);
    assert_int_equal(mkdir(path, 0700), 0);
    (void) snprintf(path, sizeof(path), "%s/%0120d/router", dir, 0);
    listener = stream_listen_unix(path, &err);
    assert_true(listener >= 0);
    fd = stream_connect_unix(path, &err);
    assert_true(fd >= 0);
    (void) close(fd);
    (void) close(listener);
    (void) unlink(path);
    *strrchr(path, '/') = '\0';
    (void) rmdir(path);
    (void) rmdir(dir);
}

static void a_taken_port_is_an_error_with_its_address(void **state)
{
    struct err err = {0};
    char peer_name[64];
    int listener = -1;
    uint16_t port = 20000;

    (void) state;
    while (listener < 0) {
        listener = stream_listen_tcp("127.0.0.1", ++port, false, &err);
    }
    assert_int_equal(stream_listen_tcp("127.0.0.1", port, false, &err), -EADDRINUSE);
    assert_non_null(strstr(err.text, "127.0.0.1:"));
    assert_int_equal(stream_accept(listener, peer_name, sizeof(peer_name)), -EAGAIN);
    assert_int_equal(stream_listen_tcp("nowhere", 1, false, &err), -EINVAL);
    (void) close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_turn_queues_leaves_in_one_write, up, down),
        cmocka_unit_test_setup_teardown(a_large_message_arrives_whole_in_both_directions, up, down),
        cmocka_unit_test_setup_teardown(large_data_leaves_in_its_place_and_is_drained_once, up,
                                        down),
        cmocka_unit_test_setup_teardown(data_that_left_at_once_are_drained_too, up, down),
        cmocka_unit_test_setup_teardown(unread_bytes_stop_the_reading, up, down),
        cmocka_unit_test_setup_teardown(a_callback_may_take_the_stream_away, up, down),
        cmocka_unit_test_setup_teardown(the_peers_end_is_told_once_after_its_bytes, up, down),
        cmocka_unit_test_setup_teardown(finish_sends_the_rest_and_waits_for_the_peer, up, down),
        cmocka_unit_test_setup_teardown(a_reset_is_told_as_an_error_even_while_paused, up, down),
        cmocka_unit_test(a_path_that_is_too_long_for_an_address_works),
        cmocka_unit_test(a_taken_port_is_an_error_with_its_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
