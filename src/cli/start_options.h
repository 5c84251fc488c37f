/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_START_OPTIONS_H
#define CLI_START_OPTIONS_H

/* The flags of `ray start`: all that Ray and KubeRay know (contracts: kuberay.md §1) and a few of
 * ours.  What has no meaning here is accepted; what nobody knows is warned about. */

#include "base/err.h"

struct start_options {
    bool head;
    bool block;
    const char *address;
    const char *node_ip;
    int64_t port; /* -1: not given; so all below */
    const char *dashboard_host;
    int64_t dashboard_port;
    int64_t agent_port;
    int64_t metrics_port;
    const char *temp_dir;
    double num_cpus;
    double num_gpus;
    int64_t memory;
    const char *resources; /* JSON */
    const char *labels;    /* k=v,k=v */
    const char *python;
    int64_t ready_fd;
    int64_t owner_fd;
};

enum { START_OPTIONS_OK = -1, START_OPTIONS_HELP = -2 }; /* else: the exit code */

/* Prints what is wrong, or the help. */
int start_options_parse(int argc, char **argv, struct start_options *ret) MUST_CHECK;

/* All resources of the node as one JSON object, which the caller frees. */
int start_options_resources(const struct start_options *o, const char *node_ip, char **ret,
                            struct err *err) MUST_CHECK;

/* Takes one pair of quotes off and the backslashes out, as they remain when bash did not see them
 * (kuberay.md §1.2).  The caller frees it. */
char *start_options_unquote(const char *text) MUST_CHECK;

#endif
