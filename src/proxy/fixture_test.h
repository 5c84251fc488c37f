/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROXY_FIXTURE_TEST_H
#define PROXY_FIXTURE_TEST_H

/* For the proxy's tests: the real proxy in a child process, while the test plays controller, node,
 * replica, driver and HTTP client with blocking sockets.  Include it once, in the test's file. */

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

static inline int listen_unix(const char *name)
{
    char path[128];
    int fd;

    (void) snprintf(path, sizeof(path), "%s/sockets/%s", dir, name);
    fd = stream_listen_unix(path, NULL);
    assert_true(fd >= 0);
    return fd;
}

static inline void set_blocking(int fd)
{
    struct timeval patience = {.tv_sec = 10};

    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
}

static inline int accept_blocking(int listener)
{
    int fd;

    assert_int_equal(fcntl(listener, F_SETFL, 0), 0);
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    set_blocking(fd);
    return fd;
}

static inline void send_all(int fd, struct span data)
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

static inline void greet(struct peer *p, enum wire_role role, const char *name, const char *info)
{
    SEND(p, hello, 0, 0, .magic = WIRE_MAGIC, .min_version = 1, .max_version = 1,
         .role = (uint8_t) role, .name = span_of(name), .info_json = span_of(info));
}

static inline void read_frame(struct peer *p)
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
static inline void expect(struct peer *p, unsigned type)
{
    do {
        read_frame(p);
    } while (p->f.type != type);
}

static inline void hang_up(struct peer *p)
{
    (void) close(p->fd);
    buf_deinit(&p->in);
    *p = (struct peer){.fd = -1};
}

static inline struct peer dial_router(enum wire_role role, const char *name, const char *info)
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

/* With a round trip, so that the router has it before the test goes on. */
static inline struct peer replica_running(const char *id, const char *streams)
{
    struct peer p;
    char info[128];

    (void) snprintf(info, sizeof(info), "{\"deployment\": \"a#D\", \"running\": [%s]}", streams);
    p = dial_router(ROLE_REPLICA, id, info);
    SEND(&p, ping, 0, 0, .nonce = 1);
    expect(&p, MSG_PONG);
    return p;
}

static inline struct peer replica(const char *id)
{
    return replica_running(id, "");
}

/* One for which requests wait already. */
static inline struct peer awaited_replica(const char *id)
{
    return dial_router(ROLE_REPLICA, id, "{\"deployment\": \"a#D\", \"running\": []}");
}

/* All that it sent before has been handled, and it sent nothing of another type since. */
static inline void expect_silence(struct peer *p)
{
    SEND(p, ping, 0, 0, .nonce = 2);
    read_frame(p);
    assert_int_equal(p->f.type, MSG_PONG);
}

static inline void expect_hang_up(struct peer *p)
{
    char byte;
    ssize_t n;

    while ((n = recv(p->fd, &byte, 1, 0)) > 0) {
    }
    assert_true(n == 0 || errno == ECONNRESET);
    hang_up(p);
}

static inline void snapshot(const char *http, const char *deployment)
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

static inline int http_connect(void)
{
    int fd = stream_connect_tcp("127.0.0.1", http_port, NULL);

    assert_true(fd >= 0);
    set_blocking(fd);
    return fd;
}

static inline int http_send(const char *request)
{
    int fd = http_connect();

    send_all(fd, span_of(request));
    return fd;
}

/* Reads until what has come contains 'text'. */
static inline void http_expect(int fd, const char *text)
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

static inline void http_expect_end(int fd, const char *text)
{
    http_expect(fd, text);
    (void) close(fd);
}

#define GET(path)        "GET " path " HTTP/1.1\r\nhost: x\r\n\r\n"
#define GET_ID(path, id) "GET " path " HTTP/1.1\r\nhost: x\r\nx-request-id: " id "\r\n\r\n"

static inline void give_listener(void)
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

static inline void start_proxy(void)
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

static inline void meet_proxy(void)
{
    controller = (struct peer){.fd = accept_blocking(controller_listener)};
    greet(&controller, ROLE_CONTROLLER, "controller", "{}");
    expect(&controller, MSG_HELLO);
    node = (struct peer){.fd = accept_blocking(node_listener)};
    greet(&node, ROLE_NODE, "n1", "{}");
    expect(&node, MSG_HELLO);
    give_listener();
}

static inline int up(void **state)
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
    meet_proxy();
    return 0;
}

static inline int down(void **state)
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

#endif
