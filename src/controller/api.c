/* SPDX-License-Identifier: Apache-2.0 */
/* The control API: one table of routes, one function each.  Ray's routes answer to the letter of
 * ray-serve.md §2; our own are in docs/interfaces.md §7.  Every answer but DELETE's is given at
 * once. */

#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "base/log.h"
#include "controller/controller.h"
#include "spec/serve.h"

enum {
    MAX_BODY = 100 * 1024 * 1024,
    MAX_DOCUMENT = 4 * 1024 * 1024, /* what is made of it has to fit into one frame */
    DELETE_PATIENCE_MS = 30 * 1000,
};

/* A DELETE that is answered when all is gone. */
struct shutdown_wait {
    struct list link; /* in controller.waiting */
    struct http_request *req;
    struct timer timeout;
};

static struct controller *controller_of(const struct http_request *req)
{
    return http_server_user(http_request_server(req));
}

/* Answers. */

static void reply_text(struct http_request *req, int status, const char *text)
{
    http_reply_text(req, status, "text/plain; charset=utf-8", span_of(text));
}

static void reply_json(struct http_request *req, int status, json_t *body /* taken */)
{
    char *text = json_dumps(body, JSON_COMPACT);

    ASSERT(text);
    http_reply_text(req, status, "application/json; charset=utf-8", span_of(text));
    free(text);
    json_decref(body);
}

static void reply_error(struct http_request *req, int status, const char *text)
{
    reply_json(req, status, json_pack("{s:s}", "error", text));
}

/* Ray's routes. */

static bool query_value(struct span query, const char *name, struct buf *ret)
{
    size_t n = strlen(name);

    while (query.size > 0) {
        const char *end = memchr(query.data, '&', query.size);
        size_t size = end ? (size_t) (end - query.data) : query.size;

        if (size > n && memcmp(query.data, name, n) == 0 && query.data[n] == '=') {
            struct span value = {query.data + n + 1, size - n - 1};

            buf_commit(ret, head_decode_path(value, buf_reserve(ret, value.size)));
            return true;
        }
        query.data += MIN(size + 1, query.size);
        query.size -= MIN(size + 1, query.size);
    }
    return false;
}

static void get_applications(struct http_request *req, const char *rest)
{
    struct controller *c = controller_of(req);
    const char *source = NULL;
    struct buf type;

    (void) rest;
    buf_init(&type);
    if (query_value(http_request_query(req), "api_type", &type)) {
        source = strcasecmp(buf_cstr(&type), "imperative") == 0    ? "imperative"
                 : strcasecmp(buf_cstr(&type), "declarative") == 0 ? "declarative"
                                                                   : NULL;
        if (!source) {
            char *text CLEANUP(mem_freep) =
                mem_printf("Invalid 'api_type' value: '%s'. Must be one of: imperative, "
                           "declarative",
                           buf_cstr(&type));

            reply_text(req, 400, text);
            buf_deinit(&type);
            return;
        }
    }
    reply_json(req, 200, status_details(c, source));
    buf_deinit(&type);
}

static void log_warnings(const struct spec_report *report)
{
    const struct spec_problem *p;

    LIST_FOREACH (p, &report->warnings, link) {
        char *path CLEANUP(mem_freep) = spec_path(p->loc);

        log_warn_RL("the configuration has a flaw", "at=%s: %s", path, p->msg);
    }
}

static void put_applications(struct http_request *req, const char *rest)
{
    struct span text = http_request_body(req);
    struct spec_report report;
    json_error_t problem;
    json_t *body = json_loadb(text.data ? text.data : "", text.size, JSON_DECODE_ANY, &problem);
    json_t *document;

    (void) rest;
    if (text.size > MAX_DOCUMENT) {
        reply_text(req, 400, "The configuration is larger than 4 MiB.");
        json_decref(body);
        return;
    }
    if (!body) {
        char *why CLEANUP(mem_freep) = mem_printf("The body is not JSON: line %d, column %d: %s",
                                                  problem.line, problem.column, problem.text);

        reply_text(req, 400, why);
        return;
    }
    spec_report_init(&report);
    document = spec_serve_parse(body, &report);
    if (document) {
        log_warnings(&report);
        apps_put(controller_of(req), document);
        http_reply(req, 200, NULL, 0, (struct span){0});
    } else {
        char *why CLEANUP(mem_freep) = spec_serve_error(&report);

        reply_text(req, 400, why);
    }
    json_decref(document);
    json_decref(body);
    spec_report_deinit(&report);
}

static void wait_free(struct shutdown_wait *w)
{
    list_remove(&w->link);
    timer_stop(&w->timeout);
    free(w);
}

static void answer_wait(struct shutdown_wait *w)
{
    struct http_request *req = w->req;

    wait_free(w);
    http_reply(req, 200, NULL, 0, (struct span){0});
}

static void on_wait_timeout(struct timer *t)
{
    answer_wait(CONTAINER_OF(t, struct shutdown_wait, timeout));
}

void api_on_serve_stopped(struct controller *c)
{
    while (!list_empty(&c->waiting)) {
        answer_wait(LIST_ENTRY(c->waiting.next, struct shutdown_wait, link));
    }
}

static void delete_applications(struct http_request *req, const char *rest)
{
    struct controller *c = controller_of(req);
    struct shutdown_wait *w;

    (void) rest;
    serve_stop(c);
    if (!c->serve.is_started) {
        http_reply(req, 200, NULL, 0, (struct span){0});
        return;
    }
    w = mem_new(struct shutdown_wait);
    w->req = req;
    list_push_back(&c->waiting, &w->link);
    timer_init(&w->timeout, c->loop, on_wait_timeout);
    timer_start(&w->timeout, DELETE_PATIENCE_MS);
    http_request_bind(req, w);
}

static void get_version(struct http_request *req, const char *rest)
{
    (void) rest;
    reply_json(req, 200, status_version(controller_of(req)));
}

static void get_healthz(struct http_request *req, const char *rest)
{
    (void) rest;
    http_reply_text(req, 200, "application/text", SPAN("success"));
}

/* "APP/deployments/DEPLOYMENT/scale" */
static struct deployment *find_scaled(const struct controller *c, const char *rest)
{
    const char *middle = strstr(rest, "/deployments/");
    const char *end = middle ? strrchr(middle, '/') : NULL;
    const char *begin = middle ? middle + strlen("/deployments/") : NULL;
    char *app_name CLEANUP(mem_freep) = NULL;
    char *name CLEANUP(mem_freep) = NULL;
    struct app *a;

    if (!middle || end < begin || strcmp(end, "/scale") != 0) {
        return NULL;
    }
    app_name = mem_strndup(rest, (size_t) (middle - rest));
    name = mem_strndup(begin, (size_t) (end - begin));
    a = world_find_app(&c->world, app_name);
    return a ? app_find(a, name) : NULL;
}

static void refuse_scaling(struct http_request *req, const struct deployment *d)
{
    char *text CLEANUP(mem_freep) = mem_printf(
        "Cannot update replicas for deployment '%s' in application '%s'. The external scaling API "
        "can only be used when 'external_scaler_enabled' is set to true in the application "
        "configuration. Current value: external_scaler_enabled=false. To use this API, redeploy "
        "your application with 'external_scaler_enabled: true' in the config.",
        d->name, d->app->name);

    reply_error(req, 412, text);
}

static void post_scale(struct http_request *req, const char *rest)
{
    struct controller *c = controller_of(req);
    struct deployment *d = find_scaled(c, rest);
    struct span text = http_request_body(req);
    json_t *body = json_loadb(text.data ? text.data : "", text.size, 0, NULL);
    json_t *n = json_object_get(body, "target_num_replicas");

    if (!c->serve.is_started) {
        reply_error(req, 503, "Serve controller is not available");
    } else if (!json_is_integer(n) || json_integer_value(n) < 0) {
        reply_error(req, 400,
                    "Invalid request body: target_num_replicas must be an integer of 0 or more");
    } else if (!d) {
        reply_error(req, 400, "Application or Deployment not found");
    } else if (d->mode != DEPLOYMENT_LIVE) {
        reply_error(req, 412, "Deployment is deleted");
    } else if (!d->app->target->external_scaler_enabled) {
        refuse_scaling(req, d);
    } else {
        deployment_scale(d, json_integer_value(n));
        controller_wake(c);
        reply_json(req, 200,
                   json_pack("{s:s}", "message",
                             "Scaling request received. Deployment will get scaled "
                             "asynchronously."));
    }
    json_decref(body);
}

/* Our own routes. */

static void post_start(struct http_request *req, const char *rest)
{
    struct controller *c = controller_of(req);
    struct span text = http_request_body(req);
    json_t *body = text.size ? json_loadb(text.data, text.size, 0, NULL) : json_object();
    struct spec_report report;
    json_t *options = NULL;
    json_t *document;

    (void) rest;
    spec_report_init(&report);
    if (json_is_object(body)) {
        document = json_copy(body);
        json_object_set_new(document, "applications", json_array());
        options = spec_serve_parse(document, &report);
        json_decref(document);
    }
    if (options) {
        c->world.unix_s = controller_unix_s();
        serve_start(c, options, "127.0.0.1");
        reply_json(
            req, 200,
            json_pack("{s:o}", "http_options", spec_http_options_shown(c->serve.http_options)));
    } else if (json_is_object(body)) {
        char *why CLEANUP(mem_freep) = spec_serve_error(&report);

        reply_text(req, 400, why);
    } else {
        reply_text(req, 400, "The body is not a JSON object.");
    }
    json_decref(options);
    json_decref(body);
    spec_report_deinit(&report);
}

static void put_artefact(struct http_request *req, const char *name)
{
    struct controller *c = controller_of(req);
    struct span text = http_request_body(req);
    json_t *body = json_loadb(text.data ? text.data : "", text.size, 0, NULL);
    json_t *shown_name = json_string(name); /* NULL: it is not UTF-8 */
    struct err err = {0};

    if (!json_is_object(body) || !shown_name) {
        reply_text(req, 400, "The body is no JSON object, or the name is not UTF-8.");
    } else if (apps_put_artefact(c, name, body, &err) < 0) {
        reply_text(req, err.code == -EADDRINUSE ? 409 : 400, err.text);
    } else {
        reply_json(req, 200, json_object());
    }
    json_decref(shown_name);
    json_decref(body);
}

static void delete_one(struct http_request *req, const char *name)
{
    struct controller *c = controller_of(req);

    apps_delete(c, name);
    reply_json(req, 200, json_object());
}

static void get_instance(struct http_request *req, const char *rest)
{
    (void) rest;
    reply_json(req, 200, status_instance(controller_of(req)));
}

/* The table.  A path that ends with '*' matches any rest that is not empty, which the function
 * gets. */
static const struct route {
    const char *method;
    const char *path;
    void (*fn)(struct http_request *req, const char *rest);
} routes[] = {
    {"GET", "/api/gcs_healthz", get_healthz},
    {"GET", "/api/version", get_version},
    {"GET", "/api/ray/version", get_version},
    {"GET", "/api/serve/applications/", get_applications},
    {"PUT", "/api/serve/applications/", put_applications},
    {"DELETE", "/api/serve/applications/", delete_applications},
    {"POST", "/api/v1/applications/*", post_scale},
    {"GET", "/api/model_service/instance", get_instance},
    {"POST", "/api/model_service/start", post_start},
    {"PUT", "/api/model_service/start", post_start},
    {"PUT", "/api/model_service/applications/*", put_artefact},
    {"DELETE", "/api/model_service/applications/*", delete_one},
};

/* The rest of the path behind the route's star, "" without one; NULL: no match. */
static const char *match(const struct route *route, const char *path)
{
    size_t n = strlen(route->path);

    if (route->path[n - 1] != '*') {
        return strcmp(route->path, path) == 0 ? "" : NULL;
    }
    return strncmp(route->path, path, n - 1) == 0 && path[n - 1] ? path + n - 1 : NULL;
}

/* What a web page in somebody's browser may send must not reach what changes things. */
static bool is_from_browser(const struct http_request *req)
{
    static const char *const telling[] = {
        "origin",
        "referer",
        "sec-fetch-mode",
        "sec-fetch-dest",
        "sec-fetch-site",
        "sec-fetch-user",
        "access-control-request-method",
        "access-control-request-headers",
    };
    struct span method = http_request_method(req);
    struct span agent = http_request_header(req, "user-agent");

    if (span_is(method, "GET") || span_is(method, "HEAD")) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(telling); i++) {
        if (http_request_header(req, telling[i]).data) {
            return true;
        }
    }
    return agent.size >= 7 && memcmp(agent.data, "Mozilla", 7) == 0;
}

static void dispatch(struct http_request *req, const char *path)
{
    struct span method = http_request_method(req);
    bool path_is_known = false;

    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        const char *rest = match(&routes[i], path);
        bool is_head = span_is(method, "HEAD") && strcmp(routes[i].method, "GET") == 0;

        path_is_known |= rest != NULL;
        if (rest && (span_is(method, routes[i].method) || is_head)) {
            routes[i].fn(req, rest);
            return;
        }
    }
    reply_text(req, path_is_known ? 405 : 404,
               path_is_known ? "405: Method Not Allowed" : "404: Not Found");
}

static void on_request(struct http_request *req)
{
    struct span path = http_request_path(req);
    char *text CLEANUP(mem_freep) = mem_strndup(path.size ? path.data : "", path.size);

    if (memchr(text, '\0', path.size)) {
        reply_text(req, 404, "404: Not Found");
    } else if (is_from_browser(req)) {
        reply_text(req, 405, "Method Not Allowed for browser traffic.");
    } else {
        dispatch(req, text);
    }
}

static void on_abort(struct http_request *req, int status)
{
    struct shutdown_wait *w = http_request_user(req);

    (void) status;
    if (w) {
        wait_free(w);
    }
}

static const struct http_handler handler = {.on_request = on_request, .on_abort = on_abort};

int api_init(struct controller *c, int fd, struct err *err)
{
    static const struct http_server_options options = {
        .collect_body = true, .max_body = MAX_BODY, .server_name = "model-service"};
    int own = dup(fd);

    if (own < 0) {
        return err_errno(err, "descriptor %d", fd);
    }
    c->http = http_server_new(c->loop, &handler, &options, c);
    http_server_listen(c->http, own);
    return 0;
}

void api_deinit(struct controller *c)
{
    http_server_free(c->http);
    c->http = NULL;
}
