/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_cmd.h"

#include <libgen.h>
#include <stdio.h>

#include "base/nearest.h"
#include "cli/serve_priv.h"

#define RAY_VERSION "2.53.0" /* whose command line this is */

struct command {
    const char *name;
    int (*main)(int argc, char **argv);
    const char *help;
};

static const struct command commands[] = {
    {"run", serve_run_cmd, "run applications here and watch them; Ctrl-C ends them"},
    {"deploy", serve_deploy_cmd, "send applications to an instance that runs"},
    {"status", serve_status_cmd, "show how proxies, applications and replicas are"},
    {"config", serve_config_cmd, "show the configurations that were deployed"},
    {"delete", serve_delete_cmd, "delete one application"},
    {"build", serve_build_cmd, "write a configuration file for applications in code"},
    {"start", serve_start_cmd, "start serving HTTP, with no applications yet"},
    {"shutdown", serve_shutdown_cmd, "delete all applications and stop serving"},
};

static void print_help(void)
{
    (void) printf("Usage: serve COMMAND [OPTIONS]\n\n"
                  "Deploys applications and shows how they are.\n\n"
                  "Commands:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        (void) printf("  %-10s %s\n", commands[i].name, commands[i].help);
    }
    (void) printf("\nTry it:\n"
                  "  serve run main:app           an application from main.py, here and now\n"
                  "  serve run config.yaml        the applications of a file\n"
                  "  serve deploy config.yaml     the same on an instance that `ray start` made\n\n"
                  "Each command tells its options: serve run --help\n");
}

static int unknown(const char *word)
{
    const char *names[ARRAY_LEN(commands)];
    const char *near;

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        names[i] = commands[i].name;
    }
    near = nearest_word(word, names, ARRAY_LEN(names));
    (void) fprintf(stderr, "serve: there is no command '%s'", word);
    if (near) {
        (void) fprintf(stderr, "; did you mean '%s'?\n", near);
    } else {
        (void) fprintf(stderr, "; see serve --help\n");
    }
    return 2;
}

int serve_cmd_main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "--help";

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_help();
        return argc > 1 ? 0 : 2;
    }
    if (strcmp(word, "--version") == 0) {
        (void) printf("serve, version " RAY_VERSION "\n");
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(word, commands[i].name) == 0) {
            return commands[i].main(argc - 1, argv + 1);
        }
    }
    return unknown(word);
}

int serve_parse(const struct option_table *t, int argc, char **argv, void *values,
                struct option_list *ret_arguments, size_t min, size_t max)
{
    struct err err = {0};
    struct buf help;
    int r = options_parse(t, argc - 1, argv + 1, values, ret_arguments, NULL, &err);

    if (r == -ECANCELED) {
        buf_init(&help);
        options_print_help(t, &help);
        (void) fputs(buf_cstr(&help), stdout);
        buf_deinit(&help);
        return 0;
    }
    if (r == 0 && ret_arguments->size < min) {
        r = err_set(&err, -EINVAL, "something is missing; this is how: %s", t->usage);
    }
    if (r == 0 && ret_arguments->size > max) {
        r = err_set(&err, -EINVAL, "what is '%s'?  This is how: %s", ret_arguments->items[max],
                    t->usage);
    }
    if (r < 0) {
        (void) fprintf(stderr, "serve %s: %s\n", argv[0], err.text);
        return 2;
    }
    return -1;
}

int serve_fail(const char *command, const struct err *err)
{
    (void) fflush(stdout);
    (void) fprintf(stderr, "serve %s: %s\n", command, err->text);
    return 1;
}
