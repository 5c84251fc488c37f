/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CONFIG_FILE_H
#define CLI_CONFIG_FILE_H

/* A configuration as the user gives it: a file, checked here so that errors name line and column,
 * or an import path with options. */

#include <jansson.h>

#include "base/err.h"
#include "cli/options.h"

/* Whether the word names a file, not an import path. */
bool config_file_is(const char *word);

/* Reads and checks a file.  Prints warnings and errors to stderr as "FILE:LINE:COLUMN: sentence";
 * NULL after errors.  The caller owns the result: the submitted fields. */
json_t *config_file_read(const char *path);

/* What `serve deploy` and `serve run` take beside an import path. */
struct import_options {
    const char *runtime_env;
    const char *runtime_env_json;
    const char *working_dir;
    const char *name;
};

/* The document for one application by import path; 'words' are "key=value". */
int config_from_import(const char *import_path, const char *const *words, size_t n_words,
                       const struct import_options *o, json_t **ret, struct err *err) MUST_CHECK;

/* Checks "key=value" words, and puts them into *ret (may be NULL). */
int config_parse_words(const char *const *words, size_t n_words, json_t *ret, struct err *err)
    MUST_CHECK;

#endif
