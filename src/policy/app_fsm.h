/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_APP_FSM_H
#define POLICY_APP_FSM_H

/* One application: what was declared, the build that is under way, what is in force, and its
 * deployments.  Its status follows from those: nothing is stored that could be wrong.  Pure. */

#include <jansson.h>

#include "base/buf.h"
#include "policy/deployment.h"

enum app_state {
    APP_NOT_STARTED,
    APP_DEPLOYING,
    APP_DEPLOY_FAILED,
    APP_RUNNING,
    APP_UNHEALTHY,
    APP_DELETING,
};

enum app_source { SOURCE_DECLARATIVE, SOURCE_IMPERATIVE };

struct world;

struct app {
    struct list link; /* in world.apps */
    struct world *world;
    char *name; /* owned, as all below */
    enum app_source source;
    json_t *config; /* as declared, coerced; NULL while deleting */
    double deployed_time_s;
    bool is_deleting;

    /* The build of 'config'. */
    char *build_key;     /* app_build_key() */
    char *build_id;      /* NULL: none is under way */
    bool build_is_asked; /* the node has it */
    char *build_error;   /* why 'config' is not in force, as the status says it; or NULL */

    /* What is in force; NULL before the first build. */
    json_t *artefact;
    char *artefact_key;    /* the build_key it was made for */
    json_t *target_config; /* what was laid over the artefact */
    struct app_spec *target;
    bool prefix_is_lost; /* another application took the route_prefix later */

    enum app_state told; /* the controller's: as it was last logged */

    char *routed_ingress;    /* deployment that requests go to; may lag behind the target */
    struct list deployments; /* of struct deployment.link; owned */
};

struct app *app_new(struct world *w, const char *name) MUST_CHECK; /* adds it to the world */
void app_free(struct app *a);

struct deployment *app_find(const struct app *a, const char *name); /* or NULL */

/* Declares 'config' (taken) and asks for a build of it; an older one under way is forgotten. */
void app_start_build(struct app *a, json_t *config, const char *build_key);
/* The wish is dropped: 'message' says why, or NULL. */
void app_end_build(struct app *a, const char *message);

/* Lays 'config' over 'artefact' (both are copied by reference) and makes that the target.  On
 * failure nothing changes. */
int app_set_target(struct app *a, json_t *artefact, const char *artefact_key, json_t *config,
                   struct err *err) MUST_CHECK;

void app_delete(struct app *a);
bool app_is_gone(const struct app *a);

void app_decide(struct app *a, struct decision *decision);

/* Its status now; the message is appended. */
enum app_state app_status(const struct app *a, struct buf *message);
const char *app_state_name(enum app_state state);

const char *app_route_prefix(const struct app *a); /* in force; NULL: none */

#endif
