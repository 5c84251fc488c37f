/* SPDX-License-Identifier: Apache-2.0 */
#include "init/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "wire/messages.h"

enum { FIRST_FD = 3 };

/* Everything below runs in the child, between fork and exec: the process has one thread, so it may
 * allocate, and what it allocates goes with exec. */

static _Noreturn void give_up(const char *what)
{
    (void) dprintf(STDERR_FILENO, "cannot start this process: %s: %s\n", what,
                   strerrordesc_np(errno));
    _exit(127);
}

static char **strings(struct span row)
{
    char **list = mem_alloc(sizeof(*list));
    const char *s;
    size_t n = 0;

    while ((s = wire_string_next(&row))) {
        list = mem_realloc(list, (n + 2) * sizeof(*list));
        list[n++] = mem_strdup(s);
        list[n] = NULL;
    }
    return list;
}

/* The kernel kills the whole group when the other end closes: when init lets go of the child, or is
 * gone. */
static void arm_lifeline(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (fcntl(fd, F_SETOWN, -getpid()) < 0 || fcntl(fd, F_SETSIG, SIGKILL) < 0 ||
        fcntl(fd, F_SETFL, flags | O_ASYNC) < 0) {
        give_up("the lifeline");
    }
}

/* First all out of the way, then into place, so that none overwrites another. */
static void place_fds(const struct spawn *s)
{
    size_t n_all = s->n_fds + (s->lifeline_fd >= 0 ? 1 : 0);
    int *aside = mem_alloc((n_all + 1) * sizeof(*aside));

    for (size_t i = 0; i < n_all; i++) {
        int fd = i < s->n_fds ? s->fds[i] : s->lifeline_fd;

        aside[i] = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD + (int) n_all);
        if (aside[i] < 0) {
            give_up("its descriptors");
        }
    }
    for (size_t i = 0; i < n_all; i++) {
        if (dup2(aside[i], FIRST_FD + (int) i) < 0) {
            give_up("its descriptors");
        }
    }
}

static void place_stdio(const struct spawn *s)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (null < 0 || dup2(null, STDIN_FILENO) < 0) {
        give_up("/dev/null");
    }
    if (s->output_fd >= 0 &&
        (dup2(s->output_fd, STDOUT_FILENO) < 0 || dup2(s->output_fd, STDERR_FILENO) < 0)) {
        give_up("its output");
    }
}

static void set_lifeline_variable(size_t n_fds)
{
    char number[16];

    (void) snprintf(number, sizeof(number), "%zu", FIRST_FD + n_fds);
    (void) setenv("MODEL_SERVICE_LIFELINE_FD", number, 1);
}

static void reset_signals(void)
{
    sigset_t none;

    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
    (void) signal(SIGPIPE, SIG_DFL);
}

static _Noreturn void run_child(const struct spawn *s)
{
    char **argv = strings(s->argv);

    (void) setsid();
    place_stdio(s);
    place_fds(s);
    if (s->env.size > 0) {
        environ = strings(s->env);
    }
    if (s->lifeline_fd >= 0) {
        arm_lifeline(FIRST_FD + (int) s->n_fds);
        set_lifeline_variable(s->n_fds);
    }
    if (s->cwd && s->cwd[0] != '\0' && chdir(s->cwd) < 0) {
        give_up(s->cwd);
    }
    if (!argv[0]) {
        errno = EINVAL;
        give_up("an empty command line");
    }
    reset_signals();
    /* Our own name means this very executable, wherever it lies and whatever has replaced it. */
    (void) execvp(strcmp(argv[0], "model-service") == 0 ? "/proc/self/exe" : argv[0], argv);
    give_up(argv[0]);
}

pid_t spawn_start(const struct spawn *s)
{
    pid_t pid = fork();

    if (pid == 0) {
        run_child(s);
    }
    return pid < 0 ? -errno : pid;
}
