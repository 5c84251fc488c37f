/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/runtime_env.h"

#include <ctype.h>
#include <strings.h>

#include "spec/json.h"
#include "spec/repr.h"

#define ONLY_URIS                                                                                  \
    "runtime_envs in the Serve config support only remote URIs in working_dir and py_modules. "    \
    "Got error when parsing URI: "

/* In an order in which Ray happens to print them. */
static const char *const protocols[] = {"ABFSS", "GCS", "HTTPS", "S3",  "CONDA",
                                        "AZURE", "GS",  "UV",    "PIP", "FILE"};

static bool is_protocol(struct span scheme)
{
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        if (span_equal_nocase(scheme, span_of(protocols[i]))) {
            return true;
        }
    }
    return false;
}

/* The scheme of a URI as urllib.parse finds it; size 0: none. */
static struct span find_scheme(const char *uri)
{
    size_t size = strcspn(uri, ":");

    if (uri[size] == '\0' || !isalpha((unsigned char) uri[0])) {
        return (struct span){uri, 0};
    }
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char) uri[i]) && !strchr("+-.", uri[i])) {
            return (struct span){uri, 0};
        }
    }
    return (struct span){uri, size};
}

static int fail_protocol(const char *uri, struct span scheme, struct err *err)
{
    struct buf names;
    char *lower = mem_strndup(scheme.data, scheme.size);

    buf_init(&names);
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        buf_printf(&names, "%s'%s'", i > 0 ? ", " : "", protocols[i]);
    }
    for (char *c = lower; *c != '\0'; c++) {
        *c = (char) (*c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c);
    }
    err_set(err, -EINVAL,
            ONLY_URIS "Invalid protocol for runtime_env URI \"%s\". Supported protocols: [%s]. "
                      "Original error: '%s' is not a valid Protocol",
            uri, buf_cstr(&names), lower);
    buf_deinit(&names);
    free(lower);
    return -EINVAL;
}

static int check_uri(const char *uri, struct err *err)
{
    struct span scheme = find_scheme(uri);

    if (scheme.size == 0) {
        return err_set(err, -EINVAL, ONLY_URIS "Expected URI but received path %s", uri);
    }
    return is_protocol(scheme) ? 0 : fail_protocol(uri, scheme, err);
}

static int check_value(const json_t *value, struct err *err)
{
    if (json_is_null(value)) {
        return 0;
    }
    if (!json_is_string(value)) {
        return err_set(err, -EDOM, " path_or_uri must be a string, got <class '%s'>.",
                       repr_class(value));
    }
    return check_uri(json_string_value(value), err);
}

/* What is not a list is looked through as Python does: a mapping's keys, a string's letters. */
static int check_modules(const json_t *modules, struct err *err)
{
    const char *first;
    int r = 0;

    switch (json_typeof(modules)) {
    case JSON_NULL: return 0;
    case JSON_ARRAY:
        for (size_t i = 0; r == 0 && i < json_array_size(modules); i++) {
            r = check_value(json_array_get(modules, i), err);
        }
        return r;
    case JSON_OBJECT:
        first = json_object_iter_key(json_object_iter(json_unconst(modules)));
        return first ? check_uri(first, err) : 0;
    case JSON_STRING:
        first = json_string_value(modules);
        return first[0] == '\0'
                   ? 0
                   : err_set(err, -EINVAL, ONLY_URIS "Expected URI but received path %.1s", first);
    case JSON_INTEGER:
    case JSON_REAL:
    case JSON_TRUE:
    case JSON_FALSE: break;
    }
    return err_set(err, -EDOM, "'%s' object is not iterable", repr_class(modules));
}

int runtime_env_check_uris(const json_t *env, struct err *err)
{
    const json_t *working_dir = json_object_get(env, "working_dir");
    const json_t *modules = json_object_get(env, "py_modules");
    int r = 0;

    if (modules) {
        r = check_modules(modules, err);
    }
    if (r == 0 && working_dir) {
        r = check_value(working_dir, err);
    }
    return r;
}

json_t *runtime_env_merge(const json_t *parent, const json_t *child)
{
    json_t *out = parent ? json_deep_copy(parent) : json_object();
    json_t *env_vars = json_incref(json_object_get(out, "env_vars"));
    const char *key;
    json_t *value;

    json_object_foreach(json_unconst(child), key, value)
    {
        json_object_set_new(out, key, json_deep_copy(value));
    }
    if (json_is_object(env_vars) && json_is_object(json_object_get(child, "env_vars"))) {
        json_object_update(env_vars, json_object_get(child, "env_vars"));
        json_object_set(out, "env_vars", env_vars);
    }
    json_decref(env_vars);
    return out;
}
