/* SPDX-License-Identifier: Apache-2.0 */
#include "init/main.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "init/children.h"
#include "init/keep.h"
#include "io/loop.h"
#include "wire/channel.h"

enum {
    START_TIMEOUT_MS = 60 * 1000, /* until the node says that all is up */
    GRACE_MS = 25 * 1000,         /* Kubernetes gives 30 s */
    RESTART_FIRST_MS = 100,
    RESTART_MAX_MS = 5000,
    DRAIN_PERIOD_MS = 100,
    KILL_ALL_MS = 5000,
};

enum init_state {
    INIT_STARTING, /* the node has not yet said that all is up */
    INIT_RUNNING,
    INIT_STOPPING, /* the node was asked to end everything */
    INIT_ENDED,
};

struct init {
    struct loop *loop;
    enum init_state state;
    int exit_code;
    const char *session_dir;
    const char *record;
    char **node_options; /* of argv, ends with NULL */
    int terminal_fd;     /* what stderr was before it became the log */
    int ready_fd;        /* -1: nobody waits */
    int owner_fd;
    struct io_watch owner;
    struct signal_watch signals;
    struct timer deadline; /* of the start, then of the stop */
    struct timer restart;
    struct timer drain;
    uint64_t restart_ms;
    struct keep keep;
    struct children children;
    pid_t node_pid;
    bool has_link;
    struct channel link;
};

static struct init init; /* one per process */

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

static void end(int exit_code)
{
    if (init.state != INIT_ENDED) {
        init.exit_code = exit_code;
        set_state(INIT_ENDED);
        loop_stop(init.loop);
    }
}

static void fail(const char *why)
{
    log_error("the instance cannot run", "reason=%s", why);
    (void) dprintf(init.terminal_fd, "model-service: %s\n", why);
    tell_starter(why);
    end(1);
}

static void begin_stop(const char *why)
{
    if (init.state >= INIT_STOPPING) {
        log_info("killing everything", "reason=%s", why);
        end(0);
        return;
    }
    log_info("stopping", "reason=%s", why);
    tell_starter("it was stopped while it started");
    set_state(INIT_STOPPING);
    timer_stop(&init.restart);
    if (!init.has_link) {
        end(0);
        return;
    }
    timer_start(&init.deadline, GRACE_MS);
    msg_stop_all_put(channel_out(&init.link), 0, 0, &(struct msg_stop_all){.grace_ms = GRACE_MS});
}

static void on_deadline(struct timer *t)
{
    (void) t;
    if (init.state == INIT_STARTING) {
        fail("the instance did not come up within a minute; see the logs");
    } else {
        begin_stop("the time for a graceful stop is over");
    }
}

/* The node's requests. */

static void send_spawned(const char *id, const struct child *child, int error)
{
    struct msg_spawned m = {.id = span_of(id), .error = (uint32_t) -error};

    if (child) {
        m.pid = (uint32_t) child->pid;
        m.started_ms = child->started_ms;
        channel_send_fd(&init.link, child->output_fd);
    }
    msg_spawned_put(channel_out(&init.link), child ? FRAME_FD : 0, 0, &m);
}

static void send_exited(const struct child *child)
{
    struct msg_exited m = {.id = span_of(child->id),
                           .pid = (uint32_t) child->pid,
                           .exit_code = child->exit_code,
                           .signal = child->signal};

    msg_exited_put(channel_out(&init.link), 0, 0, &m);
}

static int on_spawn(const struct frame *f)
{
    struct msg_spawn m;
    struct spawn s = {0};
    struct child *child = NULL;
    char *id CLEANUP(mem_freep) = NULL;
    char *cwd CLEANUP(mem_freep) = NULL;
    int fds[16];
    int r;

    if (msg_spawn_get(f, &m) < 0) {
        return -EPROTO;
    }
    id = mem_strndup(m.id.data, m.id.size);
    cwd = mem_strndup(m.cwd.data, m.cwd.size);
    r = keep_lookup(&init.keep, m.fds, fds, ARRAY_LEN(fds));
    if (r >= 0 && children_find(&init.children, id)) {
        r = -EEXIST;
    }
    if (r >= 0 && init.state == INIT_ENDED) {
        r = -ECANCELED;
    }
    if (r >= 0) {
        s = (struct spawn){
            .argv = m.argv, .env = m.env, .cwd = cwd, .fds = fds, .n_fds = (size_t) r};
        r = children_start(&init.children, id, &s, &child);
    }
    send_spawned(id, child, MIN(r, 0));
    return 0;
}

static int on_kill(const struct frame *f)
{
    struct msg_kill m;
    struct child *child;
    char *id CLEANUP(mem_freep) = NULL;

    if (msg_kill_get(f, &m) < 0) {
        return -EPROTO;
    }
    id = mem_strndup(m.id.data, m.id.size);
    child = children_find(&init.children, id);
    if (child) {
        (void) kill(-child->pid, (int) m.signal);
    }
    return 0;
}

static int on_keep(const struct frame *f)
{
    struct msg_keep m;
    int fd;

    if (msg_keep_get(f, &m) < 0) {
        return -EPROTO;
    }
    fd = channel_take_fd(&init.link);
    keep_set(&init.keep, m.name, fd); /* without a descriptor: forget it */
    return 0;
}

static int on_started_all(const struct frame *f)
{
    struct msg_started_all m;
    char *error CLEANUP(mem_freep) = NULL;

    if (msg_started_all_get(f, &m) < 0) {
        return -EPROTO;
    }
    init.restart_ms = RESTART_FIRST_MS;
    if (init.state != INIT_STARTING) {
        return 0; /* a new node says it again */
    }
    if (m.error.size > 0) {
        error = mem_strndup(m.error.data, m.error.size);
        fail(error);
        return 0;
    }
    timer_stop(&init.deadline);
    set_state(INIT_RUNNING);
    tell_starter("ready");
    return 0;
}

static int on_message(struct channel *ch, const struct frame *f)
{
    (void) ch;
    switch (f->type) {
    case MSG_SPAWN: return on_spawn(f);
    case MSG_KILL: return on_kill(f);
    case MSG_KEEP: return on_keep(f);
    case MSG_STARTED_ALL: return on_started_all(f);
    case MSG_STOPPED_ALL: end(0); return 0;
    default: return 0; /* of a newer version */
    }
}

/* A new node learns all that is here. */
static int on_hello(struct channel *ch, const struct msg_hello *hello)
{
    struct child *child;
    struct child *tmp;
    uint32_t n = 0;

    (void) hello;
    timer_stop(&init.drain);
    keep_send(&init.keep, ch);
    LIST_FOREACH_SAFE (child, tmp, &init.children.list, link) {
        send_spawned(child->id, child, 0);
        n++;
        if (child->ended) {
            send_exited(child);
            children_remove(&init.children, child);
        }
    }
    msg_adopted_put(channel_out(ch), 0, 0, &(struct msg_adopted){.n_children = n});
    return 0;
}

static void drop_link(void)
{
    if (init.has_link) {
        init.has_link = false;
        channel_deinit(&init.link);
        timer_start(&init.drain, DRAIN_PERIOD_MS);
    }
}

/* The node closed its link: it ends or has ended; what remains to do is done when it is reaped. */
static void on_close(struct channel *ch, const struct err *err)
{
    (void) ch;
    log_info("the link to the node is gone", "reason=%s", err->text);
    drop_link();
    if (init.node_pid > 0) {
        (void) kill(init.node_pid, SIGKILL);
    }
}

static const struct channel_events link_events = {
    .on_hello = on_hello,
    .on_message = on_message,
    .on_close = on_close,
};

static void on_drain(struct timer *t)
{
    children_drain(&init.children);
    timer_start(t, DRAIN_PERIOD_MS);
}

/* The node itself. */

static void start_node(struct timer *t)
{
    const struct channel_hello hello = {.role = ROLE_INIT, .peer_roles = ROLE_NODE, .name = "init"};
    struct buf argv;
    struct spawn s = {.n_fds = 1, .output_fd = -1, .lifeline_fd = -1};
    int pair[2];

    (void) t;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        timer_start(&init.restart, init.restart_ms);
        return;
    }
    buf_init(&argv);
    buf_put_str(&argv, "model-service");
    buf_put_char(&argv, '\0');
    buf_put_str(&argv, "node");
    buf_put_char(&argv, '\0');
    buf_printf(&argv, "--session-dir=%s%c", init.session_dir, '\0');
    for (char **o = init.node_options; *o; o++) {
        buf_put(&argv, *o, strlen(*o) + 1);
    }
    s.argv = buf_span(&argv);
    s.fds = &pair[1];
    init.node_pid = spawn_start(&s);
    buf_deinit(&argv);
    (void) close(pair[1]);
    if (init.node_pid < 0) {
        (void) close(pair[0]);
        timer_start(&init.restart, init.restart_ms);
        return;
    }
    log_info("the node daemon starts", "pid=%d", (int) init.node_pid);
    channel_init(&init.link, init.loop, pair[0], &hello, &link_events);
    init.has_link = true;
}

static void node_ended(void)
{
    init.node_pid = 0;
    drop_link();
    if (init.state == INIT_STARTING) {
        fail("the node daemon ended while it started; see logs/node.log");
    } else if (init.state == INIT_STOPPING) {
        end(0);
    }
    if (init.state != INIT_RUNNING) {
        return;
    }
    log_warn("the node daemon has ended and is started again", "after_ms=%u",
             (unsigned) init.restart_ms);
    timer_start(&init.restart, init.restart_ms);
    init.restart_ms = MIN(init.restart_ms * 2, (uint64_t) RESTART_MAX_MS);
}

static void on_child_end(void *user, struct child *child, pid_t pid)
{
    (void) user;
    if (pid == init.node_pid) {
        node_ended();
    } else if (child && init.has_link && init.link.peer_role) {
        send_exited(child);
        children_remove(&init.children, child);
    }
}

static void on_signal(struct signal_watch *w, int signal_number)
{
    (void) w;
    if (signal_number == SIGCHLD) {
        children_reap(&init.children, on_child_end, NULL);
        return;
    }
    if (signal_number == SIGQUIT && init.state < INIT_STOPPING) {
        set_state(INIT_STOPPING);
    }
    begin_stop(signal_number == SIGINT ? "interrupted" : "asked by a signal");
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
    timer_init(&init.restart, init.loop, start_node);
    timer_init(&init.drain, init.loop, on_drain);
    if (signal_watch_start(&init.signals, init.loop, signals, on_signal) < 0) {
        return -1;
    }
    if (init.owner_fd >= 0) {
        (void) fcntl(init.owner_fd, F_SETFL, O_NONBLOCK);
        io_watch_start(&init.owner, init.loop, init.owner_fd, IO_READ, on_owner);
    }
    timer_start(&init.deadline, START_TIMEOUT_MS);
    start_node(&init.restart);
    loop_run(init.loop);
    drop_link();
    if (init.node_pid > 0) {
        (void) kill(init.node_pid, SIGKILL);
    }
    children_kill_all(&init.children, KILL_ALL_MS);
    return 0;
}

int init_main(int argc, char **argv)
{
    init = (struct init){.ready_fd = -1, .owner_fd = -1, .restart_ms = RESTART_FIRST_MS};
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
