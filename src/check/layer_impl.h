#pragma once
/* Private to check: one layer of a LLaMA-like model with random weights, as a list of steps, forward and then backward to its input.
 *
 * The steps call the entries that model/block.c and block_bwd.c call, in their order, with the same types: rows between branches f32, everything else of the
 * compute type; sequences of one length see themselves causally and a slot of a prefix bank, whose gradient is wanted (what a step of L-Tuning does). */

#include "check/bench.h"
#include "kernels/ops.h"

typedef enum lt_layer_kind { LT_LAYER_PRODUCT, LT_LAYER_ATTENTION, LT_LAYER_ROWS, LT_LAYER_KINDS } lt_layer_kind;

typedef struct lt_layer lt_layer;
typedef struct lt_layer_step {
    const char *name;
    lt_layer_kind kind;
    double flops, bytes; /* executed; moved at least */
    lt_status (*run)(lt_layer *l);
} lt_layer_step;

enum { LT_LAYER_MAX_STEPS = 24, LT_LAYER_LINS = 5 };
enum { LT_LAYER_Q, LT_LAYER_KV, LT_LAYER_O, LT_LAYER_UP, LT_LAYER_DOWN };

struct lt_layer {
    const lt_bench_shape *shape;
    int64_t T, length; /* tokens; of a sequence */
    lt_ctx ctx;
    lt_arena weights, acts;
    lt_lin lin[LT_LAYER_LINS];
    lt_attn_plan plan;
    int32_t *pos;
    float *cos_sin, *norm_w;
    float *x, *x2, *y, *dy, *dx, *dx2, *dn, *rstd[2], *lse, *bank, *d_bank; /* [T, C] ...; rows between branches */
    lt_arr n, q, kv, o, u, h, dh, d_o, dq, dkv;
    lt_arr dy_low, dx2_low, dx_low; /* gradients rounded, for products; p = NULL in f32 */
    bool listing;                   /* products are listed in call, not made */
    struct lt_linear_args call[LT_LAYER_MAX_STEPS];
    bool backward[LT_LAYER_MAX_STEPS];
    int n_calls;
    int n_steps;
    lt_layer_step step[LT_LAYER_MAX_STEPS];
};

/* Local.  compute: LT_E4M3 for frozen matrices in FP8.  threads of a CPU.  Errors: NOMEM, CUDA. */
lt_status lt_layer_create(const lt_ops *ops, const lt_bench_shape *shape, lt_dtype compute, int64_t tokens, int64_t length, int threads,
                          lt_layer **layer);
/* Local.  Accepts NULL inside; sets NULL. */
void lt_layer_destroy(lt_layer **layer);
/* Local.  Width and height [N, K] of a matrix. */
void lt_layer_matrix(const lt_bench_shape *s, int which, int64_t *N, int64_t *K);
