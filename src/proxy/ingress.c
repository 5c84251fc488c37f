/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP clients: finds the application, submits the request with its body under credit, and writes
 * the answer as it comes.  The texts are those of Ray Serve's proxy. */

#include <jansson.h>
#include <stdio.h>
#include <sys/random.h>

#include "proxy/proxy.h"

enum {
    SUBMIT_AFTER_MS = 100,    /* a slow body does not hold its request back for longer */
    PENDING_MAX = 128 * 1024, /* unsent bytes of an answer above which its replica gets no credit */
    UUID_SIZE = 36,
    MAX_HEADERS = 128,
};

#define SYSTEM_PREFIX "/-/"

struct ingress_request {
    struct flow flow;
    struct list link;          /* in proxy.free_requests */
    struct list starved;       /* in proxy.starved while its body waits for memory */
    struct http_request *http; /* NULL once it has its answer or is gone */
    uint64_t started_us;
    struct timer deadline; /* of the whole request */
    struct timer submit;   /* of its body, before submission */
    bool is_submitted;
    unsigned status; /* of the answer, once its head has come */
    size_t owed;     /* bytes of the answer that were not yet credited */
    struct span request_id;
    char uuid[UUID_SIZE + 1];
    char route_text[256]; /* for the log, when the route table may have changed */
    char app[256];
    char deployment[512];
};

static struct ingress_request *request_of(struct flow *f)
{
    return CONTAINER_OF(f, struct ingress_request, flow);
}

/* A random UUID, version 4.  The entropy is fetched for many at a time. */
static void make_uuid(char to[UUID_SIZE + 1])
{
    static unsigned char pool[16 * 64];
    static size_t used = sizeof(pool);
    static const char hex[] = "0123456789abcdef";
    unsigned char *b;
    char *out = to;

    if (used == sizeof(pool)) {
        ASSERT(getrandom(pool, sizeof(pool), 0) == (ssize_t) sizeof(pool));
        used = 0;
    }
    b = pool + used;
    used += 16;
    b[6] = (unsigned char) ((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char) ((b[8] & 0x3f) | 0x80);
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        *out++ = hex[b[i] >> 4];
        *out++ = hex[b[i] & 15];
    }
    *out = '\0';
}

static struct span request_id_of(struct http_request *http, char uuid[UUID_SIZE + 1])
{
    struct span given = http_request_header(http, "x-request-id");

    if (given.size > 0) {
        return given;
    }
    make_uuid(uuid);
    return (struct span){uuid, UUID_SIZE};
}

/* Answers of our own. */

static void reply(struct http_request *http, int status, const char *type, struct span body,
                  struct span request_id)
{
    const struct http_header headers[] = {
        {SPAN("x-request-id"), request_id},
        {SPAN("content-type"), span_of(type)},
    };

    http_reply(http, status, headers, type ? 2 : 1, body);
}

/* A failure inside of us: what a client of Ray sees then, without our id. */
static void reply_broken(struct http_request *http)
{
    static const struct http_header headers[] = {
        {{"content-type", 12}, {"text/plain; charset=utf-8", 25}},
        {{"connection", 10}, {"close", 5}},
    };

    http_reply(http, 500, headers, ARRAY_LEN(headers), SPAN("Internal Server Error"));
}

static void log_end(struct ingress_request *r, unsigned status)
{
    struct proxy *p = r->flow.proxy;

    if (p->logs_access) {
        access_log(p, r->request_id, http_request_method(r->http), span_of(r->route_text), status,
                   loop_now_us(p->loop) - r->started_us);
    }
}

/* The client's side is over. */
static void leave_http(struct ingress_request *r, unsigned status)
{
    log_end(r, status);
    timer_stop(&r->deadline);
    timer_stop(&r->submit);
    list_remove(&r->starved);
    r->http = NULL;
}

/* The body, from the client. */

static void allow_body(struct ingress_request *r, size_t size)
{
    struct proxy *p = r->flow.proxy;

    if (p->n_buffered > p->max_buffered && !r->is_submitted) {
        list_push_back(&p->starved, &r->starved);
    } else {
        http_request_read(r->http, size);
    }
}

void ingress_feed_starved(struct proxy *p)
{
    while (!list_empty(&p->starved) && p->n_buffered <= p->max_buffered) {
        struct ingress_request *r =
            LIST_ENTRY(list_pop_front(&p->starved), struct ingress_request, starved);

        http_request_read(r->http, FRAME_CREDIT);
    }
}

static void submit(struct ingress_request *r)
{
    struct proxy *p = r->flow.proxy;
    struct router_deployment *d = router_deployment_find(p->router, span_of(r->deployment));

    r->is_submitted = true;
    timer_stop(&r->submit);
    if (!d) {
        r->flow.asker->error(&r->flow, ERROR_NOT_FOUND, SPAN("The deployment does not exist."),
                             SPAN(""));
        flow_detach(&r->flow);
        return;
    }
    flow_submit(&r->flow, d, &p->ingress);
}

static void on_submit_timer(struct timer *t)
{
    submit(CONTAINER_OF(t, struct ingress_request, submit));
}

static void on_body(struct http_request *http, struct span data, bool is_end)
{
    struct ingress_request *r = http_request_user(http);

    flow_body(&r->flow, data, is_end);
    if (!r->is_submitted && (is_end || buf_size(&r->flow.body) >= FRAME_CREDIT)) {
        submit(r);
    }
}

/* Towards the replica. */

static void put_headers(struct buf *out, struct ingress_request *r)
{
    size_t n = 0;
    const struct http_header *headers = http_request_headers(r->http, &n);

    for (size_t i = 0; i < n; i++) {
        wire_header_put(out, headers[i].name, headers[i].value);
    }
    if (r->request_id.data == r->uuid) {
        wire_header_put(out, SPAN("x-request-id"), r->request_id);
    }
}

static uint32_t remaining_ms(const struct ingress_request *r)
{
    uint64_t now_ms = loop_now_ms(r->flow.proxy->loop);

    if (!timer_active(&r->deadline)) {
        return 0;
    }
    return (uint32_t) MAX(r->deadline.at_ms > now_ms ? r->deadline.at_ms - now_ms : 0, 1u);
}

static void on_encode(struct flow *f, struct buf *out, uint16_t flags, struct span body)
{
    struct ingress_request *r = request_of(f);
    struct proxy *p = f->proxy;
    bool is_root = strcmp(r->route_text, "/") == 0;
    char root_path[512];
    int n = snprintf(root_path, sizeof(root_path), "%s%s", p->root_path ? p->root_path : "",
                     is_root ? "" : r->route_text);

    put_headers(&p->scratch, r);
    msg_dispatch_http_put(
        out, flags, f->stream,
        &(struct msg_dispatch_http){
            .timeout_ms = remaining_ms(r),
            .request_id = r->request_id,
            .app = span_of(r->app),
            .route_prefix = span_of(r->route_text),
            .multiplexed_model_id = http_request_header(r->http, "serve_multiplexed_model_id"),
            .method = http_request_method(r->http),
            .path = http_request_path(r->http),
            .raw_path = http_request_raw_path(r->http),
            .query = http_request_query(r->http),
            .http_minor = (uint8_t) http_request_minor_version(r->http),
            .client = span_of(http_request_peer(r->http)),
            .server = span_of(http_request_local(r->http)),
            .root_path = {root_path, MIN((size_t) MAX(n, 0), sizeof(root_path) - 1)},
            .headers = buf_span(&p->scratch),
            .body = body,
        });
    buf_clear(&p->scratch);
}

static void on_started(struct flow *f)
{
    (void) f;
}

static void on_credit(struct flow *f, uint32_t size)
{
    struct ingress_request *r = request_of(f);

    if (!f->body_complete) {
        http_request_read(r->http, size);
    }
}

/* The answer, from the replica. */

static void settle(struct ingress_request *r)
{
    if (r->owed > 0 && http_reply_pending(r->http) < PENDING_MAX) {
        flow_give_credit(&r->flow, r->owed);
        r->owed = 0;
    }
}

static void on_drain(struct http_request *http)
{
    struct ingress_request *r = http_request_user(http);

    if (r) {
        settle(r);
    }
}

static void on_head(struct flow *f, const struct msg_head *m, bool is_end)
{
    struct ingress_request *r = request_of(f);
    struct http_header headers[MAX_HEADERS + 1];
    struct span block = m->headers;
    size_t n = 0;

    while (n < MAX_HEADERS && wire_header_next(&block, &headers[n].name, &headers[n].value)) {
        n++;
    }
    headers[n++] = (struct http_header){SPAN("x-request-id"), r->request_id};
    if (is_end) {
        struct http_request *http = r->http;

        http_request_bind(http, NULL);
        leave_http(r, m->status);
        http_reply(http, m->status, headers, n, m->body);
        return;
    }
    r->status = m->status;
    http_reply_head(r->http, m->status, headers, n);
    if (m->body.size > 0) {
        http_reply_chunk(r->http, m->body);
    }
    r->owed += m->body.size;
    settle(r);
}

static void on_chunk(struct flow *f, struct span data, uint16_t flags)
{
    struct ingress_request *r = request_of(f);

    if (!http_reply_begun(r->http)) {
        f->asker->error(f, ERROR_PROTOCOL, SPAN("a body without a head"), SPAN(""));
        return;
    }
    if (data.size > 0) {
        http_reply_chunk(r->http, data);
    }
    if (flags & FRAME_END) {
        struct http_request *http = r->http;

        http_request_bind(http, NULL);
        leave_http(r, r->status);
        http_reply_end(http);
        return;
    }
    r->owed += data.size;
    settle(r);
}

static void reply_unavailable(struct ingress_request *r, struct http_request *http)
{
    char text[512];
    const char *hash = strchr(r->deployment, '#');

    (void) snprintf(text, sizeof(text),
                    "Deployment(name='%s', app='%s') is unavailable because it failed to deploy.",
                    hash ? hash + 1 : "", r->app);
    reply(http, 503, "text/plain; charset=utf-8", span_of(text), r->request_id);
}

static void reply_error(struct ingress_request *r, struct http_request *http, enum error_kind kind,
                        struct span text)
{
    switch (kind) {
    case ERROR_UNAVAILABLE:
        if (text.size == 0) {
            reply_unavailable(r, http);
            break;
        }
        reply(http, 503, "text/plain; charset=utf-8", text, r->request_id);
        break;
    case ERROR_REFUSED:
    case ERROR_TIMEOUT:
    case ERROR_NOT_FOUND:
    case ERROR_PROTOCOL:
        reply(http, (int) error_info(kind)->http_status, "text/plain; charset=utf-8", text,
              r->request_id);
        break;
    case ERROR_USER: reply(http, 500, NULL, SPAN("Internal Server Error"), r->request_id); break;
    case ERROR_NONE:
    case ERROR_CANCELLED:
    case ERROR_DIED:
    case ERROR_UNREACHABLE:
    case ERROR_NOT_TAKEN: reply_broken(http); break;
    }
}

static void on_error(struct flow *f, enum error_kind kind, struct span text, struct span data)
{
    struct ingress_request *r = request_of(f);
    struct http_request *http = r->http;

    (void) data;
    http_request_bind(http, NULL);
    leave_http(r, error_info(kind)->http_status);
    if (http_reply_begun(http)) {
        http_reply_abort(http);
    } else {
        reply_error(r, http, kind, text);
    }
}

void ingress_free_requests(struct proxy *p)
{
    struct list *entry;

    while ((entry = list_pop_front(&p->free_requests))) {
        free(LIST_ENTRY(entry, struct ingress_request, link));
    }
}

static void on_release(struct flow *f)
{
    struct ingress_request *r = request_of(f);

    ASSERT(!r->http);
    list_push_front(&f->proxy->free_requests, &r->link);
}

static const struct flow_asker asker = {
    .encode = on_encode,
    .started = on_started,
    .head = on_head,
    .chunk = on_chunk,
    .error = on_error,
    .credit = on_credit,
    .release = on_release,
};

static void on_deadline(struct timer *t)
{
    struct ingress_request *r = CONTAINER_OF(t, struct ingress_request, deadline);
    char text[256];

    (void) snprintf(text, sizeof(text), "Request %.*s timed out after %ss.",
                    (int) MIN(r->request_id.size, (size_t) 128), r->request_id.data,
                    r->flow.proxy->timeout_text);
    on_error(&r->flow, ERROR_TIMEOUT, span_of(text), SPAN(""));
    flow_cancel(&r->flow, ERROR_TIMEOUT);
}

/* The client is gone, or its body is broken. */
static void on_abort(struct http_request *http, int status)
{
    struct ingress_request *r = http_request_user(http);

    if (r) {
        leave_http(r, (unsigned) status);
        flow_cancel(&r->flow, ERROR_CANCELLED);
    }
}

/* Requests that come in. */

static const char *trouble(const struct proxy *p)
{
    if (p->is_draining) {
        return "This node is being drained.";
    }
    return p->had_routes ? NULL : "Route table is not populated yet.";
}

static void reply_routes(struct proxy *p, struct http_request *http, struct span request_id)
{
    json_t *doc = json_object();
    size_t n = 0;
    const struct route *rows = routes_all(p->routes, &n);
    char *text;

    for (size_t i = 0; i < n; i++) {
        (void) json_object_set_new(doc, rows[i].prefix, json_string(rows[i].app));
    }
    text = json_dumps(doc, JSON_COMPACT);
    reply(http, 200, "application/json", span_of(text), request_id);
    free(text);
    json_decref(doc);
}

/* True when the path was one of ours. */
static bool answer_system(struct proxy *p, struct http_request *http, struct span path)
{
    char uuid[UUID_SIZE + 1];
    bool is_health = span_is(path, SYSTEM_PREFIX "healthz");
    const char *why = trouble(p);

    if (!is_health && !span_is(path, SYSTEM_PREFIX "routes")) {
        return false;
    }
    if (why) {
        reply(http, 503, "text/plain; charset=utf-8", span_of(why), request_id_of(http, uuid));
    } else if (is_health) {
        reply(http, 200, "text/plain; charset=utf-8", SPAN("success"), request_id_of(http, uuid));
    } else {
        reply_routes(p, http, request_id_of(http, uuid));
    }
    return true;
}

static void reply_no_route(struct proxy *p, struct http_request *http, struct span path)
{
    char uuid[UUID_SIZE + 1];
    struct span id = request_id_of(http, uuid);
    char *text = mem_printf("Path '%.*s' not found. Ping http://.../-/routes for available routes.",
                            (int) path.size, path.data);

    if (p->logs_access) {
        access_log(p, id, http_request_method(http), SPAN(""), 404, 0);
    }
    reply(http, 404, "text/plain; charset=utf-8", span_of(text), id);
    free(text);
}

static bool may_run_twice(const struct http_request *http)
{
    struct span method = http_request_method(http);

    return span_is(method, "GET") || span_is(method, "HEAD") ||
           http_request_header(http, "idempotency-key").data;
}

static struct ingress_request *take_request(struct proxy *p)
{
    struct list *entry = list_pop_front(&p->free_requests);

    return entry ? LIST_ENTRY(entry, struct ingress_request, link)
                 : mem_new(struct ingress_request);
}

static void begin(struct proxy *p, struct http_request *http, const struct route *route)
{
    struct ingress_request *r = take_request(p);

    flow_init(&r->flow, p, &asker);
    list_init(&r->link);
    list_init(&r->starved);
    timer_init(&r->deadline, p->loop, on_deadline);
    timer_init(&r->submit, p->loop, on_submit_timer);
    r->http = http;
    r->is_submitted = false;
    r->owed = 0;
    r->status = 0;
    r->started_us = loop_now_us(p->loop);
    r->request_id = request_id_of(http, r->uuid);
    (void) snprintf(r->route_text, sizeof(r->route_text), "%s", route->prefix);
    (void) snprintf(r->app, sizeof(r->app), "%s", route->app);
    (void) snprintf(r->deployment, sizeof(r->deployment), "%s", route->deployment);
    r->flow.request.idempotent = may_run_twice(http);
    http_request_bind(http, r);
    if (p->request_timeout_s >= 0) {
        timer_start(&r->deadline, (uint64_t) (p->request_timeout_s * 1000 + 0.5));
    }
    if (http_request_body_size(http) == 0) {
        r->flow.body_complete = true;
        submit(r);
        return;
    }
    timer_start(&r->submit, SUBMIT_AFTER_MS);
    allow_body(r, FRAME_CREDIT);
}

static void on_request(struct http_request *http)
{
    struct proxy *p = http_server_user(http_request_server(http));
    struct span path = http_request_path(http);
    size_t n_root = p->root_path ? strlen(p->root_path) : 0;
    const struct route *route;

    path.data += MIN(n_root, path.size);
    path.size -= MIN(n_root, path.size);
    if (answer_system(p, http, path)) {
        return;
    }
    route = routes_find(p->routes, path);
    if (!route) {
        reply_no_route(p, http, path);
        return;
    }
    begin(p, http, route);
}

const struct http_handler ingress_handler = {
    .on_request = on_request, .on_body = on_body, .on_abort = on_abort, .on_drain = on_drain};
