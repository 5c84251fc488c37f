/* SPDX-License-Identifier: Apache-2.0 */
/* The node daemon: started again when it ends, told what is here, and served. */

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "init/init_priv.h"

enum {
    RESTART_FIRST_MS = 100,
    RESTART_MAX_MS = 5000,
    DRAIN_PERIOD_MS = 100,
};

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
    if (init.state == INIT_STARTING && m.error.size > 0) {
        error = mem_strndup(m.error.data, m.error.size);
        init_fail(error);
    } else if (init.state == INIT_STARTING) {
        init_started();
    } /* else a new node says it again */
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
    case MSG_STOPPED_ALL: init_end(0); return 0;
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

void node_link_drop(void)
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
    node_link_drop();
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
    node_link_drop();
    if (init.state == INIT_STARTING) {
        init_fail("the node daemon ended while it started; see logs/node.log");
    } else if (init.state == INIT_STOPPING) {
        init_end(0);
    }
    if (init.state != INIT_RUNNING) {
        return;
    }
    log_warn("the node daemon has ended and is started again", "after_ms=%u",
             (unsigned) init.restart_ms);
    timer_start(&init.restart, init.restart_ms);
    init.restart_ms = MIN(init.restart_ms * 2, (uint64_t) RESTART_MAX_MS);
}

void node_link_on_child_end(void *user, struct child *child, pid_t pid)
{
    (void) user;
    if (pid == init.node_pid) {
        node_ended();
    } else if (child && init.has_link && init.link.peer_role) {
        send_exited(child);
        children_remove(&init.children, child);
    }
}

void node_link_init(void)
{
    init.restart_ms = RESTART_FIRST_MS;
    timer_init(&init.restart, init.loop, start_node);
    timer_init(&init.drain, init.loop, on_drain);
}

void node_link_start(void)
{
    start_node(&init.restart);
}

void node_link_ask_to_stop(uint32_t grace_ms)
{
    timer_stop(&init.restart);
    msg_stop_all_put(channel_out(&init.link), 0, 0, &(struct msg_stop_all){.grace_ms = grace_ms});
}
