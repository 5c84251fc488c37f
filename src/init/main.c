/* SPDX-License-Identifier: Apache-2.0 */
#include "init/main.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "init/init_priv.h"

enum {
    START_TIMEOUT_MS = 60 * 1000, /* until the node says that all is up */
    GRACE_MS = 25 * 1000,         /* Kubernetes gives 30 s */
    KILL_ALL_MS = 5000,
};

struct init init;

static void set_state(enum init_state state)
{
    static const char *const names[] = {"starting", "running", "stopping", "ended"};

    log_info("the instance changes", "from=%s to=%s", names[init.state], names[state]);
    init.state = state;
}

static void tell_starter(const char *line)
{
    if (init.ready_fd >= 0) {
        (void) dprintf(init.ready_fd, "%s\n", line);
        (void) close(init.ready_fd);
        init.ready_fd = -1;
    }
}

void init_started(void)
{
    timer_stop(&init.deadline);
    set_state(INIT_RUNNING);
    tell_starter("ready");
}

void init_end(int exit_code)
{
    if (init.state != INIT_ENDED) {
        init.exit_code = exit_code;
        set_state(INIT_ENDED);
        loop_stop(init.loop);
    }
}

void init_fail(const char *why)
{
    log_error("the instance cannot run", "reason=%s", why);
    (void) dprintf(init.terminal_fd, "model-service: %s\n", why);
    tell_starter(why);
    init_end(1);
}

static void end_at_once(const char *why)
{
    log_info("everything is killed", "reason=%s", why);
    init_end(0);
}

static void begin_stop(const char *why)
{
    if (init.state >= INIT_STOPPING) {
        return;
    }
    log_info("stopping", "reason=%s", why);
    tell_starter("it was stopped while it started");
    set_state(INIT_STOPPING);
    if (!init.has_link) {
        end_at_once("no node daemon is there to do it gracefully");
        return;
    }
    node_link_ask_to_stop(GRACE_MS);
    timer_start(&init.deadline, GRACE_MS);
}

static void on_deadline(struct timer *t)
{
    (void) t;
    if (init.state == INIT_STARTING) {
        init_fail("the instance did not come up within a minute; see the logs");
    } else {
        end_at_once("the time for a graceful stop is over");
    }
}

static void on_signal(struct signal_watch *w, int signal_number)
{
    bool is_impatient = signal_number == SIGINT && init.state == INIT_STOPPING;

    (void) w;
    if (signal_number == SIGCHLD) {
        children_reap(&init.children, node_link_on_child_end, NULL);
    } else if (signal_number == SIGQUIT || is_impatient) {
        end_at_once(signal_number == SIGQUIT ? "asked by SIGQUIT" : "interrupted again");
    } else {
        begin_stop(signal_number == SIGINT ? "interrupted" : "asked by a signal");
    }
}

/* The owner has no more to say: it is gone. */
static void on_owner(struct io_watch *w, unsigned events)
{
    char byte;
    ssize_t n = read(w->fd, &byte, 1);

    (void) events;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        io_watch_stop(w);
        begin_stop("its owner is gone");
    }
}

/* Command line, and the whole run. */

static int parse_keep(const char *text)
{
    const char *colon = strrchr(text, ':');
    struct span name = {text, colon ? (size_t) (colon - text) : 0};

    if (!colon) {
        return -EINVAL;
    }
    keep_set(&init.keep, name, (int) strtol(colon + 1, NULL, 10));
    return 0;
}

/* Whoever calls us is `ray start` of the same version: what it says is trusted. */
static int parse_arguments(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        struct span name = {argv[i], equals ? (size_t) (equals - argv[i]) : strlen(argv[i])};
        const char *value = equals ? equals + 1 : "";

        if (span_is(name, "--session-dir")) {
            init.session_dir = value;
        } else if (span_is(name, "--record")) {
            init.record = value;
        } else if (span_is(name, "--ready-fd")) {
            init.ready_fd = (int) strtol(value, NULL, 10);
        } else if (span_is(name, "--owner-fd")) {
            init.owner_fd = (int) strtol(value, NULL, 10);
        } else if (span_is(name, "--keep") && parse_keep(value) < 0) {
            return -EINVAL;
        } else if (span_is(name, "--")) {
            init.node_options = argv + i + 1;
            return init.session_dir ? 0 : -EINVAL;
        }
    }
    return -EINVAL;
}

static int open_log(void)
{
    char *path CLEANUP(mem_freep) = mem_printf("%s/logs/init.log", init.session_dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    init.terminal_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0) {
        (void) dprintf(STDERR_FILENO, "model-service: cannot write %s: %s\n", path,
                       strerrordesc_np(errno));
        return -1;
    }
    (void) close(fd);
    log_init("init", NULL);
    return 0;
}

static void remove_files(void)
{
    static const char *const names[] = {"controller", "node", "router"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *path CLEANUP(mem_freep) = mem_printf("%s/sockets/%s", init.session_dir, names[i]);

        (void) unlink(path);
    }
    if (init.record) {
        (void) unlink(init.record);
    }
}

static int run(void)
{
    static const int signals[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, 0};

    init.loop = loop_new();
    timer_init(&init.deadline, init.loop, on_deadline);
    node_link_init();
    if (signal_watch_start(&init.signals, init.loop, signals, on_signal) < 0) {
        return -1;
    }
    if (init.owner_fd >= 0) {
        (void) fcntl(init.owner_fd, F_SETFL, O_NONBLOCK);
        io_watch_start(&init.owner, init.loop, init.owner_fd, IO_READ, on_owner);
    }
    timer_start(&init.deadline, START_TIMEOUT_MS);
    node_link_start();
    loop_run(init.loop);
    node_link_drop();
    if (init.node_pid > 0) {
        (void) kill(init.node_pid, SIGKILL);
    }
    children_kill_all(&init.children, KILL_ALL_MS);
    return 0;
}

int init_main(int argc, char **argv)
{
    init = (struct init){.ready_fd = -1, .owner_fd = -1};
    keep_init(&init.keep);
    children_init(&init.children);
    if (parse_arguments(argc, argv) < 0) {
        (void) fprintf(stderr, "init is started by `ray start` only\n");
        return 2;
    }
    /* What we were given may reach a child only when the node says so; one of them is the record's
     * lock. */
    (void) close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    if (open_log() < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
        return 1;
    }
    if (run() < 0) {
        init.exit_code = 1;
    }
    remove_files();
    log_info("the instance has ended", "exit_code=%d", init.exit_code);
    children_deinit(&init.children);
    keep_deinit(&init.keep);
    return init.exit_code;
}
