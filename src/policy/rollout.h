/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_ROLLOUT_H
#define POLICY_ROLLOUT_H

/* How a deployment gets from the replicas it has to those it should have: counts in, counts out.
 * A new version's replicas start first and old ones leave as new ones serve; only where there is no
 * room for more do some old ones leave first, as many at a time as Ray Serve takes. */

#include "base/base.h"

struct rollout {
    int64_t target;
    int64_t old_running;  /* of another version, serving */
    int64_t old_stopping; /* of another version, on their way out */
    int64_t new_pending;  /* of the wanted version, not serving yet */
    int64_t new_running;
    bool is_blocked; /* one of the wanted version waits for room that old ones hold */
    bool is_halted;  /* the wanted version cannot start: touch nothing */
};

struct rollout_plan {
    int64_t start;
    int64_t stop_old; /* of those that serve; an old one that does not serve yet always stops */
    int64_t stop_new; /* too many: pending ones first */
};

struct rollout_plan rollout_plan(const struct rollout *r);

/* How many replicas may be out, or being updated in place, at a time. */
int64_t rollout_size(int64_t target);

/* target_capacity: so many of 'n' at 'percent' (negative: no capacity is set). */
int64_t rollout_at_capacity(int64_t n, double percent);

#endif
