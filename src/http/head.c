/* SPDX-License-Identifier: Apache-2.0 */
#include "http/head.h"

#include "http/chars.h"

enum { MAX_LENGTH_DIGITS = 18 }; /* below 2^63, far above any body */

/* What is left to parse.  The bytes end with an empty line, so that a loop which stops at a line's
 * end needs no other bound. */
struct cursor {
    char *at;
    char *end;
};

/* What the fields seen so far said that is not in struct head yet. */
struct seen {
    unsigned hosts;
    bool encoding;
    bool close;
    bool keep_alive;
    bool upgrade_token;
    bool upgrade;
};

static bool is_target(char c)
{
    return c > 0x20 && c < 0x7f && c != '#';
}

/* RFC 3986 §3.2 without user information, which must not be in a Host field. */
static bool is_authority(char c)
{
    switch (c) {
    case 'a' ... 'z':
    case 'A' ... 'Z':
    case '0' ... '9':
    case '-':
    case '.':
    case '_':
    case '~':
    case '%':
    case '!':
    case '$':
    case '&':
    case '\'' ... ',': /* ' ( ) * + , */
    case ';':
    case '=':
    case ':':
    case '[':
    case ']': return true;
    default: return false;
    }
}

size_t head_find_end(struct span bytes, size_t *scan)
{
    const char *end = bytes.data + bytes.size;
    const char *at = bytes.data + *scan;

    while (at < end && (at = memchr(at, '\n', (size_t) (end - at))) != NULL) {
        const char *next = at + 1;

        if (next < end && *next == '\r') {
            next++;
        }
        if (next == end) {
            *scan = (size_t) (at - bytes.data);
            return 0;
        }
        if (*next == '\n') {
            return (size_t) (next + 1 - bytes.data);
        }
        at++;
    }
    *scan = bytes.size;
    return 0;
}

static bool take(struct cursor *c, const char *text)
{
    size_t size = strlen(text);

    if ((size_t) (c->end - c->at) < size || memcmp(c->at, text, size) != 0) {
        return false;
    }
    c->at += size;
    return true;
}

/* Characters of one class; empty if the first is of another. */
static struct span take_while(struct cursor *c, bool (*is)(char c))
{
    char *start = c->at;

    while (c->at < c->end && is(*c->at)) {
        c->at++;
    }
    return (struct span){start, (size_t) (c->at - start)};
}

static bool take_version(struct cursor *c, struct head *h)
{
    if (!take(c, "HTTP/1.") || c->at == c->end || (*c->at != '0' && *c->at != '1')) {
        return false;
    }
    h->minor_version = (unsigned) (*c->at++ - '0');
    return true;
}

/* Targets. */

static bool all_authority(struct span s)
{
    for (size_t i = 0; i < s.size; i++) {
        if (!is_authority(s.data[i])) {
            return false;
        }
    }
    return true;
}

/* RFC 9112 §3.2.2: "http://authority/path"; an empty path is "/". */
static bool skip_authority(struct span *target)
{
    static const char *const schemes[] = {"http://", "https://"};
    struct span rest = *target;
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        struct span scheme = span_of(schemes[i]);

        if (rest.size > scheme.size &&
            span_equal_nocase((struct span){rest.data, scheme.size}, scheme)) {
            rest.data += scheme.size;
            rest.size -= scheme.size;
            while (n < rest.size && rest.data[n] != '/' && rest.data[n] != '?') {
                n++;
            }
            *target = (struct span){rest.data + n, rest.size - n};
            return n > 0 && all_authority((struct span){rest.data, n});
        }
    }
    return false;
}

/* Origin form, absolute form, or "*" for OPTIONS.  The authority form belongs to CONNECT, which
 * only a forward proxy takes. */
static bool split_target(struct head *h)
{
    struct span rest = h->target;
    const char *mark;

    if (span_is(h->method, "CONNECT")) {
        return false;
    }
    if (span_is(rest, "*")) {
        h->raw_path = rest;
        return span_is(h->method, "OPTIONS");
    }
    if (rest.data[0] != '/' && !skip_authority(&rest)) {
        return false;
    }
    mark = rest.size ? memchr(rest.data, '?', rest.size) : NULL;
    if (mark) {
        size_t n = (size_t) (mark - rest.data);

        h->query = (struct span){mark + 1, rest.size - n - 1};
        rest.size = n;
    }
    h->raw_path = rest.size ? rest : SPAN("/");
    return true;
}

static enum head_verdict request_line(struct head *h, struct cursor *c, size_t max_target)
{
    h->method = take_while(c, char_is_token);
    if (h->method.size == 0 || !take(c, " ")) {
        return HEAD_BAD;
    }
    h->target = take_while(c, is_target);
    if (h->target.size == 0 || !take(c, " ") || !take_version(c, h) || !take(c, "\r\n")) {
        return HEAD_BAD;
    }
    if (h->target.size > max_target) {
        return HEAD_TARGET_TOO_LONG;
    }
    return split_target(h) ? HEAD_OK : HEAD_BAD;
}

static enum head_verdict status_line(struct head *h, struct cursor *c)
{
    int status = 0;

    if (!take_version(c, h) || !take(c, " ")) {
        return HEAD_BAD;
    }
    for (int i = 0; i < 3; i++) {
        if (c->at == c->end || *c->at < '0' || *c->at > '9') {
            return HEAD_BAD;
        }
        status = status * 10 + (*c->at++ - '0');
    }
    if (take(c, " ")) {
        h->reason = take_while(c, char_is_text);
    }
    h->status = status;
    return status >= 100 && take(c, "\r\n") ? HEAD_OK : HEAD_BAD;
}

/* Fields. */

static struct span trim(struct span s)
{
    while (s.size > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.size--;
    }
    while (s.size > 0 && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t')) {
        s.size--;
    }
    return s;
}

bool head_parse_length(struct span value, uint64_t *ret_length)
{
    uint64_t length = 0;

    if (value.size == 0 || value.size > MAX_LENGTH_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return false;
        }
        length = length * 10 + (uint64_t) (value.data[i] - '0');
    }
    *ret_length = length;
    return true;
}

/* RFC 9112 §6.3 would allow repeated equal lengths; nobody sends them but who wants to be misread.
 */
static bool take_length(struct head *h, struct span value)
{
    bool first = !h->has_length;

    h->has_length = true;
    return head_parse_length(value, &h->length) && first;
}

/* A comma-separated list of tokens. */
static void note_connection(struct seen *seen, struct span value)
{
    while (value.size > 0) {
        const char *comma = memchr(value.data, ',', value.size);
        size_t n = comma ? (size_t) (comma - value.data) : value.size;
        struct span token = trim((struct span){value.data, n});

        seen->close |= span_equal_nocase(token, SPAN("close"));
        seen->keep_alive |= span_equal_nocase(token, SPAN("keep-alive"));
        seen->upgrade_token |= span_equal_nocase(token, SPAN("upgrade"));
        n += comma ? 1 : 0;
        value.data += n;
        value.size -= n;
    }
}

/* A tab after a value is white space too, but not to every reader: none may follow what says where
 * a message ends. */
static bool ends_plainly(struct span value)
{
    const char *at = value.data + value.size;

    while (*at == ' ') {
        at++;
    }
    return *at == '\r';
}

/* Fields that say something about framing or the connection.  False: the head is refused. */
static bool note_field(struct head *h, struct seen *seen, const struct http_header *f)
{
    switch (f->name.size) {
    case 4:
        if (span_is(f->name, "host")) {
            return ++seen->hosts == 1 && all_authority(f->value);
        }
        return true;
    case 6:
        if (span_is(f->name, "expect")) {
            h->expect_continue |= span_equal_nocase(f->value, SPAN("100-continue"));
        }
        return true;
    case 7: seen->upgrade |= span_is(f->name, "upgrade"); return true;
    case 10:
        if (span_is(f->name, "connection")) {
            note_connection(seen, f->value);
        }
        return true;
    case 14:
        return !span_is(f->name, "content-length") ||
               (take_length(h, f->value) && ends_plainly(f->value));
    case 17:
        if (span_is(f->name, "transfer-encoding")) {
            bool first = !seen->encoding;

            seen->encoding = true;
            h->chunked = span_equal_nocase(f->value, SPAN("chunked"));
            return first && h->chunked && ends_plainly(f->value);
        }
        return true;
    default: return true;
    }
}

/* One line "name: value"; the cursor stands at its start. */
static bool take_field(struct cursor *c, struct http_header *f)
{
    char *start = c->at;
    char *line_end;

    while (c->at < c->end && char_lower(*c->at) != 0) {
        *c->at = char_lower(*c->at);
        c->at++;
    }
    f->name = (struct span){start, (size_t) (c->at - start)};
    if (f->name.size == 0 || !take(c, ":")) {
        return false;
    }
    start = c->at;
    line_end = memchr(start, '\r', (size_t) (c->end - start));
    if (!line_end) {
        return false;
    }
    while (c->at < line_end && char_is_text(*c->at)) {
        c->at++;
    }
    f->value = trim((struct span){start, (size_t) (c->at - start)});
    return c->at == line_end && take(c, "\r\n");
}

static enum head_verdict take_fields(struct head *h, struct cursor *c, struct seen *seen)
{
    while (!take(c, "\r\n")) {
        if (h->n_fields == HEAD_MAX_FIELDS) {
            return HEAD_TOO_LARGE;
        }
        if (!take_field(c, &h->fields[h->n_fields]) ||
            !note_field(h, seen, &h->fields[h->n_fields])) {
            return HEAD_BAD;
        }
        h->n_fields++;
    }
    /* RFC 9112 §6.1: both framings at once, or chunks in a 1.0 message, are how requests are
     * smuggled. */
    if (c->at != c->end || (h->chunked && (h->has_length || h->minor_version == 0))) {
        return HEAD_BAD;
    }
    h->keep_alive = !seen->close && (h->minor_version == 1 || seen->keep_alive);
    h->upgrade = seen->upgrade && seen->upgrade_token && h->minor_version == 1;
    return HEAD_OK;
}

/* All but the fields' array, whose unused entries nobody reads. */
static void clear(struct head *h)
{
    memset(h, 0, offsetof(struct head, fields));
    memset((char *) h + offsetof(struct head, n_fields), 0,
           sizeof(*h) - offsetof(struct head, n_fields));
}

enum head_verdict head_parse_request(struct head *h, char *bytes, size_t size, size_t max_target)
{
    struct cursor c = {bytes, bytes + size};
    struct seen seen = {0};
    enum head_verdict verdict;

    clear(h);
    verdict = request_line(h, &c, max_target);
    if (verdict == HEAD_OK) {
        verdict = take_fields(h, &c, &seen);
    }
    if (verdict == HEAD_OK && h->minor_version == 1 && seen.hosts != 1) {
        verdict = HEAD_BAD;
    }
    h->expect_continue = h->expect_continue && h->minor_version == 1;
    return verdict;
}

enum head_verdict head_parse_response(struct head *h, char *bytes, size_t size)
{
    struct cursor c = {bytes, bytes + size};
    struct seen seen = {0};
    enum head_verdict verdict;

    clear(h);
    verdict = status_line(h, &c);
    return verdict == HEAD_OK ? take_fields(h, &c, &seen) : verdict;
}

/* Helpers. */

struct span head_field(const struct head *h, const char *name)
{
    struct span wanted = span_of(name);

    for (size_t i = 0; i < h->n_fields; i++) {
        if (span_equal(h->fields[i].name, wanted)) {
            return h->fields[i].value;
        }
    }
    return (struct span){0};
}

size_t head_decode_path(struct span path, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < path.size; i++) {
        if (path.data[i] == '%' && i + 2 < path.size && char_hex(path.data[i + 1]) >= 0 &&
            char_hex(path.data[i + 2]) >= 0) {
            out[n++] = (char) (char_hex(path.data[i + 1]) * 16 + char_hex(path.data[i + 2]));
            i += 2;
        } else {
            out[n++] = path.data[i];
        }
    }
    return n;
}

bool head_field_valid(const struct http_header *field)
{
    for (size_t i = 0; i < field->name.size; i++) {
        if (!char_is_token(field->name.data[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < field->value.size; i++) {
        if (!char_is_text(field->value.data[i])) {
            return false;
        }
    }
    return field->name.size > 0;
}
