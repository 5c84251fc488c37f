/* SPDX-License-Identifier: Apache-2.0 */
#include "http/body.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct body_decoder d;

/* Decodes until something other than data comes; 'ret_used' counts all of it. */
static enum body_verdict decode(const char *in, size_t max, struct buf *ret_data, size_t *ret_used)
{
    struct span rest = span_of(in);
    enum body_verdict verdict;

    *ret_used = 0;
    do {
        struct span data;
        size_t used;

        verdict = body_decode(&d, rest, max, &used, &data);
        buf_put_span(ret_data, data);
        rest.data += used;
        rest.size -= used;
        *ret_used += used;
    } while (verdict == BODY_DATA);
    return verdict;
}

static void a_length_counts_bytes_and_leaves_the_next_message(void **state)
{
    struct buf data = {0};
    size_t used;

    (void) state;
    body_start_length(&d, 5);
    assert_int_equal(decode("hel", SIZE_MAX, &data, &used), BODY_MORE);
    assert_int_equal(decode("loGET /", SIZE_MAX, &data, &used), BODY_END);
    assert_int_equal(used, 2);
    assert_true(span_is(buf_span(&data), "hello"));
    assert_true(body_done(&d));
    body_start_length(&d, 0);
    assert_true(body_done(&d));
    buf_deinit(&data);
}

static void chunks_become_one_run_of_bytes(void **state)
{
    struct buf data = {0};
    size_t used;

    (void) state;
    body_start_chunked(&d);
    assert_int_equal(
        decode("5\r\nhello\r\n7;a=b\r\n, world\r\n0\r\nX: y\r\n\r\nGET", SIZE_MAX, &data, &used),
        BODY_END);
    assert_int_equal(used, sizeof("5\r\nhello\r\n7;a=b\r\n, world\r\n0\r\nX: y\r\n\r\n") - 1);
    assert_true(span_is(buf_span(&data), "hello, world"));
    buf_deinit(&data);
}

/* The handler's credit is such a limit: without any, only framing passes. */
static void no_more_than_allowed_comes_at_a_time(void **state)
{
    struct span in = SPAN("5\r\nhello\r\n0\r\n\r\n");
    struct span data;
    size_t used;

    (void) state;
    body_start_chunked(&d);
    assert_int_equal(body_decode(&d, in, 0, &used, &data), BODY_BLOCKED);
    assert_int_equal(used, 3);
    assert_int_equal(body_decode(&d, (struct span){in.data + 3, in.size - 3}, 2, &used, &data),
                     BODY_DATA);
    assert_true(span_is(data, "he"));
    assert_int_equal(body_decode(&d, (struct span){in.data + 5, in.size - 5}, 99, &used, &data),
                     BODY_DATA);
    assert_true(span_is(data, "llo"));
    assert_int_equal(body_decode(&d, (struct span){in.data + 8, in.size - 8}, 0, &used, &data),
                     BODY_END);
    assert_int_equal(used, in.size - 8);
}

static void a_body_until_close_has_no_end_of_its_own(void **state)
{
    struct buf data = {0};
    size_t used;

    (void) state;
    body_start_until_close(&d);
    assert_int_equal(decode("0\r\n\r\n", 2, &data, &used), BODY_MORE);
    assert_true(span_is(buf_span(&data), "0\r\n\r\n"));
    assert_false(body_done(&d));
    buf_deinit(&data);
}

static void what_is_malformed_stays_so(void **state)
{
    struct buf data = {0};
    size_t used;

    (void) state;
    body_start_chunked(&d);
    assert_int_equal(decode("5\r\nhellooo\r\n", SIZE_MAX, &data, &used), BODY_BAD);
    assert_int_equal(decode("0\r\n\r\n", SIZE_MAX, &data, &used), BODY_BAD);
    assert_int_equal(used, 0);
    assert_true(span_is(buf_span(&data), "hello"));
    buf_deinit(&data);
}

static void extensions_and_trailers_are_bounded(void **state)
{
    static char text[10000];
    struct buf data = {0};
    size_t used;

    (void) state;
    memset(text, 'x', sizeof(text) - 1);
    memcpy(text, "5;", 2);
    text[1000] = '\0';
    body_start_chunked(&d);
    assert_int_equal(decode(text, SIZE_MAX, &data, &used), BODY_MORE);
    text[1000] = 'x';
    body_start_chunked(&d);
    assert_int_equal(decode(text, SIZE_MAX, &data, &used), BODY_BAD);
    memcpy(text, "0\r\nA: ", 6);
    text[8000] = '\0';
    body_start_chunked(&d);
    assert_int_equal(decode(text, SIZE_MAX, &data, &used), BODY_MORE);
    text[8000] = 'x';
    body_start_chunked(&d);
    assert_int_equal(decode(text, SIZE_MAX, &data, &used), BODY_BAD);
    buf_deinit(&data);
}

static void what_we_encode_we_decode(void **state)
{
    static const size_t sizes[] = {1, 9, 10, 15, 16, 255, 256, 4096, 65535, 65536};
    static char bytes[65536];
    struct buf wire = {0};
    struct buf data = {0};
    size_t total = 0;
    size_t used;

    (void) state;
    memset(bytes, 'z', sizeof(bytes));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        body_put_chunk_size(&wire, sizes[i]);
        buf_put(&wire, bytes, sizes[i]);
        buf_put_str(&wire, "\r\n");
        total += sizes[i];
    }
    body_put_last_chunk(&wire);
    body_start_chunked(&d);
    assert_int_equal(decode(buf_cstr(&wire), SIZE_MAX, &data, &used), BODY_END);
    assert_int_equal(used, buf_size(&wire));
    assert_int_equal(buf_size(&data), total);
    buf_deinit(&wire);
    buf_deinit(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_length_counts_bytes_and_leaves_the_next_message),
        cmocka_unit_test(chunks_become_one_run_of_bytes),
        cmocka_unit_test(no_more_than_allowed_comes_at_a_time),
        cmocka_unit_test(a_body_until_close_has_no_end_of_its_own),
        cmocka_unit_test(what_is_malformed_stays_so),
        cmocka_unit_test(extensions_and_trailers_are_bounded),
        cmocka_unit_test(what_we_encode_we_decode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
