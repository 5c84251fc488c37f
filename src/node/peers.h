/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_PEERS_H
#define NODE_PEERS_H

/* Those who connect to the node's own socket: the proxy and the replicas of this node. */

#include "node/node.h"
#include "wire/channel.h"

struct replica;

struct peer {
    struct list link; /* in peers.list */
    struct peers *peers;
    struct channel channel;
    struct replica *replica; /* NULL: the proxy, or no HELLO yet */
};

struct peers *peers_new(struct node *n) MUST_CHECK;
void peers_free(struct peers *p); /* NULL is fine */

/* Accepts on the listening socket, which becomes ours. */
void peers_listen(struct peers *p, int fd);

struct peer *peers_proxy(const struct peers *p); /* NULL: it is not here */

/* Cuts the link without telling the replica's owner. */
void peer_drop(struct peer *peer);
void peer_send_control(struct peer *peer, const char *name, const char *body_json);

#endif
