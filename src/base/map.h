/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

/* An intrusive hash map with byte-string or integer keys.  An entry embeds a 'struct map_node'; the
 * map never owns entries.  Lookup is O(1); the table grows by doubling.  Byte keys are not copied:
 * they must live, unchanged, as long as the entry is in the map. */

#include "base/base.h"

struct map_node {
    struct map_node *next; /* in the same bucket */
    uint64_t hash;
    struct span key; /* byte keys; size 0 and data NULL for integer keys */
    uint64_t number; /* integer keys */
};

struct map {
    struct map_node **buckets; /* n_buckets of them, a power of two; NULL while empty */
    size_t n_buckets;
    size_t size; /* entries */
};

void map_init(struct map *m);
void map_deinit(struct map *m); /* forgets all entries; frees none of them */

/* Byte keys.  map_put() asserts that the key is not there yet. */
struct map_node *map_get(const struct map *m, struct span key);
void map_put(struct map *m, struct span key, struct map_node *node);

/* Integer keys.  One map uses either bytes or integers, never both. */
struct map_node *map_get_u64(const struct map *m, uint64_t key);
void map_put_u64(struct map *m, uint64_t key, struct map_node *node);

void map_remove(struct map *m, struct map_node *node);

/* Iteration in no order: start with NULL; ends with NULL.  Removing the entry that was returned
 * last is allowed if map_next() was called for its successor before. */
struct map_node *map_next(const struct map *m, const struct map_node *node);

#define MAP_ENTRY(ptr, type, member) CONTAINER_OF(ptr, type, member)

/* 'n' and 'tmp' are struct map_node *; the body may remove 'n'. */
#define MAP_FOREACH(n, tmp, m)                                                                     \
    for ((n) = map_next((m), NULL), (tmp) = (n) ? map_next((m), (n)) : NULL; (n);                  \
         (n) = (tmp), (tmp) = (n) ? map_next((m), (n)) : NULL)

uint64_t map_hash(const void *data, size_t size);

#endif
