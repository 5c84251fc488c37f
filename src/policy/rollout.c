/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rollout.h"

int64_t rollout_size(int64_t target)
{
    return MAX(target / 5, 1);
}

int64_t rollout_at_capacity(int64_t n, double percent)
{
    if (percent < 0 || percent == 100 || n == 0) {
        return n;
    }
    if (percent == 0) {
        return 0;
    }
    return MAX((int64_t) ((double) n * percent / 100 + 0.5), 1);
}

/* Ray Serve's order: leave first, then start where there is room. */
static int64_t stop_first(const struct rollout *r)
{
    int64_t missing = r->target - r->new_running - r->old_running;

    if (r->target == 0 || r->target < r->old_running + r->old_stopping) {
        return 0; /* let those that are leaving make room */
    }
    return MAX(rollout_size(r->target) - MAX(missing, 0), 0);
}

struct rollout_plan rollout_plan(const struct rollout *r)
{
    struct rollout_plan plan = {0};
    int64_t n_new = r->new_pending + r->new_running;
    int64_t room = r->target - n_new;

    if (r->old_running > 0) {
        room = MIN(room, r->target + rollout_size(r->target) - n_new - r->old_running);
    }
    if (!r->is_halted) {
        plan.start = MAX(room, 0);
    }
    plan.stop_new = MAX(n_new - r->target, 0);
    /* More than the target serve: that many old ones are not needed any more. */
    plan.stop_old = MAX(r->old_running + MIN(r->new_running, r->target) - r->target, 0);
    if (r->is_blocked && !r->is_halted) {
        plan.stop_old = MAX(plan.stop_old, stop_first(r));
    }
    plan.stop_old = MIN(plan.stop_old, r->old_running);
    return plan;
}
