/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/host_priv.h"

/* Questions to the router.  Who asks waits in its own thread, and asks again under the same id. */

struct lookup {
    struct map_node node;
    char *app; /* owned */
    size_t app_size;
    bool is_answered;
    char *info_json; /* owned; NULL: no such application */
};

static void ask(struct host *h, struct lookup *l)
{
    msg_lookup_put(router_out(h), 0, l->node.number,
                   &(struct msg_lookup){.app = {l->app, l->app_size}});
}

void host_lookups_link_open(struct host *h)
{
    for (struct map_node *n = map_next(&h->lookups, NULL); n; n = map_next(&h->lookups, n)) {
        if (!MAP_ENTRY(n, struct lookup, node)->is_answered) {
            ask(h, MAP_ENTRY(n, struct lookup, node));
        }
    }
}

int host_lookup_message(struct host *h, const struct frame *f)
{
    struct map_node *n = map_get_u64(&h->lookups, f->stream);
    struct lookup *l = n ? MAP_ENTRY(n, struct lookup, node) : NULL;
    struct msg_lookup_result m;

    if (msg_lookup_result_get(f, &m) < 0) {
        return -EPROTO;
    }
    if (l && !l->is_answered) {
        l->is_answered = true;
        l->info_json = m.found ? mem_strndup(m.info_json.data, m.info_json.size) : NULL;
        (void) pthread_cond_broadcast(&h->changed);
    }
    return 0;
}

static struct lookup *lookup_new(struct host *h, struct span app)
{
    struct lookup *l = mem_new(struct lookup);

    l->app = mem_strndup(app.data, app.size);
    l->app_size = app.size;
    map_put_u64(&h->lookups, h->last_id, &l->node);
    h->last_id += 2;
    if (router_of(h)->is_open) {
        ask(h, l);
        host_kick(h);
    }
    return l;
}

static void lookup_free(struct host *h, struct lookup *l)
{
    map_remove(&h->lookups, &l->node);
    free(l->app);
    free(l->info_json);
    free(l);
}

int host_lookup(struct host *h, struct span app, uint64_t timeout_ms, uint64_t *id, char **ret_json)
{
    struct timespec until = host_deadline(timeout_ms);
    struct lookup *l;
    int r = -EAGAIN;

    (void) pthread_mutex_lock(&h->lock);
    if (h->is_dead || app.size > HOST_TEXT_MAX) {
        (void) pthread_mutex_unlock(&h->lock);
        return -EPIPE;
    }
    l = *id ? MAP_ENTRY(map_get_u64(&h->lookups, *id), struct lookup, node) : lookup_new(h, app);
    *id = l->node.number;
    while (!l->is_answered && !h->stopping && host_wait_change(h, &until)) {
    }
    if (l->is_answered || h->stopping) {
        r = l->is_answered ? 0 : -EPIPE;
        if (r == 0) {
            *ret_json = TAKE_PTR(l->info_json);
        }
        lookup_free(h, l);
        *id = 0;
    }
    (void) pthread_mutex_unlock(&h->lock);
    return r;
}

void host_lookup_end(struct host *h, uint64_t id)
{
    struct map_node *n;

    (void) pthread_mutex_lock(&h->lock);
    n = h->is_dead ? NULL : map_get_u64(&h->lookups, id);
    if (n) {
        lookup_free(h, MAP_ENTRY(n, struct lookup, node));
    }
    (void) pthread_mutex_unlock(&h->lock);
}
