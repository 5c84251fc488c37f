/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SERVE_PRIV_H
#define CLI_SERVE_PRIV_H

/* The commands of `serve`; argv[0] is the command's name, the result the exit code. */

#include "cli/options.h"

int serve_start_cmd(int argc, char **argv);
int serve_run_cmd(int argc, char **argv);
int serve_deploy_cmd(int argc, char **argv);
int serve_status_cmd(int argc, char **argv);
int serve_config_cmd(int argc, char **argv);
int serve_build_cmd(int argc, char **argv);
int serve_delete_cmd(int argc, char **argv);
int serve_shutdown_cmd(int argc, char **argv);

/* Options and arguments; the number of arguments must be between 'min' and 'max'.  Prints the help
 * or what is wrong.  -1: go on; else the exit code. */
int serve_parse(const struct option_table *t, int argc, char **argv, void *values,
                struct option_list *ret_arguments, size_t min, size_t max);

/* Prints "serve COMMAND: sentence" and gives the exit code for it. */
int serve_fail(const char *command, const struct err *err);

#endif
