/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/host_priv.h"

#include <inttypes.h>

/* Requests that the router opened: what runs here.  One is freed when its last frame has been
 * queued; until then the router counts it as running. */

enum { ARGS_MAX = 1 << 30, ERROR_TEXT_MAX = 64 * 1024, ERROR_DATA_MAX = 4 * 1024 * 1024 };

enum request_state {
    REQUEST_GATHERING, /* its arguments are not complete */
    REQUEST_QUEUED,    /* its event waits for the consumer */
    REQUEST_RUNNING,   /* the consumer has it */
    REQUEST_FLOWING,   /* answered; what is left leaves as credit comes */
};

struct request {
    struct map_node node;
    enum request_state state;
    bool is_http;
    bool is_streaming;
    bool is_headed;   /* its HEAD was sent */
    bool is_orphan;   /* of a router that is gone */
    bool is_unwanted; /* cancelled or orphaned: only its end is of interest */
    bool is_complete; /* all of its body has come */
    bool is_stalled;  /* the consumer waits for HOST_WRITABLE */
    struct inflow in;
    struct outflow out;
    struct host_event *event; /* until RUNNING; owned while GATHERING, else in host.events */
};

static struct request *find(const struct host *h, uint64_t id)
{
    struct map_node *n = map_get_u64(&h->requests, id);

    return n ? MAP_ENTRY(n, struct request, node) : NULL;
}

/* What user code has and has not ended. */
static struct request *find_running(const struct host *h, uint64_t id)
{
    struct request *r = h->is_dead ? NULL : find(h, id);

    return r && r->state == REQUEST_RUNNING ? r : NULL;
}

static void request_free(struct host *h, struct request *r)
{
    map_remove(&h->requests, &r->node);
    if (r->state == REQUEST_GATHERING) {
        host_event_free(r->event);
    }
    outflow_deinit(&r->out);
    free(r);
}

/* The only place where a request changes its state. */
static void enter(struct host *h, struct request *r, enum request_state state)
{
    ASSERT(state > r->state);
    r->state = state;
    switch (state) {
    case REQUEST_GATHERING: break;
    case REQUEST_QUEUED: host_event_put(h, r->event); break;
    case REQUEST_RUNNING: r->event = NULL; break;
    case REQUEST_FLOWING:
        if (outflow_is_empty(&r->out)) {
            request_free(h, r);
        }
        break;
    }
}

void host_request_begin(struct host *h, struct request *r)
{
    enter(h, r, REQUEST_RUNNING);
}

/* What the router sends. */

static struct request *request_new(struct host *h, const struct frame *f, enum host_event_type type)
{
    struct request *r = mem_new(struct request);

    r->is_http = type == HOST_HTTP;
    r->is_complete = f->flags & FRAME_END;
    inflow_init(&r->in);
    outflow_init(&r->out);
    r->event = host_event_new(type, f->stream, (struct span){f->payload, f->size});
    r->event->request = r;
    map_put_u64(&h->requests, f->stream, &r->node);
    return r;
}

static int take_http(struct host *h, const struct frame *f)
{
    struct request *r = request_new(h, f, HOST_HTTP);
    struct host_event *e = r->event;
    struct frame copy = *f;

    copy.payload = e->memory;
    e->is_complete = r->is_complete;
    if (msg_dispatch_http_get(&copy, &e->http) < 0 ||
        inflow_receive(&r->in, e->http.body.size) < 0) {
        request_free(h, r);
        return -EPROTO;
    }
    enter(h, r, REQUEST_QUEUED);
    return 0;
}

static int take_call(struct host *h, const struct frame *f)
{
    struct request *r = request_new(h, f, HOST_CALL);
    struct host_event *e = r->event;
    struct frame copy = *f;

    copy.payload = e->memory;
    if (msg_dispatch_call_get(&copy, &e->call) < 0 ||
        inflow_receive(&r->in, e->call.args.size) < 0) {
        request_free(h, r);
        return -EPROTO;
    }
    r->is_streaming = e->call.streaming;
    if (r->is_complete) {
        enter(h, r, REQUEST_QUEUED);
    } else {
        buf_put_span(&e->gathered, e->call.args);
        inflow_read(&r->in, router_out(h), f->stream, e->call.args.size);
    }
    return 0;
}

static void refuse(struct host *h, struct request *r, enum error_kind kind, struct span text)
{
    msg_error_put(router_out(h), FRAME_END, r->node.number,
                  &(struct msg_error){.kind = (uint16_t) kind, .text = text});
    request_free(h, r);
}

static void gather(struct host *h, struct request *r, struct span data)
{
    struct host_event *e = r->event;

    if (buf_size(&e->gathered) + data.size > ARGS_MAX) {
        refuse(h, r, ERROR_PROTOCOL, SPAN("the arguments of the call exceed 1 GiB"));
        return;
    }
    buf_put_span(&e->gathered, data);
    if (r->is_complete) {
        e->call.args = buf_span(&e->gathered);
        enter(h, r, REQUEST_QUEUED);
    } else {
        inflow_read(&r->in, router_out(h), r->node.number, data.size);
    }
}

static int take_body(struct host *h, struct request *r, const struct frame *f)
{
    struct host_event *e;
    struct frame copy = *f;
    struct msg_body m;

    if (msg_body_get(f, &m) < 0 || r->is_complete || inflow_receive(&r->in, m.data.size) < 0) {
        return -EPROTO;
    }
    r->is_complete = f->flags & FRAME_END;
    if (r->state == REQUEST_GATHERING) {
        gather(h, r, m.data);
        return 0;
    }
    if (r->state == REQUEST_FLOWING || r->is_unwanted) {
        return 0;
    }
    e = host_event_new(HOST_BODY, f->stream, (struct span){f->payload, f->size});
    copy.payload = e->memory;
    e->is_complete = r->is_complete;
    e->data.size = msg_body_get(&copy, &m) == 0 ? m.data.size : 0;
    e->data.data = m.data.data;
    host_event_put(h, e);
    return 0;
}

/* User code has never seen it and never will. */
static void forget(struct host *h, struct request *r)
{
    struct host_event *e;
    struct host_event *tmp;

    if (r->state == REQUEST_QUEUED) {
        LIST_FOREACH_SAFE (e, tmp, &h->events, link) {
            if (e->id == r->node.number && (e == r->event || e->type == HOST_BODY)) {
                list_remove(&e->link);
                host_event_free(e);
            }
        }
    }
}

static void put_cancel(struct host *h, struct request *r, unsigned kind)
{
    struct host_event *e = host_event_new(HOST_CANCEL, r->node.number, (struct span){0});

    e->kind = kind;
    r->is_unwanted = true;
    outflow_deinit(&r->out);
    host_event_put(h, e);
}

static int take_cancel(struct host *h, struct request *r, const struct frame *f)
{
    struct msg_cancel m;

    if (msg_cancel_get(f, &m) < 0) {
        return -EPROTO;
    }
    if (r->is_unwanted) {
        return 0;
    }
    if (r->state == REQUEST_RUNNING) {
        put_cancel(h, r, m.kind);
        return 0;
    }
    forget(h, r);
    refuse(h, r, ERROR_CANCELLED, (struct span){0});
    return 0;
}

static int take_credit(struct host *h, struct request *r, const struct frame *f)
{
    struct msg_credit m;

    if (msg_credit_get(f, &m) < 0) {
        return -EPROTO;
    }
    outflow_add_credit(&r->out, m.size);
    outflow_run(&r->out, router_out(h), f->stream);
    if (!outflow_is_empty(&r->out)) {
        return 0;
    }
    if (r->state == REQUEST_FLOWING) {
        request_free(h, r);
    } else if (r->is_stalled && r->out.credit > 0) {
        r->is_stalled = false;
        host_event_put(h, host_event_new(HOST_WRITABLE, f->stream, (struct span){0}));
    }
    return 0;
}

int host_request_message(struct host *h, const struct frame *f)
{
    struct request *r = find(h, f->stream);

    if (f->type == MSG_DISPATCH_HTTP || f->type == MSG_DISPATCH_CALL) {
        if (r) {
            return -EPROTO; /* an id that HELLO said is running */
        }
        return f->type == MSG_DISPATCH_HTTP ? take_http(h, f) : take_call(h, f);
    }
    if (!r || r->is_orphan) {
        return 0; /* answered while the router wrote this */
    }
    switch (f->type) {
    case MSG_BODY: return take_body(h, r, f);
    case MSG_CANCEL: return take_cancel(h, r, f);
    case MSG_CREDIT: return take_credit(h, r, f);
    default: return -EPROTO;
    }
}

/* Answers. */

/* Ends what nobody wants: a frame that frees the slot.  A router that went down while it ran heard
 * of it in HELLO, or was told nothing at all. */
static void end_unwanted(struct host *h, struct request *r)
{
    if (router_of(h)->is_open) {
        msg_error_put(router_out(h), FRAME_END, r->node.number,
                      &(struct msg_error){.kind = ERROR_CANCELLED});
    }
    enter(h, r, REQUEST_FLOWING);
}

/* The running request to answer; NULL when there is nothing to send, and then, if 'is_end', it has
 * been ended. */
static struct request *begin_answer(struct host *h, uint64_t id, bool is_end)
{
    struct request *r;

    (void) pthread_mutex_lock(&h->lock);
    r = find_running(h, id);
    if (r && r->is_unwanted) {
        if (is_end) {
            end_unwanted(h, r);
        }
        r = NULL;
    }
    return r;
}

static void end_answer(struct host *h, struct request *r, bool is_end)
{
    if (r && is_end) {
        enter(h, r, REQUEST_FLOWING);
    }
    if (!h->is_dead) {
        host_kick_answer(h);
    }
    (void) pthread_mutex_unlock(&h->lock);
}

void host_started(struct host *h, uint64_t id)
{
    struct request *r = begin_answer(h, id, false);

    if (r) {
        msg_started_put(router_out(h), 0, id, &(struct msg_started){0});
    }
    end_answer(h, r, false);
}

/* HEAD with as much of the body as may go; the rest as chunks. */
static void put_head(struct host *h, struct request *r, uint16_t status, struct span headers,
                     struct span body, bool is_end)
{
    size_t n = outflow_take(&r->out, body.size);
    struct msg_head m = {.status = status, .headers = headers, .body = {body.data, n}};

    ASSERT(headers.size <= HOST_HEADERS_MAX);
    r->is_headed = true;
    msg_head_put(router_out(h), is_end && n == body.size ? FRAME_END : 0, r->node.number, &m);
    if (n < body.size) {
        outflow_put(&r->out, router_out(h), r->node.number,
                    (struct span){body.data + n, body.size - n}, is_end ? PIECE_END : 0);
    }
}

void host_respond(struct host *h, uint64_t id, uint16_t status, struct span headers,
                  struct span body)
{
    struct request *r = begin_answer(h, id, true);
    bool is_good = r && r->is_http && !r->is_headed;

    if (is_good) {
        put_head(h, r, status, headers, body, true);
    }
    end_answer(h, r, is_good);
}

void host_head(struct host *h, uint64_t id, uint16_t status, struct span headers)
{
    struct request *r = begin_answer(h, id, false);

    if (r && r->is_http && !r->is_headed) {
        put_head(h, r, status, headers, (struct span){0}, false);
    }
    end_answer(h, r, false);
}

bool host_chunk(struct host *h, uint64_t id, struct span data, bool is_end)
{
    struct request *r = begin_answer(h, id, is_end);
    bool has_room = true;

    if (r && (r->is_http ? r->is_headed : r->is_streaming)) {
        struct buf *out = router_out(h);

        if (r->is_http) {
            outflow_put(&r->out, out, id, data, is_end ? PIECE_END : 0);
        } else if (data.size > 0 || !is_end) {
            outflow_put(&r->out, out, id, data, PIECE_ITEM);
        }
        if (!r->is_http && is_end) {
            outflow_put(&r->out, out, id, (struct span){0}, PIECE_END);
        }
        has_room = outflow_is_empty(&r->out) && r->out.credit > 0;
        r->is_stalled = !has_room;
    } else {
        is_end = false;
    }
    end_answer(h, r, is_end);
    return has_room;
}

void host_result(struct host *h, uint64_t id, struct span data)
{
    struct request *r = begin_answer(h, id, true);
    bool is_good = r && !r->is_http;

    if (is_good) {
        outflow_put(&r->out, router_out(h), id, data, PIECE_ITEM | PIECE_END);
    }
    end_answer(h, r, is_good);
}

void host_error(struct host *h, uint64_t id, enum error_kind kind, struct span text,
                struct span data)
{
    struct request *r = begin_answer(h, id, true);

    if (r) {
        struct msg_error m = {.kind = (uint16_t) kind, .text = text, .data = data};
        struct buf frame = {0};

        m.text.size = MIN(text.size, (size_t) ERROR_TEXT_MAX);
        m.data.size = data.size <= ERROR_DATA_MAX ? data.size : 0;
        msg_error_put(&frame, FRAME_END, id, &m);
        outflow_put_frame(&r->out, router_out(h), &frame);
        buf_deinit(&frame);
    }
    end_answer(h, r, true);
}

void host_request_read(struct host *h, uint64_t id, size_t size)
{
    struct request *r = find_running(h, id);

    if (r && !r->is_unwanted && !r->is_complete) {
        inflow_read(&r->in, router_out(h), id, size);
    }
}

/* The link. */

/* What came over HTTP is cancelled: its client is gone with the proxy.  A handle call runs on: its
 * caller counts on it only if it hears of its end, which it cannot. */
static void lose_router(struct host *h, struct request *r)
{
    switch (r->state) {
    case REQUEST_GATHERING:
    case REQUEST_QUEUED:
        forget(h, r);
        request_free(h, r);
        break;
    case REQUEST_RUNNING:
        r->is_orphan = true;
        if (r->is_http && !r->is_unwanted) {
            put_cancel(h, r, ERROR_CANCELLED);
        } else if (r->is_stalled) {
            host_event_put(h, host_event_new(HOST_WRITABLE, r->node.number, (struct span){0}));
        }
        r->is_stalled = false;
        r->is_unwanted = true;
        outflow_deinit(&r->out);
        break;
    case REQUEST_FLOWING: request_free(h, r); break;
    }
}

void host_requests_link_down(struct host *h)
{
    struct map_node *n;
    struct map_node *tmp;

    MAP_FOREACH (n, tmp, &h->requests) {
        lose_router(h, MAP_ENTRY(n, struct request, node));
    }
}

void host_requests_print(const struct host *h, struct buf *out)
{
    const char *comma = "";

    for (struct map_node *n = map_next(&h->requests, NULL); n; n = map_next(&h->requests, n)) {
        buf_printf(out, "%s%" PRIu64, comma, n->number);
        comma = ", ";
    }
}

void host_requests_free(struct host *h)
{
    struct map_node *n;
    struct map_node *tmp;

    MAP_FOREACH (n, tmp, &h->requests) {
        request_free(h, MAP_ENTRY(n, struct request, node));
    }
    map_deinit(&h->requests);
}
