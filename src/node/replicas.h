/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_REPLICAS_H
#define NODE_REPLICAS_H

/* The replicas of this node, as the controller wants them.  It holds each from START_REPLICA until
 * its end has been reported; a file for each lets the next daemon take over what runs. */

#include "node/node.h"
#include "wire/messages.h"

struct peer;
struct replica;

struct replicas *replicas_new(struct node *n) MUST_CHECK;
void replicas_free(struct replicas *rs); /* NULL is fine; the processes go on */

void replicas_adopt(struct replicas *rs);      /* those of our predecessor */
void replicas_report_all(struct replicas *rs); /* to a controller that is new to us */
void replicas_stop_all(struct replicas *rs, uint64_t grace_ms);
bool replicas_is_empty(const struct replicas *rs);

/* From the controller; -EPROTO cuts its link. */
int replicas_on_start(struct replicas *rs, const struct frame *f);
int replicas_on_stop(struct replicas *rs, const struct frame *f);
int replicas_on_reconfigure(struct replicas *rs, const struct frame *f);

/* From a replica: NULL refuses it. */
struct replica *replicas_on_hello(struct replicas *rs, struct peer *peer,
                                  const struct msg_hello *hello);
int replica_on_control(struct replica *r, const struct frame *f);
void replica_on_link_lost(struct replica *r, const struct peer *peer);

#endif
