/* SPDX-License-Identifier: Apache-2.0 */
#include "http/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    struct buf data;
    size_t used;
    enum body_verdict verdict; /* END, BAD or MORE */
};

/* Gives the decoder the input in steps of 'step' bytes and takes at most 'max' bytes at a time. */
static struct outcome decode(struct span in, size_t step, size_t max)
{
    struct outcome o = {.verdict = BODY_MORE};
    struct body_decoder d;
    size_t have = 0;

    body_start_chunked(&d);
    while (o.verdict == BODY_MORE && have < in.size) {
        have = MIN(have + step, in.size);
        do {
            struct span rest = {in.data + o.used, have - o.used};
            struct span piece = {0};
            size_t used = 0;

            o.verdict = body_decode(&d, rest, max, &used, &piece);
            ASSERT(used <= rest.size && piece.size <= max && piece.size <= used);
            ASSERT(piece.size == 0 || piece.data + piece.size == rest.data + used);
            ASSERT((o.verdict == BODY_DATA) == (piece.size > 0));
            o.used += used;
            buf_put_span(&o.data, piece);
        } while (o.verdict == BODY_DATA);
        ASSERT(o.verdict != BODY_BLOCKED);
        ASSERT(o.verdict != BODY_MORE || o.used == have);
    }
    return o;
}

/* How the bytes are cut must not matter. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {(const char *) data, MIN(size, (size_t) 4096)};
    struct outcome whole = decode(in, SIZE_MAX / 2, SIZE_MAX);
    struct outcome bytewise = decode(in, 1, SIZE_MAX);
    struct outcome pieces = decode(in, 3, 2);

    ASSERT(whole.verdict == bytewise.verdict && whole.verdict == pieces.verdict);
    ASSERT(span_equal(buf_span(&whole.data), buf_span(&bytewise.data)));
    ASSERT(span_equal(buf_span(&whole.data), buf_span(&pieces.data)));
    ASSERT(whole.verdict == BODY_BAD || (whole.used == bytewise.used && whole.used == pieces.used));
    buf_deinit(&whole.data);
    buf_deinit(&bytewise.data);
    buf_deinit(&pieces.data);
    return 0;
}
