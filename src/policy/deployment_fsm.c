/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/deployment_fsm.h"

/* Only events that apply have an entry; all others leave status, trigger and message alone. */
struct step {
    bool applies;
    bool keeps_trigger;
    enum deployment_state next;
    enum deployment_trigger trigger;
};

#define TO(state, cause)                                                                           \
    {                                                                                              \
        .applies = true, .next = DEPLOYMENT_##state, .trigger = TRIGGER_##cause                    \
    }
#define MESSAGE_ONLY(state)                                                                        \
    {                                                                                              \
        .applies = true, .keeps_trigger = true, .next = DEPLOYMENT_##state                         \
    }

/* The same from every state. */
#define ALWAYS(state)                                                                              \
    [DEPLOYMENT_CHANGED] = TO(UPDATING, CONFIG_UPDATE_STARTED),                                    \
    [DEPLOYMENT_RETRIES] = MESSAGE_ONLY(state),                                                    \
    [DEPLOYMENT_INTERNAL_ERROR] = TO(UNHEALTHY, INTERNAL_ERROR),                                   \
    [DEPLOYMENT_DELETED] = TO(UPDATING, DELETING)
#define SCALES_BY_CONFIG                                                                           \
    [DEPLOYMENT_RAISED] = TO(UPSCALING, CONFIG_UPDATE_STARTED), [DEPLOYMENT_LOWERED] =             \
                                                                    TO(DOWNSCALING,                \
                                                                       CONFIG_UPDATE_STARTED)
#define SCALES_BY_LOAD                                                                             \
    [DEPLOYMENT_AUTO_RAISED] = TO(UPSCALING, AUTOSCALING), [DEPLOYMENT_AUTO_LOWERED] =             \
                                                               TO(DOWNSCALING, AUTOSCALING)
#define FAILS_TO(state)                                                                            \
    [DEPLOYMENT_REPLICA_BROKE] = TO(state, HEALTH_CHECK_FAILED), [DEPLOYMENT_CANNOT_START] =       \
                                                                     TO(state,                     \
                                                                        REPLICA_STARTUP_FAILED)

static const struct step steps[N_DEPLOYMENT_STATES][N_DEPLOYMENT_EVENTS] = {
    [DEPLOYMENT_UPDATING] =
        {ALWAYS(UPDATING), SCALES_BY_LOAD,
         FAILS_TO(DEPLOY_FAILED), [DEPLOYMENT_IS_COMPLETE] = TO(HEALTHY, CONFIG_UPDATE_COMPLETED)},
    [DEPLOYMENT_HEALTHY] =
        {ALWAYS(HEALTHY), SCALES_BY_CONFIG,
         SCALES_BY_LOAD, [DEPLOYMENT_REPLICA_BROKE] = TO(UNHEALTHY, HEALTH_CHECK_FAILED),
         [DEPLOYMENT_CANNOT_START] = MESSAGE_ONLY(HEALTHY),
         [DEPLOYMENT_IS_COMPLETE] = MESSAGE_ONLY(HEALTHY)},
    [DEPLOYMENT_UNHEALTHY] =
        {ALWAYS(UNHEALTHY),
         FAILS_TO(UNHEALTHY), [DEPLOYMENT_IS_COMPLETE] = TO(HEALTHY, UNSPECIFIED)},
    [DEPLOYMENT_DEPLOY_FAILED] =
        {ALWAYS(DEPLOY_FAILED),
         FAILS_TO(DEPLOY_FAILED), [DEPLOYMENT_IS_COMPLETE] = TO(HEALTHY, UNSPECIFIED)},
    [DEPLOYMENT_UPSCALING] =
        {ALWAYS(UPSCALING), SCALES_BY_CONFIG, SCALES_BY_LOAD,
         FAILS_TO(UNHEALTHY), [DEPLOYMENT_IS_COMPLETE] = TO(HEALTHY, UPSCALE_COMPLETED)},
    [DEPLOYMENT_DOWNSCALING] =
        {ALWAYS(DOWNSCALING), SCALES_BY_CONFIG, SCALES_BY_LOAD,
         FAILS_TO(UNHEALTHY), [DEPLOYMENT_IS_COMPLETE] = TO(HEALTHY, DOWNSCALE_COMPLETED)},
};

void deployment_status_init(struct deployment_status *s)
{
    *s = (struct deployment_status){.state = DEPLOYMENT_UPDATING,
                                    .trigger = TRIGGER_CONFIG_UPDATE_STARTED,
                                    .message = mem_strdup("")};
}

void deployment_status_deinit(struct deployment_status *s)
{
    free(s->message);
    s->message = NULL;
}

bool deployment_status_feed(struct deployment_status *s, enum deployment_event event,
                            const char *message)
{
    struct step step;
    enum deployment_trigger trigger;
    const char *text = message ? message : "";

    ASSERT(s->state < N_DEPLOYMENT_STATES && event < N_DEPLOYMENT_EVENTS);
    step = steps[s->state][event];
    if (!step.applies) {
        return false;
    }
    trigger = step.keeps_trigger ? s->trigger : step.trigger;
    if (s->state == step.next && s->trigger == trigger && strcmp(s->message, text) == 0) {
        return false;
    }
    s->state = step.next;
    s->trigger = trigger;
    if (strcmp(s->message, text) != 0) {
        free(s->message);
        s->message = mem_strdup(text);
    }
    return true;
}

const char *deployment_state_name(enum deployment_state state)
{
    static const char *const names[N_DEPLOYMENT_STATES] = {
        [DEPLOYMENT_UPDATING] = "UPDATING",   [DEPLOYMENT_HEALTHY] = "HEALTHY",
        [DEPLOYMENT_UNHEALTHY] = "UNHEALTHY", [DEPLOYMENT_DEPLOY_FAILED] = "DEPLOY_FAILED",
        [DEPLOYMENT_UPSCALING] = "UPSCALING", [DEPLOYMENT_DOWNSCALING] = "DOWNSCALING",
    };

    return names[state];
}

const char *deployment_trigger_name(enum deployment_trigger trigger)
{
    static const char *const names[N_TRIGGERS] = {
        [TRIGGER_UNSPECIFIED] = "UNSPECIFIED",
        [TRIGGER_CONFIG_UPDATE_STARTED] = "CONFIG_UPDATE_STARTED",
        [TRIGGER_CONFIG_UPDATE_COMPLETED] = "CONFIG_UPDATE_COMPLETED",
        [TRIGGER_UPSCALE_COMPLETED] = "UPSCALE_COMPLETED",
        [TRIGGER_DOWNSCALE_COMPLETED] = "DOWNSCALE_COMPLETED",
        [TRIGGER_AUTOSCALING] = "AUTOSCALING",
        [TRIGGER_REPLICA_STARTUP_FAILED] = "REPLICA_STARTUP_FAILED",
        [TRIGGER_HEALTH_CHECK_FAILED] = "HEALTH_CHECK_FAILED",
        [TRIGGER_INTERNAL_ERROR] = "INTERNAL_ERROR",
        [TRIGGER_DELETING] = "DELETING",
    };

    return names[trigger];
}
