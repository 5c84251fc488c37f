/* SPDX-License-Identifier: Apache-2.0 */
#include "node/gpus.h"

struct gpus {
    size_t n;
    uint64_t *used; /* 'n' amounts; owned */
};

struct gpus *gpus_new(size_t n)
{
    struct gpus *g = mem_new(struct gpus);

    g->n = n;
    g->used = mem_alloc(n * sizeof(*g->used));
    return g;
}

void gpus_free(struct gpus *g)
{
    if (g) {
        free(g->used);
        free(g);
    }
}

/* The fullest one where a fraction still fits, so that whole ones stay free. */
static int take_fraction(struct gpus *g, uint64_t amount, struct buf *ret_indices)
{
    size_t best = g->n;

    for (size_t i = 0; i < g->n; i++) {
        if (g->used[i] + amount <= GPU_WHOLE && (best == g->n || g->used[i] > g->used[best])) {
            best = i;
        }
    }
    if (best == g->n) {
        return -ENOSPC;
    }
    g->used[best] += amount;
    buf_printf(ret_indices, "%zu", best);
    return 0;
}

int gpus_take(struct gpus *g, uint64_t amount, struct buf *ret_indices)
{
    size_t n_wanted = amount / GPU_WHOLE;
    size_t n_free = 0;

    if (amount == 0) {
        return 0;
    }
    if (amount < GPU_WHOLE) {
        return take_fraction(g, amount, ret_indices);
    }
    for (size_t i = 0; i < g->n; i++) {
        n_free += g->used[i] == 0;
    }
    if (n_free < n_wanted) {
        return -ENOSPC;
    }
    for (size_t i = 0, left = n_wanted; left > 0; i++) {
        if (g->used[i] == 0) {
            g->used[i] = GPU_WHOLE;
            buf_printf(ret_indices, "%s%zu", left == n_wanted ? "" : ",", i);
            left--;
        }
    }
    return 0;
}

static void change(struct gpus *g, uint64_t amount, const char *indices, bool take)
{
    uint64_t each = MIN(amount, (uint64_t) GPU_WHOLE);

    while (*indices >= '0' && *indices <= '9') {
        char *end = NULL;
        size_t i = strtoul(indices, &end, 10);

        if (i < g->n) {
            g->used[i] = take ? g->used[i] + each : g->used[i] - MIN(each, g->used[i]);
        }
        indices = *end == ',' ? end + 1 : end;
    }
}

void gpus_take_these(struct gpus *g, uint64_t amount, const char *indices)
{
    change(g, amount, indices, true);
}

void gpus_give_back(struct gpus *g, uint64_t amount, const char *indices)
{
    change(g, amount, indices, false);
}
