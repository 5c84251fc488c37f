/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_SERVER_FIXTURE_TEST_H
#define HTTP_SERVER_FIXTURE_TEST_H

/* For the tests of the server: one with a handler that notes what it sees, and plain sockets as its
 * clients, all driven by one loop. */

#include "http/server.h"

#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/stream.h"

#define UNUSED __attribute__((unused)) /* by some of the tests */

enum { PATIENCE_MS = 5000 };

static struct loop *loop;
static struct http_server *server;
static uint16_t port;
static int listener;

/* What the handler saw, as text: "request GET /a|body hello end|abort 499|". */
static struct buf events;
static struct http_request *held; /* the last request of which nobody was told more */
static size_t credit;             /* given to each request at once */
static int n_drains;
static int n_stopped;

static void on_request(struct http_request *req)
{
    struct span method = http_request_method(req);
    struct span path = http_request_path(req);
    struct span body = http_request_body(req);

    buf_printf(&events, "request %.*s %.*s%s%.*s|", (int) method.size, method.data, (int) path.size,
               path.data, body.size ? " " : "", (int) body.size, body.size ? body.data : "");
    if (span_is(path, "/hello")) {
        http_reply_text(req, 200, "text/plain", SPAN("hello"));
        return;
    }
    held = req;
    http_request_read(req, credit);
}

static void on_body(struct http_request *req, struct span data, bool end)
{
    buf_printf(&events, "body %.*s%s|", (int) MIN(data.size, (size_t) 50),
               data.data ? data.data : "", end ? " end" : "");
    if (end && span_is(http_request_path(req), "/echo")) {
        http_reply_text(req, 200, "text/plain", data);
    }
}

static void on_abort(struct http_request *req, int status)
{
    buf_printf(&events, "abort %d|", status);
    assert_ptr_equal(req, held);
    held = NULL;
}

static void on_drain(struct http_request *req)
{
    (void) req;
    n_drains++;
}

static void on_refused(struct http_server *s, int status, const char *peer)
{
    assert_ptr_equal(s, server);
    assert_int_equal(strncmp(peer, "127.0.0.1:", 10), 0);
    buf_printf(&events, "refused %d|", status);
}

static void on_stopped(struct http_server *s)
{
    assert_ptr_equal(s, server);
    n_stopped++;
}

static const struct http_handler handler = {on_request, on_body,    on_abort,
                                            on_drain,   on_refused, on_stopped};

/* Starts the server anew. */
UNUSED static void serve(const struct http_server_options *options)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof(address);
    struct err err;

    http_server_free(server);
    server = http_server_new(loop, &handler, options, &port);
    listener = stream_listen_tcp("127.0.0.1", 0, false, &err);
    assert_true(listener >= 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *) &address, &size), 0);
    port = ntohs(address.sin_port);
    http_server_listen(server, listener);
}

static int up(void **state)
{
    (void) state;
    loop = loop_new();
    server = NULL;
    held = NULL;
    credit = 0;
    n_drains = 0;
    n_stopped = 0;
    buf_clear(&events);
    serve(NULL);
    return 0;
}

static int down(void **state)
{
    (void) state;
    http_server_free(server);
    loop_free(loop);
    buf_deinit(&events);
    return 0;
}

/* The client's side. */

UNUSED static int dial(void)
{
    struct err err;
    int fd = stream_connect_tcp("127.0.0.1", port, &err);

    assert_true(fd >= 0);
    return fd;
}

UNUSED static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

UNUSED static void turns(int n)
{
    while (n-- > 0) {
        loop_turn(loop, 1);
    }
}

/* Turns the loop until the handler has seen 'text'. */
UNUSED static void until_seen(const char *text)
{
    uint64_t start_ms = loop_now_ms(loop);

    while (!strstr(buf_cstr(&events), text)) {
        loop_turn(loop, 10);
        if (loop_now_ms(loop) - start_ms > PATIENCE_MS) {
            fail_msg("'%s' is not in '%s'", text, buf_cstr(&events));
        }
    }
}

UNUSED static void assert_events(const char *expected)
{
    assert_string_equal(buf_cstr(&events), expected);
    buf_clear(&events);
}

/* Removes the lines that are the same, or another time, in each answer. */
static void strip(struct buf *answer)
{
    static const char *const names[] = {"date: ", "server: model-service"};
    char *s = buf_cstr(answer);

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *line;

        while ((line = strstr(s, names[i]))) {
            char *next = strstr(line, "\r\n") + 2;

            memmove(line, next, strlen(next) + 1);
        }
    }
    answer->tail = answer->head + strlen(s);
}

/* Reads until 'text' has come, or to the end (NULL); *ret_error is 0 or the errno of a broken end.
 */
UNUSED static char *hear(int fd, const char *text, int *ret_error)
{
    static struct buf answer;
    uint64_t start_ms = loop_now_ms(loop);
    ssize_t n;

    buf_clear(&answer);
    for (;;) {
        n = recv(fd, buf_reserve(&answer, 4096), 4096, MSG_DONTWAIT);
        if (n > 0) {
            buf_commit(&answer, (size_t) n);
        }
        if (n == 0 || (n < 0 && errno != EAGAIN) || (text && strstr(buf_cstr(&answer), text))) {
            break;
        }
        loop_turn(loop, n > 0 ? 0 : 5);
        if (loop_now_ms(loop) - start_ms > PATIENCE_MS) {
            fail_msg("'%s' did not come, but '%s'", text ? text : "the end", buf_cstr(&answer));
        }
    }
    if (ret_error) {
        *ret_error = n < 0 ? errno : 0;
    } else if (n < 0) {
        fail_msg("broken after '%s'", buf_cstr(&answer));
    }
    strip(&answer);
    return buf_take_str(&answer);
}

UNUSED static void assert_hears(int fd, const char *until, const char *expected)
{
    char *answer = hear(fd, until, NULL);

    assert_string_equal(answer, expected);
    free(answer);
}

#define HELLO "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"

UNUSED static void assert_refused(const char *bytes, int status)
{
    int fd = dial();
    char expected[32];
    char *answer;

    say(fd, bytes);
    answer = hear(fd, NULL, NULL);
    (void) snprintf(expected, sizeof(expected), "HTTP/1.1 %d ", status);
    assert_int_equal(strncmp(answer, expected, strlen(expected)), 0);
    assert_non_null(strstr(answer, "connection: close\r\n"));
    free(answer);
    (void) snprintf(expected, sizeof(expected), "refused %d|", status);
    assert_events(expected);
    (void) close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, up, down)

#endif
