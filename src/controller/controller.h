/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROLLER_CONTROLLER_H
#define CONTROLLER_CONTROLLER_H

/* What the parts of the controller share.  Each part is one file: api.c (HTTP in), status.c (what
 * GET shows), apps.c (what was declared), observe.c (links in), reconcile.c (observe, decide, act),
 * act.c (messages to nodes), snapshot.c (messages to proxies), state.c (what survives a restart).
 * Everything runs on one loop. */

#include <jansson.h>

#include "http/server.h"
#include "policy/world.h"
#include "spec/field.h"
#include "wire/channel.h"

/* Serve as a whole: started by the first PUT or by serve.start, stopped by DELETE. */
struct serve {
    bool is_started;
    bool is_stopping;     /* DELETE: until the last application is gone */
    json_t *http_options; /* as submitted, coerced; owned, as all below */
    json_t *grpc_options;
    json_t *logging_config; /* or NULL */
    char *proxy_location;
    bool http_may_move; /* nobody chose the port */
};

struct controller {
    struct loop *loop;
    char *session_dir;
    char *node_id; /* of the head */
    uint64_t incarnation;
    struct world world;
    struct serve serve;

    /* Links. */
    struct io_watch unix_listener;
    struct io_watch cluster_listener;
    struct list peers; /* of struct peer.link; owned */
    struct peer *node; /* the head's node daemon, once it has said HELLO; not owned */
    char *node_ip;
    json_t *node_resources;

    /* HTTP ingress, as the node told. */
    char *http_host; /* NULL while nothing listens */
    uint16_t http_port;
    char *http_error; /* why it cannot listen, or NULL */

    /* Snapshots. */
    uint64_t snapshot_version;
    char *snapshot_text; /* the latest; NULL before the first */
    uint64_t snapshot_ms;

    /* Reconciling. */
    struct turn_hook reconcile;
    struct timer reconcile_timer;
    bool is_recovering; /* silent until the node has reported, or a while */
    uint64_t recover_until_ms;
    char *state_text; /* as last saved */

    struct http_server *http;
    struct list waiting; /* of struct shutdown_wait.link in api.c: DELETEs not answered yet */
};

enum { SNAPSHOT_PATIENCE_MS = 2000, RECOVER_MS = 10 * 1000 };

double controller_unix_s(void);

/* Decide and act at the end of this turn. */
void controller_wake(struct controller *c);

/* reconcile.c */
void reconcile_init(struct controller *c);
void reconcile_deinit(struct controller *c);

/* act.c */
void act(struct controller *c, const struct action *a);
void act_cancel_build(struct controller *c, const char *build_id);
void act_listen_http(struct controller *c);

/* snapshot.c: true if anything changed that decisions depend on; '*due_ms' is lowered. */
bool snapshot_publish(struct controller *c, uint64_t *due_ms);
void snapshot_send(struct controller *c, struct peer *proxy);

/* observe.c */
struct peer {
    struct list link; /* in controller.peers */
    struct controller *controller;
    struct channel channel;
    bool is_remote;      /* came through the cluster port */
    enum wire_role role; /* 0 before HELLO */
    char *node_id;
    uint64_t acked_version; /* proxies */
};

void observe_init(struct controller *c, int unix_fd, int cluster_fd);
void observe_deinit(struct controller *c);

/* state.c */
int state_load(struct controller *c, struct err *err) MUST_CHECK;
void state_save(struct controller *c);

/* apps.c */
/* A parsed document of PUT (not taken). */
void apps_put(struct controller *c, const json_t *document);
/* serve.run: -EINVAL with a sentence, -EADDRINUSE when the prefix is another application's. */
int apps_put_artefact(struct controller *c, const char *name, const json_t *body, struct err *err)
    MUST_CHECK;
void apps_delete(struct controller *c, const char *name); /* harmless if there is none */
void apps_on_built(struct controller *c, struct span build_id, struct span result_json);
/* What is not given keeps its default; ignored with a warning once Serve runs. */
void serve_start(struct controller *c, const json_t *options, const char *default_host);
void serve_stop(struct controller *c);
/* After each round of decisions: the end of a stop. */
void serve_check_stopped(struct controller *c);

/* status.c; the caller's. */
json_t *status_details(const struct controller *c, const char *only_source) MUST_CHECK;
json_t *status_instance(const struct controller *c) MUST_CHECK;
json_t *status_version(const struct controller *c) MUST_CHECK;

/* api.c */
int api_init(struct controller *c, int fd, struct err *err) MUST_CHECK;
void api_deinit(struct controller *c);
void api_on_serve_stopped(struct controller *c);

#endif
