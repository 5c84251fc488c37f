/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_YAML_PRIV_H
#define SPEC_YAML_PRIV_H

/* How the reader fills a table of places. */

#include "spec/yaml.h"

/* Says where the value at 'loc' stands; a later word about the same path counts. */
void yaml_places_add(struct yaml_places *p, const json_t *loc, struct yaml_place place);

#endif
