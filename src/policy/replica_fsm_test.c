/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/replica_fsm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

/* A replica that went through these events. */
static struct replica after(const enum replica_event *events, size_t n)
{
    struct replica r = {0};

    for (size_t i = 0; i < n; i++) {
        replica_feed(&r, events[i], i + 1);
    }
    return r;
}

#define AFTER(...)                                                                                 \
    after((const enum replica_event[]){__VA_ARGS__},                                               \
          sizeof((const enum replica_event[]){__VA_ARGS__}) / sizeof(enum replica_event))

static void a_replica_that_is_ready_runs(void **state)
{
    struct replica r = AFTER(REPLICA_IS_COMING, REPLICA_IS_READY);

    (void) state;
    assert_int_equal(r.state, REPLICA_RUNNING);
    assert_int_equal(r.since_ms, 2);
    assert_true(r.has_served && replica_serves(&r));
}

static void a_constructor_that_raises_is_a_failed_start(void **state)
{
    struct replica r = AFTER(REPLICA_IS_COMING);

    (void) state;
    assert_int_equal(replica_feed(&r, REPLICA_FAILED, 9), REPLICA_DID_NOT_START);
    assert_int_equal(r.state, REPLICA_STOPPING);
    assert_false(r.has_served);
    assert_int_equal(replica_feed(&r, REPLICA_IS_GONE, 10), REPLICA_FINE);
    assert_int_equal(r.state, REPLICA_ENDED);
}

static void a_process_that_dies_before_it_is_ready_is_a_failed_start(void **state)
{
    struct replica r = AFTER(REPLICA_IS_COMING);

    (void) state;
    assert_int_equal(replica_feed(&r, REPLICA_IS_GONE, 9), REPLICA_DID_NOT_START);
}

static void one_that_served_and_dies_or_feels_unwell_has_broken(void **state)
{
    struct replica dead = AFTER(REPLICA_IS_READY);
    struct replica ill = AFTER(REPLICA_IS_READY);

    (void) state;
    assert_int_equal(replica_feed(&dead, REPLICA_IS_GONE, 9), REPLICA_BROKE);
    assert_int_equal(dead.state, REPLICA_ENDED);
    assert_int_equal(replica_feed(&ill, REPLICA_IS_UNHEALTHY, 9), REPLICA_BROKE);
    assert_int_equal(ill.state, REPLICA_STOPPING);
}

static void a_new_config_is_applied_while_it_serves(void **state)
{
    struct replica r = AFTER(REPLICA_IS_READY, REPLICA_UPDATE);

    (void) state;
    assert_int_equal(r.state, REPLICA_UPDATING);
    assert_true(replica_serves(&r));
    replica_feed(&r, REPLICA_IS_READY, 9);
    assert_int_equal(r.state, REPLICA_RUNNING);
}

static void a_newer_config_during_an_update_is_sent_too(void **state)
{
    struct replica r = AFTER(REPLICA_IS_READY, REPLICA_UPDATE);

    (void) state;
    r.is_asked = true;
    replica_feed(&r, REPLICA_UPDATE, 9);
    assert_int_equal(r.state, REPLICA_UPDATING);
    assert_false(r.is_asked);
}

static void a_reconfigure_that_raises_is_a_failed_start(void **state)
{
    struct replica r = AFTER(REPLICA_IS_READY, REPLICA_UPDATE);

    (void) state;
    assert_int_equal(replica_feed(&r, REPLICA_FAILED, 9), REPLICA_DID_NOT_START);
    assert_int_equal(r.state, REPLICA_STOPPING);
}

static void one_that_was_remembered_serves_on_only_if_it_had_served(void **state)
{
    struct replica served = {.has_served = true};
    struct replica new = {0};

    (void) state;
    replica_feed(&served, REPLICA_REMEMBER, 1);
    replica_feed(&new, REPLICA_REMEMBER, 1);
    assert_int_equal(served.state, REPLICA_RECOVERING);
    assert_true(replica_serves(&served));
    assert_false(replica_serves(&new));
    assert_int_equal(replica_feed(&served, REPLICA_IS_READY, 2), REPLICA_FINE);
    assert_int_equal(served.state, REPLICA_RUNNING);
    replica_feed(&new, REPLICA_IS_COMING, 2);
    assert_int_equal(new.state, REPLICA_STARTING);
}

static void one_that_ended_while_nobody_watched_breaks_nothing(void **state)
{
    struct replica r = {.has_served = true};

    (void) state;
    replica_feed(&r, REPLICA_REMEMBER, 1);
    assert_int_equal(replica_feed(&r, REPLICA_IS_GONE, 2), REPLICA_FINE);
    assert_int_equal(r.state, REPLICA_ENDED);
}

static void nothing_brings_back_one_that_stops(void **state)
{
    (void) state;
    for (unsigned e = 0; e < N_REPLICA_EVENTS; e++) {
        struct replica r = AFTER(REPLICA_IS_READY, REPLICA_STOP);

        assert_int_equal(replica_feed(&r, e, 9), REPLICA_FINE);
        assert_int_equal(r.state, e == REPLICA_IS_GONE ? REPLICA_ENDED : REPLICA_STOPPING);
    }
}

static void the_end_is_final(void **state)
{
    (void) state;
    for (unsigned e = 0; e < N_REPLICA_EVENTS; e++) {
        struct replica r = AFTER(REPLICA_IS_READY, REPLICA_IS_GONE);

        assert_int_equal(replica_feed(&r, e, 9), REPLICA_FINE);
        assert_int_equal(r.state, REPLICA_ENDED);
    }
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

static const enum replica_event ways[N_REPLICA_STATES][2] = {
    [REPLICA_STARTING] = {REPLICA_IS_COMING, REPLICA_IS_COMING},
    [REPLICA_UPDATING] = {REPLICA_IS_READY, REPLICA_UPDATE},
    [REPLICA_RECOVERING] = {REPLICA_REMEMBER, REPLICA_REMEMBER},
    [REPLICA_RUNNING] = {REPLICA_IS_READY, REPLICA_IS_READY},
    [REPLICA_STOPPING] = {REPLICA_STOP, REPLICA_STOP},
    [REPLICA_ENDED] = {REPLICA_IS_GONE, REPLICA_IS_GONE},
};

/* One row of the document: what each state becomes, and what that means. */
static void print_row(unsigned event, const char *name, struct buf *out)
{
    static const char *const meanings[] = {[REPLICA_FINE] = "",
                                           [REPLICA_DID_NOT_START] = " (failed start)",
                                           [REPLICA_BROKE] = " (broke)"};

    buf_printf(out, "| %s |", name);
    for (unsigned from = 0; from < N_REPLICA_STATES; from++) {
        struct replica r = after(ways[from], 2);
        enum replica_outcome outcome;

        assert_int_equal(r.state, from);
        outcome = replica_feed(&r, event, 9);
        if (r.state == from && outcome == REPLICA_FINE) {
            buf_put_str(out, " |");
        } else {
            buf_printf(out, " %s%s |",
                       r.state == REPLICA_ENDED ? "ended" : replica_state_name(r.state),
                       meanings[outcome]);
        }
    }
    buf_put_char(out, '\n');
}

static void the_document_shows_this_machine(void **state)
{
    static const char *const names[N_REPLICA_EVENTS] = {
        [REPLICA_IS_COMING] = "is coming", [REPLICA_IS_READY] = "is ready",
        [REPLICA_FAILED] = "failed",       [REPLICA_IS_UNHEALTHY] = "is unhealthy",
        [REPLICA_IS_GONE] = "is gone",     [REPLICA_STOP] = "stop",
        [REPLICA_UPDATE] = "update",       [REPLICA_REMEMBER] = "remember",
    };
    char *doc CLEANUP(mem_freep) = read_doc();

    (void) state;
    for (unsigned e = 0; e < N_REPLICA_EVENTS; e++) {
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
        cmocka_unit_test(a_replica_that_is_ready_runs),
        cmocka_unit_test(a_constructor_that_raises_is_a_failed_start),
        cmocka_unit_test(a_process_that_dies_before_it_is_ready_is_a_failed_start),
        cmocka_unit_test(one_that_served_and_dies_or_feels_unwell_has_broken),
        cmocka_unit_test(a_new_config_is_applied_while_it_serves),
        cmocka_unit_test(a_newer_config_during_an_update_is_sent_too),
        cmocka_unit_test(a_reconfigure_that_raises_is_a_failed_start),
        cmocka_unit_test(one_that_was_remembered_serves_on_only_if_it_had_served),
        cmocka_unit_test(one_that_ended_while_nobody_watched_breaks_nothing),
        cmocka_unit_test(nothing_brings_back_one_that_stops),
        cmocka_unit_test(the_end_is_final),
        cmocka_unit_test(the_document_shows_this_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
