/* SPDX-License-Identifier: Apache-2.0 */
/* A line for each request, as Ray Serve's proxy writes it:
 *
 *     INFO 2025-12-19 10:00:00,123 proxy 127.0.0.1 <request id> -- GET /route 200 3.1ms
 *
 * Lines are gathered and written together; what the log does not take at once is lost, never waited
 * for. */

#include "proxy/proxy.h"

#include <time.h>

#include "base/log.h"

enum { WRITE_AT = 32 * 1024, PERIOD_MS = 500 };

static struct {
    struct buf lines;
    struct timer timer;
    time_t second;  /* that 'stamp' names */
    char stamp[40]; /* "INFO 2025-12-19 10:00:00," */
} sink;

static void write_out(void)
{
    log_put(buf_span(&sink.lines));
    buf_clear(&sink.lines);
}

static void on_timer(struct timer *t)
{
    (void) t;
    write_out();
    buf_shrink(&sink.lines);
}

void access_log_start(struct proxy *p)
{
    timer_init(&sink.timer, p->loop, on_timer);
}

void access_log_stop(void)
{
    timer_stop(&sink.timer);
    write_out();
    buf_deinit(&sink.lines);
}

/* At least 'n_digits' digits; printf() would be a tenth of what a small request costs us. */
static void put_number(struct buf *out, uint64_t x, int n_digits)
{
    char text[20];
    char *end = text + sizeof(text);
    char *p = end;

    while (x > 0 || end - p < n_digits) {
        *--p = (char) ('0' + x % 10);
        x /= 10;
    }
    buf_put(out, p, (size_t) (end - p));
}

static void put_line(const char *node_ip, unsigned ms, struct span request_id, struct span method,
                     struct span route, unsigned status, uint64_t duration_us)
{
    struct buf *out = &sink.lines;

    buf_put_str(out, sink.stamp);
    put_number(out, ms, 3);
    buf_put_str(out, " proxy ");
    buf_put_str(out, node_ip);
    buf_put_char(out, ' ');
    buf_put_span(out, request_id);
    buf_put_str(out, " -- ");
    buf_put_span(out, method);
    buf_put_char(out, ' ');
    buf_put_span(out, route);
    buf_put_char(out, ' ');
    put_number(out, status, 1);
    buf_put_char(out, ' ');
    put_number(out, duration_us / 1000, 1);
    buf_put_char(out, '.');
    put_number(out, duration_us / 100 % 10, 1);
    buf_put_str(out, "ms\n");
}

void access_log(struct proxy *p, struct span request_id, struct span method, struct span route,
                unsigned status, uint64_t duration_us)
{
    struct timespec now;

    if (!p->logs_access) {
        return;
    }
    (void) clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != sink.second) {
        struct tm tm;

        sink.second = now.tv_sec;
        (void) localtime_r(&now.tv_sec, &tm);
        (void) strftime(sink.stamp, sizeof(sink.stamp), "INFO %Y-%m-%d %H:%M:%S,", &tm);
    }
    put_line(p->node_ip, (unsigned) (now.tv_nsec / 1000000), request_id, method, route, status,
             duration_us);
    if (buf_size(&sink.lines) >= WRITE_AT) {
        write_out();
    } else if (!timer_active(&sink.timer)) {
        timer_start(&sink.timer, PERIOD_MS);
    }
}
