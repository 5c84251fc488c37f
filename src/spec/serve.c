/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/serve.h"

#define MASK "******"

json_t *spec_part_parse(enum schema_id id, const json_t *value, struct spec_report *report)
{
    json_t *loc = json_array();
    json_t *out = schema_parse(schema_get(id), value, loc, report);

    json_decref(loc);
    return out;
}

/* Gives a copy of the document's logging_config to the applications that have none. */
static void inherit_logging(json_t *document)
{
    json_t *logging = json_object_get(document, "logging_config");
    size_t i;
    json_t *app;

    if (!json_is_object(logging)) {
        return;
    }
    json_array_foreach(json_object_get(document, "applications"), i, app)
    {
        if (!json_is_object(json_object_get(app, "logging_config"))) {
            json_object_set_new(app, "logging_config", json_deep_copy(logging));
        }
    }
}

json_t *spec_serve_parse(const json_t *document, struct spec_report *report)
{
    json_t *out = spec_part_parse(SCHEMA_DEPLOY, document, report);

    inherit_logging(out);
    return out;
}

char *spec_serve_error(const struct spec_report *report)
{
    struct buf b;

    buf_init(&b);
    spec_report_ray_text(report, schema_get(SCHEMA_DEPLOY)->name, &b);
    buf_put_char(&b, '\n');
    spec_report_sentences(report, &b);
    return buf_take_str(&b);
}

static void mask_secrets(const struct schema *s, json_t *object)
{
    for (size_t i = 0; i < s->n_fields; i++) {
        if (s->fields[i].flags & FIELD_SECRET &&
            json_is_string(json_object_get(object, s->fields[i].name))) {
            json_object_set_new(object, s->fields[i].name, json_string(MASK));
        }
    }
}

static json_t *shown(enum schema_id id, const json_t *set)
{
    json_t *out = schema_effective(schema_get(id), set);

    mask_secrets(schema_get(id), out);
    return out;
}

json_t *spec_http_options_shown(const json_t *http_options)
{
    return shown(SCHEMA_HTTP_OPTIONS, http_options);
}

json_t *spec_grpc_options_shown(const json_t *grpc_options)
{
    return shown(SCHEMA_GRPC_OPTIONS, grpc_options);
}

json_t *spec_application_shown(const json_t *application)
{
    json_t *out = json_deep_copy(application);

    mask_secrets(schema_get(SCHEMA_APPLICATION), out);
    return out;
}

const char *spec_application_name(const json_t *application)
{
    const json_t *name = json_object_get(application, "name");

    return name ? json_string_value(name) : "default";
}
