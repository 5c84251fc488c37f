/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_SERVE_H
#define SPEC_SERVE_H

/* The document that a user deploys (ServeDeploySchema): checked, coerced and normalised.  Used by
 * the REST API, which answers 400 with spec_serve_error(), and by the command line, which adds line
 * and column. */

#include "spec/field.h"
#include "spec/report.h"

/* Checks the whole document: every error is collected.  The result (the caller's) holds the
 * submitted fields only, coerced; a top-level logging_config is copied into the applications that
 * have none.  NULL if there were errors.  Unknown keys are warnings that name the nearest key. */
json_t *spec_serve_parse(const json_t *document, struct spec_report *report) MUST_CHECK;

/* The body of the 400: Ray's text, a newline, our sentences.  The caller frees it. */
char *spec_serve_error(const struct spec_report *report) MUST_CHECK;

/* One of the sub-documents alone (http_options of serve.start, a logging_config…). */
json_t *spec_part_parse(enum schema_id id, const json_t *value, struct spec_report *report)
    MUST_CHECK;

/* What GET shows of options in effect: all fields, secrets masked.  The caller's. */
json_t *spec_http_options_shown(const json_t *http_options) MUST_CHECK;
json_t *spec_grpc_options_shown(const json_t *grpc_options) MUST_CHECK;
/* A submitted application as GET shows it: the document with secrets masked.  The caller's. */
json_t *spec_application_shown(const json_t *application) MUST_CHECK;

/* Names of an application in a parsed document; "default" if it has none. */
const char *spec_application_name(const json_t *application);

#endif
