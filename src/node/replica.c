/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "io/file.h"
#include "node/replica_priv.h"
#include "node/uplink.h"

enum {
    TERM_TO_KILL_MS = 2000,
    STATE_MAX = 16 * 1024 * 1024,
    RESOURCE_UNIT = 10000,
};

static const struct process_events process_events;
static void on_stop_timer(struct timer *t);

static const char *spec_text(const struct replica *r, const char *name)
{
    const char *text = json_string_value(json_object_get(r->spec, name));

    return text ? text : "";
}

uint64_t replica_config_ms(const struct replica *r, const char *name, double default_s)
{
    json_t *value = json_object_get(json_object_get(r->spec, "config"), name);

    return (uint64_t) ((json_is_number(value) ? json_number_value(value) : default_s) * 1000);
}

static double resource(const struct replica *r, const char *name, double otherwise)
{
    json_t *value = json_object_get(json_object_get(r->spec, "resources"), name);

    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static uint64_t gpu_amount(const struct replica *r)
{
    return (uint64_t) (resource(r, "num_gpus", 0) * RESOURCE_UNIT + 0.5);
}

struct replica *replica_new(struct replicas *rs, const char *id, json_t *spec)
{
    struct replica *r = mem_new(struct replica);
    char *process_id CLEANUP(mem_freep) = mem_printf("replica:%s", id);

    r->replicas = rs;
    r->id = mem_strdup(id);
    r->spec = spec;
    r->gpus = mem_strdup("");
    r->since_ms = node_unix_ms();
    process_init(&r->process, rs->node->processes, process_id, &process_events);
    timer_init(&r->stop, rs->node->loop, on_stop_timer);
    timer_init(&r->health, rs->node->loop, replica_on_health_timer);
    map_put(&rs->by_id, span_of(r->id), &r->node);
    return r;
}

void replica_free(struct replica *r)
{
    map_remove(&r->replicas->by_id, &r->node);
    timer_stop(&r->stop);
    timer_stop(&r->health);
    code_cancel(r->code_job);
    if (r->peer) {
        peer_drop(r->peer);
    }
    process_deinit(&r->process);
    json_decref(r->spec);
    free(r->id);
    free(r->gpus);
    free(r->detail);
    free(r->info_json);
    free(r);
}

/* What the controller is told.  Once it has heard of the end, there is nothing to remember. */
void replica_report(struct replica *r)
{
    struct buf *out = uplink_out(r->replicas->node->uplink);
    struct msg_replica_state m = {.replica_id = span_of(r->id),
                                  .phase = (uint8_t) r->phase,
                                  .pid = r->process.pid,
                                  .since_ms = r->since_ms,
                                  .detail = span_of(r->detail),
                                  .info_json = span_of(r->info_json)};

    if (out) {
        msg_replica_state_put(out, 0, 0, &m);
    }
    if (r->phase == PHASE_GONE && (out || r->replicas->node->is_stopping)) {
        replica_free(r);
    }
}

/* May free 'r' when 'phase' is PHASE_GONE. */
void replica_set_phase(struct replica *r, enum replica_phase phase, const char *detail)
{
    log_info("a replica changes", "replica=%s deployment=%s#%s from=%s to=%s pid=%u", r->id,
             spec_text(r, "app"), spec_text(r, "deployment"), replica_phase_name(r->phase),
             replica_phase_name(phase), r->process.pid);
    r->phase = phase;
    r->since_ms = node_unix_ms();
    free(r->detail);
    r->detail = mem_strdup(detail);
    replica_report(r);
}

static char *state_path(const struct replicas *rs, const char *id)
{
    return mem_printf("%s/%s.json", rs->folder, id);
}

/* Only what the next daemon cannot ask anybody: the token is a secret, hence the mode. */
void replica_save(const struct replica *r)
{
    char *path CLEANUP(mem_freep) = state_path(r->replicas, r->id);
    json_t *state =
        json_pack("{s:O, s:s, s:s, s:b, s:s?}", "spec", r->spec, "token", r->token, "gpus", r->gpus,
                  "spec_is_sent", r->spec_is_sent, "ready", r->info_json);
    char *text = json_dumps(state, JSON_COMPACT);
    struct err err;

    if (file_replace(path, span_of(text), 0600, false, &err) < 0) {
        log_warn("a replica's state was not saved", "reason=%s", err.text);
    }
    free(text);
    json_decref(state);
}

void replica_load(struct replicas *rs, const char *id)
{
    char *path CLEANUP(mem_freep) = state_path(rs, id);
    char *text CLEANUP(mem_freep) = NULL;
    const char *ready;
    const char *token;
    size_t size = 0;
    json_t *state;
    struct replica *r;

    if (file_read(path, STATE_MAX, &text, &size, NULL) < 0) {
        return;
    }
    state = json_loadb(text, size, 0, NULL);
    token = json_string_value(json_object_get(state, "token"));
    if (!token || !json_is_object(json_object_get(state, "spec"))) {
        log_warn("a replica's state cannot be read", "path=%s", path);
        (void) unlink(path);
        json_decref(state);
        return;
    }
    r = replica_new(rs, id, json_incref(json_object_get(state, "spec")));
    (void) snprintf(r->token, sizeof(r->token), "%s", token);
    free(r->gpus);
    r->gpus = mem_strdup(json_string_value(json_object_get(state, "gpus")));
    r->spec_is_sent = json_is_true(json_object_get(state, "spec_is_sent"));
    ready = json_string_value(json_object_get(state, "ready"));
    r->info_json = mem_strdup(ready);
    gpus_take_these(rs->node->gpus, gpu_amount(r), r->gpus);
    if (process_adopt(&r->process)) {
        replica_set_phase(r, ready ? PHASE_READY : PHASE_IMPORT, NULL);
        replica_start_health(r);
    } else {
        (void) unlink(path);
        gpus_give_back(rs->node->gpus, gpu_amount(r), r->gpus);
        replica_set_phase(r, PHASE_GONE, "The process ended while the node daemon was away.");
    }
    json_decref(state);
}

/* The start. */

static void make_token(struct replica *r)
{
    unsigned char bytes[TOKEN_SIZE / 2];

    ASSERT(getrandom(bytes, sizeof(bytes), 0) == (ssize_t) sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        (void) snprintf(r->token + 2 * i, 3, "%02x", bytes[i]);
    }
}

static void take_gpus(struct replica *r)
{
    struct buf indices;

    buf_init(&indices);
    if (gpus_take(r->replicas->node->gpus, gpu_amount(r), &indices) < 0) {
        log_warn("fewer GPUs are free than the controller thinks", "replica=%s", r->id);
    }
    free(r->gpus);
    r->gpus = buf_take_str(&indices);
    buf_deinit(&indices);
}

static void make_env(const struct replica *r, const struct code_result *code, struct env *env)
{
    json_t *vars = json_object_get(json_object_get(r->spec, "runtime_env"), "env_vars");

    env_init(env, (const char *const *) environ);
    if (!env_has(env, "OMP_NUM_THREADS")) {
        env_set(env, "OMP_NUM_THREADS", "%d", MAX((int) resource(r, "num_cpus", 1), 1));
    }
    env_set(env, "CUDA_VISIBLE_DEVICES", "%s", r->gpus);
    env_set(env, "PYTHONUNBUFFERED", "1");
    code_set_env(code, env);
    env_merge(env, vars);
    env_set(env, "MODEL_SERVICE_SESSION_DIR", "%s", r->replicas->node->options.session_dir);
    env_set(env, "MODEL_SERVICE_REPLICA_ID", "%s", r->id);
    env_set(env, "MODEL_SERVICE_START_TOKEN", "%s", r->token);
}

static bool is_folder(const char *path)
{
    struct stat st;

    return path && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void spawn(struct replica *r, const struct code_result *code)
{
    json_t *python = json_object_get(r->spec, "python");
    const char *executable = json_string_value(json_object_get(python, "executable"));
    const char *cwd =
        code->working_dir ? code->working_dir : json_string_value(json_object_get(python, "cwd"));
    struct env env;
    struct buf argv;
    struct buf row;

    make_token(r);
    take_gpus(r);
    make_env(r, code, &env);
    buf_init(&argv);
    buf_init(&row);
    row_add(&argv, "%s", executable ? executable : r->replicas->node->options.python);
    row_add(&argv, "-m");
    row_add(&argv, "model_service.replica");
    env_row(&env, &row);
    replica_save(r);
    process_start(&r->process, &(struct process_command){.argv = buf_span(&argv),
                                                         .env = buf_span(&row),
                                                         .cwd = is_folder(cwd) ? cwd : NULL});
    env_deinit(&env);
    buf_deinit(&argv);
    buf_deinit(&row);
    replica_set_phase(r, PHASE_IMPORT, NULL);
}

static void on_code(void *user, const struct code_result *code)
{
    struct replica *r = user;

    r->code_job = NULL;
    if (code->error) {
        replica_set_phase(r, PHASE_FAILED, code->error);
        replica_set_phase(r, PHASE_GONE, code->error);
        return;
    }
    spawn(r, code);
}

void replica_start(struct replica *r)
{
    struct node *n = r->replicas->node;
    json_t *runtime_env = json_object_get(r->spec, "runtime_env");

    if (json_object_get(runtime_env, "pip")) {
        log_warn("runtime_env.pip is not supported yet and left out", "replica=%s", r->id);
    }
    if (json_object_get(runtime_env, "working_dir") || json_object_get(runtime_env, "py_modules")) {
        replica_set_phase(r, PHASE_FETCH_CODE, NULL);
    } else {
        replica_report(r);
    }
    r->code_job = code_prepare(n->code, runtime_env, false, on_code, r);
}

/* Its process. */

static void on_started(struct process *p)
{
    struct replica *r = CONTAINER_OF(p, struct replica, process);
    const char *app = spec_text(r, "app");
    const char *deployment = spec_text(r, "deployment");
    char *plain CLEANUP(mem_freep) = mem_printf("replica_%s_%s_%s.out.log", app, deployment, r->id);
    char *file CLEANUP(mem_freep) = log_file_name(plain);
    char *path CLEANUP(mem_freep) = mem_printf("serve/%s", file);
    char *label CLEANUP(mem_freep) = mem_printf("ServeReplica:%s:%s", app, deployment);

    log_sink_close(&p->log);
    log_sink_open(&p->log, r->replicas->node->logs, path, NULL, label, p->pid, LOG_SHOW_ALL);
    replica_report(r); /* its pid */
}

static void end(struct replica *r, const char *reason)
{
    struct node *n = r->replicas->node;
    char *path CLEANUP(mem_freep) = state_path(r->replicas, r->id);
    char *detail CLEANUP(mem_freep) = mem_strdup(reason);

    (void) unlink(path);
    timer_stop(&r->stop);
    timer_stop(&r->health);
    gpus_give_back(n->gpus, gpu_amount(r), r->gpus);
    log_sink_close(&r->process.log);
    if (r->phase == PHASE_FAILED && r->detail) {
        free(detail);
        detail = mem_strdup(r->detail); /* the traceback says more than "exited with code 1" */
    } else if (r->phase < PHASE_READY && !r->is_stopping) {
        replica_set_phase(r, PHASE_FAILED, detail);
    }
    replica_set_phase(r, PHASE_GONE, detail);
    node_check_stopped(n);
}

static void on_ended(struct process *p, const struct process_end *how)
{
    struct replica *r = CONTAINER_OF(p, struct replica, process);
    struct buf reason;

    buf_init(&reason);
    exit_reason(&reason, how, r->is_stopping ? (struct span){0} : tail_lines(&p->log.tail));
    end(r, buf_cstr(&reason));
    buf_deinit(&reason);
}

static const struct process_events process_events = {
    .on_started = on_started,
    .on_ended = on_ended,
};

/* The stop: asked, then TERM, then KILL. */

static void on_stop_timer(struct timer *t)
{
    struct replica *r = CONTAINER_OF(t, struct replica, stop);

    if (!r->term_was_sent) {
        r->term_was_sent = true;
        process_kill(&r->process, SIGTERM);
        timer_start(t, TERM_TO_KILL_MS);
        return;
    }
    log_warn("a replica does not end and is killed", "replica=%s", r->id);
    process_kill(&r->process, SIGKILL);
}

void replica_stop(struct replica *r, uint64_t wait_loop_ms, uint64_t timeout_ms)
{
    bool was_stopping = r->is_stopping;

    if (r->phase == PHASE_GONE) {
        replica_report(r);
        return;
    }
    if (was_stopping && timeout_ms >= r->stop_timeout_ms) {
        return;
    }
    r->is_stopping = true;
    r->stop_wait_loop_ms = wait_loop_ms;
    r->stop_timeout_ms = timeout_ms;
    timer_stop(&r->health);
    if (!process_is_active(&r->process)) {
        code_cancel(TAKE_PTR(r->code_job));
        replica_set_phase(r, PHASE_GONE, "It was stopped before its process was started.");
        node_check_stopped(r->replicas->node);
        return;
    }
    if (!was_stopping) {
        replica_set_phase(r, PHASE_DRAINING, NULL);
    }
    replica_ask_to_stop(r);
    timer_start(&r->stop, r->peer ? timeout_ms : 0);
}
