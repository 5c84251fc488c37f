/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/start_options.h"

#include <jansson.h>
#include <stdio.h>

#include "cli/options.h"
#include "cli/resources.h"

#define O(letter, name, kind, field, value_name, help)                                             \
    OPTION(letter, name, kind, struct start_options, field, value_name, help)

static const struct option_row rows[] = {
    O(0, "head", SWITCH, head, NULL, "start the head of a cluster on this machine"),
    O(0, "block", SWITCH, block, NULL, "stay in the foreground and show what is printed"),
    O(0, "address", TEXT, address, "HOST:PORT", "the head to join"),
    O(0, "port", INT, port, "PORT", "cluster port (6379; the next free one if nobody chose it)"),
    O(0, "dashboard-host", TEXT, dashboard_host, "HOST",
      "where the control API listens (127.0.0.1)"),
    O(0, "dashboard-port", INT, dashboard_port, "PORT", "port of the control API (8265)"),
    O(0, "dashboard-agent-listen-port", INT, agent_port, "PORT",
      "port of the node's health routes (52365)"),
    O(0, "metrics-export-port", INT, metrics_port, "PORT", "port of the metrics (8080)"),
    O(0, "temp-dir", TEXT, temp_dir, "DIR", "sessions and logs (/tmp/ray)"),
    O(0, "num-cpus", NUMBER, num_cpus, "N", "CPUs to count (those of this machine)"),
    O(0, "num-gpus", NUMBER, num_gpus, "N", "GPUs to count (those of this machine)"),
    O(0, "memory", INT, memory, "BYTES", "memory to count (that of this machine)"),
    O(0, "resources", TEXT, resources, "JSON", "more resources: '{\"name\": amount}'"),
    O(0, "labels", TEXT, labels, "K=V,…", "labels of this node"),
    O(0, "node-ip-address", TEXT, node_ip, "IP", "address of this node"),
    O(0, "python", TEXT, python, "PATH", "interpreter of applications (the one beside `ray`)"),
    O(0, "ready-fd", INT, ready_fd, "N", NULL),
    O(0, "owner-fd", INT, owner_fd, "N", NULL),
    OPTION_IGNORED("autoscaling-config"),
    OPTION_IGNORED("cgroup-path"),
    OPTION_IGNORED("dashboard-agent-grpc-port"),
    OPTION_IGNORED("dashboard-grpc-port"),
    OPTION_IGNORED_SWITCH("disable-usage-stats"),
    OPTION_IGNORED_SWITCH("enable-resource-isolation"),
    OPTION_IGNORED("include-dashboard"),
    OPTION_IGNORED("include-log-monitor"),
    OPTION_IGNORED("labels-file"),
    OPTION_IGNORED("log-color"),
    OPTION_IGNORED("log-style"),
    OPTION_IGNORED("max-worker-port"),
    OPTION_IGNORED("min-worker-port"),
    OPTION_IGNORED_SWITCH("no-monitor"),
    OPTION_IGNORED_SWITCH("no-redirect-output"),
    OPTION_IGNORED("node-manager-port"),
    OPTION_IGNORED("node-name"),
    OPTION_IGNORED("object-manager-port"),
    OPTION_IGNORED("object-spilling-directory"),
    OPTION_IGNORED("object-store-memory"),
    OPTION_IGNORED("plasma-directory"),
    OPTION_IGNORED("plasma-store-socket-name"),
    OPTION_IGNORED("ray-client-server-port"),
    OPTION_IGNORED_SWITCH("ray-debugger-external"),
    OPTION_IGNORED("raylet-socket-name"),
    OPTION_IGNORED("redis-password"),
    OPTION_IGNORED("redis-shard-ports"),
    OPTION_IGNORED("redis-username"),
    OPTION_IGNORED("runtime-env-agent-port"),
    OPTION_IGNORED("storage"),
    OPTION_IGNORED("system-config"),
    OPTION_IGNORED("system-reserved-cpu"),
    OPTION_IGNORED("system-reserved-memory"),
    OPTION_IGNORED("tracing-startup-hook"),
    OPTION_IGNORED_SWITCH("verbose"),
    OPTION_IGNORED("worker-port-list"),
};

static const struct option_table table = {
    .usage = "ray start --head [OPTIONS]",
    .about =
        "Starts an instance on this machine and returns when it is ready; with --block it stays.",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
    .accept_unknown = true,
};

static int check(const struct start_options *o, const struct option_list *arguments)
{
    if (arguments->size > 0) {
        (void) fprintf(stderr, "ray start: '%s' is an argument too many; see ray start --help\n",
                       arguments->items[0]);
        return 2;
    }
    if (o->address && !o->head) {
        (void) fprintf(stderr,
                       "ray start: joining the cluster at %s is not possible yet: instances of "
                       "several nodes come later.\nStart an instance on this machine with "
                       "`ray start --head`.\n",
                       o->address);
        return 1;
    }
    if (!o->head) {
        (void) fprintf(stderr, "ray start: say --head to start an instance on this machine\n");
        return 2;
    }
    return START_OPTIONS_OK;
}

int start_options_parse(int argc, char **argv, struct start_options *ret)
{
    struct option_list arguments = {0};
    struct option_list unknown = {0};
    struct err err = {0};
    struct buf help;
    int code = 2;
    int r;

    *ret = (struct start_options){.port = -1,
                                  .dashboard_port = -1,
                                  .agent_port = -1,
                                  .metrics_port = -1,
                                  .num_cpus = -1,
                                  .num_gpus = -1,
                                  .memory = -1,
                                  .ready_fd = -1,
                                  .owner_fd = -1};
    r = options_parse(&table, argc, argv, ret, &arguments, &unknown, &err);
    if (r == -ECANCELED) {
        buf_init(&help);
        options_print_help(&table, &help);
        (void) fputs(buf_cstr(&help), stdout);
        buf_deinit(&help);
        code = START_OPTIONS_HELP;
    } else if (r < 0) {
        (void) fprintf(stderr, "ray start: %s\n", err.text);
    } else {
        for (size_t i = 0; i < unknown.size; i++) {
            (void) fprintf(stderr, "ray start: %s is not known and left out\n", unknown.items[i]);
        }
        code = check(ret, &arguments);
    }
    option_list_deinit(&arguments);
    option_list_deinit(&unknown);
    return code;
}

char *start_options_unquote(const char *text)
{
    size_t size = strlen(text);
    char *out;
    size_t n = 0;

    if (size >= 2 && text[0] == text[size - 1] && strchr("'\"`", text[0])) {
        text++;
        size -= 2;
    }
    out = mem_alloc(size + 1);
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\\' && i + 1 < size && text[i + 1] == '"') {
            continue;
        }
        out[n++] = text[i];
    }
    return out;
}

static int add_custom(const char *text, json_t *all, struct err *err)
{
    char *json CLEANUP(mem_freep) = start_options_unquote(text);
    json_error_t where;
    json_t *custom = json_loads(json, 0, &where);
    const char *name;
    json_t *amount;
    int r = 0;

    if (!json_is_object(custom)) {
        r = err_set(err, -EINVAL, "--resources: '%s' is not a JSON object (%s)", text, where.text);
    }
    json_object_foreach(custom, name, amount)
    {
        if (!json_is_number(amount) || json_number_value(amount) < 0) {
            r = err_set(err, -EINVAL, "--resources: %s is not a number that is 0 or more", name);
        } else if (strcmp(name, "CPU") == 0 || strcmp(name, "GPU") == 0 ||
                   strcmp(name, "memory") == 0) {
            r = err_set(err, -EINVAL, "--resources: use --num-cpus, --num-gpus and --memory for %s",
                        name);
        } else {
            (void) json_object_set_new(all, name, json_real(json_number_value(amount)));
        }
    }
    json_decref(custom);
    return r;
}

int start_options_resources(const struct start_options *o, const char *node_ip, char **ret,
                            struct err *err)
{
    double cpus = o->num_cpus >= 0 ? o->num_cpus : resources_cpus();
    double gpus = o->num_gpus >= 0 ? o->num_gpus : resources_gpus();
    double memory = (double) (o->memory >= 0 ? (uint64_t) o->memory : resources_memory());
    char *own CLEANUP(mem_freep) = mem_printf("node:%s", node_ip);
    json_t *all = json_pack("{s:f, s:f, s:f}", "CPU", cpus, "memory", memory, own, 1.0);
    int r = 0;

    if (gpus > 0) {
        (void) json_object_set_new(all, "GPU", json_real(gpus));
    }
    if (o->resources) {
        r = add_custom(o->resources, all, err);
    }
    if (r == 0) {
        *ret = json_dumps(all, JSON_COMPACT);
    }
    json_decref(all);
    return r;
}
