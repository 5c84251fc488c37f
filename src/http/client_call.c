/* SPDX-License-Identifier: Apache-2.0 */
/* http_call(): the blocking client of the command line. */

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

#include "http/client.h"

/* Where a URL points. */
struct place {
    char host[256];
    char port[8];
    char address[INET6_ADDRSTRLEN];
    const char *target; /* into the URL; "" for none */
};

struct result {
    bool done;
    int status; /* 0 if it failed */
    char *body; /* owned */
    size_t size;
    struct err err;
};

static int bad_url(const char *url, struct err *err)
{
    return err_set(err, -EINVAL, "'%s' is not a URL of the form http://host:port/path", url);
}

/* Splits "http://host[:port][/target]"; an IPv6 address stands in brackets. */
static int split_url(const char *url, struct place *place, struct err *err)
{
    const char *host = url + strlen("http://");
    const char *host_end;
    const char *end;
    size_t n_port;

    if (strncmp(url, "https://", 8) == 0) {
        return err_set(err, -EPROTONOSUPPORT, "'%s': https is not supported here", url);
    }
    if (strncmp(url, "http://", 7) != 0) {
        return bad_url(url, err);
    }
    end = host + strcspn(host, "/?#");
    if (*host == '[') {
        host++;
        host_end = host + strcspn(host, "]");
    } else {
        host_end = host + strcspn(host, ":/?#");
    }
    if (host_end > end || host_end == host || (size_t) (host_end - host) >= sizeof(place->host)) {
        return bad_url(url, err);
    }
    memcpy(place->host, host, (size_t) (host_end - host));
    place->host[host_end - host] = '\0';
    place->target = end;
    host_end += *host_end == ']' ? 1 : 0;
    n_port = (size_t) (end - host_end);
    if (n_port == 0) {
        (void) snprintf(place->port, sizeof(place->port), "80");
        return 0;
    }
    if (*host_end != ':' || n_port < 2 || n_port >= sizeof(place->port) ||
        strspn(host_end + 1, "0123456789") != n_port - 1) {
        return bad_url(url, err);
    }
    memcpy(place->port, host_end + 1, n_port - 1);
    place->port[n_port - 1] = '\0';
    return 0;
}

static int resolve(struct place *place, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_INET};
    struct addrinfo *found = NULL;
    int r = getaddrinfo(place->host, place->port, &hints, &found);

    if (r != 0) {
        /* Only now IPv6: our servers listen on IPv4 unless told otherwise. */
        hints.ai_family = AF_INET6;
        r = getaddrinfo(place->host, place->port, &hints, &found);
    }
    if (r != 0) {
        return err_set(err, -EHOSTUNREACH, "cannot find host '%s': %s", place->host,
                       gai_strerror(r));
    }
    r = getnameinfo(found->ai_addr, found->ai_addrlen, place->address, sizeof(place->address), NULL,
                    0, NI_NUMERICHOST);
    freeaddrinfo(found);
    return r == 0 ? 0 : err_set(err, -EHOSTUNREACH, "cannot use the address of '%s'", place->host);
}

static void on_done(void *user, const struct http_client_response *response, const struct err *err)
{
    struct result *result = user;

    result->done = true;
    if (!response) {
        result->err = *err;
        return;
    }
    result->status = response->status;
    result->size = response->body.size;
    result->body = mem_strndup(response->body.data, response->body.size);
}

static int run(const struct place *place, const struct http_client_request *request,
               struct result *result, struct err *err)
{
    struct loop *loop = loop_new();
    struct http_client *client =
        http_client_start(loop, place->address, (uint16_t) strtoul(place->port, NULL, 10), request,
                          on_done, result, err);

    while (client && !result->done) {
        loop_turn(loop, -1);
    }
    loop_free(loop);
    if (!client) {
        return err ? err->code : -EIO;
    }
    return result->status > 0 ? 0 : err_set(err, result->err.code, "%s", result->err.text);
}

int http_call(const struct http_call *call, int *ret_status, char **ret_body, size_t *ret_size,
              struct err *err)
{
    struct place place = {0};
    struct result result = {0};
    struct http_header headers[2];
    struct http_client_request request = {
        .method = call->method,
        .headers = headers,
        .body = call->body,
        .timeout_ms = call->timeout_ms,
    };
    char *bearer = NULL;
    char *target = NULL;
    char *host = NULL;
    int r = split_url(call->url, &place, err);

    r = r < 0 ? r : resolve(&place, err);
    if (r < 0) {
        return r;
    }
    if (call->content_type) {
        headers[request.n_headers++] =
            (struct http_header){SPAN("content-type"), span_of(call->content_type)};
    }
    if (call->bearer) {
        bearer = mem_printf("Bearer %s", call->bearer);
        headers[request.n_headers++] = (struct http_header){SPAN("authorization"), span_of(bearer)};
    }
    target = mem_printf(place.target[0] == '/' ? "%.*s" : "/%.*s", (int) strcspn(place.target, "#"),
                        place.target);
    host = mem_printf(strchr(place.host, ':') ? "[%s]:%s" : "%s:%s", place.host, place.port);
    request.target = target;
    request.host = host;
    r = run(&place, &request, &result, err);
    free(bearer);
    free(target);
    free(host);
    if (r == 0) {
        *ret_status = result.status;
        *ret_body = result.body;
        *ret_size = result.size;
    }
    return r;
}
