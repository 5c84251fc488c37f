/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_RAY_CMD_H
#define CLI_RAY_CMD_H

/* The command line `ray`: start, stop, status, health-check.  `model-service start` is the same. */

int ray_cmd_main(int argc, char **argv);

#endif
