/* What comes in: token embedding, rotary positions, neighbours of a convolution; equations in ref/embed.c.
 *
 * All move memory.  A thread owns rows, or, where many rows add into one (embed_bwd), a range of columns: every sum runs in row order whatever
 * the number of threads. */
#include "kernels/cpu/cpu_impl.h"

#include <string.h>

/* Turns n pairs by their angles. */
static void turn(int64_t n, const float *cosine, const float *sine, float sign, const float *lo, const float *hi, float *out_lo,
                 float *out_hi) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float l = lo[i], h = hi[i], s = sign * sine[i];
        out_lo[i] = l * cosine[i] - h * s;
        out_hi[i] = h * cosine[i] + l * s;
    }
}

static void turn_heads(const lt_ctx *c, const struct lt_rope_args *a, lt_arr x, int64_t ld, int heads) {
    int64_t D = a->head_dim, R = a->rot, half = R / 2;
    float sign = a->inverse ? -1.0f : 1.0f;
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows *heads *R))
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t d = 0; d < half; d += LT_CPU_CHUNK) {
                float buf_lo[LT_CPU_CHUNK], buf_hi[LT_CPU_CHUNK];
                int64_t n = lt_cpu_min(LT_CPU_CHUNK, half - d), at = t * ld + h * D + d;
                const float *angle = a->cos_sin + (int64_t)a->pos[t] * R + d;
                const float *lo = lt_cpu_load(x, at, n, buf_lo), *hi = lt_cpu_load(x, at + half, n, buf_hi);
                float *out_lo = lt_cpu_target(x, at, buf_lo), *out_hi = lt_cpu_target(x, at + half, buf_hi);
                turn(n, angle, angle + half, sign, lo, hi, out_lo, out_hi);
                lt_cpu_store(x, at, n, out_lo);
                lt_cpu_store(x, at + half, n, out_hi);
            }
}

lt_status lt_cpu_rope(const lt_ctx *c, const struct lt_rope_args *a) {
    turn_heads(c, a, a->x, a->ld_x, a->heads);
    if (a->heads2) turn_heads(c, a, a->x2, a->ld_x2, a->heads2);
    return LT_OK;
}

static void embed_row(const struct lt_embed_args *a, int64_t t) {
    int64_t C = a->C, id = a->id[t];
    float *x = a->x + t * C;
    if (id >= a->v0 && id < a->v1) {
        for (int64_t i0 = 0; i0 < C; i0 += LT_CPU_CHUNK) {
            float buf[LT_CPU_CHUNK];
            int64_t n = lt_cpu_min(LT_CPU_CHUNK, C - i0);
            const float *tok = lt_cpu_load((lt_arr){(void *)a->tok, a->tok_dt}, (id - a->v0) * C + i0, n, buf);
#pragma omp simd
            for (int64_t i = 0; i < n; i++) x[i0 + i] = a->scale * tok[i];
        }
    } else if (id < 0 && a->prompt) {
        memcpy(x, a->prompt + (-1 - id) * C, (size_t)C * sizeof *x);
    } else {
        memset(x, 0, (size_t)C * sizeof *x);
    }
    if (a->pos_tab) lt_cpu_add_to(C, a->pos_tab + a->pos[t] * C, x);
    if (a->type_tab) lt_cpu_add_to(C, a->type_tab + (a->type ? a->type[t] : 0) * C, x);
}

lt_status lt_cpu_embed_fwd(const lt_ctx *c, const struct lt_embed_args *a) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->C))
    for (int64_t t = 0; t < a->rows; t++) embed_row(a, t);
    return LT_OK;
}

lt_status lt_cpu_embed_bwd(const lt_ctx *c, const struct lt_embed_args *a) {
    int64_t C = a->C, step = 64; /* columns of a thread at a time: four cache lines a row */
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows *C))
    for (int64_t i0 = 0; i0 < C; i0 += step)
        for (int64_t t = 0; t < a->rows; t++)
            if (a->id[t] < 0) lt_cpu_add_to(lt_cpu_min(step, C - i0), a->dx + t * C + i0, a->d_prompt + (-1 - (int64_t)a->id[t]) * C + i0);
    return LT_OK;
}

/* Sequence of row t: the last that begins at or before it and is not empty. */
static int64_t sequence_of(const struct lt_unfold_args *a, int64_t t) {
    int64_t lo = 0, hi = a->n_seq - 1;
    while (lo < hi) {
        int64_t mid = (lo + hi + 1) / 2;
        if (a->cu[mid] <= t)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

/* Elements s of a piece of a row: from row t + s - kernel / 2, zeros beyond the sequence. */
static void unfold_row(const struct lt_unfold_args *a, int64_t t) {
    int64_t seq = sequence_of(a, t), k = a->kernel, wide = LT_CPU_CHUNK / k;
    for (int64_t i0 = 0; i0 < a->C; i0 += wide) {
        float in[LT_CPU_CHUNK], out[LT_CPU_CHUNK];
        int64_t n = lt_cpu_min(wide, a->C - i0), at = (t * a->C + i0) * k;
        float *y = lt_cpu_target(a->y, at, out);
        for (int64_t s = 0; s < k; s++) {
            int64_t from = t + s - k / 2;
            bool inside = from >= a->cu[seq] && from < a->cu[seq + 1];
            const float *x = inside ? lt_cpu_load(a->x, from * a->C + i0, n, in) : NULL;
            for (int64_t i = 0; i < n; i++) y[i * k + s] = x ? x[i] : 0.0f;
        }
        lt_cpu_store(a->y, at, n * k, y);
    }
}

static void fold_row(const struct lt_unfold_args *a, int64_t t) {
    int64_t seq = sequence_of(a, t), k = a->kernel, wide = LT_CPU_CHUNK / k;
    for (int64_t i0 = 0; i0 < a->C; i0 += wide) {
        float in[LT_CPU_CHUNK], *dx = a->dx + t * a->C + i0;
        int64_t n = lt_cpu_min(wide, a->C - i0);
        for (int64_t s = 0; s < k; s++) {
            int64_t to = t - s + k / 2; /* the row whose element s this one is */
            if (to < a->cu[seq] || to >= a->cu[seq + 1]) continue;
            const float *y = lt_cpu_load(a->y, (to * a->C + i0) * k, n * k, in);
            for (int64_t i = 0; i < n; i++) dx[i] += y[i * k + s];
        }
    }
}

lt_status lt_cpu_unfold(const lt_ctx *c, const struct lt_unfold_args *a) {
    LT_ASSERT(a->kernel % 2 == 1 && a->kernel <= LT_CPU_CHUNK);
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->C))
    for (int64_t t = 0; t < a->rows; t++) unfold_row(a, t);
    return LT_OK;
}

lt_status lt_cpu_fold(const lt_ctx *c, const struct lt_unfold_args *a) {
    LT_ASSERT(a->kernel % 2 == 1 && a->kernel <= LT_CPU_CHUNK);
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->C))
    for (int64_t t = 0; t < a->rows; t++) fold_row(a, t);
    return LT_OK;
}
