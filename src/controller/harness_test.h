/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROLLER_HARNESS_TEST_H
#define CONTROLLER_HARNESS_TEST_H

/* For the tests of the controller only: the real program in a child process, and this process as
 * node, proxy and HTTP client with blocking sockets.  Included by each test once. */

#include "controller/main.h"

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http/client.h"
#include "io/file.h"
#include "io/port.h"
#include "wire/channel.h"
#include "wire/phases.h"

#include <cmocka.h>

#define MAYBE_UNUSED __attribute__((unused))

/* Our end of one link: reads frame by frame. */
struct peer {
    int fd;
    struct buf in;
    struct frame f; /* the last one; its payload lives until the next read */
};

static char dir[64];
static pid_t controller_pid;
static int listeners[3]; /* as the controller finds them at 3, 4 and 5 */
static uint16_t port;
static uint16_t cluster_port;
static struct peer node;
static struct peer proxy;
static int http_status;

/* Links. */

MAYBE_UNUSED static void send_all(int fd, struct span data)
{
    while (data.size > 0) {
        ssize_t n = send(fd, data.data, data.size, MSG_NOSIGNAL);

        assert_true(n > 0);
        data.data += n;
        data.size -= (size_t) n;
    }
}

#define SEND(peer, name, ...)                                                                      \
    do {                                                                                           \
        struct buf out_ = {0};                                                                     \
        msg_##name##_put(&out_, 0, 0, &(struct msg_##name){__VA_ARGS__});                          \
        send_all((peer)->fd, buf_span(&out_));                                                     \
        buf_deinit(&out_);                                                                         \
    } while (0)

MAYBE_UNUSED static void read_frame(struct peer *p)
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

MAYBE_UNUSED static void set_blocking(int fd)
{
    struct timeval patience = {.tv_sec = 10};

    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
}

MAYBE_UNUSED static struct peer greet(int fd, enum wire_role role, const char *info)
{
    struct peer p = {.fd = fd};

    assert_true(fd >= 0);
    set_blocking(fd);
    SEND(&p, hello, .magic = WIRE_MAGIC, .min_version = 1, .max_version = 1, .role = (uint8_t) role,
         .name = SPAN("n1"), .info_json = span_of(info));
    read_frame(&p);
    assert_int_equal(p.f.type, MSG_HELLO);
    return p;
}

MAYBE_UNUSED static struct peer dial(enum wire_role role, const char *info)
{
    char path[128];

    (void) snprintf(path, sizeof(path), "%s/sockets/controller", dir);
    return greet(stream_connect_unix(path, NULL), role, info);
}

MAYBE_UNUSED static void hang_up(struct peer *p)
{
    if (p->fd >= 0) {
        (void) close(p->fd);
        buf_deinit(&p->in);
    }
    *p = (struct peer){.fd = -1};
}

/* The next message, which must be of that type; its decoded form is in the variable. */
#define EXPECT(peer, NAME, name)                                                                   \
    struct msg_##name name;                                                                        \
    read_frame(peer);                                                                              \
    assert_string_equal(message_name((peer)->f.type), #NAME);                                      \
    assert_int_equal(msg_##name##_get(&(peer)->f, &name), 0)

/* All that was sent before was handled, and nothing but the answer has come since. */
MAYBE_UNUSED static void expect_silence(struct peer *p)
{
    SEND(p, ping, .nonce = 7);
    EXPECT(p, PONG, pong);
    assert_int_equal(pong.nonce, 7);
}

/* The next snapshot as a document, acknowledged. */
MAYBE_UNUSED static json_t *take_snapshot(bool acknowledge)
{
    json_t *document;

    EXPECT(&proxy, SNAPSHOT, snapshot);
    document = json_loadb(snapshot.snapshot_json.data, snapshot.snapshot_json.size, 0, NULL);
    assert_non_null(document);
    if (acknowledge) {
        SEND(&proxy, snapshot_ack, .version = snapshot.version);
    }
    return document;
}

/* Reads snapshots until one lists these replicas of the first deployment ("" for none at all), and
 * the prefix (NULL: no application). */
MAYBE_UNUSED static void expect_routes(const char *prefix, const char *replicas, bool acknowledge)
{
    bool is_it;

    do {
        json_t *s = take_snapshot(acknowledge);
        json_t *app = json_array_get(json_object_get(s, "applications"), 0);
        json_t *listed =
            json_object_get(json_array_get(json_object_get(s, "deployments"), 0), "replicas");
        struct buf text;

        buf_init(&text);
        for (size_t i = 0; i < json_array_size(listed); i++) {
            buf_printf(&text, "%s%s", i ? " " : "", json_string_value(json_array_get(listed, i)));
        }
        is_it = strcmp(buf_cstr(&text), replicas) == 0 && (prefix != NULL) == (app != NULL) &&
                (!prefix ||
                 strcmp(json_string_value(json_object_get(app, "route_prefix")), prefix) == 0);
        buf_deinit(&text);
        json_decref(s);
    } while (!is_it);
}

/* HTTP. */

MAYBE_UNUSED static char *call(const char *method, const char *path, const char *body)
{
    char *url CLEANUP(mem_freep) = mem_printf("http://127.0.0.1:%u%s", port, path);
    struct http_call c = {.method = method, .url = url, .body = span_of(body)};
    struct err err;
    size_t size = 0;
    char *text = NULL;

    if (http_call(&c, &http_status, &text, &size, &err) < 0) {
        fail_msg("%s %s: %s", method, path, err.text);
    }
    return text;
}

MAYBE_UNUSED static void put(const char *body, int expected_status)
{
    char *answer CLEANUP(mem_freep) = call("PUT", "/api/serve/applications/", body);

    assert_int_equal(http_status, expected_status);
    assert_true(expected_status != 200 || answer[0] == '\0');
}

MAYBE_UNUSED static json_t *details(void)
{
    char *text CLEANUP(mem_freep) = call("GET", "/api/serve/applications/", NULL);
    json_t *d = json_loads(text, 0, NULL);

    assert_int_equal(http_status, 200);
    assert_non_null(d);
    return d;
}

/* A string at the end of a path of keys; "" if there is none. The result lives until the next. */
static const char *shown(const char *first, ...)
{
    static char text[4096];
    json_t *d = details();
    const json_t *at = d;
    va_list keys;

    va_start(keys, first);
    for (const char *key = first; key; key = va_arg(keys, const char *)) {
        at = json_is_array(at) ? json_array_get(at, (size_t) strtoul(key, NULL, 10))
                               : json_object_get(at, key);
    }
    va_end(keys);
    (void) snprintf(text, sizeof(text), "%s", json_is_string(at) ? json_string_value(at) : "");
    json_decref(d);
    return text;
}

#define APP_STATUS()    shown("applications", "a", "status", NULL)
#define APP_MESSAGE()   shown("applications", "a", "message", NULL)
#define DEPLOYMENT(key) shown("applications", "a", "deployments", "D", key, NULL)
#define REPLICA(index, key)                                                                        \
    shown("applications", "a", "deployments", "D", "replicas", index, key, NULL)

/* The controller. */

MAYBE_UNUSED static void start_controller(void)
{
    char session[96];
    char name[] = "controller";
    char node_id[] = "--node-id=n1";
    char *argv[] = {name, session, node_id, NULL};

    (void) snprintf(session, sizeof(session), "--session-dir=%s", dir);
    controller_pid = fork();
    assert_true(controller_pid >= 0);
    if (controller_pid == 0) {
        int fds[3];

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int i = 0; i < 3; i++) {
            fds[i] = fcntl(listeners[i], F_DUPFD, 20);
        }
        for (int i = 0; i < 3; i++) {
            (void) dup2(fds[i], 3 + i);
            (void) close(fds[i]);
        }
        exit(controller_main(3, argv));
    }
}

MAYBE_UNUSED static void end_controller(int signal_number)
{
    int status = 0;

    assert_int_equal(kill(controller_pid, signal_number), 0);
    assert_int_equal(waitpid(controller_pid, &status, 0), controller_pid);
    if (signal_number == SIGTERM) {
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    controller_pid = 0;
}

MAYBE_UNUSED static void join_node(void)
{
    node = dial(ROLE_NODE, "{\"node_id\": \"n1\", \"node_ip\": \"10.0.0.1\", \"hostname\": \"h\", "
                           "\"resources\": {\"CPU\": 8.0}}");
}

MAYBE_UNUSED static void join_all(void)
{
    join_node();
    SEND(&node, node_ready, .info_json = SPAN("{}"));
    expect_silence(&node);
    proxy = dial(ROLE_PROXY, "{\"node_id\": \"n1\"}");
}

MAYBE_UNUSED static int up(void **state)
{
    char path[128];

    (void) state;
    (void) snprintf(dir, sizeof(dir), "/tmp/controller-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void) snprintf(path, sizeof(path), "%s/sockets", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    (void) snprintf(path, sizeof(path), "%s/sockets/controller", dir);
    listeners[0] = stream_listen_tcp("127.0.0.1", 0, false, NULL);
    listeners[1] = stream_listen_unix(path, NULL);
    listeners[2] = stream_listen_tcp("127.0.0.1", 0, false, NULL);
    port = port_of(listeners[0]);
    cluster_port = port_of(listeners[2]);
    start_controller();
    join_all();
    return 0;
}

MAYBE_UNUSED static int down(void **state)
{
    static const char *const left[] = {"sockets/controller", "sockets", "state.json", ""};
    char path[128];

    (void) state;
    hang_up(&node);
    hang_up(&proxy);
    end_controller(SIGTERM);
    for (size_t i = 0; i < ARRAY_LEN(left); i++) {
        (void) snprintf(path, sizeof(path), "%s/%s", dir, left[i]);
        (void) remove(path);
    }
    for (size_t i = 0; i < ARRAY_LEN(listeners); i++) {
        (void) close(listeners[i]);
    }
    return 0;
}

/* What a node does. */

#define ARTEFACT(code)                                                                             \
    "{\"version\": 1, \"application\": \"a\", \"ingress\": \"D\", \"code_version\": \"" code       \
    "\", \"python\": {\"executable\": \"/python\"}, \"deployments\": [{\"name\": \"D\", "          \
    "\"blob\": \"" code "\", \"is_asgi\": false, \"docs_path\": null, \"options\": {}, "           \
    "\"outbound\": [], \"has_reconfigure\": false}]}"

/* An application "a" with one deployment, further fields of which may be given. */
#define CONFIG(import_path, more)                                                                  \
    "{\"applications\": [{\"name\": \"a\", \"route_prefix\": \"/a\", \"import_path\": "            \
    "\"" import_path "\", \"deployments\": [{\"name\": \"D\"" more "}]}]}"

MAYBE_UNUSED static void report(const char *id, enum replica_phase phase, const char *detail)
{
    SEND(&node, replica_state, .replica_id = span_of(id), .phase = (uint8_t) phase, .pid = 77,
         .detail = span_of(detail));
}

MAYBE_UNUSED static void take_listen(const char *host, uint16_t http_port)
{
    EXPECT(&node, LISTEN_HTTP, listen_http);
    assert_true(span_is(listen_http.host, host));
    assert_int_equal(listen_http.port, http_port);
    SEND(&node, listening_http, .host = listen_http.host, .port = http_port);
}

MAYBE_UNUSED static void take_build(char *ret_id, size_t size, const char *said)
{
    char *spec CLEANUP(mem_freep) = NULL;

    EXPECT(&node, BUILD, build);
    (void) snprintf(ret_id, size, "%.*s", (int) build.build_id.size, build.build_id.data);
    spec = mem_strndup(build.spec_json.data, build.spec_json.size);
    assert_non_null(strstr(spec, said));
}

MAYBE_UNUSED static void answer_build(const char *said, const char *result)
{
    char id[64];

    take_build(id, sizeof(id), said);
    SEND(&node, built, .build_id = span_of(id), .result_json = span_of(result));
}

MAYBE_UNUSED static void take_start(char ret_id[9])
{
    json_t *spec;

    EXPECT(&node, START_REPLICA, start_replica);
    (void) snprintf(ret_id, 9, "%.*s", (int) start_replica.replica_id.size,
                    start_replica.replica_id.data);
    spec = json_loadb(start_replica.spec_json.data, start_replica.spec_json.size, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(spec, "app")), "a");
    assert_string_equal(json_string_value(json_object_get(spec, "deployment")), "D");
    assert_true(json_is_true(json_object_get(spec, "is_ingress")));
    assert_int_equal(json_integer_value(
                         json_object_get(json_object_get(spec, "config"), "max_ongoing_requests")),
                     5);
    json_decref(spec);
}

MAYBE_UNUSED static void take_stop(const char *id)
{
    EXPECT(&node, STOP_REPLICA, stop_replica);
    assert_true(span_is(stop_replica.replica_id, id));
}

/* From nothing to one running replica. */
MAYBE_UNUSED static void run_a(char ret_id[9])
{
    put(CONFIG("m:a", ""), 200);
    take_listen("0.0.0.0", 8000);
    answer_build("\"import_path\":\"m:a\"", ARTEFACT("v1"));
    take_start(ret_id);
    report(ret_id, PHASE_CONSTRUCT, "");
    report(ret_id, PHASE_READY, "");
    expect_routes("/a", ret_id, true);
    expect_silence(&proxy);
    assert_string_equal(APP_STATUS(), "RUNNING");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

#endif
