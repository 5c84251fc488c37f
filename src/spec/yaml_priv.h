/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_YAML_PRIV_H
#define SPEC_YAML_PRIV_H

/* How the reader (yaml.c) fills a table of places (yaml_places.c) while it reads.  Used by those
 * two only. */

#include "spec/yaml.h"

/* Says where the value at 'loc' stands; a later word about the same path counts. */
void yaml_places_add(struct yaml_places *p, const json_t *loc, struct yaml_place place);

#endif
