/* SPDX-License-Identifier: Apache-2.0 */
#include "http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_span(struct span s, const char *bytes, size_t size)
{
    ASSERT(s.size == 0 || (s.data >= bytes && s.data + s.size <= bytes + size));
}

static void check_fields(const struct head *h, const char *bytes, size_t size)
{
    ASSERT(h->n_fields <= HEAD_MAX_FIELDS);
    ASSERT(!(h->chunked && h->has_length));
    for (size_t i = 0; i < h->n_fields; i++) {
        check_span(h->fields[i].name, bytes, size);
        check_span(h->fields[i].value, bytes, size);
        ASSERT(head_field_valid(&h->fields[i]));
    }
}

/* Finding the end byte by byte must find the same end. */
static void check_find_end(struct span bytes, size_t end)
{
    size_t scan = 0;

    for (size_t n = 0; n <= bytes.size; n++) {
        size_t found = head_find_end((struct span){bytes.data, n}, &scan);

        ASSERT(found == (end > 0 && n >= end ? end : 0));
        if (found > 0) {
            return;
        }
    }
}

static void try_request(struct head *h, struct span bytes)
{
    char *copy = mem_strndup(bytes.data, bytes.size);

    if (head_parse_request(h, copy, bytes.size, 1024) == HEAD_OK) {
        char *path = mem_alloc(h->raw_path.size);

        check_fields(h, copy, bytes.size);
        check_span(h->method, copy, bytes.size);
        check_span(h->target, copy, bytes.size);
        check_span(h->query, copy, bytes.size);
        ASSERT(h->method.size > 0 && h->target.size > 0 && h->raw_path.size > 0);
        ASSERT(head_decode_path(h->raw_path, path) <= h->raw_path.size);
        free(path);
    }
    free(copy);
}

static void try_response(struct head *h, struct span bytes)
{
    char *copy = mem_strndup(bytes.data, bytes.size);

    if (head_parse_response(h, copy, bytes.size) == HEAD_OK) {
        check_fields(h, copy, bytes.size);
        check_span(h->reason, copy, bytes.size);
        ASSERT(h->status >= 100 && h->status <= 999);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = {(const char *) data, MIN(size, (size_t) 4096)};
    size_t scan = 0;
    size_t end = head_find_end(bytes, &scan);
    struct head *h = mem_new(struct head);

    check_find_end(bytes, end);
    if (end > 0) {
        bytes.size = end;
        try_request(h, bytes);
        try_response(h, bytes);
    }
    free(h);
    return 0;
}
