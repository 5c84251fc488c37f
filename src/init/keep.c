/* SPDX-License-Identifier: Apache-2.0 */
#include "init/keep.h"

#include <unistd.h>

struct kept {
    struct list link;
    char *name; /* owned */
    int fd;     /* owned */
};

void keep_init(struct keep *k)
{
    list_init(&k->list);
}

static void forget(struct kept *kept)
{
    list_remove(&kept->link);
    (void) close(kept->fd);
    free(kept->name);
    free(kept);
}

void keep_deinit(struct keep *k)
{
    while (!list_empty(&k->list)) {
        forget(LIST_ENTRY(k->list.next, struct kept, link));
    }
}

static struct kept *find(const struct keep *k, struct span name)
{
    struct kept *kept;

    LIST_FOREACH (kept, &k->list, link) {
        if (span_is(name, kept->name)) {
            return kept;
        }
    }
    return NULL;
}

void keep_set(struct keep *k, struct span name, int fd)
{
    struct kept *kept = find(k, name);

    if (kept) {
        forget(kept);
    }
    if (fd >= 0) {
        kept = mem_new(struct kept);
        kept->name = mem_strndup(name.data, name.size);
        kept->fd = fd;
        list_push_back(&k->list, &kept->link);
    }
}

int keep_lookup(const struct keep *k, struct span names, int *ret_fds, size_t max)
{
    const char *name;
    size_t n = 0;

    while ((name = wire_string_next(&names))) {
        const struct kept *kept = find(k, span_of(name));

        if (!kept) {
            return -ENOENT;
        }
        if (n == max) {
            return -E2BIG;
        }
        ret_fds[n++] = kept->fd;
    }
    return (int) n;
}

void keep_send(const struct keep *k, struct channel *ch)
{
    const struct kept *kept;

    LIST_FOREACH (kept, &k->list, link) {
        channel_send_fd(ch, kept->fd);
        msg_kept_put(channel_out(ch), FRAME_FD, 0, &(struct msg_kept){.name = span_of(kept->name)});
    }
}
