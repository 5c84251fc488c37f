/* SPDX-License-Identifier: Apache-2.0 */
/* What the node and a replica say to each other: docs/interfaces.md, "Replica control". */

#include "base/log.h"
#include "node/replica_priv.h"

enum { FAILURES_TO_UNHEALTHY = 3 }; /* as Ray */

static void send_reconfigure(struct replica *r)
{
    char *text = json_dumps(json_object_get(r->spec, "config"), JSON_COMPACT);

    peer_send_control(r->peer, "reconfigure", text);
    free(text);
}

static void send_stop(struct replica *r)
{
    char *body CLEANUP(mem_freep) =
        mem_printf("{\"wait_loop_s\": %.3f, \"timeout_s\": %.3f}",
                   (double) r->stop_wait_loop_ms / 1000, (double) r->stop_timeout_ms / 1000);

    peer_send_control(r->peer, "stop", body);
}

/* It has connected.  To one that has its spec already, the spec means: say how far you are, for the
 * daemon that you told may be gone. */
void replica_greet(struct replica *r)
{
    char *text = json_dumps(r->spec, JSON_COMPACT);

    peer_send_control(r->peer, "spec", text);
    free(text);
    if (!r->spec_is_sent) {
        r->spec_is_sent = true;
        replica_save(r);
    }
    if (r->phase == PHASE_RECONFIGURE) { /* the old link may have lost it */
        send_reconfigure(r);
    }
    if (r->is_stopping) {
        send_stop(r);
    }
}

/* r->spec has another config. */
void replica_reconfigure(struct replica *r)
{
    if (r->phase < PHASE_READY) {
        r->config_is_late = r->spec_is_sent; /* it starts with the old one */
        return;
    }
    r->config_is_late = false;
    replica_set_phase(r, PHASE_RECONFIGURE, NULL);
    if (r->peer) { /* else when it has connected */
        send_reconfigure(r);
    }
}

void replica_ask_to_stop(struct replica *r)
{
    if (r->peer) { /* else when it has connected, if it still can */
        send_stop(r);
    }
}

void replica_on_link_lost(struct replica *r, const struct peer *peer)
{
    if (r->peer == peer) {
        r->peer = NULL;
        r->health_is_pending = false;
    }
}

/* Health. */

void replica_start_health(struct replica *r)
{
    if (!r->is_stopping && r->phase >= PHASE_READY && r->phase <= PHASE_UNHEALTHY) {
        r->health_is_pending = false;
        timer_start(&r->health, replica_config_ms(r, "health_check_period_s", 10.0));
    }
}

static void health_failed(struct replica *r, const char *why)
{
    log_warn("a health check failed", "replica=%s n=%u reason=%s", r->id, r->n_health_failures + 1,
             why);
    if (++r->n_health_failures >= FAILURES_TO_UNHEALTHY && r->phase != PHASE_UNHEALTHY) {
        replica_set_phase(r, PHASE_UNHEALTHY, why);
    }
}

/* The next check is due, or the one under way has taken too long. */
void replica_on_health_timer(struct timer *t)
{
    struct replica *r = CONTAINER_OF(t, struct replica, health);
    uint64_t timeout_ms = replica_config_ms(r, "health_check_timeout_s", 30.0);

    if (r->health_is_pending) {
        char *why CLEANUP(mem_freep) =
            mem_printf("check_health did not answer within %g s.", (double) timeout_ms / 1000);

        health_failed(r, why);
    } else if (r->peer) {
        peer_send_control(r->peer, "check_health", "{}");
        r->health_is_pending = true;
    }
    timer_start(t, timeout_ms);
}

static void on_health(struct replica *r, const char *error)
{
    if (r->is_stopping) {
        return;
    }
    if (error) {
        health_failed(r, error);
    } else {
        r->n_health_failures = 0;
        if (r->phase == PHASE_UNHEALTHY) {
            replica_set_phase(r, PHASE_READY, NULL);
        }
    }
    replica_start_health(r);
}

/* The start and changes of configuration. */

static void on_phase(struct replica *r, const char *phase)
{
    if (r->phase >= PHASE_READY || !phase) {
        return;
    }
    if (strcmp(phase, "construct") == 0) {
        replica_set_phase(r, PHASE_CONSTRUCT, NULL);
    } else if (strcmp(phase, "import") == 0 && r->phase != PHASE_IMPORT) {
        replica_set_phase(r, PHASE_IMPORT, NULL);
    }
}

static void on_ready(struct replica *r, struct span body)
{
    if (r->phase >= PHASE_READY) {
        return;
    }
    free(r->info_json);
    r->info_json = mem_strndup(body.data, body.size);
    replica_save(r);
    replica_set_phase(r, PHASE_READY, NULL);
    if (r->config_is_late) {
        replica_reconfigure(r);
    }
    replica_start_health(r);
}

static void on_reconfigured(struct replica *r, const char *error)
{
    if (r->phase == PHASE_RECONFIGURE) {
        replica_set_phase(r, error ? PHASE_FAILED : PHASE_READY, error);
        replica_start_health(r);
    }
}

int replica_on_control(struct replica *r, const struct frame *f)
{
    struct msg_control m;
    json_t *body;
    const char *error;

    if (msg_control_get(f, &m) < 0) {
        return -EPROTO;
    }
    body = json_loadb(m.body_json.data, m.body_json.size, JSON_DECODE_ANY, NULL);
    error = json_string_value(json_object_get(body, "error"));
    if (span_is(m.name, "phase")) {
        on_phase(r, json_string_value(json_object_get(body, "phase")));
    } else if (span_is(m.name, "ready")) {
        on_ready(r, m.body_json);
    } else if (span_is(m.name, "failed") && !r->is_stopping) {
        replica_set_phase(r, PHASE_FAILED, error ? error : "It gave no reason.");
    } else if (span_is(m.name, "reconfigured")) {
        on_reconfigured(r, error);
    } else if (span_is(m.name, "health")) {
        on_health(r, error);
    }
    json_decref(body);
    return 0;
}
