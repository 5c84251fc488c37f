/* SPDX-License-Identifier: Apache-2.0 */
#include "router/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* What the router did, in order, as letters: d(ispatch) r(evoke) f(ail) w(ake). */
static char acts[64];
static struct router_request *last;
static struct router_replica *last_replica;
static enum router_failure last_failure;

static void note(char what)
{
    size_t n = strlen(acts);

    assert_true(n + 1 < sizeof(acts));
    acts[n] = what;
    acts[n + 1] = '\0';
}

static void on_dispatch(void *user, struct router_request *r, struct router_replica *replica)
{
    (void) user;
    note('d');
    last = r;
    last_replica = replica;
}

static void on_revoke(void *user, struct router_request *r)
{
    (void) user;
    note('r');
    last = r;
}

static void on_fail(void *user, struct router_request *r, enum router_failure why)
{
    (void) user;
    note('f');
    last = r;
    last_failure = why;
}

static void on_wake(void *user, struct router_deployment *d)
{
    (void) user;
    (void) d;
    note('w');
}

static const struct router_actions actions = {on_dispatch, on_revoke, on_fail, on_wake};

static struct router *router;
static struct router_deployment *d;
static struct router_caller alice;
static struct router_caller bob;
static struct router_request req[16];
static int link_a;
static int link_b;

static int up(void **state)
{
    const struct router_limits limits = {1, -1, true};

    (void) state;
    acts[0] = '\0';
    memset(req, 0, sizeof(req));
    router = router_new(&actions, NULL, 7);
    d = router_deployment_set(router, SPAN("app#D"), &limits);
    router_caller_init(&alice);
    router_caller_init(&bob);
    return 0;
}

static int down(void **state)
{
    (void) state;
    if (router) {
        router_check(router);
    }
    router_free(router);
    router_caller_deinit(&alice);
    router_caller_deinit(&bob);
    return 0;
}

static struct router_replica *replica(const char *id, void *link)
{
    router_replica_list(router, d, span_of(id));
    return router_replica_connect(router, span_of(id), link, 0);
}

static enum router_result submit(struct router_caller *c, struct router_request *r)
{
    return router_submit(router, d, c, r);
}

static void did(const char *expected)
{
    assert_string_equal(acts, expected);
    acts[0] = '\0';
}

static void a_request_waits_for_a_slot_and_gets_it(void **state)
{
    (void) state;
    assert_int_equal(submit(&alice, &req[0]), ROUTER_QUEUED);
    did("w");
    replica("a", &link_a);
    did("d");
    assert_ptr_equal(router_replica_user(last_replica), &link_a);
    assert_int_equal(submit(&alice, &req[1]), ROUTER_QUEUED);
    did("");
    router_started(router, &req[0]);
    router_ended(router, &req[0]);
    did("d");
    assert_ptr_equal(last, &req[1]);
}

static void a_replica_serves_only_when_listed_and_connected(void **state)
{
    (void) state;
    (void) router_replica_connect(router, SPAN("a"), &link_a, 0);
    assert_int_equal(submit(&alice, &req[0]), ROUTER_QUEUED);
    did("w");
    router_replica_list(router, d, SPAN("a"));
    did("d");
    router_replica_list(router, d, SPAN("b"));
    assert_int_equal(submit(&alice, &req[1]), ROUTER_QUEUED);
    did("");
}

static void callers_take_turns_and_each_keeps_its_order(void **state)
{
    (void) state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(submit(&alice, &req[i]), ROUTER_QUEUED);
    }
    assert_int_equal(submit(&bob, &req[8]), ROUTER_QUEUED);
    acts[0] = '\0';
    replica("a", &link_a);
    assert_ptr_equal(last, &req[0]);
    router_ended(router, &req[0]);
    assert_ptr_equal(last, &req[8]);
    router_ended(router, &req[8]);
    assert_ptr_equal(last, &req[1]);
}

static void a_full_queue_refuses_and_a_free_slot_does_not(void **state)
{
    const struct router_limits limits = {1, 2, true};

    (void) state;
    (void) router_deployment_set(router, SPAN("app#D"), &limits);
    replica("a", &link_a);
    assert_int_equal(submit(&alice, &req[0]), ROUTER_DISPATCHED);
    assert_int_equal(submit(&alice, &req[1]), ROUTER_QUEUED);
    assert_int_equal(submit(&alice, &req[2]), ROUTER_QUEUED);
    assert_int_equal(submit(&alice, &req[3]), ROUTER_FULL);
    assert_int_equal(router_queued_by(d, &alice), 2);
    assert_int_equal(submit(&bob, &req[4]), ROUTER_QUEUED);
}

static void the_least_busy_replica_is_chosen(void **state)
{
    const struct router_limits limits = {3, -1, true};
    struct router_replica *a;

    (void) state;
    (void) router_deployment_set(router, SPAN("app#D"), &limits);
    a = replica("a", &link_a);
    assert_int_equal(submit(&alice, &req[0]), ROUTER_DISPATCHED);
    assert_int_equal(submit(&alice, &req[1]), ROUTER_DISPATCHED);
    replica("b", &link_b);
    assert_int_equal(submit(&alice, &req[2]), ROUTER_DISPATCHED);
    assert_ptr_not_equal(last_replica, a);
}

static void a_model_is_asked_for_where_it_is_held_else_where_few_are(void **state)
{
    const struct router_limits limits = {9, -1, true};
    struct router_replica *first;

    (void) state;
    (void) router_deployment_set(router, SPAN("app#D"), &limits);
    replica("a", &link_a);
    replica("b", &link_b);
    for (int i = 0; i < 6; i++) {
        req[i].model = i < 4 ? 7 : 8;
        assert_int_equal(submit(&alice, &req[i]), ROUTER_DISPATCHED);
        if (i == 0 || i == 4) {
            assert_true(i == 0 || last_replica != first);
            first = last_replica;
        }
        assert_ptr_equal(last_replica, first);
    }
    acts[0] = '\0';
}

static void a_queued_request_that_is_cancelled_leaves_at_once(void **state)
{
    (void) state;
    assert_int_equal(submit(&alice, &req[0]), ROUTER_QUEUED);
    assert_true(router_cancel(router, &req[0]));
    did("w");
    replica("a", &link_a);
    did("");
}

static void a_running_request_that_is_cancelled_keeps_its_slot_until_it_ends(void **state)
{
    (void) state;
    replica("a", &link_a);
    assert_int_equal(submit(&alice, &req[0]), ROUTER_DISPATCHED);
    assert_int_equal(submit(&alice, &req[1]), ROUTER_QUEUED);
    assert_false(router_cancel(router, &req[0]));
    assert_false(router_cancel(router, &req[0]));
    did("dr");
    router_ended(router, &req[0]);
    did("d");
    assert_ptr_equal(last, &req[1]);
}

static void what_a_dead_replica_had_not_begun_goes_elsewhere_first(void **state)
{
    struct router_replica *a = replica("a", &link_a);

    (void) state;
    assert_int_equal(submit(&alice, &req[0]), ROUTER_DISPATCHED);
    assert_int_equal(submit(&alice, &req[1]), ROUTER_QUEUED);
    router_replica_lost(router, a);
    did("d");
    replica("b", &link_b);
    did("d");
    assert_ptr_equal(last, &req[0]);
}

static void three_deaths_before_it_began_end_a_request(void **state)
{
    (void) state;
    assert_int_equal(submit(&alice, &req[0]), ROUTER_QUEUED);
    for (int i = 0; i < 3; i++) {
        router_replica_lost(router, replica("a", &link_a));
    }
    did("wdddf");
    assert_int_equal(last_failure, ROUTER_FAILURE_ATTEMPTS);
}

static void what_had_begun_fails_unless_it_may_run_twice_and_then_once(void **state)
{
    struct router_replica *a = replica("a", &link_a);

    (void) state;
    req[1].idempotent = true;
    assert_int_equal(submit(&alice, &req[0]), ROUTER_DISPATCHED);
    router_started(router, &req[0]);
    router_replica_lost(router, a);
    did("df");
    assert_int_equal(last_failure, ROUTER_FAILURE_DIED);
    a = router_replica_connect(router, SPAN("a"), &link_a, 0);
    assert_int_equal(submit(&alice, &req[1]), ROUTER_DISPATCHED);
    router_started(router, &req[1]);
    router_replica_lost(router, a);
    a = router_replica_connect(router, SPAN("a"), &link_a, 0);
    did("dd");
    router_started(router, &req[1]);
    router_replica_lost(router, a);
    did("f");
}

static void what_a_replica_does_not_take_goes_back_to_the_head(void **state)
{
    const struct router_limits one = {1, -1, true};

    (void) state;
    (void) router_deployment_set(router, SPAN("app#D"), &one);
    replica("a", &link_a);
    assert_int_equal(submit(&alice, &req[0]), ROUTER_DISPATCHED);
    assert_int_equal(submit(&alice, &req[1]), ROUTER_QUEUED);
    router_replica_unlist(router, router_replica_find(router, SPAN("a")));
    router_not_taken(router, &req[0]);
    did("d");
    replica("b", &link_b);
    did("d");
    assert_ptr_equal(last, &req[0]);
}

static void what_cannot_be_sent_again_fails_with_its_replica(void **state)
{
    struct router_replica *a = replica("a", &link_a);

    (void) state;
    req[0].is_spent = true;
    assert_int_equal(submit(&alice, &req[0]), ROUTER_DISPATCHED);
    router_replica_lost(router, a);
    did("df");
    assert_int_equal(last_failure, ROUTER_FAILURE_DIED);
}

static void a_slot_that_frees_serves_the_deployment_that_lists_its_replica_now(void **state)
{
    const struct router_limits one = {1, -1, true};
    struct router_deployment *other = router_deployment_set(router, SPAN("app#E"), &one);

    (void) state;
    replica("a", &link_a);
    assert_int_equal(submit(&alice, &req[0]), ROUTER_DISPATCHED);
    router_replica_list(router, other, SPAN("a"));
    assert_int_equal(router_submit(router, other, &alice, &req[1]), ROUTER_QUEUED);
    did("d");
    router_not_taken(router, &req[0]);
    did("d");
    assert_ptr_equal(last, &req[1]);
}

static void an_unlisted_replica_finishes_what_it_has_and_gets_no_more(void **state)
{
    struct router_replica *a = replica("a", &link_a);

    (void) state;
    assert_int_equal(submit(&alice, &req[0]), ROUTER_DISPATCHED);
    router_replica_unlist(router, a);
    assert_int_equal(submit(&alice, &req[1]), ROUTER_QUEUED);
    did("dw");
    router_ended(router, &req[0]);
    did("");
    router_replica_lost(router, a);
    assert_null(router_replica_find(router, SPAN("a")));
}

static void slots_of_an_earlier_router_count_until_they_are_given_back(void **state)
{
    struct router_replica *a;

    (void) state;
    router_replica_list(router, d, SPAN("a"));
    a = router_replica_connect(router, SPAN("a"), &link_a, 1);
    assert_int_equal(submit(&alice, &req[0]), ROUTER_QUEUED);
    did("");
    router_replica_release(router, a);
    did("d");
}

static void an_unavailable_deployment_refuses_and_fails_what_waits(void **state)
{
    const struct router_limits limits = {1, -1, false};

    (void) state;
    assert_int_equal(submit(&alice, &req[0]), ROUTER_QUEUED);
    (void) router_deployment_set(router, SPAN("app#D"), &limits);
    did("wf");
    assert_int_equal(last_failure, ROUTER_FAILURE_UNAVAILABLE);
    assert_int_equal(submit(&alice, &req[1]), ROUTER_UNAVAILABLE);
}

static void a_removed_deployment_fails_what_waits_and_lets_the_rest_end(void **state)
{
    struct router_replica *a = replica("a", &link_a);

    (void) state;
    assert_int_equal(submit(&alice, &req[0]), ROUTER_DISPATCHED);
    assert_int_equal(submit(&alice, &req[1]), ROUTER_QUEUED);
    router_deployment_remove(router, d);
    did("df");
    assert_int_equal(last_failure, ROUTER_FAILURE_REMOVED);
    router_replica_lost(router, a);
    did("f");
    assert_int_equal(last_failure, ROUTER_FAILURE_REMOVED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_waits_for_a_slot_and_gets_it),
        TEST(a_replica_serves_only_when_listed_and_connected),
        TEST(callers_take_turns_and_each_keeps_its_order),
        TEST(a_full_queue_refuses_and_a_free_slot_does_not),
        TEST(the_least_busy_replica_is_chosen),
        TEST(a_model_is_asked_for_where_it_is_held_else_where_few_are),
        TEST(a_queued_request_that_is_cancelled_leaves_at_once),
        TEST(a_running_request_that_is_cancelled_keeps_its_slot_until_it_ends),
        TEST(what_a_dead_replica_had_not_begun_goes_elsewhere_first),
        TEST(three_deaths_before_it_began_end_a_request),
        TEST(what_had_begun_fails_unless_it_may_run_twice_and_then_once),
        TEST(what_a_replica_does_not_take_goes_back_to_the_head),
        TEST(what_cannot_be_sent_again_fails_with_its_replica),
        TEST(a_slot_that_frees_serves_the_deployment_that_lists_its_replica_now),
        TEST(an_unlisted_replica_finishes_what_it_has_and_gets_no_more),
        TEST(slots_of_an_earlier_router_count_until_they_are_given_back),
        TEST(an_unavailable_deployment_refuses_and_fails_what_waits),
        TEST(a_removed_deployment_fails_what_waits_and_lets_the_rest_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
