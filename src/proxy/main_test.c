/* SPDX-License-Identifier: Apache-2.0 */
/* The real proxy in a child process; this process plays controller, node, replica, driver and HTTP
 * client with blocking sockets. */

#include "proxy/main.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "wire/channel.h"

#include <cmocka.h>

/* Our end of one link: reads frame by frame. */
struct peer {
    int fd;
    struct buf in;
    struct frame f; /* the last one; its payload lives until the next read */
};

static char dir[64];
static pid_t proxy_pid;
static int controller_listener;
static int node_listener;
static int http_listener;
static uint16_t http_port;
static struct peer controller;
static struct peer node;

static int listen_unix(const char *name)
{
    char path[128];
    int fd;

    (void) snprintf(path, sizeof(path), "%s/sockets/%s", dir, name);
    fd = stream_listen_unix(path, NULL);
    assert_true(fd >= 0);
    return fd;
}

static void set_blocking(int fd)
{
    struct timeval patience = {.tv_sec = 10};

    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
}

static int accept_blocking(int listener)
{
    int fd;

    assert_int_equal(fcntl(listener, F_SETFL, 0), 0);
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    set_blocking(fd);
    return fd;
}

static void send_all(int fd, struct span data)
{
    while (data.size > 0) {
        ssize_t n = send(fd, data.data, data.size, MSG_NOSIGNAL);

        assert_true(n > 0);
        data.data += n;
        data.size -= (size_t) n;
    }
}

#define SEND(peer, name, flags, stream, ...)                                                       \
    do {                                                                                           \
        struct buf out_ = {0};                                                                     \
        msg_##name##_put(&out_, flags, stream, &(struct msg_##name){__VA_ARGS__});                 \
        send_all((peer)->fd, buf_span(&out_));                                                     \
        buf_deinit(&out_);                                                                         \
    } while (0)

static void greet(struct peer *p, enum wire_role role, const char *name, const char *info)
{
    SEND(p, hello, 0, 0, .magic = WIRE_MAGIC, .min_version = 1, .max_version = 1,
         .role = (uint8_t) role, .name = span_of(name), .info_json = span_of(info));
}

static void read_frame(struct peer *p)
{
    if (p->f.payload) {
        buf_consume(&p->in, FRAME_HEADER + (size_t) p->f.size);
        p->f.payload = NULL;
    }
    while (frame_peek(buf_span(&p->in), &p->f) == 0) {
        ssize_t n = recv(p->fd, buf_reserve(&p->in, 65536), 65536, 0);

        assert_true(n > 0);
        buf_commit(&p->in, (size_t) n);
    }
}

/* Reads until a frame of that type comes; others are dropped. */
static void expect(struct peer *p, unsigned type)
{
    do {
        read_frame(p);
    } while (p->f.type != type);
}

static void hang_up(struct peer *p)
{
    (void) close(p->fd);
    buf_deinit(&p->in);
    *p = (struct peer){.fd = -1};
}

static struct peer dial_router(enum wire_role role, const char *name, const char *info)
{
    char path[128];
    struct peer p = {0};

    (void) snprintf(path, sizeof(path), "%s/sockets/router", dir);
    p.fd = stream_connect_unix(path, NULL);
    assert_true(p.fd >= 0);
    set_blocking(p.fd);
    greet(&p, role, name, info);
    expect(&p, MSG_HELLO);
    return p;
}

static struct peer replica(const char *id)
{
    struct peer p = dial_router(ROLE_REPLICA, id, "{\"deployment\": \"a#D\", \"running\": []}");

    /* A round trip, so that the router has it before the test goes on. */
    SEND(&p, ping, 0, 0, .nonce = 1);
    expect(&p, MSG_PONG);
    return p;
}

static void snapshot(const char *http, const char *deployment)
{
    char text[1024];

    (void) snprintf(
        text, sizeof(text),
        "{\"http\": {%s}, \"applications\": [{\"name\": \"a\", \"route_prefix\": \"/a\", "
        "\"ingress\": \"D\", \"deployments\": [\"D\"]}], \"deployments\": [{\"id\": \"a#D\", "
        "\"max_ongoing_requests\": 2, %s}]}",
        http, deployment);
    SEND(&controller, snapshot, 0, 0, .version = 1, .snapshot_json = span_of(text));
    expect(&controller, MSG_SNAPSHOT_ACK);
}

/* HTTP by hand. */

static int http_connect(void)
{
    int fd = stream_connect_tcp("127.0.0.1", http_port, NULL);

    assert_true(fd >= 0);
    set_blocking(fd);
    return fd;
}

static int http_send(const char *request)
{
    int fd = http_connect();

    send_all(fd, span_of(request));
    return fd;
}

/* Reads until what has come contains 'text'. */
static void http_expect(int fd, const char *text)
{
    static char got[1 << 16];
    size_t n = 0;

    got[0] = '\0';
    while (!strstr(got, text)) {
        ssize_t more = recv(fd, got + n, sizeof(got) - 1 - n, 0);

        if (more <= 0) {
            fail_msg("wanted '%s', got '%s'", text, got);
        }
        n += (size_t) more;
        got[n] = '\0';
    }
}

static void http_expect_end(int fd, const char *text)
{
    http_expect(fd, text);
    (void) close(fd);
}

#define GET(path)        "GET " path " HTTP/1.1\r\nhost: x\r\n\r\n"
#define GET_ID(path, id) "GET " path " HTTP/1.1\r\nhost: x\r\nx-request-id: " id "\r\n\r\n"

static void give_listener(void)
{
    struct buf out = {0};
    struct iovec iov;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};

    msg_listener_put(&out, FRAME_FD, 0, &(struct msg_listener){.host = SPAN("127.0.0.1")});
    iov = (struct iovec){buf_bytes(&out), buf_size(&out)};
    CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
    CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
    CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &http_listener, sizeof(int));
    assert_true(sendmsg(node.fd, &msg, 0) > 0);
    buf_deinit(&out);
}

static void start_proxy(void)
{
    char session[128];
    int router = listen_unix("router");

    (void) snprintf(session, sizeof(session), "--session-dir=%s", dir);
    proxy_pid = fork();
    assert_true(proxy_pid >= 0);
    if (proxy_pid == 0) {
        char program[] = "proxy";
        char node_id[] = "--node-id=n1";
        char *argv[] = {program, session, node_id, NULL};

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) dup2(router, 3);
        (void) fcntl(3, F_SETFD, FD_CLOEXEC);
        exit(proxy_main(3, argv));
    }
    (void) close(router);
}

static int up(void **state)
{
    (void) state;
    (void) signal(SIGPIPE, SIG_IGN);
    (void) snprintf(dir, sizeof(dir), "/tmp/proxy_test_XXXXXX");
    assert_non_null(mkdtemp(dir));
    {
        char sockets[96];

        (void) snprintf(sockets, sizeof(sockets), "%s/sockets", dir);
        assert_int_equal(mkdir(sockets, 0700), 0);
    }
    controller_listener = listen_unix("controller");
    node_listener = listen_unix("node");
    http_listener = -1;
    for (http_port = 21000; http_listener < 0; http_port++) {
        http_listener = stream_listen_tcp("127.0.0.1", http_port, false, NULL);
    }
    http_port--;
    start_proxy();
    controller = (struct peer){.fd = accept_blocking(controller_listener)};
    greet(&controller, ROLE_CONTROLLER, "controller", "{}");
    expect(&controller, MSG_HELLO);
    node = (struct peer){.fd = accept_blocking(node_listener)};
    greet(&node, ROLE_NODE, "n1", "{}");
    expect(&node, MSG_HELLO);
    give_listener();
    return 0;
}

static int down(void **state)
{
    char command[128];
    int status = -1;

    (void) state;
    assert_int_equal(kill(proxy_pid, SIGTERM), 0);
    assert_int_equal(waitpid(proxy_pid, &status, 0), proxy_pid);
    hang_up(&controller);
    hang_up(&node);
    (void) close(controller_listener);
    (void) close(node_listener);
    (void) close(http_listener);
    (void) snprintf(command, sizeof(command), "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(status, 0);
    return 0;
}

static void before_any_application_the_proxy_is_not_healthy(void **state)
{
    (void) state;
    http_expect_end(http_send(GET("/-/healthz")), "Route table is not populated yet.");
    http_expect_end(http_send(GET("/-/routes")), "HTTP/1.1 503 ");
    snapshot("", "\"replicas\": []");
    http_expect_end(http_send(GET("/-/healthz")), "success");
    http_expect_end(http_send(GET("/-/routes")), "{\"/a\":\"a\"}");
    http_expect_end(http_send(GET("/b%20c?q=1")),
                    "Path '/b c' not found. Ping http://.../-/routes for available routes.");
}

static void a_request_reaches_the_replica_and_its_answer_the_client(void **state)
{
    struct msg_dispatch_http m;
    struct buf headers = {0};
    struct peer r;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send("POST /a/x%2fy?q=1 HTTP/1.1\r\nHost: h\r\nX-Request-Id: id-1\r\n"
                   "content-length: 4\r\n\r\nbody");
    expect(&r, MSG_DISPATCH_HTTP);
    assert_int_equal(msg_dispatch_http_get(&r.f, &m), 0);
    assert_true(r.f.flags & FRAME_END);
    assert_true(span_is(m.method, "POST") && span_is(m.path, "/a/x/y"));
    assert_true(span_is(m.raw_path, "/a/x%2fy") && span_is(m.query, "q=1"));
    assert_true(span_is(m.root_path, "/a") && span_is(m.app, "a"));
    assert_true(span_is(m.request_id, "id-1") && span_is(m.body, "body"));
    wire_header_put(&headers, SPAN("x-mine"), SPAN("1"));
    SEND(&r, head, FRAME_END, r.f.stream, .status = 201, .headers = buf_span(&headers),
         .body = SPAN("done"));
    http_expect(fd, "HTTP/1.1 201 Created\r\n");
    (void) close(fd);
    buf_deinit(&headers);
    hang_up(&r);
}

static void an_answer_streams_as_it_is_produced(void **state)
{
    struct peer r;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send(GET("/a"));
    expect(&r, MSG_DISPATCH_HTTP);
    SEND(&r, head, 0, r.f.stream, .status = 200);
    SEND(&r, chunk, 0, r.f.stream, .data = SPAN("one"));
    http_expect(fd, "3\r\none\r\n");
    SEND(&r, chunk, FRAME_END, r.f.stream, .data = SPAN(""));
    http_expect_end(fd, "0\r\n\r\n");
    hang_up(&r);
}

static void a_full_queue_answers_503_with_its_numbers(void **state)
{
    struct peer r;
    int fds[4];

    (void) state;
    snapshot("", "\"max_queued_requests\": 1, \"replicas\": [\"r1\"]");
    r = replica("r1");
    for (int i = 0; i < 3; i++) {
        fds[i] = http_send(GET("/a"));
        if (i < 2) {
            expect(&r, MSG_DISPATCH_HTTP);
        }
    }
    /* The third is queued before the fourth comes: one connection, in order. */
    http_expect_end(http_send(GET("/-/healthz")), "success");
    http_expect_end(http_send(GET("/a")), "Request dropped due to backpressure "
                                          "(num_queued_requests=1, max_queued_requests=1).");
    for (int i = 0; i < 3; i++) {
        (void) close(fds[i]);
    }
    hang_up(&r);
}

static void a_request_that_takes_too_long_answers_408_and_is_cancelled(void **state)
{
    struct msg_cancel m;
    struct peer r;
    uint64_t stream;
    int fd;

    (void) state;
    snapshot("\"request_timeout_s\": 0.2", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send(GET_ID("/a", "slow"));
    expect(&r, MSG_DISPATCH_HTTP);
    stream = r.f.stream;
    http_expect_end(fd, "Request slow timed out after 0.2s.");
    expect(&r, MSG_CANCEL);
    assert_int_equal(r.f.stream, stream);
    assert_int_equal(msg_cancel_get(&r.f, &m), 0);
    assert_int_equal(m.kind, ERROR_TIMEOUT);
    hang_up(&r);
}

static void a_client_that_leaves_cancels_and_its_slot_frees_when_the_replica_is_done(void **state)
{
    struct peer r;
    uint64_t streams[2];
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    for (int i = 0; i < 2; i++) {
        fd = http_send(GET("/a"));
        expect(&r, MSG_DISPATCH_HTTP);
        streams[i] = r.f.stream;
        (void) close(fd);
        expect(&r, MSG_CANCEL);
        assert_int_equal(r.f.stream, streams[i]);
    }
    fd = http_send(GET("/a/third"));
    SEND(&r, ping, 0, 0, .nonce = 2);
    expect(&r, MSG_PONG); /* no DISPATCH came before: both slots are taken */
    SEND(&r, error, FRAME_END, streams[0], .kind = ERROR_CANCELLED);
    expect(&r, MSG_DISPATCH_HTTP);
    SEND(&r, head, FRAME_END, r.f.stream, .status = 200, .body = SPAN("third"));
    http_expect_end(fd, "third");
    hang_up(&r);
}

static void what_a_dead_replica_had_not_begun_another_answers(void **state)
{
    struct msg_dispatch_http m;
    struct peer r1;
    struct peer r2;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\", \"r2\"]");
    r1 = replica("r1");
    fd = http_send("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc");
    expect(&r1, MSG_DISPATCH_HTTP);
    r2 = replica("r2");
    hang_up(&r1);
    expect(&r2, MSG_DISPATCH_HTTP);
    assert_int_equal(msg_dispatch_http_get(&r2.f, &m), 0);
    assert_true(span_is(m.body, "abc"));
    SEND(&r2, head, FRAME_END, r2.f.stream, .status = 200, .body = SPAN("second"));
    http_expect_end(fd, "second");
    hang_up(&r2);
}

static void what_had_begun_answers_500_when_its_replica_dies(void **state)
{
    struct peer r;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
    expect(&r, MSG_DISPATCH_HTTP);
    SEND(&r, started, 0, r.f.stream);
    hang_up(&r);
    http_expect_end(fd, "Internal Server Error");
}

static void a_big_body_flows_only_as_fast_as_it_is_taken(void **state)
{
    enum { SIZE = 2000000 };
    char *body = mem_alloc(SIZE);
    struct timeval short_wait = {.tv_usec = 100000};
    struct msg_dispatch_http d;
    struct peer r;
    size_t got;
    size_t sent = 0;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000\r\n\r\n");
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &short_wait, sizeof(short_wait)), 0);
    for (ssize_t n = 1; n > 0 && sent < SIZE;) {
        n = send(fd, body + sent, SIZE - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t) n : 0;
    }
    expect(&r, MSG_DISPATCH_HTTP);
    assert_int_equal(msg_dispatch_http_get(&r.f, &d), 0);
    got = d.body.size;
    while (got < FRAME_CREDIT) {
        struct msg_body m;

        expect(&r, MSG_BODY);
        assert_int_equal(msg_body_get(&r.f, &m), 0);
        got += m.data.size;
    }
    assert_int_equal(got, FRAME_CREDIT);
    SEND(&r, credit, 0, r.f.stream, .size = SIZE); /* counts only as far as it was sent */
    while (!(r.f.flags & FRAME_END)) {
        struct msg_body m;

        if (sent < SIZE) {
            ssize_t n = send(fd, body + sent, SIZE - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

            sent += n > 0 ? (size_t) n : 0;
        }
        expect(&r, MSG_BODY);
        assert_int_equal(msg_body_get(&r.f, &m), 0);
        got += m.data.size;
        SEND(&r, credit, 0, r.f.stream, .size = (uint32_t) m.data.size);
    }
    assert_int_equal(got, SIZE);
    SEND(&r, head, FRAME_END, r.f.stream, .status = 200, .body = SPAN("taken"));
    http_expect_end(fd, "taken");
    free(body);
    hang_up(&r);
}

static void a_client_that_does_not_read_gets_no_more_than_fits(void **state)
{
    static char part[FRAME_DATA_MAX];
    struct peer r;
    size_t sent = 0;
    size_t credit = FRAME_CREDIT;
    int fd;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    fd = http_send(GET("/a"));
    expect(&r, MSG_DISPATCH_HTTP);
    {
        uint64_t stream = r.f.stream;
        struct timeval short_wait = {.tv_usec = 200000};

        SEND(&r, head, 0, stream, .status = 200);
        assert_int_equal(setsockopt(r.fd, SOL_SOCKET, SO_RCVTIMEO, &short_wait, sizeof(short_wait)),
                         0);
        for (;;) {
            struct msg_credit m;
            ssize_t n;

            while (credit >= sizeof(part)) {
                SEND(&r, chunk, 0, stream, .data = {part, sizeof(part)});
                credit -= sizeof(part);
                sent += sizeof(part);
            }
            n = recv(r.fd, buf_reserve(&r.in, 4096), 4096, MSG_PEEK);
            if (n < 0) {
                break; /* no credit any more: the client's buffers are full */
            }
            expect(&r, MSG_CREDIT);
            assert_int_equal(msg_credit_get(&r.f, &m), 0);
            credit += m.size;
        }
    }
    assert_true(sent < 20000000);
    (void) close(fd);
    hang_up(&r);
}

static void a_handle_call_goes_from_a_driver_to_a_replica_and_back(void **state)
{
    struct msg_dispatch_call d;
    struct msg_chunk c;
    struct msg_error e;
    struct peer r;
    struct peer driver;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    driver = dial_router(ROLE_DRIVER, "42", "{}");
    SEND(&driver, call, FRAME_END, 1, .deployment = SPAN("a#D"), .request_id = SPAN("id"),
         .method = SPAN("predict"), .args = SPAN("args"));
    expect(&r, MSG_DISPATCH_CALL);
    assert_int_equal(msg_dispatch_call_get(&r.f, &d), 0);
    assert_true(span_is(d.method, "predict") && span_is(d.args, "args") && span_is(d.app, "a"));
    SEND(&r, started, 0, r.f.stream);
    expect(&driver, MSG_STARTED);
    SEND(&r, chunk, FRAME_END, r.f.stream, .data = SPAN("result"));
    expect(&driver, MSG_CHUNK);
    assert_int_equal(msg_chunk_get(&driver.f, &c), 0);
    assert_int_equal(driver.f.stream, 1);
    assert_true(span_is(c.data, "result") && (driver.f.flags & FRAME_END));
    SEND(&driver, call, FRAME_END, 3, .deployment = SPAN("a#Nobody"));
    expect(&driver, MSG_ERROR);
    assert_int_equal(msg_error_get(&driver.f, &e), 0);
    assert_int_equal(e.kind, ERROR_NOT_FOUND);
    SEND(&driver, lookup, 0, 5, .app = SPAN("a"));
    expect(&driver, MSG_LOOKUP_RESULT);
    hang_up(&driver);
    hang_up(&r);
}

static void the_calls_of_a_link_that_ends_are_cancelled(void **state)
{
    struct peer r;
    struct peer driver;
    uint64_t stream;

    (void) state;
    snapshot("", "\"replicas\": [\"r1\"]");
    r = replica("r1");
    driver = dial_router(ROLE_DRIVER, "42", "{}");
    SEND(&driver, call, FRAME_END, 1, .deployment = SPAN("a#D"), .method = SPAN("m"));
    expect(&r, MSG_DISPATCH_CALL);
    stream = r.f.stream;
    hang_up(&driver);
    expect(&r, MSG_CANCEL);
    assert_int_equal(r.f.stream, stream);
    hang_up(&r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(before_any_application_the_proxy_is_not_healthy),
        TEST(a_request_reaches_the_replica_and_its_answer_the_client),
        TEST(an_answer_streams_as_it_is_produced),
        TEST(a_full_queue_answers_503_with_its_numbers),
        TEST(a_request_that_takes_too_long_answers_408_and_is_cancelled),
        TEST(a_client_that_leaves_cancels_and_its_slot_frees_when_the_replica_is_done),
        TEST(what_a_dead_replica_had_not_begun_another_answers),
        TEST(what_had_begun_answers_500_when_its_replica_dies),
        TEST(a_big_body_flows_only_as_fast_as_it_is_taken),
        TEST(a_client_that_does_not_read_gets_no_more_than_fits),
        TEST(a_handle_call_goes_from_a_driver_to_a_replica_and_back),
        TEST(the_calls_of_a_link_that_ends_are_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
