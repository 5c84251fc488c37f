/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_SERVE_WATCH_H
#define CLI_SERVE_WATCH_H

/* What `serve run CONFIG.yaml` does: finds or starts an instance, deploys the document, says how
 * the applications fare and what they print, and on Ctrl-C takes down what it has put up. */

#include <jansson.h>

#include "base/base.h"

/* 'address' is a cluster address, or NULL.  The exit code. */
int serve_watch(const json_t *document, const char *address, bool is_blocking);

#endif
