/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPLICA_HOST_TESTING_H
#define REPLICA_HOST_TESTING_H

/* What the host's tests share: the other ends, a router and a node that the test plays, over real
 * sockets, in the test's own thread.  Everything is waited for by turning their loop until it is
 * there; nothing sleeps.  Included once by each test program. */

#include "replica/host.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire/channel.h"

#define UNUSED __attribute__((unused))

enum { PATIENCE_S = 10 };

struct got {
    struct list link;
    struct frame frame;
    char payload[];
};

struct peer {
    const char *name;
    enum wire_role role;
    int listener;
    struct io_watch watch;
    struct channel ch;
    bool is_open;
    int n_links;
    char info[512]; /* of the last HELLO */
    char token[64];
    struct list frames; /* of struct got.link; owned */
};

static struct loop *loop;
static struct peer router;
static struct peer node;
static struct host *host;
static char dir[] = "/tmp/host_test.XXXXXX";
static struct list events;

static UNUSED int on_hello(struct channel *ch, const struct msg_hello *hello)
{
    struct peer *p = CONTAINER_OF(ch, struct peer, ch);

    (void) snprintf(p->info, sizeof(p->info), "%.*s", (int) hello->info_json.size,
                    hello->info_json.data);
    (void) snprintf(p->token, sizeof(p->token), "%.*s", (int) hello->token.size, hello->token.data);
    p->n_links++;
    return 0;
}

static UNUSED int on_message(struct channel *ch, const struct frame *f)
{
    struct peer *p = CONTAINER_OF(ch, struct peer, ch);
    struct got *g = mem_alloc(sizeof(*g) + f->size);

    memcpy(g->payload, f->payload, f->size);
    g->frame = *f;
    g->frame.payload = g->payload;
    list_push_back(&p->frames, &g->link);
    return 0;
}

static UNUSED void on_close(struct channel *ch, const struct err *err)
{
    (void) err;
    CONTAINER_OF(ch, struct peer, ch)->is_open = false;
    channel_deinit(ch);
}

static const struct channel_events peer_events = {on_hello, on_message, on_close, NULL};

static UNUSED void on_connect(struct io_watch *w, unsigned what)
{
    struct peer *p = CONTAINER_OF(w, struct peer, watch);
    struct channel_hello hello = {
        .role = p->role, .peer_roles = ROLE_REPLICA | ROLE_DRIVER, .name = p->name};
    int fd = stream_accept(p->listener, NULL, 0);

    (void) what;
    assert_true(fd >= 0);
    assert_false(p->is_open);
    p->is_open = true;
    channel_init(&p->ch, loop, fd, &hello, &peer_events);
}

static UNUSED void peer_listen(struct peer *p)
{
    char path[100];

    (void) snprintf(path, sizeof(path), "%s/sockets/%s", dir, p->name);
    p->listener = stream_listen_unix(path, NULL);
    assert_true(p->listener >= 0);
    io_watch_start(&p->watch, loop, p->listener, IO_READ, on_connect);
}

static UNUSED void peer_init(struct peer *p, const char *name, enum wire_role role)
{
    *p = (struct peer){.name = name, .role = role};
    list_init(&p->frames);
    peer_listen(p);
}

static UNUSED void peer_cut(struct peer *p)
{
    if (p->is_open) {
        channel_deinit(&p->ch);
        p->is_open = false;
    }
}

static UNUSED void peer_forget(struct peer *p)
{
    struct list *entry;

    while ((entry = list_pop_front(&p->frames))) {
        free(LIST_ENTRY(entry, struct got, link));
    }
}

static UNUSED void peer_deinit(struct peer *p)
{
    peer_cut(p);
    io_watch_stop(&p->watch);
    (void) close(p->listener);
    peer_forget(p);
}

/* Waiting. */

static UNUSED time_t now_s(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        time_t end_ = now_s() + PATIENCE_S;                                                        \
        while (!(condition)) {                                                                     \
            loop_turn(loop, 1);                                                                    \
            assert_true(now_s() < end_);                                                           \
        }                                                                                          \
    } while (0)

static UNUSED bool has_event(void)
{
    if (list_empty(&events)) {
        host_take(host, false, &events);
    }
    return !list_empty(&events);
}

/* The next event, which must be of this type; the caller frees it. */
static UNUSED struct host_event *next_event(enum host_event_type type)
{
    struct host_event *e;

    UNTIL(has_event());
    e = LIST_ENTRY(list_pop_front(&events), struct host_event, link);
    assert_int_equal(e->type, type);
    return e;
}

static UNUSED void skip_event(enum host_event_type type)
{
    host_event_free(next_event(type));
}

/* The next frame, which must be of this type; the caller frees it. */
static UNUSED struct got *next_frame(struct peer *p, enum message_type type)
{
    struct got *g;

    UNTIL(!list_empty(&p->frames));
    g = LIST_ENTRY(list_pop_front(&p->frames), struct got, link);
    assert_string_equal(message_name(g->frame.type), message_name(type));
    return g;
}

static UNUSED void skip_frame(struct peer *p, enum message_type type)
{
    free(next_frame(p, type));
}

/* Set-up. */

static UNUSED void set_up(enum wire_role role)
{
    struct host_config config = {.role = role,
                                 .session_dir = dir,
                                 .name = "r1",
                                 .token = "secret",
                                 .info_json = "{\"pid\": 1}",
                                 .lifeline_fd = -1};
    char path[100];

    (void) snprintf(dir, sizeof(dir), "/tmp/host_test.XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void) snprintf(path, sizeof(path), "%s/sockets", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    list_init(&events);
    loop = loop_new();
    peer_init(&router, "router", ROLE_PROXY);
    peer_init(&node, "node", ROLE_NODE);
    host = host_new(&config);
}

static UNUSED int set_up_replica(void **state)
{
    (void) state;
    set_up(ROLE_REPLICA);
    skip_event(HOST_LINK);
    host_join(host, "{\"deployment\": \"a#D\"}");
    skip_event(HOST_LINK);
    UNTIL(router.n_links == 1);
    return 0;
}

static UNUSED int set_up_driver(void **state)
{
    (void) state;
    set_up(ROLE_DRIVER);
    skip_event(HOST_LINK);
    UNTIL(router.n_links == 1);
    return 0;
}

static UNUSED int tear_down(void **state)
{
    struct list *entry;
    char command[200];

    (void) state;
    host_free(host);
    while ((entry = list_pop_front(&events))) {
        host_event_free(LIST_ENTRY(entry, struct host_event, link));
    }
    peer_deinit(&router);
    peer_deinit(&node);
    loop_free(loop);
    (void) snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

static UNUSED void send_http(uint64_t id, struct span body, bool is_complete)
{
    struct buf headers = {0};
    struct msg_dispatch_http m = {.request_id = SPAN("id"),
                                  .app = SPAN("a"),
                                  .method = SPAN("POST"),
                                  .path = SPAN("/p"),
                                  .body = body};

    wire_header_put(&headers, SPAN("host"), SPAN("h"));
    m.headers = buf_span(&headers);
    msg_dispatch_http_put(channel_out(&router.ch), is_complete ? FRAME_END : 0, id, &m);
    buf_deinit(&headers);
}

static UNUSED void send_call(uint64_t id, struct span args, bool streaming, bool is_complete)
{
    struct msg_dispatch_call m = {
        .method = SPAN("__call__"), .app = SPAN("a"), .streaming = streaming, .args = args};

    msg_dispatch_call_put(channel_out(&router.ch), is_complete ? FRAME_END : 0, id, &m);
}

static UNUSED void send_credit(uint64_t id, size_t size)
{
    msg_credit_put(channel_out(&router.ch), 0, id, &(struct msg_credit){.size = (uint32_t) size});
}

static UNUSED void send_cancel(uint64_t id)
{
    msg_cancel_put(channel_out(&router.ch), 0, id, &(struct msg_cancel){.kind = ERROR_TIMEOUT});
}

static UNUSED char *pattern(size_t size)
{
    char *p = mem_alloc(size);

    for (size_t i = 0; i < size; i++) {
        p[i] = (char) (i * 31 + (i >> 12));
    }
    return p;
}

static UNUSED void expect_cancelled(uint64_t id)
{
    struct got *g = next_frame(&router, MSG_ERROR);
    struct msg_error m;

    assert_int_equal(g->frame.stream, id);
    assert_true(g->frame.flags & FRAME_END);
    assert_int_equal(msg_error_get(&g->frame, &m), 0);
    assert_int_equal(m.kind, ERROR_CANCELLED);
    free(g);
}

static UNUSED uint64_t call(struct span args, bool streaming)
{
    struct msg_call m = {.deployment = SPAN("a#B"),
                         .method = SPAN("__call__"),
                         .request_id = SPAN("id"),
                         .streaming = streaming,
                         .args = args};
    int64_t id = host_call(host, &m);

    assert_int_equal(id & 1, 1);
    return (uint64_t) id;
}

#define REPLICA(f) cmocka_unit_test_setup_teardown(f, set_up_replica, tear_down)
#define DRIVER(f)  cmocka_unit_test_setup_teardown(f, set_up_driver, tear_down)

#endif
