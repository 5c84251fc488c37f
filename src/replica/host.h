/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPLICA_HOST_H
#define REPLICA_HOST_H

/* What a process that runs user code (a replica or a driver) has of ours: one I/O thread with the
 * links to its node's router and to the node.  It holds the requests that run here and the calls
 * made from here, keeps the credit both ways, answers PING and takes cancels while user code is
 * busy, and dials again when a link breaks.  Used by the Python extension; it knows no Python.
 *
 * The consumer takes events and gives answers, from any thread.  Nothing blocks but host_wait(),
 * host_lookup() and host_free().  An id that is not known (answered already, cancelled) is ignored:
 * the consumer cannot know what the network knows. */

#include "base/err.h"
#include "base/list.h"
#include "wire/messages.h"

struct host;

enum { HOST_TEXT_MAX = 64 * 1024, HOST_HEADERS_MAX = 1024 * 1024 };

struct host_config {
    enum wire_role role;     /* ROLE_REPLICA dials the node at once, ROLE_DRIVER the router */
    const char *session_dir; /* has sockets/router and sockets/node */
    const char *name;
    const char *token;
    const char *info_json; /* a JSON object, or NULL */
    int lifeline_fd;       /* -1, or a descriptor at whose end the process group is killed */
};

/* Starts the thread.  The strings are copied. */
struct host *host_new(const struct host_config *config) MUST_CHECK;
/* What was queued leaves first, within a second; then the thread ends and nothing works any more.
 * For one thread; others may still be inside other functions, which then return. */
void host_stop(struct host *h);
void host_free(struct host *h); /* stops it too; NULL is fine */
/* A replica's way to the router: it dials, with this in its HELLO. */
void host_join(struct host *h, const char *info_json);
/* False after host_stop() and in a forked child: no links, and everything else does nothing. */
bool host_is_alive(const struct host *h);

/* Events. */

enum host_event_type {
    HOST_HTTP,     /* a request: http; is_complete: its body is all there */
    HOST_CALL,     /* a handle call with all of its arguments: call */
    HOST_BODY,     /* more of a request's body: data, is_complete */
    HOST_CANCEL,   /* nobody wants the answer any more: kind.  It is still to be answered */
    HOST_WRITABLE, /* host_chunk() had said false */
    HOST_ITEM,     /* of a streaming call of ours: data */
    HOST_DONE,     /* a call of ours ended well: data if it was unary */
    HOST_ERROR,    /* a call of ours ended badly: kind, text, data */
    HOST_STARTED,  /* the callee's user code has begun */
    HOST_CONTROL,  /* from the node: text is the name, data the JSON body */
    HOST_LINK,     /* text is "router" or "node"; is_complete: it is up */
};

struct host_event {
    struct list link;
    enum host_event_type type;
    bool is_complete;
    unsigned kind;
    uint64_t id;
    struct request *request; /* the host's own */
    union {
        struct msg_dispatch_http http;
        struct msg_dispatch_call call;
    };
    struct span text;
    struct span data;
    struct buf gathered; /* what came in several frames; the spans point here or into 'memory' */
    char memory[];
};

/* Readable when there are events. */
int host_fd(const struct host *h);
/* Moves all events to the end of 'ret_events'; the caller frees them.  With 'hold' answers wait for
 * host_flush(), for about 2 ms, and so leave in one write. */
void host_take(struct host *h, bool hold, struct list *ret_events);
void host_flush(struct host *h);
bool host_wait(struct host *h, uint64_t timeout_ms); /* blocks; false: nothing came */
void host_event_free(struct host_event *e);

/* Answers: 'id' is that of the event. */

void host_started(struct host *h, uint64_t id);
/* 'headers' as wire_header_put() makes them, HOST_HEADERS_MAX at most. */
void host_respond(struct host *h, uint64_t id, uint16_t status, struct span headers,
                  struct span body);
void host_head(struct host *h, uint64_t id, uint16_t status, struct span headers);
/* A part of an HTTP body, or one item.  The data is taken in any case; false: HOST_WRITABLE (or
 * HOST_CANCEL) says when to give more. */
bool host_chunk(struct host *h, uint64_t id, struct span data, bool is_end);
void host_result(struct host *h, uint64_t id, struct span data);
void host_error(struct host *h, uint64_t id, enum error_kind kind, struct span text,
                struct span data);
/* So much of a body, or of the items of a call, was consumed. */
void host_read(struct host *h, uint64_t id, size_t size);

/* Calls. */

/* Everything is copied.  Returns the id, or -EMSGSIZE when a name exceeds HOST_TEXT_MAX. */
int64_t host_call(struct host *h, const struct msg_call *call) MUST_CHECK;
void host_cancel(struct host *h, uint64_t id);

/* Asks the router which deployment is the application's ingress.  Waits at most 'timeout_ms' and
 * may then be called again with the same '*id', which is 0 at first.  0 and a JSON text that the
 * caller frees, or NULL when there is no such application; -EAGAIN: not yet; -EPIPE: a dead host.
 */
int host_lookup(struct host *h, struct span app, uint64_t timeout_ms, uint64_t *id, char **ret_json)
    MUST_CHECK;
void host_lookup_end(struct host *h, uint64_t id); /* gives a question up */

/* To the node; -EMSGSIZE when it does not fit a frame.  Dropped while the node is away. */
int host_control(struct host *h, struct span name, struct span body_json) MUST_CHECK;

#endif
