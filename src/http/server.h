/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

/* An HTTP/1.1 server on one loop: accepts, parses strictly, hands complete heads to a handler, and
 * writes its answers.  Used by the proxy (bodies stream under credit), the controller and the node
 * (bodies are collected).  It never blocks and never holds more than a bounded piece of a body.
 *
 * A struct http_request lives from on_request until its answer has ended (http_reply,
 * http_reply_end, http_reply_abort) or on_abort was called; it must not be touched after.  Requests
 * of one connection come strictly one after the other.  No handler function is called from within a
 * function below, so a handler may answer at once, later, or never touch a request again until it
 * is aborted. */

#include "base/err.h"
#include "http/head.h"
#include "io/loop.h"

struct http_server;
struct http_request;

struct http_handler {
    /* A complete, valid head.  With options.collect_body: the body too (http_request_body). */
    void (*on_request)(struct http_request *req);

    /* Body bytes as http_request_read() allowed; valid during the call.  'end' comes with the last
     * of them (perhaps with none).  Not called when the request has no body
     * (http_request_body_size() is 0), or with collect_body; may then be NULL. */
    void (*on_body)(struct http_request *req, struct span data, bool end);

    /* The request is over without an answer from the handler, which must forget it.  'status' is
     * for the log: 499 the client is gone or reads nothing, 400 its body was malformed, 413 too
     * large, 408 too slow.  The server has told the client where that was still possible. */
    void (*on_abort)(struct http_request *req, int status);

    /* All bytes queued of an unfinished answer have left; may be NULL. */
    void (*on_drain)(struct http_request *req);

    /* A connection was refused before on_request (400, 408, 413, 414, 431); may be NULL. */
    void (*on_refused)(struct http_server *server, int status, const char *peer);

    /* After http_server_stop(): the last connection is gone; may be NULL, may free the server. */
    void (*on_stopped)(struct http_server *server);
};

/* Zero in a field means its default. */
struct http_server_options {
    uint64_t head_timeout_ms;       /* 30 s, then 408 */
    uint64_t keep_alive_timeout_ms; /* 90 s */
    uint64_t body_timeout_ms;       /* 60 s without a byte that was allowed, then 408 */
    uint64_t write_timeout_ms;      /* 60 s without a byte leaving */
    size_t max_head;         /* bytes, 64 KiB, then 431; also beyond HEAD_MAX_FIELDS fields */
    size_t max_target;       /* bytes, 32 KiB, then 414 */
    uint64_t max_body;       /* bytes, then 413; none if zero */
    bool collect_body;       /* on_request comes with the whole body; needs max_body */
    const char *server_name; /* "model-service"; must live as long as the server */
};

/* 'options' may be NULL.  'user' is the handler's. */
struct http_server *http_server_new(struct loop *loop, const struct http_handler *handler,
                                    const struct http_server_options *options, void *user)
    MUST_CHECK;
/* Closes everything at once; requests in work are aborted with 499.  NULL is fine. */
void http_server_free(struct http_server *server);
void *http_server_user(const struct http_server *server);

/* Accepts on a listening socket, which becomes the server's.  There may be several. */
void http_server_listen(struct http_server *server, int fd);
/* Closes that listener; its connections go on. */
void http_server_unlisten(struct http_server *server, int fd);

/* Closes all listeners and idle connections, finishes what runs; then on_stopped follows. */
void http_server_stop(struct http_server *server);

/* For snapshots that change it later; affects connections that become idle from now on. */
void http_server_set_keep_alive(struct http_server *server, uint64_t timeout_ms);

size_t http_server_connections(const struct http_server *server);
size_t http_server_requests(const struct http_server *server); /* in the handler's hands */

/* The request; all spans live as long as it. */

struct http_server *http_request_server(const struct http_request *req);
void http_request_bind(struct http_request *req, void *user); /* NULL until bound */
void *http_request_user(const struct http_request *req);

struct span http_request_method(const struct http_request *req);
struct span http_request_target(const struct http_request *req);     /* as sent */
struct span http_request_path(const struct http_request *req);       /* percent-decoded bytes */
struct span http_request_raw_path(const struct http_request *req);   /* without the query */
struct span http_request_query(const struct http_request *req);      /* without '?'; may be empty */
unsigned http_request_minor_version(const struct http_request *req); /* 0 or 1 */

/* In the order received, repeats kept, names in lower case. */
const struct http_header *http_request_headers(const struct http_request *req, size_t *ret_n);
/* The first of that (lower-case) name; data is NULL if there is none. */
struct span http_request_header(const struct http_request *req, const char *name);

/* "1.2.3.4:567", "[::1]:567"; for a Unix socket "unix". */
const char *http_request_peer(const struct http_request *req);
const char *http_request_local(struct http_request *req);

bool http_request_keep_alive(const struct http_request *req);

/* Bytes of body that were announced; 0: none; HTTP_BODY_UNKNOWN: chunked. */
#define HTTP_BODY_UNKNOWN UINT64_MAX
uint64_t http_request_body_size(const struct http_request *req);
bool http_request_body_complete(const struct http_request *req); /* all of it was handed over */
struct span http_request_body(const struct http_request *req);   /* with collect_body only */

/* Allows 'size' more body bytes to come through on_body.  Nothing is allowed at first; the first
 * call sends "100 Continue" where the client waits for it. */
void http_request_read(struct http_request *req, size_t size);

/* The answer. */

/* Whole.  content-length, date and server are added; transfer-encoding in 'headers' is ignored;
 * "connection: close" is honoured.  What may have no body (HEAD, 204, 304) gets none.  A header
 * that is not legal HTTP, or a status that is not final, makes the answer a 500. */
void http_reply(struct http_request *req, int status, const struct http_header *headers,
                size_t n_headers, struct span body);

/* With one content-type header. */
void http_reply_text(struct http_request *req, int status, const char *content_type,
                     struct span body);

/* In pieces: chunked, or as long as a content-length among 'headers' says, or until close for a 1.0
 * client.  Bytes beyond a content-length are dropped; an end before it breaks the connection. */
void http_reply_head(struct http_request *req, int status, const struct http_header *headers,
                     size_t n_headers);
void http_reply_chunk(struct http_request *req, struct span data);
void http_reply_end(struct http_request *req);

/* Breaks the connection so that the client sees an incomplete answer (or none). */
void http_reply_abort(struct http_request *req);

bool http_reply_begun(const struct http_request *req);
/* Bytes queued that have not left: stop producing above a mark, go on at on_drain. */
size_t http_reply_pending(const struct http_request *req);

#endif
