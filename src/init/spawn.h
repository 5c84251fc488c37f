/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INIT_SPAWN_H
#define INIT_SPAWN_H

/* Starts one process: fork, a session and process group of its own, exactly the descriptors it is
 * to have, exec.  A child that cannot exec says why on its stderr and ends with 127. */

#include <sys/types.h>

#include "base/base.h"

struct spawn {
    struct span argv; /* NUL-terminated strings in a row, as all spans here */
    struct span env;  /* the whole environment; empty: ours */
    const char *cwd;  /* NULL or "": ours */
    const int *fds;   /* the child finds them at 3, 4, … */
    size_t n_fds;
    int output_fd;   /* stdout and stderr; -1: ours */
    int lifeline_fd; /* comes after 'fds'; -1: none */
};

/* The pid, or -errno when fork failed.  All descriptors stay the caller's. */
pid_t spawn_start(const struct spawn *s) MUST_CHECK;

#endif
