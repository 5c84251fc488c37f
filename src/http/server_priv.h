/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_SERVER_PRIV_H
#define HTTP_SERVER_PRIV_H

/* What the files of the server share: server.c (listeners, clock), server_conn.c (a connection's
 * states and bytes), server_sweep.c (its time-outs) and server_request.c (what the handler calls).
 * One connection works on one request; its struct http_request comes from the server's spare ones,
 * so that an idle connection is small and a busy one allocates nothing. */

#include "http/body.h"
#include "http/head.h"
#include "http/reply.h"
#include "http/server.h"
#include "io/stream.h"

#include <time.h>

/*            first byte        head complete            answer ended
 *   IDLE ─────────────▶ HEAD ──────────────▶ OPEN ─────────────────────▶ IDLE
 *                        │ (collect_body)      ▲ │ body not read yet         ▲
 *                        └──────▶ COLLECT ─────┘ └────────▶ DRAIN ───────────┘
 *   any ──▶ CLOSING (our last bytes leave) ──▶ gone.  A new connection begins in HEAD. */
enum conn_state {
    CONN_RESTING, /* IDLE for a while: it has given its buffers back */
    CONN_IDLE,    /* between requests */
    CONN_HEAD,    /* a head is due or incomplete */
    /* The time-outs of those above depend on nothing but the time in the state. */
    CONN_COLLECT, /* the whole body is due before on_request */
    CONN_OPEN,    /* the request is in the handler's hands */
    CONN_DRAIN,   /* answered; the rest of its body is dropped */
    CONN_CLOSING, /* stream_finish() was called */
    CONN_STATES,
};

struct conn {
    struct stream stream;
    struct turn_hook work; /* goes on after a call from outside */
    struct http_server *server;
    struct list link; /* in server->conns[state] */
    enum conn_state state;
    bool running;             /* conn_run() is on the stack: it sees what changed by itself */
    bool broken;              /* to be reset by the hook */
    size_t scan;              /* how far head_find_end() looked */
    uint64_t since_ms;        /* in this state */
    uint64_t written;         /* stream.written when it last moved */
    uint64_t moved_ms;        /* when that was */
    struct http_request *req; /* NULL in IDLE, HEAD and CLOSING */
    char peer[56];
};

struct http_request {
    struct conn *conn; /* NULL in server->spares */
    struct list link;  /* in server->spares */
    void *user;
    struct head head;
    struct buf text;      /* the head's bytes; the spans of 'head' point there */
    struct buf path_text; /* the decoded path if it differs from the raw one */
    struct span path;
    struct buf collected; /* with collect_body */
    char local[56];

    /* The body. */
    struct body_decoder body;
    bool body_complete;  /* handed over to its end */
    bool continue_due;   /* the client waits for 100 */
    size_t credit;       /* bytes the handler allows */
    uint64_t body_size;  /* of what came */
    uint64_t body_at_ms; /* when it last moved, or credit came */

    /* The answer. */
    bool begun;
    bool close; /* the connection does not outlive it */
    enum reply_framing framing;
    uint64_t length_left; /* with REPLY_LENGTH */
};

struct listener {
    struct list link; /* in server->listeners */
    struct io_watch watch;
    struct http_server *server;
};

struct http_server {
    struct loop *loop;
    const struct http_handler *handler;
    struct http_server_options options;
    void *user;
    struct list listeners;          /* of struct listener.link; owned */
    struct list conns[CONN_STATES]; /* of struct conn.link; owned; each in order of since_ms */
    size_t n_conns;
    size_t n_open;      /* requests in the handler's hands */
    struct list spares; /* of struct http_request.link; owned */
    size_t n_spares;
    struct timer sweep; /* time-outs; runs while there is something to time */
    struct turn_hook stopped;
    bool stopping;
    bool accept_paused; /* out of descriptors */
    int max_fd;         /* a descriptor above this one pauses accepting */

    /* "date: …" and "server: …" lines, made anew when the second changes. */
    time_t date_s;
    char date_line[48];
    char *server_line; /* owned */
};

/* server.c */
struct span server_date_line(struct http_server *server);
struct http_request *server_take_request(struct http_server *server);
void server_give_request(struct http_server *server, struct http_request *req);
void server_conn_gone(struct http_server *server);

/* server_conn.c */
void conn_new(struct http_server *server, int fd, const char *peer);
void conn_free(struct conn *c); /* aborts its request, if any, with 499 */
void conn_run(struct conn *c);
void conn_kick(struct conn *c); /* conn_run() later in this turn, unless it runs already */
void conn_set_state(struct conn *c, enum conn_state state); /* the only place that does */
void conn_send_continue(struct conn *c);                    /* if it is due */
/* Whether what is missing of the body is little enough to be read and dropped. */
bool conn_can_drain(const struct conn *c);

/* Each of these ends the request, if any. */
void conn_answered(struct conn *c); /* the answer is complete */
void conn_finish(struct conn *c);   /* what is queued leaves, then the connection ends */
void conn_break(struct conn *c);    /* the client sees a reset, later in this turn */
/* There will be no answer, which the handler is told if it knows of the request.  The state is
 * CLOSING then; the caller finishes, breaks or frees the connection. */
void conn_abort(struct conn *c, int status);
/* The client did something wrong: it is told if no answer has begun, then the connection ends. */
void conn_fail(struct conn *c, int status);

/* server_sweep.c: checks the time-outs of its state.  True if that made it leave the state, or
 * freed it. */
bool conn_sweep(struct conn *c, uint64_t now_ms);

#endif
