/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_OVERLAY_H
#define SPEC_OVERLAY_H

/* What an application really is: the defaults, below what its code says (the artefact of a build),
 * below what its configuration says.  Recomputed from those three each time; nothing sticks. The
 * controller's decisions, the replica specs and the REST status are made of the result. */

#include <jansson.h>

#include "base/err.h"

/* Resources are integers times 10,000; never floats. */
enum { RESOURCE_UNIT = 10000 };

struct resource {
    char *name;     /* "CPU", "GPU", "memory", "accelerator_type:T4", … */
    int64_t amount; /* in 1/RESOURCE_UNIT; > 0 */
};

enum aggregation { AGGREGATION_MEAN, AGGREGATION_MAX, AGGREGATION_MIN };

/* An AutoscalingConfig with every default and precedence applied. */
struct autoscaling_config {
    int64_t min_replicas;
    int64_t initial_replicas; /* -1: not set */
    int64_t max_replicas;
    double target_ongoing_requests;
    double metrics_interval_s;
    double look_back_period_s;
    double upscaling_factor;
    double downscaling_factor;
    double upscale_delay_s;
    double downscale_delay_s;
    double downscale_to_zero_delay_s;
    enum aggregation aggregation;
    char *policy_function; /* import path of a custom policy, or NULL; owned */
};

struct deployment_spec {
    char *name; /* owned, as all below */
    bool is_ingress;
    bool is_asgi;
    char *docs_path; /* or NULL */
    char *blob;      /* sha256 */
    bool has_reconfigure;
    json_t *outbound; /* array of names */

    bool is_autoscaled;
    struct autoscaling_config autoscaling; /* valid if is_autoscaled */
    int64_t num_replicas;                  /* when not autoscaled */
    int64_t max_ongoing_requests;
    int64_t max_queued_requests;   /* -1: no limit */
    int64_t max_replicas_per_node; /* 0: no limit */
    int64_t max_constructor_retry_count;
    double graceful_shutdown_wait_loop_s;
    double graceful_shutdown_timeout_s;
    double health_check_period_s;
    double health_check_timeout_s;
    json_t *user_config;    /* NULL: none */
    json_t *logging_config; /* effective: deployment, else application, else default */
    json_t *runtime_env;    /* application's and deployment's merged */

    struct resource *resources; /* n_resources of one replica, sorted by name */
    size_t n_resources;
    json_t *bundles;          /* placement_group_bundles, or NULL */
    char *placement_strategy; /* "PACK" … */

    json_t *effective;          /* every field of DeploymentSchema that is set or has a default */
    json_t *deployment_config;  /* exactly as GET shows it */
    json_t *required_resources; /* as GET shows it: {"CPU": 1.0} */
};

struct app_spec {
    char *name;
    char *route_prefix; /* NULL: not reachable over HTTP */
    char *ingress;      /* name of the deployment */
    char *docs_path;    /* of the ingress, or NULL */
    char *code_version; /* the artefact's */
    json_t *python;     /* the artefact's */
    json_t *topology;   /* deployment_topology as GET shows it */
    bool external_scaler_enabled;
    char *autoscaling_policy;            /* application-level policy_function, or NULL */
    struct deployment_spec *deployments; /* n_deployments, in the artefact's order */
    size_t n_deployments;
};

/* Lays 'config' (a parsed application, never NULL; for serve.run {"name", "route_prefix", …}) over
 * 'artefact'.  A build-time error gives -EINVAL and the sentence that Ray would have in its
 * traceback. */
int app_spec_new(const json_t *artefact, const json_t *config, struct app_spec **ret_spec,
                 struct err *err) MUST_CHECK;
void app_spec_free(struct app_spec *a);

const struct deployment_spec *app_spec_find(const struct app_spec *a, const char *name);

/* The "config" of a replica spec and of RECONFIGURE (docs/interfaces.md 5).  The caller's. */
json_t *deployment_replica_config(const struct deployment_spec *d) MUST_CHECK;
/* The "resources" of a replica spec: {"num_cpus": 1.0, "num_gpus": 0.0, "memory": …, "resources":
 * {…}}.  The caller's. */
json_t *deployment_replica_resources(const struct deployment_spec *d) MUST_CHECK;

/* How many replicas a new deployment starts with. */
int64_t deployment_initial_replicas(const struct deployment_spec *d);

/* 'text' as units of a resource: 0.5 → 5000; negative if it is not a number that fits. */
int64_t resource_from_double(double amount);

#endif
