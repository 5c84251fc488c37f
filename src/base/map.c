/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

enum { FIRST_BUCKETS = 16 };

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_deinit(struct map *m)
{
    free(m->buckets);
    map_init(m);
}

/* FNV-1a with a final mix; keys are ids and names of our own, or bounded in number. */
uint64_t map_hash(const void *data, size_t size)
{
    const unsigned char *p = data;
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < size; i++) {
        h = (h ^ p[i]) * 0x100000001b3u;
    }
    return h ^ (h >> 29);
}

static uint64_t hash_u64(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdu;
    x ^= x >> 33;
    return x;
}

static void grow(struct map *m)
{
    size_t n = m->n_buckets ? m->n_buckets * 2 : FIRST_BUCKETS;
    struct map_node **buckets = mem_alloc(n * sizeof(struct map_node *));

    for (size_t i = 0; i < m->n_buckets; i++) {
        struct map_node *node = m->buckets[i];

        while (node) {
            struct map_node *next = node->next;
            struct map_node **b = &buckets[node->hash & (n - 1)];

            node->next = *b;
            *b = node;
            node = next;
        }
    }
    free(m->buckets);
    m->buckets = buckets;
    m->n_buckets = n;
}

static void insert(struct map *m, struct map_node *node)
{
    struct map_node **b;

    if (m->size >= m->n_buckets) {
        grow(m);
    }
    b = &m->buckets[node->hash & (m->n_buckets - 1)];
    node->next = *b;
    *b = node;
    m->size++;
}

struct map_node *map_get(const struct map *m, struct span key)
{
    uint64_t hash = map_hash(key.data, key.size);

    if (m->size == 0) {
        return NULL;
    }
    for (struct map_node *n = m->buckets[hash & (m->n_buckets - 1)]; n; n = n->next) {
        if (n->hash == hash && span_equal(n->key, key)) {
            return n;
        }
    }
    return NULL;
}

void map_put(struct map *m, struct span key, struct map_node *node)
{
    ASSERT(!map_get(m, key));
    node->key = key;
    node->number = 0;
    node->hash = map_hash(key.data, key.size);
    insert(m, node);
}

struct map_node *map_get_u64(const struct map *m, uint64_t key)
{
    if (m->size == 0) {
        return NULL;
    }
    for (struct map_node *n = m->buckets[hash_u64(key) & (m->n_buckets - 1)]; n; n = n->next) {
        if (n->number == key) {
            return n;
        }
    }
    return NULL;
}

void map_put_u64(struct map *m, uint64_t key, struct map_node *node)
{
    ASSERT(!map_get_u64(m, key));
    node->key = (struct span){0};
    node->number = key;
    node->hash = hash_u64(key);
    insert(m, node);
}

void map_remove(struct map *m, struct map_node *node)
{
    struct map_node **p;

    ASSERT(m->size > 0);
    p = &m->buckets[node->hash & (m->n_buckets - 1)];
    while (*p != node) {
        ASSERT(*p);
        p = &(*p)->next;
    }
    *p = node->next;
    node->next = NULL;
    m->size--;
}

struct map_node *map_next(const struct map *m, const struct map_node *node)
{
    size_t i = 0;

    if (node) {
        if (node->next) {
            return node->next;
        }
        i = (node->hash & (m->n_buckets - 1)) + 1;
    }
    for (; i < m->n_buckets; i++) {
        if (m->buckets[i]) {
            return m->buckets[i];
        }
    }
    return NULL;
}
