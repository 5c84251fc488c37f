/* SPDX-License-Identifier: Apache-2.0 */
/* The real controller in a child process; this process plays node, proxy and HTTP client with
 * blocking sockets. */

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

static void send_all(int fd, struct span data)
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

static void set_blocking(int fd)
{
    struct timeval patience = {.tv_sec = 10};

    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
}

static struct peer greet(int fd, enum wire_role role, const char *info)
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

static struct peer dial(enum wire_role role, const char *info)
{
    char path[128];

    (void) snprintf(path, sizeof(path), "%s/sockets/controller", dir);
    return greet(stream_connect_unix(path, NULL), role, info);
}

static void hang_up(struct peer *p)
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
static void expect_silence(struct peer *p)
{
    SEND(p, ping, .nonce = 7);
    EXPECT(p, PONG, pong);
    assert_int_equal(pong.nonce, 7);
}

/* The next snapshot as a document, acknowledged. */
static json_t *take_snapshot(bool acknowledge)
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
static void expect_routes(const char *prefix, const char *replicas, bool acknowledge)
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

static char *call(const char *method, const char *path, const char *body)
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

static void put(const char *body, int expected_status)
{
    char *answer CLEANUP(mem_freep) = call("PUT", "/api/serve/applications/", body);

    assert_int_equal(http_status, expected_status);
    assert_true(expected_status != 200 || answer[0] == '\0');
}

static json_t *details(void)
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

static void start_controller(void)
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
        (void) freopen("/dev/null", "w", stdout);
        exit(controller_main(3, argv));
    }
}

static void end_controller(int signal_number)
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

static void join_node(void)
{
    node = dial(ROLE_NODE, "{\"node_id\": \"n1\", \"node_ip\": \"10.0.0.1\", \"hostname\": \"h\", "
                           "\"resources\": {\"CPU\": 8.0}}");
}

static void join_all(void)
{
    join_node();
    SEND(&node, node_ready, .info_json = SPAN("{}"));
    expect_silence(&node);
    proxy = dial(ROLE_PROXY, "{\"node_id\": \"n1\"}");
}

static int up(void **state)
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

static int down(void **state)
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

static void report(const char *id, enum replica_phase phase, const char *detail)
{
    SEND(&node, replica_state, .replica_id = span_of(id), .phase = (uint8_t) phase, .pid = 77,
         .detail = span_of(detail));
}

static void take_listen(const char *host, uint16_t http_port)
{
    EXPECT(&node, LISTEN_HTTP, listen_http);
    assert_true(span_is(listen_http.host, host));
    assert_int_equal(listen_http.port, http_port);
    SEND(&node, listening_http, .host = listen_http.host, .port = http_port);
}

static void take_build(char *ret_id, size_t size, const char *said)
{
    char *spec CLEANUP(mem_freep) = NULL;

    EXPECT(&node, BUILD, build);
    (void) snprintf(ret_id, size, "%.*s", (int) build.build_id.size, build.build_id.data);
    spec = mem_strndup(build.spec_json.data, build.spec_json.size);
    assert_non_null(strstr(spec, said));
}

static void answer_build(const char *said, const char *result)
{
    char id[64];

    take_build(id, sizeof(id), said);
    SEND(&node, built, .build_id = span_of(id), .result_json = span_of(result));
}

static void take_start(char ret_id[9])
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

static void take_stop(const char *id)
{
    EXPECT(&node, STOP_REPLICA, stop_replica);
    assert_true(span_is(stop_replica.replica_id, id));
}

/* From nothing to one running replica. */
static void run_a(char ret_id[9])
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

/* The tests. */

static void before_the_first_deploy_get_has_the_empty_form(void **state)
{
    char *text CLEANUP(mem_freep) = call("GET", "/api/serve/applications/", NULL);

    (void) state;
    assert_string_equal(text,
                        "{\"deploy_mode\":\"MULTI_APP\",\"controller_info\":{},\"proxies\":{},"
                        "\"applications\":{},\"target_capacity\":null}");
}

static void a_put_becomes_a_running_application(void **state)
{
    char id[9];

    (void) state;
    put(CONFIG("m:a", ""), 200);
    assert_string_equal(APP_STATUS(), "DEPLOYING");
    assert_string_equal(DEPLOYMENT("status"), ""); /* none while it is built */
    take_listen("0.0.0.0", 8000);
    answer_build("\"import_path\":\"m:a\"", ARTEFACT("v1"));
    take_start(id);
    assert_string_equal(DEPLOYMENT("status"), "UPDATING");
    assert_string_equal(REPLICA("0", "state"), "STARTING");
    report(id, PHASE_READY, "");
    expect_routes("/a", id, false);
    expect_silence(&node);
    assert_string_equal(APP_STATUS(), "DEPLOYING"); /* the proxy has not said that it knows */
    expect_silence(&node);
    SEND(&proxy, snapshot_ack, .version = UINT64_MAX);
    expect_silence(&proxy);
    assert_string_equal(APP_STATUS(), "RUNNING");
    assert_string_equal(DEPLOYMENT("status"), "HEALTHY");
    assert_string_equal(DEPLOYMENT("status_trigger"), "CONFIG_UPDATE_COMPLETED");
    assert_string_equal(REPLICA("0", "replica_id"), id);
    assert_string_equal(shown("proxies", "n1", "status", NULL), "HEALTHY");
    assert_string_equal(shown("target_groups", "0", "targets", "0", "ip", NULL), "10.0.0.1");
}

static void get_has_the_keys_of_the_contract_in_their_order(void **state)
{
    static const char *const keys[] = {
        "{\"controller_info\":{\"node_id\":",
        "\"log_file_path\":\"/serve/controller_",
        "\"proxy_location\":\"EveryNode\"",
        "\"http_options\":{\"host\":\"0.0.0.0\",\"port\":8000,",
        "\"keep_alive_timeout_s\":90",
        "\"grpc_options\":{\"port\":9000,",
        "\"proxies\":{\"n1\":{",
        "\"status\":\"HEALTHY\"",
        "\"applications\":{\"a\":{\"name\":\"a\",\"route_prefix\":\"/a\",",
        "\"docs_path\":null,\"status\":\"RUNNING\",\"message\":\"\",\"last_deployed_time_s\":",
        "\"deployed_app_config\":{\"name\":\"a\",\"route_prefix\":\"/a\",\"import_path\":\"m:a\",",
        "\"source\":\"declarative\",\"deployments\":{\"D\":{\"name\":\"D\",\"status\":\"HEALTHY\",",
        "\"status_trigger\":\"CONFIG_UPDATE_COMPLETED\",\"message\":\"\",\"deployment_config\":{",
        "\"target_num_replicas\":1,\"required_resources\":{\"CPU\":1",
        "\"replicas\":[{\"node_id\":",
        "\"actor_name\":\"SERVE_REPLICA::a#D#",
        "\"state\":\"RUNNING\",\"pid\":77,",
        "\"start_time_s\":",
        "\"external_scaler_enabled\":false,\"deployment_topology\":{",
        "\"target_capacity\":null,\"target_groups\":[{\"targets\":[{\"ip\":\"10.0.0.1\",",
    };
    char *text CLEANUP(mem_freep) = NULL;
    const char *at;
    char id[9];

    (void) state;
    run_a(id);
    at = text = call("GET", "/api/serve/applications/", NULL);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *found = strstr(at, keys[i]);

        if (!found) {
            fail_msg("%s is not in, or not in its place: %s", keys[i], text);
        }
        at = found;
    }
}

static void a_constructor_that_fails_three_times_fails_the_deploy(void **state)
{
    char id[9];

    (void) state;
    put(CONFIG("m:a", ""), 200);
    take_listen("0.0.0.0", 8000);
    answer_build("m:a", ARTEFACT("v1"));
    for (int i = 0; i < 3; i++) {
        take_start(id);
        report(id, PHASE_FAILED, "Traceback: no weights \xff");
        take_stop(id);
        report(id, PHASE_GONE, "");
    }
    expect_silence(&node);
    assert_string_equal(APP_STATUS(), "DEPLOY_FAILED");
    assert_string_equal(APP_MESSAGE(), "Failed to update the deployments ['D'].");
    assert_string_equal(DEPLOYMENT("status_trigger"), "REPLICA_STARTUP_FAILED");
    assert_non_null(strstr(DEPLOYMENT("message"), "failed to start 3 times in a row"));
    assert_non_null(strstr(DEPLOYMENT("message"), "Traceback: no weights ?"));
}

static void a_failed_build_is_in_the_status_and_the_old_version_serves(void **state)
{
    char id[9];

    (void) state;
    run_a(id);
    put(CONFIG("m:broken", ""), 200);
    answer_build("m:broken", "{\"error\": \"Traceback: no module\"}");
    expect_silence(&node);
    assert_string_equal(APP_STATUS(), "DEPLOY_FAILED");
    assert_string_equal(APP_MESSAGE(),
                        "Deploying app 'a' failed with exception:\nTraceback: no module");
    assert_string_equal(DEPLOYMENT("status"), "");
    expect_silence(&proxy); /* routes have not changed */
}

static void a_bad_document_is_refused_and_changes_nothing(void **state)
{
    char *answer CLEANUP(mem_freep) = NULL;
    char id[9];

    (void) state;
    run_a(id);
    answer =
        call("PUT", "/api/serve/applications/", CONFIG("m:a", ", \"max_ongoing_requests\": 0"));
    assert_int_equal(http_status, 400);
    assert_non_null(strstr(answer, "ensure this value is greater than 0"));
    assert_non_null(
        strstr(answer, "('applications', 0, 'deployments', 0, 'max_ongoing_requests')"));
    put("{", 400);
    expect_silence(&node);
    assert_string_equal(APP_STATUS(), "RUNNING");
}

static void an_identical_put_moves_nothing(void **state)
{
    char id[9];

    (void) state;
    run_a(id);
    put(CONFIG("m:a", ""), 200);
    expect_silence(&node);
    expect_silence(&proxy);
    assert_string_equal(APP_STATUS(), "RUNNING");
    assert_string_equal(REPLICA("0", "replica_id"), id);
}

static void a_put_during_a_build_cancels_it(void **state)
{
    char first[64];
    char id[9];

    (void) state;
    put(CONFIG("m:a", ""), 200);
    take_listen("0.0.0.0", 8000);
    take_build(first, sizeof(first), "m:a");
    put(CONFIG("m:b", ""), 200);
    {
        EXPECT(&node, CANCEL_BUILD, cancel_build);
        assert_true(span_is(cancel_build.build_id, first));
    }
    SEND(&node, built, .build_id = span_of(first), .result_json = SPAN(ARTEFACT("v1")));
    answer_build("m:b", ARTEFACT("v2"));
    take_start(id);
}

static void an_update_keeps_the_old_replica_until_the_new_one_serves(void **state)
{
    char old[9];
    char new[9];

    (void) state;
    run_a(old);
    put(CONFIG("m:b", ""), 200);
    answer_build("m:b", ARTEFACT("v2"));
    take_start(new);
    expect_silence(&node); /* the old one is not touched */
    report(new, PHASE_READY, "");
    expect_routes("/a", new, false); /* one takes the other's place in one step */
    expect_silence(&node);           /* not stopped before the proxy knows */
    SEND(&proxy, snapshot_ack, .version = UINT64_MAX);
    take_stop(old);
    assert_string_equal(APP_STATUS(), "RUNNING");
    report(old, PHASE_GONE, "");
    expect_silence(&node);
    assert_string_equal(REPLICA("0", "replica_id"), new);
}

static void a_new_user_config_goes_to_the_replica_in_place(void **state)
{
    char id[9];

    (void) state;
    run_a(id);
    put(CONFIG("m:a", ", \"user_config\": {\"x\": 1}"), 200);
    {
        EXPECT(&node, RECONFIGURE, reconfigure);
        assert_true(span_is(reconfigure.replica_id, id));
    }
    report(id, PHASE_RECONFIGURE, "");
    expect_silence(&node);
    assert_string_equal(REPLICA("0", "state"), "UPDATING");
    report(id, PHASE_READY, "");
    expect_silence(&node);
    assert_string_equal(APP_STATUS(), "RUNNING");
}

static void an_application_that_is_declared_no_more_goes(void **state)
{
    char id[9];

    (void) state;
    run_a(id);
    put("{\"applications\": []}", 200);
    expect_routes(NULL, "", true);
    take_stop(id);
    assert_string_equal(APP_STATUS(), "DELETING");
    report(id, PHASE_GONE, "");
    expect_silence(&node);
    assert_string_equal(APP_STATUS(), "");
    assert_string_equal(shown("proxy_location", NULL), "EveryNode"); /* Serve runs on */
}

static void delete_ends_serve_and_answers_when_all_is_gone(void **state)
{
    int fd = stream_connect_tcp("127.0.0.1", port, NULL);
    char answer[512];
    char id[9];
    ssize_t n;

    (void) state;
    run_a(id);
    set_blocking(fd);
    send_all(fd, SPAN("DELETE /api/serve/applications/ HTTP/1.1\r\nhost: x\r\n\r\n"));
    take_listen("", 0);
    expect_routes(NULL, "", true);
    take_stop(id);
    assert_int_equal(recv(fd, answer, sizeof(answer), MSG_DONTWAIT), -1);
    report(id, PHASE_GONE, "");
    n = recv(fd, answer, sizeof(answer) - 1, 0);
    assert_true(n > 0);
    answer[n] = '\0';
    assert_int_equal(strncmp(answer, "HTTP/1.1 200 ", 13), 0);
    (void) close(fd);
    assert_string_equal(shown("deploy_mode", NULL), "MULTI_APP");
}

static void a_restarted_controller_adopts_what_runs(void **state)
{
    char id[9];

    (void) state;
    run_a(id);
    hang_up(&node);
    hang_up(&proxy);
    end_controller(SIGKILL);
    start_controller();
    proxy = dial(ROLE_PROXY, "{\"node_id\": \"n1\"}");
    expect_silence(&proxy); /* no routes before the node has told */
    join_node();
    take_listen("0.0.0.0", 8000);
    report(id, PHASE_READY, "");
    SEND(&node, node_ready, .info_json = SPAN("{}"));
    expect_routes("/a", id, true);
    expect_silence(&node); /* nothing is started or stopped */
    expect_silence(&proxy);
    assert_string_equal(APP_STATUS(), "RUNNING");
    assert_string_equal(REPLICA("0", "replica_id"), id);
    put(CONFIG("m:a", ""), 200);
    expect_silence(&node); /* and it still knows what that is made of */
}

static void a_restarted_controller_replaces_what_has_gone(void **state)
{
    char id[9];
    char another[9];

    (void) state;
    run_a(id);
    hang_up(&node);
    hang_up(&proxy);
    end_controller(SIGKILL);
    start_controller();
    join_node();
    take_listen("0.0.0.0", 8000);
    SEND(&node, node_ready, .info_json = SPAN("{}"));
    take_start(another);
    assert_string_not_equal(id, another);
}

static void a_replica_that_nobody_knows_is_stopped(void **state)
{
    (void) state;
    report("stranger", PHASE_READY, "");
    take_stop("stranger");
}

static void serve_run_brings_its_artefact(void **state)
{
    char *answer CLEANUP(mem_freep) =
        call("PUT", "/api/model_service/applications/a",
             "{\"artefact\": " ARTEFACT("v1") ", \"route_prefix\": \"/r\"}");
    char *other CLEANUP(mem_freep) = NULL;
    char *deleted CLEANUP(mem_freep) = NULL;
    char id[9];

    (void) state;
    assert_string_equal(answer, "{}");
    take_listen("127.0.0.1", 8000);
    take_start(id);
    report(id, PHASE_READY, "");
    expect_routes("/r", id, true);
    expect_silence(&proxy);
    assert_string_equal(APP_STATUS(), "RUNNING");
    assert_string_equal(shown("applications", "a", "source", NULL), "imperative");
    other = call("PUT", "/api/model_service/applications/b",
                 "{\"artefact\": " ARTEFACT("v1") ", \"route_prefix\": \"/r\"}");
    assert_int_equal(http_status, 409);
    assert_non_null(strstr(other, "being used by application \"a\""));
    put("{\"applications\": []}", 200); /* says nothing about what was run */
    expect_silence(&node);
    assert_string_equal(APP_STATUS(), "RUNNING");
    deleted = call("DELETE", "/api/model_service/applications/a", NULL);
    assert_string_equal(deleted, "{}");
    expect_routes(NULL, "", true);
    take_stop(id);
}

static void the_scale_api_answers_as_ray(void **state)
{
    static const char path[] = "/api/v1/applications/a/deployments/D/scale";
    char *answers[5];
    char id[9];

    (void) state;
    answers[0] = call("POST", path, "{\"target_num_replicas\": 2}");
    assert_int_equal(http_status, 503);
    run_a(id);
    answers[1] = call("POST", path, "{\"target_num_replicas\": 2}");
    assert_int_equal(http_status, 412);
    assert_non_null(strstr(answers[1], "external_scaler_enabled=false"));
    answers[2] = call("POST", path, "{\"target_num_replicas\": -1}");
    assert_int_equal(http_status, 400);
    put("{\"applications\": [{\"name\": \"a\", \"route_prefix\": \"/a\", \"import_path\": \"m:a\", "
        "\"external_scaler_enabled\": true, \"deployments\": [{\"name\": \"D\"}]}]}",
        200);
    answers[3] =
        call("POST", "/api/v1/applications/a/deployments/X/scale", "{\"target_num_replicas\": 2}");
    assert_int_equal(http_status, 400);
    assert_non_null(strstr(answers[3], "Application or Deployment not found"));
    answers[4] = call("POST", path, "{\"target_num_replicas\": 2}");
    assert_int_equal(http_status, 200);
    take_start(id);
    assert_string_equal(DEPLOYMENT("status"), "HEALTHY");
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        free(answers[i]);
    }
}

static void health_version_and_unknown_paths_answer(void **state)
{
    char *health CLEANUP(mem_freep) = call("GET", "/api/gcs_healthz", NULL);
    char *version CLEANUP(mem_freep) = call("GET", "/api/ray/version", NULL);
    char *nothing CLEANUP(mem_freep) = NULL;
    char *type CLEANUP(mem_freep) = NULL;

    (void) state;
    assert_string_equal(health, "success");
    assert_non_null(strstr(version, "\"version\":\"4\",\"ray_version\":\"2.53.0\""));
    nothing = call("GET", "/api/serve/applications", NULL);
    assert_int_equal(http_status, 404);
    type = call("GET", "/api/serve/applications/?api_type=x", NULL);
    assert_int_equal(http_status, 400);
    assert_string_equal(type,
                        "Invalid 'api_type' value: 'x'. Must be one of: imperative, declarative");
}

static void a_page_in_a_browser_cannot_deploy(void **state)
{
    int fd = stream_connect_tcp("127.0.0.1", port, NULL);
    char answer[512];
    ssize_t n;

    (void) state;
    set_blocking(fd);
    send_all(fd, SPAN("PUT /api/serve/applications/ HTTP/1.1\r\nhost: x\r\norigin: http://evil\r\n"
                      "content-length: 20\r\n\r\n{\"applications\": []}"));
    n = recv(fd, answer, sizeof(answer) - 1, 0);
    assert_true(n > 0);
    answer[n] = '\0';
    assert_int_equal(strncmp(answer, "HTTP/1.1 405 ", 13), 0);
    assert_non_null(strstr(answer, "Method Not Allowed for browser traffic."));
    (void) close(fd);
    assert_string_equal(shown("deploy_mode", NULL), "MULTI_APP");
}

static void the_cluster_port_greets_a_command_line(void **state)
{
    struct peer cli = greet(stream_connect_tcp("127.0.0.1", cluster_port, NULL), ROLE_CLI, "{}");

    (void) state;
    expect_silence(&cli);
    hang_up(&cli);
}

static void start_tells_the_options_in_effect(void **state)
{
    char *first CLEANUP(mem_freep) =
        call("POST", "/api/model_service/start", "{\"http_options\": {\"port\": 8123}}");
    char *second CLEANUP(mem_freep) = NULL;
    char *instance CLEANUP(mem_freep) = NULL;

    (void) state;
    assert_int_equal(http_status, 200);
    assert_non_null(strstr(first, "\"host\":\"127.0.0.1\",\"port\":8123"));
    take_listen("127.0.0.1", 8123);
    second = call("POST", "/api/model_service/start", "{\"http_options\": {\"port\": 8124}}");
    assert_string_equal(first, second);
    expect_silence(&node);
    instance = call("GET", "/api/model_service/instance", NULL);
    assert_non_null(strstr(instance, "\"http\":{\"host\":\"127.0.0.1\",\"port\":8123}"));
    assert_non_null(strstr(instance, "\"resources\":{\"CPU\":8.0}"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(before_the_first_deploy_get_has_the_empty_form),
        TEST(a_put_becomes_a_running_application),
        TEST(get_has_the_keys_of_the_contract_in_their_order),
        TEST(a_constructor_that_fails_three_times_fails_the_deploy),
        TEST(a_failed_build_is_in_the_status_and_the_old_version_serves),
        TEST(a_bad_document_is_refused_and_changes_nothing),
        TEST(an_identical_put_moves_nothing),
        TEST(a_put_during_a_build_cancels_it),
        TEST(an_update_keeps_the_old_replica_until_the_new_one_serves),
        TEST(a_new_user_config_goes_to_the_replica_in_place),
        TEST(an_application_that_is_declared_no_more_goes),
        TEST(delete_ends_serve_and_answers_when_all_is_gone),
        TEST(a_restarted_controller_adopts_what_runs),
        TEST(a_restarted_controller_replaces_what_has_gone),
        TEST(a_replica_that_nobody_knows_is_stopped),
        TEST(serve_run_brings_its_artefact),
        TEST(the_scale_api_answers_as_ray),
        TEST(health_version_and_unknown_paths_answer),
        TEST(a_page_in_a_browser_cannot_deploy),
        TEST(the_cluster_port_greets_a_command_line),
        TEST(start_tells_the_options_in_effect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
