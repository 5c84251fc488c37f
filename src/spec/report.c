/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "spec/json.h"
#include "spec/repr.h"

void spec_report_init(struct spec_report *r)
{
    list_init(&r->errors);
    list_init(&r->warnings);
    r->n_errors = 0;
}

static void free_problems(struct list *problems)
{
    struct spec_problem *p;
    struct spec_problem *tmp;

    LIST_FOREACH_SAFE (p, tmp, problems, link) {
        list_remove(&p->link);
        json_decref(p->loc);
        free(p->msg);
        free(p->type);
        free(p->ctx);
        free(p);
    }
}

void spec_report_deinit(struct spec_report *r)
{
    free_problems(&r->errors);
    free_problems(&r->warnings);
    r->n_errors = 0;
}

PRINTF(4, 0)
static struct spec_problem *add(struct list *to, const json_t *loc, const char *type,
                                const char *fmt, va_list args)
{
    struct spec_problem *p = mem_new(struct spec_problem);

    p->loc = json_copy(json_unconst(loc));
    p->type = mem_strdup(type);
    if (vasprintf(&p->msg, fmt, args) < 0) {
        abort();
    }
    list_push_back(to, &p->link);
    return p;
}

struct spec_problem *spec_report_error(struct spec_report *r, const json_t *loc, const char *type,
                                       const char *fmt, ...)
{
    struct spec_problem *p;
    va_list args;

    va_start(args, fmt);
    p = add(&r->errors, loc, type, fmt, args);
    va_end(args);
    r->n_errors++;
    return p;
}

void spec_report_warning(struct spec_report *r, const json_t *loc, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add(&r->warnings, loc, NULL, fmt, args);
    va_end(args);
}

char *spec_path(const json_t *loc)
{
    struct buf b;

    buf_init(&b);
    for (size_t i = 0; i < json_array_size(loc); i++) {
        const json_t *step = json_array_get(loc, i);

        if (json_is_integer(step)) {
            buf_printf(&b, "[%lld]", (long long) json_integer_value(step));
        } else if (strcmp(json_string_value(step), "__root__") != 0) {
            buf_printf(&b, "%s%s", buf_size(&b) > 0 ? "." : "", json_string_value(step));
        }
    }
    return buf_take_str(&b);
}

/* A path as Python prints the tuple: ('applications', 0), ('name',). */
static void put_loc(const json_t *loc, struct buf *out)
{
    size_t n = json_array_size(loc);

    buf_put_char(out, '(');
    for (size_t i = 0; i < n; i++) {
        buf_put_str(out, i > 0 ? ", " : "");
        repr_value(json_array_get(loc, i), out);
    }
    buf_put_str(out, n == 1 ? ",)" : ")");
}

void spec_report_ray_text(const struct spec_report *r, const char *model, struct buf *out)
{
    const struct spec_problem *p;
    const char *separator = "";

    buf_printf(out, "ValidationError(model='%s', errors=[", model);
    LIST_FOREACH (p, &r->errors, link) {
        buf_printf(out, "%s{'loc': ", separator);
        put_loc(p->loc, out);
        buf_put_str(out, ", 'msg': ");
        repr_str(p->msg, out);
        buf_printf(out, ", 'type': '%s'", p->type);
        if (p->ctx) {
            buf_printf(out, ", 'ctx': %s", p->ctx);
        }
        buf_put_char(out, '}');
        separator = ", ";
    }
    buf_put_str(out, "])");
}

void spec_report_sentences(const struct spec_report *r, struct buf *out)
{
    const struct spec_problem *p;
    const char *separator = "";

    LIST_FOREACH (p, &r->errors, link) {
        char *path;

        if (p->for_ray_only) {
            continue;
        }
        path = spec_path(p->loc);
        buf_printf(out, "%s%s%s%s", separator, path, path[0] != '\0' ? ": " : "", p->msg);
        free(path);
        separator = "\n";
    }
}
