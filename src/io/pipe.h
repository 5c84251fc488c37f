/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IO_PIPE_H
#define IO_PIPE_H

/* The two ends of somebody else's pipe or terminal: a reader on the loop, and a writer that never
 * waits.  The node reads the output of the processes and shows it on its own. */

#include "io/loop.h"

struct pipe_reader {
    struct io_watch watch;
    int fd; /* owned; -1 when closed */
    void (*on_data)(struct pipe_reader *r, struct span data);
    void (*on_end)(
        struct pipe_reader *r); /* no writer is left; the reader is already stopped; may be NULL */
};

/* Takes 'fd' (made non-blocking and close-on-exec). */
void pipe_reader_start(struct pipe_reader *r, struct loop *loop, int fd,
                       void (*on_data)(struct pipe_reader *r, struct span data),
                       void (*on_end)(struct pipe_reader *r));
void pipe_reader_stop(struct pipe_reader *r); /* harmless when stopped */

/* Reads what is there now, without a turn of the loop; at most 1 MiB. */
void pipe_reader_drain(struct pipe_reader *r);

struct pipe_writer {
    int fd;          /* owned */
    bool may_block;  /* the descriptor is shared with others and could not be opened anew */
    uint64_t n_lost; /* lines or pieces that were dropped since the last that got through */
};

/* Opens what 'fd' (often 1) refers to once more, so that making it non-blocking changes nothing for
 * those who share it. */
void pipe_writer_open(struct pipe_writer *w, int fd);
void pipe_writer_close(struct pipe_writer *w);

/* Writes the piece whole or drops it and counts. */
void pipe_writer_put(struct pipe_writer *w, struct span piece);

#endif
