/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_NODE_H
#define NODE_NODE_H

/* What the parts of the node daemon know of each other.  There is one struct node in the process;
 * each part is made in main.c in the order below and may use those above it. */

#include <jansson.h>

#include "io/loop.h"

struct node_options {
    const char *session_dir;
    const char *node_id; /* 56 hex digits, the same over restarts of the daemon */
    const char *node_ip;
    const char *python;
    const char *resources; /* JSON object: {"CPU": 8.0, "memory": …}, also from the two below */
    const char *labels;    /* JSON object or NULL */
    int64_t agent_port;
    bool log_to_stdout;
    bool is_terse; /* only users' lines and warnings there: it is a driver's terminal */
};

struct node {
    struct loop *loop;
    struct node_options options;
    json_t *resources;
    uint64_t incarnation; /* of this daemon: Unix time in microseconds at its start */
    bool is_stopping;
    struct logs *logs;
    struct processes *processes; /* init */
    struct uplink *uplink;       /* the controller */
    struct peers *peers;         /* proxy and replicas */
    struct supervisor *supervisor;
    struct ingress *ingress;
    struct code *code;
    struct gpus *gpus;
    struct replicas *replicas;
    struct builds *builds;
    struct agent *agent;
};

/* Called by the parts when what they wait for has changed. */
void node_check_started(struct node *n);
void node_check_stopped(struct node *n);

uint64_t node_unix_ms(void);

#endif
