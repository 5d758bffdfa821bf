#pragma once
/* Private to check: how lines come to be, and time on a device. */

#include "check/check.h"
#include "kernels/ops.h"

/* Collective(world).  A line.  st: the failure that kept this rank from a number, or LT_OK; measured: this rank's. */
void lt_check_add(lt_check *k, const char *section, lt_status st, double measured, double limit, const char *what, ...)
    __attribute__((format(printf, 6, 7)));
/* Collective(world).  A speed, the slowest rank's; or, on a failure (st), a line of a check that failed. */
void lt_check_add_speed(lt_check *k, lt_status st, double value, const char *unit, const char *note, const char *what, ...)
    __attribute__((format(printf, 6, 7)));
/* Local.  A heading on its own line. */
void lt_check_heading(const lt_check *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Collective(c).  The largest of the ranks' numbers, none below 0; NaN counts as infinite. */
double lt_check_max(lt_comm *c, double x);
/* Local.  Whether this word is to go wrong. */
bool lt_check_breaks(const lt_check *k, const char *word);

/* A stop watch over work on a ctx's stream: events on a GPU, a clock elsewhere. */
typedef struct lt_watch {
    const lt_ctx *c;
    lt_gpu_event *from, *to;
    double began;
} lt_watch;
/* Local.  Errors: CUDA. */
lt_status lt_watch_init(lt_watch *w, const lt_ctx *c);
lt_status lt_watch_start(lt_watch *w);
/* Local.  Waits for the work since start; its seconds. */
lt_status lt_watch_stop(lt_watch *w, double *seconds);
/* Local.  Accepts a zeroed one. */
void lt_watch_fini(lt_watch *w);
/* Local.  Seconds of a clock that only goes forward. */
double lt_check_now(void);
/* Local.  Middle of n numbers, which are sorted. */
double lt_check_median(double *x, int n);
/* Collective(world).  The most ranks, up to 4 (the heads of the tiny model), that a tensor-parallel group can have on these nodes. */
int lt_check_impl_tp(lt_comm *world);
