/* SPDX-License-Identifier: Apache-2.0 */
#include "node/peers.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "node/ingress.h"
#include "node/replicas.h"

struct peers {
    struct node *node;
    struct io_watch listener;
    struct list list; /* of struct peer.link; owned */
    struct peer *proxy;
};

struct peer *peers_proxy(const struct peers *p)
{
    return p->proxy;
}

void peer_send_control(struct peer *peer, const char *name, const char *body_json)
{
    struct msg_control m = {.name = span_of(name), .body_json = span_of(body_json)};

    msg_control_put(channel_out(&peer->channel), 0, 0, &m);
}

void peer_drop(struct peer *peer)
{
    if (peer->peers->proxy == peer) {
        peer->peers->proxy = NULL;
    }
    list_remove(&peer->link);
    channel_deinit(&peer->channel);
    free(peer);
}

static int on_hello(struct channel *ch, const struct msg_hello *hello)
{
    struct peer *peer = CONTAINER_OF(ch, struct peer, channel);
    struct peers *p = peer->peers;

    if (hello->role == ROLE_REPLICA) {
        peer->replica = replicas_on_hello(p->node->replicas, peer, hello);
        return peer->replica ? 0 : -EPERM;
    }
    log_info("the proxy is here");
    if (p->proxy) {
        channel_close(&p->proxy->channel, "another proxy has said HELLO");
    }
    p->proxy = peer;
    ingress_tell_proxy(p->node->ingress);
    node_check_started(p->node);
    return 0;
}

static int on_message(struct channel *ch, const struct frame *f)
{
    struct peer *peer = CONTAINER_OF(ch, struct peer, channel);

    if (f->type == MSG_CONTROL && peer->replica) {
        return replica_on_control(peer->replica, f);
    }
    return 0;
}

static void on_close(struct channel *ch, const struct err *err)
{
    struct peer *peer = CONTAINER_OF(ch, struct peer, channel);

    if (peer->replica) {
        replica_on_link_lost(peer->replica, peer);
    } else {
        log_info("a link is gone", "reason=%s", err->text);
    }
    peer_drop(peer);
}

static const struct channel_events channel_events = {
    .on_hello = on_hello,
    .on_message = on_message,
    .on_close = on_close,
};

static bool is_our_user(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == getuid() || peer.uid == 0);
}

static void welcome(struct peers *p, int fd)
{
    const struct channel_hello hello = {.role = ROLE_NODE,
                                        .peer_roles = ROLE_PROXY | ROLE_REPLICA,
                                        .incarnation = p->node->incarnation,
                                        .name = p->node->options.node_id};
    struct peer *peer = mem_new(struct peer);

    peer->peers = p;
    list_push_back(&p->list, &peer->link);
    channel_init(&peer->channel, p->node->loop, fd, &hello, &channel_events);
}

static void turn_away(int fd)
{
    log_warn_RL("a process of another user was turned away", "fd=%d", fd);
    (void) close(fd);
}

static void on_connection(struct io_watch *w, unsigned events)
{
    struct peers *p = CONTAINER_OF(w, struct peers, listener);
    int fd;

    (void) events;
    while ((fd = stream_accept(w->fd, NULL, 0)) >= 0) {
        if (is_our_user(fd)) {
            welcome(p, fd);
        } else {
            turn_away(fd);
        }
    }
}

struct peers *peers_new(struct node *n)
{
    struct peers *p = mem_new(struct peers);

    p->node = n;
    list_init(&p->list);
    return p;
}

void peers_listen(struct peers *p, int fd)
{
    io_watch_start(&p->listener, p->node->loop, fd, IO_READ, on_connection);
}

void peers_free(struct peers *p)
{
    if (!p) {
        return;
    }
    while (!list_empty(&p->list)) {
        peer_drop(LIST_ENTRY(p->list.next, struct peer, link));
    }
    if (p->listener.loop) {
        int fd = p->listener.fd;

        io_watch_stop(&p->listener);
        (void) close(fd);
    }
    free(p);
}
