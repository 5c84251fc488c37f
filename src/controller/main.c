/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/main.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "base/log.h"
#include "controller/controller.h"

/* The descriptors that init keeps for us (docs/interfaces.md §2). */
enum { DASHBOARD_FD = 3, CONTROLLER_FD = 4, CLUSTER_FD = 5 };

static const int signals[] = {SIGTERM, SIGINT, SIGHUP, 0};

double controller_unix_s(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_REALTIME, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static int parse_options(int argc, char **argv, struct controller *c)
{
    static const struct option options[] = {
        {"session-dir", required_argument, NULL, 's'},
        {"node-id", required_argument, NULL, 'n'},
        {"node-ip", required_argument, NULL, 'i'},
        {NULL, 0, NULL, 0},
    };
    char **field;
    int option;

    optind = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        field = option == 's'   ? &c->session_dir
                : option == 'n' ? &c->node_id
                : option == 'i' ? &c->node_ip
                                : NULL;
        if (!field) {
            return -EINVAL;
        }
        free(*field);
        *field = mem_strdup(optarg);
    }
    return c->session_dir && c->node_id ? 0 : -EINVAL;
}

/* Wishes that come by the environment, as Ray Serve has them. */
static void read_environment(struct world *w)
{
    const char *limit = getenv("RAY_SERVE_MAX_DEPLOYMENT_CONSTRUCTOR_RETRY_COUNT");

    if (limit && *limit) {
        w->retry_limit = strtol(limit, NULL, 10);
    }
    w->waits_for_nodes = getenv("RAY_CLUSTER_NAME") != NULL;
}

static void on_signal(struct signal_watch *w, int signal_number)
{
    log_info("stopping", "signal=%d", signal_number);
    loop_stop(w->io.loop);
}

static int start(struct controller *c)
{
    struct err err = {0};

    if (state_load(c, &err) < 0) {
        log_error("the saved state cannot be read; starting without it", "reason=%s", err.text);
    }
    if (api_init(c, DASHBOARD_FD, &err) < 0) {
        log_error("the control API cannot be served", "reason=%s", err.text);
        return -1;
    }
    reconcile_init(c);
    observe_init(c, CONTROLLER_FD, fcntl(CLUSTER_FD, F_GETFD) >= 0 ? CLUSTER_FD : -1);
    log_info("the controller is up", "session=%s", c->session_dir);
    return 0;
}

static void stop(struct controller *c)
{
    api_deinit(c);
    observe_deinit(c);
    reconcile_deinit(c);
    world_deinit(&c->world);
    json_decref(c->serve.http_options);
    json_decref(c->serve.grpc_options);
    json_decref(c->serve.logging_config);
    json_decref(c->node_resources);
    free(c->serve.proxy_location);
    free(c->session_dir);
    free(c->node_id);
    free(c->node_ip);
    free(c->http_host);
    free(c->http_error);
    free(c->snapshot_text);
    free(c->state_text);
}

int controller_main(int argc, char **argv)
{
    struct controller c = {0};
    struct signal_watch stop_signals = {0};
    uint64_t seed = 0;
    int status = 1;

    list_init(&c.peers);
    list_init(&c.waiting);
    if (parse_options(argc, argv, &c) < 0) {
        (void) fprintf(stderr, "usage: model-service controller --session-dir=D --node-id=ID "
                               "[--node-ip=ADDRESS]\n");
        return 2;
    }
    log_init("controller", NULL);
    (void) signal(SIGPIPE, SIG_IGN);
    c.loop = loop_new();
    c.incarnation = (uint64_t) (controller_unix_s() * 1000);
    c.snapshot_version = c.incarnation; /* above all that our predecessor sent */
    ASSERT(getrandom(&seed, sizeof(seed), 0) == sizeof(seed));
    world_init(&c.world, seed);
    c.world.unix_s = controller_unix_s();
    read_environment(&c.world);
    if (signal_watch_start(&stop_signals, c.loop, signals, on_signal) == 0) {
        if (start(&c) == 0) {
            loop_run(c.loop);
            status = 0;
        }
        signal_watch_stop(&stop_signals);
    }
    stop(&c);
    loop_free(c.loop);
    return status;
}
