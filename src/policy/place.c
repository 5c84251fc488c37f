/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/place.h"

#include "spec/json.h"

void placement_init(struct placement *p)
{
    list_init(&p->nodes);
}

static void free_resources(struct resource *resources, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(resources[i].name);
    }
    free(resources);
}

void placement_deinit(struct placement *p)
{
    struct list *l;

    while ((l = list_pop_front(&p->nodes))) {
        struct place_node *n = LIST_ENTRY(l, struct place_node, link);

        free_resources(n->total, n->n_resources);
        free(n->used);
        free(n->id);
        free(n->ip);
        free(n);
    }
}

struct place_node *placement_find(const struct placement *p, const char *id)
{
    struct place_node *n;

    LIST_FOREACH (n, &p->nodes, link) {
        if (strcmp(n->id, id) == 0) {
            return n;
        }
    }
    return NULL;
}

bool placement_is_up(const struct placement *p)
{
    const struct place_node *n;

    LIST_FOREACH (n, &p->nodes, link) {
        if (n->is_up) {
            return true;
        }
    }
    return false;
}

struct place_node *placement_set_node(struct placement *p, const char *id, const char *ip,
                                      struct resource *resources, size_t n_resources)
{
    struct place_node *n = placement_find(p, id);

    if (!n) {
        n = mem_new(struct place_node);
        n->id = mem_strdup(id);
        list_push_back(&p->nodes, &n->link);
    }
    free(n->ip);
    n->ip = mem_strdup(ip);
    free_resources(n->total, n->n_resources);
    free(n->used);
    n->total = resources;
    n->n_resources = n_resources;
    n->used = mem_alloc(MAX(n_resources, 1) * sizeof(*n->used));
    return n;
}

struct resource *place_resources(const json_t *object, size_t *ret_n)
{
    struct resource *all = mem_alloc(MAX(json_object_size(object), 1) * sizeof(*all));
    const char *name;
    json_t *value;
    size_t n = 0;

    json_object_foreach(json_unconst(object), name, value)
    {
        int64_t amount = resource_from_double(json_number_value(value));

        if (amount > 0) {
            all[n++] = (struct resource){mem_strdup(name), amount};
        }
    }
    *ret_n = n;
    return all;
}

void placement_begin(struct placement *p)
{
    struct place_node *n;

    LIST_FOREACH (n, &p->nodes, link) {
        memset(n->used, 0, n->n_resources * sizeof(*n->used));
        n->n_replicas = 0;
    }
}

static size_t index_of(const struct place_node *n, const char *name)
{
    size_t i = 0;

    while (i < n->n_resources && strcmp(n->total[i].name, name) != 0) {
        i++;
    }
    return i; /* n_resources: the node has none of it */
}

static int64_t total_of(const struct place_node *n, const char *name)
{
    size_t i = index_of(n, name);

    return i < n->n_resources ? n->total[i].amount : 0;
}

static int64_t free_of(const struct place_node *n, const char *name)
{
    size_t i = index_of(n, name);

    return i < n->n_resources ? n->total[i].amount - n->used[i] : 0;
}

void placement_take(struct place_node *n, const struct resource *claim, size_t n_claim)
{
    n->n_replicas++;
    for (size_t k = 0; k < n_claim; k++) {
        size_t i = index_of(n, claim[k].name);

        if (i < n->n_resources) {
            n->used[i] += claim[k].amount;
        }
    }
}

static void print_amount(int64_t amount, struct buf *out)
{
    buf_printf(out, "%.10g", (double) amount / RESOURCE_UNIT);
}

void place_print(const struct resource *resources, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        buf_put_str(out, i == 0 ? "" : i + 1 < n ? ", " : " and ");
        print_amount(resources[i].amount, out);
        buf_printf(out, " %s", resources[i].name);
    }
    if (n == 0) {
        buf_put_str(out, "nothing");
    }
}

/* The first resource that the node does not have (enough of); NULL: it fits. */
static const struct resource *lacking(const struct place_node *n, const struct place_claim *c,
                                      bool ever)
{
    for (size_t i = 0; i < c->n_resources; i++) {
        const char *name = c->resources[i].name;

        if (c->resources[i].amount > (ever ? total_of(n, name) : free_of(n, name))) {
            return &c->resources[i];
        }
    }
    return NULL;
}

static bool is_full(const struct place_node *n, const struct place_claim *c)
{
    return c->max_per_node > 0 && c->count(c->user, n) >= c->max_per_node;
}

static void explain(const struct placement *p, const struct place_claim *c, bool ever,
                    struct buf *why)
{
    const struct place_node *n;

    buf_put_str(why, ever ? "No node can hold a replica, which needs "
                          : "Waiting for room: a replica needs ");
    place_print(c->resources, c->n_resources, why);
    LIST_FOREACH (n, &p->nodes, link) {
        const struct resource *r = lacking(n, c, ever);

        if (!n->is_up) {
            buf_printf(why, "; node %s is not connected", n->ip);
        } else if (!r) {
            buf_printf(why, "; node %s has %lld replicas of the deployment, max_replicas_per_node",
                       n->ip, (long long) c->max_per_node);
        } else if (ever) {
            buf_printf(why, "; node %s has ", n->ip);
            print_amount(total_of(n, r->name), why);
            buf_printf(why, " %s", r->name);
        } else {
            buf_printf(why, "; node %s has ", n->ip);
            print_amount(MAX(free_of(n, r->name), 0), why);
            buf_put_str(why, " of ");
            print_amount(total_of(n, r->name), why);
            buf_printf(why, " %s free", r->name);
        }
    }
    if (list_empty(&p->nodes)) {
        buf_put_str(why, "; no node is connected");
    }
    buf_put_str(why, ".");
}

enum place_verdict placement_choose(const struct placement *p, const struct place_claim *claim,
                                    struct place_node **ret_node, struct buf *why)
{
    struct place_node *best = NULL;
    struct place_node *n;
    bool ever = list_empty(&p->nodes);

    LIST_FOREACH (n, &p->nodes, link) {
        /* A node that is away may come back: nothing is impossible until it has. */
        ever |= !n->is_up || !lacking(n, claim, true);
        if (n->is_up && !lacking(n, claim, false) && !is_full(n, claim) &&
            (!best || n->n_replicas < best->n_replicas)) {
            best = n;
        }
    }
    if (best) {
        *ret_node = best;
        return PLACE_FITS;
    }
    explain(p, claim, !ever, why);
    return ever ? PLACE_NOT_NOW : PLACE_NEVER;
}
