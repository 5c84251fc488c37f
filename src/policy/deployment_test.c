/* SPDX-License-Identifier: Apache-2.0 */
/* A long random life of one application: deploys, failures, deaths, lost nodes, in any order.  What
 * must hold after every step is checked after every step. */

#include "policy/deployment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/world.h"

enum { N_STEPS = 30000, CPUS = 8 };

static struct world w;
static uint64_t now_ms;
static uint64_t dice = 88172645463325252ULL;

static unsigned roll(unsigned n)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (unsigned) (dice >> 33) % n;
}

static void add_node(void)
{
    json_t *resources = json_pack("{s:i}", "CPU", CPUS);
    size_t n = 0;
    struct resource *all = place_resources(resources, &n);

    placement_set_node(&w.placement, "node", "10.0.0.1", all, n)->is_up = true;
    json_decref(resources);
}

static void deploy(void)
{
    struct app *a = world_find_app(&w, "a");
    char *built_text CLEANUP(mem_freep) = mem_printf(
        "{\"ingress\": \"D\", \"code_version\": \"v%u\", \"python\": {}, \"deployments\": "
        "[{\"name\": \"D\", \"blob\": \"b\", \"options\": {}}]}",
        roll(2));
    char *config_text CLEANUP(mem_freep) = mem_printf(
        "{\"name\": \"a\", \"import_path\": \"m:a\", \"deployments\": [{\"name\": \"D\", "
        "\"num_replicas\": %u, \"user_config\": {\"x\": %u}, \"ray_actor_options\": "
        "{\"num_cpus\": %u}}]}",
        1 + roll(4), roll(2), 1 + roll(2));
    json_t *built = json_loads(built_text, 0, NULL);
    json_t *config = json_loads(config_text, 0, NULL);
    struct err err;

    assert_int_equal(app_set_target(a ? a : app_new(&w, "a"), built, "key", config, &err), 0);
    json_decref(built);
    json_decref(config);
}

static struct replica *any_replica(void)
{
    unsigned skip = w.replicas.size ? roll((unsigned) w.replicas.size) : 0;
    struct map_node *n = map_next(&w.replicas, NULL);

    while (n && skip-- > 0) {
        n = map_next(&w.replicas, n);
    }
    return n ? MAP_ENTRY(n, struct replica, node) : NULL;
}

/* What a node may say of a replica that it was asked to start. */
static void report_something(void)
{
    static const enum replica_event events[] = {
        REPLICA_IS_COMING, REPLICA_IS_READY, REPLICA_IS_READY,     REPLICA_IS_READY,
        REPLICA_FAILED,    REPLICA_IS_GONE,  REPLICA_IS_UNHEALTHY,
    };
    struct replica *r = any_replica();
    enum replica_event event;

    if (!r || !r->node_id) {
        return;
    }
    event = r->state == REPLICA_STOPPING ? REPLICA_IS_GONE : events[roll(ARRAY_LEN(events))];
    deployment_on_replica(r->deployment, r, event, "why", now_ms);
}

static void lose_node(void)
{
    world_on_node_lost(&w, "node");
    if (roll(2)) {
        struct map_node *n;
        struct map_node *tmp;

        MAP_FOREACH (n, tmp, &w.replicas) {
            MAP_ENTRY(n, struct replica, node)->is_reported = roll(4) > 0;
        }
        world_on_node_ready(&w, "node", now_ms);
    }
}

static void do_something(void)
{
    switch (roll(40)) {
    case 0:
    case 1: deploy(); break;
    case 2: lose_node(); break;
    case 3: world_on_node_ready(&w, "node", now_ms); break;
    case 4:
        if (roll(4) == 0 && world_find_app(&w, "a")) {
            app_delete(world_find_app(&w, "a"));
        }
        break;
    default: report_something(); break;
    }
    now_ms += roll(2000);
}

static void tell_routers(void)
{
    struct map_node *n;
    struct map_node *tmp;

    MAP_FOREACH (n, tmp, &w.replicas) {
        struct replica *r = MAP_ENTRY(n, struct replica, node);

        r->is_listed = replica_serves(r);
        r->is_settled = true;
    }
}

static size_t decide_once(void)
{
    struct decision d;
    size_t n;

    world_decide(&w, now_ms, &d);
    n = d.n_actions;
    decision_deinit(&d);
    return n;
}

static int64_t cpus_claimed(void)
{
    struct map_node *n;
    struct map_node *tmp;
    int64_t sum = 0;

    MAP_FOREACH (n, tmp, &w.replicas) {
        const struct replica *r = MAP_ENTRY(n, struct replica, node);

        sum += r->node_id ? r->claim[0].amount : 0;
    }
    return sum;
}

static void check(void)
{
    const struct app *a = world_find_app(&w, "a");
    const struct deployment *d = a ? app_find(a, "D") : NULL;
    const struct replica *r;
    int64_t n_wanted = 0;

    assert_true(cpus_claimed() <= (int64_t) CPUS * RESOURCE_UNIT);
    if (!d) {
        assert_int_equal(w.replicas.size, 0);
        return;
    }
    LIST_FOREACH (r, &d->replicas, link) {
        n_wanted += r->version == d->version && r->state != REPLICA_STOPPING;
    }
    assert_true(n_wanted <= d->target);
    if (d->mode == DEPLOYMENT_LIVE && d->status.state == DEPLOYMENT_HEALTHY) {
        assert_true((int64_t) deployment_n_serving(d) >= d->target);
    }
}

/* Decides until nothing is left to do. */
static void settle(void)
{
    unsigned rounds = 0;

    do {
        assert_true(rounds++ < 100);
        tell_routers();
    } while (decide_once() > 0);
    tell_routers();
    while (decide_once() > 0) {
        tell_routers();
    }
}

static void whatever_happens_the_world_stays_sound(void **state)
{
    (void) state;
    for (unsigned i = 0; i < N_STEPS; i++) {
        do_something();
        settle();
        check();
        assert_int_equal(decide_once(), 0);
    }
}

/* From anywhere: when the node is there and everything starts, the application comes to run. */
static void left_in_peace_it_comes_to_run(void **state)
{
    (void) state;
    for (unsigned life = 0; life < 300; life++) {
        struct replica *r;
        struct app *a;

        for (unsigned i = roll(60); i > 0; i--) {
            do_something();
            settle();
        }
        deploy();
        world_on_node_ready(&w, "node", now_ms);
        a = world_find_app(&w, "a");
        for (unsigned i = 0; i < 200; i++) {
            settle();
            r = any_replica();
            if (r && r->node_id) {
                deployment_on_replica(r->deployment, r,
                                      r->state == REPLICA_STOPPING ? REPLICA_IS_GONE
                                                                   : REPLICA_IS_READY,
                                      NULL, now_ms);
            }
        }
        settle();
        assert_int_equal(app_find(a, "D")->status.state, DEPLOYMENT_HEALTHY);
    }
}

static int up(void **state)
{
    (void) state;
    world_init(&w, 7);
    now_ms = 1000;
    add_node();
    return 0;
}

static int down(void **state)
{
    (void) state;
    world_deinit(&w);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whatever_happens_the_world_stays_sound, up, down),
        cmocka_unit_test_setup_teardown(left_in_peace_it_comes_to_run, up, down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
