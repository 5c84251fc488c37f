/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_GPUS_H
#define NODE_GPUS_H

/* Which GPUs a replica may see.  Whole ones are given alone, fractions share one.  Amounts are in
 * ten-thousandths.  Pure. */

#include "base/buf.h"

enum { GPU_WHOLE = 10000 };

struct gpus;

struct gpus *gpus_new(size_t n) MUST_CHECK;
void gpus_free(struct gpus *g); /* NULL is fine */

/* Takes 'amount' and appends the indices to 'ret_indices' as "0,3"; nothing for 0.  -ENOSPC: not
 * free (the caller goes on without: it is the controller who counts). */
int gpus_take(struct gpus *g, uint64_t amount, struct buf *ret_indices) MUST_CHECK;
/* Takes again what a replica of our predecessor has. */
void gpus_take_these(struct gpus *g, uint64_t amount, const char *indices);
void gpus_give_back(struct gpus *g, uint64_t amount, const char *indices);

#endif
