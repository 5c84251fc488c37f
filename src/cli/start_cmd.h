/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_START_CMD_H
#define CLI_START_CMD_H

/* `ray start`: makes the session, binds the ports, locks the record, and becomes init, in the
 * foreground (--block) or in a session of its own while we wait until all is up. */

int start_cmd(int argc, char **argv); /* argv[0] is "start"; the exit code */

#endif
