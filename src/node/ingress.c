/* SPDX-License-Identifier: Apache-2.0 */
#include "node/ingress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "io/port.h"
#include "node/peers.h"
#include "node/processes.h"
#include "node/uplink.h"

/* Init keeps the listener under this name with the host after it, so that a new node knows that
 * too. */
#define KEPT_NAME "http:"

struct ingress {
    struct node *node;
    char *host; /* NULL while closed; owned */
    uint16_t port;
    uint16_t asked_port; /* what the controller wanted, if we moved */
    int fd;              /* -1 while closed; owned */
};

struct ingress *ingress_new(struct node *n)
{
    struct ingress *i = mem_new(struct ingress);

    i->node = n;
    i->fd = -1;
    return i;
}

static void forget(struct ingress *i)
{
    if (i->fd >= 0) {
        (void) close(i->fd);
    }
    free(i->host);
    i->fd = -1;
    i->host = NULL;
}

void ingress_free(struct ingress *i)
{
    if (i) {
        forget(i);
        free(i);
    }
}

void ingress_adopt(struct ingress *i)
{
    i->fd = processes_take_kept(i->node->processes, KEPT_NAME, &i->host);
    if (i->fd >= 0) {
        i->port = port_of(i->fd);
        i->asked_port = i->port;
    }
}

void ingress_tell_proxy(struct ingress *i)
{
    struct peer *proxy = peers_proxy(i->node->peers);
    struct msg_listener m = {.host = span_of(i->host), .port = i->fd >= 0 ? i->port : 0};

    if (!proxy) {
        return;
    }
    if (i->fd >= 0) {
        channel_send_fd(&proxy->channel, i->fd);
    }
    msg_listener_put(channel_out(&proxy->channel), i->fd >= 0 ? FRAME_FD : 0, 0, &m);
}

static void answer(struct ingress *i, const char *host, uint16_t port, const char *error)
{
    struct buf *out = uplink_out(i->node->uplink);
    struct msg_listening_http m = {.host = span_of(host), .port = port, .error = span_of(error)};

    if (out) {
        msg_listening_http_put(out, 0, 0, &m);
    }
}

static void shut(struct ingress *i)
{
    char *name CLEANUP(mem_freep) = NULL;

    if (i->fd >= 0) {
        name = mem_printf(KEPT_NAME "%s", i->host);
        processes_keep(i->node->processes, name, -1);
        forget(i);
        ingress_tell_proxy(i);
    }
}

/* Under Kubernetes the pod's probes and the service know one port: it never moves. */
static bool is_strict(void)
{
    return getenv("RAY_CLUSTER_NAME") != NULL;
}

static void open_at(struct ingress *i, const char *host, uint16_t port, bool may_move)
{
    char *name CLEANUP(mem_freep) = NULL;
    uint16_t got = 0;
    struct err err = {0};
    int fd = port_listen(host, port, may_move && !is_strict(), &got, &err);

    if (fd < 0) {
        log_error("HTTP cannot be served", "reason=%s", err.text);
        answer(i, host, port, err.text);
        return;
    }
    shut(i);
    i->fd = fd;
    i->host = mem_strdup(host);
    i->port = got;
    i->asked_port = port;
    name = mem_printf(KEPT_NAME "%s", host);
    processes_keep(i->node->processes, name, fd);
    ingress_tell_proxy(i);
    if (got != port) {
        log_warn("the HTTP port is taken; another is used", "wanted=%u used=%u", port, got);
    }
    log_info("HTTP is served", "host=%s port=%u", host, got);
    answer(i, host, got, "");
}

int ingress_on_listen(struct ingress *i, const struct frame *f)
{
    struct msg_listen_http m;
    char *host CLEANUP(mem_freep) = NULL;

    if (msg_listen_http_get(f, &m) < 0) {
        return -EPROTO;
    }
    host = mem_strndup(m.host.data, m.host.size);
    if (host[0] == '\0') {
        shut(i);
        answer(i, "", 0, "");
    } else if (i->fd >= 0 && strcmp(host, i->host) == 0 &&
               (m.port == i->port || m.port == i->asked_port)) {
        answer(i, i->host, i->port, "");
    } else {
        open_at(i, host, m.port, m.may_move != 0);
    }
    return 0;
}
