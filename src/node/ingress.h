/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_INGRESS_H
#define NODE_INGRESS_H

/* The HTTP listener of this node: opened and closed as the controller says, kept by init, handed to
 * the proxy, also to a new one. */

#include "node/node.h"
#include "wire/messages.h"

struct ingress *ingress_new(struct node *n) MUST_CHECK;
void ingress_free(struct ingress *i); /* NULL is fine */

void ingress_adopt(struct ingress *i); /* what init has kept */
int ingress_on_listen(struct ingress *i, const struct frame *f);
void ingress_tell_proxy(struct ingress *i); /* a proxy is here */

#endif
