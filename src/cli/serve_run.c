/* SPDX-License-Identifier: Apache-2.0 */
/* `serve run` and `serve build`.  An import path is for Python: we become its program. */

#include <stdio.h>
#include <unistd.h>

#include "cli/config_file.h"
#include "cli/python_path.h"
#include "cli/serve_priv.h"
#include "cli/serve_watch.h"

struct run_options {
    struct import_options import;
    const char *app_dir;
    const char *address;
    const char *route_prefix;
    bool blocking;
    bool reload;
};

#define R(letter, name, kind, field, value_name, help)                                             \
    OPTION(letter, name, kind, struct run_options, field, value_name, help)

static const struct option_row run_rows[] = {
    R(0, "name", TEXT, import.name, "NAME", "name of the application (default)"),
    R(0, "route-prefix", TEXT, route_prefix, "PATH", "where HTTP finds it (/)"),
    R('d', "app-dir", TEXT, app_dir, "DIR", "where the import path is looked for (.)"),
    R(0, "runtime-env", TEXT, import.runtime_env, "FILE", "YAML file with a runtime_env"),
    R(0, "runtime-env-json", TEXT, import.runtime_env_json, "JSON", "the same as JSON text"),
    R(0, "working-dir", TEXT, import.working_dir, "DIR", "folder that the application runs in"),
    R('a', "address", TEXT, address, "HOST:PORT",
      "cluster address (RAY_ADDRESS, else the newest here)"),
    R(0, "blocking", SWITCH, blocking, NULL, "watch until Ctrl-C (this is the default)"),
    R(0, "non-blocking", SWITCH_OFF, blocking, NULL, "return when the request was accepted"),
    R('r', "reload", SWITCH, reload, NULL, NULL),
};

static const struct option_table run_table = {
    .usage = "serve run [OPTIONS] CONFIG_OR_IMPORT_PATH [KEY=VALUE …]",
    .about = "Runs the applications of a YAML file, or one by its import path (main:app), whose "
             "builder\nfunction gets the KEY=VALUE words.  Starts an instance if none is running; "
             "it ends with this\ncommand.  Options but --address and --non-blocking are for import "
             "paths only.",
    .rows = run_rows,
    .n_rows = ARRAY_LEN(run_rows),
};

struct build_options {
    const char *app_dir;
    const char *output;
    struct option_list grpc_functions;
};

#define B(letter, name, kind, field, value_name, help)                                             \
    OPTION(letter, name, kind, struct build_options, field, value_name, help)

static const struct option_row build_rows[] = {
    B('o', "output-path", TEXT, output, "FILE", "where to write it (standard output)"),
    B('d', "app-dir", TEXT, app_dir, "DIR", "where the import paths are looked for (.)"),
    B(0, "grpc-servicer-functions", LIST, grpc_functions, "PATH",
      "import path of a gRPC servicer function; may be repeated"),
};

static const struct option_table build_table = {
    .usage = "serve build [OPTIONS] IMPORT_PATH …",
    .about = "Imports applications and writes a configuration file for them, with every option "
             "that their\ncode sets, to be changed and given to `serve deploy`.",
    .rows = build_rows,
    .n_rows = ARRAY_LEN(build_rows),
};

static void add(struct option_list *argv, const char *word)
{
    argv->items = mem_realloc(argv->items, (argv->size + 2) * sizeof(*argv->items));
    argv->items[argv->size++] = word;
    argv->items[argv->size] = NULL;
}

/* "--name=value"; it lives until exec. */
static void add_option(struct option_list *argv, const char *name, const char *value)
{
    if (value) {
        add(argv, mem_printf("--%s=%s", name, value));
    }
}

/* Only returns if there is no such interpreter. */
static int become_python(struct option_list *argv, const struct option_list *words)
{
    struct err err;

    char **copy; /* exec wants them so */

    add(argv, "--");
    for (size_t i = 0; i < words->size; i++) {
        add(argv, words->items[i]);
    }
    copy = mem_alloc((argv->size + 1) * sizeof(*copy));
    for (size_t i = 0; i < argv->size; i++) {
        copy[i] = mem_strdup(argv->items[i]);
    }
    (void) fflush(NULL);
    (void) execvp(copy[0], copy);
    err_errno(&err, "cannot run %s", argv->items[0]);
    return serve_fail(argv->items[3], &err);
}

static struct option_list python_command(const char *command)
{
    struct option_list argv = {0};

    add(&argv, python_path(NULL));
    add(&argv, "-m");
    add(&argv, "model_service.cli");
    add(&argv, command);
    return argv;
}

static int run_import_path(const struct option_list *words, const struct run_options *o)
{
    struct option_list argv = python_command("run");
    struct err err = {0};

    if (config_parse_words(words->items + 1, words->size - 1, NULL, &err) < 0) {
        return serve_fail("run", &err);
    }
    if (!strchr(words->items[0], ':') && !strchr(words->items[0], '.')) {
        err_set(&err, -ENOENT,
                "'%s' is neither a file nor an import path; an import path names a module and an "
                "application in it: main:app",
                words->items[0]);
        return serve_fail("run", &err);
    }
    add_option(&argv, "name", o->import.name);
    add_option(&argv, "route-prefix", o->route_prefix);
    add_option(&argv, "app-dir", o->app_dir);
    add_option(&argv, "runtime-env", o->import.runtime_env);
    add_option(&argv, "runtime-env-json", o->import.runtime_env_json);
    add_option(&argv, "working-dir", o->import.working_dir);
    add_option(&argv, "address", o->address);
    if (!o->blocking) {
        add(&argv, "--non-blocking");
    }
    return become_python(&argv, words);
}

static int run_config_file(const struct option_list *words, const struct run_options *o)
{
    const struct import_options *import = &o->import;
    json_t *document;
    int code;

    if (words->size > 1) {
        (void) fprintf(stderr, "Application arguments cannot be specified for a config file.\n");
        return 1;
    }
    if (import->name || import->runtime_env || import->runtime_env_json || import->working_dir ||
        o->route_prefix) {
        (void) fprintf(stderr, "warning: --name, --route-prefix, --working-dir and --runtime-env "
                               "are ignored; the config file says them.\n");
    }
    document = config_file_read(words->items[0]);
    if (!document) {
        return 1;
    }
    code = serve_watch(document, o->address, o->blocking);
    json_decref(document);
    return code;
}

int serve_run_cmd(int argc, char **argv)
{
    struct run_options o = {.blocking = true};
    struct option_list words = {0};
    int code = serve_parse(&run_table, argc, argv, &o, &words, 1, SIZE_MAX);

    if (code < 0 && o.reload) {
        (void) fprintf(stderr, "serve run: --reload is not supported; run the command again after "
                               "a change.\n");
        code = 2;
    }
    if (code < 0) {
        code = config_file_is(words.items[0]) ? run_config_file(&words, &o)
                                              : run_import_path(&words, &o);
    }
    option_list_deinit(&words);
    return code;
}

int serve_build_cmd(int argc, char **argv)
{
    struct build_options o = {0};
    struct option_list words = {0};
    struct option_list python;
    int code = serve_parse(&build_table, argc, argv, &o, &words, 1, SIZE_MAX);

    if (code < 0) {
        python = python_command("build");
        add_option(&python, "app-dir", o.app_dir);
        add_option(&python, "output-path", o.output);
        for (size_t i = 0; i < o.grpc_functions.size; i++) {
            add_option(&python, "grpc-servicer-functions", o.grpc_functions.items[i]);
        }
        code = become_python(&python, &words);
    }
    option_list_deinit(&words);
    option_list_deinit(&o.grpc_functions);
    return code;
}
