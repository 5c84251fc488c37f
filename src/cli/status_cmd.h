/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_STATUS_CMD_H
#define CLI_STATUS_CMD_H

/* `ray status` and `ray health-check`: what an instance says about itself, within five seconds. */

int status_cmd(int argc, char **argv);
int health_check_cmd(int argc, char **argv);

#endif
