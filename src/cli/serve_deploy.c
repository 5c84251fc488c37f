/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/config_file.h"
#include "cli/serve_api.h"
#include "cli/serve_priv.h"

struct deploy_options {
    struct import_options import;
    const char *address;
};

#define O(letter, name, kind, field, value_name, help)                                             \
    OPTION(letter, name, kind, struct deploy_options, field, value_name, help)

static const struct option_row rows[] = {
    O(0, "runtime-env", TEXT, import.runtime_env, "FILE", "YAML file with a runtime_env"),
    O(0, "runtime-env-json", TEXT, import.runtime_env_json, "JSON", "the same as JSON text"),
    O(0, "working-dir", TEXT, import.working_dir, "URI",
      "zip archive that the application's code is in"),
    O(0, "name", TEXT, import.name, "NAME", "name of the application (default)"),
    O('a', "address", TEXT, address, "URL",
      "dashboard of the instance (RAY_DASHBOARD_ADDRESS, else the one here)"),
};

static const struct option_table table = {
    .usage = "serve deploy [OPTIONS] CONFIG_OR_IMPORT_PATH [KEY=VALUE …]",
    .about = "Sends applications to a running instance and does not wait for them: those of a YAML "
             "file,\nwhich replace all that were sent before, or one by its import path "
             "(main:app), whose builder\nfunction gets the KEY=VALUE words.  Options but --address "
             "are for import paths only.",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
};

static bool has_import_options(const struct import_options *o)
{
    return o->name || o->runtime_env || o->runtime_env_json || o->working_dir;
}

/* NULL after errors, which are printed. */
static json_t *make_document(const struct option_list *words, const struct deploy_options *o)
{
    const char *target = words->items[0];
    struct err err = {0};
    json_t *document = NULL;

    if (config_file_is(target)) {
        (void) printf("Deploying from config file: '%s'.\n", target);
        (void) fflush(stdout);
        if (words->size > 1) {
            (void) fprintf(stderr,
                           "Application arguments cannot be specified for a config file.\n");
            return NULL;
        }
        if (has_import_options(&o->import)) {
            (void) fprintf(stderr, "warning: --name, --working-dir and --runtime-env are ignored; "
                                   "the config file says them.\n");
        }
        return config_file_read(target);
    }
    (void) printf("Deploying from import path: '%s'.\n", target);
    if (config_from_import(target, words->items + 1, words->size - 1, &o->import, &document, &err) <
        0) {
        (void) serve_fail("deploy", &err);
        if (!strchr(target, ':')) {
            (void) fprintf(stderr, "There is no file '%s' either.\n", target);
        }
    }
    return document;
}

int serve_deploy_cmd(int argc, char **argv)
{
    struct deploy_options o = {0};
    struct option_list words = {0};
    struct serve_api api = {0};
    struct err err = {0};
    json_t *document = NULL;
    int code = serve_parse(&table, argc, argv, &o, &words, 1, SIZE_MAX);

    if (code < 0) {
        document = make_document(&words, &o);
        code = 1;
    }
    if (document) {
        if (serve_api_open(&api, o.address, &err) == 0 &&
            serve_api_call(&api, "PUT", SERVE_API_APPLICATIONS, document, NULL, &err) == 0) {
            (void) printf("\nSent deploy request successfully.\n"
                          " * Use `serve status` to check applications' statuses.\n"
                          " * Use `serve config` to see the current application config(s).\n");
            code = 0;
        } else {
            code = serve_fail("deploy", &err);
        }
    }
    json_decref(document);
    serve_api_close(&api);
    option_list_deinit(&words);
    return code;
}
