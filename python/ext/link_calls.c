/* SPDX-License-Identifier: Apache-2.0 */
#include "link_priv.h"

/* Calls of our own, and what is said to the node. */

enum { LOOKUP_MS = 15000 }; /* the router must be back by then */

static PyObject *link_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"deployment", "method",     "args",
                                        "request_id", "route",      "multiplexed_model_id",
                                        "streaming",  "timeout_ms", NULL};
    struct host *h = link_host(self);
    struct {
        const char *p;
        Py_ssize_t size;
    } s[5] = {{"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}};
    struct msg_call m = {0};
    Py_buffer data;
    int streaming = 0;
    unsigned timeout_ms = 0;
    int64_t id;

    if (!h || !PyArg_ParseTupleAndKeywords(
                  args, kwargs, "s#s#y*|$s#s#s#pI:call", link_keywords(names), &s[0].p, &s[0].size,
                  &s[1].p, &s[1].size, &data, &s[2].p, &s[2].size, &s[3].p, &s[3].size, &s[4].p,
                  &s[4].size, &streaming, &timeout_ms)) {
        return NULL;
    }
    m.deployment = (struct span){s[0].p, (size_t) s[0].size};
    m.method = (struct span){s[1].p, (size_t) s[1].size};
    m.request_id = (struct span){s[2].p, (size_t) s[2].size};
    m.route = (struct span){s[3].p, (size_t) s[3].size};
    m.multiplexed_model_id = (struct span){s[4].p, (size_t) s[4].size};
    m.streaming = streaming != 0;
    m.timeout_ms = timeout_ms;
    m.args = (struct span){data.buf, (size_t) data.len};
    Py_BEGIN_ALLOW_THREADS;
    id = host_call(h, &m);
    Py_END_ALLOW_THREADS;
    PyBuffer_Release(&data);
    if (id < 0) {
        PyErr_SetString(PyExc_ValueError, "a name of the call exceeds 64 KiB");
        return NULL;
    }
    return PyLong_FromLongLong(id);
}

static PyObject *link_cancel(PyObject *self, PyObject *arg)
{
    struct host *h = link_host(self);
    uint64_t id;

    if (!h || !link_get_id(arg, &id)) {
        return NULL;
    }
    host_cancel(h, id);
    Py_RETURN_NONE;
}

static PyObject *link_lookup(PyObject *self, PyObject *arg)
{
    struct host *h = link_host(self);
    Py_ssize_t size = 0;
    const char *app = h ? PyUnicode_AsUTF8AndSize(arg, &size) : NULL;
    PyObject *result = NULL;
    char *json = NULL;
    uint64_t id = 0;
    int r = -EAGAIN;

    if (!app) {
        return NULL;
    }
    for (int left_ms = LOOKUP_MS; r == -EAGAIN && left_ms > 0; left_ms -= LINK_SLICE_MS) {
        Py_BEGIN_ALLOW_THREADS;
        r = host_lookup(h, (struct span){app, (size_t) size}, LINK_SLICE_MS, &id, &json);
        Py_END_ALLOW_THREADS;
        if (r == -EAGAIN && PyErr_CheckSignals() < 0) {
            break;
        }
    }
    host_lookup_end(h, id);
    if (r == 0) {
        result = json ? PyUnicode_FromString(json) : Py_NewRef(Py_None);
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(r == -EAGAIN ? PyExc_TimeoutError : PyExc_RuntimeError,
                        r == -EAGAIN ? "the proxy of this node does not answer"
                                     : "the link is closed");
    }
    free(json);
    return result;
}

static PyObject *link_control(PyObject *self, PyObject *args)
{
    struct host *h = link_host(self);
    const char *name;
    const char *body;
    Py_ssize_t name_size;
    Py_ssize_t body_size;

    if (!h || !PyArg_ParseTuple(args, "s#s#:control", &name, &name_size, &body, &body_size)) {
        return NULL;
    }
    if (host_control(h, (struct span){name, (size_t) name_size},
                     (struct span){body, (size_t) body_size}) < 0) {
        PyErr_SetString(PyExc_ValueError, "the document exceeds 8 MiB");
        return NULL;
    }
    Py_RETURN_NONE;
}

PyMethodDef link_call_methods[] = {
    LINK_METHOD(call, METH_VARARGS | METH_KEYWORDS),
    LINK_METHOD(cancel, METH_O),
    LINK_METHOD(lookup, METH_O),
    LINK_METHOD(control, METH_VARARGS),
    {NULL, NULL, 0, NULL},
};
