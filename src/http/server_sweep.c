/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of the server: its time-outs, which the server checks about once a second. */

#include "http/server_priv.h"

enum { REST_MS = 1000 }; /* then an idle connection gives its buffers back */

/* Whether output is queued and none of it has left for too long. */
static bool is_stalled(struct conn *c, uint64_t now_ms)
{
    if (stream_pending(&c->stream) == 0 || c->stream.written != c->written) {
        c->written = c->stream.written;
        c->moved_ms = now_ms;
        return false;
    }
    return now_ms - c->moved_ms >= c->server->options.write_timeout_ms;
}

static bool is_body_late(const struct conn *c, uint64_t now_ms)
{
    const struct http_request *req = c->req;

    return !req->body_complete && (c->state != CONN_OPEN || req->credit > 0) &&
           now_ms - req->body_at_ms >= c->server->options.body_timeout_ms;
}

static bool sweep_idle(struct conn *c, uint64_t age_ms)
{
    uint64_t keep_alive_ms = c->server->options.keep_alive_timeout_ms;

    if (age_ms >= keep_alive_ms) {
        conn_finish(c);
        return true;
    }
    if (age_ms < REST_MS || keep_alive_ms <= REST_MS) {
        return false;
    }
    buf_shrink(&c->stream.in);
    buf_shrink(&c->stream.out);
    conn_set_state(c, CONN_RESTING);
    return true;
}

static bool sweep_head(struct conn *c, uint64_t age_ms)
{
    if (age_ms < c->server->options.head_timeout_ms) {
        return false;
    }
    if (buf_size(&c->stream.in) == 0) {
        conn_finish(c); /* never said a word */
    } else {
        conn_fail(c, 408);
    }
    return true;
}

/* A request in work, or one that is answered while its body still comes. */
static bool sweep_busy(struct conn *c, uint64_t now_ms)
{
    if (is_stalled(c, now_ms)) {
        conn_abort(c, 499);
        conn_break(c);
        return true;
    }
    if (!is_body_late(c, now_ms)) {
        return false;
    }
    if (c->state == CONN_DRAIN) {
        conn_finish(c);
    } else {
        conn_fail(c, 408);
    }
    return true;
}

bool conn_sweep(struct conn *c, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - c->since_ms;

    switch (c->state) {
    case CONN_RESTING:
        if (age_ms + REST_MS < c->server->options.keep_alive_timeout_ms) {
            return false;
        }
        conn_finish(c);
        return true;
    case CONN_IDLE: return sweep_idle(c, age_ms);
    case CONN_HEAD: return sweep_head(c, age_ms);
    case CONN_COLLECT:
    case CONN_OPEN:
    case CONN_DRAIN: return sweep_busy(c, now_ms);
    case CONN_CLOSING:
        if (!is_stalled(c, now_ms)) {
            return false;
        }
        conn_free(c);
        return true;
    case CONN_STATES: break;
    }
    NOT_REACHED();
}
