/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IO_FILE_H
#define IO_FILE_H

/* Small files, whole: read, replaced atomically, removed.  Local file systems only; these calls
 * wait for the disk. */

#include "base/err.h"

/* The contents, terminated by NUL (not counted), which the caller frees.  -EFBIG beyond 'max'. */
int file_read(const char *path, size_t max, char **ret_data, size_t *ret_size, struct err *err)
    MUST_CHECK;

/* Writes beside the path and renames over it; a reader sees the old or the new contents.  'durable'
 * also waits for the disk, so that it survives a power cut. */
int file_replace(const char *path, struct span data, unsigned mode, bool durable, struct err *err)
    MUST_CHECK;

/* mkdir -p; folders that are made get 'mode'. */
int file_make_folder(const char *path, unsigned mode, struct err *err) MUST_CHECK;

#endif
