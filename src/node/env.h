/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_ENV_H
#define NODE_ENV_H

/* Environments of processes that run user code: what we were started with, without our credentials,
 * then what the deployment asks for.  Pure but for reading environ. */

#include <jansson.h>

#include "base/buf.h"

struct env {
    json_t *variables; /* object of strings; owned */
};

/* From 'base' (like environ), without RAY_AUTH_TOKEN*, REDIS_* and private variables of ours. */
void env_init(struct env *e, const char *const *base);
void env_deinit(struct env *e);

void env_set(struct env *e, const char *name, const char *fmt, ...) PRINTF(3, 4);
bool env_has(const struct env *e, const char *name);
/* Puts 'text' in front of a list such as PYTHONPATH. */
void env_prepend(struct env *e, const char *name, const char *text);

/* runtime_env.env_vars; "${NAME}" in a value stands for the variable's value so far. NULL is fine.
 */
void env_merge(struct env *e, json_t *env_vars);

/* As a row of NUL-terminated "NAME=value". */
void env_row(const struct env *e, struct buf *out);

#endif
