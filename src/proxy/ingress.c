/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP clients: finds the application, submits the request with its body under credit, and writes
 * the answer as it comes. */

#include "proxy/proxy.h"

enum {
    SUBMIT_AFTER_MS = 100,    /* a slow body does not hold its request back for longer */
    READ_STEP = 64 * 1024,    /* of a body; so much may come although memory ran out */
    PENDING_MAX = 128 * 1024, /* unsent bytes of an answer above which it gets no credit */
    GRANT = FRAME_CREDIT / 4, /* credit is given in pieces of that size or more */
    MAX_HEADERS = HEAD_MAX_FIELDS,
};

struct ingress_request {
    struct flow flow;
    struct list link;          /* in proxy.free_requests */
    struct list starved;       /* in proxy.starved while its body waits for memory */
    struct http_request *http; /* NULL once it has its answer or is gone */
    const struct route *route;
    struct routes *routes; /* holds 'route' */
    uint64_t started_us;
    struct timer deadline; /* of the whole request */
    struct timer submit;   /* of its body, before submission */
    bool is_submitted;
    size_t allowed;  /* body bytes that the client may still send by our leave */
    unsigned status; /* of the answer, once its head has come */
    size_t owed;     /* bytes of the answer that were not yet credited */
    struct span request_id;
    char uuid[UUID_SIZE + 1];
};

static struct ingress_request *request_of(struct flow *f)
{
    return CONTAINER_OF(f, struct ingress_request, flow);
}

/* The client's side is over.  Its http_request may be answered after this. */
static void leave_http(struct ingress_request *r, unsigned status)
{
    struct proxy *p = r->flow.proxy;

    access_log(p, r->request_id, http_request_method(r->http), span_of(r->route->prefix), status,
               loop_now_us(p->loop) - r->started_us);
    timer_stop(&r->deadline);
    timer_stop(&r->submit);
    list_remove(&r->starved);
    http_request_bind(r->http, NULL);
    r->http = NULL;
}

/* The body, from the client. */

static void want_body(struct ingress_request *r)
{
    struct proxy *p = r->flow.proxy;
    size_t size = MIN(flow_body_window(&r->flow), (size_t) READ_STEP);

    if (r->allowed > 0 || size == 0 || r->flow.body_complete || list_linked(&r->starved)) {
        return;
    }
    if (p->n_buffered > p->max_buffered) {
        list_push_back(&p->starved, &r->starved);
        return;
    }
    r->allowed = size;
    http_request_read(r->http, size);
}

void ingress_feed_starved(struct proxy *p)
{
    while (!list_empty(&p->starved) && p->n_buffered <= p->max_buffered) {
        struct list *entry = list_pop_front(&p->starved);

        want_body(LIST_ENTRY(entry, struct ingress_request, starved));
    }
}

static struct span model_id_of(const struct ingress_request *r)
{
    return http_request_header(r->http, "serve_multiplexed_model_id");
}

static void submit(struct ingress_request *r)
{
    struct proxy *p = r->flow.proxy;
    struct router_deployment *d = router_deployment_find(p->router, span_of(r->route->deployment));

    r->is_submitted = true;
    timer_stop(&r->submit);
    if (!d) {
        r->flow.asker->error(&r->flow, ERROR_NOT_FOUND, SPAN("The deployment does not exist."),
                             SPAN(""));
        flow_detach(&r->flow);
        return;
    }
    flow_submit(&r->flow, d, &p->ingress, model_id_of(r));
}

static void on_submit_timer(struct timer *t)
{
    submit(CONTAINER_OF(t, struct ingress_request, submit));
}

static void on_body(struct http_request *http, struct span data, bool is_end)
{
    struct ingress_request *r = http_request_user(http);

    if (!r) {
        return;
    }
    r->allowed -= data.size;
    ASSERT(flow_body(&r->flow, data, is_end) == 0); /* for we allow no more than may come */
    want_body(r);
    if (!r->is_submitted && (is_end || r->flow.n_received == FRAME_CREDIT)) {
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

/* The root that the server has, and the application's in it, are made in front of the headers. */
static struct span put_root_path(struct proxy *p, const struct route *route)
{
    buf_put_str(&p->scratch, p->root_path ? p->root_path : "");
    buf_put_str(&p->scratch, strcmp(route->prefix, "/") == 0 ? "" : route->prefix);
    return buf_span(&p->scratch);
}

static void on_encode(struct flow *f, struct buf *out, uint16_t flags, struct span body)
{
    struct ingress_request *r = request_of(f);
    struct proxy *p = f->proxy;
    struct span root_path = put_root_path(p, r->route);
    struct span headers;

    put_headers(&p->scratch, r);
    headers = buf_span(&p->scratch);
    root_path.data = headers.data;
    headers.data += root_path.size;
    headers.size -= root_path.size;
    msg_dispatch_http_put(out, flags, f->stream,
                          &(struct msg_dispatch_http){
                              .timeout_ms = remaining_ms(r),
                              .request_id = r->request_id,
                              .app = span_of(r->route->app),
                              .route_prefix = span_of(r->route->prefix),
                              .multiplexed_model_id = model_id_of(r),
                              .method = http_request_method(r->http),
                              .path = http_request_path(r->http),
                              .raw_path = http_request_raw_path(r->http),
                              .query = http_request_query(r->http),
                              .http_minor = (uint8_t) http_request_minor_version(r->http),
                              .client = span_of(http_request_peer(r->http)),
                              .server = span_of(http_request_local(r->http)),
                              .root_path = root_path,
                              .headers = headers,
                              .body = body,
                          });
    buf_clear(&p->scratch);
}

static void on_credit(struct flow *f, size_t size)
{
    (void) size; /* it is in the window now */
    want_body(request_of(f));
}

/* The answer, from the replica. */

static void settle(struct ingress_request *r)
{
    if (r->owed >= GRANT && http_reply_pending(r->http) < PENDING_MAX) {
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
    struct http_request *http = r->http;
    struct http_header headers[MAX_HEADERS + 1];
    struct span block = m->headers;
    size_t n = 0;

    while (n < MAX_HEADERS && wire_header_next(&block, &headers[n].name, &headers[n].value)) {
        n++;
    }
    headers[n++] = (struct http_header){SPAN("x-request-id"), r->request_id};
    r->status = m->status;
    if (is_end) {
        leave_http(r, m->status);
        http_reply(http, m->status, headers, n, m->body);
        return;
    }
    http_reply_head(http, m->status, headers, n);
    http_reply_chunk(http, m->body);
    r->owed += m->body.size;
    settle(r);
}

static void on_chunk(struct flow *f, struct span data, uint16_t flags)
{
    struct ingress_request *r = request_of(f);
    struct http_request *http = r->http;

    http_reply_chunk(http, data);
    if (flags & FRAME_END) {
        leave_http(r, r->status);
        http_reply_end(http);
        return;
    }
    r->owed += data.size;
    settle(r);
}

static void on_error(struct flow *f, enum error_kind kind, struct span text, struct span data)
{
    struct ingress_request *r = request_of(f);
    struct http_request *http = r->http;

    (void) data;
    leave_http(r, error_info(kind)->http_status);
    if (http_reply_begun(http)) {
        http_reply_abort(http);
    } else {
        answer_error(http, kind, text, r->route, r->request_id);
    }
}

static void request_free(struct ingress_request *r)
{
    buf_deinit(&r->flow.body);
    free(r);
}

void ingress_free_spare(struct proxy *p)
{
    struct list *entry;

    while ((entry = list_pop_front(&p->free_requests))) {
        request_free(LIST_ENTRY(entry, struct ingress_request, link));
    }
    p->n_free_requests = 0;
}

static void on_release(struct flow *f)
{
    struct proxy *p = f->proxy;
    struct ingress_request *r = request_of(f);

    ASSERT(!r->http);
    routes_unref(TAKE_PTR(r->routes));
    if (p->n_free_requests < PROXY_MAX_FREE) {
        list_push_front(&p->free_requests, &r->link);
        p->n_free_requests++;
    } else {
        request_free(r);
    }
}

static const struct flow_asker asker = {
    .encode = on_encode,
    .head = on_head,
    .chunk = on_chunk,
    .error = on_error,
    .credit = on_credit,
    .release = on_release,
};

static void on_deadline(struct timer *t)
{
    struct ingress_request *r = CONTAINER_OF(t, struct ingress_request, deadline);
    struct buf text = {0};

    buf_put_str(&text, "Request ");
    buf_put_span(&text, r->request_id);
    buf_put_str(&text, " timed out after ");
    buf_put_span(&text, buf_span(&r->flow.proxy->timeout_text));
    buf_put_str(&text, "s.");
    on_error(&r->flow, ERROR_TIMEOUT, buf_span(&text), SPAN(""));
    flow_cancel(&r->flow, ERROR_TIMEOUT);
    buf_deinit(&text);
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

static bool may_run_twice(const struct http_request *http)
{
    struct span method = http_request_method(http);

    return span_is(method, "GET") || span_is(method, "HEAD") ||
           http_request_header(http, "idempotency-key").data;
}

static struct ingress_request *take_request(struct proxy *p)
{
    struct list *entry = list_pop_front(&p->free_requests);
    struct ingress_request *r;

    if (entry) {
        p->n_free_requests--;
        return LIST_ENTRY(entry, struct ingress_request, link);
    }
    r = mem_new(struct ingress_request);
    list_init(&r->link);
    list_init(&r->starved);
    timer_init(&r->deadline, p->loop, on_deadline);
    timer_init(&r->submit, p->loop, on_submit_timer);
    return r;
}

static void begin(struct proxy *p, struct http_request *http, const struct route *route)
{
    struct ingress_request *r = take_request(p);

    flow_init(&r->flow, p, &asker);
    r->http = http;
    r->route = route;
    r->routes = routes_ref(p->routes);
    r->is_submitted = false;
    r->allowed = 0;
    r->owed = 0;
    r->status = 0;
    r->started_us = loop_now_us(p->loop);
    r->request_id = answer_id(http, r->uuid);
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
    want_body(r);
}

/* With a root path, clients send it, and it is cut off unseen. */
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
    if (route) {
        begin(p, http, route);
    } else {
        answer_no_route(p, http);
    }
}

const struct http_handler ingress_handler = {
    .on_request = on_request, .on_body = on_body, .on_abort = on_abort, .on_drain = on_drain};
