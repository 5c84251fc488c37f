/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_RAY_CMD_H
#define CLI_RAY_CMD_H

/* The command line `ray`: start, stop, status, health-check.  `model-service start` is the same. */

#include "cli/options.h"

int ray_cmd_main(int argc, char **argv);

/* The options of a command without arguments.  -1: go on; else the exit code: 0 after --help, which
 * is printed, 2 after an error, which is told behind 'prefix'. */
int ray_parse(const struct option_table *t, const char *prefix, int argc, char **argv, void *values)
    MUST_CHECK;

#endif
