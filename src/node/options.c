/* SPDX-License-Identifier: Apache-2.0 */
#include "node/options.h"

struct text_row {
    const char *name;
    size_t offset; /* of a const char * in struct node_options */
};

static const struct text_row rows[] = {
    {"--session-dir", offsetof(struct node_options, session_dir)},
    {"--node-id", offsetof(struct node_options, node_id)},
    {"--node-ip", offsetof(struct node_options, node_ip)},
    {"--python", offsetof(struct node_options, python)},
    {"--resources", offsetof(struct node_options, resources)},
    {"--labels", offsetof(struct node_options, labels)},
};

static void store(struct span name, const char *value, struct node_options *o)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (span_is(name, rows[i].name)) {
            *(const char **) (void *) ((char *) o + rows[i].offset) = value;
        }
    }
    if (span_is(name, "--agent-port")) {
        o->agent_port = strtol(value, NULL, 10);
    } else if (span_is(name, "--log-to-stdout")) {
        o->log_to_stdout = strcmp(value, "1") == 0;
    } else if (span_is(name, "--terse")) {
        o->is_terse = strcmp(value, "1") == 0;
    }
}

int node_options_parse(int argc, char **argv, struct node_options *ret, json_t **ret_resources,
                       struct err *err)
{
    struct node_options o = {.node_ip = "127.0.0.1", .python = "python3", .resources = "{}"};

    for (int i = 0; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');

        if (!equals) {
            return err_set(err, -EINVAL, "'%s' is not of the form --name=value", argv[i]);
        }
        store((struct span){argv[i], (size_t) (equals - argv[i])}, equals + 1, &o);
    }
    if (!o.session_dir || !o.node_id) {
        return err_set(err, -EINVAL, "--session-dir and --node-id are needed");
    }
    *ret_resources = json_loads(o.resources, 0, NULL);
    if (!json_is_object(*ret_resources)) {
        json_decref(*ret_resources);
        return err_set(err, -EINVAL, "--resources is not a JSON object");
    }
    *ret = o;
    return 0;
}
