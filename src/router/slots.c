/* SPDX-License-Identifier: Apache-2.0 */
#include "router/router_priv.h"

static uint64_t draw(struct router *router)
{
    router->seed ^= router->seed << 13;
    router->seed ^= router->seed >> 7;
    router->seed ^= router->seed << 17;
    return router->seed;
}

/* How little a replica suits a request for that model: 0 it holds it, else 1 + the models it holds.
 */
static size_t distance(const struct router_replica *replica, uint64_t model)
{
    size_t n = 0;

    for (size_t i = 0; i < ROUTER_MODELS && model != 0; i++) {
        if (replica->models[i] == model) {
            return 0;
        }
        n += replica->models[i] != 0;
    }
    return 1 + n;
}

static void remember_model(struct router_replica *replica, uint64_t model)
{
    size_t i = 0;

    while (i < ROUTER_MODELS - 1 && replica->models[i] != model) {
        i++;
    }
    memmove(replica->models + 1, replica->models, i * sizeof(model));
    replica->models[0] = model;
}

/* Linear: a node has few replicas of one deployment, and this beats keeping them sorted. */
struct router_replica *slots_choose(struct router *router, const struct router_deployment *d,
                                    uint64_t model)
{
    struct router_replica *best = NULL;
    size_t best_distance = 0;
    struct router_replica *replica;
    size_t n_ties = 0;

    LIST_FOREACH (replica, &d->replicas, of_deployment) {
        size_t far = distance(replica, model);

        if (!replica->user || slots_taken(replica) >= d->limits.max_ongoing_requests) {
            continue;
        }
        if (!best || far < best_distance ||
            (far == best_distance && slots_taken(replica) < slots_taken(best))) {
            best = replica;
            best_distance = far;
            n_ties = 1;
        } else if (far == best_distance && slots_taken(replica) == slots_taken(best) &&
                   draw(router) % ++n_ties == 0) {
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
    if (r->model != 0) {
        remember_model(replica, r->model);
    }
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
