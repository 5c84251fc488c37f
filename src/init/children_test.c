/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "init/children.h"

enum { PATIENCE_MS = 10 * 1000 };

struct ended {
    struct children *children;
    unsigned n;
    unsigned n_strangers;
};

static void on_end(void *user, struct child *child, pid_t pid)
{
    struct ended *e = user;

    assert_true(pid > 0);
    e->n += child ? 1 : 0;
    e->n_strangers += child ? 0 : 1;
}

/* A row of NUL-terminated words: sh -c SCRIPT. */
static struct child *start(struct children *c, const char *id, const char *script)
{
    struct buf argv;
    struct spawn s = {0};
    struct child *child = NULL;

    buf_init(&argv);
    buf_printf(&argv, "sh%c-c%c%s%c", '\0', '\0', script, '\0');
    s.argv = buf_span(&argv);
    assert_int_equal(children_start(c, id, &s, &child), 0);
    buf_deinit(&argv);
    return child;
}

/* What it has printed, up to its end or to 'size'. */
static void read_output(const struct child *child, char *ret, size_t size)
{
    struct pollfd p = {.fd = child->output_fd, .events = POLLIN};
    size_t n = 0;
    ssize_t r = 1;

    while (n + 1 < size && r > 0 && poll(&p, 1, PATIENCE_MS) == 1) {
        r = read(child->output_fd, ret + n, size - 1 - n);
        n += (size_t) MAX(r, 0);
        if (memchr(ret, '\n', n)) {
            break;
        }
    }
    ret[n] = '\0';
}

static void reap(struct children *c, struct ended *e, unsigned n)
{
    siginfo_t info;

    while (e->n < n) {
        assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
        children_reap(c, on_end, e);
    }
}

static void test_output_and_exit_code_come_back(void **state)
{
    struct children c;
    struct ended e = {0};
    struct child *child;
    char said[64];

    (void) state;
    children_init(&c);
    child = start(&c, "a", "echo out; exit 3");
    assert_ptr_equal(children_find(&c, "a"), child);
    read_output(child, said, sizeof(said));
    assert_string_equal(said, "out\n");
    reap(&c, &e, 1);
    assert_true(child->ended);
    assert_int_equal(child->exit_code, 3);
    assert_int_equal(child->signal, 0);
    assert_null(children_find(&c, "a")); /* the name is free for the next one */
    children_deinit(&c);
}

static void test_a_signal_is_told_from_an_exit(void **state)
{
    struct children c;
    struct ended e = {0};
    struct child *child;

    (void) state;
    children_init(&c);
    child = start(&c, "a", "kill -SEGV $$");
    reap(&c, &e, 1);
    assert_int_equal(child->signal, SIGSEGV);
    children_deinit(&c);
}

static void test_what_cannot_start_says_why(void **state)
{
    struct children c;
    struct ended e = {0};
    struct child *child = NULL;
    struct spawn s = {.argv = SPAN("/no/such/program\0")};
    char said[128];

    (void) state;
    children_init(&c);
    assert_int_equal(children_start(&c, "a", &s, &child), 0);
    read_output(child, said, sizeof(said));
    assert_string_equal(said, "cannot start this process: /no/such/program: No such file or "
                              "directory\n");
    reap(&c, &e, 1);
    assert_int_equal(child->exit_code, 127);
    children_deinit(&c);
}

static void test_the_group_ends_with_its_leader(void **state)
{
    struct children c;
    struct ended e = {0};
    struct child *child;
    char said[64];
    pid_t grandchild;

    (void) state;
    children_init(&c);
    child = start(&c, "a", "sleep 987 & echo $!");
    read_output(child, said, sizeof(said));
    grandchild = (pid_t) strtol(said, NULL, 10);
    assert_true(grandchild > 0);
    reap(&c, &e, 1);
    /* It became ours, for we are the subreaper, and was killed: reaped together with its leader, or
     * now. */
    if (waitpid(grandchild, NULL, 0) < 0) {
        assert_int_equal(errno, ECHILD);
    }
    assert_int_equal(kill(grandchild, 0), -1);
    assert_int_equal(errno, ESRCH);
    children_deinit(&c);
}

/* As when init itself is killed: nobody is there to send a signal. */
static void test_letting_go_of_the_lifeline_kills_the_group(void **state)
{
    struct children c;
    struct child *child;
    char said[64];
    int status = 0;
    pid_t pid;

    (void) state;
    children_init(&c);
    child = start(&c, "a", "trap '' TERM INT HUP; echo $$; while :; do sleep 987; done");
    read_output(child, said, sizeof(said));
    pid = child->pid;
    children_deinit(&c);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void test_nobody_escapes_the_end(void **state)
{
    struct children c;
    struct child *child;
    char said[64];

    (void) state;
    children_init(&c);
    child = start(&c, "a", "setsid sh -c 'trap \"\" TERM; echo up; sleep 987' & wait");
    read_output(child, said, sizeof(said));
    assert_string_equal(said, "up\n");
    children_kill_all(&c, PATIENCE_MS);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    children_deinit(&c);
}

static void test_a_child_finds_its_descriptors_in_order_and_no_others(void **state)
{
    struct children c;
    struct child *child;
    char said[128];
    int in[2];
    int out[2];
    /* The numbers are as inconvenient as can be: each is where another one must go. */
    int fds[2];
    struct spawn s = {.argv = SPAN("sh\0-c\0ls /proc/self/fd | tr '\\n' ' '; read x <&3; "
                                   "echo $x $MODEL_SERVICE_LIFELINE_FD\0")};

    (void) state;
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(write(in[1], "first\n", 6), 6);
    fds[0] = fcntl(in[0], F_DUPFD_CLOEXEC, 5);
    fds[1] = out[1];
    s.fds = fds;
    s.n_fds = ARRAY_LEN(fds);
    children_init(&c);
    assert_int_equal(children_start(&c, "a", &s, &child), 0);
    read_output(child, said, sizeof(said));
    /* 6 is the folder that ls reads. */
    assert_string_equal(said, "0 1 2 3 4 5 6 first 5\n");
    children_kill_all(&c, PATIENCE_MS);
    children_deinit(&c);
    for (size_t i = 0; i < 2; i++) {
        (void) close(in[i]);
        (void) close(out[i]);
    }
    (void) close(fds[0]);
}

static void test_draining_leaves_little_output_and_drops_much(void **state)
{
    struct children c;
    struct child *child;
    struct pollfd p;
    char said[64];

    (void) state;
    children_init(&c);
    child = start(&c, "a", "echo little; read x; :");
    read_output(child, said, 2);
    children_drain(&c);
    assert_int_equal(c.n_dropped, 0);
    (void) start(&c, "b", "head -c 2000000 /dev/zero");
    /* It can only end when somebody takes its output. */
    for (int i = 0; i < PATIENCE_MS && c.n_dropped < 1000000; i++) {
        (void) poll(&p, 0, 1);
        children_drain(&c);
    }
    assert_true(c.n_dropped >= 1000000);
    children_kill_all(&c, PATIENCE_MS);
    children_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_and_exit_code_come_back),
        cmocka_unit_test(test_a_signal_is_told_from_an_exit),
        cmocka_unit_test(test_what_cannot_start_says_why),
        cmocka_unit_test(test_the_group_ends_with_its_leader),
        cmocka_unit_test(test_letting_go_of_the_lifeline_kills_the_group),
        cmocka_unit_test(test_nobody_escapes_the_end),
        cmocka_unit_test(test_a_child_finds_its_descriptors_in_order_and_no_others),
        cmocka_unit_test(test_draining_leaves_little_output_and_drops_much),
    };

    (void) close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC); /* whatever ran us left open */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
