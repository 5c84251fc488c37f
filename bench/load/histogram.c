/* SPDX-License-Identifier: Apache-2.0 */
#include "load/histogram.h"

enum { SUB = 1 << HISTOGRAM_SUB_BITS };

/* Values below SUB have a bucket each; above, the leading SUB_BITS bits after the first one count.
 */
static size_t bucket_of(uint64_t us)
{
    uint32_t x = us > UINT32_MAX ? UINT32_MAX : (uint32_t) us;
    unsigned shift;

    if (x < SUB) {
        return x;
    }
    shift = 31u - (unsigned) __builtin_clz(x) - HISTOGRAM_SUB_BITS;
    return ((size_t) (shift + 1) << HISTOGRAM_SUB_BITS) + ((x >> shift) - SUB);
}

/* The largest value that falls into a bucket. */
static uint64_t bucket_end(size_t bucket)
{
    size_t shift = bucket >> HISTOGRAM_SUB_BITS;
    uint64_t low = bucket & (SUB - 1);

    if (shift == 0) {
        return low;
    }
    return ((low + SUB + 1) << (shift - 1)) - 1;
}

void histogram_add(struct histogram *h, uint64_t us)
{
    h->counts[bucket_of(us)]++;
    h->n++;
    h->sum_us += us;
    h->max_us = MAX(h->max_us, us);
}

void histogram_reset(struct histogram *h)
{
    *h = (struct histogram){.n = 0};
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    double wanted = percent / 100.0 * (double) h->n;
    uint64_t seen = 0;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (h->counts[i] > 0 && (double) seen >= wanted) {
            return MIN(bucket_end(i), h->max_us);
        }
    }
    return h->max_us;
}
