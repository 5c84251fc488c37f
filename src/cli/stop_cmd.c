/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/stop_cmd.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/instance.h"
#include "cli/options.h"
#include "cli/ray_cmd.h"

enum { GRACE_S = 16 /* as Ray */, INSIST_MS = 6000 };

struct stop_options {
    bool force;
    int64_t grace_s;
    const char *temp_dir;
};

static const struct option_row rows[] = {
    OPTION('f', "force", SWITCH, struct stop_options, force, NULL, "kill at once"),
    OPTION('g', "grace-period", INT, struct stop_options, grace_s, "SECONDS",
           "time for running requests, then kill (16)"),
    OPTION(0, "temp-dir", TEXT, struct stop_options, temp_dir, "DIR",
           "only the instance with this directory (all of yours)"),
    OPTION_IGNORED_SWITCH("verbose"),
    OPTION_IGNORED("log-style"),
    OPTION_IGNORED("log-color"),
    {'v', "", OPTION_IGNORE_SWITCH, 0, NULL, NULL},
};

static const struct option_table table = {
    .usage = "ray stop [OPTIONS]",
    .about = "Stops the instances of this user on this machine and waits for their end.",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
    .accept_unknown = true,
};

static int stop(const struct instance *i, const struct stop_options *o)
{
    pid_t pid = (pid_t) i->pid;
    bool ended;

    if (pid <= 0) {
        (void) fprintf(stderr, "ray stop: %s names no process; remove it\n", i->path);
        return 1;
    }
    if (kill(pid, o->force ? SIGQUIT : SIGTERM) < 0 && errno != ESRCH) {
        (void) fprintf(stderr, "ray stop: process %d: %s\n", (int) pid, strerrordesc_np(errno));
        return 1;
    }
    ended = !o->force && instance_wait_end(i, (uint64_t) MAX(o->grace_s, (int64_t) 0) * 1000);
    if (!ended && !o->force) {
        (void) kill(pid, SIGQUIT);
    }
    if (!ended && !instance_wait_end(i, INSIST_MS)) {
        (void) kill(pid, SIGKILL);
        if (!instance_wait_end(i, INSIST_MS)) {
            (void) fprintf(stderr, "ray stop: process %d cannot be killed\n", (int) pid);
            return 1;
        }
        instance_clean_up(i); /* init could not */
    }
    (void) printf("Stopped the instance at %s.\n", i->address);
    return 0;
}

static bool is_meant(const struct instance *i, const struct stop_options *o)
{
    char real[4096];
    const char *wanted = o->temp_dir && realpath(o->temp_dir, real) ? real : o->temp_dir;

    return !wanted || strcmp(i->temp_dir, wanted) == 0 || strcmp(i->temp_dir, o->temp_dir) == 0;
}

static int stop_all(const struct stop_options *o)
{
    struct instance *i;
    struct list all;
    struct err err;
    unsigned n_found = 0;
    int code = 0;

    if (instance_list(&all, &err) < 0) {
        (void) fprintf(stderr, "ray stop: %s\n", err.text);
        return 1;
    }
    LIST_FOREACH (i, &all, link) {
        if (!is_meant(i, o)) {
            continue;
        }
        if (i->alive) {
            n_found++;
            code |= stop(i, o);
        } else {
            instance_clean_up(i); /* it was killed */
        }
    }
    instance_list_free(&all);
    if (n_found == 0) {
        (void) printf("No instance was running.\n");
    }
    return code;
}

int stop_cmd(int argc, char **argv)
{
    struct stop_options o = {.grace_s = GRACE_S};
    int code = ray_parse(&table, "ray stop", argc, argv, &o);

    return code >= 0 ? code : stop_all(&o);
}
