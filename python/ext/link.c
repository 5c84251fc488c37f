/* SPDX-License-Identifier: Apache-2.0 */
#include "link_priv.h"

#include <math.h>

/* The type Link: its life and its events. */

enum { METHODS_MAX = 32 };

static PyMethodDef methods[METHODS_MAX];

struct host *link_host(PyObject *self)
{
    struct link_object *o = (struct link_object *) (void *) self;

    if (o->is_closing || !host_is_alive(o->host)) {
        PyErr_SetString(PyExc_RuntimeError, "the link is closed");
        return NULL;
    }
    return o->host;
}

/* Beginning and end. */

static int lifeline_fd(void)
{
    /* getenv(): the GIL is held, as os.putenv() holds it. */
    const char *text = getenv("MODEL_SERVICE_LIFELINE_FD"); /* NOLINT(concurrency-mt-unsafe) */

    return text && *text ? (int) strtol(text, NULL, 10) : -1;
}

static PyObject *link_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"role", "session_dir", "name", "token", "info", NULL};
    struct host_config config = {.token = "", .info_json = "{}", .lifeline_fd = -1};
    allocfunc alloc = (allocfunc) PyType_GetSlot(type, Py_tp_alloc);
    struct link_object *o;
    const char *role;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sss|ss:Link", link_keywords(names), &role,
                                     &config.session_dir, &config.name, &config.token,
                                     &config.info_json)) {
        return NULL;
    }
    if (strcmp(role, "replica") != 0 && strcmp(role, "driver") != 0) {
        PyErr_SetString(PyExc_ValueError, "role is \"replica\" or \"driver\"");
        return NULL;
    }
    config.role = strcmp(role, "replica") == 0 ? ROLE_REPLICA : ROLE_DRIVER;
    if (config.role == ROLE_REPLICA) {
        config.lifeline_fd = lifeline_fd();
    }
    o = (struct link_object *) (void *) alloc(type, 0);
    if (o) {
        o->host = host_new(&config);
    }
    return (PyObject *) o;
}

static void stop(struct link_object *o)
{
    if (!o->is_closing) {
        o->is_closing = true;
        Py_BEGIN_ALLOW_THREADS;
        host_stop(o->host);
        Py_END_ALLOW_THREADS;
    }
}

static void link_dealloc(PyObject *self)
{
    struct link_object *o = (struct link_object *) (void *) self;
    PyTypeObject *type = Py_TYPE(self);
    freefunc release_memory = (freefunc) PyType_GetSlot(type, Py_tp_free);

    if (o->host) {
        stop(o);
        host_free(o->host);
    }
    release_memory(self);
    Py_DECREF(type);
}

static PyObject *link_close(PyObject *self, PyObject *unused)
{
    (void) unused;
    stop((struct link_object *) (void *) self);
    Py_RETURN_NONE;
}

static PyObject *link_join(PyObject *self, PyObject *info)
{
    struct host *h = link_host(self);
    const char *text = h ? PyUnicode_AsUTF8AndSize(info, NULL) : NULL;

    if (!text) {
        return NULL;
    }
    host_join(h, text);
    Py_RETURN_NONE;
}

/* Events. */

static PyObject *link_fileno(PyObject *self, PyObject *unused)
{
    struct host *h = link_host(self);

    (void) unused;
    return h ? PyLong_FromLong(host_fd(h)) : NULL;
}

/* Appends a new object, which it takes over; false: an exception is set. */
static bool append(PyObject *list, PyObject *o)
{
    bool is_good = o && PyList_Append(list, o) == 0;

    Py_XDECREF(o);
    return is_good;
}

static PyObject *to_list(struct list *events)
{
    PyObject *list = PyList_New(0);
    bool is_good = list != NULL;
    struct list *entry;

    while ((entry = list_pop_front(events))) {
        struct host_event *e = LIST_ENTRY(entry, struct host_event, link);

        is_good = is_good && append(list, ext_event(e));
        host_event_free(e);
    }
    if (!is_good) {
        Py_CLEAR(list);
    }
    return list;
}

static PyObject *link_drain(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"hold", NULL};
    struct host *h = link_host(self);
    struct list events;
    int hold = 0;

    if (!h || !PyArg_ParseTupleAndKeywords(args, kwargs, "|p:drain", link_keywords(names), &hold)) {
        return NULL;
    }
    list_init(&events);
    host_take(h, hold, &events);
    return to_list(&events);
}

static PyObject *link_flush(PyObject *self, PyObject *unused)
{
    struct host *h = link_host(self);

    (void) unused;
    if (!h) {
        return NULL;
    }
    host_flush(h);
    Py_RETURN_NONE;
}

static PyObject *link_wait(PyObject *self, PyObject *timeout)
{
    struct host *h = link_host(self);
    double left_s = h ? PyFloat_AsDouble(timeout) : 0;
    bool has_events = false;

    if (!h || PyErr_Occurred()) {
        return NULL;
    }
    left_s = isnan(left_s) || left_s < 0 ? 0 : MIN(left_s, 1e9);
    do {
        double slice_ms = MIN(ceil(left_s * 1000), LINK_SLICE_MS);

        Py_BEGIN_ALLOW_THREADS;
        has_events = host_wait(h, (uint64_t) slice_ms);
        Py_END_ALLOW_THREADS;
        left_s -= slice_ms / 1000;
        if (PyErr_CheckSignals() < 0 || !link_host(self)) {
            return NULL;
        }
    } while (!has_events && left_s > 0);
    return PyBool_FromLong(has_events);
}

/* The type. */

static PyMethodDef link_methods[] = {
    LINK_METHOD(join, METH_O),
    LINK_METHOD(close, METH_NOARGS),
    LINK_METHOD(fileno, METH_NOARGS),
    LINK_METHOD(drain, METH_VARARGS | METH_KEYWORDS),
    LINK_METHOD(flush, METH_NOARGS),
    LINK_METHOD(wait, METH_O),
    {NULL, NULL, 0, NULL},
};

static PyType_Slot link_slots[] = {
    {Py_tp_new, link_new},
    {Py_tp_dealloc, link_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec link_spec = {
    .name = "model_service._ext.Link",
    .basicsize = sizeof(struct link_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = link_slots,
};

/* One table of all methods: PyType_FromSpec() takes no more. */
static void add_methods(PyMethodDef *to, const PyMethodDef *from)
{
    while (to->ml_name) {
        to++;
    }
    for (; from->ml_name; from++) {
        *to++ = *from;
    }
}

int ext_link_ready(PyObject *module)
{
    PyObject *type;
    int r;

    if (!methods[0].ml_name) {
        add_methods(methods, link_methods);
        add_methods(methods, link_answer_methods);
        add_methods(methods, link_call_methods);
    }
    type = PyType_FromSpec(&link_spec);
    r = type ? PyModule_AddObjectRef(module, "Link", type) : -1;

    Py_XDECREF(type);
    return r;
}
