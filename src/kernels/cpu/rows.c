/* Rows: rotary embedding, token embedding, gather and scatter, pooling; equations in ref/rows.c.
 *
 * All of these move memory.  A thread owns rows, or whole sequences (pooling), or, where many rows add into one (embed_bwd), a range of
 * columns: every sum runs in row order whatever the number of threads. */
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

lt_status lt_cpu_rope(const lt_ctx *c, const struct lt_rope_args *a) {
    int64_t D = a->head_dim, half = D / 2;
    float sign = a->inverse ? -1.0f : 1.0f;
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->heads * D))
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t h = 0; h < a->heads; h++)
            for (int64_t d = 0; d < half; d += LT_CPU_CHUNK) {
                float buf_lo[LT_CPU_CHUNK], buf_hi[LT_CPU_CHUNK];
                int64_t n = lt_cpu_min(LT_CPU_CHUNK, half - d), at = t * a->ld_x + h * D + d;
                const float *angle = a->cos_sin + (int64_t)a->pos[t] * D + d;
                const float *lo = lt_cpu_load(a->x, at, n, buf_lo), *hi = lt_cpu_load(a->x, at + half, n, buf_hi);
                float *out_lo = lt_cpu_target(a->x, at, buf_lo), *out_hi = lt_cpu_target(a->x, at + half, buf_hi);
                turn(n, angle, angle + half, sign, lo, hi, out_lo, out_hi);
                lt_cpu_store(a->x, at, n, out_lo);
                lt_cpu_store(a->x, at + half, n, out_hi);
            }
    return LT_OK;
}

/* x += v */
static void accumulate(int64_t n, const float *v, float *x) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) x[i] += v[i];
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
    if (a->pos_tab) accumulate(C, a->pos_tab + a->pos[t] * C, x);
    if (a->type_tab) accumulate(C, a->type_tab + (a->type ? a->type[t] : 0) * C, x);
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
            if (a->id[t] < 0) accumulate(lt_cpu_min(step, C - i0), a->dx + t * C + i0, a->d_prompt + (-1 - (int64_t)a->id[t]) * C + i0);
    return LT_OK;
}

lt_status lt_cpu_gather_rows(const lt_ctx *c, const struct lt_rows_args *a) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->C))
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t i0 = 0; i0 < a->C; i0 += LT_CPU_CHUNK) {
            float buf[LT_CPU_CHUNK], buf_out[LT_CPU_CHUNK];
            int64_t n = lt_cpu_min(LT_CPU_CHUNK, a->C - i0), at = t * a->C + i0;
            const float *big = lt_cpu_load(a->big, a->index[t] * a->C + i0, n, buf);
            float *small = lt_cpu_target(a->small, at, buf_out);
            memcpy(small, big, (size_t)n * sizeof *small);
            lt_cpu_store(a->small, at, n, small);
        }
    return LT_OK;
}

/* Rows of big are distinct, so no two threads write the same one. */
lt_status lt_cpu_scatter_add_rows(const lt_ctx *c, const struct lt_rows_args *a) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->C))
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t i0 = 0; i0 < a->C; i0 += LT_CPU_CHUNK) {
            float buf_big[LT_CPU_CHUNK], buf_small[LT_CPU_CHUNK];
            int64_t n = lt_cpu_min(LT_CPU_CHUNK, a->C - i0), at = a->index[t] * a->C + i0;
            lt_cpu_load(a->big, at, n, buf_big);
            float *big = lt_cpu_target(a->big, at, buf_big);
            accumulate(n, lt_cpu_load(a->small, t * a->C + i0, n, buf_small), big);
            lt_cpu_store(a->big, at, n, big);
        }
    return LT_OK;
}

/* ---- pooling: an empty range gives 0 (argmax -1); of equal maxima the first row counts ---- */

static void mean_rows(const struct lt_pool_args *a, int64_t s) {
    int64_t C = a->C;
    float *out = a->out + s * C;
    memset(out, 0, (size_t)C * sizeof *out);
    for (int64_t t = a->row0[s]; t < a->row1[s]; t++) accumulate(C, a->x + t * C, out);
    if (a->row1[s] <= a->row0[s]) return;
    float scale = 1.0f / (float)(a->row1[s] - a->row0[s]);
#pragma omp simd
    for (int64_t i = 0; i < C; i++) out[i] *= scale;
}

static void max_rows(const struct lt_pool_args *a, int64_t s) {
    int64_t C = a->C;
    float *out = a->out + s * C;
    int32_t *argmax = a->argmax + s * C;
    for (int64_t i = 0; i < C; i++) {
        out[i] = a->row1[s] > a->row0[s] ? a->x[a->row0[s] * C + i] : 0.0f;
        argmax[i] = a->row1[s] > a->row0[s] ? a->row0[s] : -1;
    }
    for (int32_t t = a->row0[s] + 1; t < a->row1[s]; t++) {
        const float *x = a->x + t * C;
#pragma omp simd
        for (int64_t i = 0; i < C; i++) {
            argmax[i] = x[i] > out[i] ? t : argmax[i];
            out[i] = x[i] > out[i] ? x[i] : out[i];
        }
    }
}

lt_status lt_cpu_pool_fwd(const lt_ctx *c, const struct lt_pool_args *a) {
    int threads = lt_cpu_fork(c, a->T * a->C);
    if (a->kind == LT_POOL_MEAN) {
#pragma omp parallel for schedule(static) num_threads(threads)
        for (int64_t s = 0; s < a->n_seq; s++) mean_rows(a, s);
    } else {
#pragma omp parallel for schedule(static) num_threads(threads)
        for (int64_t s = 0; s < a->n_seq; s++) max_rows(a, s);
    }
    return LT_OK;
}

static void pool_bwd_seq(const struct lt_pool_args *a, int64_t s) {
    int64_t C = a->C;
    const float *dout = a->dout + s * C;
    if (a->kind == LT_POOL_MAX) {
        const int32_t *argmax = a->argmax + s * C;
        for (int64_t i = 0; i < C; i++)
            if (argmax[i] >= 0) a->dx[argmax[i] * C + i] = dout[i];
        return;
    }
    for (int64_t t = a->row0[s]; t < a->row1[s]; t++) {
        float *dx = a->dx + t * C, scale = 1.0f / (float)(a->row1[s] - a->row0[s]);
#pragma omp simd
        for (int64_t i = 0; i < C; i++) dx[i] = scale * dout[i];
    }
}

lt_status lt_cpu_pool_bwd(const lt_ctx *c, const struct lt_pool_args *a) {
    int threads = lt_cpu_fork(c, a->T * a->C);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t t = 0; t < a->T; t++) memset(a->dx + t * a->C, 0, (size_t)a->C * sizeof *a->dx);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t s = 0; s < a->n_seq; s++) pool_bwd_seq(a, s);
    return LT_OK;
}
