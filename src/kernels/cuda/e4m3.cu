/* Frozen layers in E4M3: rounding of W when it has been loaded, and of the rows of an operand in a step.  The numbers are those of kernels/e4m3.h. */
#include "kernels/cuda/products_impl.h"
#include "kernels/cuda/vec_impl.h"

namespace LT_GPU_SPACE {

enum { WIDE = 8 /* numbers a thread reads at once */, TILE = 64, TILE_ROWS = 4 };

/* Eight numbers of a row, times eight of scale. */
template <typename T> LT_DEVICE void load_scaled(const T *x, const float *scale, int i, float (&v)[WIDE]) {
    float s[WIDE];
    load(x + i, v);
    if (!scale) return;
    load(scale + i, s);
    LT_UNROLL
    for (int k = 0; k < WIDE; k++) v[k] *= s[k];
}

/* A block a row of n numbers, n a multiple of 16; the row is read twice, the second time from the cache. */
template <typename T>
static __global__ void __launch_bounds__(THREADS) rows_kernel(const T *x, const float *scale, int n, uint8_t *out, float *factor) {
    LT_SHARED(float, part, [THREADS / WARP]);
    const T *row = x + (int64_t)blockIdx.x * n;
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    float amax = 0, v[WIDE];
    for (int i = (int)threadIdx.x * WIDE; i < n; i += THREADS * WIDE) {
        load_scaled(row, scale, i, v);
        LT_UNROLL
        for (int k = 0; k < WIDE; k++) amax = fmaxf(amax, v[k] < 0 ? -v[k] : v[k]);
    }
    amax = warp_max(amax);
    if (lane == 0) part[warp] = amax;
    __syncthreads();
    amax = warp_max(lane < THREADS / WARP ? part[lane] : 0.0f);
    float f = amax / 448.0f;
    f = f >= 0x1p-126f ? f : 1.0f;
    if (threadIdx.x == 0) factor[blockIdx.x] = f;
    for (int i = (int)threadIdx.x * WIDE; i < n; i += THREADS * WIDE) {
        load_scaled(row, scale, i, v);
        LT_UNROLL
        for (int k = 0; k < WIDE; k++) v[k] /= f;
        uint32_t low = lt_round_e4m3x2(v[0], v[1]) | lt_round_e4m3x2(v[2], v[3]) << 16;
        uint32_t high = lt_round_e4m3x2(v[4], v[5]) | lt_round_e4m3x2(v[6], v[7]) << 16;
        *reinterpret_cast<uint2 *>(&out[(int64_t)blockIdx.x * n + i]) = make_uint2(low, high);
    }
}

/* to [K, N] = from [N, K], bytes, by tiles of 64 x 64; rows of a tile lie 4 bytes further each, so that its columns lie in different banks. */
static __global__ void __launch_bounds__(TILE *TILE_ROWS) turn_kernel(const uint8_t *from, uint8_t *to, int N, int K) {
    LT_SHARED(uint8_t, tile, [TILE][TILE + 4]);
    const int x = threadIdx.x % TILE, y = threadIdx.x / TILE, k0 = (int)blockIdx.x * TILE, n0 = (int)blockIdx.y * TILE;
    for (int i = y; i < TILE; i += TILE_ROWS)
        if (n0 + i < N && k0 + x < K) tile[i][x] = from[(int64_t)(n0 + i) * K + k0 + x];
    __syncthreads();
    for (int i = y; i < TILE; i += TILE_ROWS)
        if (k0 + i < K && n0 + x < N) to[(int64_t)(k0 + i) * N + n0 + x] = tile[x][i];
}

static __global__ void __launch_bounds__(THREADS) ones_kernel(float *p, uint32_t n) {
    uint32_t i = thread_number();
    if (i < n) p[i] = 1.0f;
}

lt_status e4m3_rows(const lt_ctx *c, lt_arr x, const float *scale, int64_t rows, int64_t n, void *out, float *factor) {
    LT_ASSERT(n % 16 == 0 && fits(x, n, WIDE) && fits(scale, n, WIDE));
    LT_BY_TYPE(x.dt, LT_RUN(c, (rows_kernel<T>), dim3((unsigned)rows), THREADS, 0, static_cast<const T *>(x.p), scale, (int)n,
                            static_cast<uint8_t *>(out), factor););
    return LT_OK;
}

lt_status e4m3_alloc(const lt_ctx *c, lt_arena *a, lt_lin *lin) {
    const lt_gpu_info *info = &state_of(c)->info;
    LT_CHECK(info->major == 9 || c->sizes_only, LT_ERR_CUDA,
             "%s has compute capability %d.%d: products in FP8 with a factor for each row need 9.0 (H100, H200)", info->name, info->major,
             info->minor);
    lin->e4m3 = true;
    lin->w = lt_arena_take(a, 2 * lin->N * lin->K, 1); /* bf16 while it is loaded: as many bytes */
    lin->factor = static_cast<float *>(lt_arena_take(a, lin->N + lin->K, sizeof(float)));
    return LT_OK;
}

/* W goes aside, and W8 and its turned copy take its place. */
lt_status e4m3_pack(const lt_ctx *c, lt_lin *lin) {
    state *s = state_of(c);
    size_t bytes = (size_t)(2 * lin->N * lin->K);
    uint8_t *w8 = static_cast<uint8_t *>(lin->w);
    dim3 tiles((unsigned)div_up(lin->K, TILE), (unsigned)div_up(lin->N, TILE));
    struct aside {
        const lt_gpu *gpu;
        void *p;
        ~aside() { gpu->free(p); } /* waits */
    } w = {s->gpu, nullptr};
    LT_TRY(s->gpu->alloc(bytes, "one layer's weights while they are rounded", &w.p));
    LT_TRY(s->gpu->copy(s->stream, LT_GPU_ON_DEVICE, w.p, bytes, lin->w, bytes, bytes, 1));
    LT_TRY(e4m3_rows(c, lt_arr{w.p, LT_BF16}, nullptr, lin->N, lin->K, w8, lin->factor));
    LT_RUN(c, (turn_kernel), tiles, TILE * TILE_ROWS, 0, w8, w8 + lin->N * lin->K, (int)lin->N, (int)lin->K);
    LT_RUN(c, (ones_kernel), blocks_for(lin->K, THREADS), THREADS, 0, lin->factor + lin->N, (uint32_t)lin->K);
    return LT_OK;
}

} // namespace LT_GPU_SPACE
