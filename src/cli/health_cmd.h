/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_HEALTH_CMD_H
#define CLI_HEALTH_CMD_H

/* `ray health-check`: does a controller greet us at this address?  Init containers of Kubernetes
 * loop over it and have no limit of their own, so it ends within five seconds whatever happens. */

int health_cmd(int argc, char **argv); /* 0: healthy */

#endif
