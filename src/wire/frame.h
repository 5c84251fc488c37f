/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

/* The frame: 16 bytes of header {size u32, type u16, flags u16, stream u64}, little-endian, then
 * 'size' bytes of payload.  A frame never exceeds FRAME_MAX; longer things travel in several. */

#include "base/buf.h"

enum {
    FRAME_HEADER = 16,
    FRAME_DATA_MAX = 64 * 1024,  /* body bytes in one frame */
    FRAME_MAX = 8 * 1024 * 1024, /* any payload: control documents may be long */
    FRAME_CREDIT = 256 * 1024,   /* bytes a sender may have under way on one stream and direction */
};

enum frame_flags {
    FRAME_END = 1,  /* last frame of this direction of the stream */
    FRAME_MORE = 2, /* the item goes on in the next frame */
    FRAME_FD = 4,   /* a descriptor comes with this frame */
};

struct frame {
    uint32_t size;
    uint16_t type;
    uint16_t flags;
    uint64_t stream;
    const char *payload; /* 'size' bytes, in the caller's buffer */
};

/* Starts a frame and returns a mark for frame_end(), which fills in the size. */
size_t frame_begin(struct buf *b, uint16_t type, uint16_t flags, uint64_t stream);
void frame_end(struct buf *b, size_t mark);

/* 1: a whole frame is at the front of 'in'; 0: more bytes are needed; -EPROTO: too long. */
int frame_peek(struct span in, struct frame *ret) MUST_CHECK;

#endif
