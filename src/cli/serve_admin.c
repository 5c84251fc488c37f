/* SPDX-License-Identifier: Apache-2.0 */
/* `serve start`, `serve delete` and `serve shutdown`. */

#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/instance.h"
#include "cli/serve_api.h"
#include "cli/serve_priv.h"

/* ---- start ---- */

struct start_options {
    const char *address;
    const char *http_host;
    int64_t http_port;
    const char *http_location;
    const char *proxy_location;
    int64_t grpc_port;
    struct option_list grpc_functions;
};

#define O(letter, name, kind, field, value_name, help)                                             \
    OPTION(letter, name, kind, struct start_options, field, value_name, help)

static const struct option_row start_rows[] = {
    O('a', "address", TEXT, address, "HOST:PORT",
      "cluster address (RAY_ADDRESS, else the newest here)"),
    O(0, "http-host", TEXT, http_host, "HOST", "where HTTP is served (127.0.0.1)"),
    O(0, "http-port", INT, http_port, "PORT", "on which port (8000)"),
    O(0, "http-location", TEXT, http_location, NULL, NULL),
    O(0, "proxy-location", TEXT, proxy_location, "WHERE",
      "which nodes listen: Disabled, HeadOnly or EveryNode"),
    O(0, "grpc-port", INT, grpc_port, "PORT", "port of gRPC (9000)"),
    O(0, "grpc-servicer-functions", LIST, grpc_functions, "PATH",
      "import path of a gRPC servicer function; may be repeated"),
};

static const struct option_table start_table = {
    .usage = "serve start [OPTIONS]",
    .about = "Starts serving HTTP on an instance that `ray start` made, with no applications yet.\n"
             "`serve deploy` does it too, as its file says.",
    .rows = start_rows,
    .n_rows = ARRAY_LEN(start_rows),
};

/* The dashboard of the instance at a cluster address. */
static int find_dashboard(const char *address, char **ret_url, struct err *err)
{
    const char *said = address ? address : getenv("RAY_ADDRESS");
    struct instance *i = NULL;
    int r;

    if (said && strncmp(said, "http", 4) == 0) {
        *ret_url = mem_strdup(said);
        return 0;
    }
    r = instance_find(said, &i, err);
    if (r < 0) {
        return r;
    }
    if (!i) {
        return err_set(err, -ENOENT,
                       "no instance is running %s%s; start one with `ray start --head`",
                       said ? "at " : "here", said ? said : "");
    }
    *ret_url = mem_strdup(i->dashboard_url);
    instance_free(i);
    return 0;
}

static json_t *start_request(const struct start_options *o)
{
    json_t *functions = json_array();

    for (size_t i = 0; i < o->grpc_functions.size; i++) {
        json_array_append_new(functions, json_string(o->grpc_functions.items[i]));
    }
    return json_pack("{s{sssI}s{sIso}ss}", "http_options", "host", o->http_host, "port",
                     (json_int_t) o->http_port, "grpc_options", "port", (json_int_t) o->grpc_port,
                     "grpc_servicer_functions", functions, "proxy_location", o->proxy_location);
}

static int start(const struct start_options *o)
{
    struct serve_api api = {0};
    struct err err = {0};
    char *url CLEANUP(mem_freep) = NULL;
    json_t *request = start_request(o);
    json_t *answer = NULL;
    int code = 0;

    if (find_dashboard(o->address, &url, &err) < 0 || serve_api_open(&api, url, &err) < 0 ||
        serve_api_call(&api, "POST", "/api/model_service/start", request, &answer, &err) < 0) {
        code = serve_fail("start", &err);
    } else {
        const json_t *http = json_object_get(answer, "http_options");
        const char *host = json_string_value(json_object_get(http, "host"));

        (void) printf("Serve is running; HTTP at http://%s:%lld.\n", host ? host : "?",
                      (long long) json_integer_value(json_object_get(http, "port")));
    }
    json_decref(request);
    json_decref(answer);
    serve_api_close(&api);
    return code;
}

int serve_start_cmd(int argc, char **argv)
{
    struct start_options o = {.http_host = "127.0.0.1",
                              .http_port = 8000,
                              .proxy_location = "EveryNode",
                              .grpc_port = 9000};
    struct option_list words = {0};
    int code = serve_parse(&start_table, argc, argv, &o, &words, 0, 0);

    if (code < 0 && o.http_location) {
        (void) fprintf(stderr, "warning: --http-location is now called --proxy-location.\n");
        o.proxy_location = strcmp(o.http_location, "NoServer") == 0 ? "Disabled" : o.http_location;
    }
    if (code < 0) {
        code = start(&o);
    }
    option_list_deinit(&words);
    option_list_deinit(&o.grpc_functions);
    return code;
}

/* ---- delete and shutdown ---- */

struct end_options {
    const char *address;
    bool yes;
};

static const struct option_row end_rows[] = {
    OPTION('y', "yes", SWITCH, struct end_options, yes, NULL, "do not ask"),
    OPTION('a', "address", TEXT, struct end_options, address, "URL",
           "dashboard of the instance (RAY_DASHBOARD_ADDRESS, else the one here)"),
};

static const struct option_table delete_table = {
    .usage = "serve delete [OPTIONS] NAME",
    .about = "Deletes one application; its running requests are finished first.",
    .rows = end_rows,
    .n_rows = ARRAY_LEN(end_rows),
};

static const struct option_table shutdown_table = {
    .usage = "serve shutdown [OPTIONS]",
    .about = "Deletes all applications and stops serving HTTP.  The instance itself goes on; `ray "
             "stop` ends it.",
    .rows = end_rows,
    .n_rows = ARRAY_LEN(end_rows),
};

/* Asks at a terminal; without one nobody can say yes. */
static bool is_sure(const char *question)
{
    char answer[16];

    (void) printf("%s [y/N]: ", question);
    (void) fflush(stdout);
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int shut_down(const struct serve_api *api, bool yes, struct err *err)
{
    char *question CLEANUP(mem_freep) =
        mem_printf("This will shut down Serve on the cluster at address \"%s\" and delete all "
                   "applications there. Do you want to continue?",
                   api->base);
    json_t *details = NULL;
    bool is_running;
    int r = serve_api_call(api, "GET", SERVE_API_APPLICATIONS, NULL, &details, err);

    is_running = json_object_size(json_object_get(details, "controller_info")) > 0;
    json_decref(details);
    if (r < 0) {
        return r;
    }
    if (!is_running) {
        (void) printf("No Serve instance found running on the cluster at %s.\n", api->base);
        return 0;
    }
    if (!yes && !is_sure(question)) {
        return err_set(err, -ECANCELED, "nothing was shut down; --yes answers the question");
    }
    r = serve_api_call(api, "DELETE", SERVE_API_APPLICATIONS, NULL, NULL, err);
    if (r == 0) {
        (void) printf("Sent shutdown request; applications will be deleted asynchronously.\n");
    }
    return r;
}

int serve_shutdown_cmd(int argc, char **argv)
{
    struct end_options o = {0};
    struct option_list words = {0};
    struct serve_api api = {0};
    struct err err = {0};
    int code = serve_parse(&shutdown_table, argc, argv, &o, &words, 0, 0);

    option_list_deinit(&words);
    if (code >= 0) {
        return code;
    }
    if (serve_api_open(&api, o.address, &err) < 0 || shut_down(&api, o.yes, &err) < 0) {
        code = serve_fail("shutdown", &err);
    } else {
        code = 0;
    }
    serve_api_close(&api);
    return code;
}

/* A name as one segment of a path. */
static char *path_segment(const char *name)
{
    struct buf b;

    buf_init(&b);
    for (; *name != '\0'; name++) {
        unsigned char c = (unsigned char) *name;

        buf_printf(&b, isalnum(c) || strchr("-._~", c) ? "%c" : "%%%02X", c);
    }
    return buf_take_str(&b);
}

static int delete_one(const struct serve_api *api, const char *name, bool yes, struct err *err)
{
    char *segment CLEANUP(mem_freep) = path_segment(name);
    char *path CLEANUP(mem_freep) = mem_printf("/api/model_service/applications/%s", segment);
    char *question CLEANUP(mem_freep) = mem_printf("Delete application \"%s\"?", name);
    json_t *details = NULL;
    bool is_there;
    int r = serve_api_call(api, "GET", SERVE_API_APPLICATIONS, NULL, &details, err);

    is_there = json_object_get(json_object_get(details, "applications"), name) != NULL;
    json_decref(details);
    if (r < 0) {
        return r;
    }
    if (!is_there) {
        return err_set(err, -ENOENT, "Application \"%s\" does not exist.", name);
    }
    if (!yes && isatty(STDIN_FILENO) && !is_sure(question)) {
        return err_set(err, -ECANCELED, "nothing was deleted");
    }
    r = serve_api_call(api, "DELETE", path, NULL, NULL, err);
    if (r == 0) {
        (void) printf("Application \"%s\" is being deleted.\n", name);
    }
    return r;
}

int serve_delete_cmd(int argc, char **argv)
{
    struct end_options o = {0};
    struct option_list words = {0};
    struct serve_api api = {0};
    struct err err = {0};
    int code = serve_parse(&delete_table, argc, argv, &o, &words, 1, 1);

    if (code < 0) {
        code = serve_api_open(&api, o.address, &err) < 0 ||
                       delete_one(&api, words.items[0], o.yes, &err) < 0
                   ? serve_fail("delete", &err)
                   : 0;
    }
    serve_api_close(&api);
    option_list_deinit(&words);
    return code;
}
