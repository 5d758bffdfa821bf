#pragma once
/* Private to attn*.c of the CPU back end: the unit of work (one sequence under one kv head), the scratch of a thread, and small f32 primitives.
 *
 * Layout.  Keys and values of a unit are packed once, prefix rows first, into rows of Dp floats: D rounded up to whole vectors, the rest zero.
 * Queries come in tiles of at most LT_ATTN_QT rows, keys in blocks of at most LT_ATTN_KT.  Scores lie transposed, [keys][np]: a vector holds the
 * scores of neighbouring queries for one key (np: queries rounded up to whole vectors).  So softmax reduces down columns without shuffles, any
 * number of keys is as good as any other, and of all operands only the tiles of q and do must be transposed; columns past the last query hold
 * finite numbers that nothing reads.  The five products of forward and backward are then one small kernel with row-major B:
 *
 *   S  [keys][np] = K [keys][D] . qt [D][np]            O  [n][Dp]    += P^T (A read down columns) . V [keys][Dp]
 *   dP [keys][np] = V [keys][D] . dot [D][np]           dQ [n][Dp]    += dS^T . K [keys][Dp]
 *   dV [keys][Dp] += P [keys][n] . do [n][Dp]           dK [keys][Dp] += dS [keys][n] . q [n][Dp] */

#include "kernels/cpu/cpu_impl.h"
#include "kernels/cpu/vec_impl.h"

#include <math.h>

enum {
    LT_ATTN_QT = 48,   /* a multiple of 3 vectors, the widest register block */
    LT_ATTN_KT = 64,   /* scores and their gradients: 2 x 12 KiB, in L1 */
    LT_ATTN_MARGIN = 3 /* relative positions: rows of zeros on both sides of the gradients of a block */
};

static inline int64_t lt_attn_round(int64_t n) { return (n + LT_VL - 1) / LT_VL * LT_VL; }

/* One sequence under one kv head, and a chunk of the tiles of queries under the heads that read it: every chunks-th one, counted head by head, so that
 * chunks cost alike under a causal mask too. */
typedef struct lt_attn_unit {
    const struct lt_attn_args *a;
    int64_t q0, n_q, k0, n_k; /* rows of the sequence */
    int64_t P;                /* prefix rows */
    const float *bank;        /* row 0 of this kv head's prefix keys; NULL without prefix */
    float *d_bank;            /* the same place of the gradient, or NULL */
    float *dk, *dv;           /* [n_k][Dp] where the chunk's share of dk and dv goes; NULL: it is the only chunk, its sums are dk and dv */
    int kv, head0, head1;     /* query heads head0 .. head1 - 1 */
    int chunk, chunks;
} lt_attn_unit;

static inline int64_t lt_attn_tiles(int64_t n_q) { return (n_q + LT_ATTN_QT - 1) / LT_ATTN_QT; }
/* True if the tile of queries from q0 on under the head belongs to the unit. */
static inline bool lt_attn_owns(const lt_attn_unit *u, int head, int64_t q0) {
    return ((head - u->head0) * lt_attn_tiles(u->n_q) + q0 / LT_ATTN_QT) % u->chunks == u->chunk;
}

/* What a thread works in: borrowed from ctx->ws, every array on a 64-byte boundary. */
typedef struct lt_attn_scratch {
    float *k, *v, *dk, *dv; /* [P + n_k][Dp] */
    float *q, *d_o, *acc;   /* [QT][Dp]: tile of q, of do; sum for o or dq */
    float *qt, *dot;        /* [D][np]: q times scale, and do, transposed */
    float *s, *ds;          /* [KT][ld], with room for a vector before it; ds also for MARGIN rows on both sides */
    float *band;            /* [QT + KT][np]: products of queries with relative keys, by distance */
    float *top, *sum;       /* [QT]: running maximum and sum (backward: lse and delta) */
    float *place;           /* [QT]: place of the query among the keys, prefix rows counted */
    float *low, *high;      /* [QT]: beside the prefix it sees the keys low .. high - 1 */
} lt_attn_scratch;

/* One tile of queries of one head. */
typedef struct lt_attn_tile {
    int64_t row, n, np;          /* first row of q and o; rows; rows rounded up */
    int64_t ld;                  /* row stride of scores: np, with relative positions a vector more */
    int64_t place0;              /* place of the first query */
    bool straight;               /* with relative positions: the queries stand one behind the other, from a multiple of 16 on */
    int64_t band_end, band_keys; /* text keys of the band in scratch: its last keys, up to before key band_end; -1 = none */
    int64_t P;                   /* prefix rows: keys 0 .. P - 1 */
    int64_t seen;                /* keys 0 .. seen - 1 matter to some query, but for ... */
    int64_t gap0, gap1;          /* ... keys gap0 .. gap1 - 1, which none sees; none: both = seen */
    int head;
    bool windowed; /* some query does not see the text from its start */
    float slope;
} lt_attn_tile;

/* Walk over the blocks of keys of a tile: the first, and the one after c0 .. c0 + n - 1.  The walk ends at t->seen. */
static inline int64_t lt_attn_first(const lt_attn_tile *t) { return t->gap0 == 0 ? t->gap1 : 0; }
static inline int64_t lt_attn_keys(const lt_attn_tile *t, int64_t c0) {
    int64_t end = c0 < t->gap0 ? t->gap0 : t->seen;
    return end - c0 < LT_ATTN_KT ? end - c0 : LT_ATTN_KT;
}
static inline int64_t lt_attn_next(const lt_attn_tile *t, int64_t c0, int64_t n) { return c0 + n == t->gap0 ? t->gap1 : c0 + n; }

/* e^x for x <= 0 or little above: lt_cpu_exp() on a vector, but exactly 0 below -87, so that masked scores (-inf) weigh nothing; NaN stays NaN. */
static inline lt_vf lt_vf_exp(lt_vf x) {
    lt_vi under = x < -87.0f;
    x = lt_vf_pick(under, lt_vf_set(-87.0f), x);
    /* Truncation of a positive number rounds down: i = round(x / ln 2) + 127, the exponent bits of 2^n. */
    lt_vi i = __builtin_convertvector(x * 1.44269504f + 127.5f, lt_vi);
    lt_vf r = x - (__builtin_convertvector(i, lt_vf) - 127.0f) * 0.693147181f;
    lt_vf p = r * 1.381459782e-3f + 8.368716951e-3f;
    p = p * r + 4.166838806e-2f;
    p = p * r + 1.666652063e-1f;
    p = p * r + 4.999999345e-1f;
    p = p * r * r + r + 1.0f;
    return (lt_vf)(~under & (lt_vi)(p * (lt_vf)(i << 23)));
}

/* Of scores s for key c (as a vector) and queries at q: those of keys that a query does not see become -inf. */
static inline __attribute__((always_inline)) lt_vf lt_attn_mask(const lt_attn_tile *t, const lt_attn_scratch *w, int64_t q, lt_vf c,
                                                                lt_vf s, bool windowed) {
    lt_vi hidden = c >= lt_vf_load(w->high + q);
    if (windowed) hidden |= (c >= lt_vf_set((float)t->P)) & (c < lt_vf_load(w->low + q));
    return lt_vf_pick(hidden, lt_vf_set(-INFINITY), s);
}

/* Local.  C [M, N] = (add: +=) A [M, K] . B [K, N], f32.
 *   A  element (i, k) at i * rs + k * cs
 *   B  rows on vector boundaries, N and ldb multiples of LT_VL
 *   C  anywhere; ldc may be less than N when rows are added to (they are written in order) */
void lt_attn_impl_product(int64_t M, int64_t N, int64_t K, const float *A, int64_t rs, int64_t cs, const float *B, int64_t ldb, float *C,
                          int64_t ldc, bool add);
/* Local.  dst [n][Dp] = n rows of D elements of src, from element `at` on, row stride ld; columns D .. Dp - 1 zero. */
void lt_attn_impl_load(lt_arr src, int64_t at, int64_t ld, int64_t n, int64_t D, float *dst);
/* Local.  The way back, rows times factor[row] (NULL: 1). */
void lt_attn_impl_store(lt_arr dst, int64_t at, int64_t ld, int64_t n, int64_t D, const float *src, const float *factor);
/* Local.  dst [D][np] = factor * transpose of src [n][Dp]; columns n .. np - 1 zero. */
void lt_attn_impl_transpose(const float *src, int64_t n, int64_t np, int64_t D, float factor, float *dst);

/* Local.  Packs keys and values of a unit into w->k, w->v. */
void lt_attn_impl_pack(const lt_attn_unit *u, const lt_attn_scratch *w);
/* Local.  Tile of query rows q0 .. q0 + QT - 1 of the sequence under a head: fills w->q, qt, place, low, high. */
lt_attn_tile lt_attn_impl_tile(const lt_attn_unit *u, const lt_attn_scratch *w, int head, int64_t q0);
/* Local.  Adds the terms of relative positions to w->s (keys c0 .. c0 + n - 1). */
void lt_attn_impl_rel(const lt_attn_unit *u, lt_attn_tile *t, const lt_attn_scratch *w, int64_t c0, int64_t n);
/* Local.  Zeros the pads of w->ds for a tile; then, of each block whose w->ds is done with, adds what it gives to dq (w->acc) and dk (w->dk). */
void lt_attn_impl_rel_pads(const lt_attn_tile *t, const lt_attn_scratch *w);
void lt_attn_impl_rel_bwd(const lt_attn_unit *u, const lt_attn_tile *t, const lt_attn_scratch *w, int64_t c0, int64_t n);
/* Local.  Forward and backward of one unit; everything of the args that belongs to it is written, u->d_bank is added to. */
void lt_attn_impl_fwd(const lt_attn_unit *u, const lt_attn_scratch *w);
void lt_attn_impl_bwd(const lt_attn_unit *u, const lt_attn_scratch *w);

/* attn_one.c: forward of one query row a sequence, without relative positions. */

/* Local.  True if a call is that. */
bool lt_attn_impl_one_serves(const struct lt_attn_args *a);
/* Local.  attn_fwd for it.  Errors: INTERNAL. */
lt_status lt_attn_impl_one(const lt_ctx *c, const struct lt_attn_args *a);
/* Local.  Bytes of ctx->ws that it needs within the bounds d. */
size_t lt_attn_impl_one_ws_bytes(const lt_ctx *c, const lt_dims *d);
