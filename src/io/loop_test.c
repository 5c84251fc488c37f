/* SPDX-License-Identifier: Apache-2.0 */
#include "io/loop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

struct probe {
    struct timer timer;
    struct turn_hook hook;
    struct io_watch watch;
    int *order;
    int number;
    struct probe *victim; /* stopped by this one's callback */
};

static int seen[2000];
static int n_seen;

static void on_timer(struct timer *t)
{
    seen[n_seen++] = CONTAINER_OF(t, struct probe, timer)->number;
}

static void timers_fire_in_the_order_of_their_times(void **state)
{
    struct loop *loop = loop_new();
    struct probe probes[1000];
    unsigned x = 1;

    (void) state;
    n_seen = 0;
    for (int i = 0; i < 1000; i++) {
        x = x * 1103515245u + 12345u;
        probes[i].number = (int) ((x >> 16) % 7);
        timer_init(&probes[i].timer, loop, on_timer);
        timer_start(&probes[i].timer, (uint64_t) probes[i].number);
    }
    for (int i = 0; i < 1000; i += 3) {
        timer_stop(&probes[i].timer);
        assert_false(timer_active(&probes[i].timer));
    }
    while (n_seen < 1000 - 334) {
        loop_turn(loop, -1);
    }
    for (int i = 1; i < n_seen; i++) {
        assert_true(seen[i - 1] <= seen[i]);
    }
    loop_free(loop);
}

static void on_hook(struct turn_hook *h)
{
    seen[n_seen++] = CONTAINER_OF(h, struct probe, hook)->number;
}

static void a_hook_runs_once_however_often_it_is_scheduled(void **state)
{
    struct loop *loop = loop_new();
    struct probe p = {.number = 5};

    (void) state;
    n_seen = 0;
    turn_hook_init(&p.hook, on_hook);
    turn_hook_schedule(&p.hook, loop);
    turn_hook_schedule(&p.hook, loop);
    loop_turn(loop, -1);
    loop_turn(loop, 0);
    assert_int_equal(n_seen, 1);
    loop_free(loop);
}

static void on_ready(struct io_watch *w, unsigned events)
{
    struct probe *p = CONTAINER_OF(w, struct probe, watch);

    assert_int_equal(events, IO_READ);
    n_seen++;
    if (p->victim) {
        io_watch_stop(&p->victim->watch);
    }
}

static void a_watch_that_another_stops_in_the_same_turn_is_silent(void **state)
{
    struct loop *loop = loop_new();
    struct probe a = {0};
    struct probe b = {0};
    int pipe_fds[2];

    (void) state;
    n_seen = 0;
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(write(pipe_fds[1], "x", 1), 1);
    io_watch_start(&a.watch, loop, pipe_fds[0], IO_READ, on_ready);
    io_watch_start(&b.watch, loop, dup(pipe_fds[0]), IO_READ, on_ready);
    a.victim = &b;
    b.victim = &a;
    loop_turn(loop, -1);
    assert_int_equal(n_seen, 1);
    io_watch_stop(&a.watch);
    io_watch_stop(&b.watch);
    loop_free(loop);
}

static void on_signal(struct signal_watch *w, int number)
{
    (void) w;
    seen[n_seen++] = number;
}

static void a_signal_becomes_an_event(void **state)
{
    struct loop *loop = loop_new();
    struct signal_watch w;
    const int signals[] = {SIGUSR1, 0};

    (void) state;
    n_seen = 0;
    assert_int_equal(signal_watch_start(&w, loop, signals, on_signal), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    loop_turn(loop, -1);
    assert_int_equal(n_seen, 1);
    assert_int_equal(seen[0], SIGUSR1);
    signal_watch_stop(&w);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_the_order_of_their_times),
        cmocka_unit_test(a_hook_runs_once_however_often_it_is_scheduled),
        cmocka_unit_test(a_watch_that_another_stops_in_the_same_turn_is_silent),
        cmocka_unit_test(a_signal_becomes_an_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
