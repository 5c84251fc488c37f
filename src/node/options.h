/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_OPTIONS_H
#define NODE_OPTIONS_H

/* The command line of `model-service node` (docs/interfaces.md §2). */

#include "base/err.h"
#include "node/node.h"

/* 'ret_resources' is the caller's. */
int node_options_parse(int argc, char **argv, struct node_options *ret, json_t **ret_resources,
                       struct err *err) MUST_CHECK;

#endif
