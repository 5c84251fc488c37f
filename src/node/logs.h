/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_LOGS_H
#define NODE_LOGS_H

/* Where the output of processes goes: a file each under <session>/logs, as Ray lays them out, and,
 * line by line with a prefix, the terminal (or the container's stdout).  Files are rotated; a slow
 * terminal loses lines and never holds a process up. */

#include <stdio.h>

#include "io/pipe.h"
#include "node/lines.h"

struct logs {
    char *folder; /* <session>/logs; owned */
    struct pipe_writer terminal;
    bool has_terminal;
    uint64_t rotate_size; /* bytes of a file, then it becomes FILE.1; 512 MiB or
                             RAY_ROTATION_MAX_BYTES */
    unsigned n_backups;   /* 5 or RAY_ROTATION_BACKUP_COUNT */
};

void logs_init(struct logs *l, const char *session_dir, bool to_stdout);
void logs_deinit(struct logs *l);

enum log_show {
    LOG_SHOW_NOTHING,  /* the file only */
    LOG_SHOW_WARNINGS, /* lines that do not begin with INFO or DEBUG */
    LOG_SHOW_ALL,
};

/* The log of one process. */
struct log_sink {
    struct logs *logs;
    char *path; /* owned */
    FILE *file; /* NULL: could not be opened */
    uint64_t size;
    char *prefix; /* "(ServeReplica:app:D pid=123) "; owned */
    enum log_show show;
    struct lines lines;
    struct tail tail;
};

/* 'name' is relative to the logs folder, its odd characters are replaced; 'label' is what the
 * terminal calls it.  'link' (may be NULL) becomes a symbolic link to the file. */
void log_sink_open(struct log_sink *s, struct logs *logs, const char *name, const char *link,
                   const char *label, unsigned pid, enum log_show show);
void log_sink_feed(struct log_sink *s, struct span data);
void log_sink_close(struct log_sink *s); /* harmless when closed */

/* A name for a file: characters that a path or a terminal would take amiss become '_'. */
char *log_file_name(const char *text) MUST_CHECK;

#endif
