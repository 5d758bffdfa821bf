/* One-line logging; see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    int rank, size, level, all, ready;
    double t0;
} g = {.size = 1, .level = LT_LOG_INFO};

static double monotonic_s(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static void read_environment(void) {
    static const char *const names[] = {"error", "warn", "info", "debug"};
    const char *level = getenv("LT_LOG"), *all = getenv("LT_LOG_ALL");
    for (int i = 0; level && i < 4; i++)
        if (!strcmp(level, names[i])) g.level = i;
    g.all = all && all[0] == '1';
    g.t0 = monotonic_s();
    g.ready = 1;
}

void lt_log_init(int rank, int size) {
    if (!g.ready) read_environment();
    g.rank = rank;
    g.size = size;
}

void lt_log_limit(lt_log_level level) {
    if (!g.ready) read_environment();
    if (!getenv("LT_LOG") && g.level > (int)level) g.level = (int)level;
}

int lt_log_on(lt_log_level level) {
    if (!g.ready) read_environment();
    return (int)level <= g.level && (g.rank == 0 || level <= LT_LOG_WARN || g.all);
}

double lt_time_s(void) {
    if (!g.ready) read_environment();
    return monotonic_s() - g.t0;
}

void lt_log(lt_log_level level, const char *fmt, ...) {
    static const char *const tag[] = {"error: ", "warning: ", "", "debug: "};
    char line[4096];
    va_list ap;
    if (!lt_log_on(level)) return;
    int n = g.size > 1 ? snprintf(line, 64, "[%8.2f %d/%d] %s", lt_time_s(), g.rank, g.size, tag[level])
                       : snprintf(line, 64, "[%8.2f] %s", lt_time_s(), tag[level]);
    va_start(ap, fmt);
    int k = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
    va_end(ap);
    if (k < 0) return;
    size_t len = strlen(line);
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0) return; /* a closed stderr is not our failure */
}
