/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_SERVE_RULES_H
#define SPEC_SERVE_RULES_H

/* The rules that rows of serve_fields.def name: what a type and a range cannot say.  Used by
 * serve_fields.c only. */

#include "spec/field.h"

/* Of one field. */
field_rule_fn check_encoding;
field_rule_fn check_log_level;
field_rule_fn check_log_attrs;
field_rule_fn check_runtime_env;
field_rule_fn check_import_path;
field_rule_fn check_applications;
field_rule_fn check_aggregation;

/* Between fields. */
schema_rule_fn check_http_options;
schema_rule_fn check_autoscaling;
schema_rule_fn check_deployment;
schema_rule_fn check_application;
schema_rule_fn check_deploy;

#endif
