/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_UPLINK_H
#define NODE_UPLINK_H

/* The node's link to the controller.  It dials again for ever; on each new link it first sends all
 * that the node knows.  What the controller asks goes to the part that does it. */

#include "node/node.h"
#include "wire/channel.h"

struct uplink *uplink_new(struct node *n) MUST_CHECK;
void uplink_free(struct uplink *u); /* NULL is fine */

void uplink_start(struct uplink *u);
bool uplink_is_up(const struct uplink *u); /* both have said HELLO */

/* Where to put a message for the controller; NULL while the link is down (it will be told anew
 * later) and once the instance stops. */
struct buf *uplink_out(struct uplink *u);

#endif
