#pragma once
/* Private to the reference back end: its entries of the ops table (meaning and arguments: ops.h) and access to arrays in f64.
 *
 * Every entry is the formula written down once, in plain loops and f64; it reads each input as stored, rounds each output once, uses no
 * workspace and ignores ctx->threads.  The one deliberate rounding inside: where a linear layer is bf16, the row operand is rounded to
 * bf16 too, because that is what `compute: bf16` means on every back end. */

#include "kernels/host_impl.h"

static inline double lt_ref_get(lt_arr a, int64_t i) {
    return a.dt == LT_BF16 ? (double)lt_bf16_to_f32(((const uint16_t *)a.p)[i]) : (double)((const float *)a.p)[i];
}
static inline void lt_ref_put(lt_arr a, int64_t i, double v) {
    if (a.dt == LT_BF16)
        ((uint16_t *)a.p)[i] = lt_f32_to_bf16((float)v);
    else
        ((float *)a.p)[i] = (float)v;
}

/* Local.  Entries of lt_ops; shapes, ownership and aliasing as the structs say.  Errors: INTERNAL. */
lt_status lt_ref_lin_alloc(const lt_ctx *c, lt_arena *a, int64_t N, int64_t K, lt_lin *lin);
lt_status lt_ref_lin_pack(const lt_ctx *c, lt_lin *lin, bool reorder);
void lt_ref_lin_fini(lt_lin *lin);
lt_status lt_ref_linear_fwd(const lt_ctx *c, const struct lt_linear_args *a);
lt_status lt_ref_linear_bwd_x(const lt_ctx *c, const struct lt_linear_args *a);
lt_status lt_ref_norm_fwd(const lt_ctx *c, const struct lt_norm_args *a);
lt_status lt_ref_norm_bwd(const lt_ctx *c, const struct lt_norm_args *a);
lt_status lt_ref_head_norm_fwd(const lt_ctx *c, const struct lt_head_norm_args *a);
lt_status lt_ref_head_norm_bwd(const lt_ctx *c, const struct lt_head_norm_args *a);
lt_status lt_ref_act_fwd(const lt_ctx *c, const struct lt_act_args *a);
lt_status lt_ref_act_bwd(const lt_ctx *c, const struct lt_act_args *a);
lt_status lt_ref_glu_fwd(const lt_ctx *c, const struct lt_act_args *a);
lt_status lt_ref_glu_bwd(const lt_ctx *c, const struct lt_act_args *a);
lt_status lt_ref_rope(const lt_ctx *c, const struct lt_rope_args *a);
lt_status lt_ref_embed_fwd(const lt_ctx *c, const struct lt_embed_args *a);
lt_status lt_ref_embed_bwd(const lt_ctx *c, const struct lt_embed_args *a);
lt_status lt_ref_logits(const lt_ctx *c, const struct lt_logits_args *a);
lt_status lt_ref_gather_rows(const lt_ctx *c, const struct lt_rows_args *a);
lt_status lt_ref_put_rows(const lt_ctx *c, const struct lt_rows_args *a);
lt_status lt_ref_scatter_add_rows(const lt_ctx *c, const struct lt_rows_args *a);
lt_status lt_ref_unfold(const lt_ctx *c, const struct lt_unfold_args *a);
lt_status lt_ref_fold(const lt_ctx *c, const struct lt_unfold_args *a);
lt_status lt_ref_pool_fwd(const lt_ctx *c, const struct lt_pool_args *a);
lt_status lt_ref_pool_bwd(const lt_ctx *c, const struct lt_pool_args *a);
lt_status lt_ref_segment_fwd(const lt_ctx *c, const struct lt_segment_args *a);
lt_status lt_ref_segment_bwd(const lt_ctx *c, const struct lt_segment_args *a);
lt_status lt_ref_dropout_rows(const lt_ctx *c, const struct lt_dropout_args *a);
lt_status lt_ref_xent(const lt_ctx *c, const struct lt_xent_args *a);
lt_status lt_ref_choice(const lt_ctx *c, const struct lt_choice_args *a);
lt_status lt_ref_gemm(const lt_ctx *c, const struct lt_gemm_args *a);
lt_status lt_ref_sumsq(const lt_ctx *c, const struct lt_sumsq_args *a);
lt_status lt_ref_loss_sums(const lt_ctx *c, const struct lt_loss_args *a);
lt_status lt_ref_convert(const lt_ctx *c, const struct lt_convert_args *a);
lt_status lt_ref_bias_rows(const lt_ctx *c, const struct lt_bias_args *a);
lt_status lt_ref_column_sums(const lt_ctx *c, const struct lt_colsum_args *a);
lt_status lt_ref_softmax_fwd(const lt_ctx *c, const struct lt_softmax_args *a);
lt_status lt_ref_softmax_bwd(const lt_ctx *c, const struct lt_softmax_args *a);
lt_status lt_ref_adamw(const lt_ctx *c, const struct lt_adamw_args *a);
