/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/frame.h"

#include <endian.h>

struct header {
    uint32_t size;
    uint16_t type;
    uint16_t flags;
    uint64_t stream;
};

_Static_assert(sizeof(struct header) == FRAME_HEADER, "the header has no padding");

size_t frame_begin(struct buf *b, uint16_t type, uint16_t flags, uint64_t stream)
{
    struct header h = {0, htole16(type), htole16(flags), htole64(stream)};
    size_t mark = buf_size(b);

    buf_put(b, &h, sizeof(h));
    return mark;
}

void frame_end(struct buf *b, size_t mark)
{
    size_t size = buf_size(b) - mark - FRAME_HEADER;
    uint32_t le = htole32((uint32_t) size);

    ASSERT(size <= FRAME_MAX);
    memcpy(buf_bytes(b) + mark, &le, sizeof(le));
}

int frame_peek(struct span in, struct frame *ret)
{
    struct header h;

    if (in.size < FRAME_HEADER) {
        return 0;
    }
    memcpy(&h, in.data, sizeof(h));
    if (le32toh(h.size) > FRAME_MAX) {
        return -EPROTO;
    }
    if (in.size - FRAME_HEADER < le32toh(h.size)) {
        return 0;
    }
    *ret = (struct frame){.size = le32toh(h.size),
                          .type = le16toh(h.type),
                          .flags = le16toh(h.flags),
                          .stream = le64toh(h.stream),
                          .payload = in.data + FRAME_HEADER};
    return 1;
}
