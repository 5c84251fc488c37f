/* SPDX-License-Identifier: Apache-2.0 */
#include "replica/host_priv.h"

#include <stdio.h>

enum { RETRY_FIRST_MS = 20, RETRY_MAX_MS = 1000 };

static bool is_router(const struct link *l)
{
    return l == &l->host->links[LINK_ROUTER];
}

static void put_link_event(struct link *l)
{
    struct host_event *e = host_event_new(HOST_LINK, 0, (struct span){0});

    e->text = span_of(l->name);
    e->is_complete = l->is_up;
    host_event_put(l->host, e);
}

/* What the channel tells. */

static int on_hello(struct channel *ch, const struct msg_hello *hello)
{
    struct link *l = CONTAINER_OF(ch, struct link, channel);

    (void) hello;
    (void) pthread_mutex_lock(&l->host->lock);
    l->is_up = true;
    l->retry_ms = RETRY_FIRST_MS;
    put_link_event(l);
    (void) pthread_mutex_unlock(&l->host->lock);
    return 0;
}

static int take_control(struct host *h, const struct frame *f)
{
    struct host_event *e = host_event_new(HOST_CONTROL, 0, (struct span){f->payload, f->size});
    struct frame copy = *f;
    struct msg_control m;

    copy.payload = e->memory;
    if (f->type != MSG_CONTROL || msg_control_get(&copy, &m) < 0) {
        host_event_free(e);
        return f->type == MSG_CONTROL ? -EPROTO : 0;
    }
    e->text = m.name;
    e->data = m.body_json;
    host_event_put(h, e);
    return 0;
}

static int on_message(struct channel *ch, const struct frame *f)
{
    struct link *l = CONTAINER_OF(ch, struct link, channel);
    struct host *h = l->host;
    int r = 0;

    (void) pthread_mutex_lock(&h->lock);
    if (!is_router(l)) {
        r = take_control(h, f);
    } else if (f->stream != 0) {
        r = f->stream & 1 ? host_call_message(h, f) : host_request_message(h, f);
    }
    (void) pthread_mutex_unlock(&h->lock);
    return r;
}

static void on_close(struct channel *ch, const struct err *err)
{
    struct link *l = CONTAINER_OF(ch, struct link, channel);
    struct host *h = l->host;
    bool was_up = l->is_up;

    (void) err;
    (void) pthread_mutex_lock(&h->lock);
    channel_deinit(ch);
    l->is_open = false;
    l->is_up = false;
    buf_clear(&l->out);
    if (was_up) {
        put_link_event(l);
    }
    if (is_router(l)) {
        host_requests_link_down(h);
        host_calls_link_down(h);
    }
    timer_start(&l->retry, l->retry_ms);
    (void) pthread_mutex_unlock(&h->lock);
}

static const struct channel_events channel_events = {
    .on_hello = on_hello,
    .on_message = on_message,
    .on_close = on_close,
};

/* Dialling. */

/* The user's object with what runs here added for the router. */
static char *hello_info(const struct link *l)
{
    struct span info = span_of(l->info_json ? l->info_json : "{}");
    struct buf text = {0};
    const char *end = memrchr(info.data, '}', info.size);
    size_t size = end ? (size_t) (end - info.data) : 0;

    if (!is_router(l) || l->host->role != ROLE_REPLICA || size == 0) {
        return mem_strndup(info.data, info.size);
    }
    buf_put(&text, info.data, size);
    buf_put_str(&text, memchr(info.data, ':', size) ? ", \"running\": [" : "\"running\": [");
    host_requests_print(l->host, &text);
    buf_put_str(&text, "]}");
    return buf_take_str(&text);
}

static void dial(struct link *l)
{
    struct host *h = l->host;
    CLEANUP(mem_freep) char *path = mem_printf("%s/sockets/%s", h->session_dir, l->name);
    CLEANUP(mem_freep) char *info = hello_info(l);
    struct channel_hello hello = {.role = h->role,
                                  .peer_roles = is_router(l) ? ROLE_PROXY : ROLE_NODE,
                                  .incarnation = h->incarnation,
                                  .name = h->name,
                                  .token = is_router(l) ? NULL : h->token,
                                  .info_json = info};
    int fd = stream_connect_unix(path, NULL);

    l->retry_ms = MIN(l->retry_ms * 2, (uint64_t) RETRY_MAX_MS);
    if (fd < 0) {
        timer_start(&l->retry, l->retry_ms);
        return;
    }
    channel_init(&l->channel, h->loop, fd, &hello, &channel_events);
    l->is_open = true;
    if (is_router(l)) {
        host_calls_link_open(h);
        host_lookups_link_open(h);
    }
}

static void on_retry(struct timer *t)
{
    struct link *l = CONTAINER_OF(t, struct link, retry);

    (void) pthread_mutex_lock(&l->host->lock);
    dial(l);
    (void) pthread_mutex_unlock(&l->host->lock);
}

/* What host.c asks for. */

void host_link_init(struct link *l, struct host *h, const char *name)
{
    *l = (struct link){.host = h, .name = name, .retry_ms = RETRY_FIRST_MS / 2};
    timer_init(&l->retry, h->loop, on_retry);
    buf_init(&l->out);
}

void host_link_want(struct link *l, const char *info_json)
{
    free(l->info_json);
    l->info_json = mem_strdup(info_json);
    l->is_wanted = true;
}

bool host_link_collect(struct link *l)
{
    if (l->is_wanted && !l->is_open && !timer_active(&l->retry) && !l->host->stopping) {
        dial(l);
    }
    if (!l->is_open) {
        return false;
    }
    if (buf_size(&l->out) > 0) {
        struct buf *to = channel_out(&l->channel);

        if (buf_size(to) == 0) {
            struct buf empty = *to;

            *to = l->out;
            l->out = empty;
        } else {
            buf_put_span(to, buf_span(&l->out));
            buf_clear(&l->out);
        }
    }
    return stream_pending(&l->channel.stream) > 0;
}

void host_link_flush(struct link *l)
{
    if (l->is_open && stream_pending(&l->channel.stream) > 0) {
        stream_flush(&l->channel.stream);
    }
}

void host_link_stop(struct link *l)
{
    timer_stop(&l->retry);
    if (l->is_open) {
        channel_deinit(&l->channel);
        l->is_open = false;
    }
}

int host_control(struct host *h, struct span name, struct span body_json)
{
    struct link *l = &h->links[LINK_NODE];

    if (name.size > HOST_TEXT_MAX || body_json.size > FRAME_MAX - HOST_TEXT_MAX - 64) {
        return -EMSGSIZE;
    }
    (void) pthread_mutex_lock(&h->lock);
    if (!h->is_dead && l->is_open) {
        msg_control_put(&l->out, 0, 0, &(struct msg_control){.name = name, .body_json = body_json});
        host_kick(h);
    }
    (void) pthread_mutex_unlock(&h->lock);
    return 0;
}
