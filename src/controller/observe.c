/* SPDX-License-Identifier: Apache-2.0 */
/* The links of the controller: what nodes and proxies report.  It is written into the world, and
 * what follows from it is decided at the end of the turn. */

#include "base/log.h"
#include "controller/controller.h"
#include "wire/phases.h"

enum { MAX_REMOTE_PEERS = 256 };

static void peer_free(struct peer *p)
{
    list_remove(&p->link);
    channel_deinit(&p->channel);
    free(p->node_id);
    free(p);
}

static char *span_text(struct span s)
{
    return mem_strndup(s.size ? s.data : "", s.size);
}

/* Text that user code may have written: what is not UTF-8 could not be shown as JSON. */
static char *user_text(struct span s)
{
    char *text = span_text(s);
    json_t *probe = json_string(text);

    for (char *p = text; !probe && *p; p++) {
        if ((unsigned char) *p >= 0x80) {
            *p = '?';
        }
    }
    json_decref(probe);
    return text;
}

/* A node. */

static void on_node_hello(struct peer *p, const struct msg_hello *hello)
{
    struct controller *c = p->controller;
    json_t *info = json_loadb(hello->info_json.data, hello->info_json.size, 0, NULL);
    json_t *resources = json_object_get(info, "resources");
    const char *ip = json_string_value(json_object_get(info, "node_ip"));
    struct resource *amounts;
    size_t n = 0;

    if (c->node) {
        log_warn("a node daemon takes the place of another", "node=%s", p->node_id);
    }
    c->node = p;
    free(c->node_ip);
    c->node_ip = mem_strdup(ip ? ip : "127.0.0.1");
    json_decref(c->node_resources);
    c->node_resources = json_incref(resources);
    amounts = place_resources(resources, &n);
    world_on_node_lost(&c->world, p->node_id); /* until it has told what runs */
    (void) placement_set_node(&c->world.placement, p->node_id, c->node_ip, amounts, n);
    json_decref(info);
    log_info("a node is here", "node=%s ip=%s", p->node_id, c->node_ip);
    if (c->serve.is_started) {
        act_listen_http(c);
    }
}

static enum replica_event event_of(enum replica_phase phase)
{
    switch (phase) {
    case PHASE_READY: return REPLICA_IS_READY;
    case PHASE_UNHEALTHY: return REPLICA_IS_UNHEALTHY;
    case PHASE_FAILED: return REPLICA_FAILED;
    case PHASE_GONE: return REPLICA_IS_GONE;
    case PHASE_QUEUED:
    case PHASE_FETCH_CODE:
    case PHASE_ENVIRONMENT:
    case PHASE_IMPORT:
    case PHASE_CONSTRUCT:
    case PHASE_RECONFIGURE: return REPLICA_IS_COMING;
    case PHASE_DRAINING: return REPLICA_STOP; /* our predecessor asked for it */
    }
    return REPLICA_IS_COMING; /* of a newer version */
}

/* One that nobody knows is left over from a time that was not remembered. */
static void stop_stranger(struct peer *p, const struct msg_replica_state *m)
{
    if (m->phase != PHASE_GONE && m->phase != PHASE_DRAINING) {
        log_warn("a replica that nobody knows is stopped", "replica=%.*s",
                 (int) MIN(m->replica_id.size, (size_t) 32), m->replica_id.data);
        msg_stop_replica_put(channel_out(&p->channel), 0, 0,
                             &(struct msg_stop_replica){.replica_id = m->replica_id});
    }
}

static int on_replica_state(struct peer *p, const struct frame *f)
{
    struct controller *c = p->controller;
    char *detail CLEANUP(mem_freep) = NULL;
    const struct place_node *node = placement_find(&c->world.placement, p->node_id);
    struct msg_replica_state m;
    enum replica_event event;
    struct replica *r;

    if (msg_replica_state_get(f, &m) < 0) {
        return -EPROTO;
    }
    r = world_find_replica(&c->world, m.replica_id);
    if (!r) {
        stop_stranger(p, &m);
        return 0;
    }
    r->is_reported = true;
    r->pid = m.pid ? m.pid : r->pid;
    event = event_of((enum replica_phase) m.phase);
    detail = user_text(m.detail);
    /* RECONFIGURE says that one recovers too; and before NODE_READY a node may speak of an older
     * config. */
    if (m.phase == PHASE_RECONFIGURE && r->state == REPLICA_RECOVERING) {
        event = REPLICA_IS_READY;
    }
    if (event == REPLICA_IS_READY && r->state == REPLICA_UPDATING && (!node || !node->is_up)) {
        return 0;
    }
    if (event == REPLICA_IS_UNHEALTHY || event == REPLICA_FAILED ||
        (event == REPLICA_IS_GONE && r->state != REPLICA_STOPPING)) {
        log_warn("a replica is in trouble", "replica=%s deployment=%s#%s phase=%s reason=%s", r->id,
                 r->deployment->app->name, r->deployment->name,
                 replica_phase_name((enum replica_phase) m.phase), detail);
    }
    deployment_on_replica(r->deployment, r, event, detail, loop_now_ms(c->loop));
    return 0;
}

static int on_built(struct peer *p, const struct frame *f)
{
    struct msg_built m;

    if (msg_built_get(f, &m) < 0) {
        return -EPROTO;
    }
    apps_on_built(p->controller, m.build_id, m.result_json);
    return 0;
}

static int on_listening(struct peer *p, const struct frame *f)
{
    struct controller *c = p->controller;
    struct msg_listening_http m;

    if (msg_listening_http_get(f, &m) < 0) {
        return -EPROTO;
    }
    free(c->http_host);
    free(c->http_error);
    c->http_host = m.host.size && !m.error.size ? span_text(m.host) : NULL;
    c->http_error = m.error.size ? span_text(m.error) : NULL;
    c->http_port = m.port;
    if (c->http_error) {
        log_error("HTTP cannot be served", "reason=%s", c->http_error);
    }
    return 0;
}

static int on_node_message(struct peer *p, const struct frame *f)
{
    switch (f->type) {
    case MSG_REPLICA_STATE: return on_replica_state(p, f);
    case MSG_NODE_READY:
        world_on_node_ready(&p->controller->world, p->node_id, loop_now_ms(p->controller->loop));
        return 0;
    case MSG_BUILT: return on_built(p, f);
    case MSG_LISTENING_HTTP: return on_listening(p, f);
    default: return 0; /* of a newer version */
    }
}

/* A proxy. */

static void on_load_row(struct controller *c, const json_t *row)
{
    const char *id = json_string_value(json_object_get(row, "id"));
    const char *mark = id ? strrchr(id, '#') : NULL;
    char *name CLEANUP(mem_freep) = mark ? mem_strndup(id, (size_t) (mark - id)) : NULL;
    const struct app *a = name ? world_find_app(&c->world, name) : NULL;
    struct deployment *d = a ? app_find(a, mark + 1) : NULL;
    json_int_t queued = json_integer_value(json_object_get(row, "queued"));

    if (d && queued > 0) {
        deployment_on_queued(d, (uint64_t) queued);
    }
}

static int on_load(struct peer *p, const struct frame *f)
{
    struct msg_load m;
    json_t *rows;

    if (msg_load_get(f, &m) < 0) {
        return -EPROTO;
    }
    rows = json_loadb(m.load_json.data, m.load_json.size, 0, NULL);
    if (!json_is_array(rows)) {
        json_decref(rows);
        return -EPROTO;
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        on_load_row(p->controller, json_array_get(rows, i));
    }
    json_decref(rows);
    return 0;
}

static int on_proxy_message(struct peer *p, const struct frame *f)
{
    struct msg_snapshot_ack ack;

    if (f->type == MSG_LOAD) {
        return on_load(p, f);
    }
    if (f->type == MSG_SNAPSHOT_ACK) {
        if (msg_snapshot_ack_get(f, &ack) < 0) {
            return -EPROTO;
        }
        p->acked_version = MAX(p->acked_version, ack.version);
    }
    return 0;
}

/* Any link. */

static int on_hello(struct channel *ch, const struct msg_hello *hello)
{
    struct peer *p = CONTAINER_OF(ch, struct peer, channel);

    p->node_id = span_text(hello->name);
    p->role = (enum wire_role) hello->role;
    if (p->role == ROLE_NODE && p->is_remote) {
        log_warn_RL("a second node wants to join, which is not supported yet", "node=%s",
                    p->node_id);
        return -EOPNOTSUPP;
    }
    if (p->role == ROLE_NODE) {
        on_node_hello(p, hello);
    } else if (p->role == ROLE_PROXY) {
        log_info("a proxy is here", "node=%s", p->node_id);
        snapshot_send(p->controller, p);
    }
    controller_wake(p->controller);
    return 0;
}

static int on_message(struct channel *ch, const struct frame *f)
{
    struct peer *p = CONTAINER_OF(ch, struct peer, channel);

    controller_wake(p->controller);
    if (p->role == ROLE_NODE) {
        return on_node_message(p, f);
    }
    return p->role == ROLE_PROXY ? on_proxy_message(p, f) : 0;
}

static void on_close(struct channel *ch, const struct err *err)
{
    struct peer *p = CONTAINER_OF(ch, struct peer, channel);
    struct controller *c = p->controller;

    if (p->role == ROLE_NODE || p->role == ROLE_PROXY) {
        log_warn_RL("a link is gone", "node=%s role=%s reason=%s", p->node_id,
                    p->role == ROLE_NODE ? "node" : "proxy", err->text);
    }
    if (c->node == p) {
        c->node = NULL;
        world_on_node_lost(&c->world, p->node_id);
    }
    peer_free(p);
    controller_wake(c);
}

static const struct channel_events channel_events = {
    .on_hello = on_hello,
    .on_message = on_message,
    .on_close = on_close,
};

static size_t count_remote(const struct controller *c)
{
    const struct peer *p;
    size_t n = 0;

    LIST_FOREACH (p, &c->peers, link) {
        n += p->is_remote ? 1 : 0;
    }
    return n;
}

static void accept_one(struct controller *c, int fd, bool is_remote)
{
    struct channel_hello hello = {.role = ROLE_CONTROLLER,
                                  .peer_roles = is_remote ? ROLE_NODE | ROLE_CLI
                                                          : ROLE_NODE | ROLE_PROXY | ROLE_CLI,
                                  .incarnation = c->incarnation,
                                  .name = c->node_id};
    struct peer *p = mem_new(struct peer);

    p->controller = c;
    p->is_remote = is_remote;
    list_push_back(&c->peers, &p->link);
    channel_init(&p->channel, c->loop, fd, &hello, &channel_events);
}

static void on_unix(struct io_watch *w, unsigned events)
{
    struct controller *c = CONTAINER_OF(w, struct controller, unix_listener);
    int fd;

    (void) events;
    while ((fd = stream_accept(w->fd, NULL, 0)) >= 0) {
        accept_one(c, fd, false);
    }
}

static void on_cluster(struct io_watch *w, unsigned events)
{
    struct controller *c = CONTAINER_OF(w, struct controller, cluster_listener);
    int fd;

    (void) events;
    while (count_remote(c) < MAX_REMOTE_PEERS && (fd = stream_accept(w->fd, NULL, 0)) >= 0) {
        accept_one(c, fd, true);
    }
}

void observe_init(struct controller *c, int unix_fd, int cluster_fd)
{
    io_watch_start(&c->unix_listener, c->loop, unix_fd, IO_READ, on_unix);
    if (cluster_fd >= 0) {
        io_watch_start(&c->cluster_listener, c->loop, cluster_fd, IO_READ, on_cluster);
    }
}

void observe_deinit(struct controller *c)
{
    struct list *l;

    io_watch_stop(&c->unix_listener);
    io_watch_stop(&c->cluster_listener);
    c->node = NULL;
    while ((l = c->peers.next) != &c->peers) {
        peer_free(LIST_ENTRY(l, struct peer, link));
    }
}
