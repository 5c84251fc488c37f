/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_FIELD_H
#define SPEC_FIELD_H

/* The table engine.  serve_fields.def has one row for each configuration field; parsing, coercion,
 * error texts, defaults and the classes of change come from those rows.  What is a valid value, and
 * what an invalid one is called, is what users of Ray Serve 2.53 know (pydantic v1, lax).  Values
 * are jansson documents in and out; nothing is logged or printed. */

#include <jansson.h>

#include "base/base.h"

enum field_type {
    FIELD_STR,
    FIELD_BOOL,
    FIELD_INT,
    FIELD_STRICT_INT, /* no coercion */
    FIELD_FLOAT,
    FIELD_DICT,         /* any mapping; a schema only warns of unknown keys in it */
    FIELD_ENUM,         /* one of 'choices' */
    FIELD_STR_OR_ENUM,  /* a string; 'choices' are named when it is something else */
    FIELD_OBJECT,       /* of 'schema' */
    FIELD_OBJECTS,      /* a list of them */
    FIELD_STRS,         /* a list of strings */
    FIELD_BUNDLES,      /* a list of mappings from names to floats */
    FIELD_NUM_REPLICAS, /* a positive integer, or a string that a rule looks at */
    FIELD_INT_OR_STR,   /* an integer, or a string that a rule looks at */
};

enum field_flag {
    FIELD_REQUIRED = 1,
    FIELD_NULL_OK = 2,
    FIELD_SECRET = 4,     /* masked when shown */
    FIELD_TOLD_TWICE = 8, /* Ray tries two types, and says of each that it is not that */
};

/* What a change of the field means for what runs (ray-serve.md 7.6); a set of them is what diff.h
 * answers. */
enum change {
    CHANGE_NONE = 0,
    CHANGE_REBUILD = 1,     /* import the application again */
    CHANGE_RESTART = 2,     /* replace the deployment's replicas */
    CHANGE_RECONFIGURE = 4, /* tell the replicas */
    CHANGE_SCALE = 8,       /* another number of replicas */
    CHANGE_ROUTER = 16,     /* tell the routers */
    CHANGE_CONTROLLER = 32, /* the controller reads it anew each time */
    CHANGE_NEVER = 64,      /* read once, when the instance starts */
};

/* Bounds of a number; BOUND_NONE leaves it free. */
enum bound { BOUND_NONE, BOUND_GT, BOUND_GE };

/* The members of a Python enum. */
struct choices {
    const char *class_name;
    const char *names[4]; /* NULL-terminated */
};

struct field;
struct spec_report;

/* A rule of one field, run on the coerced value, which it may replace.  'loc' is where the value
 * stands.  It adds its errors to the report; the value is dropped then. */
typedef void field_rule_fn(json_t **value, const json_t *loc, struct spec_report *report);
/* A rule between fields.  'object' holds the coerced values of those fields that were good. */
typedef void schema_rule_fn(json_t *object, json_t *loc, struct spec_report *report);

struct schema {
    const char *name; /* as Ray calls it: "DeploymentSchema" */
    const struct field *fields;
    size_t n_fields;
    bool forbid_unknown; /* unknown keys are errors, not warnings */
    schema_rule_fn *rule;
};

struct field {
    const char *name;
    enum field_type type;
    unsigned flags; /* of enum field_flag */
    enum bound bound;
    double min;
    double max;
    bool has_max;                  /* the value may not be above 'max' */
    const char *default_json;      /* the effective value when nobody sets it; NULL: none */
    unsigned change;               /* of enum change */
    const struct choices *choices; /* of an ENUM */
    const struct schema *schema;   /* of an OBJECT */
    field_rule_fn *rule;
};

enum schema_id {
    SCHEMA_DEPLOY, /* the whole document */
    SCHEMA_APPLICATION,
    SCHEMA_DEPLOYMENT,
    SCHEMA_RAY_ACTOR_OPTIONS,
    SCHEMA_HTTP_OPTIONS,
    SCHEMA_GRPC_OPTIONS,
    SCHEMA_LOGGING,
    SCHEMA_AUTOSCALING,
    SCHEMA_REQUEST_ROUTER,
    SCHEMA_COUNT,
};

const struct schema *schema_get(enum schema_id id);
const struct field *schema_field(const struct schema *s, const char *name); /* NULL: unknown */

/* Checks and coerces 'value'.  The result has the submitted known fields only and belongs to the
 * caller; NULL when there were errors, which the report tells.  'loc' is the path of 'value', an
 * array of names and indices, used as a stack: unchanged on return. */
json_t *schema_parse(const struct schema *s, const json_t *value, json_t *loc,
                     struct spec_report *report) MUST_CHECK;

/* A new object with every field that has a default, overlaid with the fields of 'set' (may be
 * NULL). */
json_t *schema_effective(const struct schema *s, const json_t *set) MUST_CHECK;

/* The classes of all fields in which two (coerced) objects differ; a field that is absent equals
 * its default. */
unsigned schema_diff(const struct schema *s, const json_t *a, const json_t *b);

#endif
