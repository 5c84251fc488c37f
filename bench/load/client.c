/* SPDX-License-Identifier: Apache-2.0 */
#include "load/client.h"

static void on_read(struct stream *s);
static void on_close(struct stream *s, int error);

static const struct stream_events events = {.on_read = on_read, .on_close = on_close};

void client_init(struct client *c, struct loop *loop, const char *host, uint16_t port,
                 void (*on_done)(struct client *c, const struct client_result *result))
{
    *c = (struct client){.loop = loop, .host = host, .port = port, .on_done = on_done};
}

static void disconnect(struct client *c)
{
    if (c->connected) {
        c->connected = false;
        stream_deinit(&c->stream);
    }
}

void client_deinit(struct client *c)
{
    disconnect(c);
}

/* The owner may send again at once. */
static void done(struct client *c, int status, int error)
{
    struct client_result result = c->result;

    result.status = status;
    result.error = error;
    c->busy = false;
    if (!c->keep_alive || error) {
        disconnect(c);
    }
    c->on_done(c, &result);
}

/* 1: the head is complete; 0: not yet; -EPROTO. */
static int take_head(struct client *c)
{
    struct buf *in = &c->stream.in;
    size_t size = head_find_end(buf_span(in), &c->scan);
    struct head head;

    if (size == 0) {
        return 0;
    }
    if (head_parse_response(&head, buf_bytes(in), size) != HEAD_OK) {
        return -EPROTO;
    }
    buf_consume(in, size);
    c->scan = 0;
    if (head.status == 100) {
        return take_head(c);
    }
    c->result.status = head.status;
    c->keep_alive = head.keep_alive;
    if (head.chunked) {
        body_start_chunked(&c->body);
    } else if (head.has_length || head.status == 204 || head.status == 304) {
        body_start_length(&c->body, head.length);
    } else {
        body_start_until_close(&c->body);
        c->keep_alive = false;
    }
    c->head_done = true;
    return 1;
}

/* Drops what has come of the body; 1 at its end, 0 before, -EPROTO. */
static int take_body(struct client *c)
{
    struct buf *in = &c->stream.in;

    for (;;) {
        struct span data;
        size_t used = 0;
        enum body_verdict verdict = body_decode(&c->body, buf_span(in), SIZE_MAX, &used, &data);

        buf_consume(in, used);
        switch (verdict) {
        case BODY_DATA:
            c->result.n_bytes += data.size;
            c->result.n_parts++;
            break;
        case BODY_END: return 1;
        case BODY_BAD: return -EPROTO;
        case BODY_MORE:
        case BODY_BLOCKED: return body_done(&c->body) ? 1 : 0;
        }
    }
}

static void on_read(struct stream *s)
{
    struct client *c = CONTAINER_OF(s, struct client, stream);
    int r = c->head_done ? 1 : take_head(c);

    if (!c->busy) {
        disconnect(c); /* nobody asked for that */
        return;
    }
    if (r > 0) {
        r = take_body(c);
    }
    if (r < 0) {
        done(c, 0, r);
    } else if (r > 0) {
        c->fresh = false;
        done(c, c->result.status, 0);
    }
}

static void on_close(struct stream *s, int error)
{
    struct client *c = CONTAINER_OF(s, struct client, stream);
    bool whole = c->busy && c->head_done && c->body.state == BODY_UNTIL_CLOSE && error == 0;

    disconnect(c);
    if (whole) {
        done(c, c->result.status, 0);
    } else if (c->busy) {
        done(c, 0, error ? error : -EPIPE);
    }
}

void client_send(struct client *c, struct span request)
{
    struct err err;

    ASSERT(!c->busy);
    c->busy = true;
    c->head_done = false;
    c->keep_alive = true;
    c->scan = 0;
    c->result = (struct client_result){0};
    if (!c->connected) {
        int fd = stream_connect_tcp(c->host, c->port, &err);

        ASSERT(fd >= 0);
        stream_init(&c->stream, c->loop, fd, &events);
        c->connected = true;
        c->fresh = true;
    }
    stream_write(&c->stream, request.data, request.size);
}
