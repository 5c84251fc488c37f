/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROXY_ROUTES_H
#define PROXY_ROUTES_H

/* Which application serves a path: the longest prefix that ends at a '/' or at the path's end.  An
 * immutable table, made anew with each snapshot.  Pure. */

#include "base/base.h"

struct route {
    const char *prefix; /* "/" or "/a/b" */
    const char *app;
    const char *deployment; /* "app#ingress" */
};

struct routes;

/* Copies the rows.  Of two with the same prefix the later wins.  The caller holds one reference; a
 * request that uses a row holds another. */
struct routes *routes_new(const struct route *rows, size_t n_rows) MUST_CHECK;
struct routes *routes_ref(struct routes *r);
void routes_unref(struct routes *r); /* NULL is fine */

/* The route of a percent-decoded path, or NULL.  It lives as long as the table. */
const struct route *routes_find(const struct routes *r, struct span path);

/* All, longest prefix first. */
const struct route *routes_all(const struct routes *r, size_t *ret_n);

#endif
