/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_STATUS_CMD_H
#define CLI_STATUS_CMD_H

/* `ray status`: what an instance has and what it runs, asked over its control API.  It waits five
 * seconds at most and changes nothing. */

int status_cmd(int argc, char **argv);

#endif
