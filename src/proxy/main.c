/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/main.h"

#include <signal.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "io/file.h"
#include "proxy/proxy.h"

enum {
    ROUTER_FD = 3,
    PATIENCE_MS = 1000, /* HTTP clients are answered then even without a snapshot */
    MIN_BUFFERED = 64 * 1024 * 1024,
};

static struct signal_watch signals;
static struct proxy proxy; /* one per process */

static const char *option(int argc, char **argv, const char *name)
{
    size_t n = strlen(name);

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=') {
            return argv[i] + n + 1;
        }
    }
    return NULL;
}

static void on_signal(struct signal_watch *w, int signal_number)
{
    (void) w;
    (void) signal_number;
    loop_stop(proxy.loop);
}

/* Restarted, we know nothing until the controller has spoken.  Who dials meanwhile waits in the
 * listening sockets; refusing calls to deployments that exist would be worse. */
void proxy_ready(struct proxy *p)
{
    timer_stop(&p->patience);
    if (!p->accept.loop) {
        links_start(p, ROUTER_FD);
    }
    if (!p->is_ready) {
        p->is_ready = true;
        if (p->http_listener >= 0) {
            http_server_listen(p->http, p->http_listener);
        }
    }
}

static void on_patience(struct timer *t)
{
    struct proxy *p = CONTAINER_OF(t, struct proxy, patience);

    p->is_ready = true;
    if (p->http_listener >= 0) {
        http_server_listen(p->http, p->http_listener);
    }
}

void proxy_listen(struct proxy *p, int fd)
{
    if (p->http_listener >= 0) {
        if (p->is_ready) {
            http_server_unlisten(p->http, p->http_listener);
        } else {
            (void) close(p->http_listener);
        }
    }
    p->http_listener = fd;
    if (fd >= 0 && p->is_ready) {
        http_server_listen(p->http, fd);
    }
}

/* The limit that a control group's file names, or 'otherwise'. */
static size_t group_limit(const char *path, size_t otherwise)
{
    char *text CLEANUP(mem_freep) = NULL;
    size_t size = 0;
    unsigned long long limit;

    if (file_read(path, 64, &text, &size, NULL) < 0) {
        return otherwise;
    }
    limit = strtoull(text, NULL, 10); /* 0 for "max" */
    return limit > 0 && limit < otherwise ? (size_t) limit : otherwise;
}

/* A quarter of what this process may use. */
static size_t max_buffered(void)
{
    struct sysinfo info;
    size_t limit;

    if (sysinfo(&info) < 0) {
        return MIN_BUFFERED;
    }
    limit = (size_t) info.totalram * info.mem_unit;
    limit = group_limit("/sys/fs/cgroup/memory.max", limit);
    limit = group_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes", limit);
    return MAX(limit / 4, (size_t) MIN_BUFFERED);
}

static void start(struct proxy *p)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_REALTIME, &now);
    p->loop = loop_new();
    p->incarnation = (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
    p->http_listener = -1;
    p->request_timeout_s = -1;
    p->max_buffered = max_buffered();
    p->logs_access = true;
    p->router = router_new(&flow_router_actions, p, p->incarnation);
    p->routes = routes_new(NULL, 0);
    router_caller_init(&p->ingress);
    list_init(&p->starved);
    list_init(&p->free_requests);
    list_init(&p->free_calls);
    list_init(&p->links);
    timer_init(&p->patience, p->loop, on_patience);
    timer_start(&p->patience, PATIENCE_MS);
    p->http = http_server_new(p->loop, &ingress_handler, NULL, p);
    access_log_start(p);
    upstreams_start(p);
}

static void stop(struct proxy *p)
{
    timer_stop(&p->patience);
    if (!p->is_ready) {
        proxy_listen(p, -1);
    }
    http_server_free(p->http);
    upstreams_stop(p);
    links_stop(p);
    router_free(p->router);
    router_caller_deinit(&p->ingress);
    ingress_free_spare(p);
    calls_free_spare(p);
    routes_unref(p->routes);
    access_log_stop();
    free(p->root_path);
    free(p->apps_json);
    buf_deinit(&p->scratch);
    buf_deinit(&p->timeout_text);
}

int proxy_main(int argc, char **argv)
{
    const int caught[] = {SIGTERM, SIGINT, 0};

    proxy.session_dir = option(argc, argv, "--session-dir");
    proxy.node_id = option(argc, argv, "--node-id");
    proxy.node_ip = option(argc, argv, "--node-ip");
    if (!proxy.session_dir || !proxy.node_id) {
        (void) fprintf(stderr, "model-service proxy: the node starts this program\n");
        return 2;
    }
    if (!proxy.node_ip) {
        proxy.node_ip = "127.0.0.1";
    }
    log_init("proxy", proxy.node_ip);
    start(&proxy);
    ASSERT(signal_watch_start(&signals, proxy.loop, caught, on_signal) == 0);
    log_info("the proxy runs", "pid=%d", (int) getpid());
    loop_run(proxy.loop);
    log_info("the proxy stops");
    stop(&proxy);
    signal_watch_stop(&signals);
    loop_free(proxy.loop);
    return 0;
}
