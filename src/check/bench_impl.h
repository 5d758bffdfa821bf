#pragma once
/* Private to check: parts of a bench (bench.h). */

#include "check/bench.h"
#include "check/check_impl.h"

enum { LT_BENCH_MAX_REPEATS = 20 };

/* Local.  How often what takes once seconds is repeated. */
int lt_bench_impl_repeats(const lt_bench *b, double once);
/* Local.  Fills b->map: what the map of an lt_prefix trial costs a step.  Errors: NOMEM, CUDA. */
lt_status lt_bench_impl_maps(lt_bench *b, const lt_ctx *c, lt_watch *w);
