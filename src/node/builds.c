/* SPDX-License-Identifier: Apache-2.0 */
#include "node/builds.h"

#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "io/file.h"
#include "node/code.h"
#include "node/processes.h"
#include "node/uplink.h"

enum {
    RESULT_MAX = 7 * 1024 * 1024, /* it travels in one frame */
    TIMEOUT_MS = 600 * 1000,
};

struct builds {
    struct node *node;
    struct map by_id; /* of struct build.node; owned */
    char *folder;     /* <session>/builds; owned */
};

struct build {
    struct map_node node;
    struct builds *builds;
    char *id;          /* owned, as all below */
    char *application; /* for the log */
    json_t *spec;
    char *spec_path;
    char *result_path;
    struct code_job *code_job;
    struct process process;
    struct timer timeout;
};

static void build_free(struct build *b)
{
    map_remove(&b->builds->by_id, &b->node);
    timer_stop(&b->timeout);
    code_cancel(b->code_job);
    process_kill(&b->process, SIGKILL);
    process_deinit(&b->process);
    json_decref(b->spec);
    free(b->spec_path);
    free(b->result_path);
    free(b->application);
    free(b->id);
    free(b);
}

/* The controller asks again after a link was lost, so an answer that finds no link is dropped. */
static void finish(struct build *b, const char *result_json)
{
    struct buf *out = uplink_out(b->builds->node->uplink);
    struct msg_built m = {.build_id = span_of(b->id), .result_json = span_of(result_json)};

    if (out) {
        msg_built_put(out, 0, 0, &m);
    }
    build_free(b);
}

static void fail(struct build *b, const char *why, bool is_runtime_env)
{
    json_t *result = json_pack("{s:o, s:b}", "error", json_stringn_nocheck(why, strlen(why)),
                               "is_runtime_env", (int) is_runtime_env);
    char *text = json_dumps(result, JSON_COMPACT);

    log_warn("a build failed", "build=%s application=%s", b->id, b->application);
    json_decref(result);
    finish(b, text);
    free(text);
}

static void on_started(struct process *p)
{
    struct build *b = CONTAINER_OF(p, struct build, process);
    char *plain CLEANUP(mem_freep) =
        mem_printf("controller_build_%s_%u.log", b->application, p->pid);
    char *file CLEANUP(mem_freep) = log_file_name(plain);
    char *path CLEANUP(mem_freep) = mem_printf("serve/%s", file);
    char *label CLEANUP(mem_freep) = mem_printf("ServeBuild:%s", b->application);

    log_sink_close(&p->log);
    log_sink_open(&p->log, b->builds->node->logs, path, NULL, label, p->pid, LOG_SHOW_ALL);
}

static void on_ended(struct process *p, const struct process_end *end)
{
    struct build *b = CONTAINER_OF(p, struct build, process);
    char *result CLEANUP(mem_freep) = NULL;
    struct err err = {0};
    size_t size = 0;

    if (file_read(b->result_path, RESULT_MAX, &result, &size, &err) == 0 && size > 0) {
        log_info("a build has ended", "build=%s application=%s", b->id, b->application);
        finish(b, result);
    } else if (err.code == -EFBIG) {
        fail(b, err.text, false);
    } else {
        struct buf why;

        buf_init(&why);
        exit_reason(&why, end, tail_lines(&p->log.tail));
        fail(b, buf_cstr(&why), false);
        buf_deinit(&why);
    }
}

static const struct process_events process_events = {
    .on_started = on_started,
    .on_ended = on_ended,
};

static void on_timeout(struct timer *t)
{
    fail(CONTAINER_OF(t, struct build, timeout), "The build took longer than ten minutes.", false);
}

/* The build's Python finds the folders, not the URIs, in its specification. */
static int write_spec(struct build *b, const struct code_result *code, struct err *err)
{
    json_t *env = json_object_get(b->spec, "runtime_env");
    char *text;
    int r;

    if (code->working_dir) {
        (void) json_object_set_new(env, "working_dir", json_string(code->working_dir));
        (void) json_object_set_new(b->spec, "cwd", json_string(code->working_dir));
    }
    if (json_array_size(code->py_modules) > 0) {
        (void) json_object_set(env, "py_modules", code->py_modules);
    }
    text = json_dumps(b->spec, JSON_COMPACT);
    r = file_replace(b->spec_path, span_of(text), 0600, false, err);
    free(text);
    return r;
}

static void spawn(struct build *b, const struct code_result *code)
{
    struct node *n = b->builds->node;
    const char *python = json_string_value(json_object_get(b->spec, "python"));
    const char *cwd = json_string_value(json_object_get(b->spec, "cwd"));
    struct env env;
    struct buf argv;
    struct buf row;

    buf_init(&argv);
    buf_init(&row);
    row_add(&argv, "%s", python ? python : n->options.python);
    row_add(&argv, "-m");
    row_add(&argv, "model_service.build");
    row_add(&argv, "%s", b->spec_path);
    row_add(&argv, "%s", b->result_path);
    env_init(&env, (const char *const *) environ);
    env_set(&env, "MODEL_SERVICE_SESSION_DIR", "%s", n->options.session_dir);
    env_set(&env, "PYTHONUNBUFFERED", "1");
    code_set_env(code, &env);
    env_merge(&env, json_object_get(json_object_get(b->spec, "runtime_env"), "env_vars"));
    env_row(&env, &row);
    process_start(&b->process, &(struct process_command){
                                   .argv = buf_span(&argv), .env = buf_span(&row), .cwd = cwd});
    timer_start(&b->timeout, TIMEOUT_MS);
    env_deinit(&env);
    buf_deinit(&argv);
    buf_deinit(&row);
}

static void on_code(void *user, const struct code_result *code)
{
    struct build *b = user;
    struct err err;

    b->code_job = NULL;
    if (code->error) {
        fail(b, code->error, true);
    } else if (write_spec(b, code, &err) < 0) {
        fail(b, err.text, false);
    } else {
        spawn(b, code);
    }
}

static struct build *find(struct builds *bs, struct span id)
{
    struct map_node *n = map_get(&bs->by_id, id);

    return n ? MAP_ENTRY(n, struct build, node) : NULL;
}

int builds_on_build(struct builds *bs, const struct frame *f)
{
    struct msg_build m;
    struct build *b;
    json_t *spec;
    const char *application;
    char *process_id CLEANUP(mem_freep) = NULL;
    char *file CLEANUP(mem_freep) = NULL;

    if (msg_build_get(f, &m) < 0 || m.build_id.size == 0) {
        return -EPROTO;
    }
    spec = json_loadb(m.spec_json.data, m.spec_json.size, 0, NULL);
    if (!json_is_object(spec)) {
        json_decref(spec);
        return -EPROTO;
    }
    if (find(bs, m.build_id) || bs->node->is_stopping) {
        json_decref(spec);
        return 0;
    }
    b = mem_new(struct build);
    b->builds = bs;
    b->id = mem_strndup(m.build_id.data, m.build_id.size);
    application = json_string_value(json_object_get(spec, "application"));
    b->application = mem_strdup(application ? application : "?");
    b->spec = spec;
    file = log_file_name(b->id);
    b->spec_path = mem_printf("%s/%s.spec.json", bs->folder, file);
    b->result_path = mem_printf("%s/%s.result.json", bs->folder, file);
    process_id = mem_printf("build:%s", b->id);
    process_init(&b->process, bs->node->processes, process_id, &process_events);
    timer_init(&b->timeout, bs->node->loop, on_timeout);
    map_put(&bs->by_id, span_of(b->id), &b->node);
    (void) unlink(b->result_path);
    b->code_job =
        code_prepare(bs->node->code, json_object_get(spec, "runtime_env"), true, on_code, b);
    return 0;
}

int builds_on_cancel(struct builds *bs, const struct frame *f)
{
    struct msg_cancel_build m;
    struct build *b;

    if (msg_cancel_build_get(f, &m) < 0) {
        return -EPROTO;
    }
    b = find(bs, m.build_id);
    if (b) {
        build_free(b);
    }
    return 0;
}

struct builds *builds_new(struct node *n)
{
    struct builds *bs = mem_new(struct builds);
    struct err err;

    bs->node = n;
    bs->folder = mem_printf("%s/builds", n->options.session_dir);
    map_init(&bs->by_id);
    if (file_make_folder(bs->folder, 0700, &err) < 0) {
        log_error("builds will fail", "reason=%s", err.text);
    }
    return bs;
}

void builds_free(struct builds *bs)
{
    struct map_node *n;
    struct map_node *tmp;

    if (!bs) {
        return;
    }
    MAP_FOREACH (n, tmp, &bs->by_id) {
        build_free(MAP_ENTRY(n, struct build, node));
    }
    map_deinit(&bs->by_id);
    free(bs->folder);
    free(bs);
}
