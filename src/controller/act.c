/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions become messages to the node. */

#include "base/log.h"
#include "controller/controller.h"

static char *dump(json_t *document /* taken */)
{
    char *text = json_dumps(document, JSON_COMPACT);

    ASSERT(text);
    json_decref(document);
    return text;
}

/* docs/interfaces.md §5. */
static char *replica_spec(const struct replica *r)
{
    const struct deployment *d = r->deployment;
    const struct deployment_spec *s = d->spec;

    return dump(json_pack(
        "{s:s, s:s, s:s, s:s?, s:b, s:b, s:s?, s:O?, s:O?, s:o, s:o}", "replica_id", r->id, "app",
        d->app->name, "deployment", d->name, "route_prefix", app_route_prefix(d->app), "is_ingress",
        (int) s->is_ingress, "is_asgi", (int) s->is_asgi, "blob", s->blob, "python",
        d->app->target->python, "runtime_env", s->runtime_env, "resources",
        deployment_replica_resources(s), "config", deployment_replica_config(s)));
}

static void start_replica(struct buf *out, const struct replica *r)
{
    char *spec CLEANUP(mem_freep) = replica_spec(r);

    log_info("a replica is started", "replica=%s deployment=%s#%s node=%s", r->id,
             r->deployment->app->name, r->deployment->name, r->node_id);
    msg_start_replica_put(
        out, 0, 0,
        &(struct msg_start_replica){.replica_id = span_of(r->id), .spec_json = span_of(spec)});
}

static void stop_replica(struct buf *out, const struct action *a)
{
    const struct replica *r = a->replica;

    log_info("a replica is stopped", "replica=%s deployment=%s#%s", r->id, r->deployment->app->name,
             r->deployment->name);
    msg_stop_replica_put(out, 0, 0,
                         &(struct msg_stop_replica){.replica_id = span_of(r->id),
                                                    .wait_loop_ms = (uint32_t) a->wait_loop_ms,
                                                    .timeout_ms = (uint32_t) a->timeout_ms});
}

static void reconfigure_replica(struct buf *out, const struct replica *r)
{
    char *config CLEANUP(mem_freep) = dump(deployment_replica_config(r->deployment->spec));

    log_info("a replica gets a new config", "replica=%s deployment=%s#%s", r->id,
             r->deployment->app->name, r->deployment->name);
    msg_reconfigure_put(
        out, 0, 0,
        &(struct msg_reconfigure){.replica_id = span_of(r->id), .config_json = span_of(config)});
}

/* docs/interfaces.md §4.  The node chooses the Python. */
static void build(struct controller *c, struct buf *out, const struct app *a)
{
    char *spec CLEANUP(mem_freep) = dump(json_pack(
        "{s:s, s:O?, s:O?, s:O?, s:n, s:n, s:n, s:s}", "application", a->name, "import_path",
        json_object_get(a->config, "import_path"), "args", json_object_get(a->config, "args"),
        "runtime_env", json_object_get(a->config, "runtime_env"), "python", "sys_path", "cwd",
        "session_dir", c->session_dir));

    log_info("a build is started", "application=%s build=%s", a->name, a->build_id);
    msg_build_put(
        out, 0, 0,
        &(struct msg_build){.build_id = span_of(a->build_id), .spec_json = span_of(spec)});
}

void act(struct controller *c, const struct action *a)
{
    struct buf *out;

    ASSERT(c->node); /* decisions are for nodes whose link stands */
    out = channel_out(&c->node->channel);
    switch (a->kind) {
    case ACTION_START: start_replica(out, a->replica); break;
    case ACTION_STOP: stop_replica(out, a); break;
    case ACTION_RECONFIGURE: reconfigure_replica(out, a->replica); break;
    case ACTION_BUILD: build(c, out, a->app); break;
    }
}

void act_cancel_build(struct controller *c, const char *build_id)
{
    if (c->node) {
        msg_cancel_build_put(channel_out(&c->node->channel), 0, 0,
                             &(struct msg_cancel_build){.build_id = span_of(build_id)});
    }
}

/* Where Serve listens now, or that it does not. */
void act_listen_http(struct controller *c)
{
    const struct serve *s = &c->serve;
    const char *host = json_string_value(json_object_get(s->http_options, "host"));
    json_t *port = json_object_get(s->http_options, "port");
    bool listens = s->is_started && !s->is_stopping && strcmp(s->proxy_location, "Disabled") != 0;
    struct msg_listen_http m = {0};

    if (!c->node) {
        return; /* it is told when it has said HELLO */
    }
    if (listens) {
        m = (struct msg_listen_http){.host = span_of(host ? host : "0.0.0.0"),
                                     .port = (uint16_t) (port ? json_integer_value(port) : 8000),
                                     .may_move = s->http_may_move};
    }
    msg_listen_http_put(channel_out(&c->node->channel), 0, 0, &m);
}
