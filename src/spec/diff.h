/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_DIFF_H
#define SPEC_DIFF_H

/* What has to happen when a declared thing changes.  Pure comparison, by the classes in
 * serve_fields.def. */

#include "spec/overlay.h"

/* Classes (enum change, or-ed) of all that differs between two versions of one deployment; 0 when
 * nothing does.  Another blob, runtime_env or resources: CHANGE_RESTART. */
unsigned deployment_diff(const struct deployment_spec *a, const struct deployment_spec *b);

/* "restart, router" for logs; static text for one class. */
const char *change_name(unsigned one_class);

/* Everything in a parsed application configuration that makes a new build necessary (import path,
 * environment, args, policies), as canonical text: equal texts, equal code.  The caller frees it.
 */
char *app_build_key(const json_t *config) MUST_CHECK;

#endif
