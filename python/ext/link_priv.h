/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXT_LINK_PRIV_H
#define EXT_LINK_PRIV_H

/* The object Link, shared by link.c (its life and its events), link_answers.c and link_calls.c. The
 * GIL guards the object itself; the host below has its own lock. */

#include "ext.h"

enum { LINK_SLICE_MS = 100 }; /* between looks at Python's signals while waiting */

struct link_object {
    PyObject_HEAD;
    struct host *host; /* lives as long as the object */
    bool is_closing;
};

/* The host, or NULL with an exception set: closed, or in a forked child. */
struct host *link_host(PyObject *self);

extern PyMethodDef link_answer_methods[];
extern PyMethodDef link_call_methods[];

#define LINK_METHOD(name, flags)                                                                   \
    {                                                                                              \
#name, (PyCFunction) (void (*)(void)) link_##name, flags, NULL                             \
    }

/* A request's or call's id; false with an exception set. */
static inline bool link_get_id(PyObject *o, uint64_t *ret_id)
{
    unsigned long long id = PyLong_AsUnsignedLongLong(o);

    if (id == (unsigned long long) -1 && PyErr_Occurred()) {
        return false;
    }
    *ret_id = id;
    return true;
}

/* Python takes the names of arguments without const, and does not write to them. */
static inline char **link_keywords(const char *const *names)
{
    char **same;

    memcpy(&same, &names, sizeof(same));
    return same;
}

#endif
