/* SPDX-License-Identifier: Apache-2.0 */
#include "node/replicas.h"

#include <dirent.h>

#include "base/log.h"
#include "io/file.h"
#include "node/replica_priv.h"
#include "node/uplink.h"

struct replicas *replicas_new(struct node *n)
{
    struct replicas *rs = mem_new(struct replicas);
    struct err err;

    rs->node = n;
    rs->folder = mem_printf("%s/replicas", n->options.session_dir);
    map_init(&rs->by_id);
    if (file_make_folder(rs->folder, 0700, &err) < 0) {
        log_error("replicas will not outlive this daemon", "reason=%s", err.text);
    }
    return rs;
}

void replicas_free(struct replicas *rs)
{
    struct map_node *n;
    struct map_node *tmp;

    if (!rs) {
        return;
    }
    MAP_FOREACH (n, tmp, &rs->by_id) {
        replica_free(MAP_ENTRY(n, struct replica, node));
    }
    map_deinit(&rs->by_id);
    free(rs->folder);
    free(rs);
}

bool replicas_is_empty(const struct replicas *rs)
{
    struct map_node *n;
    struct map_node *tmp;

    MAP_FOREACH (n, tmp, &rs->by_id) {
        if (MAP_ENTRY(n, struct replica, node)->phase != PHASE_GONE) {
            return false;
        }
    }
    return true;
}

void replicas_adopt(struct replicas *rs)
{
    DIR *folder = opendir(rs->folder);
    struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        char *dot = strrchr(entry->d_name, '.');

        if (dot && strcmp(dot, ".json") == 0) {
            char *id CLEANUP(mem_freep) =
                mem_strndup(entry->d_name, (size_t) (dot - entry->d_name));

            replica_load(rs, id);
        }
    }
    if (folder) {
        (void) closedir(folder);
    }
}

void replicas_report_all(struct replicas *rs)
{
    struct map_node *n;
    struct map_node *tmp;

    MAP_FOREACH (n, tmp, &rs->by_id) {
        replica_report(MAP_ENTRY(n, struct replica, node));
    }
}

void replicas_stop_all(struct replicas *rs, uint64_t grace_ms)
{
    struct map_node *n;
    struct map_node *tmp;

    MAP_FOREACH (n, tmp, &rs->by_id) {
        struct replica *r = MAP_ENTRY(n, struct replica, node);
        uint64_t own_ms = replica_config_ms(r, "graceful_shutdown_timeout_s", 20.0);

        replica_stop(r, 0, MIN(own_ms, grace_ms));
    }
}

static struct replica *find(const struct replicas *rs, struct span id)
{
    struct map_node *n = map_get(&rs->by_id, id);

    return n ? MAP_ENTRY(n, struct replica, node) : NULL;
}

int replicas_on_start(struct replicas *rs, const struct frame *f)
{
    struct msg_start_replica m;
    struct replica *r;
    json_t *spec;
    char *id CLEANUP(mem_freep) = NULL;

    if (msg_start_replica_get(f, &m) < 0 || m.replica_id.size == 0) {
        return -EPROTO;
    }
    r = find(rs, m.replica_id);
    if (r) {
        replica_report(r);
        return 0;
    }
    spec = json_loadb(m.spec_json.data, m.spec_json.size, 0, NULL);
    if (!json_is_object(spec) || rs->node->is_stopping) {
        int code = json_is_object(spec) ? 0 : -EPROTO;

        json_decref(spec);
        return code;
    }
    id = mem_strndup(m.replica_id.data, m.replica_id.size);
    replica_start(replica_new(rs, id, spec));
    return 0;
}

/* One that we do not know has ended: say so, or the controller waits for ever. */
static void report_unknown(struct replicas *rs, struct span id)
{
    struct buf *out = uplink_out(rs->node->uplink);
    struct msg_replica_state m = {.replica_id = id,
                                  .phase = PHASE_GONE,
                                  .since_ms = node_unix_ms(),
                                  .detail = SPAN("The node does not know this replica.")};

    if (out) {
        msg_replica_state_put(out, 0, 0, &m);
    }
}

int replicas_on_stop(struct replicas *rs, const struct frame *f)
{
    struct msg_stop_replica m;
    struct replica *r;

    if (msg_stop_replica_get(f, &m) < 0) {
        return -EPROTO;
    }
    r = find(rs, m.replica_id);
    if (r) {
        replica_stop(r, m.wait_loop_ms, m.timeout_ms);
    } else {
        report_unknown(rs, m.replica_id);
    }
    return 0;
}

int replicas_on_reconfigure(struct replicas *rs, const struct frame *f)
{
    struct msg_reconfigure m;
    struct replica *r;
    json_t *config;

    if (msg_reconfigure_get(f, &m) < 0) {
        return -EPROTO;
    }
    config = json_loadb(m.config_json.data, m.config_json.size, 0, NULL);
    if (!json_is_object(config)) {
        json_decref(config);
        return -EPROTO;
    }
    r = find(rs, m.replica_id);
    if (!r || r->is_stopping) {
        json_decref(config);
        return 0;
    }
    (void) json_object_set_new(r->spec, "config", config);
    replica_save(r);
    replica_reconfigure(r);
    return 0;
}

struct replica *replicas_on_hello(struct replicas *rs, struct peer *peer,
                                  const struct msg_hello *hello)
{
    struct replica *r = find(rs, hello->name);

    if (!r || !process_is_active(&r->process) || !span_is(hello->token, r->token)) {
        log_warn_RL("a replica that we did not start was refused", "name=%.*s",
                    (int) MIN(hello->name.size, (size_t) 64), hello->name.data);
        return NULL;
    }
    if (r->peer) {
        peer_drop(r->peer); /* it has connected anew; the old link is dead */
    }
    r->peer = peer;
    replica_greet(r);
    return r;
}
