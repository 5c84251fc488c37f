/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve_api.h"

#include <stdio.h>

#include "cli/instance.h"
#include "http/client.h"

#define DEFAULT_URL "http://localhost:8265"

static char *url_here(void)
{
    struct instance *i = NULL;
    char *url;

    if (instance_find(NULL, &i, NULL) < 0 || !i) {
        return mem_strdup(DEFAULT_URL);
    }
    url = mem_strdup(i->dashboard_url);
    instance_free(i);
    return url;
}

int serve_api_open(struct serve_api *api, const char *address, struct err *err)
{
    const char *said = address ? address : getenv("RAY_DASHBOARD_ADDRESS");
    size_t size;

    api->base = said && said[0] != '\0' ? mem_strdup(said) : url_here();
    if (strncmp(api->base, "http://", 7) != 0 && strncmp(api->base, "https://", 8) != 0) {
        err_set(err, -EINVAL,
                "the address must start with http:// or https://, as in " DEFAULT_URL
                "; it is '%s'",
                api->base);
        serve_api_close(api);
        return -EINVAL;
    }
    size = strlen(api->base);
    while (api->base[size - 1] == '/') {
        api->base[--size] = '\0';
    }
    return 0;
}

void serve_api_close(struct serve_api *api)
{
    free(api->base);
    api->base = NULL;
}

/* The answer to a refused request can be long: it goes to the terminal here, whole. */
static int fail_status(int status, const char *body, struct err *err)
{
    (void) fflush(stdout);
    (void) fprintf(stderr, "RuntimeError: Request failed with status code %d: %s.\n", status, body);
    return err_set(err, -EPROTO, "the instance refused the request (status %d)", status);
}

static int call_text(const struct serve_api *api, const char *method, const char *path,
                     const char *text, char **ret_body, size_t *ret_size, struct err *err)
{
    char *url CLEANUP(mem_freep) = mem_printf("%s%s", api->base, path);
    const struct http_call call = {.method = method,
                                   .url = url,
                                   .content_type = text ? "application/json" : NULL,
                                   .bearer = getenv("RAY_AUTH_TOKEN"),
                                   .body = span_of(text)};
    int status = 0;
    int r = http_call(&call, &status, ret_body, ret_size, err);

    if (r == -ECONNREFUSED) {
        char *why CLEANUP(mem_freep) = mem_strdup(err->text);

        return err_set(err, r,
                       "%s.  Is an instance running?  Start one with `ray start --head`, or name "
                       "it: --address=http://HOST:8265",
                       why);
    }
    if (r == 0 && status / 100 != 2) {
        r = fail_status(status, *ret_body, err);
        free(TAKE_PTR(*ret_body));
    }
    return r;
}

int serve_api_call(const struct serve_api *api, const char *method, const char *path,
                   const json_t *body, json_t **ret_answer, struct err *err)
{
    char *text CLEANUP(mem_freep) = body ? json_dumps(body, JSON_COMPACT) : NULL;
    char *answer CLEANUP(mem_freep) = NULL;
    size_t size = 0;
    int r = call_text(api, method, path, text, &answer, &size, err);

    if (r < 0 || !ret_answer) {
        return r;
    }
    *ret_answer = size > 0 ? json_loadb(answer, size, 0, NULL) : NULL;
    if (size > 0 && !*ret_answer) {
        return err_set(err, -EPROTO, "%s%s does not answer with JSON: %.100s", api->base, path,
                       answer);
    }
    return 0;
}
