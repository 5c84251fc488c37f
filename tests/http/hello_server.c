/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest server on our HTTP layer: answers every request with 13 bytes.  For measuring with
 * wrk; prints requests, CPU time per request and connections when it is interrupted.
 *
 *     hello_server PORT */

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "http/server.h"
#include "io/stream.h"

static struct loop *loop;
static uint64_t n_requests;
static struct span answer = SPAN("Hello, world!");

static void reply(struct http_request *req)
{
    n_requests++;
    http_reply_text(req, 200, "text/plain", answer);
}

static void on_request(struct http_request *req)
{
    if (http_request_body_size(req) == 0) {
        reply(req);
    } else {
        http_request_read(req, SIZE_MAX);
    }
}

static void on_body(struct http_request *req, struct span data, bool end)
{
    (void) data;
    if (end) {
        reply(req);
    }
}

static void on_abort(struct http_request *req, int status)
{
    (void) req;
    (void) status;
}

static void on_signal(struct signal_watch *w, int signal_number)
{
    (void) w;
    (void) signal_number;
    loop_stop(loop);
}

static double seconds(struct timeval tv)
{
    return (double) tv.tv_sec + (double) tv.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    static const struct http_handler handler = {
        .on_request = on_request, .on_body = on_body, .on_abort = on_abort};
    static const int signals[] = {SIGINT, SIGTERM, 0};
    struct signal_watch watch;
    struct http_server *server;
    struct rusage usage;
    struct err err;
    int fd = stream_listen_tcp(
        "127.0.0.1", (uint16_t) (argc > 1 ? strtoul(argv[1], NULL, 10) : 8000), false, &err);

    if (fd < 0) {
        (void) fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    if (argc > 2) {
        answer.size = strtoul(argv[2], NULL, 10);
        answer.data = mem_alloc(answer.size);
    }
    loop = loop_new();
    server = http_server_new(loop, &handler, NULL, NULL);
    http_server_listen(server, fd);
    if (signal_watch_start(&watch, loop, signals, on_signal) < 0) {
        return 1;
    }
    loop_run(loop);
    (void) getrusage(RUSAGE_SELF, &usage);
    (void) printf("%llu requests, %.2f us user and %.2f us system each\n",
                  (unsigned long long) n_requests,
                  seconds(usage.ru_utime) * 1e6 / (double) n_requests,
                  seconds(usage.ru_stime) * 1e6 / (double) n_requests);
    signal_watch_stop(&watch);
    http_server_free(server);
    loop_free(loop);
    return 0;
}
