/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_STOP_CMD_H
#define CLI_STOP_CMD_H

/* `ray stop`: asks init, then insists.  Returns when all is gone; 0 also when nothing was there. */

int stop_cmd(int argc, char **argv);

#endif
