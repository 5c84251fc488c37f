/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>

#include "node/exit_reason.h"

static void expect(const struct process_end *end, const char *tail, const char *text)
{
    struct buf out;

    buf_init(&out);
    exit_reason(&out, end, span_of(tail));
    assert_string_equal(buf_cstr(&out), text);
    buf_deinit(&out);
}

static void test_an_exit_code_is_said_with_the_last_output(void **state)
{
    (void) state;
    expect(&(struct process_end){.exit_code = 3}, "Traceback\nValueError: x",
           "The process exited with code 3. Its last output:\nTraceback\nValueError: x");
}

static void test_a_signal_is_named(void **state)
{
    (void) state;
    expect(&(struct process_end){.signal = SIGSEGV}, "",
           "The process was killed by SIGSEGV (Segmentation fault).");
}

static void test_only_a_kill_that_is_not_ours_hints_at_memory(void **state)
{
    (void) state;
    expect(&(struct process_end){.signal = SIGKILL, .was_asked = true}, "",
           "The process was killed by SIGKILL (Killed).");
    expect(
        &(struct process_end){.signal = SIGKILL}, "",
        "The process was killed by SIGKILL (Killed). Nothing here sent it: most likely the kernel "
        "ended it because memory ran out, or somebody did by hand.");
}

static void test_a_process_that_never_was_has_a_reason_too(void **state)
{
    (void) state;
    expect(&(struct process_end){.error = -EAGAIN}, "",
           "The process could not be started: Resource temporarily unavailable.");
    expect(
        &(struct process_end){.exit_code = 127}, "cannot start this process: nopython: No such",
        "The process could not be started. Its last output:\ncannot start this process: nopython: "
        "No such");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_exit_code_is_said_with_the_last_output),
        cmocka_unit_test(test_a_signal_is_named),
        cmocka_unit_test(test_only_a_kill_that_is_not_ours_hints_at_memory),
        cmocka_unit_test(test_a_process_that_never_was_has_a_reason_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
