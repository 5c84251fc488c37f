/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of the server: its states, and the bytes that come in. */

#include <sys/socket.h>

#include "http/chars.h"
#include "http/server_priv.h"

enum {
    UNSENT_MAX = 256 * 1024, /* of answers, then the next request waits */
    DRAIN_MAX = 128 * 1024,  /* of a body that nobody wants, to keep a connection */
};

static void on_read(struct stream *s);
static void on_close(struct stream *s, int error);
static void on_drain(struct stream *s);
static void on_work(struct turn_hook *h);

static const struct stream_events events = {on_read, on_close, on_drain};

static uint64_t now(const struct conn *c)
{
    return loop_now_ms(c->server->loop);
}

void conn_set_state(struct conn *c, enum conn_state state)
{
    struct http_server *server = c->server;

    server->n_open -= c->state == CONN_OPEN;
    server->n_open += state == CONN_OPEN;
    c->state = state;
    c->since_ms = now(c);
    c->moved_ms = c->since_ms; /* nothing is late in a new state */
    list_remove(&c->link);
    list_push_back(&server->conns[state], &c->link);
}

void conn_new(struct http_server *server, int fd, const char *peer)
{
    struct conn *c = mem_new(struct conn);

    c->server = server;
    memcpy(c->peer, peer, strlen(peer) + 1);
    turn_hook_init(&c->work, on_work);
    stream_init(&c->stream, server->loop, fd, &events);
    c->stream.in_max = server->options.max_head;
    server->n_conns++;
    list_init(&c->link);
    conn_set_state(c, CONN_HEAD);
}

/* Its request, if any, is over: back to the spare ones. */
static void drop_request(struct conn *c)
{
    if (c->req) {
        server_give_request(c->server, TAKE_PTR(c->req));
    }
}

/* Ends the request, if any, without an answer from the handler, which is told if it knows of it.
 * The connection is already out of its reach then. */
void conn_abort(struct conn *c, int status)
{
    struct http_request *req = TAKE_PTR(c->req);
    bool known = c->state == CONN_OPEN;

    conn_set_state(c, CONN_CLOSING);
    if (known) {
        c->server->handler->on_abort(req, status);
    }
    if (req) {
        server_give_request(c->server, req);
    }
}

void conn_free(struct conn *c)
{
    struct http_server *server = c->server;

    ASSERT(!c->running);
    turn_hook_cancel(&c->work);
    stream_deinit(&c->stream);
    conn_abort(c, 499);
    list_remove(&c->link);
    free(c);
    server->n_conns--;
    server_conn_gone(server);
}

void conn_finish(struct conn *c)
{
    drop_request(c);
    stream_finish(&c->stream);
    conn_set_state(c, CONN_CLOSING);
}

void conn_break(struct conn *c)
{
    struct linger now_at_once = {.l_onoff = 1, .l_linger = 0};

    drop_request(c);
    (void) setsockopt(c->stream.fd, SOL_SOCKET, SO_LINGER, &now_at_once, sizeof(now_at_once));
    c->broken = true;
    conn_set_state(c, CONN_CLOSING);
    turn_hook_schedule(&c->work, c->server->loop);
}

void conn_kick(struct conn *c)
{
    if (!c->running) {
        turn_hook_schedule(&c->work, c->server->loop);
    }
}

/* Our own answer to what never became a request, or will never be complete. */
static void put_error(struct conn *c, int status)
{
    static const struct http_header fields[] = {
        {SPAN("content-type"), SPAN("text/plain; charset=utf-8")},
    };
    struct span text =
        status == 400 ? SPAN("Invalid HTTP request received.") : span_of(reply_reason(status));
    struct reply r = {
        .minor_version = 1,
        .status = status,
        .fields = fields,
        .n_fields = ARRAY_LEN(fields),
        .has_length = true,
        .length = text.size,
        .date_line = server_date_line(c->server),
        .server_line = span_of(c->server->server_line),
    };

    ASSERT(reply_put_head(stream_out(&c->stream), &r));
    stream_write(&c->stream, text.data, text.size);
}

void conn_fail(struct conn *c, int status)
{
    struct http_server *server = c->server;
    bool begun = c->req && c->req->begun;
    bool must_break = begun && c->req->framing == REPLY_UNTIL_CLOSE;

    if (c->state != CONN_OPEN && !begun && server->handler->on_refused) {
        server->handler->on_refused(server, status, c->peer);
    }
    conn_abort(c, status);
    if (!begun) {
        put_error(c, status);
    }
    if (must_break) {
        conn_break(c);
    } else {
        conn_finish(c);
    }
}

/* Heads. */

static void open_request(struct conn *c)
{
    conn_set_state(c, CONN_OPEN);
    c->server->handler->on_request(c->req);
}

static void decode_path(struct http_request *req)
{
    struct span raw = req->head.raw_path;

    req->path = raw;
    if (memchr(raw.data, '%', raw.size)) {
        char *out = buf_reserve(&req->path_text, raw.size);

        req->path = (struct span){out, head_decode_path(raw, out)};
    }
}

/* Resets what a spare request remembers of its last use; buffers and 'head' are overwritten. */
static void reset_request(struct http_request *req, struct conn *c)
{
    req->conn = c;
    req->user = NULL;
    req->local[0] = '\0';
    req->body_complete = false;
    req->continue_due = false;
    req->credit = 0;
    req->body_size = 0;
    req->body_at_ms = now(c);
    req->begun = false;
    req->close = false;
}

void conn_send_continue(struct conn *c)
{
    if (c->req->continue_due) {
        c->req->continue_due = false;
        stream_write(&c->stream, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
}

static void begin_request(struct conn *c)
{
    struct http_request *req = c->req;
    const struct http_server_options *o = &c->server->options;

    decode_path(req);
    if (o->max_body > 0 && req->head.length > o->max_body) {
        conn_fail(c, 413);
        return;
    }
    if (req->head.chunked) {
        body_start_chunked(&req->body);
    } else {
        body_start_length(&req->body, req->head.length);
    }
    req->body_complete = body_done(&req->body);
    req->continue_due = req->head.expect_continue && !req->body_complete;
    if (o->collect_body && !req->body_complete) {
        conn_set_state(c, CONN_COLLECT);
        conn_send_continue(c);
    } else {
        open_request(c);
    }
}

static int too_large(const struct conn *c, struct span in)
{
    size_t n = MIN(in.size, c->server->options.max_target);

    return memchr(in.data, '\n', n) ? 431 : 414;
}

/* Returns false if more input is needed. */
static bool run_head(struct conn *c)
{
    struct buf *in = &c->stream.in;
    size_t max = c->server->options.max_head;
    enum head_verdict verdict;
    size_t size;

    /* RFC 9112 §2.2: old clients send an empty line after a body. */
    while (c->scan == 0 && buf_size(in) >= 2 && memcmp(buf_bytes(in), "\r\n", 2) == 0) {
        buf_consume(in, 2);
    }
    if (buf_size(in) == 0 || stream_pending(&c->stream) > UNSENT_MAX) {
        return false; /* on_drain goes on */
    }
    size = head_find_end(buf_span(in), &c->scan);
    if (size == 0 && buf_size(in) < max) {
        if (!char_is_token(*buf_bytes(in)) && *buf_bytes(in) != '\r') {
            conn_fail(c, 400); /* not HTTP at all: TLS, for example */
        } else if (c->state != CONN_HEAD) {
            conn_set_state(c, CONN_HEAD);
        }
        return false;
    }
    if (size == 0 || size > max) {
        conn_fail(c, too_large(c, buf_span(in)));
        return false;
    }
    c->scan = 0;
    c->req = server_take_request(c->server);
    reset_request(c->req, c);
    buf_put(&c->req->text, buf_bytes(in), size);
    buf_consume(in, size);
    verdict = head_parse_request(&c->req->head, buf_bytes(&c->req->text), size,
                                 c->server->options.max_target);
    if (verdict == HEAD_OK) {
        begin_request(c);
    } else {
        conn_fail(c, (int) verdict);
    }
    return true;
}

/* Bodies. */

bool conn_can_drain(const struct conn *c)
{
    const struct http_request *req = c->req;

    return !req->continue_due &&
           (req->body_complete || req->head.chunked || req->body.left <= DRAIN_MAX);
}

/* Hands over a piece of body, the last one if 'end'. */
static void deliver(struct conn *c, struct span data, bool end)
{
    struct http_request *req = c->req;
    uint64_t max = c->server->options.max_body;

    req->body_size += data.size;
    req->body_complete = end;
    if (c->state == CONN_DRAIN) {
        if (end) {
            drop_request(c);
            conn_set_state(c, CONN_IDLE);
        } else if (data.size > req->credit) {
            conn_finish(c);
        } else {
            req->credit -= data.size;
        }
    } else if (max > 0 && req->body_size > max) {
        conn_fail(c, 413);
    } else if (c->state == CONN_COLLECT) {
        buf_put_span(&req->collected, data);
        if (end) {
            open_request(c);
        }
    } else {
        req->credit -= data.size;
        c->server->handler->on_body(req, data, end);
    }
}

/* Returns false if nothing can be done without more input, credit, or an answer. */
static bool run_body(struct conn *c)
{
    struct http_request *req = c->req;
    struct buf *in = &c->stream.in;
    size_t max = c->state == CONN_OPEN ? req->credit : SIZE_MAX;
    enum body_verdict verdict;
    struct span data;
    struct span none;
    size_t used;
    size_t more = 0;

    if (req->body_complete) {
        return false;
    }
    verdict = body_decode(&req->body, buf_span(in), max, &used, &data);
    if (verdict == BODY_DATA) {
        /* Is this the last piece?  Then it must say so: an end of its own costs a message. */
        struct span rest = {buf_bytes(in) + used, buf_size(in) - used};

        if (body_decode(&req->body, rest, 0, &more, &none) == BODY_END) {
            verdict = BODY_END;
        }
    }
    if (used > 0) {
        req->body_at_ms = now(c);
    }
    buf_consume(in, used + more); /* 'data' stays where it is until the next read */
    if (verdict == BODY_BAD) {
        conn_fail(c, 400);
    } else if (verdict == BODY_DATA || verdict == BODY_END) {
        deliver(c, data, verdict == BODY_END);
    }
    return verdict != BODY_MORE && verdict != BODY_BLOCKED;
}

/* Driving. */

void conn_run(struct conn *c)
{
    bool more = true;

    ASSERT(!c->running);
    c->running = true;
    while (more) {
        switch (c->state) {
        case CONN_RESTING:
        case CONN_IDLE:
        case CONN_HEAD: more = run_head(c); break;
        case CONN_COLLECT:
        case CONN_OPEN:
        case CONN_DRAIN: more = run_body(c); break;
        case CONN_CLOSING:
        case CONN_STATES: more = false; break;
        }
    }
    c->running = false;
}

void conn_answered(struct conn *c)
{
    struct http_request *req = c->req;

    if (req->close || c->server->stopping || !conn_can_drain(c)) {
        conn_finish(c);
        return;
    }
    if (req->body_complete) {
        drop_request(c);
        conn_set_state(c, CONN_IDLE);
    } else {
        req->credit = DRAIN_MAX;
        conn_set_state(c, CONN_DRAIN);
    }
    if (buf_size(&c->stream.in) > 0) {
        conn_kick(c);
    }
}

static void on_read(struct stream *s)
{
    conn_run(CONTAINER_OF(s, struct conn, stream));
}

static void on_close(struct stream *s, int error)
{
    (void) error;
    conn_free(CONTAINER_OF(s, struct conn, stream));
}

static void on_drain(struct stream *s)
{
    struct conn *c = CONTAINER_OF(s, struct conn, stream);

    if (c->state != CONN_OPEN) {
        if (buf_size(&s->in) > 0) {
            conn_kick(c); /* requests that waited for a reader of their answers */
        }
    } else if (c->req->begun && c->server->handler->on_drain) {
        c->server->handler->on_drain(c->req);
    }
}

static void on_work(struct turn_hook *h)
{
    struct conn *c = CONTAINER_OF(h, struct conn, work);

    if (c->broken) {
        conn_free(c);
        return;
    }
    conn_run(c);
    if (c->state != CONN_CLOSING) {
        stream_resume(&c->stream); /* the input may have been full */
    }
}
