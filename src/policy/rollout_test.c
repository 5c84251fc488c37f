/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rollout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define PLAN(...) rollout_plan(&(struct rollout){__VA_ARGS__})

static void a_new_deployment_starts_all_its_replicas(void **state)
{
    struct rollout_plan plan = PLAN(.target = 3);

    (void) state;
    assert_int_equal(plan.start, 3);
    assert_int_equal(plan.stop_old + plan.stop_new, 0);
}

static void a_complete_deployment_is_left_alone(void **state)
{
    struct rollout_plan plan = PLAN(.target = 3, .new_running = 3);

    (void) state;
    assert_int_equal(plan.start + plan.stop_old + plan.stop_new, 0);
}

static void the_only_replica_stays_until_its_successor_serves(void **state)
{
    struct rollout_plan plan = PLAN(.target = 1, .old_running = 1);

    (void) state;
    assert_int_equal(plan.start, 1);
    assert_int_equal(plan.stop_old, 0);
    plan = PLAN(.target = 1, .old_running = 1, .new_pending = 1);
    assert_int_equal(plan.start + plan.stop_old, 0);
    plan = PLAN(.target = 1, .old_running = 1, .new_running = 1);
    assert_int_equal(plan.stop_old, 1);
}

/* Plays a roll-out in which every started replica serves and every stopped one ends, and checks
 * that at least the target serves all the time. */
static void with_room_a_rollout_never_serves_with_less(void **state)
{
    (void) state;
    for (int64_t target = 1; target <= 30; target++) {
        struct rollout r = {.target = target, .old_running = target};
        unsigned rounds = 0;

        while (r.new_running < target || r.old_running > 0) {
            struct rollout_plan plan = rollout_plan(&r);

            assert_true(r.old_running + r.new_running + plan.start <=
                        target + rollout_size(target));
            assert_true(r.old_running - plan.stop_old + r.new_running >= target);
            assert_true(plan.start + plan.stop_old > 0 && rounds++ < 100);
            r.old_running -= plan.stop_old;
            r.new_running += plan.start;
        }
        assert_int_equal(r.new_running, target);
    }
}

static void without_room_old_ones_leave_in_the_order_of_ray(void **state)
{
    /* The trace of ray-serve.md §7.5 for ten replicas. */
    static const struct {
        int64_t old_running;
        int64_t new_running;
        int64_t may_stop;
    } trace[] = {{10, 0, 2}, {8, 0, 0}, {8, 1, 1}, {8, 2, 2}, {7, 2, 1}};

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(trace); i++) {
        struct rollout_plan plan =
            PLAN(.target = 10, .old_running = trace[i].old_running,
                 .new_running = trace[i].new_running, .new_pending = 1, .is_blocked = true);

        assert_int_equal(plan.stop_old, trace[i].may_stop);
    }
}

static void while_old_ones_leave_nobody_else_has_to(void **state)
{
    struct rollout_plan plan = PLAN(.target = 1, .old_running = 1, .old_stopping = 1,
                                    .new_pending = 1, .is_blocked = true);

    (void) state;
    assert_int_equal(plan.stop_old, 0);
}

static void a_version_that_cannot_start_costs_no_old_replica(void **state)
{
    struct rollout_plan plan =
        PLAN(.target = 2, .old_running = 2, .is_halted = true, .is_blocked = true);

    (void) state;
    assert_int_equal(plan.start + plan.stop_old + plan.stop_new, 0);
}

static void too_many_are_stopped(void **state)
{
    struct rollout_plan plan = PLAN(.target = 1, .new_running = 2, .new_pending = 2);

    (void) state;
    assert_int_equal(plan.stop_new, 3);
    plan = PLAN(.target = 0, .new_running = 2, .old_running = 1);
    assert_int_equal(plan.stop_new, 2);
    assert_int_equal(plan.stop_old, 1);
    assert_int_equal(plan.start, 0);
}

static void target_capacity_rounds_half_up_but_never_to_nothing(void **state)
{
    static const struct {
        int64_t n;
        double percent;
        int64_t result;
    } rows[] = {{10, 50, 5}, {5, 50, 3},    {3, 50, 2},    {1, 1, 1},  {6, 1, 1},
                {10, 33, 3}, {10, 25, 3},   {10, 24.9, 2}, {7, 75, 5}, {20, 2.5, 1},
                {10, 0, 0},  {10, 100, 10}, {0, 50, 0},    {4, -1, 4}};

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(rollout_at_capacity(rows[i].n, rows[i].percent), rows[i].result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_deployment_starts_all_its_replicas),
        cmocka_unit_test(a_complete_deployment_is_left_alone),
        cmocka_unit_test(the_only_replica_stays_until_its_successor_serves),
        cmocka_unit_test(with_room_a_rollout_never_serves_with_less),
        cmocka_unit_test(without_room_old_ones_leave_in_the_order_of_ray),
        cmocka_unit_test(while_old_ones_leave_nobody_else_has_to),
        cmocka_unit_test(a_version_that_cannot_start_costs_no_old_replica),
        cmocka_unit_test(too_many_are_stopped),
        cmocka_unit_test(target_capacity_rounds_half_up_but_never_to_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
