/* Small trainable matrices, one a segment of rows: y = alpha x W^T + b and dx = alpha dy W.  Gradients of W: segment_bwd.cu.
 *
 * Heads and LoRA's A and B.  One of the two widths is a rank or a number of labels, so what counts is reading (and writing) the wide rows once.  One kernel,
 * with the product's sum over `in` columns and `out` columns made:
 *
 *   along    in > out (x A^T, dy B, heads).  A block has 32 rows; its eight warps share the sum: each takes every eighth 32 of the in columns, and
 * their parts are
 *            added in the order of the warps.  264 blocks for 8448 rows, two an SM.
 *   across   in <= out (t B^T, dt A).  A block has 32 rows and 128 out columns, 32 a warp; every warp runs over all in columns.
 *
 * The way is chosen by the widths of each segment alone, so a row's numbers do not depend on what else is in the pack. */
#include "kernels/cuda/segment_impl.h"

namespace LT_GPU_SPACE {

enum {
    THREADS = 256, /* along */
    WARPS = THREADS / 32,
    ACROSS_THREADS = 128, /* two or three blocks an SM at up to 180 registers */
    ACROSS_WARPS = ACROSS_THREADS / 32,
    TILE_ROWS = 32,
};

/* Columns of out that a block makes. */
static constexpr int tile_columns(int NT, bool along) { return NT * 8 * (along ? 1 : (int)ACROSS_WARPS); }

/* Four numbers W(j, i .. i + 3): W[j][i] (turned: W[i][j]), 0 beyond its sizes. */
template <bool TURNED> LT_DEVICE void load_w(float (&v)[4], const float *w, int64_t ld, int j, int out, int i, int in, bool whole) {
    if (!TURNED && whole && j < out && i + 4 <= in) {
        float4 f = *reinterpret_cast<const float4 *>(&w[j * ld + i]);
        v[0] = f.x, v[1] = f.y, v[2] = f.z, v[3] = f.w;
        return;
    }
    LT_UNROLL
    for (int e = 0; e < 4; e++) v[e] = j < out && i + e < in ? w[TURNED ? (i + e) * ld + j : j * ld + i + e] : 0.0f;
}

LT_DEVICE bool whole_at(const void *p, int64_t stride_bytes) { return ((uintptr_t)p | (uint64_t)stride_bytes) % 16 == 0; }

/* out[row][j .. j + n) := alpha sum + bias (+ what is there), as far as columns exist. */
template <typename Out, int n>
LT_DEVICE void put(Out *out, const float (&sum)[n], float alpha, const float *b, int j, int columns, bool accumulate) {
    LT_UNROLL
    for (int k = 0; k < n; k++) {
        if (j + k >= columns) return;
        float v = alpha * sum[k];
        if (b) v += b[j + k];
        if (accumulate) v += lt_to_f32(out[k]);
        out[k] = lt_from_f32<Out>(v);
    }
}
/* The same of eight bf16 by one access. */
LT_DEVICE void put_eight(lt_bf16 *out, const float (&sum)[8], float alpha, const float *b, int j, bool accumulate) {
    uint4 *at = reinterpret_cast<uint4 *>(out), now = accumulate ? *at : make_uint4(0, 0, 0, 0);
    uint32_t w[4] = {now.x, now.y, now.z, now.w};
    LT_UNROLL
    for (int k = 0; k < 4; k++) {
        float low = alpha * sum[2 * k] + (b ? b[j + 2 * k] : 0.0f), high = alpha * sum[2 * k + 1] + (b ? b[j + 2 * k + 1] : 0.0f);
        if (accumulate) low += lt_low_f32(w[k]), high += lt_high_f32(w[k]);
        w[k] = lt_round_bf16x2(low, high);
    }
    *at = make_uint4(w[0], w[1], w[2], w[3]);
}
LT_DEVICE void put_eight(float *out, const float (&sum)[8], float alpha, const float *b, int j, bool accumulate) {
    LT_UNROLL
    for (int h = 0; h < 2; h++) {
        float4 *at = reinterpret_cast<float4 *>(out) + h, now = accumulate ? *at : make_float4(0, 0, 0, 0);
        float v[4] = {now.x, now.y, now.z, now.w};
        LT_UNROLL
        for (int k = 0; k < 4; k++) v[k] = alpha * sum[4 * h + k] + (b ? b[j + 4 * h + k] : 0.0f) + v[k];
        *at = make_float4(v[0], v[1], v[2], v[3]);
    }
}

/* One warp: 32 rows x NT * 8 columns from j0, over 32 of the in columns at i = first, first + step, ...  A lane holds rows g and g + 8 of both tiles of 16,
 * and in the end 2 NT neighbours of each. */
template <typename In, bool TURNED, int NT> struct warp_tile {
    float big[2][NT][4], small[2][NT][4];

    LT_DEVICE void run(const one_segment &s, const In *in, int64_t ld_in, int64_t row, int j0, int first, int step) {
        enum { PARTS = parts_of<In>::N };
        const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, n_in = TURNED ? s.N : s.K, n_out = TURNED ? s.K : s.N;
        const bool whole_in = whole_at(in, ld_in * (int64_t)sizeof(In)), whole_w = whole_at(s.w, s.ld * (int64_t)sizeof(float));
        LT_UNROLL
        for (int i = 0; i < 2 * NT * 4; i++) (&big[0][0][0])[i] = (&small[0][0][0])[i] = 0.0f;
        for (int i0 = first; i0 < n_in; i0 += step) {
            const int i = i0 + 8 * t;
            eight<In> x[2][2];
            LT_UNROLL
            for (int m = 0; m < 4; m++) {
                int64_t r = row + 8 * m + g;
                load_eight(x[m / 2][m % 2], in + r * ld_in + i, r < s.row1 ? n_in - i : 0, whole_in);
            }
            LT_UNROLL
            for (int k = 0; k < 2; k++) { /* the instruction's 16 k are elements 4k .. 4k + 3 of each lane's eight */
                uint32_t a[2][PARTS][4];
                LT_UNROLL
                for (int m = 0; m < 2; m++) LT_UNROLL
                for (int r = 0; r < 4; r++) {
                    uint32_t p[PARTS];
                    pair_along(x[m][r % 2], 2 * k + r / 2, p);
                    LT_UNROLL
                    for (int q = 0; q < PARTS; q++) a[m][q][r] = p[q];
                }
                LT_UNROLL
                for (int n = 0; n < NT; n++) {
                    float w[4];
                    uint32_t low[3], high[3];
                    load_w<TURNED>(w, s.w, s.ld, j0 + 2 * NT * (g / 2) + 2 * n + g % 2, n_out, i + 4 * k, n_in, whole_w);
                    split_pair(w[0], w[1], low);
                    split_pair(w[2], w[3], high);
                    const uint32_t b[3][2] = {{low[0], high[0]}, {low[1], high[1]}, {low[2], high[2]}};
                    LT_UNROLL
                    for (int m = 0; m < 2; m++) multiply(big[m][n], small[m][n], a[m], b);
                }
            }
        }
    }
    /* The 2 NT neighbours of row 16 m + 8 h + g. */
    LT_DEVICE void sums(int m, int h, float (&v)[2 * NT]) const {
        LT_UNROLL
        for (int n = 0; n < NT; n++) LT_UNROLL
        for (int e = 0; e < 2; e++) v[2 * n + e] = big[m][n][2 * h + e] + small[m][n][2 * h + e];
    }
};

/* Blocks of a segment: its row tiles, each by column tiles (these are neighbours: they read the same rows). */
template <typename In, typename Out, bool TURNED, int NT>
static __global__ void __launch_bounds__(THREADS, NT == 2 && sizeof(In) == 2 ? 2 : 1)
    along_kernel(const segment_table table, const In *in, int64_t ld_in, Out *out, int64_t ld_out, bool accumulate) {
    enum { WIDTH = NT * 8, STRIDE = WIDTH + 4 };
    LT_SHARED(float, part, [WARPS][TILE_ROWS][STRIDE]);
    int64_t block = blockIdx.x;
    const one_segment &s = segment_of(table, &block);
    const int n_out = TURNED ? s.K : s.N, tiles = (n_out + WIDTH - 1) / WIDTH, j0 = (int)(block % tiles) * WIDTH;
    const int64_t row = s.row0 + block / tiles * TILE_ROWS;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
    warp_tile<In, TURNED, NT> tile;
    tile.run(s, in, ld_in, row, j0, 32 * warp, 32 * WARPS);
    LT_UNROLL
    for (int m = 0; m < 4; m++) {
        float v[2 * NT];
        tile.sums(m / 2, m % 2, v);
        LT_UNROLL
        for (int k = 0; k < 2 * NT; k++) part[warp][8 * m + g][2 * NT * t + k] = v[k];
    }
    __syncthreads();
    const int r = threadIdx.x / 8, j = threadIdx.x % 8 * NT; /* NT neighbours a thread */
    if (row + r >= s.row1) return;
    float sum[NT];
    LT_UNROLL
    for (int k = 0; k < NT; k++) {
        sum[k] = part[0][r][j + k];
        LT_UNROLL
        for (int w = 1; w < WARPS; w++) sum[k] += part[w][r][j + k];
    }
    put(out + (row + r) * ld_out + j0 + j, sum, s.alpha, s.b, j0 + j, n_out, accumulate);
}

template <typename In, typename Out, bool TURNED>
static __global__ void __launch_bounds__(ACROSS_THREADS, TURNED && sizeof(In) == 4 ? 2 : 3)
    across_kernel(const segment_table table, const In *in, int64_t ld_in, Out *out, int64_t ld_out, bool accumulate) {
    enum { NT = 4, WIDTH = NT * 8 * ACROSS_WARPS };
    int64_t block = blockIdx.x;
    const one_segment &s = segment_of(table, &block);
    const int n_out = TURNED ? s.K : s.N, tiles = (n_out + WIDTH - 1) / WIDTH, lane = threadIdx.x % 32;
    const int j0 = (int)(block % tiles) * WIDTH + (int)threadIdx.x / 32 * NT * 8, j = j0 + 2 * NT * (lane % 4);
    const int64_t row = s.row0 + block / tiles * TILE_ROWS;
    if (j0 >= n_out) return; /* the whole warp */
    warp_tile<In, TURNED, NT> tile;
    tile.run(s, in, ld_in, row, j0, 0, 32);
    const bool whole = whole_at(out, ld_out * (int64_t)sizeof(Out)) && j + 8 <= n_out;
    LT_UNROLL
    for (int m = 0; m < 4; m++) {
        int64_t r = row + 8 * m + lane / 4;
        float v[8];
        if (r >= s.row1) continue;
        tile.sums(m / 2, m % 2, v);
        if (whole)
            put_eight(out + r * ld_out + j, v, s.alpha, s.b, j, accumulate);
        else
            put(out + r * ld_out + j, v, s.alpha, s.b, j, n_out, accumulate);
    }
}

/* ---- launches ---- */

struct product_call {
    const lt_ctx *c;
    lt_arr in, out;
    int64_t ld_in, ld_out;
    bool turned, accumulate, along;
    int NT; /* of along */
};

template <typename In, typename Out, bool TURNED> static lt_status launch_typed(const product_call &p, const segment_table &t) {
    const In *in = static_cast<const In *>(p.in.p);
    Out *out = static_cast<Out *>(p.out.p);
    dim3 grid((unsigned)t.blocks);
    if (!p.along)
        LT_RUN(p.c, (across_kernel<In, Out, TURNED>), grid, ACROSS_THREADS, 0, t, in, p.ld_in, out, p.ld_out, p.accumulate);
    else if (p.NT == 2)
        LT_RUN(p.c, (along_kernel<In, Out, TURNED, 2>), grid, THREADS, 0, t, in, p.ld_in, out, p.ld_out, p.accumulate);
    else
        LT_RUN(p.c, (along_kernel<In, Out, TURNED, 4>), grid, THREADS, 0, t, in, p.ld_in, out, p.ld_out, p.accumulate);
    return LT_OK;
}

template <typename In, typename Out> static lt_status launch_turned(const product_call &p, const segment_table &t) {
    return p.turned ? launch_typed<In, Out, true>(p, t) : launch_typed<In, Out, false>(p, t);
}

static lt_status launch(const product_call &p, segment_table *t) {
    if (t->blocks == 0) return LT_OK;
    lt_status st;
    if (p.in.dt == LT_F32)
        st = p.out.dt == LT_F32 ? launch_turned<float, float>(p, *t) : launch_turned<float, lt_bf16>(p, *t);
    else
        st = p.out.dt == LT_F32 ? launch_turned<lt_bf16, float>(p, *t) : launch_turned<lt_bf16, lt_bf16>(p, *t);
    t->n = 0;
    t->blocks = 0;
    return st;
}

one_segment segment_entry(const struct lt_segment_args *a, const lt_segment *s) {
    one_segment e = {};
    e.w = s->w, e.b = s->b, e.dw = s->dw, e.db = s->db;
    e.row0 = s->row0, e.row1 = s->row1, e.ld = lt_segment_ld(s);
    e.N = (int)s->N, e.K = (int)s->K;
    e.alpha = (float)lt_segment_alpha(a, s);
    return e;
}

static int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }

/* All segments that go one way. */
static lt_status one_way(product_call p, const struct lt_segment_args *a, bool along) {
    segment_table t;
    int64_t widest = 0;
    p.along = along;
    for (const lt_segment *s = a->seg; s < a->seg + a->n_seg; s++) widest = max_of(widest, p.turned ? s->K : s->N);
    p.NT = widest <= 16 ? 2 : 4;
    t.n = 0;
    t.blocks = 0;
    for (const lt_segment *s = a->seg; s < a->seg + a->n_seg; s++) {
        int64_t n_in = p.turned ? s->N : s->K, n_out = p.turned ? s->K : s->N;
        if (s->row1 <= s->row0 || n_out == 0 || (n_in > n_out) != along) continue;
        one_segment e = segment_entry(a, s);
        if (p.turned) e.b = nullptr;
        e.block0 = t.blocks;
        t.blocks += div_up(s->row1 - s->row0, TILE_ROWS) * div_up(n_out, tile_columns(along ? p.NT : 4, along));
        t.s[t.n++] = e;
        if (t.n == SEGMENTS) LT_TRY(launch(p, &t));
    }
    return launch(p, &t);
}

static lt_status both_ways(const product_call &p, const struct lt_segment_args *a) {
    LT_TRY(one_way(p, a, true));
    return one_way(p, a, false);
}

lt_status segment_fwd(const lt_ctx *c, const struct lt_segment_args *a) {
    product_call p = {};
    p.c = c, p.in = a->x, p.out = a->y, p.ld_in = a->ld_x, p.ld_out = a->ld_y, p.accumulate = a->accumulate;
    return both_ways(p, a);
}

lt_status segment_bwd(const lt_ctx *c, const struct lt_segment_args *a) {
    product_call p = {};
    LT_TRY(segment_gradients(c, a));
    if (!a->dx.p) return LT_OK;
    p.c = c, p.in = a->dy, p.out = a->dx, p.ld_in = a->ld_y, p.ld_out = a->ld_dx, p.turned = true, p.accumulate = a->accumulate;
    return both_ways(p, a);
}

} // namespace LT_GPU_SPACE
