/* SPDX-License-Identifier: Apache-2.0 */
#include "ext.h"

#include <math.h>
#include <stdio.h>

/* The type Link.  The GIL guards the object itself; the host has its own lock. */

enum {
    SLICE_MS = 100,      /* between looks at Python's signals while waiting */
    BIG = 64 * 1024,     /* copying more than this gives up the GIL */
    LOOKUP_MS = 15000,   /* the router must be back by then */
    KEEP_HEADERS = 4096, /* a longer scratch buffer is given back */
};

struct link_object {
    PyObject_HEAD;
    struct host *host; /* lives as long as the object */
    bool is_closing;
    struct buf headers; /* scratch */
};

/* The host, or NULL with an exception set: closed, or in a forked child. */
static struct host *host_of(PyObject *self)
{
    struct link_object *o = (struct link_object *) (void *) self;

    if (o->is_closing || !host_is_alive(o->host)) {
        PyErr_SetString(PyExc_RuntimeError, "the link is closed");
        return NULL;
    }
    return o->host;
}

static bool check_arity(const char *method, Py_ssize_t n, Py_ssize_t least, Py_ssize_t most)
{
    if (n < least || n > most) {
        PyErr_Format(PyExc_TypeError, "%s() takes %zd to %zd arguments, not %zd", method, least,
                     most, n);
        return false;
    }
    return true;
}

/* A request's or call's id; false with an exception set. */
static bool get_id(PyObject *o, uint64_t *ret_id)
{
    unsigned long long id = PyLong_AsUnsignedLongLong(o);

    if (id == (unsigned long long) -1 && PyErr_Occurred()) {
        return false;
    }
    *ret_id = id;
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

/* --- beginning and end --------------------------------------------------------------------------
 */

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

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sss|ss:Link", (char **) (uintptr_t) names,
                                     &role, &config.session_dir, &config.name, &config.token,
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
        buf_init(&o->headers);
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
    buf_deinit(&o->headers);
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
    struct host *h = host_of(self);
    const char *text = h ? PyUnicode_AsUTF8AndSize(info, NULL) : NULL;

    if (!text) {
        return NULL;
    }
    host_join(h, text);
    Py_RETURN_NONE;
}

/* --- events -------------------------------------------------------------------------------------
 */

static PyObject *link_fileno(PyObject *self, PyObject *unused)
{
    struct host *h = host_of(self);

    (void) unused;
    return h ? PyLong_FromLong(host_fd(h)) : NULL;
}

static PyObject *to_list(struct list *events)
{
    PyObject *list = PyList_New(0);
    struct list *entry;

    while ((entry = list_pop_front(events))) {
        struct host_event *e = LIST_ENTRY(entry, struct host_event, link);
        PyObject *tuple = list ? ext_event(e) : NULL;

        if (!tuple || PyList_Append(list, tuple) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(tuple);
        host_event_free(e);
    }
    return list;
}

static PyObject *link_drain(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"hold", NULL};
    struct host *h = host_of(self);
    struct list events;
    int hold = 0;

    if (!h || !PyArg_ParseTupleAndKeywords(args, kwargs, "|p:drain", (char **) (uintptr_t) names,
                                           &hold)) {
        return NULL;
    }
    list_init(&events);
    host_take(h, hold, &events);
    return to_list(&events);
}

static PyObject *link_flush(PyObject *self, PyObject *unused)
{
    struct host *h = host_of(self);

    (void) unused;
    if (!h) {
        return NULL;
    }
    host_flush(h);
    Py_RETURN_NONE;
}

static PyObject *link_wait(PyObject *self, PyObject *timeout)
{
    struct host *h = host_of(self);
    double left_s = h ? PyFloat_AsDouble(timeout) : 0;
    bool has_events = false;

    if (!h || PyErr_Occurred()) {
        return NULL;
    }
    left_s = isnan(left_s) || left_s < 0 ? 0 : MIN(left_s, 1e9);
    do {
        double slice_ms = MIN(ceil(left_s * 1000), SLICE_MS);

        Py_BEGIN_ALLOW_THREADS;
        has_events = host_wait(h, (uint64_t) slice_ms);
        Py_END_ALLOW_THREADS;
        left_s -= slice_ms / 1000;
        if (PyErr_CheckSignals() < 0 || !host_of(self)) {
            return NULL;
        }
    } while (!has_events && left_s > 0);
    return PyBool_FromLong(has_events);
}

/* --- answers ------------------------------------------------------------------------------------
 */

static PyObject *link_started(PyObject *self, PyObject *arg)
{
    struct host *h = host_of(self);
    uint64_t id;

    if (!h || !get_id(arg, &id)) {
        return NULL;
    }
    host_started(h, id);
    Py_RETURN_NONE;
}

/* The status and headers of an answer; false with an exception set. */
static bool get_head(PyObject *self, PyObject *status, PyObject *headers, uint16_t *ret_status)
{
    struct link_object *o = (struct link_object *) (void *) self;
    long n = PyLong_AsLong(status);

    if (n == -1 && PyErr_Occurred()) {
        return false;
    }
    if (n < 100 || n > 999) {
        PyErr_Format(PyExc_ValueError, "%ld is no HTTP status", n);
        return false;
    }
    *ret_status = (uint16_t) n;
    buf_clear(&o->headers);
    return ext_headers_put(&o->headers, headers) == 0;
}

static void drop_big_scratch(PyObject *self)
{
    struct link_object *o = (struct link_object *) (void *) self;

    if (o->headers.capacity > KEEP_HEADERS) {
        buf_clear(&o->headers);
        buf_shrink(&o->headers);
    }
}

static PyObject *link_respond(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    struct host *h = host_of(self);
    struct data body;
    uint16_t status;
    uint64_t id;

    if (!h || !check_arity("respond", n_args, 4, 4) || !get_id(args[0], &id) ||
        !get_head(self, args[1], args[2], &status) || !get_data(args[3], &body)) {
        return NULL;
    }
    host_respond(h, id, status, buf_span(&((struct link_object *) (void *) self)->headers),
                 body.span);
    release(&body);
    drop_big_scratch(self);
    Py_RETURN_NONE;
}

static PyObject *link_head(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    struct host *h = host_of(self);
    uint16_t status;
    uint64_t id;

    if (!h || !check_arity("head", n_args, 3, 3) || !get_id(args[0], &id) ||
        !get_head(self, args[1], args[2], &status)) {
        return NULL;
    }
    host_head(h, id, status, buf_span(&((struct link_object *) (void *) self)->headers));
    drop_big_scratch(self);
    Py_RETURN_NONE;
}

static PyObject *link_chunk(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    struct host *h = host_of(self);
    struct data data;
    bool has_room;
    uint64_t id;
    int is_end;

    if (!h || !check_arity("chunk", n_args, 3, 3) || !get_id(args[0], &id) ||
        (is_end = PyObject_IsTrue(args[2])) < 0 || !get_data(args[1], &data)) {
        return NULL;
    }
    has_room = host_chunk(h, id, data.span, is_end);
    release(&data);
    return PyBool_FromLong(has_room);
}

static PyObject *link_result(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    struct host *h = host_of(self);
    struct data data;
    uint64_t id;

    if (!h || !check_arity("result", n_args, 2, 2) || !get_id(args[0], &id) ||
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
    struct host *h = host_of(self);
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
    struct host *h = host_of(self);
    uint64_t id;
    uint64_t size;

    if (!h || !check_arity("read", n_args, 2, 2) || !get_id(args[0], &id) ||
        !get_id(args[1], &size)) {
        return NULL;
    }
    host_read(h, id, size);
    Py_RETURN_NONE;
}

/* --- calls --------------------------------------------------------------------------------------
 */

static PyObject *link_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"deployment", "method",     "args",
                                        "request_id", "route",      "multiplexed_model_id",
                                        "streaming",  "timeout_ms", NULL};
    struct host *h = host_of(self);
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
                  args, kwargs, "s#s#y*|$s#s#s#pI:call", (char **) (uintptr_t) names, &s[0].p,
                  &s[0].size, &s[1].p, &s[1].size, &data, &s[2].p, &s[2].size, &s[3].p, &s[3].size,
                  &s[4].p, &s[4].size, &streaming, &timeout_ms)) {
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
    struct host *h = host_of(self);
    uint64_t id;

    if (!h || !get_id(arg, &id)) {
        return NULL;
    }
    host_cancel(h, id);
    Py_RETURN_NONE;
}

static PyObject *link_lookup(PyObject *self, PyObject *arg)
{
    struct host *h = host_of(self);
    Py_ssize_t size = 0;
    const char *app = h ? PyUnicode_AsUTF8AndSize(arg, &size) : NULL;
    PyObject *result = NULL;
    char *json = NULL;
    uint64_t id = 0;
    int r = -EAGAIN;

    if (!app) {
        return NULL;
    }
    for (int left_ms = LOOKUP_MS; r == -EAGAIN && left_ms > 0; left_ms -= SLICE_MS) {
        Py_BEGIN_ALLOW_THREADS;
        r = host_lookup(h, (struct span){app, (size_t) size}, SLICE_MS, &id, &json);
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
    struct host *h = host_of(self);
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

/* --- the type -----------------------------------------------------------------------------------
 */

#define METHOD(name, flags)                                                                        \
    {                                                                                              \
#name, (PyCFunction) (void (*)(void)) link_##name, flags, NULL                             \
    }

static PyMethodDef link_methods[] = {
    METHOD(join, METH_O),          METHOD(close, METH_NOARGS),
    METHOD(fileno, METH_NOARGS),   METHOD(drain, METH_VARARGS | METH_KEYWORDS),
    METHOD(flush, METH_NOARGS),    METHOD(wait, METH_O),
    METHOD(started, METH_O),       METHOD(respond, METH_FASTCALL),
    METHOD(head, METH_FASTCALL),   METHOD(chunk, METH_FASTCALL),
    METHOD(result, METH_FASTCALL), METHOD(error, METH_VARARGS),
    METHOD(read, METH_FASTCALL),   METHOD(call, METH_VARARGS | METH_KEYWORDS),
    METHOD(cancel, METH_O),        METHOD(lookup, METH_O),
    METHOD(control, METH_VARARGS), {NULL, NULL, 0, NULL},
};

static PyType_Slot link_slots[] = {
    {Py_tp_new, link_new},
    {Py_tp_dealloc, link_dealloc},
    {Py_tp_methods, link_methods},
    {0, NULL},
};

static PyType_Spec link_spec = {
    .name = "model_service._ext.Link",
    .basicsize = sizeof(struct link_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = link_slots,
};

int ext_link_ready(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&link_spec);
    int r = type ? PyModule_AddObjectRef(module, "Link", type) : -1;

    Py_XDECREF(type);
    return r;
}
