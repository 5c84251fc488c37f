/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_PHASES_H
#define WIRE_PHASES_H

/* Where a replica is in its life, as its node tells the controller.  The order is the order of
 * life. */

enum replica_phase {
    PHASE_QUEUED = 0,      /* accepted by the node, not yet spawned */
    PHASE_FETCH_CODE = 1,  /* working_dir, py_modules */
    PHASE_ENVIRONMENT = 2, /* pip */
    PHASE_IMPORT = 3,      /* spawned; the interpreter starts and loads the code */
    PHASE_CONSTRUCT = 4,   /* __init__, lifespan, reconfigure, first check_health */
    PHASE_READY = 5,       /* serves */
    PHASE_RECONFIGURE = 6, /* serves; a new user_config is being applied */
    PHASE_UNHEALTHY = 7,   /* three check_health in a row failed; still running */
    PHASE_DRAINING = 8,    /* takes nothing new */
    PHASE_FAILED = 9,      /* could not start; 'detail' is the traceback */
    PHASE_GONE = 10,       /* the process has ended; 'detail' says how */
};

const char *replica_phase_name(enum replica_phase phase);

#endif
