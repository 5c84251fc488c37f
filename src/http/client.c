/* SPDX-License-Identifier: Apache-2.0 */
#include "http/client.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/body.h"
#include "io/stream.h"

enum {
    DEFAULT_TIMEOUT_MS = 30000,
    MAX_HEAD = 64 * 1024,
    DEFAULT_MAX_BODY = 16 * 1024 * 1024,
};

struct http_client {
    struct loop *loop;
    struct io_watch connecting; /* until the connection stands; then 'stream' has the descriptor */
    struct stream stream;
    struct timer timer;
    http_client_fn *done;
    void *user;
    char *peer;         /* "host:port" for sentences; owned */
    struct buf request; /* until the connection stands */
    uint64_t timeout_ms;
    size_t max_body;
    bool is_head;

    size_t scan;
    bool has_head;
    struct head head;
    struct buf text; /* the head's bytes */
    struct body_decoder decoder;
    struct buf body;
};

static void on_read(struct stream *s);
static void on_close(struct stream *s, int error);

static const struct stream_events events = {.on_read = on_read, .on_close = on_close};

void http_client_cancel(struct http_client *client)
{
    timer_stop(&client->timer);
    if (client->connecting.loop) {
        io_watch_stop(&client->connecting);
        (void) close(client->connecting.fd);
    } else {
        stream_deinit(&client->stream);
    }
    buf_deinit(&client->request);
    buf_deinit(&client->text);
    buf_deinit(&client->body);
    free(client->peer);
    free(client);
}

static void fail(struct http_client *client, const struct err *err)
{
    client->done(client->user, NULL, err);
    http_client_cancel(client);
}

static void malformed(struct http_client *client, const char *what)
{
    struct err err;

    (void) err_set(&err, -EPROTO, "%s sent %s", client->peer, what);
    fail(client, &err);
}

static void succeed(struct http_client *client)
{
    struct http_client_response response = {
        .status = client->head.status,
        .head = &client->head,
        .body = buf_span(&client->body),
    };

    client->done(client->user, &response, NULL);
    http_client_cancel(client);
}

static void start_body(struct http_client *client)
{
    const struct head *h = &client->head;

    if (client->is_head || h->status == 204 || h->status == 304) {
        body_start_length(&client->decoder, 0);
    } else if (h->chunked) {
        body_start_chunked(&client->decoder);
    } else if (h->has_length) {
        body_start_length(&client->decoder, h->length);
    } else {
        body_start_until_close(&client->decoder);
    }
}

/* Takes the final head off the input.  1: it is there; 0: not yet; -EPROTO: it is none. */
static int read_head(struct http_client *client)
{
    struct buf *in = &client->stream.in;
    size_t size;

    while ((size = head_find_end(buf_span(in), &client->scan)) > 0) {
        client->scan = 0;
        buf_clear(&client->text);
        buf_put(&client->text, buf_bytes(in), size);
        buf_consume(in, size);
        if (head_parse_response(&client->head, buf_bytes(&client->text), size) != HEAD_OK) {
            return -EPROTO;
        }
        if (client->head.status >= 200) {
            client->has_head = true;
            start_body(client);
            return 1;
        }
    }
    return buf_size(in) >= MAX_HEAD ? -EPROTO : 0;
}

static void read_body(struct http_client *client)
{
    struct buf *in = &client->stream.in;
    enum body_verdict verdict;
    struct span data;
    size_t used;

    do {
        verdict = body_decode(&client->decoder, buf_span(in), SIZE_MAX, &used, &data);
        if (data.size > client->max_body - buf_size(&client->body)) {
            malformed(client, "an answer that is too large");
            return;
        }
        buf_put_span(&client->body, data);
        buf_consume(in, used);
    } while (verdict == BODY_DATA);
    if (verdict == BODY_END) {
        succeed(client);
    } else if (verdict == BODY_BAD) {
        malformed(client, "a malformed body");
    }
}

static void on_read(struct stream *s)
{
    struct http_client *client = CONTAINER_OF(s, struct http_client, stream);
    int r = client->has_head ? 1 : read_head(client);

    if (r < 0) {
        malformed(client, "what is not HTTP");
    } else if (r > 0) {
        read_body(client);
    }
}

static void on_close(struct stream *s, int error)
{
    struct http_client *client = CONTAINER_OF(s, struct http_client, stream);
    struct err err;

    if (error == 0 && client->has_head && client->decoder.state == BODY_UNTIL_CLOSE) {
        succeed(client);
        return;
    }
    (void) err_set(&err, error ? error : -EPIPE,
                   "%s closed the connection before its answer was complete%s%s", client->peer,
                   error ? ": " : "", error ? strerror(-error) : "");
    fail(client, &err);
}

static void on_timer(struct timer *t)
{
    struct http_client *client = CONTAINER_OF(t, struct http_client, timer);
    struct err err;

    (void) err_set(&err, -ETIMEDOUT, "no answer from %s within %.1f s", client->peer,
                   (double) client->timeout_ms / 1000.0);
    fail(client, &err);
}

static void on_connected(struct io_watch *w, unsigned ready)
{
    struct http_client *client = CONTAINER_OF(w, struct http_client, connecting);
    int error = 0;
    socklen_t size = sizeof(error);
    struct err err;

    (void) ready;
    (void) getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        (void) err_set(&err, -error, "cannot connect to %s: %s", client->peer, strerror(error));
        fail(client, &err);
        return;
    }
    io_watch_stop(w);
    stream_init(&client->stream, client->loop, w->fd, &events);
    buf_put_span(stream_out(&client->stream), buf_span(&client->request));
    buf_deinit(&client->request);
}

static bool needs_length(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
           strcmp(method, "PATCH") == 0;
}

static void put_request(struct buf *out, const struct http_client_request *r, const char *peer)
{
    const char *method = r->method ? r->method : "GET";

    buf_printf(out, "%s %s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n", method,
               r->target ? r->target : "/", r->host ? r->host : peer);
    for (size_t i = 0; i < r->n_headers; i++) {
        ASSERT(head_field_valid(&r->headers[i]));
        buf_put_span(out, r->headers[i].name);
        buf_put_str(out, ": ");
        buf_put_span(out, r->headers[i].value);
        buf_put_str(out, "\r\n");
    }
    if (r->body.size > 0 || needs_length(method)) {
        buf_printf(out, "content-length: %zu\r\n", r->body.size);
    }
    buf_put_str(out, "\r\n");
    buf_put_span(out, r->body);
}

struct http_client *http_client_start(struct loop *loop, const char *address, uint16_t port,
                                      const struct http_client_request *request,
                                      http_client_fn *done, void *user, struct err *err)
{
    struct http_client *client;
    int fd = stream_connect_tcp(address, port, err);

    if (fd < 0) {
        return NULL;
    }
    client = mem_new(struct http_client);
    client->loop = loop;
    client->done = done;
    client->user = user;
    client->peer = mem_printf(strchr(address, ':') ? "[%s]:%u" : "%s:%u", address, port);
    client->timeout_ms = request->timeout_ms ? request->timeout_ms : DEFAULT_TIMEOUT_MS;
    client->max_body = request->max_body ? request->max_body : DEFAULT_MAX_BODY;
    client->is_head = request->method && strcmp(request->method, "HEAD") == 0;
    put_request(&client->request, request, client->peer);
    timer_init(&client->timer, loop, on_timer);
    timer_start(&client->timer, client->timeout_ms);
    io_watch_start(&client->connecting, loop, fd, IO_WRITE, on_connected);
    return client;
}
