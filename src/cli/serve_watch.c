/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_watch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/follow.h"
#include "cli/own_instance.h"
#include "cli/serve_api.h"
#include "cli/serve_priv.h"

enum { POLL_MS = 250, DEPLOY_TRIES = 40, LOST_MAX = 20 };

/* Ctrl-C and SIGTERM, counted; the second one is impatient. */
static volatile int n_interrupts;

struct watch {
    struct own_instance own; /* pid 0: the instance was there before us */
    struct instance *instance;
    struct serve_api api;
    struct follow follow;
    bool is_following;
    json_t *last;       /* application → its last status and message; owned */
    bool was_announced; /* that all run */
    unsigned n_lost;    /* calls in a row that failed */
};

static void on_signal(int number)
{
    (void) number;
    n_interrupts++;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    (void) sigemptyset(&action.sa_mask);
    (void) sigaction(SIGINT, &action, NULL);
    (void) sigaction(SIGTERM, &action, NULL);
}

static void wait_a_moment(void)
{
    const struct timespec t = {0, POLL_MS * 1000000L};

    (void) nanosleep(&t, NULL); /* a signal ends it */
}

/* Our own instance shows its users' output by a descriptor of its own: where both go to one file,
 * neither may write over the other's lines. */
static void append_only(void)
{
    static const int fds[] = {STDOUT_FILENO, STDERR_FILENO};

    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        int flags = fcntl(fds[i], F_GETFL);

        if (flags >= 0) {
            (void) fcntl(fds[i], F_SETFL, flags | O_APPEND);
        }
    }
}

/* The instance to use, started if there is none. */
static int find_or_start(struct watch *w, const char *address, bool is_blocking, struct err *err)
{
    const char *said = address ? address : getenv("RAY_ADDRESS");
    int r = instance_find(said, &w->instance, err);

    if (r < 0 || w->instance) {
        return r;
    }
    if (said && strcmp(said, "auto") != 0) {
        return err_set(err, -ENOENT,
                       "no instance is running at %s; without an address one is started", said);
    }
    (void) printf("No instance is running here; starting one.\n");
    if (is_blocking) {
        append_only();
        return own_instance_start(&w->own, &w->instance, err);
    }
    r = own_instance_start_detached(err);
    if (r == 0) {
        r = instance_find(NULL, &w->instance, err);
    }
    return r == 0 && !w->instance ? err_set(err, -ENOENT, "the instance has ended again") : r;
}

/* An instance that has just started may not listen yet. */
static int deploy(struct watch *w, const json_t *document, struct err *err)
{
    int r = serve_api_call(&w->api, "PUT", SERVE_API_APPLICATIONS, document, NULL, err);

    for (int i = 0; i < DEPLOY_TRIES && r == -ECONNREFUSED && n_interrupts == 0; i++) {
        wait_a_moment();
        r = serve_api_call(&w->api, "PUT", SERVE_API_APPLICATIONS, document, NULL, err);
    }
    if (r == 0) {
        (void) printf("Submitted deploy config successfully.\n");
        (void) fflush(stdout);
    }
    return r;
}

static void announce(const struct watch *w, const json_t *details)
{
    const json_t *http = json_object_get(details, "http_options");
    const char *host = json_string_value(json_object_get(http, "host"));
    long long port = json_integer_value(json_object_get(http, "port"));
    const char *name;
    json_t *app;

    (void) printf("\nAll applications are running:\n");
    json_object_foreach(json_object_get(details, "applications"), name, app)
    {
        const char *prefix = json_string_value(json_object_get(app, "route_prefix"));

        if (prefix) {
            (void) printf("  %-12s http://%s:%lld%s\n", name,
                          host && strcmp(host, "0.0.0.0") != 0 ? host : "127.0.0.1", port, prefix);
        } else {
            (void) printf("  %-12s by handles only\n", name);
        }
    }
    (void) printf("Page  %s\nLogs  %s/logs/serve\nPress Ctrl-C to end.\n\n", w->api.base,
                  w->instance->session_dir);
}

/* Says what has changed since the last look. */
static void show_changes(struct watch *w, const json_t *details)
{
    const json_t *applications = json_object_get(details, "applications");
    bool is_all_running = json_object_size(applications) > 0;
    const char *name;
    json_t *app;

    json_object_foreach(json_object_get(details, "applications"), name, app)
    {
        const char *status = json_string_value(json_object_get(app, "status"));
        const char *message = json_string_value(json_object_get(app, "message"));
        json_t *now = json_pack("[s?s?]", status, message);

        if (!json_equal(now, json_object_get(w->last, name))) {
            (void) printf("Application '%s' is %s.%s%s\n", name, status ? status : "?",
                          message && message[0] != '\0' ? " " : "", message ? message : "");
        }
        json_object_set_new(w->last, name, now);
        is_all_running = is_all_running && status && strcmp(status, "RUNNING") == 0;
    }
    if (is_all_running && !w->was_announced) {
        announce(w, details);
        w->was_announced = true;
    }
    (void) fflush(stdout);
}

/* One look; an error when the instance is gone. */
static int look(struct watch *w, struct err *err)
{
    json_t *details = NULL;
    int r;

    if (own_instance_has_ended(&w->own)) {
        return err_set(err, -ECHILD, "the instance has ended by itself");
    }
    r = serve_api_call(&w->api, "GET", SERVE_API_APPLICATIONS, NULL, &details, err);
    if (r == 0) {
        w->n_lost = 0;
        show_changes(w, details);
    } else if (++w->n_lost < LOST_MAX) {
        r = 0; /* a controller that is being started again */
    }
    json_decref(details);
    if (w->is_following) {
        follow_run(&w->follow);
    }
    return r;
}

/* Our own instance ends; in one that we found, what we put up goes. */
static void take_down(struct watch *w)
{
    struct err err;

    (void) printf("\nStopping the applications.  Press Ctrl-C again to end at once.\n");
    (void) fflush(stdout);
    if (w->own.pid > 0) {
        own_instance_stop(&w->own, &n_interrupts);
    } else if (serve_api_call(&w->api, "DELETE", SERVE_API_APPLICATIONS, NULL, NULL, &err) < 0) {
        (void) fprintf(stderr, "serve run: %s\n", err.text);
    }
    if (w->is_following) {
        follow_run(&w->follow);
    }
}

static int run(struct watch *w, const json_t *document, const char *address, bool is_blocking)
{
    struct err err = {0};
    int r = find_or_start(w, address, is_blocking, &err);

    if (r == 0) {
        r = serve_api_open(&w->api, w->instance->dashboard_url, &err);
    }
    if (r == 0 && is_blocking && w->own.pid == 0) {
        follow_init(&w->follow, w->instance->session_dir);
        w->is_following = true;
    }
    if (r == 0) {
        r = deploy(w, document, &err);
    }
    while (r == 0 && is_blocking && n_interrupts == 0) {
        r = look(w, &err);
        if (r == 0 && n_interrupts == 0) {
            wait_a_moment();
        }
    }
    if (r < 0 && n_interrupts == 0) {
        (void) serve_fail("run", &err);
        own_instance_stop(&w->own, &n_interrupts);
        return 1;
    }
    if (is_blocking && (w->own.pid > 0 || w->api.base)) {
        take_down(w);
    }
    return 0;
}

int serve_watch(const json_t *document, const char *address, bool is_blocking)
{
    struct watch w = {.last = json_object()};
    int code;

    catch_signals();
    code = run(&w, document, address, is_blocking);
    if (w.is_following) {
        follow_deinit(&w.follow);
    }
    json_decref(w.last);
    instance_free(w.instance);
    serve_api_close(&w.api);
    return code;
}
