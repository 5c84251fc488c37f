/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_REPR_H
#define SPEC_REPR_H

/* Values as Python prints them: error texts that users know quote Python's repr(). */

#include <jansson.h>

#include "base/buf.h"

/* repr(): 'it', None, {'a': 1.0}. */
void repr_value(const json_t *value, struct buf *out);
void repr_str(const char *s, struct buf *out);
/* repr() of a float: 2.0, 0.1, 1e-07. */
void repr_float(double x, struct buf *out);

/* str(): as repr(), but a string is itself. */
void repr_plain(const json_t *value, struct buf *out);

/* Decodes one code point of terminated UTF-8 and gives its size in bytes; a byte that does not
 * belong stands for itself. */
size_t repr_decode(const char *text, uint32_t *ret);

/* The name of the value's Python class: "NoneType", "dict". */
const char *repr_class(const json_t *value);

#endif
