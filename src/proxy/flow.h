/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROXY_FLOW_H
#define PROXY_FLOW_H

/* One request on its way: from whoever asked (an HTTP client, or a replica's or driver's handle
 * call) through the router to a replica's link, and its answer back.  The two kinds of asker differ
 * only in a table of functions.
 *
 * Credit is end to end, FRAME_CREDIT each way: the asker may send as much as the replica has taken,
 * and the replica as much as the asker has taken, so a flow holds little of either.  It keeps the
 * first FRAME_CREDIT bytes of its body until user code has begun, so that it can be sent again when
 * a replica dies. Neither side is trusted: who sends more than it may is cut off. */

#include "router/router.h"
#include "wire/channel.h"

struct flow;
struct link;
struct proxy;

/* How the asker hears.  After detaching none of these is called but 'release'. */
struct flow_asker {
    /* Encodes the DISPATCH message; 'body' is the first of the body. */
    void (*encode)(struct flow *f, struct buf *out, uint16_t flags, struct span body);
    void (*started)(struct flow *f); /* may be NULL */
    /* The head of an HTTP answer; NULL: chunks come without one. */
    void (*head)(struct flow *f, const struct msg_head *m, bool is_end);
    void (*chunk)(struct flow *f, struct span data, uint16_t flags);
    /* The last word, instead of an end. */
    void (*error)(struct flow *f, enum error_kind kind, struct span text, struct span data);
    /* The asker may send so many bytes of the body more. */
    void (*credit)(struct flow *f, size_t size);
    /* The flow is over and detached: free what holds it. */
    void (*release)(struct flow *f);
};

struct flow {
    struct router_request request;
    struct proxy *proxy;
    const struct flow_asker *asker;
    bool is_detached; /* the asker has its answer or is gone */
    bool has_head;    /* of the answer */
    enum error_kind cancel_kind;

    /* The body. */
    struct buf body;     /* counted in proxy.n_buffered */
    bool keeps_body;     /* 'body' is all that has come, else what was not yet sent */
    bool body_complete;  /* its end has come */
    size_t body_sent;    /* of 'body', to this replica */
    uint64_t n_received; /* from the asker */
    uint64_t n_granted;  /* to the asker, beyond the first FRAME_CREDIT */

    /* While dispatched. */
    struct link *link; /* the replica's */
    uint64_t stream;
    struct map_node by_stream; /* in link.flows */
    bool is_end_sent;          /* of the body */
    uint64_t n_sent;           /* body bytes, to this replica */
    uint64_t n_taken;          /* of these, by this replica */
    size_t answer_window;      /* answer bytes that it may still send */
    size_t n_unread;           /* answer bytes that the asker has and did not give credit for */
};

/* Begins a new life; 'body' keeps its memory (all zero at first). */
void flow_init(struct flow *f, struct proxy *p, const struct flow_asker *asker);

/* Body bytes from the asker, before or after submission.  -EPROTO: more than it may send. */
int flow_body(struct flow *f, struct span data, bool is_end) MUST_CHECK;
/* How many it may send now. */
size_t flow_body_window(const struct flow *f);

/* Into the router.  On refusal the asker's error() is called.  'model_id' may be empty. */
void flow_submit(struct flow *f, struct router_deployment *d, struct router_caller *caller,
                 struct span model_id);

/* The asker no longer wants it, or has had its answer; release() follows now or when the replica is
 * done. */
void flow_cancel(struct flow *f, enum error_kind kind);
void flow_detach(struct flow *f);

/* From the replica's link; -EPROTO: it broke the protocol. */
int flow_on_message(struct flow *f, const struct frame *frame) MUST_CHECK;

/* The asker has taken so many bytes of the answer. */
void flow_give_credit(struct flow *f, size_t size);

extern const struct router_actions flow_router_actions;

#endif
