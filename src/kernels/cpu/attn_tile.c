/* Primitives of attention on packed tiles: a small matrix product, rows in and out of tiles, transposition.
 *
 * The product keeps a block of up to 4 rows x 3 vectors of C in registers: 12 sums, 3 vectors of B and one element of A fill the 16 registers of
 * AVX2 and give independent sums enough to hide the latency of the multiply-add.  Operands are tiles in L1/L2, so there is no packing; short sizes
 * are what matters, so blocks are cut evenly (5 rows are 3 + 2, not 4 + 1). */
#include "kernels/cpu/attn_tile_impl.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))
enum { MR = 4, NR = 3 };

typedef struct operands {
    int64_t K, rs, cs, ldb, ldc;
    bool add;
} operands;

INLINE void block(int mr, int nr, const operands *o, const float *A, const float *B, float *C) {
    lt_vf sum[MR][NR], b[NR];
    int64_t rs = o->rs, cs = o->cs, ldb = o->ldb, ldc = o->ldc;
    for (int i = 0; i < mr; i++)
        for (int j = 0; j < nr; j++) sum[i][j] = (lt_vf){0};
    int64_t k = o->K;
    do {
        for (int j = 0; j < nr; j++) {
            b[j] = lt_vf_load(B + j * LT_VL);
            LT_PIN(b[j]);
        }
        for (int i = 0; i < mr; i++) {
            lt_vf a = lt_vf_set(A[i * rs]);
            for (int j = 0; j < nr; j++) sum[i][j] += a * b[j];
        }
        A += cs;
        B += ldb;
    } while (--k > 0);
    for (int i = 0; i < mr; i++)
        for (int j = 0; j < nr; j++) {
            lt_vf_loose *c = (lt_vf_loose *)(C + i * ldc + j * LT_VL);
            if (o->add)
                *c += sum[i][j];
            else
                *c = sum[i][j];
        }
}

/* A function for each block size, so that the loops above unroll into registers. */
#define BLOCK(mr, nr)                                                                                                                      \
    static void block_##mr##x##nr(const operands *o, const float *A, const float *B, float *C) { block(mr, nr, o, A, B, C); }
#define BLOCKS(nr) BLOCK(1, nr) BLOCK(2, nr) BLOCK(3, nr) BLOCK(4, nr)
BLOCKS(1)
BLOCKS(2)
BLOCKS(3)
static void (*const block_of[NR][MR])(const operands *o, const float *A, const float *B, float *C) = {
    {block_1x1, block_2x1, block_3x1, block_4x1},
    {block_1x2, block_2x2, block_3x2, block_4x2},
    {block_1x3, block_2x3, block_3x3, block_4x3},
};

/* Size of the next block when n are left: whole blocks, the last two even. */
static int64_t cut(int64_t n, int64_t most) { return n >= 2 * most ? most : n > most ? (n + 1) / 2 : n; }

void lt_attn_impl_product(int64_t M, int64_t N, int64_t K, const float *A, int64_t rs, int64_t cs, const float *B, int64_t ldb, float *C,
                          int64_t ldc, bool add) {
    const operands o = {.K = K, .rs = rs, .cs = cs, .ldb = ldb, .ldc = ldc, .add = add};
    for (int64_t j = 0, nr; j < N; j += nr * LT_VL) {
        nr = cut((N - j) / LT_VL, NR);
        for (int64_t i = 0, mr; i < M; i += mr) {
            mr = cut(M - i, MR);
            block_of[nr - 1][mr - 1](&o, A + i * rs, B + j, C + i * ldc + j);
        }
    }
}

/* Rows of a head lie far apart, and hardware does not foresee the jumps: while one head's piece of a row is moved, the next head's is fetched. */
INLINE void fetch_next(const unsigned char *piece, size_t bytes, int for_write) {
    for (size_t i = 0; i < bytes; i += 64) {
        if (for_write)
            __builtin_prefetch(piece + bytes + i, 1);
        else
            __builtin_prefetch(piece + bytes + i, 0);
    }
}

void lt_attn_impl_load(lt_arr src, int64_t at, int64_t ld, int64_t n, int64_t D, float *dst) {
    int64_t Dp = lt_attn_round(D), size = src.dt == LT_F32 ? 4 : 2;
    const unsigned char *row = (const unsigned char *)src.p + at * size;
    for (int64_t i = 0; i < n; i++, row += ld * size, dst += Dp) {
        fetch_next(row, (size_t)(D * size), 0);
        int64_t d = 0;
        if (src.dt == LT_F32) {
            for (; d + LT_VL <= D; d += LT_VL) lt_vf_store(dst + d, lt_vf_load_loose((const float *)row + d));
            for (; d < D; d++) dst[d] = ((const float *)row)[d];
        } else {
            for (; d + LT_VL <= D; d += LT_VL) lt_vf_store(dst + d, lt_vf_load_bf16((const uint16_t *)row + d));
            for (; d < D; d++) dst[d] = lt_bf16_to_f32(((const uint16_t *)row)[d]);
        }
        for (; d < Dp; d++) dst[d] = 0.0f;
    }
}

void lt_attn_impl_store(lt_arr dst, int64_t at, int64_t ld, int64_t n, int64_t D, const float *src, const float *factor) {
    int64_t Dp = lt_attn_round(D), size = dst.dt == LT_F32 ? 4 : 2;
    unsigned char *row = (unsigned char *)dst.p + at * size;
    for (int64_t i = 0; i < n; i++, row += ld * size, src += Dp) {
        fetch_next(row, (size_t)(D * size), 1);
        float f = factor ? factor[i] : 1.0f;
        int64_t d = 0;
        if (dst.dt == LT_F32) {
            for (; d + LT_VL <= D; d += LT_VL) *(lt_vf_loose *)(row + d * 4) = f * lt_vf_load(src + d);
            for (; d < D; d++) ((float *)row)[d] = f * src[d];
        } else {
#pragma omp simd
            for (int64_t j = 0; j < D; j++) ((uint16_t *)row)[j] = lt_f32_to_bf16(f * src[j]);
        }
    }
}

void lt_attn_impl_transpose(const float *src, int64_t n, int64_t np, int64_t D, float factor, float *dst) {
    int64_t Dp = lt_attn_round(D);
    for (int64_t q = 0; q < n; q++)
        for (int64_t d = 0; d < D; d++) dst[d * np + q] = factor * src[q * Dp + d];
    if (n < np)
        for (int64_t d = 0; d < D; d++)
            for (int64_t q = n; q < np; q++) dst[d * np + q] = 0.0f;
}

void lt_attn_impl_pack(const lt_attn_unit *u, const lt_attn_scratch *w) {
    const struct lt_attn_args *a = u->a;
    int64_t D = a->head_dim, text = u->P * lt_attn_round(D), row = (int64_t)a->kv_heads * D;
    if (u->P > 0) {
        lt_arr bank = {(void *)(uintptr_t)u->bank, LT_F32};
        lt_attn_impl_load(bank, 0, row, u->P, D, w->k);
        lt_attn_impl_load(bank, a->plan->P_max * row, row, u->P, D, w->v);
    }
    lt_attn_impl_load(a->k, u->k0 * a->ld_k + u->kv * D, a->ld_k, u->n_k, D, w->k + text);
    lt_attn_impl_load(a->v, u->k0 * a->ld_v + u->kv * D, a->ld_v, u->n_k, D, w->v + text);
}

lt_attn_tile lt_attn_impl_tile(const lt_attn_unit *u, const lt_attn_scratch *w, int head, int64_t q0) {
    const struct lt_attn_args *a = u->a;
    const lt_attn_plan *p = a->plan;
    int64_t D = a->head_dim, left = u->n_q - q0, first = u->n_k, end = 0;
    lt_attn_tile t = {.row = u->q0 + q0, .n = left < LT_ATTN_QT ? left : LT_ATTN_QT, .P = u->P, .head = head};
    t.np = lt_attn_round(t.n);
    t.ld = t.np + (a->rel ? LT_VL : 0);
    t.place0 = p->q_index[t.row];
    t.straight = t.n > 3 && t.place0 % 16 == 0;
    t.band_end = -1;
    t.slope = a->slopes ? a->slopes[head] : 0.0f;
    lt_attn_impl_load(a->q, t.row * a->ld_q + head * D, a->ld_q, t.n, D, w->q);
    lt_attn_impl_transpose(w->q, t.n, t.np, D, a->scale, w->qt);
    for (int64_t q = 0; q < t.np; q++) {
        int64_t row = t.row + (q < t.n ? q : 0), lo = p->first[row], hi = p->end[row]; /* columns past the last query: anything finite */
        w->place[q] = (float)(u->P + p->q_index[row]);
        w->low[q] = (float)(u->P + lo);
        w->high[q] = (float)(u->P + (hi > lo ? hi : 0));
        t.straight &= q >= t.n || p->q_index[row] == t.place0 + q;
        if (hi <= lo) continue;
        first = lo < first ? lo : first;
        end = hi > end ? hi : end;
        t.windowed |= lo > 0;
    }
    t.seen = t.gap0 = t.gap1 = u->P + end;
    if (first >= LT_ATTN_KT && end > 0) { /* a gap that is worth a step */
        t.gap0 = u->P;
        t.gap1 = u->P + first;
    }
    return t;
}
