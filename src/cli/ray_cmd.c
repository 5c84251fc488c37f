/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ray_cmd.h"

#include <libgen.h>
#include <stdio.h>

#include "base/nearest.h"
#include "build_config.h"
#include "cli/health_cmd.h"
#include "cli/options.h"
#include "cli/start_cmd.h"
#include "cli/status_cmd.h"
#include "cli/stop_cmd.h"

#define RAY_VERSION "2.53.0" /* whose behaviour we have; KubeRay and libraries compare it */

struct command {
    const char *name;
    int (*main)(int argc, char **argv);
    const char *help;
};

static int autoscaler_cmd(int argc, char **argv)
{
    (void) argc;
    (void) argv;
    (void) fprintf(stderr, "ray kuberay-autoscaler: clusters of several nodes come later\n");
    return 1;
}

static const struct command commands[] = {
    {"start", start_cmd, "start an instance on this machine"},
    {"stop", stop_cmd, "stop the instances that you have started"},
    {"status", status_cmd, "show resources and applications"},
    {"health-check", health_cmd, "exit with 0 if the instance at an address is healthy"},
    {"kuberay-autoscaler", autoscaler_cmd, NULL},
};

static void print_help(const char *name)
{
    (void) printf("Usage: %s COMMAND [OPTIONS]\n\n"
                  "Serves models over HTTP: replicas, batching, scaling, rolling updates.\n\n"
                  "Commands:\n",
                  name);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (commands[i].help) {
            (void) printf("  %-14s %s\n", commands[i].name, commands[i].help);
        }
    }
    (void) printf("\nApplications are handled by `serve`; see serve --help.\n"
                  "Each command tells its options: %s start --help\n",
                  name);
}

static int unknown(const char *name, const char *word)
{
    const char *names[ARRAY_LEN(commands)];
    const char *near;

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        names[i] = commands[i].name;
    }
    near = nearest_word(word, names, ARRAY_LEN(names));
    (void) fprintf(stderr, "%s: there is no command '%s'", name, word);
    if (near) {
        (void) fprintf(stderr, "; did you mean '%s'?\n", near);
    } else {
        (void) fprintf(stderr, "; see %s --help\n", name);
    }
    return 2;
}

int ray_parse(const struct option_table *t, const char *prefix, int argc, char **argv, void *values)
{
    struct option_list arguments = {0};
    struct err err = {0};
    struct buf help;
    int r = options_parse(t, argc - 1, argv + 1, values, &arguments, NULL, &err);

    option_list_deinit(&arguments);
    if (r == -ECANCELED) {
        buf_init(&help);
        options_print_help(t, &help);
        (void) fputs(buf_cstr(&help), stdout);
        buf_deinit(&help);
        return 0;
    }
    if (r < 0) {
        (void) fprintf(stderr, "%s: %s\n", prefix, err.text);
        return 2;
    }
    return -1;
}

int ray_cmd_main(int argc, char **argv)
{
    const char *name = basename(argv[0]);
    const char *word = argc > 1 ? argv[1] : "--help";

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_help(name);
        return argc > 1 ? 0 : 2;
    }
    if (strcmp(word, "--version") == 0) {
        if (strcmp(name, "ray") == 0) {
            (void) printf("ray, version " RAY_VERSION "\n");
        } else {
            (void) printf("%s %s (Ray Serve " RAY_VERSION ")\n", name, BUILD_VERSION);
        }
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(word, commands[i].name) == 0) {
            return commands[i].main(argc - 1, argv + 1);
        }
    }
    return unknown(name, word);
}
