/* Linear layers of few rows, and scores of words: the operand is brought into the form that the kernel takes, strips are dealt to threads, and sums get bias
 * and residual on their way out (few_impl.h).
 *
 * bf16 is defined by its operands: rows are rounded where W is bf16.  Where the CPU has no dot product of bf16 they are widened again and multiplied in f32,
 * which gives the same products.
 *
 * Workspace of a call: the rows of x, where they are not yet as the kernel takes them. */
#include "kernels/cpu/few_impl.h"

enum {
    LAYER_ROWS = LT_VL == 16 ? 24 : 16, /* up to so many, layers of a model come here; measured: oneDNN is level at 28 rows (AVX2: 20) */
    TABLE_ROWS = 64,                    /* rows that share a reading of the words */
};

typedef struct product {
    lt_few few;
    lt_few_kernel kernel;
    int64_t strip; /* outputs */
    lt_arr y, resid;
    int64_t ld_y; /* of resid too */
    const float *bias;
} product;

/* Words of row t of x as the kernel takes them. */
static void stage_words(const lt_few *f, lt_arr x, int64_t t, uint32_t *out) {
    int64_t first = t / f->turns * f->turns, step = f->turns == LT_FEW_PASS ? lt_few_step(f, first) : lt_cpu_min(f->turns, f->rows - first);
    uint32_t *to = out + first * f->words + (t - first);
    for (int64_t k0 = 0; k0 < 2 * f->words; k0 += LT_CPU_CHUNK) {
        float buf[LT_CPU_CHUNK];
        uint16_t h[LT_CPU_CHUNK] = {0};
        int64_t n = lt_cpu_min(LT_CPU_CHUNK, f->K - k0), words = lt_cpu_min(LT_CPU_CHUNK, 2 * f->words - k0) / 2;
        if (n > 0) lt_cpu_store((lt_arr){h, LT_BF16}, 0, n, lt_cpu_load(x, t * f->K + k0, n, buf));
        for (int64_t i = 0; i < words; i++) to[(k0 / 2 + i) * step] = (uint32_t)h[2 * i] | (uint32_t)h[2 * i + 1] << 16;
    }
}

/* Chooses the kernel for W of type dt, and with it the form of x. */
static lt_few_kernel choose(lt_few *f, lt_dtype dt) {
    bool panels = f->panel > 0, native = dt == LT_BF16 && lt_few_impl_native();
    if (native && lt_few_impl_tiled() && (!panels || (f->panel == LT_FEW_STRIP && f->words % LT_FEW_TILE == 0))) {
        f->turns = panels ? 1 : LT_FEW_TILE;
        if (!panels) f->words = (f->K + 2 * LT_FEW_TILE - 1) / (2 * LT_FEW_TILE) * LT_FEW_TILE;
        return panels ? lt_few_impl_tiles_panels : lt_few_impl_tiles_rows;
    }
    if (panels) {
        f->turns = LT_FEW_PASS;
        return lt_few_impl_pairs;
    }
    return native ? lt_few_impl_dots_bf16 : dt == LT_BF16 ? lt_few_impl_dots_wide : lt_few_impl_dots_f32;
}

/* The kernel for W of type dt, and x in its form. */
static lt_status prepare(const lt_ctx *c, product *p, lt_dtype dt, lt_arr x) {
    lt_few *f = &p->few;
    lt_arr staged = {c->ws, dt == LT_BF16 && lt_few_impl_native() ? LT_BF16 : LT_F32};
    p->kernel = choose(f, dt);
    p->strip = f->panel > 0 ? f->panel : LT_FEW_STRIP;
    int64_t row = f->turns > 0 ? 2 * f->words : f->K;
    int64_t rows = f->turns == LT_FEW_PASS ? (f->rows + LT_FEW_PASS - 1) / LT_FEW_PASS * LT_FEW_PASS : f->rows;
    f->x = x.p;
    if (f->turns <= 1 && row == f->K && x.dt == staged.dt && (dt == LT_F32 || staged.dt == LT_BF16)) return LT_OK;
    f->x = c->ws;
    LT_ASSERT((size_t)(rows * row) * lt_dtype_bytes(staged.dt) <= c->ws_bytes);
    if (f->turns == 0) {
        lt_cpu_impl_convert(c, f->rows * f->K, x, staged, dt == LT_BF16);
        return LT_OK;
    }
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, f->rows * f->K))
    for (int64_t t = 0; t < f->rows; t++) stage_words(f, x, t, c->ws);
    return LT_OK;
}

/* y of outputs [n0, n0 + n) from their sums. */
static void finish(const product *p, int64_t n0, int64_t n, const float *tile) {
    for (int64_t r = 0; r < p->few.rows; r++) {
        const float *sum = tile + r * LT_FEW_STRIP;
        float buf[LT_FEW_STRIP], buf_y[LT_FEW_STRIP];
        int64_t at = r * p->ld_y + n0;
        const float *v = p->resid.p ? lt_cpu_load(p->resid, at, n, buf) : NULL;
        float *y = lt_cpu_target(p->y, at, buf_y);
        for (int64_t i = 0; i < n; i++) y[i] = sum[i] + (p->bias ? p->bias[n0 + i] : 0.0f) + (v ? v[i] : 0.0f);
        lt_cpu_store(p->y, at, n, y);
    }
}

static void multiply(const lt_ctx *c, const product *p) {
    int64_t N = p->few.N;
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, N * p->few.K))
    for (int64_t n0 = 0; n0 < N; n0 += p->strip) {
        _Alignas(64) float tile[TABLE_ROWS * LT_FEW_STRIP];
        int64_t n = lt_cpu_min(p->strip, N - n0);
        p->kernel(&p->few, n0, n, tile);
        finish(p, n0, n, tile);
    }
}

bool lt_cpu_impl_few_serves(const struct lt_linear_args *a) {
    int64_t panel, words;
    if (a->rows > LAYER_ROWS) return false;
    return !a->lin->impl ||
           (lt_few_impl_native() && lt_cpu_impl_panels(a->lin, &panel, &words) && panel % LT_VL == 0 && panel <= LT_FEW_STRIP);
}

lt_status lt_cpu_impl_few(const lt_ctx *c, const struct lt_linear_args *a) {
    const lt_lin *lin = a->lin;
    product p = {.few = {.rows = a->rows, .N = lin->N, .K = lin->K, .w = lin->w, .ld = lin->K},
                 .y = a->y,
                 .resid = a->resid,
                 .ld_y = lin->N,
                 .bias = a->no_bias ? NULL : lin->bias};
    if (lin->impl) LT_ASSERT(lt_cpu_impl_panels(lin, &p.few.panel, &p.few.words));
    LT_TRY(prepare(c, &p, lin->dt, a->x));
    multiply(c, &p);
    return LT_OK;
}

/* A workspace has the larger of this and of lt_cpu_linear_ws_bytes(): either holds the rows of a layer in the form of tiles. */
size_t lt_cpu_logits_ws_bytes(const lt_ctx *c, const lt_dims *d) {
    return (size_t)(lt_cpu_min(TABLE_ROWS, d->rows) * (d->width + LT_CPU_PADDING)) * sizeof(float);
}

lt_status lt_cpu_logits(const lt_ctx *c, const struct lt_logits_args *a) {
    for (int64_t t = 0; t < a->rows; t += TABLE_ROWS) {
        product p = {.few = {.rows = lt_cpu_min(TABLE_ROWS, a->rows - t), .N = a->V, .K = a->C, .w = a->tok, .ld = a->C},
                     .y = lt_arr_f32(a->y + t * a->ld_y),
                     .ld_y = a->ld_y};
        LT_TRY(prepare(c, &p, a->tok_dt, lt_arr_at(a->x, t * a->C)));
        multiply(c, &p);
    }
    return LT_OK;
}
