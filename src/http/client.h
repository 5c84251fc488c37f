/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

/* A small HTTP/1.1 client: one connection, one request, the whole answer.  http_client is for loops
 * (tests, probes); http_call() blocks and is for the command line only. */

#include "base/err.h"
#include "http/head.h"
#include "io/loop.h"

struct http_client;

/* What is sent.  Host, content-length and "connection: close" are added. */
struct http_client_request {
    const char *method; /* "GET" if NULL */
    const char *target; /* "/" if NULL */
    const char *host;   /* of the Host field; the address if NULL */
    const struct http_header *headers;
    size_t n_headers;
    struct span body;
    uint64_t timeout_ms; /* for all of it; 30 s if zero */
    size_t max_body;     /* of the answer; 16 MiB if zero */
};

struct http_client_response {
    int status;
    const struct head *head;
    struct span body;
};

/* Called once, never from within http_client_start().  Either 'response' (valid during the call),
 * or NULL and a sentence in 'err'.  The client frees itself after. */
typedef void http_client_fn(void *user, const struct http_client_response *response,
                            const struct err *err);

/* Connects to a literal address and sends.  NULL with a sentence in 'err' if that fails at once. */
struct http_client *http_client_start(struct loop *loop, const char *address, uint16_t port,
                                      const struct http_client_request *request,
                                      http_client_fn *done, void *user, struct err *err) MUST_CHECK;
/* Gives up silently: 'done' is not called. */
void http_client_cancel(struct http_client *client);

/* Blocks the calling thread until the answer is there.  'url' is http://host[:port]/target;
 * "localhost" and literal addresses are understood, other names are resolved.  Returns 0, or -errno
 * with a sentence for the user ("cannot connect to 127.0.0.1:8265: Connection refused"). 'ret_body'
 * is terminated; the caller frees it. */
struct http_call {
    const char *method; /* "GET" if NULL */
    const char *url;
    const char *content_type; /* of the body; none if NULL */
    const char *bearer;       /* a token for Authorization; none if NULL */
    struct span body;
    uint64_t timeout_ms; /* 30 s if zero */
};

int http_call(const struct http_call *call, int *ret_status, char **ret_body, size_t *ret_size,
              struct err *err) MUST_CHECK;

#endif
