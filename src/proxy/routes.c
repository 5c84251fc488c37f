/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/routes.h"

struct routes {
    struct route *rows; /* owned; longest prefix first */
    char **texts;       /* owned, each for one row, in no order: what the rows point into */
    size_t n_rows;
    size_t n_refs;
};

/* Appends a string with its NUL to a text that has room for it. */
static const char *put_text(char **end, const char *s)
{
    const char *start = *end;

    *end = stpcpy(*end, s) + 1;
    return start;
}

static void put_row(struct routes *r, const struct route *row)
{
    size_t i = 0;
    char *end;

    while (i < r->n_rows && strcmp(r->rows[i].prefix, row->prefix) != 0) {
        i++;
    }
    r->n_rows = MAX(r->n_rows, i + 1);
    free(r->texts[i]);
    end = r->texts[i] =
        mem_alloc(strlen(row->prefix) + strlen(row->app) + strlen(row->deployment) + 3);
    r->rows[i].prefix = put_text(&end, row->prefix);
    r->rows[i].app = put_text(&end, row->app);
    r->rows[i].deployment = put_text(&end, row->deployment);
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
    r->texts = mem_alloc(n_rows * sizeof(char *));
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
        free(r->texts[i]);
    }
    free(r->texts);
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
