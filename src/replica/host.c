/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/host_priv.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
    HOLD_MS = 2,      /* the first look after held answers, */
    HOLD_MAX_MS = 64, /* and the longest pause between looks while user code blocks */
    FAREWELL_MS = 1000,
    PATIENCE_MS = 10000,
};

/* Waking. */

void host_kick(struct host *h)
{
    if (h->is_asleep && !h->is_woken) {
        h->is_woken = true;
        (void) eventfd_write(h->wake_fd, 1);
    }
}

void host_kick_answer(struct host *h)
{
    if (!h->is_holding) {
        host_kick(h);
    }
}

static void on_wake(struct io_watch *w, unsigned events)
{
    struct host *h = CONTAINER_OF(w, struct host, wake);
    eventfd_t n;

    (void) events;
    (void) eventfd_read(w->fd, &n);
    (void) pthread_mutex_lock(&h->lock);
    h->is_woken = false;
    (void) pthread_mutex_unlock(&h->lock);
}

void host_signal(struct host *h)
{
    if (h->n_waiting > 0) {
        (void) pthread_cond_broadcast(&h->changed);
    }
    if (!h->is_signalled && !list_empty(&h->events)) {
        h->is_signalled = true;
        (void) eventfd_write(h->events_fd, 1);
    }
}

struct timespec host_deadline(uint64_t timeout_ms)
{
    struct timespec ts;

    timeout_ms = MIN(timeout_ms, (uint64_t) INT32_MAX);
    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += (time_t) (timeout_ms / 1000);
    ts.tv_nsec += (long) (timeout_ms % 1000) * 1000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
    }
    return ts;
}

bool host_wait_change(struct host *h, const struct timespec *until)
{
    int r;

    h->n_waiting++;
    r = pthread_cond_timedwait(&h->changed, &h->lock, until);
    h->n_waiting--;
    return r == 0;
}

/* Events. */

struct host_event *host_event_new(enum host_event_type type, uint64_t id, struct span memory)
{
    struct host_event *e = malloc(sizeof(*e) + memory.size);

    ASSERT(e);
    memset(e, 0, sizeof(*e));
    list_init(&e->link);
    e->type = type;
    e->id = id;
    if (memory.size > 0) {
        memcpy(e->memory, memory.data, memory.size);
    }
    return e;
}

void host_event_free(struct host_event *e)
{
    if (e) {
        buf_deinit(&e->gathered);
        free(e);
    }
}

void host_event_put(struct host *h, struct host_event *e)
{
    list_push_back(&h->events, &e->link);
}

int host_fd(const struct host *h)
{
    return h->events_fd;
}

void host_take(struct host *h, bool hold, struct list *ret_events)
{
    struct host_event *e;
    eventfd_t n;

    (void) pthread_mutex_lock(&h->lock);
    if (h->is_dead) {
        (void) pthread_mutex_unlock(&h->lock);
        return;
    }
    /* When the I/O thread has yet to write it, it stays signalled, for the write is coming. */
    if (h->is_signalled && eventfd_read(h->events_fd, &n) == 0) {
        h->is_signalled = false;
    }
    LIST_FOREACH (e, &h->events, link) {
        if (e->request) {
            host_request_begin(h, e->request);
            e->request = NULL;
        }
    }
    h->is_holding = hold && !list_empty(&h->events);
    list_splice_back(ret_events, &h->events);
    if (hold != h->uses_hold || (!hold && buf_size(&h->links[LINK_ROUTER].out) > 0)) {
        h->uses_hold = hold;
        host_kick(h);
    }
    (void) pthread_mutex_unlock(&h->lock);
}

void host_flush(struct host *h)
{
    (void) pthread_mutex_lock(&h->lock);
    h->is_holding = false;
    if (!h->is_dead && buf_size(&h->links[LINK_ROUTER].out) > 0) {
        host_kick(h);
    }
    (void) pthread_mutex_unlock(&h->lock);
}

bool host_wait(struct host *h, uint64_t timeout_ms)
{
    struct timespec until = host_deadline(timeout_ms);
    bool has_events;

    (void) pthread_mutex_lock(&h->lock);
    while (list_empty(&h->events) && !h->is_dead && !h->stopping && host_wait_change(h, &until)) {
    }
    has_events = !list_empty(&h->events);
    (void) pthread_mutex_unlock(&h->lock);
    return has_events;
}

void host_read(struct host *h, uint64_t id, size_t size)
{
    (void) pthread_mutex_lock(&h->lock);
    if (!h->is_dead) {
        size_t had = buf_size(&router_of(h)->out);

        if (id & 1) {
            host_call_read(h, id, size);
        } else {
            host_request_read(h, id, size);
        }
        if (buf_size(&router_of(h)->out) > had) {
            host_kick_answer(h);
        }
    }
    (void) pthread_mutex_unlock(&h->lock);
}

/* The I/O thread. */

/* Moves what others have queued to the channels; false when it is time to end. */
static bool collect(struct host *h, uint64_t farewell_ms)
{
    bool busy = false;
    bool stopping;

    (void) pthread_mutex_lock(&h->lock);
    for (int i = 0; i < N_LINKS; i++) {
        busy = host_link_collect(&h->links[i]) || busy;
    }
    h->is_asleep = true;
    stopping = h->stopping;
    (void) pthread_mutex_unlock(&h->lock);
    return !stopping || (busy && loop_now_ms(h->loop) < farewell_ms);
}

/* How long the next turn may wait.  While answers may be held it looks again now and then. */
static int pause_ms(struct host *h, int last_ms, bool has_signalled)
{
    int ms = -1;

    if (h->stopping) {
        ms = HOLD_MS;
    } else if (h->uses_hold && (h->is_signalled || h->is_holding)) {
        ms = has_signalled || last_ms <= 0 ? HOLD_MS : MIN(last_ms * 2, HOLD_MAX_MS);
    }
    return ms;
}

static void *run(void *arg)
{
    struct host *h = arg;
    uint64_t farewell_ms = UINT64_MAX;
    int wait_ms = 0;

    while (collect(h, farewell_ms)) {
        bool was_signalled;

        for (int i = 0; i < N_LINKS; i++) {
            host_link_flush(&h->links[i]);
        }
        loop_turn(h->loop, wait_ms);
        (void) pthread_mutex_lock(&h->lock);
        h->is_asleep = false;
        was_signalled = h->is_signalled;
        host_signal(h);
        wait_ms = pause_ms(h, wait_ms, !was_signalled && h->is_signalled);
        if (h->stopping && farewell_ms == UINT64_MAX) {
            farewell_ms = loop_now_ms(h->loop) + FAREWELL_MS;
        }
        (void) pthread_mutex_unlock(&h->lock);
    }
    (void) pthread_mutex_lock(&h->lock);
    for (int i = 0; i < N_LINKS; i++) {
        host_link_stop(&h->links[i]);
    }
    timer_stop(&h->patience);
    io_watch_stop(&h->wake);
    if (h->lifeline.loop) {
        io_watch_stop(&h->lifeline);
    }
    (void) pthread_mutex_unlock(&h->lock);
    return NULL;
}

/* Nobody supervises us any more: neither we nor what user code has started may stay behind. */
static void on_lifeline(struct io_watch *w, unsigned events)
{
    int n = 0;

    (void) events;
    if (ioctl(w->fd, FIONREAD, &n) < 0 || n == 0) {
        (void) kill(0, SIGKILL);
    }
    io_watch_stop(w);
}

static void on_patience(struct timer *t)
{
    struct host *h = CONTAINER_OF(t, struct host, patience);

    (void) pthread_mutex_lock(&h->lock);
    if (!router_of(h)->is_up) {
        host_calls_give_up(h);
        timer_start(t, PATIENCE_MS);
    }
    (void) pthread_mutex_unlock(&h->lock);
}

/* Fork: a child of user code has no links. */

/* Global because pthread_atfork() knows no context. */
static struct {
    pthread_once_t once;
    pthread_mutex_t lock;
    struct list hosts; /* of struct host.in_hosts; not owned */
} forks = {PTHREAD_ONCE_INIT, PTHREAD_MUTEX_INITIALIZER, {&forks.hosts, &forks.hosts}};

static void before_fork(void)
{
    struct host *h;

    (void) pthread_mutex_lock(&forks.lock);
    LIST_FOREACH (h, &forks.hosts, in_hosts) {
        (void) pthread_mutex_lock(&h->lock);
    }
}

static void after_fork_in_parent(void)
{
    struct host *h;

    LIST_FOREACH (h, &forks.hosts, in_hosts) {
        (void) pthread_mutex_unlock(&h->lock);
    }
    (void) pthread_mutex_unlock(&forks.lock);
}

static void after_fork_in_child(void)
{
    struct host *h;

    LIST_FOREACH (h, &forks.hosts, in_hosts) {
        for (int i = 0; i < N_LINKS; i++) {
            if (h->links[i].is_open) {
                (void) close(h->links[i].channel.stream.fd);
            }
            h->links[i].is_open = false;
        }
        (void) close(h->wake_fd);
        (void) close(h->events_fd);
        if (h->lifeline.loop) {
            (void) close(h->lifeline.fd);
        }
        h->events_fd = -1;
        h->is_dead = true;
        (void) pthread_mutex_unlock(&h->lock);
    }
    (void) pthread_mutex_unlock(&forks.lock);
}

static void watch_forks(void)
{
    (void) pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

bool host_is_alive(const struct host *h)
{
    return !h->is_dead;
}

/* Beginning and end. */

static void init_sync(struct host *h)
{
    pthread_condattr_t attr;

    ASSERT(pthread_mutex_init(&h->lock, NULL) == 0);
    ASSERT(pthread_condattr_init(&attr) == 0);
    ASSERT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    ASSERT(pthread_cond_init(&h->changed, &attr) == 0);
    (void) pthread_condattr_destroy(&attr);
    h->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    h->events_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(h->wake_fd >= 0 && h->events_fd >= 0);
}

/* Signals are for the user's threads. */
static void start_thread(struct host *h)
{
    sigset_t all;
    sigset_t old;

    (void) sigfillset(&all);
    ASSERT(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
    ASSERT(pthread_create(&h->thread, NULL, run, h) == 0);
    ASSERT(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    (void) pthread_setname_np(h->thread, "model-service");
}

struct host *host_new(const struct host_config *config)
{
    struct host *h = mem_new(struct host);
    struct timespec now;

    ASSERT(config->role == ROLE_REPLICA || config->role == ROLE_DRIVER);
    (void) pthread_once(&forks.once, watch_forks);
    init_sync(h);
    (void) clock_gettime(CLOCK_REALTIME, &now);
    h->incarnation = (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
    h->role = config->role;
    h->session_dir = mem_strdup(config->session_dir);
    h->name = mem_strdup(config->name);
    h->token = mem_strdup(config->token);
    h->last_id = 1;
    list_init(&h->events);
    map_init(&h->requests);
    map_init(&h->calls);
    map_init(&h->lookups);
    h->loop = loop_new();
    io_watch_start(&h->wake, h->loop, h->wake_fd, IO_READ, on_wake);
    timer_init(&h->patience, h->loop, on_patience);
    timer_start(&h->patience, PATIENCE_MS);
    if (config->lifeline_fd >= 0) {
        (void) fcntl(config->lifeline_fd, F_SETFD, FD_CLOEXEC);
        io_watch_start(&h->lifeline, h->loop, config->lifeline_fd, IO_READ, on_lifeline);
    }
    host_link_init(router_of(h), h, "router");
    host_link_init(&h->links[LINK_NODE], h, "node");
    host_link_want(h->role == ROLE_REPLICA ? &h->links[LINK_NODE] : router_of(h),
                   config->info_json);

    (void) pthread_mutex_lock(&forks.lock);
    list_push_back(&forks.hosts, &h->in_hosts);
    (void) pthread_mutex_unlock(&forks.lock);
    start_thread(h);
    return h;
}

void host_join(struct host *h, const char *info_json)
{
    (void) pthread_mutex_lock(&h->lock);
    if (!h->is_dead) {
        host_link_want(router_of(h), info_json);
        host_kick(h);
    }
    (void) pthread_mutex_unlock(&h->lock);
}

static void free_memory(struct host *h)
{
    struct list *entry;

    host_requests_free(h);
    host_calls_free(h);
    map_deinit(&h->lookups);
    while ((entry = list_pop_front(&h->events))) {
        host_event_free(LIST_ENTRY(entry, struct host_event, link));
    }
    for (int i = 0; i < N_LINKS; i++) {
        buf_deinit(&h->links[i].out);
        free(h->links[i].info_json);
    }
    free(h->session_dir);
    free(h->name);
    free(h->token);
    free(h);
}

void host_stop(struct host *h)
{
    if (h->is_dead) {
        return;
    }
    (void) pthread_mutex_lock(&h->lock);
    h->stopping = true;
    host_kick(h);
    (void) pthread_cond_broadcast(&h->changed);
    (void) pthread_mutex_unlock(&h->lock);
    (void) pthread_join(h->thread, NULL);

    (void) pthread_mutex_lock(&forks.lock);
    list_remove(&h->in_hosts);
    (void) pthread_mutex_unlock(&forks.lock);
    (void) pthread_mutex_lock(&h->lock);
    h->is_dead = true;
    h->is_joined = true;
    (void) pthread_mutex_unlock(&h->lock);
}

void host_free(struct host *h)
{
    if (!h) {
        return;
    }
    host_stop(h);
    if (!h->is_joined) {
        return; /* in a forked child: the parent's thread may have been anywhere in it */
    }
    loop_free(h->loop);
    (void) close(h->wake_fd);
    (void) close(h->events_fd);
    (void) pthread_cond_destroy(&h->changed);
    (void) pthread_mutex_destroy(&h->lock);
    free_memory(h);
}
