/* SPDX-License-Identifier: Apache-2.0 */
#include "node/code.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "io/file.h"
#include "node/processes.h"

enum { RESULT_MAX = 1024 * 1024, SETUP_TIMEOUT_MS = 600 * 1000 };

struct code {
    struct node *node;
    char *folder;     /* <session>/code; owned */
    json_t *known;    /* URI → folder; owned */
    struct list jobs; /* of struct code_job.link; owned */
    unsigned n_fetches;
};

struct code_job {
    struct list link;
    struct code *code;
    json_t *uris; /* working_dir first if there is one; owned */
    bool has_working_dir;
    bool is_fresh;
    json_t *folders; /* of the URIs so far; owned */
    code_fn *done;
    void *user;
    struct timer next;    /* goes on in a later turn */
    struct timer timeout; /* of a fetch */
    struct process fetch;
    char *result_path; /* of the fetch; owned */
};

static void job_free(struct code_job *job)
{
    timer_stop(&job->next);
    timer_stop(&job->timeout);
    process_kill(&job->fetch, SIGKILL);
    process_deinit(&job->fetch);
    if (job->result_path) {
        (void) unlink(job->result_path);
    }
    list_remove(&job->link);
    json_decref(job->uris);
    json_decref(job->folders);
    free(job->result_path);
    free(job);
}

void code_cancel(struct code_job *job)
{
    if (job) {
        job_free(job);
    }
}

static void finish(struct code_job *job, const char *error)
{
    json_t *modules = json_deep_copy(job->folders);
    struct code_result result = {.error = error, .py_modules = modules};

    if (!error && job->has_working_dir) {
        result.working_dir = json_string_value(json_array_get(job->folders, 0));
        (void) json_array_remove(modules, 0);
    }
    job->done(job->user, &result);
    json_decref(modules);
    job_free(job);
}

/* The folder that a URI names on this machine, or NULL when it must be fetched. */
static const char *local_folder(const char *uri)
{
    struct stat st;
    const char *path = strncmp(uri, "file://", 7) == 0 ? uri + 7 : uri;

    return path[0] == '/' && stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? path : NULL;
}

static bool can_fetch(const char *uri)
{
    static const char *const schemes[] = {"file://", "https://", "http://", "/"};

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (strncmp(uri, schemes[i], strlen(schemes[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void start_fetch(struct code_job *job, const char *uri)
{
    struct node *n = job->code->node;
    struct env env;
    struct buf argv;
    struct buf row;

    buf_init(&argv);
    buf_init(&row);
    row_add(&argv, "%s", n->options.python);
    row_add(&argv, "-m");
    row_add(&argv, "model_service.fetch");
    row_add(&argv, "%s", uri);
    row_add(&argv, "%s", job->code->folder);
    row_add(&argv, "%s", job->result_path);
    env_init(&env, (const char *const *) environ);
    env_row(&env, &row);
    process_start(&job->fetch,
                  &(struct process_command){.argv = buf_span(&argv), .env = buf_span(&row)});
    timer_start(&job->timeout, SETUP_TIMEOUT_MS);
    env_deinit(&env);
    buf_deinit(&argv);
    buf_deinit(&row);
}

/* Goes as far as it can without waiting. */
static void go_on(struct timer *t)
{
    struct code_job *job = CONTAINER_OF(t, struct code_job, next);
    size_t i;

    while ((i = json_array_size(job->folders)) < json_array_size(job->uris)) {
        const char *uri = json_string_value(json_array_get(job->uris, i));
        json_t *known = job->is_fresh ? NULL : json_object_get(job->code->known, uri);
        const char *folder = known ? json_string_value(known) : local_folder(uri);

        if (folder) {
            (void) json_array_append_new(job->folders, json_string(folder));
        } else if (can_fetch(uri)) {
            start_fetch(job, uri);
            return;
        } else {
            char *why CLEANUP(mem_freep) =
                mem_printf("'%s' is neither a folder nor a file:// or https:// zip", uri);

            finish(job, why);
            return;
        }
    }
    finish(job, NULL);
}

static void on_fetch_started(struct process *p)
{
    struct code_job *job = CONTAINER_OF(p, struct code_job, fetch);

    log_sink_close(&p->log);
    log_sink_open(&p->log, job->code->node->logs, "fetch.log", NULL, "Fetch", p->pid,
                  LOG_SHOW_NOTHING);
}

/* The sentence why it failed, which the caller frees; NULL when the folder was added. */
static char *take_result(struct code_job *job, const char *uri, const struct process_end *end)
{
    char *text CLEANUP(mem_freep) = NULL;
    size_t size = 0;
    json_t *result = NULL;
    const char *folder = NULL;
    char *why = NULL;

    if (file_read(job->result_path, RESULT_MAX, &text, &size, NULL) == 0) {
        result = json_loadb(text, size, 0, NULL);
        folder = json_string_value(json_object_get(result, "path"));
    }
    if (folder) {
        (void) json_object_set_new(job->code->known, uri, json_string(folder));
        (void) json_array_append_new(job->folders, json_string(folder));
    } else if (json_string_value(json_object_get(result, "error"))) {
        why = mem_printf("cannot fetch %s: %s", uri,
                         json_string_value(json_object_get(result, "error")));
    } else {
        struct buf reason;

        buf_init(&reason);
        exit_reason(&reason, end, tail_lines(&job->fetch.log.tail));
        why = mem_printf("cannot fetch %s: %s", uri, buf_cstr(&reason));
        buf_deinit(&reason);
    }
    json_decref(result);
    return why;
}

static void on_fetch_ended(struct process *p, const struct process_end *end)
{
    struct code_job *job = CONTAINER_OF(p, struct code_job, fetch);
    const char *uri = json_string_value(json_array_get(job->uris, json_array_size(job->folders)));
    char *why CLEANUP(mem_freep) = take_result(job, uri, end);

    timer_stop(&job->timeout);
    (void) unlink(job->result_path);
    if (why) {
        log_warn("code could not be fetched", "reason=%s", why);
        finish(job, why);
    } else {
        go_on(&job->next);
    }
}

static const struct process_events fetch_events = {
    .on_started = on_fetch_started,
    .on_ended = on_fetch_ended,
};

static void on_timeout(struct timer *t)
{
    struct code_job *job = CONTAINER_OF(t, struct code_job, timeout);

    finish(job, "fetching the code took longer than ten minutes");
}

struct code_job *code_prepare(struct code *c, const json_t *runtime_env, bool is_fresh,
                              code_fn *done, void *user)
{
    struct code_job *job = mem_new(struct code_job);
    char *id CLEANUP(mem_freep) = mem_printf("fetch:%u", ++c->n_fetches);
    json_t *working_dir = json_object_get(runtime_env, "working_dir");
    json_t *modules = json_object_get(runtime_env, "py_modules");
    json_t *uri;
    size_t i;

    *job = (struct code_job){.code = c, .is_fresh = is_fresh, .done = done, .user = user};
    job->uris = json_array();
    job->folders = json_array();
    job->result_path = mem_printf("%s/fetch.%u.json", c->folder, c->n_fetches);
    process_init(&job->fetch, c->node->processes, id, &fetch_events);
    timer_init(&job->next, c->node->loop, go_on);
    timer_init(&job->timeout, c->node->loop, on_timeout);
    list_push_back(&c->jobs, &job->link);
    if (json_string_length(working_dir) > 0) {
        job->has_working_dir = true;
        (void) json_array_append(job->uris, working_dir);
    }
    json_array_foreach(modules, i, uri)
    {
        if (json_is_string(uri)) {
            (void) json_array_append(job->uris, uri);
        }
    }
    timer_start(&job->next, 0);
    return job;
}

void code_set_env(const struct code_result *result, struct env *e)
{
    json_t *folder;
    size_t i;

    json_array_foreach(result->py_modules, i, folder)
    {
        env_prepend(e, "PYTHONPATH", json_string_value(folder));
    }
    if (result->working_dir) {
        env_prepend(e, "PYTHONPATH", result->working_dir);
    }
}

struct code *code_new(struct node *n)
{
    struct code *c = mem_new(struct code);

    c->node = n;
    c->folder = mem_printf("%s/code", n->options.session_dir);
    c->known = json_object();
    list_init(&c->jobs);
    return c;
}

void code_free(struct code *c)
{
    if (!c) {
        return;
    }
    while (!list_empty(&c->jobs)) {
        job_free(LIST_ENTRY(c->jobs.next, struct code_job, link));
    }
    json_decref(c->known);
    free(c->folder);
    free(c);
}
