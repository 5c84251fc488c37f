/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "io/pipe.h"

struct sink {
    struct pipe_reader reader;
    struct buf seen;
    bool ended;
};

static void on_data(struct pipe_reader *r, struct span data)
{
    buf_put_span(&CONTAINER_OF(r, struct sink, reader)->seen, data);
}

static void on_end(struct pipe_reader *r)
{
    CONTAINER_OF(r, struct sink, reader)->ended = true;
}

static void test_the_reader_gives_all_bytes_and_then_the_end(void **state)
{
    struct loop *loop = loop_new();
    struct sink s = {0};
    int fds[2];

    (void) state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pipe_reader_start(&s.reader, loop, fds[0], on_data, on_end);
    assert_int_equal(write(fds[1], "one\n", 4), 4);
    loop_turn(loop, 1000);
    assert_string_equal(buf_cstr(&s.seen), "one\n");
    assert_false(s.ended);
    assert_int_equal(write(fds[1], "two", 3), 3);
    (void) close(fds[1]);
    while (!s.ended) {
        loop_turn(loop, 1000);
    }
    assert_string_equal(buf_cstr(&s.seen), "one\ntwo");
    pipe_reader_stop(&s.reader);
    buf_deinit(&s.seen);
    loop_free(loop);
}

static void test_draining_reads_without_a_turn(void **state)
{
    struct loop *loop = loop_new();
    struct sink s = {0};
    int fds[2];

    (void) state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pipe_reader_start(&s.reader, loop, fds[0], on_data, on_end);
    assert_int_equal(write(fds[1], "last words", 10), 10);
    pipe_reader_drain(&s.reader);
    assert_string_equal(buf_cstr(&s.seen), "last words");
    pipe_reader_stop(&s.reader);
    (void) close(fds[1]);
    buf_deinit(&s.seen);
    loop_free(loop);
}

/* A full pipe is somebody's slow terminal. */
static void test_a_full_pipe_drops_pieces_and_says_so_when_there_is_room(void **state)
{
    static char block[4096];
    struct pipe_writer w;
    int fds[2];
    char got[128] = "";

    (void) state;
    memset(block, 'x', sizeof(block));
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    pipe_writer_open(&w, fds[1]);
    while (w.n_lost == 0) {
        pipe_writer_put(&w, (struct span){block, sizeof(block)});
    }
    pipe_writer_put(&w, SPAN("lost\n"));
    assert_int_equal(w.n_lost, 2);
    while (read(fds[0], block, sizeof(block)) > 0) {
    }
    pipe_writer_put(&w, SPAN("seen\n"));
    assert_int_equal(w.n_lost, 0);
    assert_true(read(fds[0], got, sizeof(got) - 1) > 0);
    assert_string_equal(got, "(2 lines were not shown)\nseen\n");
    pipe_writer_close(&w);
    (void) close(fds[0]);
    (void) close(fds[1]);
}

static void test_the_shared_descriptor_stays_blocking(void **state)
{
    struct pipe_writer w;
    int fds[2];

    (void) state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pipe_writer_open(&w, fds[1]);
    assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
    pipe_writer_close(&w);
    (void) close(fds[0]);
    (void) close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_reader_gives_all_bytes_and_then_the_end),
        cmocka_unit_test(test_draining_reads_without_a_turn),
        cmocka_unit_test(test_a_full_pipe_drops_pieces_and_says_so_when_there_is_room),
        cmocka_unit_test(test_the_shared_descriptor_stays_blocking),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
