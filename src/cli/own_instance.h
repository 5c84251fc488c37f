/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OWN_INSTANCE_H
#define CLI_OWN_INSTANCE_H

/* An instance that this command starts and that ends with it, however it ends: a pipe whose other
 * end init watches closes with us.  Its users' output goes to our stdout. */

#include "base/err.h"
#include "cli/instance.h"

struct own_instance {
    pid_t pid;    /* of its init; 0: none */
    int owner_fd; /* closes with us */
};

/* Starts `ray start --head --block` in a session of its own and waits until it is up.  On failure
 * it has said why itself. */
int own_instance_start(struct own_instance *own, struct instance **ret_instance, struct err *err)
    MUST_CHECK;

/* Whether it has ended by itself. */
bool own_instance_has_ended(struct own_instance *own);

/* Asks it to end and waits; a second call from a signal handler's word makes it quick. */
void own_instance_stop(struct own_instance *own, const volatile int *n_interrupts);

/* Starts an instance that outlives us. */
int own_instance_start_detached(struct err *err) MUST_CHECK;

#endif
