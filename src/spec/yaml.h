/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_YAML_H
#define SPEC_YAML_H

/* YAML and JSON texts to jansson documents with the line and column of every value, and documents
 * back to YAML.  Scalars mean what they mean to PyYAML (YAML 1.1).  Depth, aliases and size are
 * bounded: the text may come from a stranger.  Never touches a file. */

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

/* Where the values of a document stand in its text, by path ("applications[0].name"). */
struct yaml_places;

struct yaml_place {
    size_t line; /* from 1 */
    size_t column;
};

struct yaml_places *yaml_places_new(void);
void yaml_places_free(struct yaml_places *p);
/* The place of 'path', or of the nearest enclosing value that has one.  False: none has. */
bool yaml_places_find(const struct yaml_places *p, const char *path, struct yaml_place *ret_place);

/* One YAML document (JSON is YAML too).  Errors: -EINVAL, "line 3, column 7: …".  'places' may be
 * NULL. */
int yaml_parse(struct span text, json_t **ret_document, struct yaml_places *places, struct err *err)
    MUST_CHECK;

/* JSON only, as the REST API takes it; numbers that do not fit are errors. */
int json_parse(struct span text, json_t **ret_document, struct err *err) MUST_CHECK;

/* As yaml.safe_dump(…, sort_keys=False) writes it; 'indent' columns before each line. */
void yaml_write(const json_t *document, size_t indent, struct buf *out);

#endif
