/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_RUNTIME_ENV_H
#define SPEC_RUNTIME_ENV_H

/* Rules of runtime_env dictionaries: which URIs a configuration may name, and how an application's
 * environment and a deployment's become one. */

#include <jansson.h>

#include "base/err.h"

/* working_dir and py_modules must be remote URIs.  -EINVAL with Ray's sentence otherwise. */
int runtime_env_check_uris(const json_t *env, struct err *err) MUST_CHECK;

/* The child's keys win; only env_vars is merged key by key.  Either may be NULL.  The caller's. */
json_t *runtime_env_merge(const json_t *parent, const json_t *child) MUST_CHECK;

#endif
