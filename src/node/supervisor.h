/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_SUPERVISOR_H
#define NODE_SUPERVISOR_H

/* Keeps the controller and the proxy running: the first restart is at once, then after 100 ms,
 * doubling to 5 s, until the process has run for 10 s. */

#include "node/node.h"

struct supervisor *supervisor_new(struct node *n) MUST_CHECK;
void supervisor_free(struct supervisor *s); /* NULL is fine */

/* Takes over those that run and starts those that do not. */
void supervisor_start(struct supervisor *s);

/* Ends them (TERM; KILL after 'timeout_ms'); node_check_stopped() follows. */
void supervisor_stop_controller(struct supervisor *s, uint64_t timeout_ms);
void supervisor_stop_proxy(struct supervisor *s, uint64_t timeout_ms);
bool supervisor_is_idle(const struct supervisor *s); /* neither runs */

/* Why the controller or the proxy does not come up; NULL if they do. */
const char *supervisor_trouble(const struct supervisor *s);

#endif
