/* SPDX-License-Identifier: Apache-2.0 */
#include "io/loop.h"

#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_EVENTS = 128 };

struct loop {
    int epoll_fd;
    bool stopping;
    uint64_t now_us;
    struct timer **heap; /* 1-based binary heap by at_ms; n_timers of them; not owned */
    size_t n_timers;
    size_t heap_capacity;
    struct list hooks; /* of struct turn_hook.link; not owned */

    /* The events of the current turn: a watch that stops is taken out of those still to come. */
    struct epoll_event ready[MAX_EVENTS];
    int n_ready;
};

static void read_clock(struct loop *loop)
{
    struct timespec ts;

    ASSERT(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    loop->now_us = (uint64_t) ts.tv_sec * 1000000u + (uint64_t) ts.tv_nsec / 1000u;
}

struct loop *loop_new(void)
{
    struct loop *loop = mem_new(struct loop);

    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    ASSERT(loop->epoll_fd >= 0);
    list_init(&loop->hooks);
    read_clock(loop);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop) {
        ASSERT(loop->n_timers == 0 && list_empty(&loop->hooks));
        (void) close(loop->epoll_fd);
        free(loop->heap);
        free(loop);
    }
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_us / 1000u;
}

uint64_t loop_now_us(const struct loop *loop)
{
    return loop->now_us;
}

/* Descriptors. */

static uint32_t to_epoll(unsigned events)
{
    return (events & IO_READ ? (uint32_t) EPOLLIN | (uint32_t) EPOLLRDHUP : 0) |
           (events & IO_WRITE ? (uint32_t) EPOLLOUT : 0);
}

static unsigned from_epoll(uint32_t events, unsigned wanted)
{
    unsigned got = 0;

    if (events & ((uint32_t) EPOLLIN | (uint32_t) EPOLLRDHUP)) {
        got |= IO_READ;
    }
    if (events & (uint32_t) EPOLLOUT) {
        got |= IO_WRITE;
    }
    if (events & ((uint32_t) EPOLLERR | (uint32_t) EPOLLHUP)) {
        got |= IO_READ | IO_WRITE;
    }
    return got & wanted;
}

void io_watch_start(struct io_watch *w, struct loop *loop, int fd, unsigned events,
                    void (*fn)(struct io_watch *w, unsigned events))
{
    struct epoll_event ev = {.events = to_epoll(events), .data.ptr = w};

    ASSERT(fd >= 0 && fn);
    *w = (struct io_watch){.loop = loop, .fd = fd, .events = events, .fn = fn};
    ASSERT(epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0);
}

void io_watch_set(struct io_watch *w, unsigned events)
{
    struct epoll_event ev = {.events = to_epoll(events), .data.ptr = w};

    ASSERT(w->loop);
    if (w->events != events) {
        w->events = events;
        ASSERT(epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) == 0);
    }
}

void io_watch_stop(struct io_watch *w)
{
    struct loop *loop = w->loop;

    if (!loop) {
        return;
    }
    ASSERT(epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL) == 0);
    for (int i = 0; i < loop->n_ready; i++) {
        if (loop->ready[i].data.ptr == w) {
            loop->ready[i].data.ptr = NULL;
        }
    }
    w->loop = NULL;
}

/* Timers. */

static void heap_place(struct loop *loop, size_t index, struct timer *t)
{
    loop->heap[index] = t;
    t->index = index;
}

static void heap_up(struct loop *loop, size_t index)
{
    struct timer *t = loop->heap[index];

    while (index > 1 && loop->heap[index / 2]->at_ms > t->at_ms) {
        heap_place(loop, index, loop->heap[index / 2]);
        index /= 2;
    }
    heap_place(loop, index, t);
}

static void heap_down(struct loop *loop, size_t index)
{
    struct timer *t = loop->heap[index];

    for (;;) {
        size_t child = index * 2;

        if (child > loop->n_timers) {
            break;
        }
        if (child < loop->n_timers && loop->heap[child + 1]->at_ms < loop->heap[child]->at_ms) {
            child++;
        }
        if (loop->heap[child]->at_ms >= t->at_ms) {
            break;
        }
        heap_place(loop, index, loop->heap[child]);
        index = child;
    }
    heap_place(loop, index, t);
}

void timer_init(struct timer *t, struct loop *loop, void (*fn)(struct timer *t))
{
    *t = (struct timer){.loop = loop, .fn = fn};
}

void timer_start(struct timer *t, uint64_t after_ms)
{
    struct loop *loop = t->loop;

    ASSERT(loop && t->fn);
    timer_stop(t);
    t->at_ms = loop_now_ms(loop) + after_ms;
    if (loop->n_timers + 2 > loop->heap_capacity) {
        loop->heap_capacity = loop->heap_capacity ? loop->heap_capacity * 2 : 64;
        loop->heap = mem_realloc(loop->heap, loop->heap_capacity * sizeof(struct timer *));
    }
    loop->n_timers++;
    heap_place(loop, loop->n_timers, t);
    heap_up(loop, t->index);
}

void timer_stop(struct timer *t)
{
    struct loop *loop = t->loop;
    size_t index = t->index;

    if (index == 0) {
        return;
    }
    ASSERT(loop->heap[index] == t);
    t->index = 0;
    if (index != loop->n_timers) {
        heap_place(loop, index, loop->heap[loop->n_timers]);
        loop->n_timers--;
        heap_up(loop, index);
        heap_down(loop, loop->heap[index]->index);
    } else {
        loop->n_timers--;
    }
}

static void run_timers(struct loop *loop)
{
    uint64_t now_ms = loop_now_ms(loop);

    while (loop->n_timers > 0 && loop->heap[1]->at_ms <= now_ms) {
        struct timer *t = loop->heap[1];

        timer_stop(t);
        t->fn(t);
    }
}

/* Turn hooks. */

void turn_hook_init(struct turn_hook *h, void (*fn)(struct turn_hook *h))
{
    list_init(&h->link);
    h->fn = fn;
}

void turn_hook_schedule(struct turn_hook *h, struct loop *loop)
{
    if (!list_linked(&h->link)) {
        list_push_back(&loop->hooks, &h->link);
    }
}

void turn_hook_cancel(struct turn_hook *h)
{
    list_remove(&h->link);
}

/* Hooks that are scheduled by hooks run in the same turn. */
static void run_hooks(struct loop *loop)
{
    struct list *entry;

    while ((entry = list_pop_front(&loop->hooks))) {
        struct turn_hook *h = LIST_ENTRY(entry, struct turn_hook, link);

        h->fn(h);
    }
}

/* The turn. */

static int wait_ms(const struct loop *loop, int timeout_ms)
{
    uint64_t now_ms = loop_now_ms(loop);
    uint64_t due_ms;

    if (!list_empty(&loop->hooks)) {
        return 0;
    }
    if (loop->n_timers == 0) {
        return timeout_ms;
    }
    due_ms = loop->heap[1]->at_ms > now_ms ? loop->heap[1]->at_ms - now_ms : 0;
    if (timeout_ms >= 0 && (uint64_t) timeout_ms < due_ms) {
        return timeout_ms;
    }
    return (int) MIN(due_ms, (uint64_t) INT_MAX);
}

void loop_turn(struct loop *loop, int timeout_ms)
{
    int n;

    read_clock(loop);
    n = epoll_wait(loop->epoll_fd, loop->ready, MAX_EVENTS, wait_ms(loop, timeout_ms));
    ASSERT(n >= 0 || errno == EINTR);
    loop->n_ready = MAX(n, 0);
    read_clock(loop);
    for (int i = 0; i < loop->n_ready; i++) {
        struct io_watch *w = loop->ready[i].data.ptr;
        unsigned events = w ? from_epoll(loop->ready[i].events, w->events) : 0;

        if (events) {
            w->fn(w, events);
        } else if (w && w->events == 0) {
            /* A broken descriptor that nobody wants to hear of would wake us for ever. */
            w->fn(w, IO_READ);
        }
    }
    loop->n_ready = 0;
    run_timers(loop);
    run_hooks(loop);
}

void loop_run(struct loop *loop)
{
    loop->stopping = false;
    while (!loop->stopping) {
        loop_turn(loop, -1);
    }
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

/* Signals. */

static void on_signal(struct io_watch *w, unsigned events)
{
    struct signal_watch *s = CONTAINER_OF(w, struct signal_watch, io);
    struct signalfd_siginfo info;

    (void) events;
    if (read(w->fd, &info, sizeof(info)) == (ssize_t) sizeof(info)) {
        s->fn(s, (int) info.ssi_signo);
    }
}

int signal_watch_start(struct signal_watch *w, struct loop *loop, const int *signals,
                       void (*fn)(struct signal_watch *w, int signal_number))
{
    sigset_t set;
    int fd;

    (void) sigemptyset(&set);
    for (; *signals; signals++) {
        (void) sigaddset(&set, *signals);
    }
    int r = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (r != 0) {
        return -r;
    }
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    w->fn = fn;
    io_watch_start(&w->io, loop, fd, IO_READ, on_signal);
    return 0;
}

void signal_watch_stop(struct signal_watch *w)
{
    int fd = w->io.fd;

    if (w->io.loop) {
        io_watch_stop(&w->io);
        (void) close(fd);
    }
}
