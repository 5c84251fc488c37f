/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_OVERLAY_PRIV_H
#define SPEC_OVERLAY_PRIV_H

/* What overlay.c (the application) and overlay_deployment.c (one deployment of it) share. */

#include "spec/overlay.h"

/* What one deployment is made of. */
struct deployment_sources {
    const json_t *artefact; /* its entry in the artefact */
    const json_t *config;   /* its entry in the configuration; NULL: not listed */
    const json_t *app;      /* the application's configuration */
};

/* Fills all that is not about the artefact (name, blob …).  -EINVAL with Ray's sentence. */
int deployment_overlay(struct deployment_spec *d, const struct deployment_sources *s,
                       struct err *err) MUST_CHECK;

/* Replica resources, placement groups and max_replicas_per_node, out of d->effective. */
int deployment_place(struct deployment_spec *d, struct err *err) MUST_CHECK;

#endif
