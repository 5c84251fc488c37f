/* SPDX-License-Identifier: Apache-2.0 */
#include "node/env.h"

#include <stdarg.h>
#include <stdio.h>

static bool is_secret(struct span name)
{
    static const char *const prefixes[] = {"RAY_AUTH_TOKEN", "REDIS_", "RAY_REDIS_",
                                           "MODEL_SERVICE_LIFELINE_FD"};

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        size_t size = strlen(prefixes[i]);

        if (name.size >= size && memcmp(name.data, prefixes[i], size) == 0) {
            return true;
        }
    }
    return false;
}

void env_init(struct env *e, const char *const *base)
{
    e->variables = json_object();
    for (; *base; base++) {
        const char *equals = strchr(*base, '=');
        struct span name = {*base, equals ? (size_t) (equals - *base) : 0};
        char *key CLEANUP(mem_freep) = mem_strndup(name.data, name.size);

        if (equals && !is_secret(name)) {
            /* What is no UTF-8 cannot be held in JSON; nobody has such a variable. */
            (void) json_object_set_new(e->variables, key, json_string(equals + 1));
        }
    }
}

void env_deinit(struct env *e)
{
    json_decref(e->variables);
    e->variables = NULL;
}

void env_set(struct env *e, const char *name, const char *fmt, ...)
{
    char *text CLEANUP(mem_freep) = NULL;
    va_list ap;

    va_start(ap, fmt);
    ASSERT(vasprintf(&text, fmt, ap) >= 0);
    va_end(ap);
    (void) json_object_set_new(e->variables, name, json_string(text));
}

static const char *get(const struct env *e, const char *name)
{
    return json_string_value(json_object_get(e->variables, name));
}

bool env_has(const struct env *e, const char *name)
{
    return get(e, name) != NULL;
}

void env_prepend(struct env *e, const char *name, const char *text)
{
    const char *old = get(e, name);

    if (old && old[0] != '\0') {
        char *both CLEANUP(mem_freep) = mem_printf("%s:%s", text, old);

        env_set(e, name, "%s", both);
    } else {
        env_set(e, name, "%s", text);
    }
}

static char *expand(const struct env *e, const char *value)
{
    struct buf out;
    const char *open;
    const char *close;

    buf_init(&out);
    while ((open = strstr(value, "${")) && (close = strchr(open, '}'))) {
        char *name CLEANUP(mem_freep) = mem_strndup(open + 2, (size_t) (close - open - 2));
        const char *found = get(e, name);

        buf_put(&out, value, (size_t) (open - value));
        buf_put_str(&out, found ? found : "");
        value = close + 1;
    }
    buf_put_str(&out, value);
    return buf_take_str(&out);
}

void env_merge(struct env *e, json_t *env_vars)
{
    const char *name;
    json_t *value;

    json_object_foreach(env_vars, name, value)
    {
        if (json_is_string(value)) {
            char *text CLEANUP(mem_freep) = expand(e, json_string_value(value));

            env_set(e, name, "%s", text);
        }
    }
}

void env_row(const struct env *e, struct buf *out)
{
    const char *name;
    json_t *value;

    json_object_foreach(e->variables, name, value)
    {
        buf_printf(out, "%s=%s", name, json_string_value(value));
        buf_put_char(out, '\0');
    }
}
