/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/field.h"

#include <stdio.h>

#include "base/nearest.h"
#include "spec/coerce.h"
#include "spec/report.h"
#include "spec/repr.h"

enum { KEYS_MAX = 32 }; /* no schema has more fields */

const struct field *schema_field(const struct schema *s, const char *name)
{
    for (size_t i = 0; i < s->n_fields; i++) {
        if (strcmp(s->fields[i].name, name) == 0) {
            return &s->fields[i];
        }
    }
    return NULL;
}

static void push_name(json_t *loc, const char *name)
{
    json_array_append_new(loc, json_string(name));
}

static void push_index(json_t *loc, size_t i)
{
    json_array_append_new(loc, json_integer((json_int_t) i));
}

static void pop(json_t *loc)
{
    json_array_remove(loc, json_array_size(loc) - 1);
}

/* Says that a value is not of a type that coerce.h knows. */
static void error_type(enum field_type type, const json_t *loc, struct spec_report *report)
{
    static const struct {
        const char *type;
        const char *msg;
    } texts[] = {
        [FIELD_STR] = {"type_error.str", "str type expected"},
        [FIELD_BOOL] = {"type_error.bool", "value could not be parsed to a boolean"},
        [FIELD_INT] = {"type_error.integer", "value is not a valid integer"},
        [FIELD_STRICT_INT] = {"type_error.integer", "value is not a valid integer"},
        [FIELD_FLOAT] = {"type_error.float", "value is not a valid float"},
        [FIELD_DICT] = {"type_error.dict", "value is not a valid dict"},
        [FIELD_OBJECTS] = {"type_error.list", "value is not a valid list"},
    };

    ASSERT(type < ARRAY_LEN(texts) && texts[type].type);
    spec_report_error(report, loc, texts[type].type, "%s", texts[type].msg);
}

static void error_null(const json_t *loc, struct spec_report *report)
{
    spec_report_error(report, loc, "type_error.none.not_allowed", "none is not an allowed value");
}

static void error_limit(const char *kind, const char *what, double limit, const json_t *loc,
                        struct spec_report *report)
{
    struct spec_problem *p =
        spec_report_error(report, loc, kind, "ensure this value is %s %g", what, limit);

    p->ctx = mem_printf("{'limit_value': %g}", limit);
}

static void error_enum(const struct choices *c, const json_t *loc, struct spec_report *report)
{
    struct spec_problem *p;
    struct buf names;
    struct buf members;

    buf_init(&names);
    buf_init(&members);
    for (size_t i = 0; c->names[i]; i++) {
        const char *comma = i > 0 ? ", " : "";

        buf_printf(&names, "%s'%s'", comma, c->names[i]);
        buf_printf(&members, "%s<%s.%s: '%s'>", comma, c->class_name, c->names[i], c->names[i]);
    }
    p = spec_report_error(report, loc, "type_error.enum",
                          "value is not a valid enumeration member; permitted: %s",
                          buf_cstr(&names));
    p->ctx = mem_printf("{'enum_values': [%s]}", buf_cstr(&members));
    buf_deinit(&names);
    buf_deinit(&members);
}

static bool check_bounds(const struct field *f, const json_t *value, const json_t *loc,
                         struct spec_report *report)
{
    double x = json_number_value(value);

    if (f->bound == BOUND_GT && !(x > f->min)) {
        error_limit("value_error.number.not_gt", "greater than", f->min, loc, report);
        return false;
    }
    if (f->bound == BOUND_GE && !(x >= f->min)) {
        error_limit("value_error.number.not_ge", "greater than or equal to", f->min, loc, report);
        return false;
    }
    if (f->has_max && !(x <= f->max)) {
        error_limit("value_error.number.not_le", "less than or equal to", f->max, loc, report);
        return false;
    }
    return true;
}

static json_t *coerce(enum field_type type, const json_t *value)
{
    switch (type) {
    case FIELD_STR: return coerce_str(value);
    case FIELD_BOOL: return coerce_bool(value);
    case FIELD_INT: return coerce_int(value);
    case FIELD_STRICT_INT: return coerce_strict_int(value);
    case FIELD_FLOAT: return coerce_float(value);
    case FIELD_DICT: return coerce_dict(value);
    case FIELD_ENUM:
    case FIELD_STR_OR_ENUM:
    case FIELD_OBJECT:
    case FIELD_OBJECTS:
    case FIELD_STRS:
    case FIELD_BUNDLES:
    case FIELD_NUM_REPLICAS:
    case FIELD_INT_OR_STR: break;
    }
    NOT_REACHED();
}

static json_t *parse_simple(enum field_type type, const json_t *value, const json_t *loc,
                            struct spec_report *report)
{
    json_t *out;

    if (json_is_null(value)) {
        error_null(loc, report);
        return NULL;
    }
    out = coerce(type, value);
    if (!out) {
        error_type(type, loc, report);
    }
    return out;
}

static json_t *parse_enum(const struct field *f, const json_t *value, const json_t *loc,
                          struct spec_report *report)
{
    for (size_t i = 0; json_is_string(value) && f->choices->names[i]; i++) {
        if (strcmp(json_string_value(value), f->choices->names[i]) == 0) {
            return json_string(f->choices->names[i]);
        }
    }
    error_enum(f->choices, loc, report);
    return NULL;
}

/* An integer if it is one (and, for a number of replicas, positive), else a string. */
static json_t *parse_int_or_str(const struct field *f, const json_t *value, const json_t *loc,
                                struct spec_report *report)
{
    json_t *out = coerce_int(value);

    if (out && f->type == FIELD_NUM_REPLICAS && json_integer_value(out) < 1) {
        json_decref(out);
        out = NULL;
    }
    if (!out) {
        out = coerce_str(value);
    }
    if (!out) {
        error_type(FIELD_INT, loc, report);
        error_type(FIELD_STR, loc, report);
    }
    return out;
}

static void warn_unknown(const struct schema *s, const char *key, json_t *loc,
                         struct spec_report *report)
{
    const char *names[KEYS_MAX];
    const char *near;

    ASSERT(s->n_fields <= KEYS_MAX);
    for (size_t i = 0; i < s->n_fields; i++) {
        names[i] = s->fields[i].name;
    }
    near = nearest_word(key, names, s->n_fields);
    push_name(loc, key);
    if (near) {
        spec_report_warning(report, loc, "unknown key, ignored; did you mean %s?", near);
    } else {
        spec_report_warning(report, loc, "unknown key, ignored");
    }
    pop(loc);
}

/* Keys that no row describes: an error each where they are forbidden, else a warning. */
static void check_unknown(const struct schema *s, json_t *object, json_t *loc,
                          struct spec_report *report)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        if (schema_field(s, key)) {
            continue;
        }
        if (!s->forbid_unknown) {
            warn_unknown(s, key, loc, report);
            continue;
        }
        push_name(loc, key);
        spec_report_error(report, loc, "value_error.extra", "extra fields not permitted");
        pop(loc);
    }
}

static json_t *parse_dict(const struct field *f, const json_t *value, json_t *loc,
                          struct spec_report *report)
{
    json_t *out = parse_simple(FIELD_DICT, value, loc, report);

    if (!out && f->flags & FIELD_TOLD_TWICE) {
        error_type(FIELD_DICT, loc, report);
    }
    if (out && f->schema) {
        check_unknown(f->schema, out, loc, report);
    }
    return out;
}

/* One {"CPU": 1.0} of placement_group_bundles. */
static json_t *parse_bundle(const json_t *value, json_t *loc, struct spec_report *report)
{
    json_t *bundle = parse_simple(FIELD_DICT, value, loc, report);
    json_t *out = json_object();
    size_t before = report->n_errors;
    const char *key;
    json_t *amount;

    json_object_foreach(bundle, key, amount)
    {
        push_name(loc, key);
        json_object_set_new(out, key, parse_simple(FIELD_FLOAT, amount, loc, report));
        pop(loc);
    }
    if (!bundle || report->n_errors > before) {
        json_decref(out);
        out = NULL;
    }
    json_decref(bundle);
    return out;
}

static json_t *parse_item(const struct field *f, const json_t *value, json_t *loc,
                          struct spec_report *report)
{
    if (json_is_null(value)) {
        error_null(loc, report);
        return NULL;
    }
    if (f->type == FIELD_OBJECTS) {
        return schema_parse(f->schema, value, loc, report);
    }
    if (f->type == FIELD_BUNDLES) {
        return parse_bundle(value, loc, report);
    }
    return parse_simple(FIELD_STR, value, loc, report);
}

static json_t *parse_list(const struct field *f, const json_t *value, json_t *loc,
                          struct spec_report *report)
{
    size_t before = report->n_errors;
    json_t *out;

    if (!json_is_array(value)) {
        error_type(FIELD_OBJECTS, loc, report);
        return NULL;
    }
    out = json_array();
    for (size_t i = 0; i < json_array_size(value); i++) {
        push_index(loc, i);
        json_array_append_new(out, parse_item(f, json_array_get(value, i), loc, report));
        pop(loc);
    }
    if (report->n_errors > before) {
        json_decref(out);
        return NULL;
    }
    return out;
}

static json_t *parse_value(const struct field *f, const json_t *value, json_t *loc,
                           struct spec_report *report)
{
    json_t *out;

    switch (f->type) {
    case FIELD_DICT: return parse_dict(f, value, loc, report);
    case FIELD_ENUM: return parse_enum(f, value, loc, report);
    case FIELD_OBJECT: return schema_parse(f->schema, value, loc, report);
    case FIELD_OBJECTS:
    case FIELD_STRS:
    case FIELD_BUNDLES: return parse_list(f, value, loc, report);
    case FIELD_NUM_REPLICAS:
    case FIELD_INT_OR_STR: return parse_int_or_str(f, value, loc, report);
    case FIELD_STR_OR_ENUM:
        out = parse_simple(FIELD_STR, value, loc, report);
        if (!out) {
            error_enum(f->choices, loc, report);
        }
        return out;
    case FIELD_STR:
    case FIELD_BOOL:
    case FIELD_INT:
    case FIELD_STRICT_INT:
    case FIELD_FLOAT: return parse_simple(f->type, value, loc, report);
    }
    NOT_REACHED();
}

static json_t *parse_field(const struct field *f, const json_t *value, json_t *loc,
                           struct spec_report *report)
{
    size_t before = report->n_errors;
    json_t *out;

    if (json_is_null(value)) {
        if (f->flags & FIELD_NULL_OK) {
            return json_null();
        }
        error_null(loc, report);
        return NULL;
    }
    out = parse_value(f, value, loc, report);
    if (out && f->bound != BOUND_NONE && !check_bounds(f, out, loc, report)) {
        json_decref(out);
        return NULL;
    }
    if (out && f->rule) {
        f->rule(&out, loc, report);
    }
    if (report->n_errors > before) {
        json_decref(out);
        return NULL;
    }
    return out;
}

/* The value as a mapping, or NULL after an error.  The document itself is told apart from its
 * parts, as Ray does. */
static json_t *as_object(const struct schema *s, const json_t *value, json_t *loc,
                         struct spec_report *report)
{
    json_t *object = coerce_dict(value);

    if (!object && json_array_size(loc) == 0) {
        push_name(loc, "__root__");
        spec_report_error(report, loc, "type_error", "%s expected dict not %s", s->name,
                          repr_class(value));
        pop(loc);
    } else if (!object) {
        error_type(FIELD_DICT, loc, report);
    }
    return object;
}

json_t *schema_parse(const struct schema *s, const json_t *value, json_t *loc,
                     struct spec_report *report)
{
    size_t before = report->n_errors;
    json_t *object = as_object(s, value, loc, report);
    json_t *out;

    if (!object) {
        return NULL;
    }
    out = json_object();
    for (size_t i = 0; i < s->n_fields; i++) {
        const struct field *f = &s->fields[i];
        const json_t *given = json_object_get(object, f->name);

        push_name(loc, f->name);
        if (given) {
            json_object_set_new(out, f->name, parse_field(f, given, loc, report));
        } else if (f->flags & FIELD_REQUIRED) {
            spec_report_error(report, loc, "value_error.missing", "field required");
        }
        pop(loc);
    }
    check_unknown(s, object, loc, report);
    json_decref(object);
    if (s->rule) {
        s->rule(out, loc, report);
    }
    if (report->n_errors > before) {
        json_decref(out);
        return NULL;
    }
    return out;
}

json_t *schema_effective(const struct schema *s, const json_t *set)
{
    json_t *out = json_object();

    for (size_t i = 0; i < s->n_fields; i++) {
        const struct field *f = &s->fields[i];
        const json_t *given = json_object_get(set, f->name);

        if (given) {
            json_object_set_new(out, f->name, json_deep_copy(given));
        } else if (f->default_json) {
            json_object_set_new(out, f->name, json_loads(f->default_json, JSON_DECODE_ANY, NULL));
        }
    }
    return out;
}

unsigned schema_diff(const struct schema *s, const json_t *a, const json_t *b)
{
    json_t *x = schema_effective(s, a);
    json_t *y = schema_effective(s, b);
    unsigned changes = CHANGE_NONE;

    for (size_t i = 0; i < s->n_fields; i++) {
        const json_t *p = json_object_get(x, s->fields[i].name);
        const json_t *q = json_object_get(y, s->fields[i].name);

        if (p != q && (!p || !q || !json_equal(p, q))) {
            changes |= s->fields[i].change;
        }
    }
    json_decref(x);
    json_decref(y);
    return changes;
}
