/* SPDX-License-Identifier: Apache-2.0 */
/* `serve status` and `serve config`: what GET says, as YAML. */

#include <stdio.h>

#include "cli/serve_api.h"
#include "cli/serve_priv.h"
#include "spec/yaml.h"

struct show_options {
    const char *address;
    const char *name;
};

static const struct option_row rows[] = {
    OPTION('n', "name", TEXT, struct show_options, name, "NAME", "only this application"),
    OPTION('a', "address", TEXT, struct show_options, address, "URL",
           "dashboard of the instance (RAY_DASHBOARD_ADDRESS, else the one here)"),
};

static const struct option_table status_table = {
    .usage = "serve status [OPTIONS]",
    .about = "Shows how all is, as YAML.  An application is NOT_STARTED, DEPLOYING, RUNNING, "
             "UNHEALTHY,\nDEPLOY_FAILED or DELETING; a message says why.",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
};

static const struct option_table config_table = {
    .usage = "serve config [OPTIONS]",
    .about = "Shows the configurations as they were deployed: one YAML document for each "
             "application.",
    .rows = rows,
    .n_rows = ARRAY_LEN(rows),
};

static void copy(json_t *to, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);

    if (value) {
        json_object_set(to, key, value);
    }
}

/* How many replicas are in each state. */
static json_t *count_states(const json_t *replicas)
{
    json_t *out = json_object();

    for (size_t i = 0; i < json_array_size(replicas); i++) {
        const char *state =
            json_string_value(json_object_get(json_array_get(replicas, i), "state"));

        if (state) {
            json_int_t n = json_integer_value(json_object_get(out, state));

            json_object_set_new(out, state, json_integer(n + 1));
        }
    }
    return out;
}

static json_t *deployment_status(const json_t *deployment)
{
    json_t *out = json_object();

    copy(out, deployment, "status");
    copy(out, deployment, "status_trigger");
    json_object_set_new(out, "replica_states",
                        count_states(json_object_get(deployment, "replicas")));
    copy(out, deployment, "message");
    return out;
}

static json_t *application_status(const json_t *application)
{
    json_t *out = json_object();
    json_t *deployments = json_object();
    const char *name;
    json_t *deployment;

    copy(out, application, "status");
    copy(out, application, "message");
    copy(out, application, "last_deployed_time_s");
    json_object_foreach(json_object_get(application, "deployments"), name, deployment)
    {
        json_object_set_new(deployments, name, deployment_status(deployment));
    }
    json_object_set_new(out, "deployments", deployments);
    return out;
}

static json_t *all_applications(const json_t *details)
{
    json_t *out = json_object();
    const char *name;
    json_t *application;

    json_object_foreach(json_object_get(details, "applications"), name, application)
    {
        json_object_set_new(out, name, application_status(application));
    }
    return out;
}

static json_t *all_proxies(const json_t *details)
{
    json_t *out = json_object();
    const char *node;
    json_t *proxy;

    json_object_foreach(json_object_get(details, "proxies"), node, proxy)
    {
        json_object_set(out, node, json_object_get(proxy, "status"));
    }
    return out;
}

static void put_section(const char *name, json_t *value /* taken */, struct buf *out)
{
    json_t *section = json_object();

    if (buf_size(out) > 0) {
        buf_put_char(out, '\n');
    }
    json_object_set_new(section, name, value);
    yaml_write(section, 0, out);
    json_decref(section);
}

static int show_status(const json_t *details, const char *name, struct buf *out)
{
    const json_t *one =
        name ? json_object_get(json_object_get(details, "applications"), name) : NULL;
    const json_t *capacity = json_object_get(details, "target_capacity");
    json_t *status;

    if (one) {
        status = application_status(one);
        yaml_write(status, 0, out);
        json_decref(status);
    } else if (name) {
        buf_printf(out, "Application \"%s\" does not exist.\n", name);
    } else {
        put_section("proxies", all_proxies(details), out);
        put_section("applications", all_applications(details), out);
        put_section("target_capacity", capacity ? json_deep_copy(capacity) : json_null(), out);
    }
    return 0;
}

static int show_config(const json_t *details, const char *wanted, struct buf *out)
{
    const char *name;
    json_t *application;

    json_object_foreach(json_object_get(details, "applications"), name, application)
    {
        const json_t *config = json_object_get(application, "deployed_app_config");

        if (!json_is_object(config) || (wanted && strcmp(wanted, name) != 0)) {
            continue;
        }
        buf_put_str(out, buf_size(out) > 0 ? "\n---\n\n" : "");
        yaml_write(config, 0, out);
    }
    if (buf_size(out) == 0 && wanted) {
        buf_printf(out, "No config has been deployed for application \"%s\".\n", wanted);
    } else if (buf_size(out) == 0) {
        buf_put_str(out, "No configuration was found.\n");
    }
    return 0;
}

static int show(const struct option_table *t, int argc, char **argv,
                int render(const json_t *details, const char *name, struct buf *out))
{
    struct show_options o = {0};
    struct option_list words = {0};
    struct serve_api api = {0};
    struct err err = {0};
    json_t *details = NULL;
    struct buf out;
    int code = serve_parse(t, argc, argv, &o, &words, 0, 0);

    option_list_deinit(&words);
    if (code >= 0) {
        return code;
    }
    buf_init(&out);
    if (serve_api_open(&api, o.address, &err) < 0 ||
        serve_api_call(&api, "GET", SERVE_API_APPLICATIONS, NULL, &details, &err) < 0) {
        code = serve_fail(argv[0], &err);
    } else {
        code = render(details, o.name, &out);
        (void) fwrite(buf_bytes(&out), 1, buf_size(&out), stdout);
    }
    json_decref(details);
    buf_deinit(&out);
    serve_api_close(&api);
    return code;
}

int serve_status_cmd(int argc, char **argv)
{
    return show(&status_table, argc, argv, show_status);
}

int serve_config_cmd(int argc, char **argv)
{
    return show(&config_table, argc, argv, show_config);
}
