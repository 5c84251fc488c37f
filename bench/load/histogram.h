/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

/* A histogram of times in microseconds with a fixed relative error: buckets double, and each
 * doubling is cut into 128, so that a value is known to better than 0.8 %.  Covers 1 µs to over an
 * hour. */

#include "base/base.h"

enum {
    HISTOGRAM_SUB_BITS = 7,
    HISTOGRAM_BUCKETS = (32 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS,
};

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t n;
    uint64_t sum_us;
    uint64_t max_us;
};

void histogram_add(struct histogram *h, uint64_t us);
void histogram_reset(struct histogram *h);

/* The smallest value that at least 'percent' of all do not exceed (0 when empty). */
uint64_t histogram_percentile(const struct histogram *h, double percent);

#endif
