/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/health_cmd.h"

#include <netdb.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/instance.h"
#include "cli/options.h"
#include "cli/ray_cmd.h"
#include "wire/channel.h"

enum { LIMIT_S = 5, GREETING_MS = 4000 };

struct health_options {
    const char *address;
};

static const struct option_row rows[] = {
    OPTION(0, "address", TEXT, struct health_options, address, "HOST:PORT",
           "cluster address (RAY_ADDRESS, else the newest here)"),
    OPTION_IGNORED("component"),
    OPTION_IGNORED_SWITCH("skip-version-check"),
    OPTION_IGNORED("redis-password"),
    OPTION_IGNORED("redis-username"),
};

static const struct option_table table = {
    .usage = "ray health-check [OPTIONS]",
    .about = "Ends with 0 if the instance is there and healthy, with 1 if not, within 5 seconds.",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
    .accept_unknown = true,
};

struct check {
    struct channel channel;
    struct loop *loop;
    struct timer limit;
    struct err err;
    bool is_healthy;
};

static int on_hello(struct channel *ch, const struct msg_hello *hello)
{
    struct check *c = CONTAINER_OF(ch, struct check, channel);

    (void) hello;
    c->is_healthy = true;
    loop_stop(c->loop);
    return 0;
}

static int on_message(struct channel *ch, const struct frame *f)
{
    (void) ch;
    (void) f;
    return 0;
}

static void on_close(struct channel *ch, const struct err *err)
{
    struct check *c = CONTAINER_OF(ch, struct check, channel);

    c->err = *err;
    loop_stop(c->loop);
}

static const struct channel_events channel_events = {
    .on_hello = on_hello,
    .on_message = on_message,
    .on_close = on_close,
};

static void on_limit(struct timer *t)
{
    channel_close(&CONTAINER_OF(t, struct check, limit)->channel, "it accepts but does not answer");
}

/* Says HELLO and waits for the answer; 0 or -errno. */
static int greet(int fd, struct err *err)
{
    const struct channel_hello hello = {
        .role = ROLE_CLI, .peer_roles = ROLE_CONTROLLER, .name = "health-check"};
    struct check c = {.loop = loop_new()};

    channel_init(&c.channel, c.loop, fd, &hello, &channel_events);
    timer_init(&c.limit, c.loop, on_limit);
    timer_start(&c.limit, GREETING_MS);
    loop_run(c.loop);
    timer_stop(&c.limit);
    channel_deinit(&c.channel);
    loop_free(c.loop);
    return c.is_healthy ? 0 : err_set(err, -ECONNREFUSED, "%s", c.err.text);
}

/* The first address of the name that can be dialled; resolving blocks, see LIMIT_S. */
static int dial(const char *address, struct err *err)
{
    const char *colon = strrchr(address, ':');
    char *host CLEANUP(mem_freep) = NULL;
    char literal[NI_MAXHOST];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int fd = -1;
    int r;

    if (!colon || strtol(colon + 1, NULL, 10) <= 0 || strtol(colon + 1, NULL, 10) > UINT16_MAX) {
        return err_set(err, -EINVAL, "'%s' is not of the form HOST:PORT", address);
    }
    host = mem_strndup(address, (size_t) (colon - address));
    r = getaddrinfo(host, NULL, &hints, &found);
    if (r != 0) {
        return err_set(err, -EHOSTUNREACH, "%s: %s", host, gai_strerror(r));
    }
    r = getnameinfo(found->ai_addr, found->ai_addrlen, literal, sizeof(literal), NULL, 0,
                    NI_NUMERICHOST);
    freeaddrinfo(found);
    if (r == 0) {
        fd = stream_connect_tcp(literal, (uint16_t) strtol(colon + 1, NULL, 10), err);
    }
    return r == 0 ? fd : err_set(err, -EHOSTUNREACH, "%s: %s", host, gai_strerror(r));
}

static int find_address(const struct health_options *o, char **ret, struct err *err)
{
    const char *wanted = o->address ? o->address : getenv("RAY_ADDRESS");
    struct instance *i = NULL;
    int r;

    if (wanted && wanted[0] != '\0' && strcmp(wanted, "auto") != 0) {
        *ret = mem_strdup(wanted);
        return 0;
    }
    r = instance_find(NULL, &i, err);
    if (r == 0 && !i) {
        return err_set(err, -ENOENT, "no instance is running here");
    }
    *ret = i ? mem_strdup(i->address) : NULL;
    instance_free(i);
    return r;
}

static int check_health(const struct health_options *o)
{
    char *address CLEANUP(mem_freep) = NULL;
    struct err err = {0};
    int fd = -1;
    int r;

    (void) alarm(LIMIT_S); /* a name server may keep us waiting; its signal ends us */
    r = find_address(o, &address, &err);
    if (r == 0) {
        ASSERT(address);
        fd = dial(address, &err);
        r = fd < 0 ? fd : greet(fd, &err);
    }
    if (r < 0) {
        (void) fprintf(stderr, "%s is not healthy: %s\n", address ? address : "the instance",
                       err.text);
        return 1;
    }
    return 0;
}

int health_cmd(int argc, char **argv)
{
    struct health_options o = {0};
    int code = ray_parse(&table, "ray health-check", argc, argv, &o);

    return code >= 0 ? code : check_health(&o);
}
