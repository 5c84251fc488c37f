/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_COERCE_H
#define SPEC_COERCE_H

/* What pydantic v1 makes of a value that is meant to be of some type: "3" is an integer, 2.7 is the
 * integer 2, true is the string "True".  Each function gives a new value, or NULL if it is none of
 * that type.  Numbers that a JSON text cannot hold (inf, nan, beyond 64 bits) are none. */

#include <jansson.h>

#include "base/base.h"

json_t *coerce_str(const json_t *value) MUST_CHECK;
json_t *coerce_bool(const json_t *value) MUST_CHECK;
json_t *coerce_int(const json_t *value) MUST_CHECK;
json_t *coerce_strict_int(const json_t *value) MUST_CHECK;
json_t *coerce_float(const json_t *value) MUST_CHECK;
json_t *coerce_dict(const json_t *value) MUST_CHECK; /* a deep copy */

#endif
