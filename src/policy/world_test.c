/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A world with one node of eight CPUs and an application "a" whose ingress is "D".  The test plays
 * the controller: it carries out what is decided, and says when routers know. */
static struct world w;
static uint64_t now_ms;
static unsigned n_started;
static unsigned n_stopped;
static unsigned n_reconfigured;
static unsigned n_builds;

static int up(void **state)
{
    json_t *resources = json_pack("{s:f}", "CPU", 8.0);
    struct resource *all;
    size_t n = 0;

    (void) state;
    world_init(&w, 42);
    now_ms = 1000;
    n_started = n_stopped = n_reconfigured = n_builds = 0;
    all = place_resources(resources, &n);
    placement_set_node(&w.placement, "node", "10.0.0.1", all, n)->is_up = true;
    json_decref(resources);
    return 0;
}

static int down(void **state)
{
    (void) state;
    world_deinit(&w);
    return 0;
}

/* One round; the number of actions. */
static size_t decide_once(void)
{
    struct decision d;
    size_t n;

    world_decide(&w, now_ms, &d);
    n = d.n_actions;
    for (size_t i = 0; i < n; i++) {
        n_started += d.actions[i].kind == ACTION_START;
        n_stopped += d.actions[i].kind == ACTION_STOP;
        n_reconfigured += d.actions[i].kind == ACTION_RECONFIGURE;
        n_builds += d.actions[i].kind == ACTION_BUILD;
    }
    decision_deinit(&d);
    return n;
}

/* Routers learn at once. */
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

static char *fingerprint(void)
{
    struct buf out;
    struct deployment *d;
    struct replica *r;
    struct app *a;

    buf_init(&out);
    LIST_FOREACH (a, &w.apps, link) {
        buf_printf(&out, "%s %d %s\n", a->name, app_status(a, &out), a->routed_ingress);
        LIST_FOREACH (d, &a->deployments, link) {
            buf_printf(&out, "%s %d %s %lld %u\n", d->name, d->status.state, d->status.message,
                       (long long) d->target, d->n_failures);
            LIST_FOREACH (r, &d->replicas, link) {
                buf_printf(&out, "%s %d %d %llx\n", r->id, r->state, r->is_asked,
                           (unsigned long long) r->config_version);
            }
        }
    }
    return buf_take_str(&out);
}

/* Decides until nothing is left to do, and then once more: that must change nothing. */
static void decide(void)
{
    char *before CLEANUP(mem_freep) = NULL;
    char *after CLEANUP(mem_freep) = NULL;

    while (decide_once() > 0) {
        tell_routers();
    }
    tell_routers();
    while (decide_once() > 0) {
    }
    before = fingerprint();
    assert_int_equal(decide_once(), 0);
    after = fingerprint();
    assert_string_equal(before, after);
}

/* Deployments are named by letters: "DB" has the ingress D and B. */
static json_t *artefact(const char *names, const char *code)
{
    json_t *deployments = json_array();
    char name[2] = "";

    for (const char *p = names; *p; p++) {
        name[0] = *p;
        json_array_append_new(deployments, json_pack("{s:s, s:s, s:{}, s:[]}", "name", name, "blob",
                                                     code, "options", "outbound"));
    }
    name[0] = names[0];
    return json_pack("{s:i, s:s, s:s, s:{}, s:o}", "version", 1, "ingress", name, "code_version",
                     code, "python", "deployments", deployments);
}

static int deploy(const char *names, const char *code, const char *options)
{
    struct app *a = world_find_app(&w, "a");
    json_t *built = artefact(names, code);
    char *text CLEANUP(mem_freep) = mem_printf(
        "{\"name\": \"a\", \"import_path\": \"m:a\", \"deployments\": [{\"name\": \"%c\"%s%s}]}",
        names[0], *options ? ", " : "", options);
    json_t *config = json_loads(text, 0, NULL);
    struct err err;
    int r;

    assert_non_null(config);
    r = app_set_target(a ? a : app_new(&w, "a"), built, code, config, &err);
    json_decref(built);
    json_decref(config);
    return r;
}

static struct deployment *find(const char *name)
{
    struct app *a = world_find_app(&w, "a");

    return a ? app_find(a, name) : NULL;
}

static unsigned count(const char *name, enum replica_state state)
{
    struct deployment *d = find(name);
    struct replica *r;
    unsigned n = 0;

    LIST_FOREACH (r, &d->replicas, link) {
        n += r->state == state;
    }
    return n;
}

/* An event for one replica of a deployment in that state. */
static void tell(const char *name, enum replica_state state, enum replica_event event)
{
    struct deployment *d = find(name);
    struct replica *r;

    LIST_FOREACH (r, &d->replicas, link) {
        if (r->state == state) {
            deployment_on_replica(d, r, event, "Traceback: no weights", now_ms);
            decide();
            return;
        }
    }
    fail_msg("no replica of %s is %s", name, replica_state_name(state));
}

static enum app_state status(void)
{
    struct buf ignored;
    enum app_state s;

    buf_init(&ignored);
    s = app_status(world_find_app(&w, "a"), &ignored);
    buf_deinit(&ignored);
    return s;
}

/* A running deployment of one replica. */
static void run_one(void)
{
    assert_int_equal(deploy("D", "v1", ""), 0);
    decide();
    tell("D", REPLICA_STARTING, REPLICA_IS_READY);
    assert_int_equal(status(), APP_RUNNING);
}

static void a_new_application_runs_when_all_its_replicas_do(void **state)
{
    (void) state;
    assert_int_equal(deploy("DB", "v1", "\"num_replicas\": 2"), 0);
    decide();
    assert_int_equal(n_started, 3);
    assert_int_equal(status(), APP_DEPLOYING);
    tell("D", REPLICA_STARTING, REPLICA_IS_READY);
    tell("B", REPLICA_STARTING, REPLICA_IS_READY);
    assert_int_equal(status(), APP_DEPLOYING);
    tell("D", REPLICA_STARTING, REPLICA_IS_READY);
    assert_int_equal(status(), APP_RUNNING);
    assert_int_equal(find("D")->status.trigger, TRIGGER_CONFIG_UPDATE_COMPLETED);
}

static void it_does_not_run_before_the_routers_know(void **state)
{
    struct replica *r;

    (void) state;
    assert_int_equal(deploy("D", "v1", ""), 0);
    decide_once();
    r = LIST_ENTRY(find("D")->replicas.next, struct replica, link);
    deployment_on_replica(find("D"), r, REPLICA_IS_READY, NULL, now_ms);
    decide_once();
    assert_int_equal(status(), APP_DEPLOYING);
    tell_routers();
    decide_once();
    assert_int_equal(status(), APP_RUNNING);
}

static void three_failed_constructors_fail_the_deploy(void **state)
{
    (void) state;
    assert_int_equal(deploy("D", "v1", ""), 0);
    decide();
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(n_started, i);
        tell("D", REPLICA_STARTING, REPLICA_FAILED);
        if (i == 1) {
            assert_string_equal(find("D")->status.message,
                                "A replica failed to start with exception. Retrying 2 more "
                                "time(s). Error:\nTraceback: no weights");
            assert_int_equal(status(), APP_DEPLOYING);
        }
    }
    assert_int_equal(n_started, 3);
    assert_int_equal(status(), APP_DEPLOY_FAILED);
    assert_int_equal(find("D")->status.trigger, TRIGGER_REPLICA_STARTUP_FAILED);
    assert_string_equal(find("D")->status.message,
                        "The deployment failed to start 3 times in a row. This may be due to a "
                        "problem with its constructor or initial health check failing. See "
                        "controller logs for details. Error:\nTraceback: no weights");
    assert_false(deployment_is_available(find("D")));
}

static void a_failed_deploy_is_tried_again_when_it_is_declared_again(void **state)
{
    (void) state;
    three_failed_constructors_fail_the_deploy(state);
    assert_int_equal(deploy("D", "v1", ""), 0);
    decide();
    assert_int_equal(n_started, 4);
    tell("D", REPLICA_STARTING, REPLICA_IS_READY);
    assert_int_equal(status(), APP_RUNNING);
}

static void an_identical_deploy_changes_nothing(void **state)
{
    char *before CLEANUP(mem_freep) = NULL;
    char *after CLEANUP(mem_freep) = NULL;

    (void) state;
    run_one();
    before = fingerprint();
    assert_int_equal(deploy("D", "v1", ""), 0);
    decide();
    after = fingerprint();
    assert_string_equal(before, after);
    assert_int_equal(n_started, 1);
}

static void the_old_version_serves_until_the_new_one_does(void **state)
{
    (void) state;
    run_one();
    assert_int_equal(deploy("D", "v2", ""), 0);
    decide();
    assert_int_equal(n_started, 2);
    assert_int_equal(n_stopped, 0);
    assert_int_equal(count("D", REPLICA_RUNNING), 1);
    assert_int_equal(status(), APP_DEPLOYING);
    tell("D", REPLICA_STARTING, REPLICA_IS_READY);
    assert_int_equal(n_stopped, 1);
    assert_int_equal(count("D", REPLICA_STOPPING), 1);
    assert_int_equal(status(), APP_RUNNING);
    tell("D", REPLICA_STOPPING, REPLICA_IS_GONE);
    assert_int_equal(count("D", REPLICA_RUNNING), 1);
}

static void it_goes_on_serving_when_the_new_one_fails(void **state)
{
    (void) state;
    run_one();
    assert_int_equal(deploy("D", "v2", ""), 0);
    decide();
    for (unsigned i = 0; i < 3; i++) {
        tell("D", REPLICA_STARTING, REPLICA_FAILED);
    }
    assert_int_equal(status(), APP_DEPLOY_FAILED);
    assert_int_equal(count("D", REPLICA_RUNNING), 1);
    assert_true(deployment_is_available(find("D")));
    /* And back to what runs: no restart. */
    assert_int_equal(deploy("D", "v1", ""), 0);
    decide();
    assert_int_equal(status(), APP_RUNNING);
    assert_int_equal(n_started, 4);
}

static void a_replica_is_stopped_only_after_the_routers_let_go(void **state)
{
    struct replica *r;

    (void) state;
    run_one();
    deployment_delete(find("D"));
    decide_once();
    r = LIST_ENTRY(find("D")->replicas.next, struct replica, link);
    assert_int_equal(r->state, REPLICA_STOPPING);
    assert_int_equal(n_stopped, 0);
    r->is_listed = false; /* a snapshot without it was sent … */
    r->is_settled = false;
    decide_once();
    assert_int_equal(n_stopped, 0);
    r->is_settled = true; /* … and acknowledged */
    decide_once();
    assert_int_equal(n_stopped, 1);
}

static void a_new_user_config_reaches_the_same_replica(void **state)
{
    (void) state;
    run_one();
    assert_int_equal(deploy("D", "v1", "\"user_config\": {\"x\": 1}"), 0);
    decide();
    assert_int_equal(n_reconfigured, 1);
    assert_int_equal(n_started, 1);
    assert_int_equal(status(), APP_DEPLOYING);
    tell("D", REPLICA_UPDATING, REPLICA_IS_READY);
    assert_int_equal(status(), APP_RUNNING);
}

static void another_number_of_replicas_starts_and_stops_only(void **state)
{
    (void) state;
    run_one();
    assert_int_equal(deploy("D", "v1", "\"num_replicas\": 3"), 0);
    decide();
    assert_int_equal(find("D")->status.state, DEPLOYMENT_UPSCALING);
    assert_string_equal(find("D")->status.message, "Upscaling from 1 to 3 replicas.");
    assert_int_equal(n_started, 3);
    tell("D", REPLICA_STARTING, REPLICA_IS_READY);
    tell("D", REPLICA_STARTING, REPLICA_IS_READY);
    assert_int_equal(find("D")->status.trigger, TRIGGER_UPSCALE_COMPLETED);
    assert_int_equal(deploy("D", "v1", "\"num_replicas\": 1"), 0);
    decide();
    assert_int_equal(count("D", REPLICA_RUNNING), 1);
    assert_int_equal(find("D")->status.trigger, TRIGGER_DOWNSCALE_COMPLETED);
    assert_int_equal(n_reconfigured, 0);
}

static void a_dead_replica_is_replaced(void **state)
{
    (void) state;
    run_one();
    tell("D", REPLICA_RUNNING, REPLICA_IS_GONE);
    assert_int_equal(status(), APP_UNHEALTHY);
    assert_int_equal(n_started, 2);
    tell("D", REPLICA_STARTING, REPLICA_IS_READY);
    assert_int_equal(status(), APP_RUNNING);
    assert_int_equal(find("D")->status.trigger, TRIGGER_UNSPECIFIED);
}

static void one_that_once_started_is_tried_for_ever(void **state)
{
    (void) state;
    run_one();
    tell("D", REPLICA_RUNNING, REPLICA_IS_UNHEALTHY);
    for (unsigned i = 0; i < 10; i++) {
        tell("D", REPLICA_STARTING, REPLICA_FAILED);
    }
    assert_int_equal(status(), APP_UNHEALTHY);
    assert_int_equal(count("D", REPLICA_STARTING), 1);
}

static void without_room_for_both_the_old_one_leaves_first(void **state)
{
    (void) state;
    assert_int_equal(deploy("D", "v1", "\"ray_actor_options\": {\"num_cpus\": 8}"), 0);
    decide();
    tell("D", REPLICA_STARTING, REPLICA_IS_READY);
    assert_int_equal(deploy("D", "v2", "\"ray_actor_options\": {\"num_cpus\": 8}"), 0);
    decide();
    assert_int_equal(n_started, 1);
    assert_int_equal(n_stopped, 1);
    tell("D", REPLICA_STOPPING, REPLICA_IS_GONE);
    assert_int_equal(n_started, 2);
    tell("D", REPLICA_STARTING, REPLICA_IS_READY);
    assert_int_equal(status(), APP_RUNNING);
}

static void what_fits_nowhere_fails_after_half_a_minute_and_stops_nothing(void **state)
{
    struct decision d;

    (void) state;
    run_one();
    assert_int_equal(deploy("D", "v2", "\"ray_actor_options\": {\"num_cpus\": 9}"), 0);
    decide();
    world_decide(&w, now_ms, &d);
    assert_int_equal(d.due_ms, 1000 + 30000);
    decision_deinit(&d);
    now_ms += 29999;
    decide();
    assert_int_equal(status(), APP_DEPLOYING);
    now_ms += 1;
    decide();
    assert_int_equal(status(), APP_DEPLOY_FAILED);
    assert_string_equal(find("D")->status.message,
                        "Deployment 'D' in application 'a' cannot be placed. No node can hold a "
                        "replica, which needs 9 CPU; node 10.0.0.1 has 8 CPU.");
    assert_int_equal(count("D", REPLICA_RUNNING), 1);
    assert_int_equal(n_stopped, 0);
}

static void where_nodes_may_join_it_waits_and_says_why(void **state)
{
    struct buf message;

    (void) state;
    w.waits_for_nodes = true;
    assert_int_equal(deploy("D", "v1", "\"ray_actor_options\": {\"num_cpus\": 9}"), 0);
    decide();
    now_ms += 100 * 1000;
    decide();
    assert_int_equal(find("D")->status.state, DEPLOYMENT_UPDATING);
    buf_init(&message);
    deployment_message(find("D"), now_ms, &message);
    assert_non_null(strstr(buf_cstr(&message), "needs 9 CPU; node 10.0.0.1 has 8 CPU."));
    buf_deinit(&message);
}

static void a_renamed_ingress_takes_over_when_it_serves(void **state)
{
    struct app *a;

    (void) state;
    run_one();
    a = world_find_app(&w, "a");
    assert_int_equal(deploy("E", "v2", ""), 0);
    decide();
    assert_string_equal(a->routed_ingress, "D");
    assert_int_equal(count("D", REPLICA_RUNNING), 1);
    tell("E", REPLICA_STARTING, REPLICA_IS_READY);
    assert_string_equal(a->routed_ingress, "E");
    assert_int_equal(count("D", REPLICA_STOPPING), 1);
    tell("D", REPLICA_STOPPING, REPLICA_IS_GONE);
    assert_null(find("D"));
}

static void a_deleted_application_goes_when_its_replicas_have_gone(void **state)
{
    (void) state;
    run_one();
    app_delete(world_find_app(&w, "a"));
    assert_null(app_route_prefix(world_find_app(&w, "a")));
    decide();
    assert_int_equal(status(), APP_DELETING);
    assert_int_equal(n_stopped, 1);
    tell("D", REPLICA_STOPPING, REPLICA_IS_GONE);
    assert_null(world_find_app(&w, "a"));
    assert_int_equal(w.replicas.size, 0);
}

static void one_that_is_declared_again_while_it_goes_starts_anew(void **state)
{
    struct app *a;

    (void) state;
    run_one();
    a = world_find_app(&w, "a");
    app_delete(a);
    decide();
    app_start_build(a, json_pack("{s:s}", "name", "a"), "key");
    decide();
    assert_int_equal(n_builds, 1);
    assert_int_equal(status(), APP_DEPLOYING);
    tell("D", REPLICA_STOPPING, REPLICA_IS_GONE);
    assert_non_null(world_find_app(&w, "a"));
    app_end_build(a, NULL);
    run_one();
}

static void a_build_is_asked_for_once_and_again_on_a_new_link(void **state)
{
    (void) state;
    app_start_build(app_new(&w, "a"), json_pack("{s:s}", "name", "a"), "key");
    decide();
    assert_int_equal(n_builds, 1);
    world_on_node_lost(&w, "node");
    decide();
    assert_int_equal(n_builds, 1);
    world_on_node_ready(&w, "node", now_ms);
    decide();
    assert_int_equal(n_builds, 2);
}

static void a_node_that_comes_back_is_asked_again_for_what_it_did_not_report(void **state)
{
    struct replica *r;

    (void) state;
    assert_int_equal(deploy("D", "v1", "\"num_replicas\": 2"), 0);
    decide();
    tell("D", REPLICA_STARTING, REPLICA_IS_READY);
    world_on_node_lost(&w, "node");
    decide();
    assert_int_equal(count("D", REPLICA_RUNNING), 1); /* it serves on */
    LIST_FOREACH (r, &find("D")->replicas, link) {
        r->is_reported = r->state == REPLICA_RUNNING;
    }
    n_started = 0;
    world_on_node_ready(&w, "node", now_ms);
    decide();
    assert_int_equal(n_started, 1);
    world_on_node_lost(&w, "node");
    world_on_node_ready(&w, "node", now_ms); /* it names nobody */
    decide();
    assert_int_equal(count("D", REPLICA_RUNNING), 0);
    assert_int_equal(count("D", REPLICA_STARTING), 2);
}

static void a_deployment_at_zero_wakes_when_requests_wait(void **state)
{
    (void) state;
    assert_int_equal(
        deploy("D", "v1", "\"autoscaling_config\": {\"min_replicas\": 0, \"max_replicas\": 2}"), 0);
    decide();
    assert_int_equal(n_started, 0);
    assert_int_equal(status(), APP_RUNNING);
    deployment_on_queued(find("D"), 0);
    decide();
    assert_int_equal(n_started, 0);
    deployment_on_queued(find("D"), 3);
    decide();
    assert_int_equal(n_started, 1);
    assert_int_equal(status(), APP_RUNNING); /* autoscaling never leaves it */
}

static void the_scale_api_changes_the_number_but_not_the_status(void **state)
{
    (void) state;
    run_one();
    deployment_scale(find("D"), 2);
    decide();
    assert_int_equal(n_started, 2);
    assert_int_equal(find("D")->status.state, DEPLOYMENT_HEALTHY);
    assert_int_equal(deploy("D", "v1", ""), 0);
    decide();
    assert_int_equal(find("D")->target, 2); /* nothing was changed */
    assert_int_equal(deploy("D", "v1", "\"max_ongoing_requests\": 7"), 0);
    decide();
    assert_int_equal(find("D")->target, 1);
}

static void a_bad_config_leaves_everything_as_it_is(void **state)
{
    char *before CLEANUP(mem_freep) = NULL;
    char *after CLEANUP(mem_freep) = NULL;

    (void) state;
    run_one();
    before = fingerprint();
    assert_true(deploy("D", "v1", "\"autoscaling_config\": {\"min_replicas\": -1}") < 0);
    decide();
    after = fingerprint();
    assert_string_equal(before, after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_application_runs_when_all_its_replicas_do),
        TEST(it_does_not_run_before_the_routers_know),
        TEST(three_failed_constructors_fail_the_deploy),
        TEST(a_failed_deploy_is_tried_again_when_it_is_declared_again),
        TEST(an_identical_deploy_changes_nothing),
        TEST(the_old_version_serves_until_the_new_one_does),
        TEST(it_goes_on_serving_when_the_new_one_fails),
        TEST(a_replica_is_stopped_only_after_the_routers_let_go),
        TEST(a_new_user_config_reaches_the_same_replica),
        TEST(another_number_of_replicas_starts_and_stops_only),
        TEST(a_dead_replica_is_replaced),
        TEST(one_that_once_started_is_tried_for_ever),
        TEST(without_room_for_both_the_old_one_leaves_first),
        TEST(what_fits_nowhere_fails_after_half_a_minute_and_stops_nothing),
        TEST(where_nodes_may_join_it_waits_and_says_why),
        TEST(a_renamed_ingress_takes_over_when_it_serves),
        TEST(a_deleted_application_goes_when_its_replicas_have_gone),
        TEST(one_that_is_declared_again_while_it_goes_starts_anew),
        TEST(a_build_is_asked_for_once_and_again_on_a_new_link),
        TEST(a_node_that_comes_back_is_asked_again_for_what_it_did_not_report),
        TEST(a_deployment_at_zero_wakes_when_requests_wait),
        TEST(the_scale_api_changes_the_number_but_not_the_status),
        TEST(a_bad_config_leaves_everything_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
