/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/lines.h"

static void collect(void *user, struct span line)
{
    buf_printf(user, "[%.*s]", (int) line.size, line.data);
}

static void test_lines_come_whole_wherever_the_reads_were_cut(void **state)
{
    static const char text[] = "one\r\n\ntwo\nthree";

    (void) state;
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        struct lines l;
        struct buf seen;

        lines_init(&l);
        buf_init(&seen);
        lines_feed(&l, (struct span){text, cut}, collect, &seen);
        lines_feed(&l, (struct span){text + cut, sizeof(text) - 1 - cut}, collect, &seen);
        assert_string_equal(buf_cstr(&seen), "[one][][two]");
        lines_end(&l, collect, &seen);
        lines_end(&l, collect, &seen);
        assert_string_equal(buf_cstr(&seen), "[one][][two][three]");
        lines_deinit(&l);
        buf_deinit(&seen);
    }
}

static void count(void *user, struct span line)
{
    assert_true(line.size <= LINE_MAX_SIZE);
    *(size_t *) user += line.size;
}

static void test_a_line_without_end_is_cut_and_loses_nothing(void **state)
{
    static char block[LINE_MAX_SIZE * 3 + 7];
    struct lines l;
    size_t total = 0;

    (void) state;
    memset(block, 'a', sizeof(block));
    block[sizeof(block) - 1] = '\n';
    lines_init(&l);
    lines_feed(&l, (struct span){block, 5}, count, &total);
    lines_feed(&l, (struct span){block + 5, sizeof(block) - 5}, count, &total);
    assert_int_equal(total, sizeof(block) - 1);
    lines_deinit(&l);
}

static void test_the_tail_is_the_last_twenty_lines(void **state)
{
    struct tail t;
    struct buf text;
    struct span last;

    (void) state;
    tail_init(&t);
    buf_init(&text);
    for (int i = 0; i < 5000; i++) {
        buf_printf(&text, "line %d\n", i);
        tail_feed(&t, buf_span(&text));
        buf_clear(&text);
    }
    last = tail_lines(&t);
    assert_true(span_equal((struct span){last.data, 10}, SPAN("line 4980\n")));
    assert_true(span_equal((struct span){last.data + last.size - 10, 10}, SPAN("\nline 4999")));
    tail_deinit(&t);
    buf_deinit(&text);
}

static void test_the_tail_of_one_endless_line_is_bounded(void **state)
{
    static char block[TAIL_MAX_SIZE * 4];
    struct tail t;

    (void) state;
    memset(block, 'b', sizeof(block));
    tail_init(&t);
    assert_int_equal(tail_lines(&t).size, 0);
    tail_feed(&t, SPAN("short\n"));
    assert_true(span_is(tail_lines(&t), "short"));
    tail_feed(&t, (struct span){block, sizeof(block)});
    assert_int_equal(tail_lines(&t).size, TAIL_MAX_SIZE);
    tail_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_come_whole_wherever_the_reads_were_cut),
        cmocka_unit_test(test_a_line_without_end_is_cut_and_loses_nothing),
        cmocka_unit_test(test_the_tail_is_the_last_twenty_lines),
        cmocka_unit_test(test_the_tail_of_one_endless_line_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
