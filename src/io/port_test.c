/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "io/port.h"

static void test_a_taken_port_names_its_holder(void **state)
{
    uint16_t port = 0;
    uint16_t other = 0;
    struct err err = {0};
    char who[64];
    int fd = port_listen("127.0.0.1", 0, false, &port, &err);

    (void) state;
    assert_true(fd >= 0);
    assert_true(port != 0);
    assert_int_equal(port_of(fd), port);
    assert_int_equal(port_listen("127.0.0.1", port, false, &other, &err), -EADDRINUSE);
    (void) snprintf(who, sizeof(who), "is taken by process %d (", (int) getpid());
    assert_non_null(strstr(err.text, who));
    (void) close(fd);
}

static void test_a_port_that_may_move_takes_a_later_one(void **state)
{
    uint16_t port = 0;
    uint16_t other = 0;
    struct err err = {0};
    int fd = port_listen("127.0.0.1", 0, false, &port, &err);
    int second = port_listen("127.0.0.1", port, true, &other, &err);

    (void) state;
    assert_true(second >= 0);
    assert_true(other > port);
    (void) close(fd);
    (void) close(second);
}

static void test_a_bad_host_is_an_error_of_its_own(void **state)
{
    uint16_t port = 0;
    struct err err = {0};

    (void) state;
    assert_int_equal(port_listen("no.such.host", 1234, true, &port, &err), -EINVAL);
    assert_string_equal(err.text, "'no.such.host' is not an IP address");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_taken_port_names_its_holder),
        cmocka_unit_test(test_a_port_that_may_move_takes_a_later_one),
        cmocka_unit_test(test_a_bad_host_is_an_error_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
