/* SPDX-License-Identifier: Apache-2.0 */
#include "node/agent.h"

#include "http/server.h"
#include "node/uplink.h"

enum { MAX_BODY = 64 * 1024 };

struct agent {
    struct node *node;
    struct http_server *server;
};

struct answer {
    int status;
    const char *body;
};

static struct answer local_health(const struct node *n)
{
    (void) n;
    return (struct answer){200, "success"};
}

/* No error body may hold the word that the probes grep for. */
static struct answer whole_health(const struct node *n)
{
    if (!uplink_is_up(n->uplink)) {
        return (struct answer){503, "raylet: up\ngcs: not reachable"};
    }
    return (struct answer){200, "raylet: success\ngcs: success"};
}

static const struct {
    const char *path;
    struct answer (*fn)(const struct node *n);
} routes[] = {
    {"/api/local_raylet_healthz", local_health},
    {"/api/healthz", whole_health},
};

static void on_request(struct http_request *req)
{
    struct agent *a = http_server_user(http_request_server(req));
    struct span method = http_request_method(req);

    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (span_is(http_request_path(req), routes[i].path)) {
            struct answer answer = {405, "only GET"};

            if (span_is(method, "GET") || span_is(method, "HEAD")) {
                answer = routes[i].fn(a->node);
            }
            http_reply_text(req, answer.status, "application/text", span_of(answer.body));
            return;
        }
    }
    http_reply_text(req, 404, "text/plain; charset=utf-8", SPAN("404: Not Found"));
}

static void on_abort(struct http_request *req, int status)
{
    (void) req;
    (void) status;
}

static const struct http_handler handler = {.on_request = on_request, .on_abort = on_abort};

struct agent *agent_new(struct node *n)
{
    static const struct http_server_options options = {.max_body = MAX_BODY, .collect_body = true};
    struct agent *a = mem_new(struct agent);

    a->node = n;
    a->server = http_server_new(n->loop, &handler, &options, a);
    return a;
}

void agent_listen(struct agent *a, int fd)
{
    http_server_listen(a->server, fd);
}

void agent_free(struct agent *a)
{
    if (a) {
        http_server_free(a->server);
        free(a);
    }
}
