/* SPDX-License-Identifier: Apache-2.0 */
/* What a handler calls: to look at a request, to have its body, to answer it. */

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

#include "http/server_priv.h"

struct http_server *http_request_server(const struct http_request *req)
{
    return req->conn->server;
}

void http_request_bind(struct http_request *req, void *user)
{
    req->user = user;
}

void *http_request_user(const struct http_request *req)
{
    return req->user;
}

struct span http_request_method(const struct http_request *req)
{
    return req->head.method;
}

struct span http_request_target(const struct http_request *req)
{
    return req->head.target;
}

struct span http_request_path(const struct http_request *req)
{
    return req->path;
}

struct span http_request_raw_path(const struct http_request *req)
{
    return req->head.raw_path;
}

struct span http_request_query(const struct http_request *req)
{
    return req->head.query;
}

unsigned http_request_minor_version(const struct http_request *req)
{
    return req->head.minor_version;
}

const struct http_header *http_request_headers(const struct http_request *req, size_t *ret_n)
{
    *ret_n = req->head.n_fields;
    return req->head.fields;
}

struct span http_request_header(const struct http_request *req, const char *name)
{
    return head_field(&req->head, name);
}

const char *http_request_peer(const struct http_request *req)
{
    return req->conn->peer;
}

const char *http_request_local(struct http_request *req)
{
    if (req->local[0] == '\0') {
        stream_local(req->conn->stream.fd, req->local, sizeof(req->local));
    }
    return req->local;
}

bool http_request_keep_alive(const struct http_request *req)
{
    return req->head.keep_alive;
}

uint64_t http_request_body_size(const struct http_request *req)
{
    return req->head.chunked ? HTTP_BODY_UNKNOWN : req->head.length;
}

bool http_request_body_complete(const struct http_request *req)
{
    return req->body_complete;
}

struct span http_request_body(const struct http_request *req)
{
    return buf_span(&req->collected);
}

void http_request_read(struct http_request *req, size_t size)
{
    struct conn *c = req->conn;

    ASSERT(c->state == CONN_OPEN);
    if (req->body_complete || size == 0) {
        return;
    }
    if (req->credit == 0) {
        req->body_at_ms = loop_now_ms(c->server->loop);
    }
    req->credit = size <= SIZE_MAX - req->credit ? req->credit + size : SIZE_MAX;
    if (!req->begun) {
        conn_send_continue(c);
    }
    conn_kick(c);
}

/* The answer. */

static const struct http_header plain_text[] = {
    {SPAN("content-type"), SPAN("text/plain; charset=utf-8")},
};

/* What the request and the server give to an answer. */
static struct reply new_reply(struct http_request *req, int status)
{
    struct conn *c = req->conn;

    ASSERT(c->state == CONN_OPEN && !req->begun);
    return (struct reply){
        .minor_version = req->head.minor_version,
        .is_head = span_equal(req->head.method, SPAN("HEAD")),
        .keep_alive = req->head.keep_alive && !c->server->stopping && conn_can_drain(c),
        .status = status,
        .date_line = server_date_line(c->server),
        .server_line = span_of(c->server->server_line),
    };
}

/* Handlers pass on what user code said, so a status that is none must not hurt us. */
static bool is_final(int status)
{
    return status >= 200 && status <= 999;
}

static void begin(struct http_request *req, const struct reply *r)
{
    req->begun = true;
    req->close = !r->keep_alive;
    req->framing = r->framing;
    req->length_left = r->length;
}

void http_reply(struct http_request *req, int status, const struct http_header *headers,
                size_t n_headers, struct span body)
{
    struct reply r = new_reply(req, status);
    struct buf *out = stream_out(&req->conn->stream);

    r.fields = headers;
    r.n_fields = n_headers;
    r.has_length = true;
    r.length = body.size;
    if (!is_final(status) || !reply_put_head(out, &r)) {
        http_reply(req, 500, plain_text, ARRAY_LEN(plain_text), SPAN("Internal Server Error"));
        return;
    }
    begin(req, &r);
    if (r.framing == REPLY_LENGTH) {
        stream_write(&req->conn->stream, body.data, body.size);
    }
    conn_answered(req->conn);
}

void http_reply_text(struct http_request *req, int status, const char *content_type,
                     struct span body)
{
    struct http_header field = {SPAN("content-type"), span_of(content_type)};

    http_reply(req, status, &field, 1, body);
}

void http_reply_head(struct http_request *req, int status, const struct http_header *headers,
                     size_t n_headers)
{
    struct reply r = new_reply(req, status);
    struct buf *out = stream_out(&req->conn->stream);

    r.fields = headers;
    r.n_fields = n_headers;
    if (!is_final(status) || !reply_put_head(out, &r)) {
        r.status = 500;
        r.n_fields = 0;
        r.has_length = true; /* of 0: the chunks that follow are dropped */
        ASSERT(reply_put_head(out, &r));
    }
    begin(req, &r);
}

void http_reply_chunk(struct http_request *req, struct span data)
{
    struct conn *c = req->conn;
    size_t n;

    ASSERT(c->state == CONN_OPEN && req->begun);
    switch (req->framing) {
    case REPLY_NO_BODY: break;
    case REPLY_LENGTH:
        n = (size_t) MIN((uint64_t) data.size, req->length_left);
        req->length_left -= n;
        stream_write(&c->stream, data.data, n);
        break;
    case REPLY_CHUNKED:
        if (data.size > 0) {
            body_put_chunk_size(stream_out(&c->stream), data.size);
            stream_write(&c->stream, data.data, data.size);
            stream_write(&c->stream, "\r\n", 2);
        }
        break;
    case REPLY_UNTIL_CLOSE: stream_write(&c->stream, data.data, data.size); break;
    }
}

void http_reply_end(struct http_request *req)
{
    struct conn *c = req->conn;

    ASSERT(c->state == CONN_OPEN && req->begun);
    if (req->framing == REPLY_LENGTH && req->length_left > 0) {
        conn_finish(c);
        return;
    }
    if (req->framing == REPLY_CHUNKED) {
        body_put_last_chunk(stream_out(&c->stream));
    }
    conn_answered(c);
}

void http_reply_abort(struct http_request *req)
{
    struct conn *c = req->conn;

    ASSERT(c->state == CONN_OPEN);
    if (req->begun && req->framing == REPLY_UNTIL_CLOSE) {
        conn_break(c); /* a plain end would look complete */
    } else {
        conn_finish(c);
    }
}

bool http_reply_begun(const struct http_request *req)
{
    return req->begun;
}

size_t http_reply_pending(const struct http_request *req)
{
    return stream_pending(&req->conn->stream);
}
