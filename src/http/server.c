/* SPDX-License-Identifier: Apache-2.0 */
/* The server itself: its listeners, its clock, its end. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "http/server_priv.h"

enum {
    ACCEPTS_PER_TURN = 64,
    MAX_SPARES = 256,
    KEEP_TEXT = 8 * 1024, /* bytes of a spare request's buffers */
};

static void on_sweep(struct timer *t);
static void on_stopped(struct turn_hook *h);

static void set_defaults(struct http_server_options *o)
{
    o->head_timeout_ms = o->head_timeout_ms ? o->head_timeout_ms : 30000;
    o->keep_alive_timeout_ms = o->keep_alive_timeout_ms ? o->keep_alive_timeout_ms : 90000;
    o->body_timeout_ms = o->body_timeout_ms ? o->body_timeout_ms : 60000;
    o->write_timeout_ms = o->write_timeout_ms ? o->write_timeout_ms : 60000;
    o->max_head = o->max_head ? o->max_head : 64 * 1024;
    o->max_target = o->max_target ? o->max_target : 32 * 1024;
    o->server_name = o->server_name ? o->server_name : "model-service";
    ASSERT(!o->collect_body || o->max_body > 0);
}

/* Nine tenths of what this process may open. */
static int find_max_fd(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > 1 << 30) {
        return 1 << 30;
    }
    return (int) (limit.rlim_cur / 10 * 9);
}

struct http_server *http_server_new(struct loop *loop, const struct http_handler *handler,
                                    const struct http_server_options *options, void *user)
{
    struct http_server *server = mem_new(struct http_server);

    ASSERT(handler->on_request && handler->on_abort);
    server->loop = loop;
    server->handler = handler;
    server->options = options ? *options : (struct http_server_options){0};
    set_defaults(&server->options);
    ASSERT(server->options.collect_body || handler->on_body);
    server->user = user;
    server->max_fd = find_max_fd();
    server->server_line = mem_printf("server: %s\r\n", server->options.server_name);
    list_init(&server->listeners);
    list_init(&server->spares);
    for (int i = 0; i < CONN_STATES; i++) {
        list_init(&server->conns[i]);
    }
    timer_init(&server->sweep, loop, on_sweep);
    turn_hook_init(&server->stopped, on_stopped);
    return server;
}

static void close_listener(struct listener *l)
{
    int fd = l->watch.fd;

    io_watch_stop(&l->watch);
    (void) close(fd);
    list_remove(&l->link);
    free(l);
}

static void close_listeners(struct http_server *server)
{
    while (!list_empty(&server->listeners)) {
        close_listener(LIST_ENTRY(server->listeners.next, struct listener, link));
    }
}

static void free_request(struct http_request *req)
{
    buf_deinit(&req->text);
    buf_deinit(&req->path_text);
    buf_deinit(&req->collected);
    free(req);
}

void http_server_free(struct http_server *server)
{
    struct list *entry;

    if (!server) {
        return;
    }
    close_listeners(server);
    for (int i = 0; i < CONN_STATES; i++) {
        while (!list_empty(&server->conns[i])) {
            conn_free(LIST_ENTRY(server->conns[i].next, struct conn, link));
        }
    }
    while ((entry = list_pop_front(&server->spares))) {
        free_request(LIST_ENTRY(entry, struct http_request, link));
    }
    timer_stop(&server->sweep);
    turn_hook_cancel(&server->stopped);
    free(server->server_line);
    free(server);
}

void *http_server_user(const struct http_server *server)
{
    return server->user;
}

size_t http_server_connections(const struct http_server *server)
{
    return server->n_conns;
}

size_t http_server_requests(const struct http_server *server)
{
    return server->n_open;
}

void http_server_set_keep_alive(struct http_server *server, uint64_t timeout_ms)
{
    server->options.keep_alive_timeout_ms = timeout_ms;
}

/* Listening. */

static void pause_accepting(struct http_server *server, bool paused)
{
    struct listener *l;

    if (server->accept_paused != paused) {
        server->accept_paused = paused;
        LIST_FOREACH (l, &server->listeners, link) {
            io_watch_set(&l->watch, paused ? 0 : (unsigned) IO_READ);
        }
    }
}

static uint64_t sweep_period(const struct http_server *server)
{
    const struct http_server_options *o = &server->options;
    uint64_t least = MIN(MIN(o->head_timeout_ms, o->keep_alive_timeout_ms),
                         MIN(o->body_timeout_ms, o->write_timeout_ms));

    return MAX(MIN(least / 4, (uint64_t) 1000), (uint64_t) 1);
}

static void start_sweep(struct http_server *server)
{
    if (!timer_active(&server->sweep)) {
        timer_start(&server->sweep, sweep_period(server));
    }
}

static void on_listener(struct io_watch *w, unsigned events)
{
    struct http_server *server = CONTAINER_OF(w, struct listener, watch)->server;
    char peer[sizeof(((struct conn *) NULL)->peer)];

    (void) events;
    for (int i = 0; i < ACCEPTS_PER_TURN && !server->accept_paused; i++) {
        int fd = stream_accept(w->fd, peer, sizeof(peer));

        if (fd >= 0) {
            conn_new(server, fd, peer);
            start_sweep(server);
            if (fd >= server->max_fd) {
                pause_accepting(server, true);
            }
        } else if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
            pause_accepting(server, true);
            start_sweep(server);
        } else if (fd != -ECONNABORTED && fd != -EINTR) {
            return;
        }
    }
}

void http_server_listen(struct http_server *server, int fd)
{
    struct listener *l = mem_new(struct listener);

    ASSERT(!server->stopping);
    /* It may come from another process; a blocking one would stop the loop when a client gives up.
     */
    ASSERT(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
    l->server = server;
    list_push_back(&server->listeners, &l->link);
    io_watch_start(&l->watch, server->loop, fd, server->accept_paused ? 0 : (unsigned) IO_READ,
                   on_listener);
}

void http_server_unlisten(struct http_server *server, int fd)
{
    struct listener *l;
    struct listener *tmp;

    LIST_FOREACH_SAFE (l, tmp, &server->listeners, link) {
        if (l->watch.fd == fd) {
            close_listener(l);
        }
    }
}

/* Ending. */

static void on_stopped(struct turn_hook *h)
{
    struct http_server *server = CONTAINER_OF(h, struct http_server, stopped);

    if (server->handler->on_stopped) {
        server->handler->on_stopped(server);
    }
}

void http_server_stop(struct http_server *server)
{
    struct conn *c;
    struct conn *tmp;

    if (server->stopping) {
        return;
    }
    server->stopping = true;
    close_listeners(server);
    for (int state = CONN_RESTING; state <= CONN_HEAD; state++) {
        LIST_FOREACH_SAFE (c, tmp, &server->conns[state], link) {
            if (buf_size(&c->stream.in) == 0) {
                conn_finish(c);
            }
        }
    }
    if (server->n_conns == 0) {
        turn_hook_schedule(&server->stopped, server->loop);
    }
}

void server_conn_gone(struct http_server *server)
{
    pause_accepting(server, false);
    if (server->stopping && server->n_conns == 0) {
        turn_hook_schedule(&server->stopped, server->loop);
    }
}

/* Time. */

/* Those whose time-out depends only on how long they are in a state: the oldest come first. */
static void sweep_ordered(struct list *conns, uint64_t now_ms)
{
    while (!list_empty(conns) && conn_sweep(LIST_ENTRY(conns->next, struct conn, link), now_ms)) {
    }
}

/* All others, each once.  A handler that is told of an abort may change any of them: hence no
 * pointer to the next is kept. */
static void sweep_all(struct list *conns, uint64_t now_ms)
{
    size_t n = 0;

    for (struct list *l = conns->next; l != conns; l = l->next) {
        n++;
    }
    for (; n > 0 && !list_empty(conns); n--) {
        struct list *first = list_pop_front(conns);

        list_push_back(conns, first);
        (void) conn_sweep(LIST_ENTRY(first, struct conn, link), now_ms);
    }
}

static void on_sweep(struct timer *t)
{
    struct http_server *server = CONTAINER_OF(t, struct http_server, sweep);
    uint64_t now_ms = loop_now_ms(server->loop);

    for (int state = 0; state < CONN_STATES; state++) {
        if (state <= CONN_HEAD) {
            sweep_ordered(&server->conns[state], now_ms);
        } else {
            sweep_all(&server->conns[state], now_ms);
        }
    }
    pause_accepting(server, false);
    if (server->n_conns > 0) {
        start_sweep(server);
    }
}

struct span server_date_line(struct http_server *server)
{
    time_t now = time(NULL);
    struct tm tm;

    if (now != server->date_s) {
        server->date_s = now;
        (void) gmtime_r(&now, &tm);
        (void) strftime(server->date_line, sizeof(server->date_line),
                        "date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
    }
    return span_of(server->date_line);
}

/* Spare requests. */

struct http_request *server_take_request(struct http_server *server)
{
    struct list *entry = list_pop_front(&server->spares);
    struct http_request *req;

    if (entry) {
        server->n_spares--;
        req = LIST_ENTRY(entry, struct http_request, link);
    } else {
        req = mem_new(struct http_request);
        list_init(&req->link);
    }
    return req;
}

static void reset_buf(struct buf *b)
{
    buf_clear(b);
    if (b->capacity > KEEP_TEXT) {
        buf_shrink(b);
    }
}

void server_give_request(struct http_server *server, struct http_request *req)
{
    req->conn = NULL;
    if (server->n_spares >= MAX_SPARES) {
        free_request(req);
        return;
    }
    reset_buf(&req->text);
    reset_buf(&req->path_text);
    reset_buf(&req->collected);
    server->n_spares++;
    list_push_front(&server->spares, &req->link);
}
