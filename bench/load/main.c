/* SPDX-License-Identifier: Apache-2.0 */
/* load: an HTTP/1.1 load generator.
 *
 * Closed loop (the default): each client sends its next request when its last was answered.  Open
 * loop
 * (--rate): requests are due at fixed or Poisson intervals, whether or not a client is free, and
 * latency counts from the moment a request was *due*, so that a server that stalls cannot hide it
 * (coordinated omission). Prints one JSON object. */

#include "cli/options.h"
#include "load/client.h"
#include "load/histogram.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { MAX_BACKLOG = 1 << 20, MAX_STATUS = 600 };

struct load_options {
    int64_t n_clients;
    double duration_s;
    double warmup_s;
    double rate;
    bool poisson;
    const char *method;
    const char *body_path;
    struct option_list headers;
};

struct load {
    struct loop *loop;
    struct load_options options;
    char host[64];
    char authority[256];
    char path[2048];
    uint16_t port;
    struct buf request;
    struct client *clients; /* options.n_clients of them; owned */

    /* Open loop: when the requests that wait for a client were due, a ring; and the free clients.
     */
    uint64_t *due_us;
    size_t due_head;
    size_t n_due;
    struct client **idle;
    size_t n_idle;
    uint64_t next_due_us;
    uint64_t seed;
    int pace_fd;
    struct io_watch pace;

    uint64_t start_us; /* counting starts: after the warm-up */
    uint64_t end_us;
    struct timer end_timer;
    struct histogram latency;
    uint64_t n_by_status[MAX_STATUS];
    uint64_t n_errors;
    uint64_t n_bytes;
    uint64_t n_parts;
    uint64_t n_unsent; /* due but never sent: the backlog overflowed or the time was over */
};

static struct load load;

static uint64_t now_us(void)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t) ts.tv_sec * 1000000u + (uint64_t) ts.tv_nsec / 1000u;
}

static double random_unit(void)
{
    load.seed ^= load.seed << 13;
    load.seed ^= load.seed >> 7;
    load.seed ^= load.seed << 17;
    return (double) (load.seed >> 11) * 0x1p-53;
}

static void send_request(struct client *c, uint64_t due_us)
{
    c->started_us = due_us;
    client_send(c, buf_span(&load.request));
}

static void count(const struct client *c, const struct client_result *r)
{
    uint64_t now = now_us();

    if (c->started_us < load.start_us || now > load.end_us) {
        return;
    }
    load.n_bytes += r->n_bytes;
    load.n_parts += r->n_parts;
    if (r->status > 0 && r->status < MAX_STATUS) {
        load.n_by_status[r->status]++;
        histogram_add(&load.latency, now - c->started_us);
    } else {
        load.n_errors++;
    }
}

static void on_done(struct client *c, const struct client_result *result)
{
    count(c, result);
    if (load.options.rate <= 0) {
        send_request(c, now_us());
    } else if (load.n_due > 0) {
        uint64_t due = load.due_us[load.due_head];

        load.due_head = (load.due_head + 1) % MAX_BACKLOG;
        load.n_due--;
        send_request(c, due);
    } else {
        load.idle[load.n_idle++] = c;
    }
}

/* Open loop. */

static void arrive(uint64_t due_us)
{
    if (load.n_idle > 0) {
        send_request(load.idle[--load.n_idle], due_us);
    } else if (load.n_due < MAX_BACKLOG) {
        load.due_us[(load.due_head + load.n_due++) % MAX_BACKLOG] = due_us;
    } else {
        load.n_unsent++;
    }
}

static uint64_t interval_us(void)
{
    double mean = 1e6 / load.options.rate;
    double us = load.options.poisson ? -log(1.0 - random_unit()) * mean : mean;

    return (uint64_t) llround(us);
}

static void arm_pace(void)
{
    struct itimerspec at = {.it_value = {.tv_sec = (time_t) (load.next_due_us / 1000000u),
                                         .tv_nsec = (long) (load.next_due_us % 1000000u) * 1000}};

    ASSERT(timerfd_settime(load.pace_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0);
}

static void on_pace(struct io_watch *w, unsigned events)
{
    uint64_t expirations;
    uint64_t now = now_us();

    (void) events;
    (void) !read(w->fd, &expirations, sizeof(expirations));
    while (load.next_due_us <= now) {
        arrive(load.next_due_us);
        load.next_due_us += MAX(interval_us(), 1u);
    }
    arm_pace();
}

static void start_open_loop(void)
{
    load.due_us = mem_alloc(MAX_BACKLOG * sizeof(uint64_t));
    load.idle = mem_alloc((size_t) load.options.n_clients * sizeof(struct client *));
    for (int64_t i = 0; i < load.options.n_clients; i++) {
        load.idle[load.n_idle++] = &load.clients[i];
    }
    load.pace_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    ASSERT(load.pace_fd >= 0);
    load.next_due_us = now_us() + 1000;
    io_watch_start(&load.pace, load.loop, load.pace_fd, IO_READ, on_pace);
    arm_pace();
}

/* The request and where it goes. */

static int resolve(struct err *err)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char *colon = strchr(load.authority, ':');
    char *name = colon ? mem_strndup(load.authority, (size_t) (colon - load.authority))
                       : mem_strdup(load.authority);
    int r = getaddrinfo(name, NULL, &hints, &found);

    load.port = colon ? (uint16_t) strtoul(colon + 1, NULL, 10) : 80;
    free(name);
    if (r != 0) {
        return err_set(err, -EHOSTUNREACH, "%s: %s", load.authority, gai_strerror(r));
    }
    (void) inet_ntop(AF_INET, &((struct sockaddr_in *) (void *) found->ai_addr)->sin_addr,
                     load.host, sizeof(load.host));
    freeaddrinfo(found);
    return 0;
}

static int parse_url(const char *url, struct err *err)
{
    const char *rest = strncmp(url, "http://", 7) == 0 ? url + 7 : NULL;
    size_t n = rest ? strcspn(rest, "/") : 0;

    if (n == 0 || n >= sizeof(load.authority) || strlen(rest + n) >= sizeof(load.path)) {
        return err_set(err, -EINVAL, "'%s' is not an http:// URL", url);
    }
    memcpy(load.authority, rest, n);
    (void) snprintf(load.path, sizeof(load.path), "%s", rest[n] ? rest + n : "/");
    return resolve(err);
}

static int read_file(const char *path, struct buf *to, struct err *err)
{
    FILE *file = fopen(path, "rbe");

    if (!file) {
        return err_errno(err, "cannot open %s", path);
    }
    for (size_t n = 1; n > 0;) {
        n = fread(buf_reserve(to, 65536), 1, 65536, file);
        buf_commit(to, n);
    }
    (void) fclose(file);
    return 0;
}

static int make_request(struct err *err)
{
    const struct load_options *o = &load.options;
    struct buf body = {0};
    const char *method = o->method ? o->method : (o->body_path ? "POST" : "GET");

    if (o->body_path) {
        int r = read_file(o->body_path, &body, err);

        if (r < 0) {
            return r;
        }
    }
    buf_printf(&load.request, "%s %s HTTP/1.1\r\nhost: %s\r\n", method, load.path, load.authority);
    for (size_t i = 0; i < o->headers.size; i++) {
        buf_printf(&load.request, "%s\r\n", o->headers.items[i]);
    }
    if (o->body_path) {
        buf_printf(&load.request, "content-length: %zu\r\n", buf_size(&body));
    }
    buf_put_str(&load.request, "\r\n");
    buf_put_span(&load.request, buf_span(&body));
    buf_deinit(&body);
    return 0;
}

/* The report. */

static void print_report(void)
{
    static const double percents[] = {50, 75, 90, 95, 99, 99.9, 99.99};
    double wall_s = (double) (load.end_us - load.start_us) / 1e6;
    struct rusage usage;
    const char *comma = "";

    (void) getrusage(RUSAGE_SELF, &usage);
    (void) printf("{\"requests\": %" PRIu64
                  ", \"rate\": %.1f, \"seconds\": %.3f, \"errors\": %" PRIu64
                  ", \"unsent\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"parts\": %" PRIu64
                  ", \"cpu_s\": %.3f, \"statuses\": {",
                  load.latency.n, (double) load.latency.n / wall_s, wall_s, load.n_errors,
                  load.n_unsent + load.n_due, load.n_bytes, load.n_parts,
                  (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                      (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    for (int i = 0; i < MAX_STATUS; i++) {
        if (load.n_by_status[i] > 0) {
            (void) printf("%s\"%d\": %" PRIu64, comma, i, load.n_by_status[i]);
            comma = ", ";
        }
    }
    (void) printf("}, \"latency_us\": {\"mean\": %.1f, \"max\": %" PRIu64,
                  load.latency.n ? (double) load.latency.sum_us / (double) load.latency.n : 0.0,
                  load.latency.max_us);
    for (size_t i = 0; i < ARRAY_LEN(percents); i++) {
        (void) printf(", \"p%g\": %" PRIu64, percents[i],
                      histogram_percentile(&load.latency, percents[i]));
    }
    (void) printf("}}\n");
}

static void on_end(struct timer *t)
{
    (void) t;
    loop_stop(load.loop);
}

static void run(void)
{
    load.loop = loop_new();
    load.seed = 88172645463325252u;
    load.clients = mem_alloc((size_t) load.options.n_clients * sizeof(struct client));
    load.start_us = now_us() + (uint64_t) (load.options.warmup_s * 1e6);
    load.end_us = load.start_us + (uint64_t) (load.options.duration_s * 1e6);
    for (int64_t i = 0; i < load.options.n_clients; i++) {
        client_init(&load.clients[i], load.loop, load.host, load.port, on_done);
    }
    if (load.options.rate > 0) {
        start_open_loop();
    } else {
        for (int64_t i = 0; i < load.options.n_clients; i++) {
            send_request(&load.clients[i], now_us());
        }
    }
    timer_init(&load.end_timer, load.loop, on_end);
    timer_start(&load.end_timer,
                (uint64_t) ((load.options.warmup_s + load.options.duration_s) * 1e3) + 1);
    loop_run(load.loop);
}

static const struct option_row rows[] = {
    OPTION('c', "clients", INT, struct load_options, n_clients, "N", "connections (64)"),
    OPTION('d', "duration", NUMBER, struct load_options, duration_s, "SECONDS", "how long (5)"),
    OPTION('w', "warmup", NUMBER, struct load_options, warmup_s, "SECONDS", "not counted (0)"),
    OPTION('r', "rate", NUMBER, struct load_options, rate, "PER_SECOND", "open loop"),
    OPTION('p', "poisson", SWITCH, struct load_options, poisson, NULL, "random arrivals"),
    OPTION('m', "method", TEXT, struct load_options, method, "METHOD", "GET, POST with a body"),
    OPTION('b', "body", TEXT, struct load_options, body_path, "FILE", "what to send"),
    OPTION('H', "header", LIST, struct load_options, headers, "LINE", "'name: value'"),
};

static const struct option_table table = {
    .usage = "load [OPTIONS] URL", .rows = rows, .n_rows = ARRAY_LEN(rows)};

int main(int argc, char **argv)
{
    struct option_list arguments = {0};
    struct err err = {0};
    int r;

    load.options = (struct load_options){.n_clients = 64, .duration_s = 5};
    r = options_parse(&table, argc - 1, argv + 1, &load.options, &arguments, NULL, &err);
    if (r == 0 && (arguments.size != 1 || load.options.n_clients < 1)) {
        r = err_set(&err, -EINVAL, "one URL and at least one client are needed");
    }
    if (r == 0) {
        r = parse_url(arguments.items[0], &err);
    }
    if (r == 0) {
        r = make_request(&err);
    }
    if (r < 0) {
        struct buf help = {0};

        options_print_help(&table, &help);
        (void) fprintf(stderr, "%s%s%s\n", buf_cstr(&help), err.text[0] ? "load: " : "", err.text);
        return 2;
    }
    run();
    print_report();
    return 0;
}
