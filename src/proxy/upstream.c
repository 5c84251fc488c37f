/* SPDX-License-Identifier: Apache-2.0 */
/* The links to the controller (snapshots in, counts out) and to the node (the HTTP listener).
 * Either may go away: the proxy serves on with what it knows and dials again. */

#include "proxy/proxy.h"

#include <jansson.h>
#include <stdio.h>

#include "base/log.h"

enum { REDIAL_FIRST_MS = 20, REDIAL_MAX_MS = 1000, LOAD_PERIOD_MS = 1000 };

struct upstream {
    struct proxy *proxy;
    const char *name;
    enum wire_role role;
    bool is_up; /* the channel is initialised */
    struct channel channel;
    struct timer redial;
    uint64_t redial_ms;
};

/* [{"id", "queued", "ongoing"}, …]; ret_sum changes when a count does. */
static char *describe_load(const struct proxy *p, uint64_t *ret_sum)
{
    json_t *rows = json_array();
    struct router_deployment *d = NULL;
    uint64_t sum = 0;
    char *text;

    while ((d = router_deployment_next(p->router, d))) {
        struct span id = router_deployment_id(d);
        size_t queued = router_deployment_queued(d);
        size_t ongoing = router_deployment_ongoing(d);

        sum = sum * 31 + map_hash(id.data, id.size) + queued * 65537 + ongoing;
        (void) json_array_append_new(rows, json_pack("{s:s%, s:I, s:I}", "id", id.data, id.size,
                                                     "queued", (json_int_t) queued, "ongoing",
                                                     (json_int_t) ongoing));
    }
    *ret_sum = sum;
    text = json_dumps(rows, JSON_COMPACT);
    json_decref(rows);
    return text;
}

static void report(struct proxy *p, bool only_changes)
{
    uint64_t sum = 0;
    char *text CLEANUP(mem_freep) = describe_load(p, &sum);

    if (p->controller && p->controller->is_up && !(only_changes && sum == p->load_sum)) {
        p->load_sum = sum;
        msg_load_put(channel_out(&p->controller->channel), 0, 0,
                     &(struct msg_load){.load_json = span_of(text)});
    }
}

static int on_snapshot(struct proxy *p, const struct frame *f)
{
    struct msg_snapshot m;

    if (msg_snapshot_get(f, &m) < 0 || snapshot_apply(p, m.snapshot_json) < 0) {
        log_alert("the controller sent a snapshot that is none");
        return -EPROTO;
    }
    msg_snapshot_ack_put(channel_out(&p->controller->channel), 0, 0,
                         &(struct msg_snapshot_ack){.version = m.version});
    proxy_ready(p);
    return 0;
}

static int on_listener(struct upstream *u, const struct frame *f)
{
    struct proxy *p = u->proxy;
    struct msg_listener m;
    int fd = f->flags & FRAME_FD ? channel_take_fd(&u->channel) : -1;

    if (msg_listener_get(f, &m) < 0) {
        return -EPROTO;
    }
    log_info("the HTTP listener", "host=%.*s port=%u", (int) m.host.size, m.host.data, m.port);
    proxy_listen(p, fd);
    return 0;
}

static int on_message(struct channel *ch, const struct frame *f)
{
    struct upstream *u = CONTAINER_OF(ch, struct upstream, channel);

    switch (f->type) {
    case MSG_SNAPSHOT: return on_snapshot(u->proxy, f);
    case MSG_LISTENER: return on_listener(u, f);
    case MSG_DRAIN: u->proxy->is_draining = true; return 0;
    default: return 0;
    }
}

static int on_hello(struct channel *ch, const struct msg_hello *hello)
{
    struct upstream *u = CONTAINER_OF(ch, struct upstream, channel);

    (void) hello;
    u->redial_ms = REDIAL_FIRST_MS;
    if (u->role == ROLE_CONTROLLER) {
        report(u->proxy, false);
    }
    return 0;
}

static void redial_later(struct upstream *u)
{
    timer_start(&u->redial, u->redial_ms);
    u->redial_ms = MIN(u->redial_ms * 2, (uint64_t) REDIAL_MAX_MS);
}

static void on_close(struct channel *ch, const struct err *err)
{
    struct upstream *u = CONTAINER_OF(ch, struct upstream, channel);

    log_info("an upstream link has ended", "to=%s reason=%s", u->name, err->text);
    channel_deinit(ch);
    u->is_up = false;
    redial_later(u);
}

static const struct channel_events events = {
    .on_hello = on_hello, .on_message = on_message, .on_close = on_close};

static void dial(struct timer *t)
{
    struct upstream *u = CONTAINER_OF(t, struct upstream, redial);
    char *path CLEANUP(mem_freep) = mem_printf("%s/sockets/%s", u->proxy->session_dir, u->name);
    char *info CLEANUP(mem_freep) = mem_printf("{\"node_id\": \"%s\"}", u->proxy->node_id);
    struct channel_hello hello = {.role = ROLE_PROXY,
                                  .peer_roles = u->role,
                                  .incarnation = u->proxy->incarnation,
                                  .name = u->proxy->node_id,
                                  .info_json = info};
    int fd = stream_connect_unix(path, NULL);

    if (fd < 0) {
        redial_later(u);
        return;
    }
    channel_init(&u->channel, u->proxy->loop, fd, &hello, &events);
    u->is_up = true;
}

static struct upstream *start(struct proxy *p, const char *name, enum wire_role role)
{
    struct upstream *u = mem_new(struct upstream);

    u->proxy = p;
    u->name = name;
    u->role = role;
    u->redial_ms = REDIAL_FIRST_MS;
    timer_init(&u->redial, p->loop, dial);
    dial(&u->redial);
    return u;
}

static void stop(struct upstream *u)
{
    timer_stop(&u->redial);
    if (u->is_up) {
        channel_deinit(&u->channel);
    }
    free(u);
}

/* Many may come in one turn. */
static void on_wake(struct turn_hook *h)
{
    report(CONTAINER_OF(h, struct proxy, wake), true);
}

void upstream_wake(struct proxy *p)
{
    turn_hook_schedule(&p->wake, p->loop);
}

/* Runs only while there are requests: an idle proxy does not wake. */
static void on_load_timer(struct timer *t)
{
    struct proxy *p = CONTAINER_OF(t, struct proxy, load_timer);

    report(p, true);
    if (http_server_requests(p->http) > 0 || p->n_active > 0) {
        timer_start(t, LOAD_PERIOD_MS);
    }
}

void upstream_load_changes(struct proxy *p)
{
    if (!timer_active(&p->load_timer)) {
        timer_start(&p->load_timer, LOAD_PERIOD_MS);
    }
}

void upstreams_start(struct proxy *p)
{
    timer_init(&p->load_timer, p->loop, on_load_timer);
    turn_hook_init(&p->wake, on_wake);
    p->controller = start(p, "controller", ROLE_CONTROLLER);
    p->node = start(p, "node", ROLE_NODE);
}

void upstreams_stop(struct proxy *p)
{
    timer_stop(&p->load_timer);
    turn_hook_cancel(&p->wake);
    stop(p->controller);
    stop(p->node);
}
