/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_YAML_SCALAR_H
#define SPEC_YAML_SCALAR_H

/* What an unquoted YAML 1.1 word means: yes is true, 0x10 is 16, 1e5 is a string (there is no dot
 * in it).  The reader and the writer both ask here.  Dates stay strings. */

#include <jansson.h>

#include "base/base.h"

enum yaml_kind { YAML_STRING, YAML_NULL, YAML_BOOL, YAML_INT, YAML_FLOAT };

enum yaml_kind yaml_scalar_kind(struct span text);

/* The value of a word of that kind; NULL if JSON has none (an integer beyond 64 bits, .inf, .nan)
 * or the word is none of that kind. */
json_t *yaml_scalar_value(struct span text, enum yaml_kind kind) MUST_CHECK;

/* Whether PyYAML reads the unquoted word as something that we do not: a date, "=", "<<". */
bool yaml_scalar_is_special(struct span text);

#endif
