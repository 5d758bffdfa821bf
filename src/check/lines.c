/* Lines of a self test, agreed over the ranks; see check_impl.h. */
#include "check/check_impl.h"

#include "base/mem.h"
#include "check/side_impl.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GROW = 64 };

/* Room for one more; without it the program is near its end anyway, and the line is only printed. */
static void *grow(void *list, int n, size_t bytes) {
    if (n % GROW) return list;
    void *grown = realloc(list, (size_t)(n + GROW) * bytes);
    return grown ? grown : NULL;
}

double lt_check_max(lt_comm *c, double x) {
    int64_t bits;
    x = isnan(x) ? INFINITY : x < 0 ? 0 : x;
    memcpy(&bits, &x, sizeof bits); /* of numbers from 0 on, order is that of their bits */
    bits = lt_max_host(c, bits);
    memcpy(&x, &bits, sizeof x);
    return x;
}

bool lt_check_breaks(const lt_check *k, const char *word) { return k->broken && strcmp(k->broken, word) == 0; }

bool lt_check_can_break(const char *word) {
    static const char *const words[] = {"collectives", "training",
#define WORD(name, args) #name,
                                        LT_OPS_LIST(WORD)
#undef WORD
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], word) == 0) return true;
    return false;
}

void lt_check_heading(const lt_check *k, const char *fmt, ...) {
    va_list ap;
    if (!k->out) return;
    va_start(ap, fmt);
    vfprintf(k->out, fmt, ap);
    va_end(ap);
    (void)fflush(k->out);
}

void lt_check_add(lt_check *k, const char *section, lt_status st, double measured, double limit, const char *what, ...) {
    lt_check_row row = {.section = section, .limit = limit};
    va_list ap;
    va_start(ap, what);
    (void)vsnprintf(row.what, sizeof row.what, what, ap);
    va_end(ap);
    st = lt_agree(k->world, st);
    row.measured = st == LT_OK ? lt_check_max(k->world, measured) : INFINITY;
    row.ok = st == LT_OK && row.measured <= limit;
    if (st != LT_OK) {
        int origin = lt_err_last()->origin_rank;
        (void)snprintf(row.why, sizeof row.why, "rank %d: %s: %.180s", origin < 0 ? lt_comm_rank(k->world) : origin, lt_status_name(st),
                       lt_err_last()->msg);
        lt_err_clear();
    } else if (!row.ok) {
        int64_t rank = lt_max_host(k->world, measured <= limit ? -1 : lt_comm_rank(k->world));
        (void)snprintf(row.why, sizeof row.why, "beyond the limit on rank %d", (int)rank);
    }
    if (k->out) {
        if (isfinite(row.measured))
            fprintf(k->out, "  %-58s %10.3g  limit %8.2g  %s\n", row.what, row.measured, row.limit, row.ok ? "ok" : "FAILED");
        else
            fprintf(k->out, "  %-58s %10s  limit %8.2g  FAILED\n", row.what, "-", row.limit);
        if (!row.ok) fprintf(k->out, "    %s\n", row.why);
        (void)fflush(k->out);
    }
    k->failed += !row.ok;
    lt_check_row *list = grow(k->row, k->n, sizeof row);
    if (!list) return;
    k->row = list;
    k->row[k->n++] = row;
}

void lt_check_add_speed(lt_check *k, lt_status st, double value, const char *unit, const char *note, const char *what, ...) {
    lt_check_speed s = {.unit = unit};
    va_list ap;
    va_start(ap, what);
    (void)vsnprintf(s.what, sizeof s.what, what, ap);
    va_end(ap);
    st = lt_agree(k->world, st);
    if (st == LT_OK) {
        double slowness = lt_check_max(k->world, value > 0 ? 1 / value : INFINITY);
        s.value = isfinite(slowness) && slowness > 0 ? 1 / slowness : 0;
        (void)snprintf(s.note, sizeof s.note, "%s", note);
    } else {
        lt_check_add(k, "speeds", st, INFINITY, INFINITY, "%s", s.what); /* a failure is one wherever it shows */
        return;
    }
    if (k->out) fprintf(k->out, "  %-58s %10.4g %-8s %s\n", s.what, s.value, s.unit, s.note);
    if (k->out) (void)fflush(k->out);
    lt_check_speed *list = grow(k->speed, k->n_speeds, sizeof s);
    if (!list) return;
    k->speed = list;
    k->speed[k->n_speeds++] = s;
}

void lt_check_fini(lt_check *k) {
    free(k->row);
    free(k->speed);
    k->row = NULL;
    k->speed = NULL;
}

/* ---- time ---- */

double lt_check_now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
double lt_check_median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, by_value);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

lt_status lt_watch_init(lt_watch *w, const lt_ctx *c) {
    *w = (lt_watch){.c = c};
    if (!c->ops->gpu) return LT_OK;
    LT_TRY(c->ops->gpu->event_create(true, &w->from));
    return c->ops->gpu->event_create(true, &w->to);
}

lt_status lt_watch_start(lt_watch *w) {
    w->began = lt_check_now();
    return w->from ? w->c->ops->gpu->record(w->from, w->c->stream) : LT_OK;
}

lt_status lt_watch_stop(lt_watch *w, double *seconds) {
    float ms;
    if (!w->to) {
        LT_TRY(w->c->ops->wait(w->c, NULL));
        *seconds = lt_check_now() - w->began;
        return LT_OK;
    }
    LT_TRY(w->c->ops->gpu->record(w->to, w->c->stream));
    LT_TRY(w->c->ops->gpu->wait_event(w->to));
    LT_TRY(w->c->ops->gpu->elapsed_ms(w->from, w->to, &ms));
    *seconds = 1e-3 * (double)ms;
    return LT_OK;
}

void lt_watch_fini(lt_watch *w) {
    if (w->from) w->c->ops->gpu->event_destroy(w->from);
    if (w->to) w->c->ops->gpu->event_destroy(w->to);
    *w = (lt_watch){0};
}
