/* Frozen linear layers: y = x W^T + bias + resid and dx = dy W + resid.
 *
 * The form of W and the product belong to linear_dnnl.c; here operands are brought into the form it takes, and bias and residual are
 * added.
 *
 *   plain   W row-major.  The output is filled with bias + residual and the f32 product adds to it: one extra write of the output.
 *           Layers of type bf16 on a CPU that has no bf16 arithmetic come here too: rows are rounded to bf16 and widened again, W is
 *           widened panel by panel, so the numbers are those that bf16 hardware gives (products of bf16 numbers are exact in f32; only
 *           the order of the sums differs).
 *   few     Up to a score of rows forward, whatever the form of W: few.c.
 *   packed  W in blocks.  The product adds the bias itself and writes straight to the output when it can; with a residual it writes a
 *           block of the workspace, and the sum with the residual goes to the output.
 *
 * Rows that need conversion pass in blocks of LT_CPU_ROW_BLOCK through the workspace, so its size does not grow with the number of rows.
 * A packed product is compiled for one row count: the last block is padded with zero rows to a multiple of ROW_STEP, so that at most
 * LT_CPU_ROW_BLOCK / ROW_STEP counts occur however the caller packs.
 *
 * Workspace of a call: | rows of the operand | rows of the result | panel of W |, each part optional. */
#include "kernels/cpu/cpu_impl.h"

#include <string.h>

enum {
    ROW_STEP = 32,             /* rows; at most 31 padding rows in a call, 2 % at 1,000 rows */
    PANEL_ELEMS = 1024 * 1024, /* widened W at a time: 4 MiB of f32 */
};

static int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }
/* Rows of W in a panel, at least one. */
static int64_t panel_rows(int64_t N, int64_t K) { return lt_cpu_min(N, PANEL_ELEMS / K + 1); }

/* ---- plan time ---- */

lt_status lt_cpu_lin_alloc(const lt_ctx *c, lt_arena *a, int64_t N, int64_t K, lt_lin *lin) {
    lt_dtype dt = c->compute == LT_BF16 ? LT_BF16 : LT_F32;
    size_t plain = (size_t)(N * K) * lt_dtype_bytes(dt), bytes = plain;
    int64_t panel = 0;
    LT_ASSERT(c->impl); /* ctx_init() was called */
    if (lt_cpu_impl_packs(c, N, K, dt, &bytes, &panel) && bytes < plain) bytes = plain;
    *lin = (lt_lin){.N = N, .K = K, .dt = dt, .w = lt_arena_take(a, (int64_t)bytes, 1), .panel = panel};
    lt_cpu_impl_e4m3_alloc(c, a, lin);
    return LT_OK;
}

lt_status lt_cpu_lin_pack(const lt_ctx *c, lt_lin *lin, bool reorder) {
    if (lin->impl) return LT_OK;
    if (lin->e4m3 && reorder) lt_cpu_impl_e4m3_pack(c, lin);
    return lt_cpu_impl_pack(c, lin, reorder);
}

void lt_cpu_lin_fini(lt_lin *lin) { lt_cpu_impl_drop(lin); }

size_t lt_cpu_linear_ws_bytes(const lt_ctx *c, const lt_dims *d) {
    if (c->compute == LT_F32 && !lt_cpu_impl_may_pack(LT_F32)) return 0;
    /* a panel also where layers are packed: oneDNN may have no layout for one of them, which is known only when it is packed */
    int64_t rows = lt_cpu_min(LT_CPU_ROW_BLOCK, round_up(d->rows, ROW_STEP)),
            panel = c->compute == LT_BF16 ? lt_cpu_min(d->width * d->width, PANEL_ELEMS + d->width) : 0;
    return (size_t)(2 * rows * d->width + panel) * sizeof(float) + lt_cpu_impl_e4m3_ws_bytes(c, d);
}

/* ---- one direction of one layer ---- */

typedef struct run {
    const lt_ctx *c;
    const lt_lin *lin;
    bool forward;
    int64_t rows, n_in, n_out; /* widths of the operand and of the result */
    lt_arr in, out, resid;
    const float *bias; /* NULL = none */
} run;

static run make_run(const lt_ctx *c, const struct lt_linear_args *a, bool forward) {
    const lt_lin *lin = a->lin;
    return (run){.c = c,
                 .lin = lin,
                 .forward = forward,
                 .rows = a->rows,
                 .n_in = forward ? lin->K : lin->N,
                 .n_out = forward ? lin->N : lin->K,
                 .in = forward ? a->x : a->y,
                 .out = forward ? a->y : a->x,
                 .resid = a->resid,
                 .bias = forward && !a->no_bias ? lin->bias : NULL};
}

/* out[0 .. rows) := bias + add[0 .. rows), both optional; add may be out. */
static void fill(const run *r, int64_t rows, lt_arr out, lt_arr add, const float *bias) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(r->c, rows * r->n_out))
    for (int64_t t = 0; t < rows; t++)
        for (int64_t i0 = 0; i0 < r->n_out; i0 += LT_CPU_CHUNK) {
            float buf_a[LT_CPU_CHUNK], buf_o[LT_CPU_CHUNK];
            int64_t at = t * r->n_out + i0, n = lt_cpu_min(LT_CPU_CHUNK, r->n_out - i0);
            const float *v = add.p ? lt_cpu_load(add, at, n, buf_a) : NULL, *b = bias ? bias + i0 : NULL;
            float *o = lt_cpu_target(out, at, buf_o);
            if (v && b) {
#pragma omp simd
                for (int64_t i = 0; i < n; i++) o[i] = v[i] + b[i];
            } else if (o != (v ? v : b)) {
                memcpy(o, v ? v : b, (size_t)n * sizeof *o);
            }
            lt_cpu_store(out, at, n, o);
        }
}

/* out[0 .. rows) := a + b, both present; b may be out. */
static void add(const run *r, int64_t rows, lt_arr out, const float *a, lt_arr b) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(r->c, rows * r->n_out))
    for (int64_t t = 0; t < rows; t++)
        for (int64_t i0 = 0; i0 < r->n_out; i0 += LT_CPU_CHUNK) {
            float buf_b[LT_CPU_CHUNK], buf_o[LT_CPU_CHUNK];
            int64_t at = t * r->n_out + i0, n = lt_cpu_min(LT_CPU_CHUNK, r->n_out - i0);
            const float *v = lt_cpu_load(b, at, n, buf_b);
            float *o = lt_cpu_target(out, at, buf_o);
#pragma omp simd
            for (int64_t i = 0; i < n; i++) o[i] = a[at + i] + v[i];
            lt_cpu_store(out, at, n, o);
        }
}

void lt_cpu_impl_convert(const lt_ctx *c, int64_t n, lt_arr a, lt_arr out, bool round) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, n))
    for (int64_t at = 0; at < n; at += LT_CPU_CHUNK) {
        float buf[LT_CPU_CHUNK], buf_o[LT_CPU_CHUNK];
        int64_t m = lt_cpu_min(LT_CPU_CHUNK, n - at);
        const float *v = lt_cpu_load(a, at, m, buf);
        float *o = lt_cpu_target(out, at, buf_o);
#pragma omp simd
        for (int64_t i = 0; i < m; i++) o[i] = round ? lt_bf16_to_f32(lt_f32_to_bf16(v[i])) : v[i];
        lt_cpu_store(out, at, m, o);
    }
}

/* Plain: result rows (f32, already filled if beta is 1) += operand rows (f32) times W, panel by panel. */
static lt_status plain_product(const run *r, int64_t rows, const float *in, float *out, float beta, float *panel) {
    const lt_lin *lin = r->lin;
    int64_t step = lin->dt == LT_BF16 ? panel_rows(lin->N, lin->K) : lin->N;
    for (int64_t n0 = 0; n0 < lin->N; n0 += step) {
        int64_t n = lt_cpu_min(step, lin->N - n0);
        const float *w = lin->w;
        if (lin->dt == LT_BF16) {
            lt_cpu_impl_convert(r->c, n * lin->K, lt_arr_at((lt_arr){lin->w, LT_BF16}, n0 * lin->K), lt_arr_f32(panel), false);
            w = panel;
        }
        struct lt_gemm_args g = {
            .alpha = 1, .beta = beta, .B = w, .ldb = lin->K, .M = rows, .C = out, .ldc = r->n_out, .A = in, .lda = r->n_in};
        if (r->forward) { /* a panel gives columns of the result */
            g.tb = 1;
            g.N = n;
            g.K = lin->K;
            g.C += n0;
        } else { /* a panel gives one term of the sum */
            g.N = lin->K;
            g.K = n;
            g.A += n0;
            g.beta = n0 > 0 ? 1.0f : beta;
        }
        LT_TRY(lt_cpu_impl_sgemm(r->c->threads, &g));
    }
    return LT_OK;
}

static lt_status plain(const run *r) {
    bool bf16 = r->lin->dt == LT_BF16, stage_in = bf16 || r->in.dt != LT_F32, stage_out = r->out.dt != LT_F32;
    int64_t block = stage_in || stage_out ? lt_cpu_min(LT_CPU_ROW_BLOCK, r->rows) : r->rows;
    int64_t in_elems = stage_in ? block * r->n_in : 0, out_elems = stage_out ? block * r->n_out : 0;
    int64_t panel_elems = bf16 ? panel_rows(r->lin->N, r->lin->K) * r->lin->K : 0;
    LT_ASSERT((size_t)(in_elems + out_elems + panel_elems) * sizeof(float) <= r->c->ws_bytes);
    float *ws_in = r->c->ws, *ws_out = ws_in + in_elems, *panel = ws_out + out_elems;
    bool filled = r->bias || r->resid.p;
    for (int64_t t = 0; t < r->rows; t += block) {
        int64_t rows = lt_cpu_min(block, r->rows - t);
        lt_arr in = lt_arr_at(r->in, t * r->n_in), out = lt_arr_at(r->out, t * r->n_out), resid = r->resid;
        if (resid.p) resid = lt_arr_at(resid, t * r->n_out);
        float *y = stage_out ? ws_out : out.p;
        if (stage_in) lt_cpu_impl_convert(r->c, rows * r->n_in, in, lt_arr_f32(ws_in), bf16);
        if (filled && (resid.p != y || r->bias)) fill(r, rows, lt_arr_f32(y), resid, r->bias);
        LT_TRY(plain_product(r, rows, stage_in ? ws_in : in.p, y, filled ? 1.0f : 0.0f, panel));
        if (stage_out) lt_cpu_impl_convert(r->c, rows * r->n_out, lt_arr_f32(y), out, false);
    }
    return LT_OK;
}

static lt_status packed(const run *r) {
    lt_dtype dt = r->lin->dt;
    int64_t block = lt_cpu_min(LT_CPU_ROW_BLOCK, round_up(r->rows, ROW_STEP));
    LT_ASSERT((size_t)(block * (r->n_in + r->n_out)) * sizeof(float) <= r->c->ws_bytes);
    float *ws_in = r->c->ws, *ws_out = ws_in + block * r->n_in;
    for (int64_t t = 0; t < r->rows; t += block) {
        int64_t rows = lt_cpu_min(block, r->rows - t), padded = round_up(rows, ROW_STEP);
        lt_arr in = lt_arr_at(r->in, t * r->n_in), out = lt_arr_at(r->out, t * r->n_out), staged = {ws_in, dt};
        bool direct = padded == rows && !r->resid.p && (out.dt == LT_F32 || out.dt == dt);
        if (padded != rows || in.dt != dt) {
            lt_cpu_impl_convert(r->c, rows * r->n_in, in, staged, false);
            memset(lt_arr_at(staged, rows * r->n_in).p, 0, (size_t)((padded - rows) * r->n_in) * lt_dtype_bytes(dt));
            in = staged;
        }
        LT_TRY(lt_cpu_impl_packed_product(r->c, r->lin, r->forward, padded, in.p, direct ? out : lt_arr_f32(ws_out), r->bias));
        if (r->resid.p)
            add(r, rows, out, ws_out, lt_arr_at(r->resid, t * r->n_out));
        else if (!direct)
            lt_cpu_impl_convert(r->c, rows * r->n_out, lt_arr_f32(ws_out), out, false);
    }
    return LT_OK;
}

static lt_status linear(const run *r) {
    if (r->rows == 0) return LT_OK;
    return r->lin->impl ? packed(r) : plain(r);
}

lt_status lt_cpu_linear_fwd(const lt_ctx *c, const struct lt_linear_args *a) {
    run r = make_run(c, a, true);
    if (a->lin->e4m3) return lt_cpu_impl_e4m3(c, a, true);
    LT_TRY(a->rows > 0 && lt_cpu_impl_few_serves(a) ? lt_cpu_impl_few(c, a) : linear(&r));
    return LT_OK;
}

lt_status lt_cpu_linear_bwd_x(const lt_ctx *c, const struct lt_linear_args *a) {
    run r = make_run(c, a, false);
    if (a->lin->e4m3) return lt_cpu_impl_e4m3(c, a, false);
    LT_TRY(linear(&r));
    return LT_OK;
}
