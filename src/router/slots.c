/* SPDX-License-Identifier: Apache-2.0 */
#include "router/router_priv.h"

static uint64_t draw(struct router *router)
{
    router->seed ^= router->seed << 13;
    router->seed ^= router->seed >> 7;
    router->seed ^= router->seed << 17;
    return router->seed;
}

/* Linear: a node has few replicas of one deployment, and this beats keeping them sorted. */
struct router_replica *slots_choose(struct router *router, const struct router_deployment *d)
{
    struct router_replica *best = NULL;
    struct router_replica *replica;
    size_t n_ties = 0;

    LIST_FOREACH (replica, &d->replicas, of_deployment) {
        if (!replica->user || slots_taken(replica) >= d->limits.max_ongoing_requests) {
            continue;
        }
        if (!best || slots_taken(replica) < slots_taken(best)) {
            best = replica;
            n_ties = 1;
        } else if (slots_taken(replica) == slots_taken(best) && draw(router) % ++n_ties == 0) {
            best = replica;
        }
    }
    return best;
}

void slots_take(struct router_replica *replica, struct router_request *r)
{
    ASSERT(!r->replica);
    request_enter(r, REQUEST_DISPATCHED);
    r->replica = replica;
    list_push_back(&replica->running, &r->link);
    replica->n_running++;
    replica->deployment->n_ongoing++;
}

void slots_release(struct router_request *r)
{
    struct router_replica *replica = r->replica;

    ASSERT(replica);
    list_remove(&r->link);
    request_enter(r, REQUEST_IDLE);
    r->replica = NULL;
    replica->n_running--;
    if (replica->deployment) {
        replica->deployment->n_ongoing--;
    }
}

void slots_forget(struct router *router, struct router_replica *replica)
{
    if (!replica->deployment && !replica->user && slots_taken(replica) == 0) {
        map_remove(&router->replicas, &replica->node);
        free(replica->id);
        free(replica);
    }
}
