/* SPDX-License-Identifier: Apache-2.0 */
/* Handle calls: a replica or a driver asks for another deployment.  What comes on the caller's
 * stream is relayed to the callee's and back, credit included, so that the proxy holds little of
 * either. */

#include "proxy/proxy.h"

#include <jansson.h>

struct call {
    struct flow flow;
    struct list link;          /* in proxy.free_calls */
    struct link *caller;       /* NULL once it is gone or has its answer */
    uint64_t stream;           /* on the caller's link, odd */
    struct map_node by_stream; /* in caller.calls */
    struct buf message;        /* the CALL's strings, kept while it may be sent (again) */
    struct msg_call call;      /* spans into 'message' */
};

static struct call *call_of(struct flow *f)
{
    return CONTAINER_OF(f, struct call, flow);
}

static void leave_caller(struct call *c)
{
    if (c->caller) {
        map_remove(&c->caller->calls, &c->by_stream);
        c->caller = NULL;
    }
}

/* "app#deployment" → "app" */
static struct span app_of(struct span deployment)
{
    const char *hash = memchr(deployment.data, '#', deployment.size);

    return hash ? (struct span){deployment.data, (size_t) (hash - deployment.data)} : deployment;
}

static void on_encode(struct flow *f, struct buf *out, uint16_t flags, struct span body)
{
    const struct msg_call *m = &call_of(f)->call;

    msg_dispatch_call_put(out, flags, f->stream,
                          &(struct msg_dispatch_call){
                              .timeout_ms = m->timeout_ms,
                              .request_id = m->request_id,
                              .app = app_of(m->deployment),
                              .route = m->route,
                              .multiplexed_model_id = m->multiplexed_model_id,
                              .method = m->method,
                              .streaming = m->streaming,
                              .args = body,
                          });
}

static void on_started(struct flow *f)
{
    struct call *c = call_of(f);

    msg_started_put(channel_out(&c->caller->channel), 0, c->stream, &(struct msg_started){0});
}

static void on_chunk(struct flow *f, struct span data, uint16_t flags)
{
    struct call *c = call_of(f);

    msg_chunk_put(channel_out(&c->caller->channel), flags, c->stream,
                  &(struct msg_chunk){.data = data});
    if (flags & FRAME_END) {
        leave_caller(c);
    }
}

static void on_error(struct flow *f, enum error_kind kind, struct span text, struct span data)
{
    struct call *c = call_of(f);

    msg_error_put(channel_out(&c->caller->channel), FRAME_END, c->stream,
                  &(struct msg_error){.kind = (uint16_t) kind, .text = text, .data = data});
    leave_caller(c);
}

static void on_credit(struct flow *f, size_t size)
{
    struct call *c = call_of(f);

    msg_credit_put(channel_out(&c->caller->channel), 0, c->stream,
                   &(struct msg_credit){.size = (uint32_t) size});
}

static void call_free(struct call *c)
{
    buf_deinit(&c->flow.body);
    buf_deinit(&c->message);
    free(c);
}

void calls_free_spare(struct proxy *p)
{
    struct list *entry;

    while ((entry = list_pop_front(&p->free_calls))) {
        call_free(LIST_ENTRY(entry, struct call, link));
    }
    p->n_free_calls = 0;
}

static struct call *take_call(struct proxy *p)
{
    struct list *entry = list_pop_front(&p->free_calls);
    struct call *c;

    if (entry) {
        p->n_free_calls--;
        return LIST_ENTRY(entry, struct call, link);
    }
    c = mem_new(struct call);
    list_init(&c->link);
    return c;
}

static void on_release(struct flow *f)
{
    struct proxy *p = f->proxy;
    struct call *c = call_of(f);

    leave_caller(c);
    buf_clear(&c->message);
    if (p->n_free_calls < PROXY_MAX_FREE) {
        list_push_front(&p->free_calls, &c->link);
        p->n_free_calls++;
    } else {
        call_free(c);
    }
}

static const struct flow_asker asker = {
    .encode = on_encode,
    .started = on_started,
    .chunk = on_chunk,
    .error = on_error,
    .credit = on_credit,
    .release = on_release,
};

static struct call *find(struct link *l, const struct frame *f)
{
    struct map_node *n = map_get_u64(&l->calls, f->stream);

    return n ? MAP_ENTRY(n, struct call, by_stream) : NULL;
}

/* Keeps the strings, which stand before the arguments. */
static int keep_strings(struct call *c, const struct frame *f, const struct msg_call *m)
{
    struct frame copy = *f;

    copy.size = (uint32_t) (m->args.data - f->payload) - (uint32_t) sizeof(uint32_t);
    buf_put(&c->message, f->payload, copy.size);
    copy.payload = buf_bytes(&c->message);
    return msg_call_get(&copy, &c->call);
}

int calls_on_call(struct link *l, const struct frame *f)
{
    struct router_deployment *d;
    struct call *c;
    struct msg_call m;

    if (msg_call_get(f, &m) < 0 || m.args.data < f->payload + sizeof(uint32_t) || find(l, f)) {
        return -EPROTO;
    }
    c = take_call(l->proxy);
    flow_init(&c->flow, l->proxy, &asker);
    c->caller = l;
    c->stream = f->stream;
    map_put_u64(&l->calls, f->stream, &c->by_stream);
    if (keep_strings(c, f, &m) < 0 || flow_body(&c->flow, m.args, f->flags & FRAME_END) < 0) {
        return -EPROTO; /* the end of the link frees it */
    }
    d = router_deployment_find(l->proxy->router, m.deployment);
    if (!d) {
        on_error(&c->flow, ERROR_NOT_FOUND, SPAN("The deployment does not exist."), SPAN(""));
        flow_detach(&c->flow);
        return 0;
    }
    flow_submit(&c->flow, d, &l->caller, m.multiplexed_model_id);
    return 0;
}

int calls_on_body(struct link *l, const struct frame *f)
{
    struct call *c = find(l, f);
    struct msg_body m;

    if (msg_body_get(f, &m) < 0) {
        return -EPROTO;
    }
    return c ? flow_body(&c->flow, m.data, f->flags & FRAME_END) : 0;
}

int calls_on_credit(struct link *l, const struct frame *f)
{
    struct call *c = find(l, f);
    struct msg_credit m;

    if (msg_credit_get(f, &m) < 0) {
        return -EPROTO;
    }
    if (c) {
        flow_give_credit(&c->flow, m.size);
    }
    return 0;
}

/* The caller hears at once; the slot is freed when the callee is done. */
int calls_on_cancel(struct link *l, const struct frame *f)
{
    struct call *c = find(l, f);
    struct msg_cancel m;

    if (msg_cancel_get(f, &m) < 0) {
        return -EPROTO;
    }
    if (c) {
        on_error(&c->flow, ERROR_CANCELLED, SPAN(""), SPAN(""));
        flow_cancel(&c->flow, error_info(m.kind) ? (enum error_kind) m.kind : ERROR_CANCELLED);
    }
    return 0;
}

void calls_end_all(struct link *l)
{
    struct map_node *n;

    while ((n = map_next(&l->calls, NULL))) {
        struct call *c = MAP_ENTRY(n, struct call, by_stream);

        leave_caller(c);
        flow_cancel(&c->flow, ERROR_CANCELLED);
    }
}

int calls_on_lookup(struct link *l, const struct frame *f)
{
    struct msg_lookup m;
    json_t *apps;
    json_t *app;
    char *text = NULL;

    if (msg_lookup_get(f, &m) < 0) {
        return -EPROTO;
    }
    apps = l->proxy->apps_json ? json_loads(l->proxy->apps_json, 0, NULL) : NULL;
    app = json_object_getn(apps, m.app.data, m.app.size);
    text = app ? json_dumps(app, JSON_COMPACT) : NULL;
    msg_lookup_result_put(
        channel_out(&l->channel), 0, f->stream,
        &(struct msg_lookup_result){.found = app != NULL, .info_json = span_of(text ? text : "")});
    free(text);
    json_decref(apps);
    return 0;
}
