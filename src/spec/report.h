/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_REPORT_H
#define SPEC_REPORT_H

/* What is wrong with a document: all errors and warnings that a check found, each with the path of
 * the value.  Rendered in the two ways that users read: as the text of Ray's ValidationError, and
 * as one sentence for each. */

#include <jansson.h>

#include "base/buf.h"
#include "base/list.h"

struct spec_problem {
    struct list link;
    json_t *loc;       /* array of names and indices; owned, as all below */
    char *msg;         /* "ensure this value is greater than 0" */
    char *type;        /* "value_error.number.not_gt"; NULL for a warning */
    char *ctx;         /* Python text of the error's ctx, or NULL */
    bool for_ray_only; /* an artefact of Ray's checks that no sentence is made of */
};

struct spec_report {
    struct list errors;   /* of struct spec_problem.link; owned */
    struct list warnings; /* of struct spec_problem.link; owned */
    size_t n_errors;
};

void spec_report_init(struct spec_report *r);
void spec_report_deinit(struct spec_report *r);

/* Adds an error at 'loc'; 'type' is pydantic's name of its kind. */
struct spec_problem *spec_report_error(struct spec_report *r, const json_t *loc, const char *type,
                                       const char *fmt, ...) PRINTF(4, 5);
void spec_report_warning(struct spec_report *r, const json_t *loc, const char *fmt, ...)
    PRINTF(3, 4);

/* "applications[0].deployments[1].max_ongoing_requests"; the caller frees it. */
char *spec_path(const json_t *loc) MUST_CHECK;

/* "ValidationError(model='ServeDeploySchema', errors=[{'loc': (…), 'msg': …, 'type': …}])". */
void spec_report_ray_text(const struct spec_report *r, const char *model, struct buf *out);

/* "PATH: MSG" for each error, a newline between them. */
void spec_report_sentences(const struct spec_report *r, struct buf *out);

#endif
