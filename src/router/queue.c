/* SPDX-License-Identifier: Apache-2.0 */
#include "router/router_priv.h"

void router_caller_init(struct router_caller *c)
{
    list_init(&c->queues);
}

void router_caller_deinit(struct router_caller *c)
{
    while (!list_empty(&c->queues)) {
        queue_free(LIST_ENTRY(c->queues.next, struct router_queue, of_caller));
    }
}

/* A caller has a queue at each deployment that it calls: few. */
struct router_queue *queue_of(struct router_deployment *d, struct router_caller *c)
{
    struct router_queue *q;

    LIST_FOREACH (q, &c->queues, of_caller) {
        if (q->deployment == d) {
            return q;
        }
    }
    return NULL;
}

struct router_queue *queue_get(struct router_deployment *d, struct router_caller *c)
{
    struct router_queue *q = queue_of(d, c);

    if (!q) {
        q = mem_new(struct router_queue);
        q->deployment = d;
        q->caller = c;
        list_init(&q->turn);
        list_init(&q->waiting);
        list_push_back(&d->queues, &q->of_deployment);
        list_push_back(&c->queues, &q->of_caller);
    }
    return q;
}

void queue_free(struct router_queue *q)
{
    ASSERT(q->n_waiting == 0 && list_empty(&q->waiting));
    list_remove(&q->of_deployment);
    list_remove(&q->of_caller);
    free(q);
}

static void joined(struct router_queue *q, struct router_request *r)
{
    request_enter(r, REQUEST_QUEUED);
    r->queue = q;
    q->n_waiting++;
    q->deployment->n_queued++;
}

void queue_push_back(struct router_queue *q, struct router_request *r)
{
    list_push_back(&q->waiting, &r->link);
    joined(q, r);
    if (!list_linked(&q->turn)) {
        list_push_back(&q->deployment->turns, &q->turn);
    }
}

void queue_put_back(struct router_queue *q, struct router_request *r)
{
    struct router_request *later;

    LIST_FOREACH (later, &q->waiting, link) {
        if (later->order > r->order) {
            break;
        }
    }
    list_insert_before(&later->link, &r->link);
    joined(q, r);
    list_remove(&q->turn);
    list_push_front(&q->deployment->turns, &q->turn);
}

void queue_remove(struct router_queue *q, struct router_request *r)
{
    ASSERT(r->state == REQUEST_QUEUED && r->queue == q && q->n_waiting > 0);
    list_remove(&r->link);
    request_enter(r, REQUEST_IDLE);
    q->n_waiting--;
    q->deployment->n_queued--;
    if (q->n_waiting == 0) {
        list_remove(&q->turn);
    }
}

struct router_request *queue_peek_turn(const struct router_deployment *d)
{
    const struct router_queue *q = LIST_ENTRY(d->turns.next, struct router_queue, turn);

    return list_empty(&d->turns) ? NULL : LIST_ENTRY(q->waiting.next, struct router_request, link);
}

struct router_request *queue_pop_turn(struct router_deployment *d)
{
    struct router_request *r = queue_peek_turn(d);
    struct router_queue *q;

    if (!r) {
        return NULL;
    }
    q = r->queue;
    list_remove(&q->turn);
    list_push_back(&d->turns, &q->turn);
    queue_remove(q, r);
    return r;
}
