/* SPDX-License-Identifier: Apache-2.0 */
#include "http/client.h"

#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/server.h"
#include "io/stream.h"

/* Our client against our server, on one loop or (http_call blocks) with the server in a thread; and
 * against a peer that says whatever a test wants. */

static struct loop *loop;
static struct http_server *server;
static uint16_t port;

static void on_request(struct http_request *req)
{
    struct span path = http_request_path(req);
    struct buf text = {0};

    if (span_is(path, "/stop")) {
        http_reply(req, 204, NULL, 0, (struct span){0});
        loop_stop(loop);
        return;
    }
    if (span_is(path, "/never")) {
        return;
    }
    buf_put_span(&text, http_request_method(req));
    buf_put_char(&text, ' ');
    buf_put_span(&text, http_request_target(req));
    buf_put_char(&text, ' ');
    buf_put_span(&text, http_request_header(req, "host"));
    buf_put_char(&text, ' ');
    buf_put_span(&text, http_request_header(req, "authorization"));
    buf_put_char(&text, ' ');
    buf_put_span(&text, http_request_header(req, "content-type"));
    buf_put_char(&text, ' ');
    buf_put_span(&text, http_request_body(req));
    if (span_is(path, "/pieces")) {
        http_reply_head(req, 200, NULL, 0);
        http_reply_chunk(req, buf_span(&text));
        http_reply_end(req);
    } else {
        http_reply_text(req, 404, "text/plain", buf_span(&text));
    }
    buf_deinit(&text);
}

static void on_abort(struct http_request *req, int status)
{
    (void) req;
    assert_int_equal(status, 499);
}

static const struct http_handler handler = {.on_request = on_request, .on_abort = on_abort};

static int listen_somewhere(void)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof(address);
    struct err err;
    int fd = stream_listen_tcp("127.0.0.1", 0, false, &err);

    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &size), 0);
    port = ntohs(address.sin_port);
    return fd;
}

static int up(void **state)
{
    struct http_server_options options = {.collect_body = true, .max_body = 1000};

    (void) state;
    loop = loop_new();
    server = http_server_new(loop, &handler, &options, NULL);
    http_server_listen(server, listen_somewhere());
    return 0;
}

static int down(void **state)
{
    (void) state;
    http_server_free(server);
    loop_free(loop);
    return 0;
}

struct outcome {
    int status; /* 0 and text for a failure */
    char *text;
};

static void on_done(void *user, const struct http_client_response *response, const struct err *err)
{
    struct outcome *o = user;

    assert_null(o->text);
    o->status = response ? response->status : 0;
    o->text =
        response ? mem_strndup(response->body.data, response->body.size) : mem_strdup(err->text);
}

static void ask(const struct http_client_request *request, int status, const char *text)
{
    struct outcome o = {0};
    struct err err;

    assert_non_null(http_client_start(loop, "127.0.0.1", port, request, on_done, &o, &err));
    while (!o.text) {
        loop_turn(loop, 100);
    }
    assert_int_equal(o.status, status);
    if (!strstr(o.text, text)) {
        fail_msg("'%s' is not in '%s'", text, o.text);
    }
    free(o.text);
}

static void an_answer_of_either_framing_comes_whole(void **state)
{
    struct http_client_request request = {.target = "/a?b", .host = "h"};

    (void) state;
    ask(&request, 404, "GET /a?b h   ");
    request.target = "/pieces";
    request.method = "PUT";
    request.body = SPAN("data");
    ask(&request, 200, "PUT /pieces h   data");
    request.method = "HEAD";
    request.body = (struct span){0};
    ask(&request, 200, "");
}

static void no_answer_in_time_is_an_error(void **state)
{
    struct http_client_request request = {.target = "/never", .timeout_ms = 30};

    (void) state;
    ask(&request, 0, "within 0.0 s");
}

static void an_answer_beyond_the_limit_is_an_error(void **state)
{
    struct http_client_request request = {.target = "/pieces", .max_body = 5};

    (void) state;
    ask(&request, 0, "sent an answer that is too large");
}

/* What a peer that is not our server may say. */
static void answers_of_strangers_are_understood_or_refused(void **state)
{
    static const struct {
        const char *says;
        int status;
        const char *text;
    } cases[] = {
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
        {"HTTP/1.0 200 OK\r\n\r\nto the end", 200, "to the end"},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", 0, "before its answer was complete"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0, "malformed body"},
        {"SSH-2.0-OpenSSH\r\n\r\n", 0, "sent what is not HTTP"},
        {"", 0, "before its answer was complete"},
    };
    struct http_client_request request = {0};

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome o = {0};
        struct err err;
        int listener = listen_somewhere();
        int fd;

        assert_non_null(http_client_start(loop, "127.0.0.1", port, &request, on_done, &o, &err));
        do {
            loop_turn(loop, 1);
            fd = stream_accept(listener, NULL, 0);
        } while (fd < 0);
        loop_turn(loop, 10); /* the request leaves, so that closing resets nothing */
        while (recv(fd, (char[1000]){0}, 1000, MSG_DONTWAIT) < 0) {
            loop_turn(loop, 1);
        }
        assert_int_equal(send(fd, cases[i].says, strlen(cases[i].says), 0), strlen(cases[i].says));
        (void) close(fd);
        (void) close(listener);
        while (!o.text) {
            loop_turn(loop, 100);
        }
        assert_int_equal(o.status, cases[i].status);
        assert_non_null(strstr(o.text, cases[i].text));
        free(o.text);
    }
}

static void a_cancelled_client_says_nothing_more(void **state)
{
    struct http_client_request request = {.target = "/never"};
    struct outcome o = {0};
    struct err err;
    struct http_client *early =
        http_client_start(loop, "127.0.0.1", port, &request, on_done, &o, &err);
    struct http_client *late =
        http_client_start(loop, "127.0.0.1", port, &request, on_done, &o, &err);

    (void) state;
    http_client_cancel(early);
    for (int i = 0; i < 5; i++) {
        loop_turn(loop, 1);
    }
    http_client_cancel(late);
    for (int i = 0; i < 5; i++) {
        loop_turn(loop, 1);
    }
    assert_null(o.text);
}

/* The blocking call. */

static void *serve(void *arg)
{
    (void) arg;
    loop_run(loop);
    return NULL;
}

static void call(const struct http_call *c, int status, const char *text)
{
    int got = 0;
    char *body = NULL;
    size_t size = 0;
    struct err err = {0};

    assert_int_equal(http_call(c, &got, &body, &size, &err), 0);
    assert_int_equal(got, status);
    assert_int_equal(size, strlen(text));
    assert_string_equal(body, text);
    free(body);
}

static void the_command_line_calls_and_waits(void **state)
{
    pthread_t thread;
    char url[64];
    char expected[128];
    struct http_call c = {.url = url};

    (void) state;
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    (void) snprintf(url, sizeof(url), "http://localhost:%u?x#y", port);
    (void) snprintf(expected, sizeof(expected), "GET /?x localhost:%u   ", port);
    call(&c, 404, expected);
    (void) snprintf(url, sizeof(url), "http://127.0.0.1:%u/p", port);
    (void) snprintf(expected, sizeof(expected), "POST /p 127.0.0.1:%u Bearer t a/b {}", port);
    c.method = "POST";
    c.bearer = "t";
    c.content_type = "a/b";
    c.body = SPAN("{}");
    call(&c, 404, expected);
    (void) snprintf(url, sizeof(url), "http://127.0.0.1:%u/stop", port);
    call(&c, 204, "");
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void failures_are_sentences(void **state)
{
    static const struct {
        const char *url;
        int error;
        const char *text;
    } cases[] = {
        {"http://127.0.0.1:1/", -ECONNREFUSED, "cannot connect to 127.0.0.1:1: Connection refused"},
        {"https://a/", -EPROTONOSUPPORT, "https is not supported"},
        {"localhost:8265", -EINVAL, "is not a URL of the form http://host:port/path"},
        {"http://", -EINVAL, "is not a URL"},
        {"http://:80/", -EINVAL, "is not a URL"},
        {"http://a:/", -EINVAL, "is not a URL"},
        {"http://a:8x/", -EINVAL, "is not a URL"},
        {"http://a:1234567/", -EINVAL, "is not a URL"},
        {"http://[::1/", -EINVAL, "is not a URL"},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_call c = {.url = cases[i].url};
        int status;
        char *body;
        size_t size;
        struct err err = {0};

        assert_int_equal(http_call(&c, &status, &body, &size, &err), cases[i].error);
        if (!strstr(err.text, cases[i].text)) {
            fail_msg("'%s' is not in '%s'", cases[i].text, err.text);
        }
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, up, down)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_of_either_framing_comes_whole),
        TEST(no_answer_in_time_is_an_error),
        TEST(an_answer_beyond_the_limit_is_an_error),
        TEST(answers_of_strangers_are_understood_or_refused),
        TEST(a_cancelled_client_says_nothing_more),
        TEST(the_command_line_calls_and_waits),
        cmocka_unit_test(failures_are_sentences),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
