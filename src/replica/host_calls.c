/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/host_priv.h"

#include <time.h>

/* Calls made from here.  A call that has not STARTED survives the
 * router: it is sent again under its id, so its arguments are kept until then. */

enum { RESULT_MAX = 1 << 30 };

struct call {
    struct map_node node;
    bool is_streaming;
    bool is_started;
    bool is_unwanted;
    uint64_t deadline_ms; /* CLOCK_MONOTONIC; 0: none */
    struct msg_call fields;
    char *memory;  /* owned: what 'fields' points to; NULL when it cannot be sent again */
    size_t offset; /* argument bytes that have left */
    bool is_sent;  /* the CALL frame has left */
    struct outflow out;
    struct inflow in;
    struct host_event *item; /* owned; under assembly */
};

static uint64_t now_ms(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}

static struct call *find(const struct host *h, uint64_t id)
{
    struct map_node *n = map_get_u64(&h->calls, id);

    return n ? MAP_ENTRY(n, struct call, node) : NULL;
}

static void forget_args(struct call *c)
{
    free(TAKE_PTR(c->memory));
    c->fields = (struct msg_call){0};
}

static void call_free(struct host *h, struct call *c)
{
    map_remove(&h->calls, &c->node);
    host_event_free(c->item);
    forget_args(c);
    free(c);
}

/* Making a call. */

/* Copies what the fields point to into one block. */
static char *copy_fields(struct msg_call *m)
{
    struct span *spans[] = {&m->deployment,           &m->request_id, &m->route,
                            &m->multiplexed_model_id, &m->method,     &m->args};
    size_t size = 0;
    char *memory;
    char *p;

    for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
        size += spans[i]->size;
    }
    memory = mem_realloc(NULL, size);
    p = memory;
    for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
        if (spans[i]->size > 0) {
            memcpy(p, spans[i]->data, spans[i]->size);
        }
        spans[i]->data = p;
        p += spans[i]->size;
    }
    return memory;
}

static uint32_t left_ms(const struct call *c)
{
    uint64_t now = now_ms();

    if (c->deadline_ms == 0) {
        return 0;
    }
    return c->deadline_ms > now ? (uint32_t) (c->deadline_ms - now) : 1;
}

/* Sends as much of the call as its credit allows. */
static void send_call(struct host *h, struct call *c)
{
    struct buf *out = router_out(h);
    uint64_t id = c->node.number;
    size_t size = c->fields.args.size;

    if (!c->is_sent) {
        struct msg_call m = c->fields;

        m.args.size = outflow_take(&c->out, size);
        m.timeout_ms = left_ms(c);
        c->offset = m.args.size;
        c->is_sent = true;
        msg_call_put(out, c->offset == size ? FRAME_END : 0, id, &m);
    }
    while (c->offset < size) {
        size_t n = outflow_take(&c->out, size - c->offset);
        struct msg_body m = {.data = {c->fields.args.data + c->offset, n}};

        if (n == 0) {
            return;
        }
        c->offset += n;
        msg_body_put(out, c->offset == size ? FRAME_END : 0, id, &m);
    }
    if (c->is_started) {
        forget_args(c);
    }
}

int64_t host_call(struct host *h, const struct msg_call *call)
{
    struct call *c;
    int64_t id;

    if (call->deployment.size > HOST_TEXT_MAX || call->request_id.size > HOST_TEXT_MAX ||
        call->route.size > HOST_TEXT_MAX || call->multiplexed_model_id.size > HOST_TEXT_MAX ||
        call->method.size > HOST_TEXT_MAX) {
        return -EMSGSIZE;
    }
    c = mem_new(struct call);
    c->is_streaming = call->streaming;
    c->deadline_ms = call->timeout_ms ? now_ms() + call->timeout_ms : 0;
    c->fields = *call;
    c->memory = copy_fields(&c->fields);
    outflow_init(&c->out);
    inflow_init(&c->in);
    (void) pthread_mutex_lock(&h->lock);
    id = (int64_t) h->last_id;
    h->last_id += 2;
    map_put_u64(&h->calls, (uint64_t) id, &c->node);
    if (router_of(h)->is_open) {
        send_call(h, c);
        host_kick_answer(h);
    }
    (void) pthread_mutex_unlock(&h->lock);
    return id;
}

/* Its end. */

static void fail(struct host *h, struct call *c, enum error_kind kind, const char *text)
{
    struct host_event *e = host_event_new(HOST_ERROR, c->node.number, (struct span){0});

    e->kind = kind;
    e->text = span_of(text); /* a literal */
    host_event_put(h, e);
    call_free(h, c);
}

void host_cancel(struct host *h, uint64_t id)
{
    struct call *c;

    (void) pthread_mutex_lock(&h->lock);
    c = h->is_dead ? NULL : find(h, id);
    if (c && !c->is_unwanted && router_of(h)->is_open) {
        c->is_unwanted = true;
        forget_args(c);
        msg_cancel_put(router_out(h), 0, id, &(struct msg_cancel){.kind = ERROR_CANCELLED});
        host_kick_answer(h);
    } else if (c && !c->is_unwanted) {
        fail(h, c, ERROR_CANCELLED, "cancelled");
        host_signal(h);
    }
    (void) pthread_mutex_unlock(&h->lock);
}

/* What the router sends. */

static int take_started(struct host *h, struct call *c)
{
    if (c->is_started) {
        return 0;
    }
    c->is_started = true;
    if (c->offset == c->fields.args.size) {
        forget_args(c);
    }
    if (!c->is_unwanted) {
        host_event_put(h, host_event_new(HOST_STARTED, c->node.number, (struct span){0}));
    }
    return 0;
}

static void put_done(struct host *h, struct call *c, struct host_event *e)
{
    e->type = HOST_DONE;
    e->is_complete = !c->is_streaming;
    host_event_put(h, e);
    call_free(h, c);
}

/* The event that the frame ends; NULL when more of it comes. */
static struct host_event *assemble(struct call *c, const struct frame *f)
{
    struct host_event *e = c->item;
    struct frame copy = *f;
    struct msg_chunk m;

    if (!e) {
        e = host_event_new(HOST_ITEM, f->stream, (struct span){f->payload, f->size});
        copy.payload = e->memory;
    }
    if (msg_chunk_get(&copy, &m) == 0) {
        e->data = m.data;
    }
    if (c->item || f->flags & FRAME_MORE) {
        buf_put_span(&e->gathered, m.data);
        e->data = buf_span(&e->gathered);
    }
    c->item = f->flags & FRAME_MORE ? e : NULL;
    return c->item ? NULL : e;
}

static void take_streamed(struct host *h, struct call *c, struct host_event *e, bool is_end)
{
    if (e->data.size > 0 || !is_end) {
        host_event_put(h, e);
        e = NULL;
    }
    if (is_end) {
        put_done(h, c, e ? e : host_event_new(HOST_DONE, c->node.number, (struct span){0}));
    }
}

static int take_chunk(struct host *h, struct call *c, const struct frame *f)
{
    bool is_end = f->flags & FRAME_END;
    struct host_event *e;
    struct msg_chunk m;

    if (msg_chunk_get(f, &m) < 0 || inflow_receive(&c->in, m.data.size) < 0 ||
        (is_end && f->flags & FRAME_MORE)) {
        return -EPROTO;
    }
    c->is_started = true;
    if (!is_end && (c->is_unwanted || f->flags & FRAME_MORE)) {
        inflow_read(&c->in, router_out(h), f->stream, m.data.size);
    }
    if (c->is_unwanted) {
        if (is_end) {
            fail(h, c, ERROR_CANCELLED, "cancelled");
        }
        return 0;
    }
    if (c->item && buf_size(&c->item->gathered) + m.data.size > RESULT_MAX) {
        return -EPROTO;
    }
    e = assemble(c, f);
    if (e && c->is_streaming) {
        take_streamed(h, c, e, is_end);
    } else if (e && is_end) {
        put_done(h, c, e);
    } else if (e) {
        host_event_free(e);
        return -EPROTO; /* a unary call has one item, and that ends it */
    }
    return 0;
}

static int take_error(struct host *h, struct call *c, const struct frame *f)
{
    struct host_event *e =
        host_event_new(HOST_ERROR, f->stream, (struct span){f->payload, f->size});
    struct frame copy = *f;
    struct msg_error m;

    copy.payload = e->memory;
    if (msg_error_get(&copy, &m) < 0) {
        host_event_free(e);
        return -EPROTO;
    }
    e->kind = m.kind;
    e->text = m.text;
    e->data = m.data;
    host_event_put(h, e);
    call_free(h, c);
    return 0;
}

static int take_credit(struct host *h, struct call *c, const struct frame *f)
{
    struct msg_credit m;

    if (msg_credit_get(f, &m) < 0) {
        return -EPROTO;
    }
    outflow_add_credit(&c->out, m.size);
    if (c->memory) {
        send_call(h, c);
    }
    return 0;
}

int host_call_message(struct host *h, const struct frame *f)
{
    struct call *c = find(h, f->stream);

    if (f->type == MSG_LOOKUP_RESULT) {
        return host_lookup_message(h, f);
    }
    if (!c) {
        return 0;
    }
    switch (f->type) {
    case MSG_STARTED: return take_started(h, c);
    case MSG_CHUNK: return take_chunk(h, c, f);
    case MSG_ERROR: return take_error(h, c, f);
    case MSG_CREDIT: return take_credit(h, c, f);
    default: return -EPROTO;
    }
}

void host_call_read(struct host *h, uint64_t id, size_t size)
{
    struct call *c = find(h, id);

    if (c && router_of(h)->is_open) {
        inflow_read(&c->in, router_out(h), id, size);
    }
}

/* The link. */

void host_calls_link_open(struct host *h)
{
    for (struct map_node *n = map_next(&h->calls, NULL); n; n = map_next(&h->calls, n)) {
        struct call *c = MAP_ENTRY(n, struct call, node);

        outflow_init(&c->out);
        inflow_init(&c->in);
        c->is_sent = false;
        send_call(h, c);
    }
}

/* Fails calls: all of them, or those that cannot be sent again. */
static void fail_calls(struct host *h, bool all, const char *why)
{
    struct map_node *n;
    struct map_node *tmp;

    MAP_FOREACH (n, tmp, &h->calls) {
        struct call *c = MAP_ENTRY(n, struct call, node);

        if (c->is_unwanted) {
            fail(h, c, ERROR_CANCELLED, "cancelled");
        } else if (all || c->is_started) {
            fail(h, c, ERROR_UNREACHABLE, why);
        }
    }
}

void host_calls_link_down(struct host *h)
{
    fail_calls(h, false, "The proxy went away while the call was running.");
}

void host_calls_give_up(struct host *h)
{
    fail_calls(h, true, "The proxy of this node cannot be reached.");
}

void host_calls_free(struct host *h)
{
    struct map_node *n;
    struct map_node *tmp;

    MAP_FOREACH (n, tmp, &h->calls) {
        call_free(h, MAP_ENTRY(n, struct call, node));
    }
    map_deinit(&h->calls);
}
