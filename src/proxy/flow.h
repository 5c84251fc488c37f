/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROXY_FLOW_H
#define PROXY_FLOW_H

/* One request on its way: from whoever asked (an HTTP client, or a replica's or driver's handle
 * call) through the router to a replica's link, and its answer back.  The two kinds of asker differ
 * only in a table of functions.  A flow keeps the first FRAME_CREDIT bytes of its body until user
 * code has begun, so that it can be sent again when a replica dies. */

#include "router/router.h"
#include "wire/channel.h"

struct flow;
struct link;
struct proxy;

/* How the asker hears.  After detaching none of these is called but 'release'. */
struct flow_asker {
    /* Encodes the DISPATCH message; 'body' is the first of the body. */
    void (*encode)(struct flow *f, struct buf *out, uint16_t flags, struct span body);
    void (*started)(struct flow *f);
    void (*head)(struct flow *f, const struct msg_head *m, bool is_end);
    void (*chunk)(struct flow *f, struct span data, uint16_t flags);
    /* The last word, instead of an end. */
    void (*error)(struct flow *f, enum error_kind kind, struct span text, struct span data);
    /* The replica took so many bytes of the body. */
    void (*credit)(struct flow *f, uint32_t size);
    /* The flow is over and detached: free what holds it. */
    void (*release)(struct flow *f);
};

struct flow {
    struct router_request request;
    struct proxy *proxy;
    const struct flow_asker *asker;
    struct router_deployment *deployment;
    bool is_detached;  /* the asker has its answer or is gone */
    bool has_answered; /* some of the answer has been passed on */
    bool body_complete;
    bool keeps_body; /* 'body' is all that has come so far */
    struct buf body; /* counted in proxy.n_buffered */
    enum error_kind cancel_kind;

    struct link *link; /* the replica's, while dispatched */
    uint64_t stream;
    struct map_node by_stream; /* in link.flows */
};

void flow_init(struct flow *f, struct proxy *p, const struct flow_asker *asker);

/* Body bytes from the asker, before or after submission. */
void flow_body(struct flow *f, struct span data, bool is_end);

/* Into the router.  On refusal the asker's error() is called. */
void flow_submit(struct flow *f, struct router_deployment *d, struct router_caller *caller);

/* The asker no longer wants it, or has had its answer; release() follows now or when the replica is
 * done. */
void flow_cancel(struct flow *f, enum error_kind kind);
void flow_detach(struct flow *f);

/* From the replica's link. */
void flow_on_started(struct flow *f);
int flow_on_head(struct flow *f, const struct frame *frame);
int flow_on_chunk(struct flow *f, const struct frame *frame);
int flow_on_error(struct flow *f, const struct frame *frame);
int flow_on_credit(struct flow *f, const struct frame *frame);

/* The asker has passed on so many bytes of the answer. */
void flow_give_credit(struct flow *f, size_t size);

extern const struct router_actions flow_router_actions;

#endif
