#pragma once
/* Private to the files of products: linear.cu (frozen layers, scores, gemm), products.cu (how each shape is computed), tune.cu, load.cu, segment.cu. */

#include "kernels/cuda/cuda_impl.h"

namespace LT_GPU_SPACE {

/* What a product is known by; all its bytes count.  M stands for some row counts (see products.cu). */
struct product_key {
    int64_t M, N, K, lda, ldb, ldc, ldd;
    uint8_t ta, tb, ab_dt, cd_dt, adds, bias, in_place, scaled;
    uint8_t aligned[4]; /* bytes of A, B, C, D, at most 16 */
    uint8_t unused[4];
};
struct product_entry {
    product_key key;
    lt_gpu_algo algo;
    int64_t tuned; /* the algorithm was measured, not guessed */
};
struct products {
    product_entry *entry; /* [PRODUCT_ROOM], by hash; algo.word of a free one is not read, its key.M is 0 */
    int64_t n;
};

/* The cache of a ctx, made when it is first asked for.  Errors: NOMEM. */
lt_status products_of(state *s, products **p);
/* Enqueues g, computed as the cache says, or as the library likes best. */
lt_status product(const lt_ctx *c, const lt_gpu_gemm &g);
/* g's place in the cache with the library's first choice in it if it is new; NULL when the cache is full. */
lt_status product_find(state *s, const lt_gpu_gemm &g, product_entry **e);

/* One direction of one call of a layer, cut into blocks of rows that the workspace and the device's cache hold. */
struct linear_run {
    const lt_ctx *c;
    const lt_lin *lin;
    bool forward;
    int64_t rows, n_in, n_out, block;
    lt_arr in, out, resid;
    const float *bias; /* NULL = none */
    lt_dtype operand_dt;
    bool converts; /* the operand is brought into that type in the workspace */
    bool sums;     /* the product is made in f32 in the workspace, and rounded where all is added */
    void *operand; /* where these are */
    float *factor; /* E4M3: of the operand's rows */
    float *sum;
    size_t room; /* bytes of the workspace that it uses */
};
linear_run linear_plan(const lt_ctx *c, const lt_linear_args *a, bool forward);
/* Its product for rows [t, t + n). */
lt_gpu_gemm linear_product(const linear_run &r, int64_t t, int64_t n);

/* e4m3.cu.  Memory of a layer in E4M3: | W8 [N, K] | its columns as rows [K, N] |, and lin->factor: | factors [N] | ones [K] |.  Errors of alloc: CUDA where
 * the device has no such products. */
lt_status e4m3_alloc(const lt_ctx *c, lt_arena *a, lt_lin *lin);
lt_status e4m3_pack(const lt_ctx *c, lt_lin *lin);
/* Rows of x, times scale [n] if given, and their factors. */
lt_status e4m3_rows(const lt_ctx *c, lt_arr x, const float *scale, int64_t rows, int64_t n, void *out, float *factor);
/* W as the product of one direction takes it. */
const void *linear_operand(const lt_lin *lin, bool forward);

/* Plan time, in the table: tune.cu. */
lt_status tune(const lt_ctx *c, const struct lt_tune_args *a);
lt_status choices(const lt_ctx *c, void *bytes, size_t cap, size_t *n);
lt_status choose(const lt_ctx *c, const void *bytes, size_t n, bool *taken);

size_t segment_ws_bytes(const lt_ctx *c, const lt_dims *d);

} // namespace LT_GPU_SPACE
