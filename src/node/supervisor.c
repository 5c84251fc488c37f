/* SPDX-License-Identifier: Apache-2.0 */
#include "node/supervisor.h"

#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "node/processes.h"

enum {
    RESTART_FIRST_MS = 100,
    RESTART_MAX_MS = 5000,
    STABLE_MS = 10 * 1000,
    N_TROUBLE = 4, /* so many quick ends in a row: it does not come up */
};

struct row {
    const char *name;
    const char *label; /* on the terminal */
    struct span fds;   /* a row of kept descriptors */
    enum log_show show;
};

/* A literal with its last NUL. */
#define ROW(text)                                                                                  \
    {                                                                                              \
        (text), sizeof(text)                                                                       \
    }

static const struct row rows[] = {
    {"controller", "ServeController", ROW("dashboard\0controller\0cluster"), LOG_SHOW_ALL},
    {"proxy", "ServeProxy", ROW("router"), LOG_SHOW_WARNINGS},
};

struct supervised {
    struct supervisor *supervisor;
    const struct row *row;
    struct process process;
    struct timer restart;
    struct timer kill;
    uint64_t started_ms; /* on the loop's clock */
    uint64_t restart_ms;
    unsigned n_quick_ends;
    bool is_stopping;
};

struct supervisor {
    struct node *node;
    struct supervised all[ARRAY_LEN(rows)];
    char trouble[512];
};

static void start(struct supervised *s)
{
    const struct node *n = s->supervisor->node;
    struct buf argv;

    buf_init(&argv);
    row_add(&argv, "model-service");
    row_add(&argv, "%s", s->row->name);
    row_add(&argv, "--session-dir=%s", n->options.session_dir);
    row_add(&argv, "--node-id=%s", n->options.node_id);
    row_add(&argv, "--node-ip=%s", n->options.node_ip);
    s->started_ms = loop_now_ms(n->loop);
    process_start(&s->process,
                  &(struct process_command){.argv = buf_span(&argv), .fds = s->row->fds});
    buf_deinit(&argv);
}

static void on_restart(struct timer *t)
{
    struct supervised *s = CONTAINER_OF(t, struct supervised, restart);

    if (!s->is_stopping) {
        start(s);
    }
}

static void on_started(struct process *p)
{
    struct supervised *s = CONTAINER_OF(p, struct supervised, process);
    struct node *n = s->supervisor->node;
    char *ip CLEANUP(mem_freep) = log_file_name(n->options.node_ip);
    char *file CLEANUP(mem_freep) = s->row == &rows[0]
                                        ? mem_printf("serve/controller_%u.log", p->pid)
                                        : mem_printf("serve/proxy_%s.log", ip);
    char *link CLEANUP(mem_freep) = mem_printf("%s.log", s->row->name);
    enum log_show show = n->options.is_terse ? LOG_SHOW_WARNINGS : s->row->show;

    log_info("a process runs", "name=%s pid=%u", s->row->name, p->pid);
    log_sink_close(&p->log);
    log_sink_open(&p->log, n->logs, file, link, s->row->label, p->pid, show);
}

/* The first time in a while it is started again at once, then ever later. */
static uint64_t next_delay_ms(struct supervised *s)
{
    struct loop *loop = s->supervisor->node->loop;
    uint64_t delay_ms = s->restart_ms;

    if (loop_now_ms(loop) - s->started_ms >= STABLE_MS) {
        s->n_quick_ends = 0;
        s->restart_ms = RESTART_FIRST_MS;
        return 0;
    }
    s->n_quick_ends++;
    if (s->n_quick_ends == 1) {
        return 0;
    }
    s->restart_ms = MIN(s->restart_ms * 2, (uint64_t) RESTART_MAX_MS);
    return delay_ms;
}

static void on_ended(struct process *p, const struct process_end *end)
{
    struct supervised *s = CONTAINER_OF(p, struct supervised, process);
    struct node *n = s->supervisor->node;
    struct buf why;

    timer_stop(&s->kill);
    if (s->is_stopping) {
        log_sink_close(&p->log);
        node_check_stopped(n);
        return;
    }
    buf_init(&why);
    exit_reason(&why, end, tail_lines(&p->log.tail));
    log_sink_close(&p->log);
    timer_start(&s->restart, next_delay_ms(s));
    log_warn("a process has ended and is started again", "name=%s reason=%s", s->row->name,
             buf_cstr(&why));
    if (s->n_quick_ends >= N_TROUBLE) {
        (void) snprintf(s->supervisor->trouble, sizeof(s->supervisor->trouble),
                        "the %s does not come up: %s", s->row->name, buf_cstr(&why));
        node_check_started(n);
    }
    buf_deinit(&why);
}

static const struct process_events process_events = {
    .on_started = on_started,
    .on_ended = on_ended,
};

static void on_kill(struct timer *t)
{
    process_kill(&CONTAINER_OF(t, struct supervised, kill)->process, SIGKILL);
}

struct supervisor *supervisor_new(struct node *n)
{
    struct supervisor *s = mem_new(struct supervisor);

    s->node = n;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct supervised *one = &s->all[i];

        one->supervisor = s;
        one->row = &rows[i];
        one->restart_ms = RESTART_FIRST_MS;
        process_init(&one->process, n->processes, rows[i].name, &process_events);
        timer_init(&one->restart, n->loop, on_restart);
        timer_init(&one->kill, n->loop, on_kill);
    }
    return s;
}

void supervisor_start(struct supervisor *s)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!process_adopt(&s->all[i].process)) {
            start(&s->all[i]);
        }
    }
}

static void stop(struct supervised *s, uint64_t timeout_ms)
{
    s->is_stopping = true;
    timer_stop(&s->restart);
    if (process_is_active(&s->process)) {
        process_kill(&s->process, SIGTERM);
        timer_start(&s->kill, timeout_ms);
    }
}

void supervisor_stop_controller(struct supervisor *s, uint64_t timeout_ms)
{
    stop(&s->all[0], timeout_ms);
}

void supervisor_stop_proxy(struct supervisor *s, uint64_t timeout_ms)
{
    stop(&s->all[1], timeout_ms);
}

bool supervisor_is_idle(const struct supervisor *s)
{
    return !process_is_active(&s->all[0].process) && !process_is_active(&s->all[1].process);
}

const char *supervisor_trouble(const struct supervisor *s)
{
    return s->trouble[0] != '\0' ? s->trouble : NULL;
}

void supervisor_free(struct supervisor *s)
{
    if (!s) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        timer_stop(&s->all[i].restart);
        timer_stop(&s->all[i].kill);
        process_deinit(&s->all[i].process);
    }
    free(s);
}
