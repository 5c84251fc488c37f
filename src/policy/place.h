/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_PLACE_H
#define POLICY_PLACE_H

/* Which node a replica goes to.  Nodes have resources, replicas claim them; amounts are integers.
 * "Not now" and "never" are different answers, each with a sentence that says why, with numbers.
 * What is claimed is counted anew before each round of decisions, so that nothing can leak. */

#include "base/buf.h"
#include "base/list.h"
#include "spec/overlay.h"

struct place_node {
    struct list link; /* in placement.nodes */
    char *id;         /* owned, as all below */
    char *ip;
    struct resource *total; /* n_resources of them */
    int64_t *used;          /* of the resource of the same index */
    size_t n_resources;
    bool is_up;         /* its link stands and it has told all that runs there */
    int64_t n_replicas; /* claims in this round */
};

struct placement {
    struct list nodes; /* of struct place_node.link; owned */
};

enum place_verdict { PLACE_FITS, PLACE_NOT_NOW, PLACE_NEVER };

/* What is to be placed. */
struct place_claim {
    const struct resource *resources;
    size_t n_resources;
    int64_t max_per_node; /* 0: no limit */
    /* How many of the same deployment stand on the node; asked only with a limit. */
    int64_t (*count)(const void *user, const struct place_node *n);
    const void *user;
};

void placement_init(struct placement *p);
void placement_deinit(struct placement *p);

/* A new node, or the resources of a known one. 'resources' are taken over. */
struct place_node *placement_set_node(struct placement *p, const char *id, const char *ip,
                                      struct resource *resources, size_t n_resources);
struct place_node *placement_find(const struct placement *p, const char *id); /* or NULL */

bool placement_is_up(const struct placement *p); /* at least one node is */

/* The amounts in a JSON object {"CPU": 8.0, …}; the caller's. */
struct resource *place_resources(const json_t *object, size_t *ret_n) MUST_CHECK;

/* Nothing is claimed; then each replica that has a node claims again. */
void placement_begin(struct placement *p);
void placement_take(struct place_node *n, const struct resource *claim, size_t n_claim);

/* FITS gives the node with most room; else a sentence is appended to 'why'. */
enum place_verdict placement_choose(const struct placement *p, const struct place_claim *claim,
                                    struct place_node **ret_node, struct buf *why);

/* "2 CPU and 0.5 GPU" */
void place_print(const struct resource *resources, size_t n, struct buf *out);

#endif
