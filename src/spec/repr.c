/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/repr.h"

#include "spec/json.h"

#include <math.h>
#include <stdio.h>

/* Code points that Python escapes though they are above ASCII: controls, spaces other than ' ',
 * formatting, surrogates and private use.  Unassigned ones are left as they are. */
static const struct {
    uint32_t first;
    uint32_t last;
} unprintable[] = {
    {0x7f, 0xa0},     {0xad, 0xad},     {0x600, 0x605},     {0x61c, 0x61c},
    {0x6dd, 0x6dd},   {0x1680, 0x1680}, {0x180e, 0x180e},   {0x2000, 0x200f},
    {0x2028, 0x202f}, {0x205f, 0x206f}, {0x3000, 0x3000},   {0xd800, 0xf8ff},
    {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff}, {0xf0000, 0x10ffff},
};

static bool is_printable(uint32_t c)
{
    if (c < 0x20) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(unprintable); i++) {
        if (c >= unprintable[i].first && c <= unprintable[i].last) {
            return false;
        }
    }
    return true;
}

size_t repr_decode(const char *text, uint32_t *ret)
{
    const unsigned char *s = (const unsigned char *) text;
    static const unsigned char masks[] = {0, 0, 0x1f, 0x0f, 0x07};
    size_t size = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 1;
    uint32_t c = size > 1 ? s[0] & masks[size] : s[0];

    for (size_t i = 1; i < size; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            *ret = s[0];
            return 1;
        }
        c = c << 6 | (s[i] & 0x3f);
    }
    *ret = c;
    return size;
}

static void put_escaped(uint32_t c, struct buf *out)
{
    switch (c) {
    case '\n': buf_put_str(out, "\\n"); return;
    case '\r': buf_put_str(out, "\\r"); return;
    case '\t': buf_put_str(out, "\\t"); return;
    default: break;
    }
    if (c < 0x100) {
        buf_printf(out, "\\x%02x", c);
    } else if (c < 0x10000) {
        buf_printf(out, "\\u%04x", c);
    } else {
        buf_printf(out, "\\U%08x", c);
    }
}

void repr_str(const char *s, struct buf *out)
{
    char quote = strchr(s, '\'') && !strchr(s, '"') ? '"' : '\'';

    buf_put_char(out, quote);
    while (*s != '\0') {
        uint32_t c = 0;
        size_t size = repr_decode(s, &c);

        if (c == (uint32_t) quote || c == '\\') {
            buf_put_char(out, '\\');
        }
        if (is_printable(c) && (size > 1 || c < 0x80)) {
            buf_put(out, s, size);
        } else {
            put_escaped(c, out);
        }
        s += size;
    }
    buf_put_char(out, quote);
}

/* The shortest digits that read back as 'x', in "%.*e" form. */
static void shortest(double x, char *text, size_t size)
{
    for (int digits = 0; digits < 17; digits++) {
        (void) snprintf(text, size, "%.*e", digits, x);
        if (strtod(text, NULL) == x) {
            return;
        }
    }
}

void repr_float(double x, struct buf *out)
{
    char text[40];
    char *e;
    int exponent;
    int digits;

    if (!isfinite(x)) {
        buf_put_str(out, isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
        return;
    }
    shortest(x, text, sizeof(text));
    e = strchr(text, 'e');
    exponent = (int) strtol(e + 1, NULL, 10);
    digits = (int) (e - text) - (x < 0 || (x == 0 && signbit(x)) ? 1 : 0);
    digits -= digits > 1 ? 2 : 1; /* after the point */
    if (exponent >= -4 && exponent < 16) {
        buf_printf(out, "%.*f", MAX(digits - exponent, 1), x);
        return;
    }
    buf_printf(out, "%.*se%c%02d", (int) (e - text), text, exponent < 0 ? '-' : '+',
               exponent < 0 ? -exponent : exponent);
}

static void repr_object(const json_t *value, struct buf *out)
{
    const char *separator = "";
    void *iter = json_object_iter(json_unconst(value));

    buf_put_char(out, '{');
    while (iter) {
        buf_put_str(out, separator);
        repr_str(json_object_iter_key(iter), out);
        buf_put_str(out, ": ");
        repr_value(json_object_iter_value(iter), out);
        iter = json_object_iter_next(json_unconst(value), iter);
        separator = ", ";
    }
    buf_put_char(out, '}');
}

void repr_value(const json_t *value, struct buf *out)
{
    switch (json_typeof(value)) {
    case JSON_NULL: buf_put_str(out, "None"); break;
    case JSON_TRUE: buf_put_str(out, "True"); break;
    case JSON_FALSE: buf_put_str(out, "False"); break;
    case JSON_INTEGER: buf_printf(out, "%lld", (long long) json_integer_value(value)); break;
    case JSON_REAL: repr_float(json_real_value(value), out); break;
    case JSON_STRING: repr_str(json_string_value(value), out); break;
    case JSON_OBJECT: repr_object(value, out); break;
    case JSON_ARRAY:
        buf_put_char(out, '[');
        for (size_t i = 0; i < json_array_size(value); i++) {
            buf_put_str(out, i > 0 ? ", " : "");
            repr_value(json_array_get(value, i), out);
        }
        buf_put_char(out, ']');
        break;
    }
}

void repr_plain(const json_t *value, struct buf *out)
{
    if (json_is_string(value)) {
        buf_put(out, json_string_value(value), json_string_length(value));
    } else {
        repr_value(value, out);
    }
}

const char *repr_class(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL: return "NoneType";
    case JSON_TRUE:
    case JSON_FALSE: return "bool";
    case JSON_INTEGER: return "int";
    case JSON_REAL: return "float";
    case JSON_STRING: return "str";
    case JSON_OBJECT: return "dict";
    case JSON_ARRAY: return "list";
    }
    NOT_REACHED();
}
