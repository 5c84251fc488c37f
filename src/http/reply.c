/* SPDX-License-Identifier: Apache-2.0 */
#include "http/reply.h"

/* RFC 9110 §15, and what is registered beside it. */
static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {208, "Already Reported"},
    {226, "IM Used"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a Teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {511, "Network Authentication Required"},
};

const char *reply_reason(int status)
{
    size_t low = 0;
    size_t high = ARRAY_LEN(reasons);

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (reasons[middle].status == status) {
            return reasons[middle].reason;
        }
        if (reasons[middle].status < status) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return "Unknown";
}

/* What the fields of an answer say that concerns us. */
struct found {
    bool date;
    bool server;
    bool close;
    bool has_length;
    uint64_t length;
};

/* Fields about the connection and framing are ours to write. */
static bool is_ours(struct span name)
{
    return span_equal_nocase(name, SPAN("connection")) ||
           span_equal_nocase(name, SPAN("keep-alive")) ||
           span_equal_nocase(name, SPAN("content-length")) ||
           span_equal_nocase(name, SPAN("transfer-encoding"));
}

/* False: the field may not be sent. */
static bool look_at(const struct http_header *f, struct found *found)
{
    if (!head_field_valid(f)) {
        return false;
    }
    if (span_equal_nocase(f->name, SPAN("content-length"))) {
        if (found->has_length || !head_parse_length(f->value, &found->length)) {
            return false;
        }
        found->has_length = true;
    } else if (span_equal_nocase(f->name, SPAN("connection"))) {
        found->close |= span_equal_nocase(f->value, SPAN("close"));
    } else {
        found->date |= span_equal_nocase(f->name, SPAN("date"));
        found->server |= span_equal_nocase(f->name, SPAN("server"));
    }
    return true;
}

static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

static void decide(struct reply *r, const struct found *found)
{
    bool silent = r->is_head || has_no_body(r->status);

    /* An empty body does not tell how long the one would be that HEAD and 304 leave out. */
    if (found->has_length && (!r->has_length || (silent && r->length == 0))) {
        r->has_length = true;
        r->length = found->length;
    } else if (r->status == 304 && r->length == 0) {
        r->has_length = false;
    }
    if (r->status < 200 || r->status == 204) {
        r->has_length = false;
    }
    if (silent) {
        r->framing = REPLY_NO_BODY;
    } else if (r->has_length) {
        r->framing = REPLY_LENGTH;
    } else {
        r->framing = r->minor_version == 1 ? REPLY_CHUNKED : REPLY_UNTIL_CLOSE;
    }
    r->keep_alive = r->keep_alive && !found->close && r->framing != REPLY_UNTIL_CLOSE;
}

static char *put(char *at, const char *data, size_t size)
{
    memcpy(at, data, size);
    return at + size;
}

static char *put_span(char *at, struct span s)
{
    return s.size > 0 ? put(at, s.data, s.size) : at;
}

static char *put_status_line(char *at, int status)
{
    const char *reason = reply_reason(status);

    at = put(at, "HTTP/1.1 ", 9);
    *at++ = (char) ('0' + status / 100);
    *at++ = (char) ('0' + status / 10 % 10);
    *at++ = (char) ('0' + status % 10);
    *at++ = ' ';
    at = put(at, reason, strlen(reason));
    return put(at, "\r\n", 2);
}

static char *put_number(char *at, uint64_t n)
{
    char digits[20];
    size_t i = sizeof(digits);

    do {
        digits[--i] = (char) ('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return put(at, digits + i, sizeof(digits) - i);
}

/* The fields that end every head, and the empty line. */
static char *put_framing(char *at, const struct reply *r)
{
    if (r->has_length) {
        at = put(at, "content-length: ", 16);
        at = put_number(at, r->length);
        at = put(at, "\r\n", 2);
    } else if (r->framing == REPLY_CHUNKED) {
        at = put(at, "transfer-encoding: chunked\r\n", 28);
    }
    if (r->status < 200) {
        /* Says nothing of the connection: the final answer does. */
    } else if (!r->keep_alive) {
        at = put(at, "connection: close\r\n", 19);
    } else if (r->minor_version == 0) {
        at = put(at, "connection: keep-alive\r\n", 24);
    }
    return put(at, "\r\n", 2);
}

bool reply_put_head(struct buf *out, struct reply *r)
{
    struct found found = {0};
    size_t size = 256 + r->date_line.size + r->server_line.size;
    char *start;
    char *at;

    ASSERT(r->status >= 100 && r->status <= 999);
    for (size_t i = 0; i < r->n_fields; i++) {
        if (!look_at(&r->fields[i], &found)) {
            return false;
        }
        size += r->fields[i].name.size + r->fields[i].value.size + 4;
    }
    decide(r, &found);
    start = buf_reserve(out, size);
    at = put_status_line(start, r->status);
    at = put_span(at, found.date ? (struct span){0} : r->date_line);
    at = put_span(at, found.server ? (struct span){0} : r->server_line);
    for (size_t i = 0; i < r->n_fields; i++) {
        if (!is_ours(r->fields[i].name)) {
            at = put_span(at, r->fields[i].name);
            at = put(at, ": ", 2);
            at = put_span(at, r->fields[i].value);
            at = put(at, "\r\n", 2);
        }
    }
    at = put_framing(at, r);
    ASSERT((size_t) (at - start) <= size);
    buf_commit(out, (size_t) (at - start));
    return true;
}
