/* SPDX-License-Identifier: Apache-2.0 */
#include "node/processes.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"

struct kept {
    struct list link;
    char *name; /* owned */
    int fd;     /* owned */
};

/* A process of our predecessor that nobody has taken over yet. */
struct stranger {
    struct list link;
    char *id; /* owned */
    unsigned pid;
    uint64_t started_ms;
    int output_fd; /* owned */
};

struct processes {
    struct loop *loop;
    struct channel init;
    const struct processes_events *events;
    void *user;
    struct map by_id;      /* of struct process.node */
    struct list kept;      /* of struct kept.link; owned */
    struct list strangers; /* of struct stranger.link; owned */
};

void row_add(struct buf *row, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    ASSERT(vasprintf(&text, fmt, ap) >= 0);
    va_end(ap);
    buf_put(row, text, strlen(text) + 1);
    free(text);
}

/* One process. */

void process_init(struct process *p, struct processes *ps, const char *id,
                  const struct process_events *events)
{
    *p = (struct process){.processes = ps, .events = events, .id = mem_strdup(id)};
}

bool process_is_active(const struct process *p)
{
    return p->node.key.size > 0;
}

static void deactivate(struct process *p)
{
    if (process_is_active(p)) {
        map_remove(&p->processes->by_id, &p->node);
        p->node.key = (struct span){0};
    }
    pipe_reader_stop(&p->output);
}

void process_deinit(struct process *p)
{
    if (p->id) {
        deactivate(p);
        log_sink_close(&p->log);
        free(p->id);
        p->id = NULL;
    }
}

static void activate(struct process *p)
{
    ASSERT(!process_is_active(p));
    p->pid = 0;
    p->was_asked = false;
    map_put(&p->processes->by_id, span_of(p->id), &p->node);
}

void process_start(struct process *p, const struct process_command *c)
{
    struct msg_spawn m = {.id = span_of(p->id),
                          .argv = c->argv,
                          .env = c->env,
                          .cwd = span_of(c->cwd),
                          .fds = c->fds};

    activate(p);
    msg_spawn_put(channel_out(&p->processes->init), 0, 0, &m);
}

void process_kill(struct process *p, int signal_number)
{
    struct msg_kill m = {.id = span_of(p->id), .signal = (uint32_t) signal_number};

    if (process_is_active(p)) {
        p->was_asked = true;
        msg_kill_put(channel_out(&p->processes->init), 0, 0, &m);
    }
}

static void on_output(struct pipe_reader *r, struct span data)
{
    log_sink_feed(&CONTAINER_OF(r, struct process, output)->log, data);
}

static void started(struct process *p, unsigned pid, uint64_t started_ms, int output_fd)
{
    p->pid = pid;
    p->started_ms = started_ms;
    p->events->on_started(p);
    if (output_fd >= 0) {
        pipe_reader_start(&p->output, p->processes->loop, output_fd, on_output, NULL);
    }
}

static void ended(struct process *p, struct process_end *end)
{
    pipe_reader_drain(&p->output);
    deactivate(p);
    end->was_asked = p->was_asked;
    p->events->on_ended(p, end);
}

/* What our predecessor left. */

static void free_stranger(struct stranger *s)
{
    list_remove(&s->link);
    if (s->output_fd >= 0) {
        (void) close(s->output_fd);
    }
    free(s->id);
    free(s);
}

static struct stranger *find_stranger(struct processes *ps, struct span id)
{
    struct stranger *s;

    LIST_FOREACH (s, &ps->strangers, link) {
        if (span_is(id, s->id)) {
            return s;
        }
    }
    return NULL;
}

bool process_adopt(struct process *p)
{
    struct stranger *s = find_stranger(p->processes, span_of(p->id));

    if (!s) {
        return false;
    }
    activate(p);
    started(p, s->pid, s->started_ms, s->output_fd);
    s->output_fd = -1;
    free_stranger(s);
    return true;
}

void processes_kill_strangers(struct processes *ps)
{
    while (!list_empty(&ps->strangers)) {
        struct stranger *s = LIST_ENTRY(ps->strangers.next, struct stranger, link);
        struct msg_kill m = {.id = span_of(s->id), .signal = SIGKILL};

        log_warn("a process that nobody knows is killed", "id=%s pid=%u", s->id, s->pid);
        msg_kill_put(channel_out(&ps->init), 0, 0, &m);
        free_stranger(s);
    }
}

void processes_keep(struct processes *ps, const char *name, int fd)
{
    struct msg_keep m = {.name = span_of(name)};

    if (fd >= 0) {
        channel_send_fd(&ps->init, fd);
    }
    msg_keep_put(channel_out(&ps->init), fd >= 0 ? FRAME_FD : 0, 0, &m);
}

static void free_kept(struct kept *k)
{
    list_remove(&k->link);
    if (k->fd >= 0) {
        (void) close(k->fd);
    }
    free(k->name);
    free(k);
}

int processes_take_kept(struct processes *ps, const char *prefix, char **ret_rest)
{
    struct kept *k;

    LIST_FOREACH (k, &ps->kept, link) {
        if (strncmp(k->name, prefix, strlen(prefix)) == 0) {
            int fd = k->fd;

            if (ret_rest) {
                *ret_rest = mem_strdup(k->name + strlen(prefix));
            }
            k->fd = -1;
            free_kept(k);
            return fd;
        }
    }
    return -1;
}

/* Messages from init. */

static struct process *find(struct processes *ps, struct span id)
{
    struct map_node *node = map_get(&ps->by_id, id);

    return node ? MAP_ENTRY(node, struct process, node) : NULL;
}

static int on_spawned(struct processes *ps, const struct frame *f)
{
    struct msg_spawned m;
    struct process *p;
    int fd = f->flags & FRAME_FD ? channel_take_fd(&ps->init) : -1;

    if (msg_spawned_get(f, &m) < 0) {
        return -EPROTO;
    }
    p = find(ps, m.id);
    if (p && m.error != 0) {
        ended(p, &(struct process_end){.error = -(int) m.error});
    } else if (p) {
        started(p, m.pid, m.started_ms, fd);
    } else if (m.error == 0) {
        struct stranger *s = mem_new(struct stranger);

        s->id = mem_strndup(m.id.data, m.id.size);
        s->pid = m.pid;
        s->started_ms = m.started_ms;
        s->output_fd = fd;
        list_push_back(&ps->strangers, &s->link);
    }
    return 0;
}

static int on_exited(struct processes *ps, const struct frame *f)
{
    struct msg_exited m;
    struct process *p;
    struct stranger *s;

    if (msg_exited_get(f, &m) < 0) {
        return -EPROTO;
    }
    p = find(ps, m.id);
    s = find_stranger(ps, m.id);
    if (p) {
        ended(p, &(struct process_end){.exit_code = m.exit_code, .signal = m.signal});
    } else if (s) {
        free_stranger(s);
    }
    return 0;
}

static int on_kept(struct processes *ps, const struct frame *f)
{
    struct msg_kept m;
    struct kept *k;

    if (msg_kept_get(f, &m) < 0) {
        return -EPROTO;
    }
    k = mem_new(struct kept);
    k->name = mem_strndup(m.name.data, m.name.size);
    k->fd = channel_take_fd(&ps->init);
    list_push_back(&ps->kept, &k->link);
    return 0;
}

static int on_message(struct channel *ch, const struct frame *f)
{
    struct processes *ps = CONTAINER_OF(ch, struct processes, init);
    struct msg_stop_all stop;

    switch (f->type) {
    case MSG_SPAWNED: return on_spawned(ps, f);
    case MSG_EXITED: return on_exited(ps, f);
    case MSG_KEPT: return on_kept(ps, f);
    case MSG_ADOPTED: ps->events->on_adopted(ps->user); return 0;
    case MSG_STOP_ALL:
        if (msg_stop_all_get(f, &stop) < 0) {
            return -EPROTO;
        }
        ps->events->on_stop_all(ps->user, stop.grace_ms);
        return 0;
    default: return 0; /* of a newer version */
    }
}

/* Without init there is nothing to do: it takes everything with it. */
static void on_close(struct channel *ch, const struct err *err)
{
    log_info("init is gone", "reason=%s", err->text);
    loop_stop(CONTAINER_OF(ch, struct processes, init)->loop);
}

static const struct channel_events channel_events = {
    .on_message = on_message,
    .on_close = on_close,
};

struct processes *processes_new(struct loop *loop, int fd, const struct processes_events *events,
                                void *user)
{
    struct processes *ps = mem_new(struct processes);
    struct channel_hello hello = {.role = ROLE_NODE, .peer_roles = ROLE_INIT, .name = "node"};

    ps->loop = loop;
    ps->events = events;
    ps->user = user;
    map_init(&ps->by_id);
    list_init(&ps->kept);
    list_init(&ps->strangers);
    channel_init(&ps->init, loop, fd, &hello, &channel_events);
    return ps;
}

void processes_free(struct processes *ps)
{
    if (!ps) {
        return;
    }
    ASSERT(ps->by_id.size == 0);
    while (!list_empty(&ps->strangers)) {
        free_stranger(LIST_ENTRY(ps->strangers.next, struct stranger, link));
    }
    while (!list_empty(&ps->kept)) {
        free_kept(LIST_ENTRY(ps->kept.next, struct kept, link));
    }
    channel_deinit(&ps->init);
    map_deinit(&ps->by_id);
    free(ps);
}

void processes_say_started(struct processes *ps, const char *error)
{
    struct msg_started_all m = {.error = span_of(error)};

    msg_started_all_put(channel_out(&ps->init), 0, 0, &m);
}

void processes_say_stopped(struct processes *ps)
{
    msg_stopped_all_put(channel_out(&ps->init), 0, 0, &(struct msg_stopped_all){0});
}
