/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_BUILDS_H
#define NODE_BUILDS_H

/* Builds: each runs `python -m model_service.build` once in the application's environment and gives
 * the controller the artefact, or why there is none. */

#include "node/node.h"
#include "wire/messages.h"

struct builds *builds_new(struct node *n) MUST_CHECK;
void builds_free(struct builds *bs); /* NULL is fine; what runs is killed */

int builds_on_build(struct builds *bs, const struct frame *f);
int builds_on_cancel(struct builds *bs, const struct frame *f);

#endif
