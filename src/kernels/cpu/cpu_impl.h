#pragma once
/* Private to the CPU back end: its entries of the ops table (meaning and arguments: ops.h), row access, and what linear_dnnl.c hides of
 * oneDNN.
 *
 * Element types.  Kernels compute in f32 on pieces of at most LT_CPU_CHUNK elements: lt_cpu_load gives the piece where it lies when it is
 * f32 and widens it into a stack buffer when it is bf16; lt_cpu_target and lt_cpu_store are the way back.  So there is one code path, and
 * pieces stay in L1.
 *
 * Threads.  Work is split over rows (or pieces of flat arrays) by a static schedule, and no sum crosses the split, so results do not
 * depend on the number of threads; exceptions say so.  Small work stays on the calling thread (lt_cpu_fork).
 *
 * Levels.  Files of this folder are compiled once for each level of instruction sets (levels.cmake) and are joined to a unit, whose only way
 * in is its table of ops; those in shared/ exist once, whatever the CPU.
 *
 * Files named *_strict.c are compiled without -ffast-math. */

#include "kernels/cpu.h"
#include "kernels/host_impl.h"

enum {
    LT_CPU_CHUNK = 512,     /* elements of a piece: 2 KiB a buffer, several fit L1 */
    LT_CPU_PADDING = 64,    /* columns that a form of few rows may add to them (few*.c) */
    LT_CPU_ROW_BLOCK = 512, /* rows of a matrix product whose operands must be converted: they then stay in L2/L3 */
};

static inline int64_t lt_cpu_min(int64_t a, int64_t b) { return a < b ? a : b; }

/* Threads worth starting for n elements of work: below 16 Ki elements (about 10 us) a parallel region costs more than it gives. */
static inline int lt_cpu_fork(const lt_ctx *c, int64_t n) { return n < 16384 ? 1 : c->threads; }

/* n elements from element `at` as f32: in place, or widened into buf. */
static inline const float *lt_cpu_load(lt_arr a, int64_t at, int64_t n, float buf[]) {
    if (a.dt == LT_F32) return (const float *)a.p + at;
    const uint16_t *h = (const uint16_t *)a.p + at;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) buf[i] = lt_bf16_to_f32(h[i]);
    return buf;
}
/* Where to compute n results of element `at`: in place, or buf. */
static inline float *lt_cpu_target(lt_arr a, int64_t at, float buf[]) { return a.dt == LT_F32 ? (float *)a.p + at : buf; }
/* x += v */
static inline void lt_cpu_add_to(int64_t n, const float *v, float *x) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) x[i] += v[i];
}
/* Brings them home; v is what lt_cpu_target gave. */
static inline void lt_cpu_store(lt_arr a, int64_t at, int64_t n, const float *v) {
    if (a.dt == LT_F32) return;
    uint16_t *h = (uint16_t *)a.p + at;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) h[i] = lt_f32_to_bf16(v[i]);
}

/* e^x, relative error 1e-7 near 0 and 3e-7 at the ends; x is clamped to [-87, 88], NaN stays NaN.
 * x = n ln 2 + r with |r| <= ln 2 / 2; e^r = 1 + r + r^2 P(r), P fitted for least relative error (3e-9); 2^n through the exponent bits.
 * One step of reduction suffices: with a fused multiply-add, n times the error of ln 2 in f32 (1.9e-9) stays below 2.5e-7. */
static inline float lt_cpu_exp(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float n = __builtin_rintf(x * 1.44269504f);
    float r = x - n * 0.693147181f;
    float p = 1.381459782e-3f;
    p = p * r + 8.368716951e-3f;
    p = p * r + 4.166838806e-2f;
    p = p * r + 1.666652063e-1f;
    p = p * r + 4.999999345e-1f;
    p = p * r * r + r + 1.0f;
    union {
        float f;
        uint32_t u;
    } two_n = {.f = n + 12582912.0f}; /* 1.5 * 2^23: the low bits of the sum are n, for every value of n, NaN included */
    two_n.u = (two_n.u + 127u) << 23;
    return p * two_n.f;
}

/* Local.  Entries of lt_ops; shapes, ownership and aliasing as the structs say.  Errors: INTERNAL. */
lt_status lt_cpu_lin_alloc(const lt_ctx *c, lt_arena *a, int64_t N, int64_t K, lt_lin *lin);
lt_status lt_cpu_lin_pack(const lt_ctx *c, lt_lin *lin, bool reorder);
lt_status lt_cpu_lin_rows(const lt_ctx *c, const lt_lin *lin, int64_t row0, int64_t rows, const void *src); /* shared/panels.c */
void lt_cpu_lin_fini(lt_lin *lin);
lt_status lt_cpu_linear_fwd(const lt_ctx *c, const struct lt_linear_args *a);
lt_status lt_cpu_linear_bwd_x(const lt_ctx *c, const struct lt_linear_args *a);
lt_status lt_cpu_norm_fwd(const lt_ctx *c, const struct lt_norm_args *a);
lt_status lt_cpu_norm_bwd(const lt_ctx *c, const struct lt_norm_args *a);
lt_status lt_cpu_head_norm_fwd(const lt_ctx *c, const struct lt_head_norm_args *a);
lt_status lt_cpu_head_norm_bwd(const lt_ctx *c, const struct lt_head_norm_args *a);
lt_status lt_cpu_act_fwd(const lt_ctx *c, const struct lt_act_args *a);
lt_status lt_cpu_act_bwd(const lt_ctx *c, const struct lt_act_args *a);
lt_status lt_cpu_glu_fwd(const lt_ctx *c, const struct lt_act_args *a);
lt_status lt_cpu_glu_bwd(const lt_ctx *c, const struct lt_act_args *a);
lt_status lt_cpu_rope(const lt_ctx *c, const struct lt_rope_args *a);
lt_status lt_cpu_embed_fwd(const lt_ctx *c, const struct lt_embed_args *a);
lt_status lt_cpu_embed_bwd(const lt_ctx *c, const struct lt_embed_args *a);
lt_status lt_cpu_logits(const lt_ctx *c, const struct lt_logits_args *a);
lt_status lt_cpu_gather_rows(const lt_ctx *c, const struct lt_rows_args *a);
lt_status lt_cpu_put_rows(const lt_ctx *c, const struct lt_rows_args *a);
lt_status lt_cpu_scatter_add_rows(const lt_ctx *c, const struct lt_rows_args *a);
lt_status lt_cpu_unfold(const lt_ctx *c, const struct lt_unfold_args *a);
lt_status lt_cpu_fold(const lt_ctx *c, const struct lt_unfold_args *a);
lt_status lt_cpu_pool_fwd(const lt_ctx *c, const struct lt_pool_args *a);
lt_status lt_cpu_pool_bwd(const lt_ctx *c, const struct lt_pool_args *a);
lt_status lt_cpu_segment_fwd(const lt_ctx *c, const struct lt_segment_args *a);
lt_status lt_cpu_segment_bwd(const lt_ctx *c, const struct lt_segment_args *a);
lt_status lt_cpu_dropout_rows(const lt_ctx *c, const struct lt_dropout_args *a);
lt_status lt_cpu_xent(const lt_ctx *c, const struct lt_xent_args *a);
lt_status lt_cpu_choice(const lt_ctx *c, const struct lt_choice_args *a);
lt_status lt_cpu_gemm(const lt_ctx *c, const struct lt_gemm_args *a);
lt_status lt_cpu_sumsq(const lt_ctx *c, const struct lt_sumsq_args *a);
lt_status lt_cpu_loss_sums(const lt_ctx *c, const struct lt_loss_args *a);
lt_status lt_cpu_convert(const lt_ctx *c, const struct lt_convert_args *a);
lt_status lt_cpu_bias_rows(const lt_ctx *c, const struct lt_bias_args *a);
lt_status lt_cpu_column_sums(const lt_ctx *c, const struct lt_colsum_args *a);
lt_status lt_cpu_softmax_fwd(const lt_ctx *c, const struct lt_softmax_args *a);
lt_status lt_cpu_softmax_bwd(const lt_ctx *c, const struct lt_softmax_args *a);
lt_status lt_cpu_adamw(const lt_ctx *c, const struct lt_adamw_args *a);

/* few.c: products of so few rows that reading W is what they cost. */

/* Local.  True if linear_fwd is better done there; by the number of rows and the form of W alone. */
bool lt_cpu_impl_few_serves(const struct lt_linear_args *a);
/* Local.  linear_fwd for such a call.  Errors: INTERNAL. */
lt_status lt_cpu_impl_few(const lt_ctx *c, const struct lt_linear_args *a);

/* e4m3_strict.c: layers in E4M3, as bf16 products of numbers that E4M3 has.
 * Local.  Sets lin->e4m3 and takes the memory that goes with it.  Brings W into it, in place.  One direction.  Bytes of the workspace beyond a bf16 layer's. */
void lt_cpu_impl_e4m3_alloc(const lt_ctx *c, lt_arena *a, lt_lin *lin);
void lt_cpu_impl_e4m3_pack(const lt_ctx *c, lt_lin *lin);
lt_status lt_cpu_impl_e4m3(const lt_ctx *c, const struct lt_linear_args *a, bool forward);
size_t lt_cpu_impl_e4m3_ws_bytes(const lt_ctx *c, const lt_dims *d);

/* linear.c.  Local.  Copies n elements from a to the dense array out of another or the same type; round: through bf16 on the way. */
void lt_cpu_impl_convert(const lt_ctx *c, int64_t n, lt_arr a, lt_arr out, bool round);

/* Local.  Bytes of ctx->ws that the linear, segment and logits entries need within the bounds d. */
size_t lt_cpu_linear_ws_bytes(const lt_ctx *c, const lt_dims *d);
size_t lt_cpu_segment_ws_bytes(const lt_ctx *c, const lt_dims *d);
size_t lt_cpu_logits_ws_bytes(const lt_ctx *c, const lt_dims *d);

/* The kernels of one level: LT_CPU_UNIT of ops_cpu.c, constant data. */
typedef struct lt_cpu_unit {
    const lt_ops *ops;
    const char *needs; /* instruction sets that its code may use, a blank behind each */
} lt_cpu_unit;

/* shared/levels.c.  Local.  The highest level that this CPU has. */
lt_cpu_level lt_cpu_impl_highest(void);

/* shared/linear_dnnl.c: the only file of the library that knows oneDNN. */

/* Local.  Entries of lt_ops: ctx->impl is what the library keeps for packed layers. */
lt_status lt_cpu_ctx_init(lt_ctx *c);
void lt_cpu_ctx_fini(lt_ctx *c);
/* Local.  True once the library has been used: its instructions are chosen for good. */
bool lt_cpu_impl_begun(void);

/* Local.  C = alpha op(A) op(B) + beta C, row-major f32; sizes may be 0.  Errors: INTERNAL. */
lt_status lt_cpu_impl_sgemm(int threads, const struct lt_gemm_args *g);
/* Local.  True if this CPU multiplies bf16 in hardware. */
bool lt_cpu_impl_has_bf16(void);
/* Local.  True if layers of this type may be packed at all: oneDNN has blocked kernels on AVX-512, but not on AVX2.
 * LT_CPU_LINEAR=plain forbids, LT_CPU_LINEAR=packed forces the packed path (to test and to compare). */
bool lt_cpu_impl_may_pack(lt_dtype dt);
/* Local.  True if W [N, K] has one packed layout that serves forward and backward; *bytes is its size, *panel what lin_rows takes (0: nothing). */
bool lt_cpu_impl_packs(const lt_ctx *c, int64_t N, int64_t K, lt_dtype dt, size_t *bytes, int64_t *panel);
/* Local.  If there is such a layout of lin->w [N, K]: sets lin->impl to it and turns lin->w, row-major, into it in place (reorder_w; else another process that
 * shares it does).  Errors: NOMEM, INTERNAL. */
lt_status lt_cpu_impl_pack(const lt_ctx *c, lt_lin *lin, bool reorder_w);
/* Local.  True if lin is packed as bf16 panels that follow each other, [words][panel] words of two columns (shared/panels.c); sizes out, words with
 * padding. */
bool lt_cpu_impl_panels(const lt_lin *lin, int64_t *panel, int64_t *words);
/* Local.  Frees lin->impl, NULL or not, and sets it to NULL; lin->w stays in its packed layout. */
void lt_cpu_impl_drop(lt_lin *lin);
/* Local.  Product with a packed layer, M rows: forward out [M, N] = in [M, K] W^T + bias, else out [M, K] = in [M, N] W.
 *   in    dense, in lin->dt
 *   out   f32 or lin->dt
 *   bias  [N] f32 or NULL; forward only
 * The ctx keeps the compiled product for each distinct (M, N, K, types): callers round M up so that few occur.  Errors: INTERNAL. */
lt_status lt_cpu_impl_packed_product(const lt_ctx *c, const lt_lin *lin, bool forward, int64_t M, const void *in, lt_arr out,
                                     const float *bias);

/* shared/probe.c, apart from its clock. */

/* Local.  Seconds of one timing in this type. */
typedef lt_status (*lt_cpu_timing)(void *user, lt_dtype dt, double *seconds);
/* Local.  Medians of timings of n_types types (1 or 2) that take turns, after one of each that does not count.  median_s: [n_types] out.
 * Errors: those of the timing. */
lt_status lt_cpu_impl_medians(lt_cpu_timing time, void *user, int n_types, const lt_dtype type[], double median_s[]);
/* Local.  f32 (median_s[0]) or bf16 (median_s[1]) by their medians.  Errors: those of the timing. */
lt_status lt_cpu_impl_choose(lt_cpu_timing time, void *user, double median_s[2], lt_dtype *best);
