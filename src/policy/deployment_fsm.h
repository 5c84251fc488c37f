/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_DEPLOYMENT_FSM_H
#define POLICY_DEPLOYMENT_FSM_H

/* The status of a deployment: what users, tools and KubeRay read, to the letter of Ray Serve's
 * table of transitions (ray-serve.md §2.8).  Events in; status, trigger and message out. */

#include "base/base.h"

enum deployment_state {
    DEPLOYMENT_UPDATING,
    DEPLOYMENT_HEALTHY,
    DEPLOYMENT_UNHEALTHY,
    DEPLOYMENT_DEPLOY_FAILED,
    DEPLOYMENT_UPSCALING,
    DEPLOYMENT_DOWNSCALING,
    N_DEPLOYMENT_STATES,
};

enum deployment_trigger {
    TRIGGER_UNSPECIFIED,
    TRIGGER_CONFIG_UPDATE_STARTED,
    TRIGGER_CONFIG_UPDATE_COMPLETED,
    TRIGGER_UPSCALE_COMPLETED,
    TRIGGER_DOWNSCALE_COMPLETED,
    TRIGGER_AUTOSCALING,
    TRIGGER_REPLICA_STARTUP_FAILED,
    TRIGGER_HEALTH_CHECK_FAILED,
    TRIGGER_INTERNAL_ERROR,
    TRIGGER_DELETING,
    N_TRIGGERS,
};

enum deployment_event {
    DEPLOYMENT_CHANGED, /* is new, or its config changed in more than the number of replicas */
    DEPLOYMENT_RAISED,  /* the config wants more replicas, and nothing else */
    DEPLOYMENT_LOWERED,
    DEPLOYMENT_AUTO_RAISED, /* the autoscaler wants more */
    DEPLOYMENT_AUTO_LOWERED,
    DEPLOYMENT_IS_COMPLETE,   /* all that it should have runs, and the routers know */
    DEPLOYMENT_REPLICA_BROKE, /* one of the wanted version died or failed its health checks */
    DEPLOYMENT_CANNOT_START,  /* so many failed starts that we give up, or no room ever */
    DEPLOYMENT_RETRIES,       /* a start failed and is tried again: the message only */
    DEPLOYMENT_INTERNAL_ERROR,
    DEPLOYMENT_DELETED,
    N_DEPLOYMENT_EVENTS,
};

struct deployment_status {
    enum deployment_state state;
    enum deployment_trigger trigger;
    char *message; /* never NULL; owned */
};

/* A deployment that is new. */
void deployment_status_init(struct deployment_status *s);
void deployment_status_deinit(struct deployment_status *s);

/* The funnel.  'message' is kept only where the event applies; NULL: "". True if anything changed.
 */
bool deployment_status_feed(struct deployment_status *s, enum deployment_event event,
                            const char *message);

const char *deployment_state_name(enum deployment_state state);
const char *deployment_trigger_name(enum deployment_trigger trigger);

#endif
