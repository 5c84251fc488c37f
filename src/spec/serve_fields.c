/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/field.h"
#include "spec/serve_rules.h"

static const struct schema schemas[SCHEMA_COUNT];

static const struct choices encodings = {"EncodingType", {"TEXT", "JSON", NULL}};
static const struct choices proxy_locations = {"ProxyLocation",
                                               {"Disabled", "HeadOnly", "EveryNode", NULL}};

#define GT(x)         .bound = BOUND_GT, .min = (x)
#define GE(x)         .bound = BOUND_GE, .min = (x)
#define BETWEEN(x, y) .bound = BOUND_GE, .min = (x), .max = (y), .has_max = true
#define OF(id)        .schema = &schemas[SCHEMA_##id]
#define ONE_OF(names) .choices = &(names)
#define RULE(fn)      .rule = (fn)

/* One array of rows for each block … */
#define SCHEMA(id, title, forbid, check) static const struct field fields_##id[] = {
#define FIELD(title, kind, flag_set, change_set, default_text, ...)                                \
    {.name = #title,                                                                               \
     .type = FIELD_##kind,                                                                         \
     .flags = (flag_set),                                                                          \
     .change = (change_set),                                                                       \
     .default_json = (default_text),                                                               \
     __VA_ARGS__},
#define END(id)                                                                                    \
    }                                                                                              \
    ;
#include "spec/serve_fields.def"
#undef SCHEMA
#undef FIELD
#undef END

/* … and one schema for each array. */
#define SCHEMA(id, title, forbid, check)                                                           \
    [SCHEMA_##id] = {title, fields_##id, ARRAY_LEN(fields_##id), forbid, check},
#define FIELD(...)
#define END(id)
static const struct schema schemas[SCHEMA_COUNT] = {
#include "spec/serve_fields.def"
};

const struct schema *schema_get(enum schema_id id)
{
    ASSERT(id < SCHEMA_COUNT);
    return &schemas[id];
}
