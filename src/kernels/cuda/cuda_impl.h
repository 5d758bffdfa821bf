#pragma once
/* Private to kernels/cuda: what its files share.  Each file is compiled by nvcc (table "cuda") and by g++ against the emulator (table "cuda-emulated"), in a
 * namespace of its own; device/kernel.h says what a kernel may use.  Entries: see kernels/ops.h.
 *
 * Small tables of the host (segments, lists of arrays) travel as kernel parameters, in pieces where they are long: a launch copies them. */

#include "device/kernel.h"
#include "kernels/host_impl.h"

namespace LT_GPU_SPACE {

/* What a ctx has (ctx->impl). */
struct state {
    const lt_gpu *gpu;
    lt_stream *stream; /* = ctx->stream */
    lt_gpu_info info;
    void *product_ws; /* [LT_GPU_WS_BYTES] */
    void *products;   /* how each shape is computed: linear.cu */
    void *load;       /* pinned memory for weights on their way: load.cu; NULL but while they are loaded */
};
static inline state *state_of(const lt_ctx *c) { return static_cast<state *>(c->impl); }

/* products.cu, load.cu: end of state.products and state.load. */
void products_fini(state *s);
void loading_fini(state *s);

enum { WARP = 32 };

static inline int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
/* Blocks for n pieces of work, in x; at most the hardware's 2^31 - 1 (checked by nobody: shapes are far below). */
static inline dim3 blocks_for(int64_t n, int64_t each) { return dim3((unsigned)div_up(n, each)); }

/* Sum over the lanes of a warp, the same bits in every lane. */
LT_DEVICE float warp_sum(float x) {
    for (int o = 16; o; o >>= 1) x += __shfl_xor_sync(0xFFFFFFFFu, x, o);
    return x;
}
LT_DEVICE float warp_max(float x) {
    for (int o = 16; o; o >>= 1) x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, o));
    return x;
}

/* Step entries, for the table. */
#define DECLARE(name, args) lt_status name(const lt_ctx *c, const struct args *a);
LT_OPS_LIST(DECLARE)
#undef DECLARE
/* Plan time: linear.cu, attention.cu. */
size_t ws_bytes(const lt_ctx *c, const lt_dims *d);
lt_status lin_alloc(const lt_ctx *c, lt_arena *a, int64_t N, int64_t K, lt_lin *lin);
lt_status lin_pack(const lt_ctx *c, lt_lin *lin, bool reorder);
void lin_fini(lt_lin *lin);
lt_status load_begin(const lt_ctx *c, size_t bytes);
lt_status load_take(const lt_ctx *c, void **slot);
lt_status load_send(const lt_ctx *c, void *slot, void *dst, size_t bytes);
lt_status load_end(const lt_ctx *c);
lt_status rel_pack(const lt_ctx *c, const struct lt_rel_pack_args *a);
size_t linear_ws_bytes(const lt_ctx *c, const lt_dims *d);
size_t attention_ws_bytes(const lt_ctx *c, const lt_dims *d);

} // namespace LT_GPU_SPACE

/* A launch on the ctx's stream that returns from the entry on failure. */
#define LT_RUN(c, kernel, grid, block, smem, ...) LT_TRY(LT_LAUNCH((c)->stream, kernel, grid, block, smem, __VA_ARGS__))
/* Runs `body` with T as float or lt_bf16. */
#define LT_BY_TYPE(dt, ...)                                                                                                                \
    do {                                                                                                                                   \
        if ((dt) == LT_F32) {                                                                                                              \
            using T = float;                                                                                                               \
            __VA_ARGS__                                                                                                                    \
        } else {                                                                                                                           \
            using T = lt_bf16;                                                                                                             \
            __VA_ARGS__                                                                                                                    \
        }                                                                                                                                  \
    } while (0)
