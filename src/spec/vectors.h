/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_VECTORS_H
#define SPEC_VECTORS_H

/* For tests only: calls a function with each line of a file of test vectors under tests/vectors, as
 * a JSON document.  What is right was asked of real Ray; the make_*.py beside each file tells how.
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static inline size_t for_each_vector(const char *name, void (*check)(const json_t *vector))
{
    char path[512];
    FILE *f;
    char *line = NULL;
    size_t size = 0;
    size_t n = 0;

    (void) snprintf(path, sizeof(path), "%s/tests/vectors/%s", SOURCE_ROOT, name);
    f = fopen(path, "re");
    assert_non_null(f);
    while (getline(&line, &size, f) > 0) {
        json_t *vector = json_loads(line, 0, NULL);

        assert_non_null(vector);
        check(vector);
        json_decref(vector);
        n++;
    }
    free(line);
    assert_int_equal(fclose(f), 0);
    return n;
}

#endif
