/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"
#include "spec/report.h"
#include "spec/yaml_priv.h"

struct yaml_places {
    struct map by_path; /* of struct place_entry.node; owned */
};

struct place_entry {
    struct map_node node; /* its key is 'path' */
    char *path;           /* owned */
    struct yaml_place place;
};

struct yaml_places *yaml_places_new(void)
{
    struct yaml_places *p = mem_new(struct yaml_places);

    map_init(&p->by_path);
    return p;
}

void yaml_places_free(struct yaml_places *p)
{
    struct map_node *n;
    struct map_node *tmp;

    if (!p) {
        return;
    }
    MAP_FOREACH (n, tmp, &p->by_path) {
        struct place_entry *e = MAP_ENTRY(n, struct place_entry, node);

        map_remove(&p->by_path, n);
        free(e->path);
        free(e);
    }
    map_deinit(&p->by_path);
    free(p);
}

void yaml_places_add(struct yaml_places *p, const json_t *loc, struct yaml_place place)
{
    char *path = spec_path(loc);
    struct map_node *old = map_get(&p->by_path, span_of(path));
    struct place_entry *e = old ? MAP_ENTRY(old, struct place_entry, node) : NULL;

    if (e) {
        free(path); /* a key that is there twice: the last one counts */
    } else {
        e = mem_new(struct place_entry);
        e->path = path;
        map_put(&p->by_path, span_of(path), &e->node);
    }
    e->place = place;
}

bool yaml_places_find(const struct yaml_places *p, const char *path, struct yaml_place *ret_place)
{
    struct span s = span_of(path);

    for (;;) {
        struct map_node *n = map_get(&p->by_path, s);

        if (n) {
            *ret_place = MAP_ENTRY(n, struct place_entry, node)->place;
            return true;
        }
        if (s.size == 0) {
            return false;
        }
        do {
            s.size--;
        } while (s.size > 0 && s.data[s.size] != '.' && s.data[s.size] != '[');
    }
}
