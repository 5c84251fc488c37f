/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_WORLD_H
#define POLICY_WORLD_H

/* All that the controller decides about: applications with their deployments and replicas, and the
 * nodes.  world_decide() is the whole of "decide": from what is wanted and what was observed it
 * changes states and gives the messages to send.  Level-triggered: called again at any moment, with
 * nothing new observed, it gives nothing.  Pure: time, chance and wishes are passed in. */

#include "policy/app_fsm.h"
#include "policy/place.h"

enum action_kind { ACTION_START, ACTION_STOP, ACTION_RECONFIGURE, ACTION_BUILD };

struct action {
    enum action_kind kind;
    struct replica *replica; /* all but BUILD */
    struct app *app;         /* BUILD */
    uint64_t wait_loop_ms;   /* STOP */
    uint64_t timeout_ms;     /* STOP */
};

struct world {
    struct list apps;    /* of struct app.link; owned */
    struct map replicas; /* of struct replica.node, by id */
    struct placement placement;
    uint64_t random;        /* state of the generator of ids; the controller seeds it */
    double unix_s;          /* wall clock of this turn, for what GET shows */
    double target_capacity; /* percent; negative: none */
    int64_t retry_limit;    /* overrides max_constructor_retry_count; negative: does not */
    bool waits_for_nodes;   /* nodes may join late: nothing is for ever unplaceable */
    bool is_hurried;        /* the instance shuts down: no waiting before a stop */
    bool is_changed;        /* something that must survive a restart changed */
};

/* What one round of decisions is about. */
struct decision {
    struct world *world;
    uint64_t now_ms;
    uint64_t due_ms;        /* when to decide again if nothing happens; UINT64_MAX: never */
    struct action *actions; /* n_actions of them; owned */
    size_t n_actions;
    size_t capacity;
};

void world_init(struct world *w, uint64_t seed);
void world_deinit(struct world *w);

struct app *world_find_app(const struct world *w, const char *name); /* or NULL */
struct replica *world_find_replica(const struct world *w, struct span id);

/* 'size' random lower-case letters and digits, terminated. */
void world_make_id(struct world *w, char *ret_id, size_t size);

void world_decide(struct world *w, uint64_t now_ms, struct decision *ret);
void decision_deinit(struct decision *d);

/* For the parts of the decision. */
void decision_add(struct decision *d, struct action action);
void decision_wait_until(struct decision *d, uint64_t at_ms);

/* A node said NODE_READY, having reported all that runs there: what it did not name is gone or has
 * to be asked for again. */
void world_on_node_ready(struct world *w, const char *node_id, uint64_t now_ms);
void world_on_node_lost(struct world *w, const char *node_id);

#endif
