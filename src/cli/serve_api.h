/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SERVE_API_H
#define CLI_SERVE_API_H

/* The REST calls of the command line to one instance.  Each call blocks until it is answered. */

#include <jansson.h>

#include "base/err.h"

struct serve_api {
    char *base; /* "http://127.0.0.1:8265"; owned */
};

/* 'address' is a dashboard's URL; NULL: RAY_DASHBOARD_ADDRESS, else the newest instance here, else
 * http://localhost:8265. */
int serve_api_open(struct serve_api *api, const char *address, struct err *err) MUST_CHECK;
void serve_api_close(struct serve_api *api);

/* 'body' may be NULL; so may 'ret_answer', and *ret_answer is NULL when the answer has no body.  An
 * answer other than 2xx is -EPROTO with Ray's sentence, printed whole by serve_api_fail(). */
int serve_api_call(const struct serve_api *api, const char *method, const char *path,
                   const json_t *body, json_t **ret_answer, struct err *err) MUST_CHECK;

#define SERVE_API_APPLICATIONS "/api/serve/applications/"

#endif
