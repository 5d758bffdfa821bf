/* The CPU back end's table, and what the level that this file is compiled for needs of a CPU. */
#include "kernels/cpu/cpu_impl.h"
#include "kernels/attn_impl.h"

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static size_t ws_bytes(const lt_ctx *c, const lt_dims *d) {
    size_t linear = larger(lt_cpu_linear_ws_bytes(c, d), lt_cpu_segment_ws_bytes(c, d));
    return larger(lt_cpu_attn_ws_bytes(c, d), larger(linear, lt_cpu_logits_ws_bytes(c, d)));
}

static const lt_ops table = {
    .name = "cpu",
    .ctx_init = lt_cpu_ctx_init,
    .ctx_fini = lt_cpu_ctx_fini,
    LT_HOST_MEMORY,
    .ws_bytes = ws_bytes,
    .lin_alloc = lt_cpu_lin_alloc,
    .lin_pack = lt_cpu_lin_pack,
    .lin_rows = lt_cpu_lin_rows,
    .lin_fini = lt_cpu_lin_fini,
    .linear_fwd = lt_cpu_linear_fwd,
    .linear_bwd_x = lt_cpu_linear_bwd_x,
    .norm_fwd = lt_cpu_norm_fwd,
    .norm_bwd = lt_cpu_norm_bwd,
    .head_norm_fwd = lt_cpu_head_norm_fwd,
    .head_norm_bwd = lt_cpu_head_norm_bwd,
    .act_fwd = lt_cpu_act_fwd,
    .act_bwd = lt_cpu_act_bwd,
    .glu_fwd = lt_cpu_glu_fwd,
    .glu_bwd = lt_cpu_glu_bwd,
    .rope = lt_cpu_rope,
    .attn_fwd = lt_cpu_attn_fwd,
    .attn_bwd = lt_cpu_attn_bwd,
    .embed_fwd = lt_cpu_embed_fwd,
    .embed_bwd = lt_cpu_embed_bwd,
    .logits = lt_cpu_logits,
    .gather_rows = lt_cpu_gather_rows,
    .put_rows = lt_cpu_put_rows,
    .scatter_add_rows = lt_cpu_scatter_add_rows,
    .unfold = lt_cpu_unfold,
    .fold = lt_cpu_fold,
    .pool_fwd = lt_cpu_pool_fwd,
    .pool_bwd = lt_cpu_pool_bwd,
    .segment_fwd = lt_cpu_segment_fwd,
    .segment_bwd = lt_cpu_segment_bwd,
    .dropout_rows = lt_cpu_dropout_rows,
    .xent = lt_cpu_xent,
    .choice = lt_cpu_choice,
    .gemm = lt_cpu_gemm,
    .loss_sums = lt_cpu_loss_sums,
    .convert = lt_cpu_convert,
    .bias_rows = lt_cpu_bias_rows,
    .column_sums = lt_cpu_column_sums,
    .softmax_fwd = lt_cpu_softmax_fwd,
    .softmax_bwd = lt_cpu_softmax_bwd,
    .sumsq = lt_cpu_sumsq,
    .adamw = lt_cpu_adamw,
};

/* Macros of the compiler; names as in cpu/shared/levels.c. */
static const char needs[] =
#ifdef __AVX__
    "avx "
#endif
#ifdef __AVX2__
    "avx2 "
#endif
#ifdef __FMA__
    "fma "
#endif
#ifdef __BMI__
    "bmi "
#endif
#ifdef __BMI2__
    "bmi2 "
#endif
#ifdef __AVX512F__
    "avx512f "
#endif
#ifdef __AVX512BW__
    "avx512bw "
#endif
#ifdef __AVX512CD__
    "avx512cd "
#endif
#ifdef __AVX512DQ__
    "avx512dq "
#endif
#ifdef __AVX512VL__
    "avx512vl "
#endif
#ifdef __AVX512VBMI__
    "avx512vbmi "
#endif
#ifdef __AVX512IFMA__
    "avx512ifma "
#endif
#ifdef __AVX512VNNI__
    "avx512vnni "
#endif
#ifdef __AVX512VBMI2__
    "avx512vbmi2 "
#endif
#ifdef __AVX512BITALG__
    "avx512bitalg "
#endif
#ifdef __AVX512VPOPCNTDQ__
    "avx512vpopcntdq "
#endif
#ifdef __AVX512BF16__
    "avx512bf16 "
#endif
    "";

const lt_cpu_unit LT_CPU_UNIT = {.ops = &table, .needs = needs};
