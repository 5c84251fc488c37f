/* SPDX-License-Identifier: Apache-2.0 */
/* Our parsers against llhttp, over a table of requests and over every byte in every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "oracle.h"

enum expectation { GOOD, PART, BAD, STRICTER, METHOD };

static const struct {
    enum expectation expected;
    const char *bytes;
    size_t size;
    int line;
} cases[] = {
#define GOOD(b)     {GOOD, b, sizeof(b) - 1, __LINE__},
#define PART(b)     {PART, b, sizeof(b) - 1, __LINE__},
#define BAD(b)      {BAD, b, sizeof(b) - 1, __LINE__},
#define STRICTER(b) {STRICTER, b, sizeof(b) - 1, __LINE__},
#define METHOD(b)   {METHOD, b, sizeof(b) - 1, __LINE__},
#include "oracle_cases.def"
};

static const char *verdict_name(const struct message *m)
{
    static const char *const names[] = {"partial", "complete", "refused"};

    return names[m->verdict];
}

static bool is_as_expected(enum expectation expected, const struct message *ours,
                           const struct message *theirs)
{
    switch (expected) {
    case GOOD: return ours->verdict == MESSAGE_COMPLETE && theirs->verdict == MESSAGE_COMPLETE;
    case PART: return ours->verdict == MESSAGE_PARTIAL && theirs->verdict == MESSAGE_PARTIAL;
    case BAD: return ours->verdict == MESSAGE_REFUSED && theirs->verdict == MESSAGE_REFUSED;
    case STRICTER: return ours->verdict == MESSAGE_REFUSED && theirs->verdict != MESSAGE_REFUSED;
    case METHOD: return ours->verdict == MESSAGE_COMPLETE && theirs->unknown_method;
    }
    return false;
}

static bool try_case(size_t i)
{
    struct message ours;
    struct message theirs;
    const char *difference;
    bool right;

    oracle_ours(&ours, cases[i].bytes, cases[i].size);
    oracle_llhttp(&theirs, cases[i].bytes, cases[i].size);
    difference = oracle_compare(&ours, &theirs);
    right = is_as_expected(cases[i].expected, &ours, &theirs) && !difference;
    if (!right) {
        print_error("oracle_cases.def:%d: ours %s (%s), llhttp %s (%s); %s\n", cases[i].line,
                    verdict_name(&ours), ours.why, verdict_name(&theirs), theirs.why,
                    difference ? difference : "not as the table says");
    }
    oracle_free(&ours);
    oracle_free(&theirs);
    return right;
}

static void the_table_of_requests_gets_its_verdicts(void **state)
{
    size_t n_wrong = 0;

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        n_wrong += !try_case(i);
    }
    assert_true(ARRAY_LEN(cases) >= 300);
    assert_int_equal(n_wrong, 0);
}

static void compare(const char *bytes, size_t size)
{
    struct message ours;
    struct message theirs;
    const char *difference;

    oracle_ours(&ours, bytes, size);
    oracle_llhttp(&theirs, bytes, size);
    difference = oracle_compare(&ours, &theirs);
    if (difference) {
        print_error("%s: llhttp %s, in %.*s\n", difference, theirs.why, (int) size, bytes);
    }
    assert_null(difference);
    oracle_free(&ours);
    oracle_free(&theirs);
}

/* Replaces, inserts and deletes at each place. */
static void no_byte_anywhere_makes_us_see_another_message(void **state)
{
    static const char sample[] =
        "POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n";
    enum { SIZE = sizeof(sample) - 1 };
    char changed[SIZE + 1];

    (void) state;
    for (size_t at = 0; at < SIZE; at++) {
        for (int byte = 0; byte < 256; byte++) {
            memcpy(changed, sample, SIZE);
            changed[at] = (char) byte;
            compare(changed, SIZE);
            memcpy(changed + at + 1, sample + at, SIZE - at);
            compare(changed, SIZE + 1);
        }
        memcpy(changed, sample, at);
        memcpy(changed + at, sample + at + 1, SIZE - at - 1);
        compare(changed, SIZE - 1);
    }
}

static void no_byte_in_a_length_makes_us_see_another_message(void **state)
{
    static const char sample[] = "PUT / HTTP/1.1\r\nContent-Length: 3\r\nHost: a\r\n\r\nabcdef";
    enum { SIZE = sizeof(sample) - 1 };
    char changed[SIZE + 1];

    (void) state;
    for (size_t at = 0; at < SIZE; at++) {
        for (int byte = 0; byte < 256; byte++) {
            memcpy(changed, sample, SIZE);
            changed[at] = (char) byte;
            compare(changed, SIZE);
            memcpy(changed + at + 1, sample + at, SIZE - at);
            compare(changed, SIZE + 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_requests_gets_its_verdicts),
        cmocka_unit_test(no_byte_anywhere_makes_us_see_another_message),
        cmocka_unit_test(no_byte_in_a_length_makes_us_see_another_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
