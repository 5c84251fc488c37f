/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>

#include "spec/json.h"
#include "spec/repr.h"
#include "spec/yaml.h"
#include "spec/yaml_scalar.h"

enum { STEP = 2 }; /* columns of one level */

static void put_indent(size_t columns, struct buf *out)
{
    buf_printf(out, "%*s", (int) columns, "");
}

/* Whether a reader could take the word for something else, or for structure. */
static bool needs_quotes(struct span s)
{
    if (yaml_scalar_kind(s) != YAML_STRING || yaml_scalar_is_special(s)) {
        return true; /* the empty string too: it is null */
    }
    if (s.data[0] == ' ' || s.data[s.size - 1] == ' ' || s.data[s.size - 1] == ':' ||
        strchr("#,[]{}&*!|>'\"%@`", s.data[0])) {
        return true;
    }
    if (strchr("-?:", s.data[0]) && (s.size == 1 || s.data[1] == ' ')) {
        return true;
    }
    if (s.size >= 3 && (memcmp(s.data, "---", 3) == 0 || memcmp(s.data, "...", 3) == 0)) {
        return true;
    }
    for (size_t i = 0; i + 1 < s.size; i++) {
        if ((s.data[i] == ':' && s.data[i + 1] == ' ') ||
            (s.data[i] == ' ' && s.data[i + 1] == '#')) {
            return true;
        }
    }
    return false;
}

/* Whether a YAML reader would not take the character as it stands: a control, or something that it
 * takes for the end of a line or of the text. */
static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
           c == 0xfffe || c == 0xffff;
}

static bool has_control(struct span s, bool is_newline_fine)
{
    size_t i = 0;

    while (i < s.size) {
        uint32_t c;

        i += repr_decode(s.data + i, &c);
        if (is_control(c) && !(is_newline_fine && (c == '\n' || c == '\t'))) {
            return true;
        }
    }
    return false;
}

/* Lines of text (a traceback) read best as they are: "|-".  Not if a line ends in blanks, or the
 * first begins with one, which would say something about the indentation. */
static bool is_literal(struct span s)
{
    if (!memchr(s.data, '\n', s.size) || s.data[0] == ' ' || s.data[0] == '\n' ||
        has_control(s, true)) {
        return false;
    }
    for (size_t i = 1; i < s.size; i++) {
        if (s.data[i] == '\n' && isblank((unsigned char) s.data[i - 1])) {
            return false;
        }
    }
    return s.data[s.size - 1] != ' ' && !(s.data[s.size - 1] == '\n' && s.data[s.size - 2] == '\n');
}

static void put_literal(struct span s, size_t indent, struct buf *out)
{
    bool ends_in_newline = s.data[s.size - 1] == '\n';
    const char *line = s.data;
    const char *end = s.data + s.size - (ends_in_newline ? 1 : 0);

    buf_put_str(out, ends_in_newline ? "|" : "|-");
    while (line <= end) {
        const char *newline = memchr(line, '\n', (size_t) (end - line));
        const char *stop = newline ? newline : end;

        buf_put_char(out, '\n');
        if (stop > line) {
            put_indent(indent, out);
            buf_put(out, line, (size_t) (stop - line));
        }
        line = stop + 1;
    }
}

static void put_double_quoted(struct span s, struct buf *out)
{
    size_t i = 0;

    buf_put_char(out, '"');
    while (i < s.size) {
        uint32_t c;
        size_t size = repr_decode(s.data + i, &c);

        if (c == '"' || c == '\\') {
            buf_printf(out, "\\%c", (int) c);
        } else if (c == '\n') {
            buf_put_str(out, "\\n");
        } else if (c == '\t') {
            buf_put_str(out, "\\t");
        } else if (is_control(c)) {
            buf_printf(out, c < 0x100 ? "\\x%02X" : "\\u%04X", c);
        } else {
            buf_put(out, s.data + i, size);
        }
        i += size;
    }
    buf_put_char(out, '"');
}

static void put_single_quoted(struct span s, struct buf *out)
{
    buf_put_char(out, '\'');
    for (size_t i = 0; i < s.size; i++) {
        buf_put_str(out, s.data[i] == '\'' ? "'" : "");
        buf_put_char(out, s.data[i]);
    }
    buf_put_char(out, '\'');
}

static void put_string(struct span s, size_t indent, bool is_key, struct buf *out)
{
    if (!is_key && is_literal(s)) {
        put_literal(s, indent, out);
    } else if (has_control(s, false)) {
        put_double_quoted(s, out);
    } else if (needs_quotes(s)) {
        put_single_quoted(s, out);
    } else {
        buf_put_span(out, s);
    }
}

/* As PyYAML: a dot always, for YAML 1.1 knows no 1e+16. */
static void put_float(double x, struct buf *out)
{
    struct buf b;
    char *text;
    char *e;

    buf_init(&b);
    repr_float(x, &b);
    text = buf_cstr(&b);
    e = strchr(text, 'e');
    if (e && !strchr(text, '.')) {
        buf_printf(out, "%.*s.0%s", (int) (e - text), text, e);
    } else {
        buf_put_str(out, text);
    }
    buf_deinit(&b);
}

static void put_scalar(const json_t *value, size_t indent, struct buf *out)
{
    switch (json_typeof(value)) {
    case JSON_NULL: buf_put_str(out, "null"); return;
    case JSON_TRUE: buf_put_str(out, "true"); return;
    case JSON_FALSE: buf_put_str(out, "false"); return;
    case JSON_INTEGER: buf_printf(out, "%lld", (long long) json_integer_value(value)); return;
    case JSON_REAL: put_float(json_real_value(value), out); return;
    case JSON_STRING:
        put_string((struct span){json_string_value(value), json_string_length(value)}, indent,
                   false, out);
        return;
    case JSON_OBJECT: buf_put_str(out, "{}"); return;
    case JSON_ARRAY: buf_put_str(out, "[]"); return;
    }
}

static bool is_block(const json_t *value)
{
    return json_object_size(value) > 0 || json_array_size(value) > 0;
}

static void put_block(const json_t *value, size_t indent, bool is_first_placed, struct buf *out);

/* What stands after "key:".  A list's dashes stand below the key itself, as PyYAML has it. */
static void put_member(const json_t *value, size_t indent, struct buf *out)
{
    if (is_block(value)) {
        buf_put_char(out, '\n');
        put_block(value, json_is_object(value) ? indent + STEP : indent, false, out);
    } else {
        buf_put_char(out, ' ');
        put_scalar(value, indent + STEP, out);
        buf_put_char(out, '\n');
    }
}

static void put_item(const json_t *value, size_t indent, struct buf *out)
{
    if (is_block(value)) {
        put_block(value, indent, true, out);
    } else {
        put_scalar(value, indent, out);
        buf_put_char(out, '\n');
    }
}

/* 'is_first_placed': the cursor is already where the first line begins, after a "- ". */
static void put_block(const json_t *value, size_t indent, bool is_first_placed, struct buf *out)
{
    const char *key;
    json_t *member;

    for (size_t i = 0; i < json_array_size(value); i++) {
        put_indent(is_first_placed && i == 0 ? 0 : indent, out);
        buf_put_str(out, "- ");
        put_item(json_array_get(value, i), indent + STEP, out);
    }
    json_object_foreach(json_unconst(value), key, member)
    {
        put_indent(is_first_placed ? 0 : indent, out);
        is_first_placed = false;
        put_string(span_of(key), 0, true, out);
        buf_put_char(out, ':');
        put_member(member, indent, out);
    }
}

void yaml_write(const json_t *document, size_t indent, struct buf *out)
{
    if (is_block(document)) {
        put_block(document, indent, false, out);
        return;
    }
    put_indent(indent, out);
    put_scalar(document, indent + STEP, out);
    buf_put_char(out, '\n');
}
