/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/world.h"

void world_init(struct world *w, uint64_t seed)
{
    *w = (struct world){.random = seed | 1, .target_capacity = -1, .retry_limit = -1};
    list_init(&w->apps);
    map_init(&w->replicas);
    placement_init(&w->placement);
}

void world_deinit(struct world *w)
{
    struct app *a;
    struct app *tmp;

    LIST_FOREACH_SAFE (a, tmp, &w->apps, link) {
        app_free(a);
    }
    map_deinit(&w->replicas);
    placement_deinit(&w->placement);
}

struct app *world_find_app(const struct world *w, const char *name)
{
    struct app *a;

    LIST_FOREACH (a, &w->apps, link) {
        if (strcmp(a->name, name) == 0) {
            return a;
        }
    }
    return NULL;
}

struct replica *world_find_replica(const struct world *w, struct span id)
{
    struct map_node *n = map_get(&w->replicas, id);

    return n ? MAP_ENTRY(n, struct replica, node) : NULL;
}

/* xorshift64*: ids are names, not secrets. */
static uint64_t next_random(struct world *w)
{
    w->random ^= w->random >> 12;
    w->random ^= w->random << 25;
    w->random ^= w->random >> 27;
    return w->random * 0x2545f4914f6cdd1dULL;
}

void world_make_id(struct world *w, char *ret_id, size_t size)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

    for (size_t i = 0; i < size; i++) {
        ret_id[i] = letters[(next_random(w) >> 33) % (sizeof(letters) - 1)];
    }
    ret_id[size] = '\0';
}

void decision_add(struct decision *d, struct action action)
{
    if (d->n_actions == d->capacity) {
        d->capacity = MAX(d->capacity * 2, 16);
        d->actions = mem_realloc(d->actions, d->capacity * sizeof(*d->actions));
    }
    d->actions[d->n_actions++] = action;
}

void decision_wait_until(struct decision *d, uint64_t at_ms)
{
    d->due_ms = MIN(d->due_ms, at_ms);
}

void decision_deinit(struct decision *d)
{
    free(d->actions);
    d->actions = NULL;
}

static void claim_all(struct world *w)
{
    struct map_node *n;
    struct map_node *tmp;

    placement_begin(&w->placement);
    MAP_FOREACH (n, tmp, &w->replicas) {
        const struct replica *r = MAP_ENTRY(n, struct replica, node);
        struct place_node *node = r->node_id ? placement_find(&w->placement, r->node_id) : NULL;

        if (node) {
            placement_take(node, r->claim, r->n_claim);
        }
    }
}

void world_decide(struct world *w, uint64_t now_ms, struct decision *ret)
{
    struct app *a;
    struct app *tmp;

    *ret = (struct decision){.world = w, .now_ms = now_ms, .due_ms = UINT64_MAX};
    claim_all(w);
    LIST_FOREACH_SAFE (a, tmp, &w->apps, link) {
        app_decide(a, ret);
        if (app_is_gone(a)) {
            app_free(a);
        }
    }
}

static bool stands_on(const struct replica *r, const char *node_id)
{
    return r->node_id && strcmp(r->node_id, node_id) == 0;
}

void world_on_node_lost(struct world *w, const char *node_id)
{
    struct place_node *node = placement_find(&w->placement, node_id);
    struct map_node *n;
    struct map_node *tmp;

    if (node) {
        node->is_up = false;
    }
    MAP_FOREACH (n, tmp, &w->replicas) {
        struct replica *r = MAP_ENTRY(n, struct replica, node);

        if (stands_on(r, node_id)) {
            r->is_reported = false;
        }
    }
}

/* What was sent may have been lost with the old link: all that is pending is sent anew. */
static void ask_again(struct replica *r, uint64_t now_ms)
{
    bool is_lost = !r->is_reported && r->state != REPLICA_STARTING && r->state != REPLICA_STOPPING;

    r->is_asked = false;
    if (is_lost) {
        deployment_on_replica(r->deployment, r, REPLICA_IS_GONE, "The node lost it.", now_ms);
    }
}

void world_on_node_ready(struct world *w, const char *node_id, uint64_t now_ms)
{
    struct place_node *node = placement_find(&w->placement, node_id);
    struct map_node *n;
    struct map_node *tmp;
    struct app *a;

    if (node) {
        node->is_up = true;
    }
    MAP_FOREACH (n, tmp, &w->replicas) {
        struct replica *r = MAP_ENTRY(n, struct replica, node);

        if (stands_on(r, node_id)) {
            ask_again(r, now_ms);
        }
    }
    LIST_FOREACH (a, &w->apps, link) {
        a->build_is_asked = false;
    }
}
