/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CODE_H
#define NODE_CODE_H

/* Users' code: turns runtime_env.working_dir and py_modules into folders on this machine.  A folder
 * is used as it is; a zip (file:// or https://) is fetched by a short-lived process and lies, by
 * its content, under <session>/code/<sha256>.  What a build has fetched, its replicas use: one
 * version never mixes two contents of one URI. */

#include "node/env.h"
#include "node/node.h"

struct code_result {
    const char *error;       /* NULL: all is there */
    const char *working_dir; /* NULL: none was asked for */
    json_t *py_modules;      /* array of folders; borrowed */
};

struct code_job;

typedef void code_fn(void *user, const struct code_result *result);

struct code *code_new(struct node *n) MUST_CHECK;
void code_free(struct code *c); /* NULL is fine */

/* Calls 'done' once, in a later turn; the job is gone then.  'is_fresh': fetch again what is
 * already known (a build wants the newest). */
struct code_job *code_prepare(struct code *c, const json_t *runtime_env, bool is_fresh,
                              code_fn *done, void *user) MUST_CHECK;
void code_cancel(struct code_job *job); /* 'done' is not called; NULL is fine */

/* The variables by which Python finds these folders. */
void code_set_env(const struct code_result *result, struct env *e);

#endif
