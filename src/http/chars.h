/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_CHARS_H
#define HTTP_CHARS_H

/* Classes of characters in HTTP's grammar, shared by the parsers of heads and bodies. */

#include "base/base.h"

/* The characters of a token (RFC 9110 §5.6.2), each as its lower case; 0 for all others. */
extern const char char_token_lower[256];

static inline char char_lower(char c)
{
    return char_token_lower[(unsigned char) c];
}

static inline bool char_is_token(char c)
{
    return char_lower(c) != 0;
}

/* What a field's value may hold: no control characters but the tab. */
static inline bool char_is_text(char c)
{
    unsigned char u = (unsigned char) c;

    return u >= 0x20 ? u != 0x7f : u == '\t';
}

/* The value of a hexadecimal digit, or -1. */
static inline int char_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
        return (c | 0x20) - 'a' + 10;
    }
    return -1;
}

#endif
