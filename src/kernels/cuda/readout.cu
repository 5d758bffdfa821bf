/* What is read out and scored: pooling, cross entropy, choice among candidates, softmax of rows; equations in kernels/ref/{readout,train,small}.c. */
#include "kernels/cuda/vec_impl.h"

#include <cmath>

namespace LT_GPU_SPACE {

enum { WARPS = 4 /* of a block whose warps have a row each */, IGNORED = -100 /* label of rows without a loss */ };

/* ---- pooling: an empty range gives 0 (argmax -1); of equal maxima the first row counts ---- */

/* A block has THREADS columns of a sequence; sums run in row order. */
static __global__ void __launch_bounds__(THREADS) pool_fwd_columns(lt_pool_args a) {
    int64_t s = blockIdx.x, col = (int64_t)blockIdx.y * THREADS + threadIdx.x;
    if (col >= a.C) return;
    int32_t from = a.row0[s], end = a.row1[s], best = from < end ? from : -1;
    float sum = 0, top = best < 0 ? 0.0f : a.x[best * a.C + col];
    for (int32_t t = from; t < end; t++) {
        float x = a.x[t * a.C + col];
        sum += x;
        if (x > top) top = x, best = t;
    }
    if (a.kind == LT_POOL_MAX) {
        a.argmax[s * a.C + col] = best;
        a.out[s * a.C + col] = top;
    } else {
        a.out[s * a.C + col] = best < 0 ? 0.0f : sum / (float)(end - from);
    }
}

lt_status pool_fwd(const lt_ctx *c, const lt_pool_args *a) {
    if (a->n_seq <= 0) return LT_OK;
    LT_RUN(c, (pool_fwd_columns), dim3((unsigned)a->n_seq, (unsigned)div_up(a->C, THREADS)), THREADS, 0, *a);
    return LT_OK;
}

/* dx is zero before. */
static __global__ void __launch_bounds__(THREADS) pool_bwd_columns(lt_pool_args a) {
    int64_t s = blockIdx.x, col = (int64_t)blockIdx.y * THREADS + threadIdx.x;
    if (col >= a.C) return;
    float d = a.dout[s * a.C + col];
    if (a.kind == LT_POOL_MAX) {
        int32_t best = a.argmax[s * a.C + col];
        if (best >= 0) a.dx[best * a.C + col] = d;
        return;
    }
    int32_t from = a.row0[s], end = a.row1[s];
    d /= (float)(end - from);
    for (int32_t t = from; t < end; t++) a.dx[t * a.C + col] = d;
}

lt_status pool_bwd(const lt_ctx *c, const lt_pool_args *a) {
    state *s = state_of(c);
    if (a->T > 0) LT_TRY(s->gpu->fill(s->stream, a->dx, 0, (size_t)(a->T * a->C) * sizeof(float)));
    if (a->n_seq <= 0) return LT_OK;
    LT_RUN(c, (pool_bwd_columns), dim3((unsigned)a->n_seq, (unsigned)div_up(a->C, THREADS)), THREADS, 0, *a);
    return LT_OK;
}

/* ---- rows of scores: a warp has a row ---- */

LT_DEVICE int64_t warp_number() { return (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP; }

/* Largest score of a row and the sum of exponentials under it.  A NaN among them makes the sum NaN, an infinity both. */
template <typename F> LT_DEVICE void top_and_sum(int64_t n, unsigned lane, F score, float &top, float &sum) {
    top = -INFINITY, sum = 0;
    for (int64_t k = lane; k < n; k += WARP) top = fmaxf(top, score(k));
    top = warp_max(top);
    for (int64_t k = lane; k < n; k += WARP) sum += expf(score(k) - top);
    sum = warp_sum(sum);
}

/* Factor of a row's gradient: 0 for one that is ignored, NaN for a label that is none, which then stops the step. */
LT_DEVICE float weight_of(const float *weight, int64_t row, int32_t label, int64_t n) {
    if (label == IGNORED) return 0.0f;
    return label < 0 || label >= n ? NAN : weight ? weight[row] : 1.0f;
}
LT_DEVICE float loss_of(float top, float sum, float truth) { return (float)(log((double)sum) + (double)top - (double)truth); }

static __global__ void __launch_bounds__(WARPS *WARP) xent_rows(lt_xent_args a) {
    int64_t row = warp_number();
    unsigned lane = threadIdx.x % WARP;
    if (row >= a.rows) return;
    const float *z = a.logits + row * a.ld;
    int32_t label = a.label[row];
    bool ignored = label == IGNORED, known = label >= 0 && label < a.K;
    float weight = weight_of(a.weight, row, label, a.K), top, sum;
    top_and_sum(
        a.K, lane, [&](int64_t k) { return z[k]; }, top, sum);
    if (lane == 0) a.loss[row] = ignored ? 0.0f : loss_of(top, sum, known ? z[label] : NAN);
    for (int64_t k = lane; a.dlogits && k < a.K; k += WARP)
        a.dlogits[row * a.ld + k] = ignored ? 0.0f : weight * (expf(z[k] - top) / sum - (k == label ? 1.0f : 0.0f));
}

lt_status xent(const lt_ctx *c, const lt_xent_args *a) {
    if (a->rows <= 0) return LT_OK;
    LT_RUN(c, (xent_rows), blocks_for(a->rows, WARPS), WARPS * WARP, 0, *a);
    return LT_OK;
}

static __global__ void __launch_bounds__(WARPS *WARP) choice_groups(lt_choice_args a) {
    int64_t row0 = warp_number() * a.n;
    unsigned lane = threadIdx.x % WARP;
    if (row0 >= a.groups * a.n) return;
    const float *z = a.logits + row0 * a.ld;
    auto score = [&](int64_t i) { return z[i * a.ld + 1] - z[i * a.ld]; };
    int32_t label = a.label[row0];
    bool ignored = label == IGNORED, known = label >= 0 && label < a.n;
    float weight = weight_of(a.weight, row0, label, a.n), top, sum;
    top_and_sum(a.n, lane, score, top, sum);
    float loss = ignored ? 0.0f : loss_of(top, sum, known ? score(label) : NAN);
    for (int64_t i = lane; i < a.n; i += WARP) {
        a.loss[row0 + i] = i == 0 ? loss : 0.0f;
        if (!a.dlogits) continue;
        float g = ignored ? 0.0f : weight * (expf(score(i) - top) / sum - (i == label ? 1.0f : 0.0f));
        a.dlogits[(row0 + i) * a.ld] = -g;
        a.dlogits[(row0 + i) * a.ld + 1] = g;
    }
}

lt_status choice(const lt_ctx *c, const lt_choice_args *a) {
    if (a->groups <= 0) return LT_OK;
    LT_RUN(c, (choice_groups), blocks_for(a->groups, WARPS), WARPS * WARP, 0, *a);
    return LT_OK;
}

/* y may be x, dx may be dy: an element is read and written by one thread. */
static __global__ void __launch_bounds__(WARPS *WARP) softmax_fwd_rows(lt_softmax_args a) {
    int64_t row = warp_number();
    unsigned lane = threadIdx.x % WARP;
    if (row >= a.rows) return;
    const float *x = a.x + row * a.n;
    float top, sum;
    top_and_sum(
        a.n, lane, [&](int64_t i) { return x[i]; }, top, sum);
    for (int64_t i = lane; i < a.n; i += WARP) a.y[row * a.n + i] = expf(x[i] - top) / sum;
}

static __global__ void __launch_bounds__(WARPS *WARP) softmax_bwd_rows(lt_softmax_args a) {
    int64_t row = warp_number();
    unsigned lane = threadIdx.x % WARP;
    if (row >= a.rows) return;
    const float *y = a.y + row * a.n, *dy = a.dy + row * a.n;
    float dot = 0;
    for (int64_t i = lane; i < a.n; i += WARP) dot += y[i] * dy[i];
    dot = warp_sum(dot);
    for (int64_t i = lane; i < a.n; i += WARP) a.dx[row * a.n + i] = y[i] * (dy[i] - dot);
}

lt_status softmax_fwd(const lt_ctx *c, const lt_softmax_args *a) {
    if (a->rows <= 0) return LT_OK;
    LT_RUN(c, (softmax_fwd_rows), blocks_for(a->rows, WARPS), WARPS * WARP, 0, *a);
    return LT_OK;
}
lt_status softmax_bwd(const lt_ctx *c, const lt_softmax_args *a) {
    if (a->rows <= 0) return LT_OK;
    LT_RUN(c, (softmax_bwd_rows), blocks_for(a->rows, WARPS), WARPS * WARP, 0, *a);
    return LT_OK;
}

} // namespace LT_GPU_SPACE
