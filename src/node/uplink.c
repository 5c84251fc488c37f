/* SPDX-License-Identifier: Apache-2.0 */
#include "node/uplink.h"

#include <unistd.h>

#include "base/log.h"
#include "node/builds.h"
#include "node/ingress.h"
#include "node/replicas.h"

enum { REDIAL_FIRST_MS = 20, REDIAL_MAX_MS = 1000 };

struct uplink {
    struct node *node;
    char *path;
    struct channel channel;
    bool is_dialled;
    bool is_up;
    struct timer redial;
    uint64_t redial_ms;
};

bool uplink_is_up(const struct uplink *u)
{
    return u->is_up;
}

struct buf *uplink_out(struct uplink *u)
{
    /* Once the instance stops, news would only make the controller act against it. */
    return u->is_up && !u->node->is_stopping ? channel_out(&u->channel) : NULL;
}

static int on_hello(struct channel *ch, const struct msg_hello *hello)
{
    struct uplink *u = CONTAINER_OF(ch, struct uplink, channel);

    (void) hello;
    log_info("the controller is here");
    u->is_up = true;
    u->redial_ms = REDIAL_FIRST_MS;
    replicas_report_all(u->node->replicas);
    msg_node_ready_put(channel_out(ch), 0, 0, &(struct msg_node_ready){.info_json = SPAN("{}")});
    node_check_started(u->node);
    return 0;
}

static int on_message(struct channel *ch, const struct frame *f)
{
    struct node *n = CONTAINER_OF(ch, struct uplink, channel)->node;

    switch (f->type) {
    case MSG_START_REPLICA: return replicas_on_start(n->replicas, f);
    case MSG_STOP_REPLICA: return replicas_on_stop(n->replicas, f);
    case MSG_RECONFIGURE: return replicas_on_reconfigure(n->replicas, f);
    case MSG_BUILD: return builds_on_build(n->builds, f);
    case MSG_CANCEL_BUILD: return builds_on_cancel(n->builds, f);
    case MSG_LISTEN_HTTP: return ingress_on_listen(n->ingress, f);
    default: return 0; /* of a newer version */
    }
}

static void on_close(struct channel *ch, const struct err *err)
{
    struct uplink *u = CONTAINER_OF(ch, struct uplink, channel);

    if (u->is_up) {
        log_warn("the link to the controller is gone", "reason=%s", err->text);
    }
    u->is_up = false;
    u->is_dialled = false;
    channel_deinit(ch);
    timer_start(&u->redial, u->redial_ms);
    u->redial_ms = MIN(u->redial_ms * 2, (uint64_t) REDIAL_MAX_MS);
}

static const struct channel_events channel_events = {
    .on_hello = on_hello,
    .on_message = on_message,
    .on_close = on_close,
};

static char *describe_node(const struct node *n)
{
    char hostname[256] = "";
    json_t *info;
    char *text;

    (void) gethostname(hostname, sizeof(hostname) - 1);
    info = json_pack("{s:s, s:s, s:s, s:O}", "node_id", n->options.node_id, "node_ip",
                     n->options.node_ip, "hostname", hostname, "resources", n->resources);
    ASSERT(info);
    text = json_dumps(info, JSON_COMPACT);
    json_decref(info);
    return text;
}

static void on_redial(struct timer *t)
{
    struct uplink *u = CONTAINER_OF(t, struct uplink, redial);
    char *info CLEANUP(mem_freep) = describe_node(u->node);
    struct channel_hello hello = {.role = ROLE_NODE,
                                  .peer_roles = ROLE_CONTROLLER,
                                  .incarnation = u->node->incarnation,
                                  .name = u->node->options.node_id,
                                  .info_json = info};
    struct err err;
    int fd = stream_connect_unix(u->path, &err);

    if (fd < 0) {
        timer_start(&u->redial, u->redial_ms);
        u->redial_ms = MIN(u->redial_ms * 2, (uint64_t) REDIAL_MAX_MS);
        return;
    }
    channel_init(&u->channel, u->node->loop, fd, &hello, &channel_events);
    u->is_dialled = true;
}

struct uplink *uplink_new(struct node *n)
{
    struct uplink *u = mem_new(struct uplink);

    u->node = n;
    u->path = mem_printf("%s/sockets/controller", n->options.session_dir);
    u->redial_ms = REDIAL_FIRST_MS;
    timer_init(&u->redial, n->loop, on_redial);
    return u;
}

void uplink_start(struct uplink *u)
{
    on_redial(&u->redial);
}

void uplink_free(struct uplink *u)
{
    if (!u) {
        return;
    }
    timer_stop(&u->redial);
    if (u->is_dialled) {
        channel_deinit(&u->channel);
    }
    free(u->path);
    free(u);
}
