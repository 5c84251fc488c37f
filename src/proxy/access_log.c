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
    time_t second; /* that 'stamp' names */
    char stamp[32];
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
        (void) strftime(sink.stamp, sizeof(sink.stamp), "%Y-%m-%d %H:%M:%S", &tm);
    }
    buf_printf(&sink.lines, "INFO %s,%03ld proxy %s %.*s -- %.*s %.*s %u %u.%ums\n", sink.stamp,
               now.tv_nsec / 1000000, p->node_ip, (int) request_id.size, request_id.data,
               (int) method.size, method.data, (int) route.size, route.data, status,
               (unsigned) (duration_us / 1000), (unsigned) (duration_us / 100 % 10));
    if (buf_size(&sink.lines) >= WRITE_AT) {
        write_out();
    } else if (!timer_active(&sink.timer)) {
        timer_start(&sink.timer, PERIOD_MS);
    }
}
