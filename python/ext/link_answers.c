/* SPDX-License-Identifier: Apache-2.0 */
#include "link_priv.h"

/* Answering requests. */

enum { BIG = 64 * 1024 }; /* copying more than this gives up the GIL */

static bool check_arity(const char *method, Py_ssize_t n, Py_ssize_t least, Py_ssize_t most)
{
    if (n < least || n > most) {
        PyErr_Format(PyExc_TypeError, "%s() takes %zd to %zd arguments, not %zd", method, least,
                     most, n);
        return false;
    }
    return true;
}

/* Bytes of any object that has some.  release() always follows. */
struct data {
    struct span span;
    Py_buffer view;
    bool has_view;
};

static bool get_data(PyObject *o, struct data *d)
{
    d->has_view = false;
    if (PyBytes_Check(o)) {
        d->span = (struct span){PyBytes_AsString(o), (size_t) PyBytes_Size(o)};
        return true;
    }
    if (PyObject_GetBuffer(o, &d->view, PyBUF_SIMPLE) < 0) {
        return false;
    }
    d->has_view = true;
    d->span = (struct span){d->view.buf, (size_t) d->view.len};
    return true;
}

static void release(struct data *d)
{
    if (d->has_view) {
        PyBuffer_Release(&d->view);
    }
}

static PyObject *link_started(PyObject *self, PyObject *arg)
{
    struct host *h = link_host(self);
    uint64_t id;

    if (!h || !link_get_id(arg, &id)) {
        return NULL;
    }
    host_started(h, id);
    Py_RETURN_NONE;
}

/* The status and headers of an answer; false with an exception set. */
static bool get_head(PyObject *status, PyObject *headers, uint16_t *ret_status,
                     struct buf *ret_block)
{
    long n = PyLong_AsLong(status);

    if (n == -1 && PyErr_Occurred()) {
        return false;
    }
    if (n < 100 || n > 999) {
        PyErr_Format(PyExc_ValueError, "%ld is no HTTP status", n);
        return false;
    }
    *ret_status = (uint16_t) n;
    return ext_headers_put(ret_block, headers) == 0;
}

static PyObject *link_respond(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    CLEANUP(buf_deinit) struct buf headers = {0};
    struct host *h = link_host(self);
    struct data body;
    uint16_t status;
    uint64_t id;

    if (!h || !check_arity("respond", n_args, 4, 4) || !link_get_id(args[0], &id) ||
        !get_head(args[1], args[2], &status, &headers) || !get_data(args[3], &body)) {
        return NULL;
    }
    host_respond(h, id, status, buf_span(&headers), body.span);
    release(&body);
    Py_RETURN_NONE;
}

static PyObject *link_head(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    CLEANUP(buf_deinit) struct buf headers = {0};
    struct host *h = link_host(self);
    uint16_t status;
    uint64_t id;

    if (!h || !check_arity("head", n_args, 3, 3) || !link_get_id(args[0], &id) ||
        !get_head(args[1], args[2], &status, &headers)) {
        return NULL;
    }
    host_head(h, id, status, buf_span(&headers));
    Py_RETURN_NONE;
}

static PyObject *link_chunk(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    struct host *h = link_host(self);
    struct data data;
    bool has_room;
    uint64_t id;
    int is_end;

    if (!h || !check_arity("chunk", n_args, 3, 3) || !link_get_id(args[0], &id) ||
        (is_end = PyObject_IsTrue(args[2])) < 0 || !get_data(args[1], &data)) {
        return NULL;
    }
    has_room = host_chunk(h, id, data.span, is_end);
    release(&data);
    return PyBool_FromLong(has_room);
}

static PyObject *link_result(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    struct host *h = link_host(self);
    struct data data;
    uint64_t id;

    if (!h || !check_arity("result", n_args, 2, 2) || !link_get_id(args[0], &id) ||
        !get_data(args[1], &data)) {
        return NULL;
    }
    if (data.span.size > BIG) {
        Py_BEGIN_ALLOW_THREADS;
        host_result(h, id, data.span);
        Py_END_ALLOW_THREADS;
    } else {
        host_result(h, id, data.span);
    }
    release(&data);
    Py_RETURN_NONE;
}

static PyObject *link_error(PyObject *self, PyObject *args)
{
    struct host *h = link_host(self);
    unsigned long long id;
    unsigned kind;
    const char *text;
    const char *data;
    Py_ssize_t text_size;
    Py_ssize_t data_size;

    if (!h ||
        !PyArg_ParseTuple(args, "KIs#y#:error", &id, &kind, &text, &text_size, &data, &data_size)) {
        return NULL;
    }
    if (!error_info(kind)) {
        PyErr_Format(PyExc_ValueError, "%u is no kind of error", kind);
        return NULL;
    }
    host_error(h, id, (enum error_kind) kind, (struct span){text, (size_t) text_size},
               (struct span){data, (size_t) data_size});
    Py_RETURN_NONE;
}

static PyObject *link_read(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    struct host *h = link_host(self);
    uint64_t id;
    uint64_t size;

    if (!h || !check_arity("read", n_args, 2, 2) || !link_get_id(args[0], &id) ||
        !link_get_id(args[1], &size)) {
        return NULL;
    }
    host_read(h, id, size);
    Py_RETURN_NONE;
}

PyMethodDef link_answer_methods[] = {
    LINK_METHOD(started, METH_O),       LINK_METHOD(respond, METH_FASTCALL),
    LINK_METHOD(head, METH_FASTCALL),   LINK_METHOD(chunk, METH_FASTCALL),
    LINK_METHOD(result, METH_FASTCALL), LINK_METHOD(error, METH_VARARGS),
    LINK_METHOD(read, METH_FASTCALL),   {NULL, NULL, 0, NULL},
};
