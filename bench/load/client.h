/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOAD_CLIENT_H
#define LOAD_CLIENT_H

/* One HTTP/1.1 keep-alive connection of the load generator: sends one request at a time, reads the
 * whole answer, connects again when the server closed.  Knows nothing of rates and clocks but what
 * its owner tells it. */

#include "http/body.h"
#include "http/head.h"
#include "io/stream.h"

struct client;

/* What came back.  status 0: no complete answer ('error' says why). */
struct client_result {
    int status;
    int error;        /* -errno, or -EPROTO for a malformed answer */
    uint64_t n_bytes; /* of body */
    uint64_t n_parts; /* pieces of body as they arrived: chunks of a streamed answer */
};

struct client {
    struct stream stream;
    struct loop *loop;
    const char *host;
    uint16_t port;
    bool connected;
    bool busy;
    bool head_done;
    bool fresh; /* nothing was answered on this connection yet */
    size_t scan;
    struct body_decoder body;
    bool keep_alive;
    struct client_result result;
    uint64_t started_us; /* the owner's: when the request was (to be) sent */
    void (*on_done)(struct client *c, const struct client_result *result);
};

void client_init(struct client *c, struct loop *loop, const char *host, uint16_t port,
                 void (*on_done)(struct client *c, const struct client_result *result));
void client_deinit(struct client *c);

/* Sends a complete request, connecting first if need be; on_done follows, never from within. */
void client_send(struct client *c, struct span request);

#endif
