/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/channel.h"

enum { HELLO_TIMEOUT_MS = 5000 };

/* Ends the link and tells the owner, who may free the channel. */
static void end(struct channel *ch, int code, const char *why)
{
    if (ch->closed) {
        return;
    }
    ch->closed = true;
    timer_stop(&ch->hello_timer);
    (void) err_set(&ch->err, code, "%s", why);
    ch->events->on_close(ch, &ch->err);
}

static int take_hello(struct channel *ch, const struct frame *f)
{
    struct msg_hello hello;

    if (f->type != MSG_HELLO || msg_hello_get(f, &hello) < 0 || hello.magic != WIRE_MAGIC) {
        return err_set(&ch->err, -EPROTO, "the peer did not begin with a valid HELLO");
    }
    if (hello.min_version > WIRE_VERSION_MAX || hello.max_version < WIRE_VERSION_MIN) {
        return err_set(&ch->err, -EPROTO, "the peer speaks protocol versions %u to %u, we %d to %d",
                       hello.min_version, hello.max_version, WIRE_VERSION_MIN, WIRE_VERSION_MAX);
    }
    if (!(hello.role & ch->peer_roles) || (hello.role & (hello.role - 1))) {
        return err_set(&ch->err, -EPERM, "a peer of role %u is not expected here", hello.role);
    }
    timer_stop(&ch->hello_timer);
    ch->peer_role = (enum wire_role) hello.role;
    if (ch->events->on_hello && ch->events->on_hello(ch, &hello) < 0) {
        return err_set(&ch->err, -EPERM, "its HELLO was refused");
    }
    return 0;
}

static int answer_ping(struct channel *ch, const struct frame *f)
{
    struct msg_ping ping;

    if (msg_ping_get(f, &ping) < 0) {
        return err_set(&ch->err, -EPROTO, "a malformed PING");
    }
    msg_pong_put(channel_out(ch), 0, 0, &(struct msg_pong){.nonce = ping.nonce});
    return 0;
}

static int take_frame(struct channel *ch, const struct frame *f)
{
    if (ch->peer_role == 0) {
        return take_hello(ch, f);
    }
    if (!message_allowed(f->type, ch->peer_role, ch->role)) {
        return err_set(&ch->err, -EPROTO, "a peer of role %u may not send message %u (%s)",
                       (unsigned) ch->peer_role, f->type, message_name(f->type));
    }
    if (f->type == MSG_PING) {
        return answer_ping(ch, f);
    }
    if (ch->events->on_message(ch, f) < 0) {
        return err_set(&ch->err, -EPROTO, "a malformed %s", message_name(f->type));
    }
    return 0;
}

static void on_read(struct stream *s)
{
    struct channel *ch = CONTAINER_OF(s, struct channel, stream);
    bool alive = true;

    ASSERT(!ch->alive);
    ch->alive = &alive;
    while (!ch->closed) {
        struct frame f;
        int r = frame_peek(buf_span(&s->in), &f);

        if (r < 0) {
            (void) err_set(&ch->err, r, "a frame longer than %d bytes", FRAME_MAX);
        } else if (r > 0) {
            r = take_frame(ch, &f) < 0 ? -EPROTO : 1;
            if (!alive) {
                return;
            }
        }
        if (r < 0) {
            char why[sizeof(ch->err.text)];

            memcpy(why, ch->err.text, sizeof(why));
            ch->alive = NULL;
            end(ch, ch->err.code, why);
            return;
        }
        if (r == 0) {
            break;
        }
        buf_consume(&s->in, FRAME_HEADER + (size_t) f.size);
    }
    ch->alive = NULL;
}

static void on_stream_close(struct stream *s, int error)
{
    end(CONTAINER_OF(s, struct channel, stream), error ? error : -EPIPE,
        error ? strerrordesc_np(-error) : "the peer closed the link");
}

static void on_stream_drain(struct stream *s)
{
    struct channel *ch = CONTAINER_OF(s, struct channel, stream);

    if (ch->events->on_drain) {
        ch->events->on_drain(ch);
    }
}

static const struct stream_events stream_events = {
    .on_read = on_read,
    .on_close = on_stream_close,
    .on_drain = on_stream_drain,
};

static void on_hello_timeout(struct timer *t)
{
    end(CONTAINER_OF(t, struct channel, hello_timer), -ETIMEDOUT, "the peer sent no HELLO");
}

void channel_init(struct channel *ch, struct loop *loop, int fd, const struct channel_hello *hello,
                  const struct channel_events *events)
{
    struct msg_hello m = {.magic = WIRE_MAGIC,
                          .min_version = WIRE_VERSION_MIN,
                          .max_version = WIRE_VERSION_MAX,
                          .role = (uint8_t) hello->role,
                          .incarnation = hello->incarnation,
                          .name = span_of(hello->name),
                          .token = span_of(hello->token),
                          .info_json = span_of(hello->info_json)};

    *ch = (struct channel){.events = events, .role = hello->role, .peer_roles = hello->peer_roles};
    stream_init(&ch->stream, loop, fd, &stream_events);
    ch->stream.in_max = FRAME_HEADER + (size_t) FRAME_MAX;
    timer_init(&ch->hello_timer, loop, on_hello_timeout);
    timer_start(&ch->hello_timer, HELLO_TIMEOUT_MS);
    msg_hello_put(channel_out(ch), 0, 0, &m);
}

void channel_deinit(struct channel *ch)
{
    if (ch->alive) {
        *ch->alive = false;
        ch->alive = NULL;
    }
    ch->closed = true;
    timer_stop(&ch->hello_timer);
    stream_deinit(&ch->stream);
}

void channel_close(struct channel *ch, const char *why)
{
    end(ch, -ECONNABORTED, why);
}
