/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

/* An intrusive doubly linked list.  The head is a 'struct list' that links to itself when empty;
 * an entry embeds a 'struct list' that also links to itself while it is in no list.  Each head says
 * in a comment what it holds: struct list replicas; // of struct replica.link; owned */

#include "base/base.h"

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l;
    l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

/* Whether an entry is in some list. */
static inline bool list_linked(const struct list *l)
{
    return l->next != l;
}

static inline void list_insert_before(struct list *pos, struct list *entry)
{
    entry->prev = pos->prev;
    entry->next = pos;
    pos->prev->next = entry;
    pos->prev = entry;
}

static inline void list_push_back(struct list *head, struct list *entry)
{
    list_insert_before(head, entry);
}

static inline void list_push_front(struct list *head, struct list *entry)
{
    list_insert_before(head->next, entry);
}

/* Takes the entry out; harmless when it is in no list. */
static inline void list_remove(struct list *entry)
{
    ASSERT(entry->prev && entry->next);
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    list_init(entry);
}

/* The first entry taken out, or NULL. */
static inline struct list *list_pop_front(struct list *head)
{
    struct list *entry = head->next;

    if (entry == head) {
        return NULL;
    }
    list_remove(entry);
    return entry;
}

/* Moves everything in 'from' to the end of 'to'. */
static inline void list_splice_back(struct list *to, struct list *from)
{
    if (!list_empty(from)) {
        from->next->prev = to->prev;
        to->prev->next = from->next;
        from->prev->next = to;
        to->prev = from->prev;
        list_init(from);
    }
}

#define LIST_ENTRY(ptr, type, member) CONTAINER_OF(ptr, type, member)

/* for-loops over entries; 'e' is a pointer to the containing type, declared by the caller. */
#define LIST_FOREACH(e, head, member)                                                              \
    for ((e) = LIST_ENTRY((head)->next, __typeof__(*(e)), member); &(e)->member != (head);         \
         (e) = LIST_ENTRY((e)->member.next, __typeof__(*(e)), member))

/* The body may remove (or free) 'e'; 'tmp' is a second pointer of the same type. */
#define LIST_FOREACH_SAFE(e, tmp, head, member)                                                    \
    for ((e) = LIST_ENTRY((head)->next, __typeof__(*(e)), member),                                 \
        (tmp) = LIST_ENTRY((e)->member.next, __typeof__(*(e)), member);                            \
         &(e)->member != (head);                                                                   \
         (e) = (tmp), (tmp) = LIST_ENTRY((tmp)->member.next, __typeof__(*(e)), member))

#endif
