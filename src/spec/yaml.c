/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/yaml_priv.h"

#include <stdio.h>
#include <yaml.h>

#include "base/map.h"
#include "spec/json.h"
#include "spec/report.h"
#include "spec/repr.h"
#include "spec/yaml_scalar.h"

enum {
    DEPTH_MAX = 100,
    SIZE_MAX_TEXT = 16 << 20, /* bytes of a text */
    WEIGHT_MAX = 64 << 20,    /* of a document with its aliases written out */
    WEIGHT_OF_NODE = 16,      /* besides its text */
    MERGES_MAX = 64,          /* "<<" of one mapping */
};

#define STR_TAG_PREFIX "tag:yaml.org,2002:"

struct anchor {
    struct map_node node; /* its key is 'name' */
    char *name;           /* owned */
    json_t *value;        /* owned */
    size_t weight;
};

struct reader {
    yaml_parser_t parser;
    struct map anchors; /* of struct anchor.node; owned */
    struct yaml_places *places;
    json_t *loc; /* path of the node being read; owned */
    size_t depth;
    size_t weight;
    struct err *err;
};

static struct yaml_place place_of(yaml_mark_t mark)
{
    return (struct yaml_place){mark.line + 1, mark.column + 1};
}

static int fail_at(struct reader *r, yaml_mark_t mark, const char *text)
{
    return err_set(r->err, -EINVAL, "line %zu, column %zu: %s", mark.line + 1, mark.column + 1,
                   text);
}

static int next_event(struct reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event)) {
        return 0;
    }
    if (r->parser.error == YAML_READER_ERROR) {
        return err_set(r->err, -EINVAL, "byte %zu: %s", r->parser.problem_offset,
                       r->parser.problem ? r->parser.problem : "not UTF-8");
    }
    if (r->parser.context) {
        return err_set(r->err, -EINVAL, "line %zu, column %zu: %s (%s of line %zu)",
                       r->parser.problem_mark.line + 1, r->parser.problem_mark.column + 1,
                       r->parser.problem, r->parser.context, r->parser.context_mark.line + 1);
    }
    return fail_at(r, r->parser.problem_mark, r->parser.problem ? r->parser.problem : "bad YAML");
}

static int add_weight(struct reader *r, size_t weight, yaml_mark_t mark)
{
    r->weight += weight;
    if (r->weight > WEIGHT_MAX) {
        return fail_at(r, mark, "the document is too large (its aliases counted in full)");
    }
    return 0;
}

static const char *short_tag(const yaml_char_t *tag)
{
    const char *s = (const char *) tag;

    if (!s) {
        return "";
    }
    if (strcmp(s, "!") == 0) {
        return ""; /* "of no special type": as if nothing stood there */
    }
    return strncmp(s, STR_TAG_PREFIX, strlen(STR_TAG_PREFIX)) == 0 ? s + strlen(STR_TAG_PREFIX) : s;
}

/* The kind that a tag demands; false: a tag that we do not know. */
static bool kind_of_tag(const char *tag, enum yaml_kind *ret_kind)
{
    static const struct {
        const char *tag;
        enum yaml_kind kind;
    } kinds[] = {{"str", YAML_STRING},
                 {"null", YAML_NULL},
                 {"bool", YAML_BOOL},
                 {"int", YAML_INT},
                 {"float", YAML_FLOAT}};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(tag, kinds[i].tag) == 0) {
            *ret_kind = kinds[i].kind;
            return true;
        }
    }
    return false;
}

static int fail_tag(struct reader *r, const yaml_event_t *event, const char *tag)
{
    char *text = mem_printf("the tag %s%s is not known here", tag[0] == '!' ? "" : "!!", tag);
    int result = fail_at(r, event->start_mark, text);

    free(text);
    return result;
}

static int read_scalar(struct reader *r, const yaml_event_t *event, json_t **ret)
{
    struct span text = {(const char *) event->data.scalar.value, event->data.scalar.length};
    const char *tag = short_tag(event->data.scalar.tag);
    enum yaml_kind kind = YAML_STRING;
    int result = add_weight(r, WEIGHT_OF_NODE + text.size, event->start_mark);

    if (result < 0) {
        return result;
    }
    if (tag[0] != '\0') {
        if (!kind_of_tag(tag, &kind)) {
            return fail_tag(r, event, tag);
        }
    } else if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        kind = yaml_scalar_kind(text);
    }
    *ret = memchr(text.data, '\0', text.size) ? NULL : yaml_scalar_value(text, kind);
    if (*ret) {
        return 0;
    }
    return fail_at(r, event->start_mark,
                   kind == YAML_STRING ? "a string with a NUL byte"
                   : kind == YAML_BOOL ? "not a boolean"
                                       : "not a number that JSON can hold");
}

static int read_node(struct reader *r, const yaml_event_t *event, json_t **ret);

static int read_sequence(struct reader *r, const yaml_event_t *start, json_t **ret)
{
    json_t *out = json_array();
    yaml_event_t event;
    int result = 0;

    (void) start;
    while (result == 0 && (result = next_event(r, &event)) == 0) {
        json_t *item = NULL;
        bool is_end = event.type == YAML_SEQUENCE_END_EVENT;

        if (!is_end) {
            json_array_append_new(r->loc, json_integer((json_int_t) json_array_size(out)));
            if (r->places) {
                yaml_places_add(r->places, r->loc, place_of(event.start_mark));
            }
            result = read_node(r, &event, &item);
            json_array_remove(r->loc, json_array_size(r->loc) - 1);
            if (result == 0) {
                json_array_append_new(out, item);
            }
        }
        yaml_event_delete(&event);
        if (is_end) {
            *ret = out;
            return 0;
        }
    }
    json_decref(out);
    return result;
}

/* The text of a key, as Python's json.dumps() makes one of it. */
static int key_text(struct reader *r, const yaml_event_t *event, const json_t *key, struct buf *out)
{
    if (json_is_object(key) || json_is_array(key)) {
        return fail_at(r, event->start_mark, "a key must be a word, not a list or a mapping");
    }
    if (json_is_boolean(key)) {
        buf_put_str(out, json_is_true(key) ? "true" : "false");
    } else if (json_is_null(key)) {
        buf_put_str(out, "null");
    } else {
        repr_plain(key, out);
    }
    return 0;
}

static bool is_merge_key(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT &&
           event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !event->data.scalar.tag &&
           event->data.scalar.length == 2 && memcmp(event->data.scalar.value, "<<", 2) == 0;
}

/* Puts what "<<" names below what is in 'out'.  Of several mappings the first has the last word. */
static int merge_into(struct reader *r, yaml_mark_t mark, json_t *out, const json_t *value)
{
    if (json_is_object(value)) {
        json_object_update_missing(out, json_unconst(value));
        return 0;
    }
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        json_t *part = json_array_get(value, i);

        if (!json_is_object(part)) {
            return fail_at(r, mark, "<< merges mappings only");
        }
        json_object_update_missing(out, part);
    }
    return json_is_array(value) ? 0 : fail_at(r, mark, "<< merges mappings only");
}

/* Reads the value that belongs to a key. */
static int read_value(struct reader *r, const char *key, yaml_mark_t key_mark, json_t **ret)
{
    yaml_event_t event;
    int result = next_event(r, &event);

    if (result < 0) {
        return result;
    }
    json_array_append_new(r->loc, json_string(key));
    if (r->places) {
        yaml_places_add(r->places, r->loc, place_of(key_mark));
    }
    result = read_node(r, &event, ret);
    json_array_remove(r->loc, json_array_size(r->loc) - 1);
    yaml_event_delete(&event);
    return result;
}

/* One "key: value", of which 'event' starts the key.  Values of "<<" go to 'merges'. */
static int read_pair(struct reader *r, const yaml_event_t *event, json_t *out, json_t *merges)
{
    bool is_merge = is_merge_key(event);
    json_t *key = NULL;
    json_t *value = NULL;
    struct buf text;
    int result = read_node(r, event, &key);

    if (result < 0) {
        return result;
    }
    buf_init(&text);
    result = key_text(r, event, key, &text);
    if (result == 0) {
        result = read_value(r, buf_cstr(&text), event->start_mark, &value);
    }
    if (result == 0 && is_merge) {
        json_array_append_new(merges, value);
    } else if (result == 0) {
        json_object_set_new(out, buf_cstr(&text), value);
    }
    json_decref(key);
    buf_deinit(&text);
    return result;
}

static int read_mapping(struct reader *r, const yaml_event_t *start, json_t **ret)
{
    yaml_mark_t mark = start->start_mark;
    json_t *out = json_object();
    json_t *merges = json_array();
    yaml_event_t event;
    bool is_end = false;
    int result = 0;

    while (result == 0 && !is_end && (result = next_event(r, &event)) == 0) {
        is_end = event.type == YAML_MAPPING_END_EVENT;
        if (!is_end) {
            result = read_pair(r, &event, out, merges);
        }
        yaml_event_delete(&event);
        if (json_array_size(merges) > MERGES_MAX) {
            result = fail_at(r, mark, "too many << in one mapping");
        }
    }
    for (size_t i = 0; result == 0 && i < json_array_size(merges); i++) {
        result = merge_into(r, mark, out, json_array_get(merges, i));
    }
    json_decref(merges);
    if (result < 0) {
        json_decref(out);
        return result;
    }
    *ret = out;
    return 0;
}

static int read_alias(struct reader *r, const yaml_event_t *event, json_t **ret)
{
    const char *name = (const char *) event->data.alias.anchor;
    struct map_node *n = map_get(&r->anchors, span_of(name));
    const struct anchor *a = n ? MAP_ENTRY(n, struct anchor, node) : NULL;
    int result;

    if (!a) {
        char *text = mem_printf("there is no anchor &%s before this alias", name);

        result = fail_at(r, event->start_mark, text);
        free(text);
        return result;
    }
    result = add_weight(r, a->weight, event->start_mark);
    if (result == 0) {
        *ret = json_incref(a->value);
    }
    return result;
}

/* Remembers a finished node under its anchor, if it has one; a later one of that name replaces it.
 */
static void set_anchor(struct reader *r, const yaml_char_t *name, json_t *value, size_t weight)
{
    struct map_node *old;
    struct anchor *a;

    if (!name) {
        return;
    }
    old = map_get(&r->anchors, span_of((const char *) name));
    a = old ? MAP_ENTRY(old, struct anchor, node) : mem_new(struct anchor);
    if (!old) {
        a->name = mem_strdup((const char *) name);
        map_put(&r->anchors, span_of(a->name), &a->node);
    }
    json_decref(a->value);
    a->value = json_incref(value);
    a->weight = weight;
}

static int read_collection(struct reader *r, const yaml_event_t *event, json_t **ret)
{
    bool is_mapping = event->type == YAML_MAPPING_START_EVENT;
    const char *tag =
        short_tag(is_mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag);
    int result = add_weight(r, WEIGHT_OF_NODE, event->start_mark);

    if (result < 0) {
        return result;
    }
    if (tag[0] != '\0' && strcmp(tag, is_mapping ? "map" : "seq") != 0) {
        return fail_tag(r, event, tag);
    }
    if (++r->depth > DEPTH_MAX) {
        return fail_at(r, event->start_mark, "nested too deep");
    }
    result = is_mapping ? read_mapping(r, event, ret) : read_sequence(r, event, ret);
    r->depth--;
    return result;
}

static int read_node(struct reader *r, const yaml_event_t *event, json_t **ret)
{
    size_t before = r->weight;
    const yaml_char_t *anchor = NULL;
    int result;

    if (event->type == YAML_ALIAS_EVENT) {
        return read_alias(r, event, ret);
    }
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        result = read_scalar(r, event, ret);
    } else {
        anchor = event->type == YAML_MAPPING_START_EVENT ? event->data.mapping_start.anchor
                                                         : event->data.sequence_start.anchor;
        result = read_collection(r, event, ret);
    }
    if (result == 0) {
        set_anchor(r, anchor, *ret, r->weight - before);
    }
    return result;
}

/* Reads events up to the end of the stream: one document, or none, which is null. */
static int read_stream(struct reader *r, json_t **ret)
{
    json_t *document = NULL;
    bool is_end = false;
    int result = 0;

    while (result == 0 && !is_end) {
        yaml_event_t event;

        result = next_event(r, &event);
        if (result < 0) {
            break;
        }
        is_end = event.type == YAML_STREAM_END_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT && document) {
            result = fail_at(r, event.start_mark, "a second document; there may be only one");
        } else if (event.type == YAML_SCALAR_EVENT || event.type == YAML_ALIAS_EVENT ||
                   event.type == YAML_SEQUENCE_START_EVENT ||
                   event.type == YAML_MAPPING_START_EVENT) {
            if (r->places) {
                yaml_places_add(r->places, r->loc, place_of(event.start_mark));
            }
            result = read_node(r, &event, &document);
        }
        yaml_event_delete(&event);
    }
    if (result < 0) {
        json_decref(document);
        return result;
    }
    *ret = document ? document : json_null();
    return 0;
}

static void free_anchors(struct map *anchors)
{
    struct map_node *n;
    struct map_node *tmp;

    MAP_FOREACH (n, tmp, anchors) {
        struct anchor *a = MAP_ENTRY(n, struct anchor, node);

        map_remove(anchors, n);
        json_decref(a->value);
        free(a->name);
        free(a);
    }
    map_deinit(anchors);
}

int yaml_parse(struct span text, json_t **ret_document, struct yaml_places *places, struct err *err)
{
    struct reader r = {.places = places, .err = err};
    int result;

    if (text.size > SIZE_MAX_TEXT) {
        return err_set(err, -EFBIG, "the text is larger than %d MiB", SIZE_MAX_TEXT >> 20);
    }
    if (!yaml_parser_initialize(&r.parser)) {
        abort(); /* it only allocates */
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *) text.data, text.size);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    map_init(&r.anchors);
    r.loc = json_array();
    result = read_stream(&r, ret_document);
    json_decref(r.loc);
    free_anchors(&r.anchors);
    yaml_parser_delete(&r.parser);
    return result;
}

int json_parse(struct span text, json_t **ret_document, struct err *err)
{
    json_error_t error;
    json_t *out = json_loadb(text.data, text.size, JSON_DECODE_ANY, &error);

    if (!out) {
        return err_set(err, -EINVAL, "line %d, column %d: %s", error.line, error.column,
                       error.text);
    }
    *ret_document = out;
    return 0;
}
