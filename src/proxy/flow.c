/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/flow.h"

#include <stdio.h>

#include "proxy/proxy.h"

static void drop_body(struct flow *f)
{
    f->keeps_body = false;
    f->proxy->n_buffered -= buf_size(&f->body);
    buf_deinit(&f->body);
    ingress_feed_starved(f->proxy);
}

void flow_init(struct flow *f, struct proxy *p, const struct flow_asker *asker)
{
    *f = (struct flow){.proxy = p, .asker = asker, .keeps_body = true};
    buf_init(&f->body);
    p->n_active++;
    upstream_load_changes(p);
}

/* Nobody holds it any more: not the router, not a link, not the asker. */
static void release_if_over(struct flow *f)
{
    if (f->is_detached && f->request.state == REQUEST_IDLE) {
        ASSERT(!f->link);
        drop_body(f);
        f->proxy->n_active--;
        f->asker->release(f);
    }
}

void flow_detach(struct flow *f)
{
    f->is_detached = true;
    release_if_over(f);
}

static void tell_error(struct flow *f, enum error_kind kind, struct span text, struct span data)
{
    if (!f->is_detached) {
        f->asker->error(f, kind, text, data);
        f->is_detached = true;
    }
}

static void leave_link(struct flow *f)
{
    if (f->link) {
        map_remove(&f->link->flows, &f->by_stream);
        f->link = NULL;
    }
}

/* The body. */

static void send_body(struct flow *f, struct span data, bool is_end)
{
    do {
        struct span part = {data.data, MIN(data.size, (size_t) FRAME_DATA_MAX)};
        uint16_t flags = is_end && part.size == data.size ? FRAME_END : 0;

        msg_body_put(channel_out(&f->link->channel), flags, f->stream,
                     &(struct msg_body){.data = part});
        data.data += part.size;
        data.size -= part.size;
    } while (data.size > 0);
}

void flow_body(struct flow *f, struct span data, bool is_end)
{
    if (f->is_detached) {
        return;
    }
    f->body_complete = is_end;
    if (f->keeps_body && buf_size(&f->body) + data.size > FRAME_CREDIT &&
        f->request.state == REQUEST_STARTED) {
        f->request.idempotent = false; /* too long to be sent twice */
        drop_body(f);
    }
    if (f->keeps_body) {
        buf_put_span(&f->body, data);
        f->proxy->n_buffered += data.size;
    }
    if (f->link) {
        send_body(f, data, is_end);
    }
}

/* The router's actions. */

static void on_dispatch(void *user, struct router_request *r, struct router_replica *replica)
{
    struct flow *f = CONTAINER_OF(r, struct flow, request);
    struct link *l = router_replica_user(replica);
    struct span body = buf_span(&f->body);
    struct span first = {body.data, MIN(body.size, (size_t) FRAME_DATA_MAX)};
    bool fits = first.size == body.size;

    (void) user;
    f->link = l;
    f->stream = l->next_stream;
    l->next_stream += 2;
    map_put_u64(&l->flows, f->stream, &f->by_stream);
    f->asker->encode(f, channel_out(&l->channel), fits && f->body_complete ? FRAME_END : 0, first);
    if (!fits) {
        send_body(f, (struct span){body.data + first.size, body.size - first.size},
                  f->body_complete);
    }
}

static void on_revoke(void *user, struct router_request *r)
{
    struct flow *f = CONTAINER_OF(r, struct flow, request);

    (void) user;
    msg_cancel_put(channel_out(&f->link->channel), 0, f->stream,
                   &(struct msg_cancel){.kind = (uint16_t) f->cancel_kind});
}

static void on_fail(void *user, struct router_request *r, enum router_failure why)
{
    static const struct {
        enum error_kind kind;
        const char *text;
    } rows[] = {
        [ROUTER_FAILURE_DIED] = {ERROR_DIED, "The replica died while it ran the request."},
        [ROUTER_FAILURE_ATTEMPTS] = {ERROR_DIED,
                                     "Three replicas died before they began the request."},
        [ROUTER_FAILURE_UNAVAILABLE] = {ERROR_UNAVAILABLE, NULL},
        [ROUTER_FAILURE_REMOVED] = {ERROR_NOT_FOUND, "The deployment was deleted."},
    };
    struct flow *f = CONTAINER_OF(r, struct flow, request);

    (void) user;
    leave_link(f);
    tell_error(f, rows[why].kind, span_of(rows[why].text ? rows[why].text : ""), SPAN(""));
    release_if_over(f);
}

static void on_wake(void *user, struct router_deployment *d)
{
    (void) d;
    upstream_report_load(user);
}

const struct router_actions flow_router_actions = {
    .dispatch = on_dispatch, .revoke = on_revoke, .fail = on_fail, .wake = on_wake};

/* The asker's side. */

static void refuse_full(struct flow *f, struct router_deployment *d, struct router_caller *caller,
                        int limit)
{
    char text[160];
    size_t n = router_queued_by(d, caller);

    (void) snprintf(text, sizeof(text),
                    "Request dropped due to backpressure (num_queued_requests=%zu, "
                    "max_queued_requests=%d).",
                    n, limit);
    tell_error(f, ERROR_REFUSED, span_of(text), SPAN(""));
}

void flow_submit(struct flow *f, struct router_deployment *d, struct router_caller *caller)
{
    f->deployment = d;
    switch (router_submit(f->proxy->router, d, caller, &f->request)) {
    case ROUTER_QUEUED:
    case ROUTER_DISPATCHED: break;
    case ROUTER_FULL:
        refuse_full(f, d, caller, router_deployment_max_queued(d));
        release_if_over(f);
        break;
    case ROUTER_UNAVAILABLE:
        tell_error(f, ERROR_UNAVAILABLE, SPAN(""), SPAN(""));
        release_if_over(f);
        break;
    }
}

void flow_cancel(struct flow *f, enum error_kind kind)
{
    f->is_detached = true;
    f->cancel_kind = kind;
    (void) router_cancel(f->proxy->router, &f->request);
    release_if_over(f);
}

void flow_give_credit(struct flow *f, size_t size)
{
    if (f->link && size > 0) {
        msg_credit_put(channel_out(&f->link->channel), 0, f->stream,
                       &(struct msg_credit){.size = (uint32_t) size});
    }
}

/* The replica's side. */

void flow_on_started(struct flow *f)
{
    if (f->request.state != REQUEST_DISPATCHED) {
        return;
    }
    router_started(f->proxy->router, &f->request);
    if (f->keeps_body && !f->request.idempotent) {
        drop_body(f);
    }
    if (!f->is_detached) {
        f->asker->started(f);
    }
}

/* The replica said its last word: the slot is free. */
static void ended(struct flow *f)
{
    leave_link(f);
    f->is_detached = true;
    router_ended(f->proxy->router, &f->request);
    release_if_over(f);
}

/* Some of the answer goes out: from now on it cannot be had from another replica. */
static void answering(struct flow *f)
{
    flow_on_started(f); /* an answer implies it */
    f->has_answered = true;
    f->request.idempotent = false;
}

int flow_on_head(struct flow *f, const struct frame *frame)
{
    struct msg_head m;
    bool is_end = frame->flags & FRAME_END;

    if (msg_head_get(frame, &m) < 0) {
        return -EPROTO;
    }
    answering(f);
    if (!f->is_detached) {
        f->asker->head(f, &m, is_end);
    } else {
        flow_give_credit(f, m.body.size);
    }
    if (is_end) {
        ended(f);
    }
    return 0;
}

int flow_on_chunk(struct flow *f, const struct frame *frame)
{
    struct msg_chunk m;

    if (msg_chunk_get(frame, &m) < 0) {
        return -EPROTO;
    }
    answering(f);
    if (!f->is_detached) {
        f->asker->chunk(f, m.data, frame->flags);
    } else {
        flow_give_credit(f, m.data.size);
    }
    if (frame->flags & FRAME_END) {
        ended(f);
    }
    return 0;
}

int flow_on_error(struct flow *f, const struct frame *frame)
{
    struct msg_error m;

    if (msg_error_get(frame, &m) < 0 || !error_info(m.kind)) {
        return -EPROTO;
    }
    if (m.kind == ERROR_NOT_TAKEN && f->request.state == REQUEST_DISPATCHED) {
        leave_link(f);
        router_not_taken(f->proxy->router, &f->request);
        return 0;
    }
    tell_error(f, (enum error_kind) m.kind, m.text, m.data);
    ended(f);
    return 0;
}

int flow_on_credit(struct flow *f, const struct frame *frame)
{
    struct msg_credit m;

    if (msg_credit_get(frame, &m) < 0) {
        return -EPROTO;
    }
    if (!f->is_detached) {
        f->asker->credit(f, m.size);
    }
    return 0;
}
