#pragma once
/* Private to the train room: the classification heads of all trials on read-out rows, their losses, and the gradient of the rows. */

#include "tuner/tuner.h"

typedef struct lt_heads {
    const lt_ctx *ctx; /* borrowed */
    lt_tuner *const *tuner;
    int64_t C, max_rows;
    int ld;                                  /* widest head */
    bool drops;                              /* some trial has head_dropout */
    lt_arena arena;                          /* device */
    float *logits, *d_logits, *loss, *d_out; /* [max_rows, ld] x 2, [max_rows], [max_rows, C] */
    lt_segment *segment;                     /* [n_segments at most] */
    int32_t *trial, *place;                  /* of each segment: whose it is, and where its losses go */
    float *dropped;                          /* [max_rows, C] rows as the heads read them, where a trial has head_dropout; else NULL */
    int64_t max_segments, n_segments;
    /* where a trial pools logits (lt_tuner.pools_logits) */
    int64_t max_seqs, n_pooled; /* sequences whose logits are pooled at the moment, or 0: none are */
    float *pooled, *d_pooled;   /* [max_seqs, ld] */
    int32_t *argmax;            /* the same */
    lt_segment *by_seq;         /* [n_segments] the segments of the pooled logits */
    const int32_t *cu;          /* device, of the pack: [n_pooled + 1] */
    int64_t n_rows;
} lt_heads;

/* A run of read-out rows of one trial. */
typedef struct lt_head_rows {
    int32_t trial;
    int64_t row0, row1;
    int64_t seq0, seq1; /* of the pack; unused for kept features */
} lt_head_rows;

/* Local.  max_segments: runs of rows in one call; max_seqs: sequences of a pack.  Errors: NOMEM. */
lt_status lt_run_impl_heads_init(lt_heads *h, const lt_ctx *ctx, lt_tuner *const *tuner, int n, int64_t C, int64_t max_rows,
                                 int64_t max_segments, int64_t max_seqs);
/* Local.  Accepts a zeroed struct. */
void lt_run_impl_heads_fini(lt_heads *h);
/* Local.  rows [*, C] device -> h->logits of all runs. */
lt_status lt_run_impl_heads_logits(lt_heads *h, const float *rows, const lt_head_rows *run, int64_t n_runs, bool gradients);
/* Local.  After logits of all rows of a pack, h->pooled := the maxima of each class over the rows of each of its sequences; learning then is from these. */
lt_status lt_run_impl_heads_pool(lt_heads *h, const lt_readout_rows *out, const lt_head_rows *run, int64_t n_runs, int64_t n_seq);
/* Local.  Read-out rows of a pack as the heads read them in a training step: some numbers left out (method.head_dropout), as a function of the sequence's key,
 * row and channel; without such a trial in `run`, *x is out->rows.  The second: the same on the gradient of what came out, in place. */
lt_status lt_run_impl_heads_drop(lt_heads *h, const lt_readout_rows *out, const lt_head_rows *run, int64_t n_runs, const float **x);
lt_status lt_run_impl_heads_drop_back(lt_heads *h, const lt_readout_rows *out, const lt_head_rows *run, int64_t n_runs);
/* Local.  After logits: losses into tail (device; {sum, not finite} of each trial), gradients of the heads where they lie, and unless d_rows is NULL the
 * gradient of the rows into it [*, C].  target, weight: device, of each row (of pooled logits: each sequence). */
lt_status lt_run_impl_heads_learn(lt_heads *h, const float *rows, const int32_t *target, const float *weight, float *tail, float *d_rows);
