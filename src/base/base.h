/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

/* Vocabulary shared by every file: assertions, cleanup attributes, ownership transfer, the byte
 * span, and allocation that never fails. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MUST_CHECK   __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define CLEANUP(fn)  __attribute__((cleanup(fn)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))

#define CONTAINER_OF(ptr, type, member) ((type *) (void *) ((char *) (ptr) -offsetof(type, member)))

/* Always on, also in release builds: a broken invariant stops the process. */
#define ASSERT(x) ((x) ? (void) 0 : assert_failed(#x, __FILE__, __LINE__))

#define NOT_REACHED() assert_failed("not reached", __FILE__, __LINE__)

_Noreturn void assert_failed(const char *expr, const char *file, int line);

/* Moves a pointer out of a variable that would otherwise free it at scope end. */
#define TAKE_PTR(p)                                                                                \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

#define DEFINE_CLEANUP(type, fn)                                                                   \
    static inline void fn##p(type *p)                                                              \
    {                                                                                              \
        if (*p) {                                                                                  \
            fn(*p);                                                                                \
        }                                                                                          \
    }

/* Memory.  Running out of it ends the process: its supervisor starts it again. */
void *mem_alloc(size_t size) MUST_CHECK;               /* zeroed */
void *mem_realloc(void *p, size_t size) MUST_CHECK;    /* new bytes are not zeroed */
char *mem_strdup(const char *s) MUST_CHECK;            /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n) MUST_CHECK; /* always terminated */
char *mem_printf(const char *fmt, ...) PRINTF(1, 2) MUST_CHECK;
#define mem_new(type) ((type *) mem_alloc(sizeof(type)))

static inline void mem_freep(void *p)
{
    free(*(void **) p);
}

/* Bytes that somebody else owns.  Not terminated. */
struct span {
    const char *data;
    size_t size;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})

static inline struct span span_of(const char *s)
{
    return (struct span){s, s ? strlen(s) : 0};
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool span_is(struct span a, const char *s)
{
    return span_equal(a, span_of(s));
}

/* ASCII letters of either case are equal; for header names and the like. */
bool span_equal_nocase(struct span a, struct span b);

#endif
