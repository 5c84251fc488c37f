/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_AGENT_H
#define NODE_AGENT_H

/* The node's HTTP routes (:52365): is this node alive, is its cluster?  Kubernetes asks often and
 * takes one late answer for death, so everything is answered from memory at once. */

#include "node/node.h"

struct agent *agent_new(struct node *n) MUST_CHECK;
void agent_free(struct agent *a); /* NULL is fine */

void agent_listen(struct agent *a, int fd); /* which becomes ours */

#endif
