/* SPDX-License-Identifier: Apache-2.0 */
#include "oracle.h"

#include <llhttp.h>
#include <stdio.h>

#include "http/body.h"
#include "http/head.h"

enum { MAX_TARGET = 32 * 1024 };

static void init(struct message *m)
{
    *m = (struct message){0};
}

void oracle_free(struct message *m)
{
    buf_deinit(&m->method);
    buf_deinit(&m->target);
    buf_deinit(&m->fields);
    buf_deinit(&m->body);
}

static void refuse(struct message *m, const char *why)
{
    m->verdict = MESSAGE_REFUSED;
    (void) snprintf(m->why, sizeof(m->why), "%s", why);
}

static void put_lower(struct buf *out, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        buf_put_char(out, data[i] >= 'A' && data[i] <= 'Z' ? (char) (data[i] | 0x20) : data[i]);
    }
}

/* Ours. */

static void read_body(struct message *m, struct body_decoder *d, struct span rest, size_t head_size)
{
    size_t at = 0;

    for (;;) {
        size_t used = 0;
        struct span data = {0};
        struct span in = {rest.data + at, rest.size - at};
        enum body_verdict verdict = body_decode(d, in, SIZE_MAX, &used, &data);

        at += used;
        buf_put_span(&m->body, data);
        if (verdict == BODY_BAD) {
            refuse(m, "malformed body");
        }
        if (verdict == BODY_END) {
            m->verdict = MESSAGE_COMPLETE;
            m->size = head_size + at;
        }
        if (verdict != BODY_DATA) {
            return;
        }
    }
}

void oracle_ours(struct message *m, const void *bytes, size_t size)
{
    struct span all = {bytes, size};
    size_t scan = 0;
    size_t head_size = head_find_end(all, &scan);
    struct head *h = mem_new(struct head);
    char *copy = mem_strndup(all.data, head_size);
    struct body_decoder d;

    init(m);
    if (head_size == 0) {
        goto out;
    }
    if (head_parse_request(h, copy, head_size, MAX_TARGET) != HEAD_OK) {
        refuse(m, "malformed head");
        goto out;
    }
    m->has_head = true;
    m->minor_version = h->minor_version;
    buf_put_span(&m->method, h->method);
    buf_put_span(&m->target, h->target);
    for (size_t i = 0; i < h->n_fields; i++) {
        buf_put_span(&m->fields, h->fields[i].name);
        buf_put_char(&m->fields, ':');
        buf_put_span(&m->fields, h->fields[i].value);
        buf_put_char(&m->fields, '\n');
    }
    if (h->chunked) {
        body_start_chunked(&d);
    } else {
        body_start_length(&d, h->length);
    }
    read_body(m, &d, (struct span){all.data + head_size, size - head_size}, head_size);
out:
    free(copy);
    free(h);
}

/* Theirs. */

struct reader {
    llhttp_t parser;
    struct message *m;
};

static struct message *message_of(llhttp_t *p)
{
    return CONTAINER_OF(p, struct reader, parser)->m;
}

static int on_method(llhttp_t *p, const char *at, size_t size)
{
    buf_put(&message_of(p)->method, at, size);
    return 0;
}

static int on_url(llhttp_t *p, const char *at, size_t size)
{
    buf_put(&message_of(p)->target, at, size);
    return 0;
}

static int on_field(llhttp_t *p, const char *at, size_t size)
{
    if (!message_of(p)->has_head) {
        put_lower(&message_of(p)->fields, at, size);
    }
    return 0;
}

static int on_field_complete(llhttp_t *p)
{
    if (!message_of(p)->has_head) {
        buf_put_char(&message_of(p)->fields, ':');
    }
    return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t size)
{
    if (!message_of(p)->has_head) {
        buf_put(&message_of(p)->fields, at, size);
    }
    return 0;
}

/* llhttp gives trailing white space with the value; it means nothing. */
static int on_value_complete(llhttp_t *p)
{
    struct buf *fields = &message_of(p)->fields;

    if (!message_of(p)->has_head) {
        while (buf_size(fields) > 0 &&
               (fields->data[fields->tail - 1] == ' ' || fields->data[fields->tail - 1] == '\t')) {
            fields->tail--;
        }
        buf_put_char(fields, '\n');
    }
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    message_of(p)->has_head = true;
    message_of(p)->minor_version = p->http_minor;
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t size)
{
    buf_put(&message_of(p)->body, at, size);
    return 0;
}

static int on_message_complete(llhttp_t *p)
{
    message_of(p)->verdict = MESSAGE_COMPLETE;
    return HPE_PAUSED;
}

void oracle_llhttp(struct message *m, const void *bytes, size_t size)
{
    llhttp_settings_t settings;
    struct reader r = {.m = m};
    llhttp_errno_t error;

    init(m);
    llhttp_settings_init(&settings);
    settings.on_method = on_method;
    settings.on_url = on_url;
    settings.on_header_field = on_field;
    settings.on_header_field_complete = on_field_complete;
    settings.on_header_value = on_value;
    settings.on_header_value_complete = on_value_complete;
    settings.on_headers_complete = on_headers_complete;
    settings.on_body = on_body;
    settings.on_message_complete = on_message_complete;
    llhttp_init(&r.parser, HTTP_REQUEST, &settings);
    error = llhttp_execute(&r.parser, bytes, size);
    m->unknown_method = error == HPE_INVALID_METHOD;
    if (m->verdict == MESSAGE_COMPLETE) {
        m->size = (size_t) (llhttp_get_error_pos(&r.parser) - (const char *) bytes);
    } else if (error != HPE_OK) {
        refuse(m, llhttp_errno_name(error));
    }
}

const char *oracle_compare(const struct message *ours, const struct message *theirs)
{
    if (ours->verdict == MESSAGE_REFUSED || !ours->has_head || theirs->unknown_method) {
        return NULL;
    }
    if (theirs->verdict == MESSAGE_REFUSED) {
        return "we accept what llhttp refuses";
    }
    if (!theirs->has_head) {
        return "only we see the end of the head";
    }
    if (ours->minor_version != theirs->minor_version ||
        !span_equal(buf_span(&ours->method), buf_span(&theirs->method)) ||
        !span_equal(buf_span(&ours->target), buf_span(&theirs->target))) {
        return "the request line differs";
    }
    if (!span_equal(buf_span(&ours->fields), buf_span(&theirs->fields))) {
        return "the fields differ";
    }
    if (ours->verdict != theirs->verdict) {
        return "only one of us sees the end of the body";
    }
    if (!span_equal(buf_span(&ours->body), buf_span(&theirs->body))) {
        return "the bodies differ";
    }
    return ours->size == theirs->size ? NULL : "the messages end at different places";
}
