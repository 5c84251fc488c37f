/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

/* The proxy's one object and what its files share: main.c makes it, upstream.c talks to controller
 * and node, snapshot.c applies what the controller says, links.c holds replicas and drivers, flow.c
 * a request's way, ingress.c HTTP clients, answers.c what they are told by us, calls.c handle
 * calls. */

#include "base/buf.h"
#include "base/list.h"
#include "http/server.h"
#include "proxy/flow.h"
#include "proxy/routes.h"
#include "router/router.h"

struct upstream;

/* A replica or a driver that is connected. */
struct link {
    struct list of_proxy; /* in proxy.links */
    struct proxy *proxy;
    struct channel channel;
    struct router_caller caller;    /* its own handle calls */
    struct router_replica *replica; /* NULL for a driver, and before HELLO */
    struct map flows;               /* of struct flow.by_stream: what runs on it; not owned */
    struct map calls;               /* of struct call.by_stream: what it asked for; owned */
    uint64_t next_stream;           /* even */
    uint64_t *foreign; /* streams that an earlier router opened and that still run; owned */
    size_t n_foreign;
};

struct proxy {
    struct loop *loop;
    const char *session_dir;
    const char *node_id;
    const char *node_ip;
    uint64_t incarnation;

    struct router *router;
    struct router_caller ingress; /* all HTTP clients */
    struct list links;            /* of struct link.of_proxy; owned */
    struct io_watch accept;
    struct http_server *http;
    int http_listener; /* -1: there is none */
    bool is_ready;     /* knows the world, or has waited for it long enough: accepts HTTP */
    struct timer patience;

    /* From the snapshot. */
    struct routes *routes;
    char *apps_json; /* what LOOKUP answers: {"app": {"ingress", "deployments"}, …} */
    char *root_path;
    double request_timeout_s; /* negative: none */
    struct buf timeout_text;  /* as Python prints it */
    bool logs_access;
    bool had_routes; /* ever */
    bool is_draining;

    struct upstream *controller;
    struct upstream *node;

    struct timer load_timer;
    struct turn_hook wake; /* reports the counts at the end of this turn */
    uint64_t load_sum;     /* of what was last reported, to see a change */
    size_t n_active;       /* flows that are not over */
    size_t n_buffered;     /* bytes of bodies held */
    size_t max_buffered;
    struct list starved;       /* of struct ingress_request.starved: bodies that wait for memory */
    struct list free_requests; /* of struct ingress_request.link; owned */
    size_t n_free_requests;
    struct list free_calls; /* of struct call.link; owned */
    size_t n_free_calls;
    struct buf scratch; /* header blocks; empty between uses */
};

enum { PROXY_MAX_FREE = 256 }; /* requests, and calls, that are kept for the next ones */

/* main.c */
/* A snapshot has been applied: links and HTTP clients may come.  Harmless when they do. */
void proxy_ready(struct proxy *p);
/* The HTTP listener, now ours; -1: none any more. */
void proxy_listen(struct proxy *p, int fd);

/* upstream.c */
void upstreams_start(struct proxy *p);
void upstreams_stop(struct proxy *p);
/* A request waits for a replica that must be started: the controller hears it in this turn. */
void upstream_wake(struct proxy *p);
/* A request has come or gone: the counts are reported within a second, if they changed. */
void upstream_load_changes(struct proxy *p);

/* snapshot.c: applies the controller's document; -EPROTO when it is not one. */
int snapshot_apply(struct proxy *p, struct span json) MUST_CHECK;

/* links.c */
void links_start(struct proxy *p, int listener_fd);
void links_stop(struct proxy *p);

/* calls.c */
struct call;
int calls_on_call(struct link *l, const struct frame *f);
int calls_on_body(struct link *l, const struct frame *f);
int calls_on_cancel(struct link *l, const struct frame *f);
int calls_on_credit(struct link *l, const struct frame *f);
int calls_on_lookup(struct link *l, const struct frame *f);
void calls_end_all(struct link *l);     /* the link is gone */
void calls_free_spare(struct proxy *p); /* none may be in use */

/* ingress.c */
extern const struct http_handler ingress_handler;
void ingress_feed_starved(struct proxy *p);
void ingress_free_spare(struct proxy *p); /* none may be in use */

/* answers.c: in the words of Ray Serve's proxy. */
enum { UUID_SIZE = 36 };
/* The client's x-request-id, or a new one that is put into 'uuid'. */
struct span answer_id(const struct http_request *http, char uuid[UUID_SIZE + 1]);
/* "/-/healthz" and the like; false if 'path' is none of them. */
bool answer_system(struct proxy *p, struct http_request *http, struct span path);
void answer_no_route(struct proxy *p, struct http_request *http);
void answer_error(struct http_request *http, enum error_kind kind, struct span text,
                  const struct route *route, struct span request_id);

/* access_log.c: "METHOD route status 1.2ms" in proxy_<ip>.log, written each second or 32 KiB. */
void access_log_start(struct proxy *p);
void access_log_stop(void);
void access_log(struct proxy *p, struct span request_id, struct span method, struct span route,
                unsigned status, uint64_t duration_us);

#endif
