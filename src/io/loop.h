/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IO_LOOP_H
#define IO_LOOP_H

/* The event loop: descriptors, timers, signals and turn hooks, single-threaded.  Every object below
 * is embedded in its user's struct and belongs to one loop; none may be touched from another
 * thread. Nothing here blocks but loop_run().  The clock is read once a turn.
 *
 * Callbacks may start, stop and free any object, their own included. */

#include "base/base.h"
#include "base/list.h"

struct loop;

struct loop *loop_new(void) MUST_CHECK;
void loop_free(struct loop *loop); /* NULL is fine; every object must have been stopped */

void loop_run(struct loop *loop);  /* until loop_stop() */
void loop_stop(struct loop *loop); /* after the current turn */

/* One turn; waits at most 'timeout_ms' (-1: until something happens). */
void loop_turn(struct loop *loop, int timeout_ms);

uint64_t loop_now_ms(const struct loop *loop); /* monotonic */
uint64_t loop_now_us(const struct loop *loop);

/* A descriptor.  The loop does not own it: stop the watch before closing it.  Level-triggered;
 * error and hang-up are reported as whatever was asked for. */
enum { IO_READ = 1, IO_WRITE = 2 };

struct io_watch {
    struct loop *loop; /* NULL while stopped */
    int fd;
    unsigned events;
    void (*fn)(struct io_watch *w, unsigned events);
};

void io_watch_start(struct io_watch *w, struct loop *loop, int fd, unsigned events,
                    void (*fn)(struct io_watch *w, unsigned events));
void io_watch_set(struct io_watch *w, unsigned events); /* 0 keeps it registered but silent */
void io_watch_stop(struct io_watch *w);                 /* harmless when stopped */

/* A one-shot timer; starting a running one moves it. */
struct timer {
    struct loop *loop;
    uint64_t at_ms;
    size_t index; /* in the heap, from 1; 0 while stopped */
    void (*fn)(struct timer *t);
};

void timer_init(struct timer *t, struct loop *loop, void (*fn)(struct timer *t));
void timer_start(struct timer *t, uint64_t after_ms);
void timer_stop(struct timer *t); /* harmless when stopped */

static inline bool timer_active(const struct timer *t)
{
    return t->index != 0;
}

/* Runs once at the end of the current turn, after all events: the place to write what they queued.
 */
struct turn_hook {
    struct list link; /* in loop.hooks while scheduled */
    void (*fn)(struct turn_hook *h);
};

void turn_hook_init(struct turn_hook *h, void (*fn)(struct turn_hook *h));
void turn_hook_schedule(struct turn_hook *h, struct loop *loop); /* harmless when scheduled */
void turn_hook_cancel(struct turn_hook *h);

/* Signals by signalfd.  They are blocked in this thread and delivered to 'fn' one by one. */
struct signal_watch {
    struct io_watch io;
    void (*fn)(struct signal_watch *w, int signal_number);
};

/* 'signals' ends with 0. */
int signal_watch_start(struct signal_watch *w, struct loop *loop, const int *signals,
                       void (*fn)(struct signal_watch *w, int signal_number)) MUST_CHECK;
void signal_watch_stop(struct signal_watch *w);

#endif
