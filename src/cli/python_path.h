/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PYTHON_PATH_H
#define CLI_PYTHON_PATH_H

/* Which interpreter runs applications that are given as YAML: the one the user names, else the one
 * beside the command as it was called (a venv's bin), else the one known at build time. */

#include "base/base.h"

void python_path_init(const char *argv0); /* as main got it */

/* 'wanted' may be NULL.  The caller frees it. */
char *python_path(const char *wanted) MUST_CHECK;

#endif
