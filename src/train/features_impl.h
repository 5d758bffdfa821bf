#pragma once
/* Private to the train room: read-out rows of samples under the frozen model alone, which is all that `head` trials see: computed once, then kept.
 *
 * A row is kept by the data-parallel rank that computed it; whoever asks for a sample must so always be the same rank (a function of the sample's number,
 * not of the step).  Rows are f32, as the model gives them.
 *
 * In training, samples come in a random order, and the bits of a row may depend on what shares its pack.  So that a run that was continued meets the same
 * bits, a sample is computed with its block: its neighbours by number, in packs of their own, whichever of them was asked for first. */

#include "train/samples.h"
#include "tuner/tuner.h"

typedef struct lt_features {
    const lt_ctx *ctx; /* borrowed; NULL = nothing is kept */
    int64_t C, n, cap, used;
    int64_t *place; /* [n] row of each sample, -1 = not here yet */
    float *rows;    /* device [cap, C] */
} lt_features;

/* Bytes of a rank's memory that features may take: beyond it they are computed anew each time. */
#define LT_FEATURES_BYTES ((int64_t)512 << 20)
static inline bool lt_run_impl_features_fit(int64_t C, int64_t n) { return n <= LT_FEATURES_BYTES / (int64_t)sizeof(float) / C; }

/* Local.  Room for this rank's part of n samples.  Errors: NOMEM. */
lt_status lt_run_impl_features_init(lt_features *f, const lt_ctx *ctx, int64_t C, int64_t n, int64_t cap);
/* Local.  Accepts a zeroed struct. */
void lt_run_impl_features_fini(lt_features *f);
/* Local.  Gives a sample a place, if it has none; true if it is new: its row must come with the next rows that are kept, in this order. */
bool lt_run_impl_features_want(lt_features *f, int64_t sample);
/* Samples of a block that one rank of dp_size computes. */
enum { LT_FEATURES_BLOCK = 64 };
/* Local.  The block of a sample among n: [*first, *end), and its number from 1. */
int32_t lt_run_impl_features_block(int64_t sample, int64_t n, int dp_size, int64_t *first, int64_t *end);
/* Local, enqueued.  The next n rows [n, C], device. */
lt_status lt_run_impl_features_keep(lt_features *f, const float *rows, int64_t first, int64_t n);

/* Rows of kept features beside what heads need of each. */
typedef struct lt_feature_rows {
    int64_t max;
    lt_arena arena; /* device */
    float *x;       /* [max, C] */
    int32_t *index, *target;
    float *weight;                     /* [max] each */
    int32_t *host_index, *host_target; /* the same on their way there */
    float *host_weight;
    const lt_ctx *ctx;
} lt_feature_rows;

/* Local.  Errors: NOMEM. */
lt_status lt_run_impl_feature_rows_init(lt_feature_rows *r, const lt_ctx *ctx, int64_t C, int64_t max);
void lt_run_impl_feature_rows_fini(lt_feature_rows *r);
/* Local, enqueued.  x := the kept rows host_index[0 .. n), and uploads the n targets and weights. */
lt_status lt_run_impl_feature_rows_gather(lt_feature_rows *r, const lt_features *f, int64_t n);
