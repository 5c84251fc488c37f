/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_JSON_H
#define SPEC_JSON_H

/* jansson's iterators and its "other" arguments only read, but are not declared so. */

#include <jansson.h>

static inline json_t *json_unconst(const json_t *value)
{
    union {
        const json_t *in;
        json_t *out;
    } pun = {value};

    return pun.out;
}

#endif
