/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config_file.h"

#include <stdio.h>
#include <sys/stat.h>

#include "io/file.h"
#include "spec/serve.h"
#include "spec/yaml.h"

enum { FILE_MAX = 16 << 20 };

/* A word that can only have been meant as a file counts too: its reader then says that there is
 * none. */
bool config_file_is(const char *word)
{
    static const char *const endings[] = {".yaml", ".yml", ".json"};
    size_t n = strlen(word);
    struct stat st;

    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        size_t m = strlen(endings[i]);

        if (n > m && strcmp(word + n - m, endings[i]) == 0) {
            return true;
        }
    }
    return strchr(word, '/') || (stat(word, &st) == 0 && S_ISREG(st.st_mode));
}

static int read_yaml(const char *path, json_t **ret, struct yaml_places *places, struct err *err)
{
    char *text CLEANUP(mem_freep) = NULL;
    size_t size = 0;
    int r = file_read(path, FILE_MAX, &text, &size, err);

    if (r == 0) {
        r = yaml_parse((struct span){text, size}, ret, places, err);
    }
    return r;
}

static void print_problem(const char *path, const struct yaml_places *places,
                          const struct spec_problem *p, const char *kind)
{
    char *where CLEANUP(mem_freep) = spec_path(p->loc);
    struct yaml_place place = {1, 1};

    (void) yaml_places_find(places, where, &place);
    (void) fprintf(stderr, "%s:%zu:%zu: %s%s%s%s\n", path, place.line, place.column, kind, where,
                   where[0] != '\0' ? ": " : "", p->msg);
}

static json_t *check(const char *path, const json_t *document, const struct yaml_places *places)
{
    struct spec_report report;
    const struct spec_problem *p;
    json_t *out;

    spec_report_init(&report);
    out = spec_part_parse(SCHEMA_DEPLOY, document, &report);
    LIST_FOREACH (p, &report.warnings, link) {
        print_problem(path, places, p, "warning: ");
    }
    LIST_FOREACH (p, &report.errors, link) {
        if (!p->for_ray_only) {
            print_problem(path, places, p, "");
        }
    }
    spec_report_deinit(&report);
    return out;
}

json_t *config_file_read(const char *path)
{
    struct yaml_places *places = yaml_places_new();
    struct err err = {0};
    json_t *document = NULL;
    json_t *out = NULL;

    if (read_yaml(path, &document, places, &err) < 0) {
        (void) fprintf(stderr, "%s: %s\n", path, err.text);
    } else if (json_is_null(document)) {
        (void) fprintf(stderr, "%s: the file is empty; it needs a list named applications\n", path);
    } else {
        out = check(path, document, places);
    }
    json_decref(document);
    yaml_places_free(places);
    return out;
}

int config_parse_words(const char *const *words, size_t n_words, json_t *ret, struct err *err)
{
    for (size_t i = 0; i < n_words; i++) {
        const char *equals = strchr(words[i], '=');

        if (!equals || equals == words[i]) {
            return err_set(err, -EINVAL,
                           "Invalid key-value pair '%s' provided. Application arguments must be of "
                           "the form '<key>=<val>'.",
                           words[i]);
        }
        if (ret && json_object_setn_new(ret, words[i], (size_t) (equals - words[i]),
                                        json_string(equals + 1)) < 0) {
            return err_set(err, -EILSEQ, "'%s' is not UTF-8", words[i]);
        }
    }
    return 0;
}

static int read_runtime_env(const struct import_options *o, json_t **ret, struct err *err)
{
    json_t *env = NULL;
    int r = 0;

    if (o->runtime_env && o->runtime_env_json) {
        return err_set(err, -EINVAL,
                       "Only one of --runtime-env and --runtime-env-json can be provided.");
    }
    if (o->runtime_env) {
        r = read_yaml(o->runtime_env, &env, NULL, err);
        r = r < 0 ? err_wrap(err, "%s", o->runtime_env) : 0;
    } else if (o->runtime_env_json) {
        r = json_parse(span_of(o->runtime_env_json), &env, err);
        r = r < 0 ? err_wrap(err, "--runtime-env-json") : 0;
    }
    if (r == 0 && (!env || json_is_null(env))) {
        json_decref(env);
        env = json_object();
    }
    if (r == 0 && !json_is_object(env)) {
        r = err_set(err, -EINVAL, "a runtime environment must be a mapping");
    }
    if (r < 0) {
        json_decref(env);
        return r;
    }
    if (o->working_dir) {
        json_object_set_new(env, "working_dir", json_string(o->working_dir));
    }
    *ret = env;
    return 0;
}

/* The same check as for a file; there are no lines to name. */
static int check_document(json_t *document, struct err *err)
{
    struct spec_report report;
    struct buf text;
    json_t *parsed;
    int r = 0;

    spec_report_init(&report);
    parsed = spec_part_parse(SCHEMA_DEPLOY, document, &report);
    if (!parsed) {
        buf_init(&text);
        spec_report_sentences(&report, &text);
        r = err_set(err, -EINVAL, "%s", buf_cstr(&text));
        buf_deinit(&text);
    }
    json_decref(parsed);
    spec_report_deinit(&report);
    return r;
}

int config_from_import(const char *import_path, const char *const *words, size_t n_words,
                       const struct import_options *o, json_t **ret, struct err *err)
{
    json_t *args = json_object();
    json_t *env = NULL;
    json_t *document;
    int r = config_parse_words(words, n_words, args, err);

    if (r == 0) {
        r = read_runtime_env(o, &env, err);
    }
    if (r < 0) {
        json_decref(args);
        return r;
    }
    document = json_pack("{s[{sssoso}]}", "applications", "import_path", import_path, "runtime_env",
                         env, "args", args);
    if (o->name) {
        json_object_set_new(json_array_get(json_object_get(document, "applications"), 0), "name",
                            json_string(o->name));
    }
    r = check_document(document, err);
    if (r < 0) {
        json_decref(document);
        return r;
    }
    *ret = document;
    return 0;
}
