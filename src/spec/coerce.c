/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/coerce.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "spec/repr.h"

enum { NUMBER_MAX = 64 }; /* bytes of a number's text */

json_t *coerce_str(const json_t *value)
{
    struct buf b;
    json_t *out;

    if (json_is_object(value) || json_is_array(value) || json_is_null(value)) {
        return NULL;
    }
    buf_init(&b);
    repr_plain(value, &b);
    out = json_stringn(buf_cstr(&b), buf_size(&b));
    buf_deinit(&b);
    return out;
}

json_t *coerce_bool(const json_t *value)
{
    static const char *const words[] = {"0", "off", "f", "false", "n", "no",
                                        "1", "on",  "t", "true",  "y", "yes"};

    if (json_is_boolean(value)) {
        return json_boolean(json_is_true(value));
    }
    if (json_is_number(value)) {
        double x = json_number_value(value);

        return x == 0 || x == 1 ? json_boolean(x == 1) : NULL;
    }
    for (size_t i = 0; json_is_string(value) && i < ARRAY_LEN(words); i++) {
        if (strcasecmp(json_string_value(value), words[i]) == 0) {
            return json_boolean(i >= ARRAY_LEN(words) / 2);
        }
    }
    return NULL;
}

/* A number's text as Python takes it (blanks around, single underscores between digits) becomes one
 * that C takes.  False: no such text. */
static bool clean_number(const char *s, const char *accepted, char *ret, size_t size)
{
    size_t n = strlen(s);
    size_t out = 0;

    while (n > 0 && isspace((unsigned char) s[n - 1])) {
        n--;
    }
    while (n > 0 && isspace((unsigned char) *s)) {
        s++;
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '_') {
            if (i == 0 || i + 1 == n || !isdigit((unsigned char) s[i - 1]) ||
                !isdigit((unsigned char) s[i + 1])) {
                return false;
            }
            continue;
        }
        if (!strchr(accepted, s[i]) || out + 1 >= size) {
            return false;
        }
        ret[out++] = s[i];
    }
    ret[out] = '\0';
    return out > 0;
}

static json_t *int_from_str(const char *s)
{
    char text[NUMBER_MAX];
    char *end;
    long long x;

    if (!clean_number(s, "+-0123456789", text, sizeof(text))) {
        return NULL;
    }
    errno = 0;
    x = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' && end != text ? json_integer(x) : NULL;
}

json_t *coerce_int(const json_t *value)
{
    double x;

    switch (json_typeof(value)) {
    case JSON_INTEGER: return json_integer(json_integer_value(value));
    case JSON_TRUE: return json_integer(1);
    case JSON_FALSE: return json_integer(0);
    case JSON_STRING: return int_from_str(json_string_value(value));
    case JSON_REAL:
        x = json_real_value(value);
        return x > -0x1p63 && x < 0x1p63 ? json_integer((json_int_t) x) : NULL;
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT: return NULL;
    }
    NOT_REACHED();
}

json_t *coerce_strict_int(const json_t *value)
{
    return json_is_integer(value) ? json_integer(json_integer_value(value)) : NULL;
}

static json_t *float_from_str(const char *s)
{
    char text[NUMBER_MAX];
    char *end;
    double x;

    if (!clean_number(s, "+-.eE0123456789", text, sizeof(text))) {
        return NULL;
    }
    x = strtod(text, &end);
    return *end == '\0' && end != text ? json_real(x) : NULL;
}

json_t *coerce_float(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_INTEGER:
    case JSON_REAL: return json_real(json_number_value(value));
    case JSON_TRUE: return json_real(1);
    case JSON_FALSE: return json_real(0);
    case JSON_STRING: return float_from_str(json_string_value(value));
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT: return NULL;
    }
    NOT_REACHED();
}

/* Adds what Python's dict() makes of one member of a list: a pair with a string as key. */
static bool add_pair(json_t *to, const json_t *pair)
{
    if (json_is_string(pair) && json_string_length(pair) == 2) {
        const char *s = json_string_value(pair);

        return json_object_setn_new(to, s, 1, json_stringn(s + 1, 1)) == 0;
    }
    if (!json_is_array(pair) || json_array_size(pair) != 2 ||
        !json_is_string(json_array_get(pair, 0))) {
        return false;
    }
    return json_object_set_new(to, json_string_value(json_array_get(pair, 0)),
                               json_deep_copy(json_array_get(pair, 1))) == 0;
}

json_t *coerce_dict(const json_t *value)
{
    json_t *out;

    if (json_is_object(value)) {
        return json_deep_copy(value);
    }
    if (json_is_string(value)) {
        return json_string_length(value) == 0 ? json_object() : NULL;
    }
    if (!json_is_array(value)) {
        return NULL;
    }
    out = json_object();
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!add_pair(out, json_array_get(value, i))) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}
