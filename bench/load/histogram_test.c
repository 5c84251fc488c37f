/* SPDX-License-Identifier: Apache-2.0 */
#include "load/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void every_value_is_known_to_better_than_a_percent(void **state)
{
    static struct histogram h;

    (void) state;
    for (uint64_t us = 1; us < 4000000000u; us += us / 50 + 1) {
        uint64_t got;

        histogram_reset(&h);
        histogram_add(&h, us);
        histogram_add(&h, UINT32_MAX);
        got = histogram_percentile(&h, 50);
        assert_true(got >= us && (double) got <= (double) us * 1.008);
    }
}

static void percentiles_of_a_ramp_are_where_they_should_be(void **state)
{
    static struct histogram h;

    (void) state;
    histogram_reset(&h);
    assert_int_equal(histogram_percentile(&h, 99), 0);
    for (uint64_t us = 1; us <= 100; us++) {
        histogram_add(&h, us);
    }
    assert_int_equal(histogram_percentile(&h, 50), 50);
    assert_int_equal(histogram_percentile(&h, 99), 99);
    assert_int_equal(histogram_percentile(&h, 99.9), 100);
    assert_int_equal(h.max_us, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_is_known_to_better_than_a_percent),
        cmocka_unit_test(percentiles_of_a_ramp_are_where_they_should_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
