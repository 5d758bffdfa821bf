/* Gradients of small trainable matrices: dw += alpha dy^T x and db += column sums of dy, over the rows of each segment.
 *
 * The sum runs over rows, thousands of them, and the result is small, so rows are cut into chunks that are summed apart and added in their order by a second
 * kernel.  A segment of one chunk adds to dw at once.  How a segment is cut depends on its own sizes alone.
 *
 *   columns of the wide operand ->          a warp: 64 wide columns x 16 or 32 narrow ones over the rows of a chunk
 *   rows | chunk 0 | 64 | 64 | 64 | ...     a block: 4 warps side by side, no shared memory
 *        | chunk 1 |    |
 *
 * A fragment's k is the row: lane (g, t) reads eight wide neighbours of rows 4t .. 4t + 3, which are two columns each of four tiles of 16. */
#include "kernels/cuda/segment_impl.h"

namespace LT_GPU_SPACE {

enum {
    THREADS = 128,
    WARPS = THREADS / 32,
    WARP_WIDE = 64,
    CHUNK_ROWS = 256,      /* 16 steps of 16 rows: parts cost a sixteenth of reading the rows at rank 16 */
    PART_BYTES = 32 << 20, /* of the workspace, for one segment */
    SUM_ROWS = 8,          /* rows that a block of column sums reads at once */
    FINISH = 256,
};

size_t segment_ws_bytes(const lt_ctx *c, const lt_dims *d) {
    int64_t bytes = d->rows * d->width * 8;
    return (size_t)(bytes < PART_BYTES ? bytes : (int64_t)PART_BYTES);
}

/* A number of a narrow operand, 0 where there is none. */
LT_DEVICE float get_or_zero(const float *p, bool there) { return there ? *p : 0.0f; }
LT_DEVICE lt_bf16 get_or_zero(const lt_bf16 *p, bool there) {
    lt_bf16 zero = {0};
    return there ? *p : zero;
}

/* wide_dy: dy is the wide operand (dw's rows), else x is (its columns). */
template <typename Wide, typename Narrow, int NT>
static __global__ void __launch_bounds__(THREADS) weight_kernel(const segment_table table, const Wide *wide, int64_t ld_wide,
                                                                const Narrow *narrow, int64_t ld_narrow, bool wide_dy, float *parts) {
    enum { PW = parts_of<Wide>::N, PN = parts_of<Narrow>::N };
    int64_t block = blockIdx.x;
    const one_segment &s = segment_of(table, &block);
    const int n_wide = wide_dy ? s.N : s.K, n_narrow = wide_dy ? s.K : s.N;
    const int wide_tiles = (n_wide + WARPS * WARP_WIDE - 1) / (WARPS * WARP_WIDE), narrow_tiles = (n_narrow + NT * 8 - 1) / (NT * 8);
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const int w0 = ((int)(block % wide_tiles) * WARPS + (int)threadIdx.x / 32) * WARP_WIDE + 8 * g;
    const int n0 = (int)(block / wide_tiles % narrow_tiles) * NT * 8, chunk = (int)(block / wide_tiles / narrow_tiles);
    const int64_t first = s.row0 + chunk * s.chunk_rows, end = first + s.chunk_rows < s.row1 ? first + s.chunk_rows : s.row1;
    const bool whole = ((uintptr_t)wide | (uint64_t)(ld_wide * (int64_t)sizeof(Wide))) % 16 == 0;
    float big[4][NT][4], small[4][NT][4];
    LT_UNROLL
    for (int i = 0; i < 4 * NT * 4; i++) (&big[0][0][0])[i] = (&small[0][0][0])[i] = 0.0f;
    if (w0 - 8 * g >= n_wide) return; /* the whole warp */
    for (int64_t r0 = first; r0 < end; r0 += 16) {
        eight<Wide> x[4];
        uint32_t b[NT][PN][2];
        LT_UNROLL
        for (int i = 0; i < 4; i++) {
            int64_t r = r0 + 4 * t + i;
            load_eight(x[i], wide + r * ld_wide + w0, r < end ? n_wide - w0 : 0, whole);
        }
        LT_UNROLL
        for (int n = 0; n < NT; n++) LT_UNROLL
        for (int h = 0; h < 2; h++) {
            const int64_t r = r0 + 4 * t + 2 * h;
            const int j = n0 + NT * g + n;
            const Narrow *at = narrow + r * ld_narrow + j;
            uint32_t p[PN];
            pair_of(get_or_zero(at, j < n_narrow && r < end), get_or_zero(at + ld_narrow, j < n_narrow && r + 1 < end), p);
            LT_UNROLL
            for (int q = 0; q < PN; q++) b[n][q][h] = p[q];
        }
        LT_UNROLL
        for (int i = 0; i < 4; i++) { /* the tile of columns 8g + 2i and 8g + 2i + 1 */
            uint32_t a[PW][4];
            LT_UNROLL
            for (int r = 0; r < 4; r++) {
                uint32_t p[PW];
                pair_across(x[r / 2 * 2], x[r / 2 * 2 + 1], 2 * i + r % 2, p);
                LT_UNROLL
                for (int q = 0; q < PW; q++) a[q][r] = p[q];
            }
            LT_UNROLL
            for (int n = 0; n < NT; n++) multiply(big[i][n], small[i][n], a, b[n]);
        }
    }
    const int64_t along_wide = wide_dy ? s.ld : 1, along_narrow = wide_dy ? 1 : s.ld;
    float *part = parts + s.part0 + (int64_t)chunk * n_wide * n_narrow;
    LT_UNROLL
    for (int n = 0; n < NT; n++) LT_UNROLL
    for (int e = 0; e < 2; e++) LT_UNROLL
    for (int i = 0; i < 8; i++) {
        const int w = w0 + i, j = n0 + NT * (2 * t + e) + n, at = i % 2 * 2 + e;
        if (w >= n_wide || j >= n_narrow) continue;
        float v = big[i / 2][n][at] + small[i / 2][n][at];
        if (s.chunks == 1)
            s.dw[w * along_wide + j * along_narrow] += s.alpha * v;
        else
            part[(int64_t)j * n_wide + w] = v;
    }
}

/* dw += alpha * the parts, in the order of the chunks; a thread a number of dw. */
static __global__ void __launch_bounds__(FINISH) add_parts_kernel(const segment_table table, bool wide_dy, const float *parts) {
    int64_t block = blockIdx.x;
    const one_segment &s = segment_of(table, &block);
    const int n_wide = wide_dy ? s.N : s.K, n_narrow = wide_dy ? s.K : s.N;
    const int64_t i = block * FINISH + threadIdx.x, n = (int64_t)n_wide * n_narrow, w = i % n_wide, j = i / n_wide;
    if (i >= n) return;
    const float *part = parts + s.part0;
    float sum = part[i];
    for (int c = 1; c < s.chunks; c++) sum += part[c * n + i];
    s.dw[wide_dy ? w * s.ld + j : j * s.ld + w] += s.alpha * sum;
}

/* db += sums of 32 columns of dy: eight partial sums over every eighth row, added in their order. */
template <typename T>
static __global__ void __launch_bounds__(32 * SUM_ROWS) bias_kernel(const segment_table table, const T *dy, int64_t ld) {
    LT_SHARED(float, part, [SUM_ROWS][32]);
    int64_t block = blockIdx.x;
    const one_segment &s = segment_of(table, &block);
    const int column = threadIdx.x % 32, y = threadIdx.x / 32, j = (int)block * 32 + column;
    float sum = 0;
    if (j < s.N)
        for (int64_t r = s.row0 + y; r < s.row1; r += SUM_ROWS) sum += lt_to_f32(dy[r * ld + j]);
    part[y][column] = sum;
    __syncthreads();
    if (y > 0 || j >= s.N) return;
    for (int i = 1; i < SUM_ROWS; i++) sum += part[i][column];
    s.db[j] += sum;
}

/* ---- launches ---- */

struct gradient_call {
    const lt_ctx *c;
    const struct lt_segment_args *a;
    bool wide_dy;
    int NT;
};

template <typename Wide, typename Narrow>
static lt_status launch_typed(const gradient_call &p, const segment_table &t, lt_arr wide, int64_t ld_wide, lt_arr narrow,
                              int64_t ld_narrow) {
    enum { MOST = sizeof(Wide) + sizeof(Narrow) == 8 ? 2 : 4 };
    const Wide *w = static_cast<const Wide *>(wide.p);
    const Narrow *n = static_cast<const Narrow *>(narrow.p);
    float *parts = static_cast<float *>(p.c->ws);
    dim3 grid((unsigned)t.blocks);
    if (p.NT == 2)
        LT_RUN(p.c, (weight_kernel<Wide, Narrow, 2>), grid, THREADS, 0, t, w, ld_wide, n, ld_narrow, p.wide_dy, parts);
    else
        LT_RUN(p.c, (weight_kernel<Wide, Narrow, MOST>), grid, THREADS, 0, t, w, ld_wide, n, ld_narrow, p.wide_dy, parts);
    return LT_OK;
}

static lt_status launch_weights(const gradient_call &p, const segment_table &t) {
    lt_arr w = p.wide_dy ? p.a->dy : p.a->x, n = p.wide_dy ? p.a->x : p.a->dy;
    int64_t lw = p.wide_dy ? p.a->ld_y : p.a->ld_x, ln = p.wide_dy ? p.a->ld_x : p.a->ld_y;
    if (w.dt == LT_F32)
        return n.dt == LT_F32 ? launch_typed<float, float>(p, t, w, lw, n, ln) : launch_typed<float, lt_bf16>(p, t, w, lw, n, ln);
    return n.dt == LT_F32 ? launch_typed<lt_bf16, float>(p, t, w, lw, n, ln) : launch_typed<lt_bf16, lt_bf16>(p, t, w, lw, n, ln);
}

/* The launches of a full table, which becomes empty: parts, and their sums where a segment has several. */
static lt_status launch(const gradient_call &p, segment_table *t) {
    if (t->n == 0) return LT_OK;
    LT_TRY(launch_weights(p, *t));
    int kept = 0;
    t->blocks = 0;
    for (int i = 0; i < t->n; i++) {
        if (t->s[i].chunks == 1) continue;
        one_segment e = t->s[i];
        e.block0 = t->blocks;
        t->blocks += div_up((int64_t)e.N * e.K, FINISH);
        t->s[kept++] = e;
    }
    t->n = kept;
    if (kept) LT_RUN(p.c, (add_parts_kernel), dim3((unsigned)t->blocks), FINISH, 0, *t, p.wide_dy, static_cast<const float *>(p.c->ws));
    t->n = 0;
    t->blocks = 0;
    return LT_OK;
}

/* Chunks of CHUNK_ROWS, or of twice, four times ... as many where the parts would be larger than what they are made from. */
static void cut(one_segment *e) {
    int64_t rows = e->row1 - e->row0, wide = e->N > e->K ? e->N : e->K, most = rows * wide * 8;
    if (most > PART_BYTES) most = PART_BYTES;
    e->chunk_rows = CHUNK_ROWS;
    while (rows > e->chunk_rows && div_up(rows, e->chunk_rows) * e->N * e->K * (int64_t)sizeof(float) > most) e->chunk_rows *= 2;
    e->chunks = (int)div_up(rows, e->chunk_rows);
}

/* Whether a launch may have this segment beside the others: no two add to the same numbers, and the parts of all fit. */
static bool fits(const segment_table &t, const one_segment &e, int64_t parts, size_t ws_bytes) {
    if (t.n == SEGMENTS || (size_t)parts * sizeof(float) > ws_bytes) return false;
    for (int i = 0; i < t.n; i++)
        if (t.s[i].dw == e.dw) return false;
    return true;
}

/* Segments whose dw is wide on the side of dy, or on that of x. */
static lt_status weights(gradient_call p, bool wide_dy) {
    segment_table t;
    int64_t parts = 0;
    bool all_f32 = p.a->dy.dt == LT_F32 && p.a->x.dt == LT_F32; /* both in three parts: registers for 16 columns */
    p.wide_dy = wide_dy;
    p.NT = 2;
    for (const lt_segment *s = p.a->seg; s < p.a->seg + p.a->n_seg; s++)
        if ((wide_dy ? s->K : s->N) > 16 && !all_f32) p.NT = 4;
    t.n = 0;
    t.blocks = 0;
    for (const lt_segment *s = p.a->seg; s < p.a->seg + p.a->n_seg; s++) {
        if (!s->dw || s->row1 <= s->row0 || s->N * s->K == 0 || (s->N > s->K) != wide_dy) continue;
        one_segment e = segment_entry(p.a, s);
        cut(&e);
        int64_t mine = e.chunks > 1 ? (int64_t)e.chunks * e.N * e.K : 0;
        if (!fits(t, e, parts + mine, p.c->ws_bytes)) {
            LT_TRY(launch(p, &t));
            parts = 0;
        }
        LT_ASSERT((size_t)mine * sizeof(float) <= p.c->ws_bytes);
        e.block0 = t.blocks;
        e.part0 = parts;
        parts += mine;
        t.blocks += e.chunks * div_up(wide_dy ? e.N : e.K, WARPS * WARP_WIDE) * div_up(wide_dy ? e.K : e.N, p.NT * 8);
        t.s[t.n++] = e;
    }
    return launch(p, &t);
}

static lt_status launch_biases(const gradient_call &p, segment_table *t) {
    lt_arr dy = p.a->dy;
    if (t->n == 0) return LT_OK;
    LT_BY_TYPE(dy.dt,
               LT_RUN(p.c, (bias_kernel<T>), dim3((unsigned)t->blocks), 32 * SUM_ROWS, 0, *t, static_cast<const T *>(dy.p), p.a->ld_y););
    t->n = 0;
    t->blocks = 0;
    return LT_OK;
}

static lt_status biases(const gradient_call &p) {
    segment_table t;
    t.n = 0;
    t.blocks = 0;
    for (const lt_segment *s = p.a->seg; s < p.a->seg + p.a->n_seg; s++) {
        bool again = t.n == SEGMENTS;
        if (!s->db || s->row1 <= s->row0) continue;
        for (int i = 0; i < t.n; i++) again |= t.s[i].db == s->db;
        if (again) LT_TRY(launch_biases(p, &t));
        one_segment e = segment_entry(p.a, s);
        e.block0 = t.blocks;
        t.blocks += div_up(s->N, 32);
        t.s[t.n++] = e;
    }
    return launch_biases(p, &t);
}

lt_status segment_gradients(const lt_ctx *c, const struct lt_segment_args *a) {
    gradient_call p = {};
    p.c = c, p.a = a;
    LT_TRY(biases(p));
    LT_TRY(weights(p, false));
    return weights(p, true);
}

} // namespace LT_GPU_SPACE
