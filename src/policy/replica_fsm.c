/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/replica_fsm.h"

struct step {
    enum replica_state next;
    enum replica_outcome outcome;
};

/* One row a state, one column an event, in the order of their enums. */
#define STAY(state)                                                                                \
    {                                                                                              \
        (state), REPLICA_FINE                                                                      \
    }
static const struct step steps[N_REPLICA_STATES][N_REPLICA_EVENTS] =
    {
        [REPLICA_STARTING] =
            {
                [REPLICA_IS_COMING] = STAY(REPLICA_STARTING),
                [REPLICA_IS_READY] = {REPLICA_RUNNING, REPLICA_FINE},
                [REPLICA_FAILED] = {REPLICA_STOPPING, REPLICA_DID_NOT_START},
                [REPLICA_IS_UNHEALTHY] = {REPLICA_STOPPING, REPLICA_DID_NOT_START},
                [REPLICA_IS_GONE] = {REPLICA_ENDED, REPLICA_DID_NOT_START},
                [REPLICA_STOP] = {REPLICA_STOPPING, REPLICA_FINE},
                [REPLICA_UPDATE] = STAY(REPLICA_STARTING), /* once it runs */
                [REPLICA_REMEMBER] = {REPLICA_RECOVERING, REPLICA_FINE},
            },
        [REPLICA_UPDATING] =
            {
                [REPLICA_IS_COMING] = STAY(REPLICA_UPDATING),
                [REPLICA_IS_READY] = {REPLICA_RUNNING, REPLICA_FINE},
                [REPLICA_FAILED] = {REPLICA_STOPPING, REPLICA_DID_NOT_START},
                [REPLICA_IS_UNHEALTHY] = {REPLICA_STOPPING, REPLICA_BROKE},
                [REPLICA_IS_GONE] = {REPLICA_ENDED, REPLICA_BROKE},
                [REPLICA_STOP] = {REPLICA_STOPPING, REPLICA_FINE},
                [REPLICA_UPDATE] = {REPLICA_UPDATING, REPLICA_FINE}, /* to a config newer still */
                [REPLICA_REMEMBER] = STAY(REPLICA_UPDATING),
            },
        [REPLICA_RECOVERING] =
            {
                [REPLICA_IS_COMING] = {REPLICA_STARTING, REPLICA_FINE},
                [REPLICA_IS_READY] = {REPLICA_RUNNING, REPLICA_FINE},
                [REPLICA_FAILED] = {REPLICA_STOPPING, REPLICA_DID_NOT_START},
                [REPLICA_IS_UNHEALTHY] = {REPLICA_STOPPING, REPLICA_BROKE},
                [REPLICA_IS_GONE] = {REPLICA_ENDED, REPLICA_FINE}, /* while we were away */
                [REPLICA_STOP] = {REPLICA_STOPPING, REPLICA_FINE},
                [REPLICA_UPDATE] = STAY(REPLICA_RECOVERING),
                [REPLICA_REMEMBER] = STAY(REPLICA_RECOVERING),
            },
        [REPLICA_RUNNING] =
            {
                [REPLICA_IS_COMING] = STAY(REPLICA_RUNNING),
                [REPLICA_IS_READY] = STAY(REPLICA_RUNNING),
                [REPLICA_FAILED] = {REPLICA_STOPPING, REPLICA_BROKE},
                [REPLICA_IS_UNHEALTHY] = {REPLICA_STOPPING, REPLICA_BROKE},
                [REPLICA_IS_GONE] = {REPLICA_ENDED, REPLICA_BROKE},
                [REPLICA_STOP] = {REPLICA_STOPPING, REPLICA_FINE},
                [REPLICA_UPDATE] = {REPLICA_UPDATING, REPLICA_FINE},
                [REPLICA_REMEMBER] = STAY(REPLICA_RUNNING),
            },
        [REPLICA_STOPPING] =
            {
                [REPLICA_IS_COMING] = STAY(REPLICA_STOPPING),
                [REPLICA_IS_READY] = STAY(REPLICA_STOPPING),
                [REPLICA_FAILED] = STAY(REPLICA_STOPPING),
                [REPLICA_IS_UNHEALTHY] = STAY(REPLICA_STOPPING),
                [REPLICA_IS_GONE] = {REPLICA_ENDED, REPLICA_FINE},
                [REPLICA_STOP] = STAY(REPLICA_STOPPING),
                [REPLICA_UPDATE] = STAY(REPLICA_STOPPING),
                [REPLICA_REMEMBER] = STAY(REPLICA_STOPPING),
            },
        [REPLICA_ENDED] =
            {
                [REPLICA_IS_COMING] = STAY(REPLICA_ENDED),
                [REPLICA_IS_READY] = STAY(REPLICA_ENDED),
                [REPLICA_FAILED] = STAY(REPLICA_ENDED),
                [REPLICA_IS_UNHEALTHY] = STAY(REPLICA_ENDED),
                [REPLICA_IS_GONE] = STAY(REPLICA_ENDED),
                [REPLICA_STOP] = STAY(REPLICA_ENDED),
                [REPLICA_UPDATE] = STAY(REPLICA_ENDED),
                [REPLICA_REMEMBER] = STAY(REPLICA_ENDED),
            },
};
#undef STAY

enum replica_outcome replica_feed(struct replica *r, enum replica_event event, uint64_t now_ms)
{
    struct step step;

    ASSERT(r->state < N_REPLICA_STATES && event < N_REPLICA_EVENTS);
    step = steps[r->state][event];
    if (step.next != r->state) {
        r->state = step.next;
        r->since_ms = now_ms;
        r->is_asked = false;
        r->has_served |= replica_serves(r);
    } else if (event == REPLICA_UPDATE) {
        r->is_asked = false; /* the newer config is still to be sent */
    }
    return step.outcome;
}

const char *replica_state_name(enum replica_state state)
{
    static const char *const names[N_REPLICA_STATES] = {
        [REPLICA_STARTING] = "STARTING",     [REPLICA_UPDATING] = "UPDATING",
        [REPLICA_RECOVERING] = "RECOVERING", [REPLICA_RUNNING] = "RUNNING",
        [REPLICA_STOPPING] = "STOPPING",     [REPLICA_ENDED] = "STOPPING",
    };

    return names[state];
}
