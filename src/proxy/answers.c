/* SPDX-License-Identifier: Apache-2.0 */
/* What HTTP clients are told by the proxy itself: system routes, paths without a route, requests
 * that ended badly.  The texts are those of Ray Serve's proxy. */

#include <jansson.h>
#include <sys/random.h>

#include "proxy/proxy.h"

#define SYSTEM_PREFIX "/-/"
#define PLAIN_TEXT    "text/plain; charset=utf-8"

/* A random UUID, version 4.  The entropy is fetched for many at a time. */
static void make_uuid(char to[UUID_SIZE + 1])
{
    static unsigned char pool[16 * 64];
    static size_t used = sizeof(pool);
    static const char hex[] = "0123456789abcdef";
    unsigned char *b;
    char *out = to;

    if (used == sizeof(pool)) {
        ASSERT(getrandom(pool, sizeof(pool), 0) == (ssize_t) sizeof(pool));
        used = 0;
    }
    b = pool + used;
    used += 16;
    b[6] = (unsigned char) ((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char) ((b[8] & 0x3f) | 0x80);
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        *out++ = hex[b[i] >> 4];
        *out++ = hex[b[i] & 15];
    }
    *out = '\0';
}

struct span answer_id(const struct http_request *http, char uuid[UUID_SIZE + 1])
{
    struct span given = http_request_header(http, "x-request-id");

    if (given.size > 0) {
        return given;
    }
    make_uuid(uuid);
    return (struct span){uuid, UUID_SIZE};
}

static void reply(struct http_request *http, int status, const char *type, struct span body,
                  struct span request_id)
{
    const struct http_header headers[] = {
        {SPAN("x-request-id"), request_id},
        {SPAN("content-type"), span_of(type)},
    };

    http_reply(http, status, headers, type ? 2 : 1, body);
}

/* A failure inside of us, as a client of Ray sees it: without our id. */
static void reply_broken(struct http_request *http)
{
    static const struct http_header headers[] = {
        {{"content-type", 12}, {PLAIN_TEXT, sizeof(PLAIN_TEXT) - 1}},
        {{"connection", 10}, {"close", 5}},
    };

    http_reply(http, 500, headers, ARRAY_LEN(headers), SPAN("Internal Server Error"));
}

static void reply_unavailable(struct http_request *http, const struct route *route,
                              struct span request_id)
{
    const char *hash = strrchr(route->deployment, '#');
    char *text CLEANUP(mem_freep) =
        mem_printf("Deployment(name='%s', app='%s') is unavailable because it failed to deploy.",
                   hash ? hash + 1 : route->deployment, route->app);

    reply(http, 503, PLAIN_TEXT, span_of(text), request_id);
}

void answer_error(struct http_request *http, enum error_kind kind, struct span text,
                  const struct route *route, struct span request_id)
{
    switch (kind) {
    case ERROR_UNAVAILABLE:
        if (text.size == 0) {
            reply_unavailable(http, route, request_id);
            break;
        }
        reply(http, 503, PLAIN_TEXT, text, request_id);
        break;
    case ERROR_REFUSED:
    case ERROR_TIMEOUT:
    case ERROR_NOT_FOUND:
    case ERROR_PROTOCOL:
        reply(http, (int) error_info(kind)->http_status, PLAIN_TEXT, text, request_id);
        break;
    case ERROR_USER: reply(http, 500, NULL, SPAN("Internal Server Error"), request_id); break;
    case ERROR_NONE:
    case ERROR_CANCELLED:
    case ERROR_DIED:
    case ERROR_UNREACHABLE:
    case ERROR_NOT_TAKEN: reply_broken(http); break;
    }
}

static const char *trouble(const struct proxy *p)
{
    if (p->is_draining) {
        return "This node is being drained.";
    }
    return p->had_routes ? NULL : "Route table is not populated yet.";
}

static void reply_routes(struct proxy *p, struct http_request *http, struct span request_id)
{
    json_t *doc = json_object();
    size_t n = 0;
    const struct route *rows = routes_all(p->routes, &n);
    char *text CLEANUP(mem_freep) = NULL;

    for (size_t i = 0; i < n; i++) {
        (void) json_object_set_new(doc, rows[i].prefix, json_string(rows[i].app));
    }
    text = json_dumps(doc, JSON_COMPACT);
    reply(http, 200, "application/json", span_of(text), request_id);
    json_decref(doc);
}

bool answer_system(struct proxy *p, struct http_request *http, struct span path)
{
    char uuid[UUID_SIZE + 1];
    bool is_health = span_is(path, SYSTEM_PREFIX "healthz");
    const char *why = trouble(p);

    if (!is_health && !span_is(path, SYSTEM_PREFIX "routes")) {
        return false;
    }
    if (why) {
        reply(http, 503, PLAIN_TEXT, span_of(why), answer_id(http, uuid));
    } else if (is_health) {
        reply(http, 200, PLAIN_TEXT, SPAN("success"), answer_id(http, uuid));
    } else {
        reply_routes(p, http, answer_id(http, uuid));
    }
    return true;
}

void answer_no_route(struct proxy *p, struct http_request *http)
{
    char uuid[UUID_SIZE + 1];
    struct span id = answer_id(http, uuid);
    struct span path = http_request_path(http);
    struct buf text = {0};

    buf_put_str(&text, "Path '");
    buf_put_span(&text, path);
    buf_put_str(&text, "' not found. Ping http://.../-/routes for available routes.");
    access_log(p, id, http_request_method(http), SPAN(""), 404, 0);
    reply(http, 404, PLAIN_TEXT, buf_span(&text), id);
    buf_deinit(&text);
}
