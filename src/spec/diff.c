/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/diff.h"

#include "spec/field.h"

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static unsigned autoscaling_diff(const json_t *a, const json_t *b)
{
    if (json_is_object(a) && json_is_object(b)) {
        return schema_diff(schema_get(SCHEMA_AUTOSCALING), a, b);
    }
    return json_is_object(a) != json_is_object(b) ? CHANGE_SCALE : CHANGE_NONE;
}

/* autoscaling_config is looked at field by field; all others as wholes. */
unsigned deployment_diff(const struct deployment_spec *a, const struct deployment_spec *b)
{
    json_t *x = json_copy(a->effective);
    json_t *y = json_copy(b->effective);
    unsigned changes = autoscaling_diff(json_object_get(x, "autoscaling_config"),
                                        json_object_get(y, "autoscaling_config"));

    json_object_del(x, "autoscaling_config");
    json_object_del(y, "autoscaling_config");
    changes |= schema_diff(schema_get(SCHEMA_DEPLOYMENT), x, y);
    json_decref(x);
    json_decref(y);
    if (!same_text(a->blob, b->blob)) {
        changes |= CHANGE_RESTART;
    }
    if (!json_equal(a->logging_config, b->logging_config)) {
        changes |= CHANGE_RECONFIGURE;
    }
    if (a->max_constructor_retry_count != b->max_constructor_retry_count) {
        changes |= CHANGE_CONTROLLER;
    }
    return changes;
}

const char *change_name(unsigned one_class)
{
    static const struct {
        enum change change;
        const char *name;
    } names[] = {
        {CHANGE_REBUILD, "rebuild"},
        {CHANGE_RESTART, "restart"},
        {CHANGE_RECONFIGURE, "reconfigure"},
        {CHANGE_SCALE, "scale"},
        {CHANGE_ROUTER, "router"},
        {CHANGE_CONTROLLER, "controller"},
        {CHANGE_NEVER, "never"},
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (names[i].change == one_class) {
            return names[i].name;
        }
    }
    return "none";
}

char *app_build_key(const json_t *config)
{
    json_t *effective = schema_effective(schema_get(SCHEMA_APPLICATION), config);
    json_t *key = json_object();
    json_t *policies = json_object();
    const json_t *deployments = json_object_get(config, "deployments");
    char *text;

    for (size_t i = 0; i < schema_get(SCHEMA_APPLICATION)->n_fields; i++) {
        const struct field *f = &schema_get(SCHEMA_APPLICATION)->fields[i];

        if (f->change & CHANGE_REBUILD) {
            json_object_set(key, f->name, json_object_get(effective, f->name));
        }
    }
    for (size_t i = 0; i < json_array_size(deployments); i++) {
        const json_t *d = json_array_get(deployments, i);
        json_t *policy = json_object_get(json_object_get(d, "autoscaling_config"), "policy");
        json_t *router = json_object_get(d, "request_router_config");

        if (policy || router) {
            json_object_set_new(policies, json_string_value(json_object_get(d, "name")),
                                json_pack("[O?O?]", policy, router));
        }
    }
    json_object_set_new(key, "deployments", policies);
    text = json_dumps(key, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(key);
    json_decref(effective);
    ASSERT(text);
    return text;
}
