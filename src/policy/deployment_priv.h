/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_DEPLOYMENT_PRIV_H
#define POLICY_DEPLOYMENT_PRIV_H

/* Shared by deployment*.c: deployment.c holds the target and takes events, deployment_decide.c
 * compares the two. */

#include "policy/deployment.h"

void replica_forget(struct replica *r);

/* How long it may take to leave, by the latest spec. */
void deployment_set_stop_times(struct replica *r, const struct deployment_spec *s);

/* So many starts failed that no more are tried. */
bool deployment_is_halted(const struct deployment *d);

#endif
