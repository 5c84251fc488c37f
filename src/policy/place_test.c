/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct resource *amounts(const char *json, size_t *ret_n)
{
    json_t *object = json_loads(json, 0, NULL);
    struct resource *all = place_resources(object, ret_n);

    json_decref(object);
    return all;
}

static struct place_node *add_node(struct placement *p, const char *id, const char *json)
{
    size_t n = 0;
    struct resource *all = amounts(json, &n);
    struct place_node *node = placement_set_node(p, id, id, all, n);

    node->is_up = true;
    return node;
}

static int64_t one(const void *user, const struct place_node *n)
{
    (void) user;
    (void) n;
    return 1;
}

/* Where a replica with these needs goes; takes the room if there is. */
static enum place_verdict choose(struct placement *p, const char *json, int64_t max_per_node,
                                 const char **ret_id, struct buf *why)
{
    struct place_claim claim = {.max_per_node = max_per_node, .count = one};
    struct place_node *node = NULL;
    enum place_verdict verdict;
    struct resource *needs = amounts(json, &claim.n_resources);

    claim.resources = needs;
    buf_clear(why);
    verdict = placement_choose(p, &claim, &node, why);
    if (node) {
        placement_take(node, claim.resources, claim.n_resources);
        *ret_id = node->id;
    }
    for (size_t i = 0; i < claim.n_resources; i++) {
        free(needs[i].name);
    }
    free(needs);
    return verdict;
}

static void thirds_of_a_cpu_add_up_exactly(void **state)
{
    struct placement p;
    const char *id = NULL;
    struct buf why;

    (void) state;
    buf_init(&why);
    placement_init(&p);
    add_node(&p, "n", "{\"CPU\": 0.9}");
    for (int i = 0; i < 9; i++) {
        assert_int_equal(choose(&p, "{\"CPU\": 0.1}", 0, &id, &why), PLACE_FITS);
    }
    assert_int_equal(choose(&p, "{\"CPU\": 0.1}", 0, &id, &why), PLACE_NOT_NOW);
    assert_string_equal(buf_cstr(&why),
                        "Waiting for room: a replica needs 0.1 CPU; node n has 0 of "
                        "0.9 CPU free.");
    placement_begin(&p); /* nobody claims any more */
    assert_int_equal(choose(&p, "{\"CPU\": 0.9}", 0, &id, &why), PLACE_FITS);
    placement_deinit(&p);
    buf_deinit(&why);
}

static void what_no_node_has_is_never_placed_and_says_why(void **state)
{
    struct placement p;
    const char *id = NULL;
    struct buf why;

    (void) state;
    buf_init(&why);
    placement_init(&p);
    add_node(&p, "10.0.0.1", "{\"CPU\": 8}");
    assert_int_equal(choose(&p, "{\"CPU\": 1, \"GPU\": 0.5}", 0, &id, &why), PLACE_NEVER);
    assert_string_equal(buf_cstr(&why),
                        "No node can hold a replica, which needs 1 CPU and 0.5 GPU; node 10.0.0.1 "
                        "has 0 GPU.");
    placement_deinit(&p);
    buf_deinit(&why);
}

static void a_node_that_is_away_may_come_back(void **state)
{
    struct placement p;
    const char *id = NULL;
    struct buf why;

    (void) state;
    buf_init(&why);
    placement_init(&p);
    assert_int_equal(choose(&p, "{\"CPU\": 1}", 0, &id, &why), PLACE_NOT_NOW);
    add_node(&p, "n", "{\"CPU\": 8}")->is_up = false;
    assert_int_equal(choose(&p, "{\"CPU\": 1}", 0, &id, &why), PLACE_NOT_NOW);
    assert_non_null(strstr(buf_cstr(&why), "node n is not connected"));
    assert_false(placement_is_up(&p));
    placement_deinit(&p);
    buf_deinit(&why);
}

static void replicas_spread_over_nodes(void **state)
{
    struct placement p;
    const char *first = NULL;
    const char *second = NULL;
    struct buf why;

    (void) state;
    buf_init(&why);
    placement_init(&p);
    add_node(&p, "a", "{\"CPU\": 8}");
    add_node(&p, "b", "{\"CPU\": 8}");
    assert_int_equal(choose(&p, "{\"CPU\": 1}", 0, &first, &why), PLACE_FITS);
    assert_int_equal(choose(&p, "{\"CPU\": 1}", 0, &second, &why), PLACE_FITS);
    assert_string_not_equal(first, second);
    placement_deinit(&p);
    buf_deinit(&why);
}

static void max_replicas_per_node_waits_for_another_node(void **state)
{
    struct placement p;
    const char *id = NULL;
    struct buf why;

    (void) state;
    buf_init(&why);
    placement_init(&p);
    add_node(&p, "n", "{\"CPU\": 8}");
    assert_int_equal(choose(&p, "{\"CPU\": 1}", 2, &id, &why), PLACE_FITS);
    assert_int_equal(choose(&p, "{\"CPU\": 1}", 1, &id, &why), PLACE_NOT_NOW);
    assert_non_null(strstr(buf_cstr(&why), "max_replicas_per_node"));
    placement_deinit(&p);
    buf_deinit(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thirds_of_a_cpu_add_up_exactly),
        cmocka_unit_test(what_no_node_has_is_never_placed_and_says_why),
        cmocka_unit_test(a_node_that_is_away_may_come_back),
        cmocka_unit_test(replicas_spread_over_nodes),
        cmocka_unit_test(max_replicas_per_node_waits_for_another_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
