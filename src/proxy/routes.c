/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/routes.h"

struct routes {
    struct route *rows; /* owned, with their strings; longest prefix first */
    size_t n_rows;
    size_t n_refs;
};

static void put_row(struct routes *r, const struct route *row)
{
    for (size_t i = 0; i < r->n_rows; i++) {
        if (strcmp(r->rows[i].prefix, row->prefix) == 0) {
            free((void *) (uintptr_t) r->rows[i].app);
            free((void *) (uintptr_t) r->rows[i].deployment);
            r->rows[i].app = mem_strdup(row->app);
            r->rows[i].deployment = mem_strdup(row->deployment);
            return;
        }
    }
    r->rows[r->n_rows++] =
        (struct route){mem_strdup(row->prefix), mem_strdup(row->app), mem_strdup(row->deployment)};
}

static int by_length(const void *a, const void *b)
{
    const struct route *x = a;
    const struct route *y = b;
    size_t n = strlen(x->prefix);
    size_t m = strlen(y->prefix);

    return n != m ? (n < m ? 1 : -1) : strcmp(x->prefix, y->prefix);
}

struct routes *routes_new(const struct route *rows, size_t n_rows)
{
    struct routes *r = mem_new(struct routes);

    r->n_refs = 1;
    r->rows = mem_alloc(n_rows * sizeof(struct route));
    for (size_t i = 0; i < n_rows; i++) {
        put_row(r, &rows[i]);
    }
    qsort(r->rows, r->n_rows, sizeof(struct route), by_length);
    return r;
}

struct routes *routes_ref(struct routes *r)
{
    r->n_refs++;
    return r;
}

void routes_unref(struct routes *r)
{
    if (!r || --r->n_refs > 0) {
        return;
    }
    for (size_t i = 0; i < r->n_rows; i++) {
        free((void *) (uintptr_t) r->rows[i].prefix);
        free((void *) (uintptr_t) r->rows[i].app);
        free((void *) (uintptr_t) r->rows[i].deployment);
    }
    free(r->rows);
    free(r);
}

static bool matches(const char *prefix, struct span path)
{
    size_t n = strlen(prefix);

    return path.size >= n && memcmp(path.data, prefix, n) == 0 &&
           (n == path.size || path.data[n] == '/' || (n > 0 && prefix[n - 1] == '/'));
}

const struct route *routes_find(const struct routes *r, struct span path)
{
    for (size_t i = 0; i < r->n_rows; i++) {
        if (matches(r->rows[i].prefix, path)) {
            return &r->rows[i];
        }
    }
    return NULL;
}

const struct route *routes_all(const struct routes *r, size_t *ret_n)
{
    *ret_n = r->n_rows;
    return r->rows;
}
