/* SPDX-License-Identifier: Apache-2.0 */
/* Replicas and drivers: who connects to the node's router, what they may do, and their end. */

#include "proxy/proxy.h"

#include <jansson.h>
#include <unistd.h>

#include "base/log.h"

static void free_link(struct link *l)
{
    list_remove(&l->of_proxy);
    channel_deinit(&l->channel);
    router_caller_deinit(&l->caller);
    map_deinit(&l->flows);
    map_deinit(&l->calls);
    free(l->foreign);
    free(l);
}

/* What ran there is over as far as this link goes; the router decides what becomes of it. */
static void end_link(struct link *l)
{
    struct map_node *n;
    struct map_node *tmp;

    MAP_FOREACH (n, tmp, &l->flows) {
        MAP_ENTRY(n, struct flow, by_stream)->link = NULL;
    }
    map_deinit(&l->flows);
    if (l->replica) {
        struct router_replica *replica = l->replica;

        l->replica = NULL;
        router_replica_lost(l->proxy->router, replica);
    }
    calls_end_all(l);
    free_link(l);
}

static void on_close(struct channel *ch, const struct err *err)
{
    struct link *l = CONTAINER_OF(ch, struct link, channel);

    log_info("a link has ended", "replica=%s reason=%s",
             l->replica ? router_replica_id(l->replica).data : "-", err->text);
    end_link(l);
}

/* {"deployment": …, "running": [ids]} */
static void read_running(struct link *l, struct span info)
{
    json_t *doc = json_loadb(info.data, info.size, 0, NULL);
    json_t *running = json_object_get(doc, "running");
    size_t n = json_array_size(running);

    l->foreign = mem_alloc(n * sizeof(uint64_t));
    for (size_t i = 0; i < n; i++) {
        json_int_t id = json_integer_value(json_array_get(running, i));

        if (id > 0 && id % 2 == 0) {
            l->foreign[l->n_foreign++] = (uint64_t) id;
            l->next_stream = MAX(l->next_stream, (uint64_t) id + 2);
        }
    }
    json_decref(doc);
}

static int on_hello(struct channel *ch, const struct msg_hello *hello)
{
    struct link *l = CONTAINER_OF(ch, struct link, channel);
    struct router_replica *replica;

    if (hello->role != ROLE_REPLICA) {
        return 0;
    }
    replica = router_replica_find(l->proxy->router, hello->name);
    if (replica && router_replica_user(replica)) {
        /* Its process has dialled again before we saw the old link break. */
        end_link(router_replica_user(replica));
    }
    read_running(l, hello->info_json);
    l->replica = router_replica_connect(l->proxy->router, hello->name, l, (unsigned) l->n_foreign);
    log_info("a replica is here", "replica=%s running=%zu", router_replica_id(l->replica).data,
             l->n_foreign);
    return 0;
}

/* The last word about a request that an earlier router had sent. */
static void release_foreign(struct link *l, const struct frame *f)
{
    if (f->type != MSG_ERROR && !(f->flags & FRAME_END)) {
        return;
    }
    for (size_t i = 0; i < l->n_foreign; i++) {
        if (l->foreign[i] == f->stream) {
            l->foreign[i] = l->foreign[--l->n_foreign];
            router_replica_release(l->proxy->router, l->replica);
            return;
        }
    }
}

/* About a request that we sent there: an even stream. */
static int on_answer(struct link *l, const struct frame *f)
{
    struct map_node *n = map_get_u64(&l->flows, f->stream);
    struct flow *flow = n ? MAP_ENTRY(n, struct flow, by_stream) : NULL;

    if (!flow) {
        if (l->replica) {
            release_foreign(l, f);
        }
        return 0;
    }
    return flow_on_message(flow, f);
}

static int on_message(struct channel *ch, const struct frame *f)
{
    struct link *l = CONTAINER_OF(ch, struct link, channel);

    if (f->stream % 2 == 0 && f->type != MSG_LOOKUP) {
        return on_answer(l, f);
    }
    switch (f->type) {
    case MSG_CALL: return calls_on_call(l, f);
    case MSG_BODY: return calls_on_body(l, f);
    case MSG_CREDIT: return calls_on_credit(l, f);
    case MSG_CANCEL: return calls_on_cancel(l, f);
    case MSG_LOOKUP: return calls_on_lookup(l, f);
    default: return 0;
    }
}

static const struct channel_events events = {
    .on_hello = on_hello, .on_message = on_message, .on_close = on_close};

static void on_accept(struct io_watch *w, unsigned ready)
{
    struct proxy *p = CONTAINER_OF(w, struct proxy, accept);
    struct channel_hello hello = {.role = ROLE_PROXY,
                                  .peer_roles = ROLE_REPLICA | ROLE_DRIVER,
                                  .incarnation = p->incarnation,
                                  .name = p->node_id};
    int fd;

    (void) ready;
    while ((fd = stream_accept(w->fd, NULL, 0)) >= 0) {
        struct link *l = mem_new(struct link);

        l->proxy = p;
        l->next_stream = 2;
        map_init(&l->flows);
        map_init(&l->calls);
        router_caller_init(&l->caller);
        list_push_back(&p->links, &l->of_proxy);
        channel_init(&l->channel, p->loop, fd, &hello, &events);
    }
}

void links_start(struct proxy *p, int listener_fd)
{
    io_watch_start(&p->accept, p->loop, listener_fd, IO_READ, on_accept);
}

void links_stop(struct proxy *p)
{
    io_watch_stop(&p->accept);
    while (!list_empty(&p->links)) {
        end_link(LIST_ENTRY(p->links.next, struct link, of_proxy));
    }
}
