/* SPDX-License-Identifier: Apache-2.0 */
#include "node/main.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "io/file.h"
#include "io/stream.h"
#include "node/agent.h"
#include "node/builds.h"
#include "node/code.h"
#include "node/gpus.h"
#include "node/ingress.h"
#include "node/node.h"
#include "node/options.h"
#include "node/peers.h"
#include "node/processes.h"
#include "node/replicas.h"
#include "node/supervisor.h"
#include "node/uplink.h"

enum { INIT_FD = 3, LAST_STEPS_MS = 3000 };

uint64_t node_unix_ms(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

/* Whoever started the instance waits for this. */
void node_check_started(struct node *n)
{
    const char *trouble = supervisor_trouble(n->supervisor);

    if (uplink_is_up(n->uplink) && peers_proxy(n->peers)) {
        processes_say_started(n->processes, "");
    } else if (trouble) {
        processes_say_started(n->processes, trouble);
    }
}

/* The last steps of a stop, in this order: replicas, then the proxy (it brings their answers home).
 */
void node_check_stopped(struct node *n)
{
    if (!n->is_stopping || !replicas_is_empty(n->replicas)) {
        return;
    }
    supervisor_stop_proxy(n->supervisor, LAST_STEPS_MS);
    if (supervisor_is_idle(n->supervisor)) {
        processes_say_stopped(n->processes);
    }
}

static void on_stop_all(void *user, uint64_t grace_ms)
{
    struct node *n = user;
    struct peer *proxy = peers_proxy(n->peers);
    uint64_t for_replicas_ms = grace_ms > LAST_STEPS_MS ? grace_ms - LAST_STEPS_MS : 0;

    log_info("stopping", "grace_ms=%u", (unsigned) grace_ms);
    n->is_stopping = true;
    if (proxy) {
        msg_drain_put(channel_out(&proxy->channel), 0, 0, &(struct msg_drain){0});
    }
    supervisor_stop_controller(n->supervisor, LAST_STEPS_MS);
    replicas_stop_all(n->replicas, for_replicas_ms);
    node_check_stopped(n);
}

/* A listening Unix socket that init keeps; made here the first time. */
static int take_socket(struct node *n, const char *name)
{
    char *path CLEANUP(mem_freep) = mem_printf("%s/sockets/%s", n->options.session_dir, name);
    struct err err;
    int fd = processes_take_kept(n->processes, name, NULL);

    if (fd >= 0) {
        return fd;
    }
    fd = stream_listen_unix(path, &err);
    if (fd < 0) {
        log_error("a socket cannot be made", "reason=%s", err.text);
        processes_say_started(n->processes, err.text);
        return -1;
    }
    processes_keep(n->processes, name, fd);
    return fd;
}

/* Init has told what it has: now everything that is missing is started. */
static void begin(struct node *n)
{
    int agent_fd = processes_take_kept(n->processes, "agent", NULL);
    int controller_fd = take_socket(n, "controller");
    int router_fd = take_socket(n, "router");
    int node_fd = take_socket(n, "node");

    if (controller_fd < 0 || router_fd < 0 || node_fd < 0) {
        return;
    }
    (void) close(controller_fd); /* init has them for those who listen */
    (void) close(router_fd);
    peers_listen(n->peers, node_fd);
    if (agent_fd >= 0) {
        agent_listen(n->agent, agent_fd);
    }
    ingress_adopt(n->ingress);
    replicas_adopt(n->replicas);
    supervisor_start(n->supervisor);
    processes_kill_strangers(n->processes);
    uplink_start(n->uplink);
}

static void on_adopted(void *user)
{
    struct node *n = user;

    if (!n->is_stopping) {
        begin(n);
    }
}

static const struct processes_events processes_events = {
    .on_adopted = on_adopted,
    .on_stop_all = on_stop_all,
};

static void make_parts(struct node *n, struct logs *logs)
{
    n->logs = logs;
    n->processes = processes_new(n->loop, INIT_FD, &processes_events, n);
    n->uplink = uplink_new(n);
    n->peers = peers_new(n);
    n->supervisor = supervisor_new(n);
    n->ingress = ingress_new(n);
    n->code = code_new(n);
    n->gpus = gpus_new((size_t) json_number_value(json_object_get(n->resources, "GPU")));
    n->replicas = replicas_new(n);
    n->builds = builds_new(n);
    n->agent = agent_new(n);
}

static void free_parts(struct node *n)
{
    agent_free(n->agent);
    builds_free(n->builds);
    replicas_free(n->replicas);
    gpus_free(n->gpus);
    code_free(n->code);
    ingress_free(n->ingress);
    supervisor_free(n->supervisor);
    peers_free(n->peers);
    uplink_free(n->uplink);
    processes_free(n->processes);
    logs_deinit(n->logs);
    json_decref(n->resources);
}

/* The node is the one process whose output no pipe carries: it writes its log itself. */
static int open_log(const char *session_dir)
{
    char *path CLEANUP(mem_freep) = mem_printf("%s/logs/node.log", session_dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0) {
        (void) fprintf(stderr, "cannot write %s: %s\n", path, strerrordesc_np(errno));
        return -1;
    }
    (void) close(fd);
    log_init("node", NULL);
    return 0;
}

int node_main(int argc, char **argv)
{
    struct node n = {.incarnation = node_unix_ms()};
    struct logs logs;
    struct err err;

    if (node_options_parse(argc - 1, argv + 1, &n.options, &n.resources, &err) < 0) {
        (void) fprintf(stderr, "model-service node: %s\n", err.text);
        return 2;
    }
    if (open_log(n.options.session_dir) < 0) {
        return 1;
    }
    n.loop = loop_new();
    logs_init(&logs, n.options.session_dir, n.options.log_to_stdout);
    make_parts(&n, &logs);
    loop_run(n.loop);
    log_info("the node daemon ends");
    free_parts(&n);
    loop_free(n.loop);
    return 0;
}
