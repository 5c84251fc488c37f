/* SPDX-License-Identifier: Apache-2.0 */
#include "ext.h"

/* Tuples of events: docs/interfaces.md §8 has them in a table. */

/* A tuple of values that it takes over; NULL when one is NULL. */
static PyObject *pack(Py_ssize_t n, PyObject *const *values)
{
    PyObject *tuple = PyTuple_New(n);
    bool is_good = tuple != NULL;

    for (Py_ssize_t i = 0; i < n; i++) {
        if (!tuple || PyTuple_SetItem(tuple, i, values[i]) < 0 || !values[i]) {
            is_good = false;
        }
    }
    if (!is_good) {
        Py_CLEAR(tuple);
    }
    return tuple;
}

#define PACK(...)                                                                                  \
    pack(sizeof((PyObject *[]){__VA_ARGS__}) / sizeof(PyObject *), (PyObject *[]){__VA_ARGS__})

static PyObject *number(uint64_t x)
{
    return PyLong_FromUnsignedLongLong(x);
}

static PyObject *boolean(bool b)
{
    return Py_NewRef(b ? Py_True : Py_False);
}

static PyObject *name(PyObject *o)
{
    return Py_NewRef(o);
}

static PyObject *call_event(const struct host_event *e)
{
    const struct msg_dispatch_call *m = &e->call;
    PyObject *meta =
        PACK(ext_str(m->method), ext_str(m->request_id), ext_str(m->app), ext_str(m->route),
             ext_str(m->multiplexed_model_id), boolean(m->streaming));

    return PACK(name(ext_names.call), number(e->id), meta, ext_bytes(m->args));
}

static PyObject *link_event(const struct host_event *e)
{
    PyObject *which = span_is(e->text, "router") ? ext_names.router : ext_names.node;

    return PACK(name(ext_names.link), name(which), boolean(e->is_complete));
}

PyObject *ext_event(const struct host_event *e)
{
    const struct ext_names *n = &ext_names;

    switch (e->type) {
    case HOST_HTTP:
        return PACK(name(n->http), number(e->id), ext_scope(&e->http), ext_bytes(e->http.body),
                    boolean(e->is_complete));
    case HOST_CALL: return call_event(e);
    case HOST_BODY:
        return PACK(name(n->body), number(e->id), ext_bytes(e->data), boolean(e->is_complete));
    case HOST_CANCEL: return PACK(name(n->cancel), number(e->id), number(e->kind));
    case HOST_WRITABLE: return PACK(name(n->writable), number(e->id));
    case HOST_ITEM: return PACK(name(n->item), number(e->id), ext_bytes(e->data));
    case HOST_DONE:
        return PACK(name(n->done), number(e->id),
                    e->is_complete ? ext_bytes(e->data) : Py_NewRef(Py_None));
    case HOST_ERROR:
        return PACK(name(n->error), number(e->id), number(e->kind), ext_str(e->text),
                    ext_bytes(e->data));
    case HOST_STARTED: return PACK(name(n->started), number(e->id));
    case HOST_CONTROL: return PACK(name(n->control), ext_str(e->text), ext_str(e->data));
    case HOST_LINK: return link_event(e);
    }
    NOT_REACHED();
}
