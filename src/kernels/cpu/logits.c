/* Scores of words: y = x tok^T for few rows; equations in ref/linear.c.
 *
 * The table is read once for each block of rows; a thread owns a range of its words, so results do not depend on the number of threads.  Rows that are not
 * f32 as the product sees them (a bf16 table wants rows rounded to bf16) are staged as f32.
 *
 * Workspace of a call: rows of x, where they are staged. */
#include "kernels/cpu/cpu_impl.h"

enum { BLOCK = 16 /* rows */ };

size_t lt_cpu_logits_ws_bytes(const lt_ctx *c, const lt_dims *d) { return (size_t)(BLOCK * d->width) * sizeof(float); }

/* out [n] = rows of x from element `at` on, as f32; round: through bf16. */
static void stage(lt_arr x, int64_t at, int64_t n, bool round, float *out) {
    for (int64_t i = 0; i < n; i++) {
        float v = x.dt == LT_F32 ? ((const float *)x.p)[at + i] : lt_bf16_to_f32(((const uint16_t *)x.p)[at + i]);
        out[i] = round ? lt_bf16_to_f32(lt_f32_to_bf16(v)) : v;
    }
}

static float dot(int64_t n, const float *a, const float *b) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* Scores of word v for n rows, each [C], f32. */
static void word(const struct lt_logits_args *a, int64_t v, int64_t n, const float *x, float *y) {
    lt_arr tok = {(void *)(uintptr_t)a->tok, a->tok_dt};
    for (int64_t r = 0; r < n; r++) y[r * a->ld_y + v] = 0;
    for (int64_t i0 = 0; i0 < a->C; i0 += LT_CPU_CHUNK) {
        float buf[LT_CPU_CHUNK];
        int64_t m = lt_cpu_min(LT_CPU_CHUNK, a->C - i0);
        const float *w = lt_cpu_load(tok, v * a->C + i0, m, buf);
        for (int64_t r = 0; r < n; r++) y[r * a->ld_y + v] += dot(m, w, x + r * a->C + i0);
    }
}

lt_status lt_cpu_logits(const lt_ctx *c, const struct lt_logits_args *a) {
    bool staged = a->x.dt != LT_F32 || a->tok_dt != LT_F32;
    LT_ASSERT(!staged || (size_t)(lt_cpu_min(BLOCK, a->rows) * a->C) * sizeof(float) <= c->ws_bytes);
    for (int64_t t = 0; t < a->rows; t += BLOCK) {
        int64_t n = lt_cpu_min(BLOCK, a->rows - t);
        const float *x = staged ? c->ws : (const float *)a->x.p + t * a->C;
        if (staged) stage(a->x, t * a->C, n * a->C, a->tok_dt == LT_BF16, c->ws);
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->V * a->C))
        for (int64_t v = 0; v < a->V; v++) word(a, v, n, x, a->y + t * a->ld_y);
    }
    return LT_OK;
}
