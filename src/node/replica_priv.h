/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_REPLICA_PRIV_H
#define NODE_REPLICA_PRIV_H

/* Shared by replica*.c: replicas.c holds the table, replica.c moves one through its phases,
 * replica_talk.c speaks with it. */

#include "node/code.h"
#include "node/gpus.h"
#include "node/peers.h"
#include "node/processes.h"
#include "node/replicas.h"
#include "wire/phases.h"

enum { TOKEN_SIZE = 32 };

struct replicas {
    struct node *node;
    struct map by_id; /* of struct replica.node; owned */
    char *folder;     /* <session>/replicas: one file for each that runs; owned */
};

struct replica {
    struct map_node node;
    struct replicas *replicas;
    char *id;     /* owned, as all below */
    json_t *spec; /* docs/interfaces.md §5 */
    char token[TOKEN_SIZE + 1];
    char *gpus; /* indices, "0,3" */
    enum replica_phase phase;
    uint64_t since_ms; /* Unix time */
    char *detail;
    char *info_json;           /* of 'ready' */
    struct code_job *code_job; /* NULL when none is under way */
    struct process process;
    struct peer *peer; /* NULL while it is not connected */
    bool spec_is_sent;
    bool config_is_late; /* it changed after the spec was sent and before it was ready */
    bool is_stopping;
    uint64_t stop_wait_loop_ms;
    uint64_t stop_timeout_ms;
    struct timer stop; /* next step: TERM, then KILL */
    bool term_was_sent;
    struct timer health; /* next check, or the deadline of the one under way */
    bool health_is_pending;
    unsigned n_health_failures;
};

/* replica.c */
struct replica *replica_new(struct replicas *rs, const char *id, json_t *spec /* taken */)
    MUST_CHECK;
void replica_free(struct replica *r);
void replica_start(struct replica *r);
void replica_stop(struct replica *r, uint64_t wait_loop_ms, uint64_t timeout_ms);
/* The funnel: every change of phase goes through here. 'detail' may be NULL. */
void replica_set_phase(struct replica *r, enum replica_phase phase, const char *detail);
void replica_report(struct replica *r);
/* Takes over from a file of our predecessor. */
void replica_load(struct replicas *rs, const char *id);
void replica_save(const struct replica *r);

/* replica_talk.c */
void replica_greet(struct replica *r);
void replica_reconfigure(struct replica *r);
void replica_ask_to_stop(struct replica *r);
void replica_start_health(struct replica *r); /* from now on it is checked */
void replica_on_health_timer(struct timer *t);

/* A number of the spec's config, in milliseconds. */
uint64_t replica_config_ms(const struct replica *r, const char *name, double default_s);

#endif
