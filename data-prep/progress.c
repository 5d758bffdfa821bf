/* Progress; see progress.h. */
#include "progress.h"

#include "data.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const double silent_s = 3, terminal_s = 0.5, log_s = 60;

void prep_progress_start(prep_progress *p, const prep_data *d) {
    struct stat info;
    *p = (prep_progress){.start = lt_time_s(), .terminal = isatty(STDERR_FILENO)};
    p->next = p->start + (p->terminal ? silent_s : log_s);
    for (int i = 0; i < d->n_files; i++) {
        if (!strcmp(d->file[i].path, "-") || stat(d->file[i].path, &info) != 0 || !S_ISREG(info.st_mode)) {
            p->total = 0;
            return;
        }
        p->total += info.st_size;
    }
}

static void duration(char *text, size_t bytes, double s) {
    long t = (long)(s + 0.5);
    if (t < 90)
        (void)snprintf(text, bytes, "%ld s", t);
    else if (t < 90 * 60)
        (void)snprintf(text, bytes, "%ld min", (t + 30) / 60);
    else
        (void)snprintf(text, bytes, "%.1f h", (double)t / 3600);
}

void prep_progress_show(prep_progress *p, int64_t bytes) {
    char read[32], all[48] = "", rate[32], left[64] = "", time[32];
    double now = lt_time_s(), done = (double)(p->done + bytes), speed = done / (now - p->start + 1e-9);
    if (now < p->next) return;
    p->next = now + (p->terminal ? terminal_s : log_s);
    if (p->total > 0 && done <= (double)p->total) {
        char total[32];
        (void)snprintf(all, sizeof all, " of %s", lt_bytes_str(total, (double)p->total));
        duration(time, sizeof time, ((double)p->total - done) / speed);
        (void)snprintf(left, sizeof left, ", %s left", time);
    }
    (void)snprintf(read, sizeof read, "%s", lt_bytes_str(rate, done));
    fprintf(stderr, "%sltune-prep data: %s%s, %s/s%s%s", p->terminal ? "\r" : "", read, all, lt_bytes_str(rate, speed), left,
            p->terminal ? "    " : "\n");
    (void)fflush(stderr);
    p->shown = true;
}

void prep_progress_file(prep_progress *p, int64_t bytes) { p->done += bytes; }

void prep_progress_end(prep_progress *p) {
    if (p->shown && p->terminal) fputs("\r\033[K", stderr);
    p->shown = false;
}
