/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "node/logs.h"

static char folder[64];

static int make_folder(void **state)
{
    char logs[80];

    (void) state;
    (void) snprintf(folder, sizeof(folder), "/tmp/logs_test_XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    (void) snprintf(logs, sizeof(logs), "%s/logs", folder);
    return mkdir(logs, 0700);
}

static int remove_folder(void **state)
{
    char logs[80];

    (void) state;
    (void) snprintf(logs, sizeof(logs), "%s/logs", folder);
    return rmdir(logs) | rmdir(folder); /* fails if a test has left something behind */
}

/* The file must hold exactly this; it is removed. */
static void expect_file(const char *name, const char *text)
{
    char *path CLEANUP(mem_freep) = mem_printf("%s/logs/%s", folder, name);
    char *data CLEANUP(mem_freep) = NULL;
    size_t size = 0;

    assert_int_equal(file_read(path, 1024, &data, &size, NULL), 0);
    assert_string_equal(data, text);
    assert_int_equal(unlink(path), 0);
}

static void test_a_file_gets_the_bytes_as_they_are_and_a_short_name(void **state)
{
    struct logs logs;
    struct log_sink s;

    (void) state;
    logs_init(&logs, folder, false);
    log_sink_open(&s, &logs, "a_1.log", "a.log", "A", 1, LOG_SHOW_ALL);
    log_sink_feed(&s, SPAN("one\ntw"));
    log_sink_feed(&s, SPAN("o\nrest"));
    log_sink_close(&s);
    log_sink_close(&s);
    expect_file("a.log", "one\ntwo\nrest"); /* removes the link */
    expect_file("a_1.log", "one\ntwo\nrest");
    logs_deinit(&logs);
}

static void test_the_terminal_gets_lines_with_who_printed_them(void **state)
{
    struct logs logs;
    struct log_sink all;
    struct log_sink warnings;
    int fds[2];
    char said[256] = "";

    (void) state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    logs_init(&logs, folder, false);
    pipe_writer_open(&logs.terminal, fds[1]);
    logs.has_terminal = true;
    log_sink_open(&all, &logs, "all", NULL, "All", 7, LOG_SHOW_ALL);
    log_sink_open(&warnings, &logs, "warnings", NULL, "W", 8, LOG_SHOW_WARNINGS);
    log_sink_feed(&all, SPAN("INFO 1\nbegun"));
    log_sink_feed(&warnings, SPAN("INFO hidden\nDEBUG hidden\nWARNING shown\n"));
    log_sink_close(&all);
    log_sink_close(&warnings);
    assert_true(read(fds[0], said, sizeof(said) - 1) > 0);
    assert_string_equal(said, "(All pid=7) INFO 1\n(W pid=8) WARNING shown\n(All pid=7) begun\n");
    expect_file("all", "INFO 1\nbegun");
    expect_file("warnings", "INFO hidden\nDEBUG hidden\nWARNING shown\n");
    logs_deinit(&logs);
    (void) close(fds[0]);
    (void) close(fds[1]);
}

static void test_files_are_rotated_and_the_oldest_go(void **state)
{
    struct logs logs;
    struct log_sink s;

    (void) state;
    assert_int_equal(setenv("RAY_ROTATION_MAX_BYTES", "4", 1), 0);
    assert_int_equal(setenv("RAY_ROTATION_BACKUP_COUNT", "2", 1), 0);
    logs_init(&logs, folder, false);
    log_sink_open(&s, &logs, "r", NULL, "R", 1, LOG_SHOW_NOTHING);
    for (int i = 0; i < 4; i++) {
        char line[] = "aaaa\n";

        memset(line, 'a' + i, 4);
        log_sink_feed(&s, span_of(line));
    }
    log_sink_feed(&s, SPAN("end"));
    log_sink_close(&s);
    expect_file("r", "end");
    expect_file("r.1", "dddd\n");
    expect_file("r.2", "cccc\n"); /* and no third: remove_folder() would fail */
    logs_deinit(&logs);
    assert_int_equal(unsetenv("RAY_ROTATION_MAX_BYTES"), 0);
    assert_int_equal(unsetenv("RAY_ROTATION_BACKUP_COUNT"), 0);
}

static void test_odd_characters_do_not_reach_a_file_name(void **state)
{
    char *name CLEANUP(mem_freep) = log_file_name("a/b\\c:d*e?f\"g<h>i|j k\x01\xc3\xa9");

    (void) state;
    assert_string_equal(name, "a_b_c_d_e_f_g_h_i_j k___");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_gets_the_bytes_as_they_are_and_a_short_name),
        cmocka_unit_test(test_the_terminal_gets_lines_with_who_printed_them),
        cmocka_unit_test(test_files_are_rotated_and_the_oldest_go),
        cmocka_unit_test(test_odd_characters_do_not_reach_a_file_name),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
