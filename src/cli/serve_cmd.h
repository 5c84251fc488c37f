/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SERVE_CMD_H
#define CLI_SERVE_CMD_H

/* The command line `serve`: what Ray Serve's has (ray-serve.md 3), and `delete`.  It speaks REST to
 * an instance; user code is imported only by the Python program that `run` and `build` become. */

int serve_cmd_main(int argc, char **argv);

#endif
