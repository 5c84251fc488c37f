/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status_cmd.h"

#include <jansson.h>
#include <stdio.h>

#include "cli/instance.h"
#include "cli/options.h"
#include "cli/ray_cmd.h"
#include "http/client.h"

enum { TIMEOUT_MS = 5000 };

struct status_options {
    const char *address;
};

static const struct option_row rows[] = {
    OPTION(0, "address", TEXT, struct status_options, address, "HOST:PORT",
           "cluster address (RAY_ADDRESS, else the newest here)"),
    OPTION_IGNORED("redis-password"),
    OPTION_IGNORED("log-style"),
    OPTION_IGNORED("log-color"),
    {'v', "verbose", OPTION_IGNORE_SWITCH, 0, NULL, NULL},
};

static const struct option_table table = {
    .usage = "ray status [OPTIONS]",
    .about = "Shows what an instance has and what it runs.",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
    .accept_unknown = true,
};

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct status_options *o)
{
    int code = ray_parse(&table, argv[0], argc, argv, o);

    if (code >= 0) {
        return code;
    }
    if (!o->address) {
        o->address = getenv("RAY_ADDRESS");
    }
    return -1;
}

/* 0 when the answer is 200; *ret_body is the caller's. */
static int get(const char *base, const char *path, char **ret_body, struct err *err)
{
    char *url CLEANUP(mem_freep) = mem_printf("%s%s", base, path);
    struct http_call call = {
        .url = url, .bearer = getenv("RAY_AUTH_TOKEN"), .timeout_ms = TIMEOUT_MS};
    size_t size = 0;
    int status = 0;
    int r = http_call(&call, &status, ret_body, &size, err);

    if (r == 0 && status != 200) {
        r = err_set(err, -EPROTO, "%s answers %d: %.200s", url, status, *ret_body);
        free(TAKE_PTR(*ret_body));
    }
    return r;
}

static void show_resources(const char *base)
{
    char *body CLEANUP(mem_freep) = NULL;
    json_t *answer = NULL;
    const char *name;
    json_t *amount;

    if (get(base, "/api/model_service/instance", &body, NULL) == 0) {
        answer = json_loads(body, 0, NULL);
    }
    (void) printf("Resources\n");
    json_object_foreach(json_object_get(answer, "resources"), name, amount)
    {
        double x = json_number_value(amount);

        if (strcmp(name, "memory") == 0) {
            (void) printf("  %.2f GiB memory\n", x / (1024.0 * 1024 * 1024));
        } else if (strncmp(name, "node:", 5) != 0) {
            (void) printf("  %g %s\n", x, name);
        }
    }
    json_decref(answer);
}

static size_t count_running(const json_t *application)
{
    const char *name;
    json_t *deployment;
    size_t n = 0;

    json_object_foreach(json_object_get(application, "deployments"), name, deployment)
    {
        json_t *replicas = json_object_get(deployment, "replicas");
        json_t *replica;
        size_t i;

        json_array_foreach(replicas, i, replica)
        {
            const char *state = json_string_value(json_object_get(replica, "state"));

            n += state && strcmp(state, "RUNNING") == 0;
        }
    }
    return n;
}

static void show_applications(const json_t *details)
{
    json_t *applications = json_object_get(details, "applications");
    const char *name;
    json_t *application;

    (void) printf("\nApplications\n");
    json_object_foreach(applications, name, application)
    {
        const char *status = json_string_value(json_object_get(application, "status"));
        const char *prefix = json_string_value(json_object_get(application, "route_prefix"));
        const char *message = json_string_value(json_object_get(application, "message"));

        (void) printf("  %-20s %-14s %s  %zu replicas\n", name, status ? status : "?",
                      prefix ? prefix : "-", count_running(application));
        if (message && message[0] != '\0') {
            (void) printf("      %s\n", message);
        }
    }
    if (json_object_size(applications) == 0) {
        (void) printf("  none; deploy one with `serve deploy CONFIG.yaml`\n");
    }
}

static int find(const struct status_options *o, struct instance **ret)
{
    struct err err = {0};

    if (instance_find(o->address, ret, &err) < 0) {
        (void) fprintf(stderr, "ray status: %s\n", err.text);
        return 1;
    }
    if (!*ret) {
        (void) fprintf(stderr,
                       "ray status: no instance is running %s%s; start one with `ray start "
                       "--head`\n",
                       o->address ? "at " : "here", o->address ? o->address : "");
        return 1;
    }
    return 0;
}

int status_cmd(int argc, char **argv)
{
    struct status_options o = {0};
    struct instance *i = NULL;
    struct err err = {0};
    char *body CLEANUP(mem_freep) = NULL;
    json_t *details;
    int code = parse(argc, argv, &o);

    if (code >= 0) {
        return code;
    }
    if (find(&o, &i) != 0) {
        return 1;
    }
    if (get(i->dashboard_url, "/api/serve/applications/", &body, &err) < 0) {
        (void) fprintf(stderr, "ray status: the instance at %s does not answer: %s\n", i->address,
                       err.text);
        code = 1;
    } else {
        details = json_loads(body, 0, NULL);
        (void) printf("Instance %s  dashboard %s  process %lld\nSession  %s\n\n", i->address,
                      i->dashboard_url, (long long) i->pid, i->session_dir);
        show_resources(i->dashboard_url);
        show_applications(details);
        json_decref(details);
        code = 0;
    }
    instance_free(i);
    return code;
}
