/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/deployment_fsm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

/* ray-serve.md §2.8, row by row; KEEPS: status, trigger and message stay. */
static const struct row {
    enum deployment_state from;
    enum deployment_event event;
    bool keeps;
    enum deployment_state to;
    enum deployment_trigger trigger;
} rows[] = {
#define ROW(from, event, to, trigger)                                                              \
    {                                                                                              \
        DEPLOYMENT_##from, DEPLOYMENT_##event, false, DEPLOYMENT_##to, TRIGGER_##trigger           \
    }
#define KEEPS(from, event)                                                                         \
    {                                                                                              \
        DEPLOYMENT_##from, DEPLOYMENT_##event, true, 0, 0                                          \
    }
    ROW(UPDATING, IS_COMPLETE, HEALTHY, CONFIG_UPDATE_COMPLETED),
    ROW(UPDATING, REPLICA_BROKE, DEPLOY_FAILED, HEALTH_CHECK_FAILED),
    ROW(UPDATING, CANNOT_START, DEPLOY_FAILED, REPLICA_STARTUP_FAILED),
    ROW(UPSCALING, IS_COMPLETE, HEALTHY, UPSCALE_COMPLETED),
    ROW(DOWNSCALING, IS_COMPLETE, HEALTHY, DOWNSCALE_COMPLETED),
    ROW(UPSCALING, REPLICA_BROKE, UNHEALTHY, HEALTH_CHECK_FAILED),
    ROW(DOWNSCALING, CANNOT_START, UNHEALTHY, REPLICA_STARTUP_FAILED),
    ROW(HEALTHY, RAISED, UPSCALING, CONFIG_UPDATE_STARTED),
    ROW(HEALTHY, LOWERED, DOWNSCALING, CONFIG_UPDATE_STARTED),
    ROW(HEALTHY, AUTO_RAISED, UPSCALING, AUTOSCALING),
    ROW(HEALTHY, AUTO_LOWERED, DOWNSCALING, AUTOSCALING),
    ROW(HEALTHY, REPLICA_BROKE, UNHEALTHY, HEALTH_CHECK_FAILED),
    ROW(UNHEALTHY, IS_COMPLETE, HEALTHY, UNSPECIFIED),
    ROW(DEPLOY_FAILED, IS_COMPLETE, HEALTHY, UNSPECIFIED),
    ROW(UNHEALTHY, CANNOT_START, UNHEALTHY, REPLICA_STARTUP_FAILED),
    ROW(DEPLOY_FAILED, REPLICA_BROKE, DEPLOY_FAILED, HEALTH_CHECK_FAILED),
    KEEPS(UNHEALTHY, RAISED),
    KEEPS(UNHEALTHY, AUTO_LOWERED),
    KEEPS(DEPLOY_FAILED, LOWERED),
    KEEPS(DEPLOY_FAILED, AUTO_RAISED),
    ROW(UPDATING, AUTO_RAISED, UPSCALING, AUTOSCALING),
    ROW(UPDATING, AUTO_LOWERED, DOWNSCALING, AUTOSCALING),
    ROW(UPSCALING, LOWERED, DOWNSCALING, CONFIG_UPDATE_STARTED),
    ROW(DOWNSCALING, RAISED, UPSCALING, CONFIG_UPDATE_STARTED),
    KEEPS(UPDATING, RAISED),
    KEEPS(UPDATING, LOWERED),
};

static void every_row_of_the_contract_holds(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct deployment_status s = {rows[i].from, TRIGGER_INTERNAL_ERROR, mem_strdup("before")};
        bool changed = deployment_status_feed(&s, rows[i].event, "after");

        if (changed == rows[i].keeps || s.state != (rows[i].keeps ? rows[i].from : rows[i].to) ||
            s.trigger != (rows[i].keeps ? TRIGGER_INTERNAL_ERROR : rows[i].trigger)) {
            fail_msg("row %zu: %s became %s, %s", i, deployment_state_name(rows[i].from),
                     deployment_state_name(s.state), deployment_trigger_name(s.trigger));
        }
        assert_string_equal(s.message, rows[i].keeps ? "before" : "after");
        deployment_status_deinit(&s);
    }
}

static void a_changed_config_starts_an_update_from_everywhere(void **state)
{
    (void) state;
    for (unsigned from = 0; from < N_DEPLOYMENT_STATES; from++) {
        struct deployment_status s = {from, TRIGGER_UNSPECIFIED, mem_strdup("old")};

        (void) deployment_status_feed(&s, DEPLOYMENT_CHANGED, NULL);
        assert_int_equal(s.state, DEPLOYMENT_UPDATING);
        assert_int_equal(s.trigger, TRIGGER_CONFIG_UPDATE_STARTED);
        assert_string_equal(s.message, "");
        (void) deployment_status_feed(&s, DEPLOYMENT_DELETED, NULL);
        assert_int_equal(s.state, DEPLOYMENT_UPDATING);
        assert_int_equal(s.trigger, TRIGGER_DELETING);
        deployment_status_deinit(&s);
    }
}

static void a_retry_changes_the_message_only(void **state)
{
    (void) state;
    for (unsigned from = 0; from < N_DEPLOYMENT_STATES; from++) {
        struct deployment_status s = {from, TRIGGER_AUTOSCALING, mem_strdup("")};

        assert_true(deployment_status_feed(&s, DEPLOYMENT_RETRIES, "again"));
        assert_int_equal(s.state, from);
        assert_int_equal(s.trigger, TRIGGER_AUTOSCALING);
        assert_string_equal(s.message, "again");
        deployment_status_deinit(&s);
    }
}

static void the_same_news_twice_is_no_news(void **state)
{
    struct deployment_status s;

    (void) state;
    deployment_status_init(&s);
    assert_true(deployment_status_feed(&s, DEPLOYMENT_IS_COMPLETE, NULL));
    assert_false(deployment_status_feed(&s, DEPLOYMENT_IS_COMPLETE, NULL));
    assert_int_equal(s.trigger, TRIGGER_CONFIG_UPDATE_COMPLETED);
    deployment_status_deinit(&s);
}

/* Whether the document has this line; says which is missing. */
static void expect_line(const char *doc, const char *line)
{
    if (!strstr(doc, line)) {
        fail_msg("docs/life-cycles.md lacks this line:\n%s", line);
    }
}

static char *read_doc(void)
{
    FILE *f = fopen(SOURCE_ROOT "/docs/life-cycles.md", "r");
    struct buf text;
    size_t n;

    assert_non_null(f);
    buf_init(&text);
    while ((n = fread(buf_reserve(&text, 4096), 1, 4096, f)) > 0) {
        buf_commit(&text, n);
    }
    (void) fclose(f);
    return buf_take_str(&text);
}

/* One row of the document: what each state becomes. */
static void print_row(unsigned event, const char *name, struct buf *out)
{
    buf_printf(out, "| %s |", name);
    for (unsigned from = 0; from < N_DEPLOYMENT_STATES; from++) {
        struct deployment_status s = {from, N_TRIGGERS, mem_strdup("before")};

        if (!deployment_status_feed(&s, event, "after")) {
            buf_put_str(out, " |");
        } else if (s.trigger == N_TRIGGERS) {
            buf_put_str(out, " (message) |");
        } else {
            buf_printf(out, " %s, %s |", deployment_state_name(s.state),
                       deployment_trigger_name(s.trigger));
        }
        deployment_status_deinit(&s);
    }
    buf_put_char(out, '\n');
}

static void the_document_shows_this_machine(void **state)
{
    static const char *const names[N_DEPLOYMENT_EVENTS] = {
        [DEPLOYMENT_CHANGED] = "changed",
        [DEPLOYMENT_RAISED] = "num_replicas raised",
        [DEPLOYMENT_LOWERED] = "num_replicas lowered",
        [DEPLOYMENT_AUTO_RAISED] = "autoscaler raises",
        [DEPLOYMENT_AUTO_LOWERED] = "autoscaler lowers",
        [DEPLOYMENT_IS_COMPLETE] = "is complete",
        [DEPLOYMENT_REPLICA_BROKE] = "a replica broke",
        [DEPLOYMENT_CANNOT_START] = "cannot start",
        [DEPLOYMENT_RETRIES] = "retries a start",
        [DEPLOYMENT_INTERNAL_ERROR] = "internal error",
        [DEPLOYMENT_DELETED] = "deleted",
    };
    char *doc CLEANUP(mem_freep) = read_doc();

    (void) state;
    for (unsigned e = 0; e < N_DEPLOYMENT_EVENTS; e++) {
        struct buf line;

        buf_init(&line);
        print_row(e, names[e], &line);
        expect_line(doc, buf_cstr(&line));
        buf_deinit(&line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_contract_holds),
        cmocka_unit_test(a_changed_config_starts_an_update_from_everywhere),
        cmocka_unit_test(a_retry_changes_the_message_only),
        cmocka_unit_test(the_same_news_twice_is_no_news),
        cmocka_unit_test(the_document_shows_this_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
