/* SPDX-License-Identifier: Apache-2.0 */
/* Observe, decide, act: after any turn in which something was observed or declared.  Idle costs
 * nothing: a timer runs only while a decision waits for its time. */

#include "base/log.h"
#include "controller/controller.h"

enum { MAX_ROUNDS = 1000 };

void controller_wake(struct controller *c)
{
    turn_hook_schedule(&c->reconcile, c->loop);
}

/* One round. True: something changed, another round may find more to do. */
static bool decide_and_act(struct controller *c, uint64_t *due_ms)
{
    struct decision d;
    bool is_changed;

    world_decide(&c->world, loop_now_ms(c->loop), &d);
    if (c->world.is_changed) {
        state_save(c); /* before what was decided leaves this process */
    }
    for (size_t i = 0; i < d.n_actions; i++) {
        act(c, &d.actions[i]);
    }
    is_changed = d.n_actions > 0;
    *due_ms = MIN(*due_ms, d.due_ms);
    decision_deinit(&d);
    is_changed |= snapshot_publish(c, due_ms);
    return is_changed;
}

/* After a restart nothing is decided before the node has told what runs. */
static bool is_still_recovering(struct controller *c)
{
    uint64_t now_ms = loop_now_ms(c->loop);

    if (!c->is_recovering) {
        return false;
    }
    if (!placement_is_up(&c->world.placement) && now_ms < c->recover_until_ms) {
        timer_start(&c->reconcile_timer, c->recover_until_ms - now_ms);
        return true;
    }
    c->is_recovering = false;
    return false;
}

static void log_changes(const struct controller *c)
{
    struct buf message;
    struct app *a;

    buf_init(&message);
    LIST_FOREACH (a, &c->world.apps, link) {
        enum app_state state = app_status(a, &message);

        if (state != a->told) {
            log_info("an application changes", "application=%s from=%s to=%s %s", a->name,
                     app_state_name(a->told), app_state_name(state), buf_cstr(&message));
            a->told = state;
        }
        buf_clear(&message);
    }
    buf_deinit(&message);
}

static void reconcile(struct controller *c)
{
    uint64_t now_ms = loop_now_ms(c->loop);
    uint64_t due_ms = UINT64_MAX;
    unsigned rounds = 0;

    c->world.unix_s = controller_unix_s();
    if (is_still_recovering(c)) {
        if (c->world.is_changed) {
            state_save(c);
        }
        return;
    }
    do {
        due_ms = UINT64_MAX;
        ASSERT(rounds++ < MAX_ROUNDS); /* decisions that never end are a bug */
    } while (decide_and_act(c, &due_ms));
    serve_check_stopped(c);
    log_changes(c);
    if (c->world.is_changed) {
        state_save(c);
    }
    timer_stop(&c->reconcile_timer);
    if (due_ms != UINT64_MAX) {
        timer_start(&c->reconcile_timer, due_ms > now_ms ? due_ms - now_ms : 0);
    }
}

static void on_turn_end(struct turn_hook *h)
{
    reconcile(CONTAINER_OF(h, struct controller, reconcile));
}

static void on_timer(struct timer *t)
{
    controller_wake(CONTAINER_OF(t, struct controller, reconcile_timer));
}

void reconcile_init(struct controller *c)
{
    turn_hook_init(&c->reconcile, on_turn_end);
    timer_init(&c->reconcile_timer, c->loop, on_timer);
    c->is_recovering = true;
    c->recover_until_ms = loop_now_ms(c->loop) + RECOVER_MS;
    controller_wake(c);
}

void reconcile_deinit(struct controller *c)
{
    turn_hook_cancel(&c->reconcile);
    timer_stop(&c->reconcile_timer);
}
