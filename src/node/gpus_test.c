/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/gpus.h"

/* What is given for 'amount', "!" if it is not free. */
static void expect(struct gpus *g, uint64_t amount, const char *indices)
{
    struct buf b;

    buf_init(&b);
    if (gpus_take(g, amount, &b) < 0) {
        buf_put_char(&b, '!');
    }
    assert_string_equal(buf_cstr(&b), indices);
    buf_deinit(&b);
}

static void test_whole_ones_are_given_alone(void **state)
{
    struct gpus *g = gpus_new(3);

    (void) state;
    expect(g, 0, "");
    expect(g, GPU_WHOLE, "0");
    expect(g, 2 * GPU_WHOLE, "1,2");
    expect(g, GPU_WHOLE, "!");
    gpus_give_back(g, 2 * GPU_WHOLE, "1,2");
    expect(g, GPU_WHOLE, "1");
    gpus_free(g);
}

static void test_fractions_share_one_until_it_is_full(void **state)
{
    struct gpus *g = gpus_new(2);

    (void) state;
    expect(g, 6000, "0");
    expect(g, 3000, "0");
    expect(g, 3000, "1");
    expect(g, GPU_WHOLE, "!");
    gpus_give_back(g, 3000, "1");
    expect(g, GPU_WHOLE, "1");
    gpus_free(g);
}

static void test_a_new_table_learns_what_is_in_use(void **state)
{
    struct gpus *g = gpus_new(2);

    (void) state;
    gpus_take_these(g, GPU_WHOLE, "0");
    gpus_take_these(g, 2 * GPU_WHOLE, "7,9"); /* a node that had more: ignored */
    expect(g, GPU_WHOLE, "1");
    expect(g, 1, "!");
    gpus_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_ones_are_given_alone),
        cmocka_unit_test(test_fractions_share_one_until_it_is_full),
        cmocka_unit_test(test_a_new_table_learns_what_is_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
