/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/yaml_scalar.h"

#include <ctype.h>
#include <stdio.h>

enum { NUMBER_MAX = 128 }; /* bytes of a number's text */

static const char *const null_words[] = {"~", "null", "Null", "NULL", ""};
static const char *const true_words[] = {"yes",  "Yes", "YES", "true", "True",
                                         "TRUE", "on",  "On",  "ON"};
static const char *const false_words[] = {"no",    "No",  "NO",  "false", "False",
                                          "FALSE", "off", "Off", "OFF"};

static bool is_one_of(struct span text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (span_is(text, words[i])) {
            return true;
        }
    }
    return false;
}

/* ---- A tiny matcher: each function takes what it knows from the front of 's'. ---- */

static bool take_char(struct span *s, const char *set)
{
    if (s->size == 0 || *s->data == '\0' || !strchr(set, *s->data)) {
        return false;
    }
    s->data++;
    s->size--;
    return true;
}

static size_t take_all(struct span *s, const char *set)
{
    size_t n = 0;

    while (take_char(s, set)) {
        n++;
    }
    return n;
}

static bool take_word(struct span *s, const char *word)
{
    size_t n = strlen(word);

    if (s->size < n || memcmp(s->data, word, n) != 0) {
        return false;
    }
    s->data += n;
    s->size -= n;
    return true;
}

#define DIGITS      "0123456789"
#define DIGITS_BARS "0123456789_"
#define HEX_BARS    "0123456789abcdefABCDEF_"

/* ":30:15" of a number in base 60; how many groups there are. */
static size_t take_base60(struct span *s)
{
    size_t n = 0;

    while (s->size > 1 && s->data[0] == ':' && isdigit((unsigned char) s->data[1])) {
        bool two = s->size > 2 && isdigit((unsigned char) s->data[2]);

        if (two && s->data[1] > '5') {
            break;
        }
        s->data += two ? 3 : 2;
        s->size -= two ? 3 : 2;
        n++;
    }
    return n;
}

static bool is_int(struct span s)
{
    struct span rest;

    take_char(&s, "+-");
    rest = s;
    if (take_word(&rest, "0b")) {
        return take_all(&rest, "01_") > 0 && rest.size == 0;
    }
    if (take_word(&rest, "0x")) {
        return take_all(&rest, HEX_BARS) > 0 && rest.size == 0;
    }
    if (take_char(&rest, "0")) {
        take_all(&rest, "01234567_");
        return rest.size == 0;
    }
    if (!take_char(&rest, "123456789")) {
        return false;
    }
    take_all(&rest, DIGITS_BARS);
    take_base60(&rest);
    return rest.size == 0;
}

/* The exponent needs its sign: that is YAML 1.1. */
static bool take_exponent(struct span *s)
{
    return !take_char(s, "eE") || (take_char(s, "+-") && take_all(s, DIGITS) > 0);
}

static bool is_float(struct span s)
{
    static const char *const nans[] = {".nan", ".NaN", ".NAN"};
    static const char *const infs[] = {".inf", ".Inf", ".INF"};
    struct span rest = s;
    bool has_sign;

    if (is_one_of(s, nans, ARRAY_LEN(nans))) {
        return true;
    }
    has_sign = take_char(&rest, "+-");
    if (is_one_of(rest, infs, ARRAY_LEN(infs))) {
        return true;
    }
    if (!has_sign && take_char(&rest, ".")) {
        return take_char(&rest, DIGITS) && (take_all(&rest, DIGITS_BARS), take_exponent(&rest)) &&
               rest.size == 0;
    }
    if (!take_char(&rest, DIGITS)) {
        return false;
    }
    take_all(&rest, DIGITS_BARS);
    if (take_base60(&rest) > 0) {
        return take_char(&rest, ".") && (take_all(&rest, DIGITS_BARS), rest.size == 0);
    }
    return take_char(&rest, ".") && (take_all(&rest, DIGITS_BARS), take_exponent(&rest)) &&
           rest.size == 0;
}

enum yaml_kind yaml_scalar_kind(struct span text)
{
    if (is_one_of(text, null_words, ARRAY_LEN(null_words))) {
        return YAML_NULL;
    }
    if (is_one_of(text, true_words, ARRAY_LEN(true_words)) ||
        is_one_of(text, false_words, ARRAY_LEN(false_words))) {
        return YAML_BOOL;
    }
    if (is_int(text)) {
        return YAML_INT;
    }
    return is_float(text) ? YAML_FLOAT : YAML_STRING;
}

/* Whether there are so many digits, no more and no less. */
static bool take_digits(struct span *s, size_t min, size_t max)
{
    size_t n = take_all(s, DIGITS);

    return n >= min && n <= max;
}

bool yaml_scalar_is_special(struct span text)
{
    struct span s = text;

    if (span_is(text, "=") || span_is(text, "<<")) {
        return true;
    }
    /* 2024-01-31, or that and a time of day: what follows a date is not looked at closely, for to
     * quote a word too many does no harm. */
    return take_digits(&s, 4, 4) && take_char(&s, "-") && take_digits(&s, 1, 2) &&
           take_char(&s, "-") && take_digits(&s, 1, 2) && (s.size == 0 || take_char(&s, "Tt \t"));
}

/* Sexagesimal, unsigned, without underscores: "1:30" is 90. */
static double base60(const char *s)
{
    double value = 0;

    while (*s != '\0') {
        char *end;

        value = value * 60 + strtod(s, &end);
        s = *end == ':' ? end + 1 : end;
    }
    return value;
}

static json_t *make_int(const char *s, bool negative)
{
    unsigned long long x;
    unsigned long long limit = (unsigned long long) INT64_MAX + (negative ? 1 : 0);
    int base = 10;
    char *end;

    if (strchr(s, ':')) {
        double value = base60(s);

        return value < 0x1p53 ? json_integer((json_int_t) (negative ? -value : value)) : NULL;
    }
    if (s[0] == '0' && (s[1] == 'b' || s[1] == 'x')) {
        base = s[1] == 'b' ? 2 : 16;
        s += 2;
    } else if (s[0] == '0') {
        base = 8;
    }
    errno = 0;
    x = strtoull(s, &end, base);
    if (errno != 0 || *end != '\0' || end == s || x > limit) {
        return NULL;
    }
    return json_integer(negative ? (json_int_t) (0 - x) : (json_int_t) x);
}

static json_t *make_float(const char *s, bool negative)
{
    double x = strchr(s, ':') ? base60(s) : strtod(s, NULL);

    return s[0] == '.' && isalpha((unsigned char) s[1]) ? NULL : json_real(negative ? -x : x);
}

static json_t *make_number(struct span text, enum yaml_kind kind)
{
    char clean[NUMBER_MAX];
    size_t n = 0;
    bool negative = text.size > 0 && text.data[0] == '-';

    if (text.size >= sizeof(clean)) {
        return NULL;
    }
    for (size_t i = negative || (text.size > 0 && text.data[0] == '+') ? 1 : 0; i < text.size;
         i++) {
        if (text.data[i] != '_') {
            clean[n++] = text.data[i];
        }
    }
    clean[n] = '\0';
    return kind == YAML_INT ? make_int(clean, negative) : make_float(clean, negative);
}

json_t *yaml_scalar_value(struct span text, enum yaml_kind kind)
{
    enum yaml_kind actual = yaml_scalar_kind(text);

    switch (kind) {
    case YAML_STRING: return json_stringn(text.data, text.size);
    case YAML_NULL: return json_null();
    case YAML_BOOL:
        return actual == YAML_BOOL
                   ? json_boolean(is_one_of(text, true_words, ARRAY_LEN(true_words)))
                   : NULL;
    case YAML_INT: return actual == YAML_INT ? make_number(text, YAML_INT) : NULL;
    case YAML_FLOAT:
        return actual == YAML_FLOAT || actual == YAML_INT ? make_number(text, YAML_FLOAT) : NULL;
    }
    NOT_REACHED();
}
