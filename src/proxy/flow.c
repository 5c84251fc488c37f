/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/flow.h"

#include <stdio.h>

#include "proxy/proxy.h"

enum { KEEP_CAPACITY = 16 * 1024 }; /* of an empty body's memory */

void flow_init(struct flow *f, struct proxy *p, const struct flow_asker *asker)
{
    struct buf body = f->body;

    ASSERT(buf_size(&body) == 0);
    *f = (struct flow){.proxy = p, .asker = asker, .keeps_body = true, .body = body};
    p->n_active++;
    upstream_load_changes(p);
}

/* Drops bytes at the front of what is held. */
static void drop_body(struct flow *f, size_t size)
{
    struct proxy *p = f->proxy;

    if (size == 0) {
        return;
    }
    buf_consume(&f->body, size);
    f->body_sent -= MIN(size, f->body_sent);
    p->n_buffered -= size;
    if (f->body.capacity > KEEP_CAPACITY) {
        buf_shrink(&f->body);
    }
    ingress_feed_starved(p);
}

static void detach(struct flow *f)
{
    f->is_detached = true;
    drop_body(f, buf_size(&f->body));
}

/* Nobody holds it any more: not the router, not a link, not the asker. */
static void release_if_over(struct flow *f)
{
    if (f->is_detached && f->request.state == REQUEST_IDLE) {
        ASSERT(!f->link);
        f->proxy->n_active--;
        f->asker->release(f);
    }
}

void flow_detach(struct flow *f)
{
    detach(f);
    release_if_over(f);
}

static void tell_error(struct flow *f, enum error_kind kind, struct span text, struct span data)
{
    if (!f->is_detached) {
        f->asker->error(f, kind, text, data);
        detach(f);
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

size_t flow_body_window(const struct flow *f)
{
    return (size_t) (FRAME_CREDIT + f->n_granted - f->n_received);
}

static size_t room(const struct flow *f)
{
    return (size_t) (FRAME_CREDIT + f->n_taken - f->n_sent);
}

/* Sends of 'data', the last that is there, as much as the replica allows; returns how much. */
static size_t send_body(struct flow *f, struct span data)
{
    size_t done = 0;

    while (!f->is_end_sent) {
        size_t left = data.size - done;
        size_t n = MIN(MIN(left, room(f)), (size_t) FRAME_DATA_MAX);
        bool is_end = f->body_complete && n == left;

        if (n == 0 && !is_end) {
            break;
        }
        msg_body_put(channel_out(&f->link->channel), is_end ? FRAME_END : 0, f->stream,
                     &(struct msg_body){.data = {data.data + done, n}});
        done += n;
        f->n_sent += n;
        f->is_end_sent = is_end;
    }
    return done;
}

/* Sends what is held, and drops what will not be needed again. */
static void push_body(struct flow *f)
{
    if (f->link) {
        struct span held = buf_span(&f->body);

        if (f->body_sent > 0) {
            held = (struct span){held.data + f->body_sent, held.size - f->body_sent};
        }
        f->body_sent += send_body(f, held);
    }
    if (f->keeps_body && buf_size(&f->body) > FRAME_CREDIT) {
        f->keeps_body = false;
        f->request.is_spent = true;
    }
    if (!f->keeps_body) {
        drop_body(f, f->body_sent);
    }
}

int flow_body(struct flow *f, struct span data, bool is_end)
{
    if (f->is_detached) {
        return 0;
    }
    if (data.size > flow_body_window(f) || f->body_complete) {
        return -EPROTO;
    }
    f->n_received += data.size;
    f->body_complete = is_end;
    if (f->link && !f->keeps_body && buf_size(&f->body) == 0) {
        size_t n = send_body(f, data);

        data.data += n;
        data.size -= n;
    }
    if (data.size > 0) {
        buf_put_span(&f->body, data);
        f->proxy->n_buffered += data.size;
    }
    push_body(f);
    return 0;
}

/* The router's actions. */

static void on_dispatch(void *user, struct router_request *r, struct router_replica *replica)
{
    struct flow *f = CONTAINER_OF(r, struct flow, request);
    struct link *l = router_replica_user(replica);
    struct span first = {buf_bytes(&f->body), MIN(buf_size(&f->body), (size_t) FRAME_DATA_MAX)};

    (void) user;
    f->link = l;
    f->stream = l->next_stream;
    l->next_stream += 2;
    map_put_u64(&l->flows, f->stream, &f->by_stream);
    f->is_end_sent = f->body_complete && first.size == buf_size(&f->body);
    f->body_sent = first.size;
    f->n_sent = first.size;
    f->n_taken = 0;
    f->answer_window = FRAME_CREDIT;
    f->n_unread = 0;
    f->asker->encode(f, channel_out(&l->channel), f->is_end_sent ? FRAME_END : 0, first);
    push_body(f);
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
        [ROUTER_FAILURE_UNAVAILABLE] = {ERROR_UNAVAILABLE, ""},
        [ROUTER_FAILURE_REMOVED] = {ERROR_NOT_FOUND, "The deployment was deleted."},
    };
    struct flow *f = CONTAINER_OF(r, struct flow, request);

    (void) user;
    leave_link(f);
    tell_error(f, rows[why].kind, span_of(rows[why].text), SPAN(""));
    release_if_over(f);
}

static void on_wake(void *user, struct router_deployment *d)
{
    (void) d;
    upstream_wake(user);
}

const struct router_actions flow_router_actions = {
    .dispatch = on_dispatch, .revoke = on_revoke, .fail = on_fail, .wake = on_wake};

/* The asker's side. */

static void refuse_full(struct flow *f, struct router_deployment *d, struct router_caller *caller)
{
    char text[160];

    (void) snprintf(text, sizeof(text),
                    "Request dropped due to backpressure (num_queued_requests=%zu, "
                    "max_queued_requests=%d).",
                    router_queued_by(d, caller), router_deployment_max_queued(d));
    tell_error(f, ERROR_REFUSED, span_of(text), SPAN(""));
}

void flow_submit(struct flow *f, struct router_deployment *d, struct router_caller *caller,
                 struct span model_id)
{
    f->request.model = model_id.size > 0 ? map_hash(model_id.data, model_id.size) | 1 : 0;
    switch (router_submit(f->proxy->router, d, caller, &f->request)) {
    case ROUTER_QUEUED:
    case ROUTER_DISPATCHED: return;
    case ROUTER_FULL: refuse_full(f, d, caller); break;
    case ROUTER_UNAVAILABLE: tell_error(f, ERROR_UNAVAILABLE, SPAN(""), SPAN("")); break;
    }
    release_if_over(f);
}

void flow_cancel(struct flow *f, enum error_kind kind)
{
    detach(f);
    f->cancel_kind = kind;
    (void) router_cancel(f->proxy->router, &f->request);
    release_if_over(f);
}

void flow_give_credit(struct flow *f, size_t size)
{
    size = MIN(size, f->n_unread);
    if (f->link && size > 0) {
        f->n_unread -= size;
        f->answer_window += size;
        msg_credit_put(channel_out(&f->link->channel), 0, f->stream,
                       &(struct msg_credit){.size = (uint32_t) size});
    }
}

/* The replica's side. */

static void on_started(struct flow *f)
{
    if (f->request.state != REQUEST_DISPATCHED) {
        return;
    }
    router_started(f->proxy->router, &f->request);
    if (f->keeps_body && !f->request.idempotent) {
        f->keeps_body = false;
        drop_body(f, f->body_sent);
    }
    if (!f->is_detached && f->asker->started) {
        f->asker->started(f);
    }
}

/* The replica said its last word: the slot is free. */
static void ended(struct flow *f)
{
    leave_link(f);
    detach(f);
    router_ended(f->proxy->router, &f->request);
    release_if_over(f);
}

/* Some of the answer has come: user code has begun, and no other replica can go on from here. */
static int take_answer(struct flow *f, size_t size)
{
    if (size > f->answer_window) {
        return -EPROTO;
    }
    f->answer_window -= size;
    f->n_unread += size;
    on_started(f);
    f->request.is_spent = true;
    return 0;
}

static int on_head(struct flow *f, const struct frame *frame)
{
    struct msg_head m;
    bool is_end = frame->flags & FRAME_END;

    if (msg_head_get(frame, &m) < 0 || !f->asker->head || f->has_head ||
        take_answer(f, m.body.size) < 0) {
        return -EPROTO;
    }
    f->has_head = true;
    if (!f->is_detached) {
        f->asker->head(f, &m, is_end);
    }
    if (is_end) {
        ended(f);
    } else if (f->is_detached) {
        flow_give_credit(f, m.body.size);
    }
    return 0;
}

static int on_chunk(struct flow *f, const struct frame *frame)
{
    struct msg_chunk m;
    bool is_end = frame->flags & FRAME_END;

    if (msg_chunk_get(frame, &m) < 0 || (f->asker->head && !f->has_head) ||
        take_answer(f, m.data.size) < 0) {
        return -EPROTO;
    }
    if (!f->is_detached) {
        f->asker->chunk(f, m.data, frame->flags & (FRAME_END | FRAME_MORE));
    }
    if (is_end) {
        ended(f);
    } else if (f->is_detached) {
        flow_give_credit(f, m.data.size);
    }
    return 0;
}

static int on_error(struct flow *f, const struct frame *frame)
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

/* What another replica had already allowed is not allowed to the asker again. */
static int on_credit(struct flow *f, const struct frame *frame)
{
    struct msg_credit m;

    if (msg_credit_get(frame, &m) < 0) {
        return -EPROTO;
    }
    f->n_taken += MIN((uint64_t) m.size, f->n_sent - f->n_taken);
    push_body(f);
    if (f->n_taken > f->n_granted && !f->is_detached) {
        size_t size = (size_t) (f->n_taken - f->n_granted);

        f->n_granted = f->n_taken;
        f->asker->credit(f, size);
    }
    return 0;
}

int flow_on_message(struct flow *f, const struct frame *frame)
{
    switch (frame->type) {
    case MSG_STARTED: on_started(f); return 0;
    case MSG_HEAD: return on_head(f, frame);
    case MSG_CHUNK: return on_chunk(f, frame);
    case MSG_ERROR: return on_error(f, frame);
    case MSG_CREDIT: return on_credit(f, frame);
    default: return -EPROTO;
    }
}
