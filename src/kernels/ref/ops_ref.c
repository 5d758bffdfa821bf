/* The reference back end's table. */
#include "kernels/ref/ref_impl.h"
#include "kernels/attn_impl.h"

static lt_status lt_ref_ctx_init(lt_ctx *c) { return LT_OK; }
static void lt_ref_ctx_fini(lt_ctx *c) { c->impl = NULL; }

static size_t no_ws(const lt_ctx *c, const lt_dims *d) { return 0; }

static const lt_ops table = {
    .name = "ref",
    .ctx_init = lt_ref_ctx_init,
    .ctx_fini = lt_ref_ctx_fini,
    LT_HOST_MEMORY,
    .ws_bytes = no_ws,
    .lin_alloc = lt_ref_lin_alloc,
    .lin_pack = lt_ref_lin_pack,
    .lin_fini = lt_ref_lin_fini,
    .linear_fwd = lt_ref_linear_fwd,
    .linear_bwd_x = lt_ref_linear_bwd_x,
    .norm_fwd = lt_ref_norm_fwd,
    .norm_bwd = lt_ref_norm_bwd,
    .head_norm_fwd = lt_ref_head_norm_fwd,
    .head_norm_bwd = lt_ref_head_norm_bwd,
    .act_fwd = lt_ref_act_fwd,
    .act_bwd = lt_ref_act_bwd,
    .glu_fwd = lt_ref_glu_fwd,
    .glu_bwd = lt_ref_glu_bwd,
    .rope = lt_ref_rope,
    .attn_fwd = lt_ref_attn_fwd,
    .attn_bwd = lt_ref_attn_bwd,
    .embed_fwd = lt_ref_embed_fwd,
    .embed_bwd = lt_ref_embed_bwd,
    .logits = lt_ref_logits,
    .gather_rows = lt_ref_gather_rows,
    .put_rows = lt_ref_put_rows,
    .scatter_add_rows = lt_ref_scatter_add_rows,
    .unfold = lt_ref_unfold,
    .fold = lt_ref_fold,
    .pool_fwd = lt_ref_pool_fwd,
    .pool_bwd = lt_ref_pool_bwd,
    .segment_fwd = lt_ref_segment_fwd,
    .segment_bwd = lt_ref_segment_bwd,
    .dropout_rows = lt_ref_dropout_rows,
    .xent = lt_ref_xent,
    .choice = lt_ref_choice,
    .gemm = lt_ref_gemm,
    .loss_sums = lt_ref_loss_sums,
    .convert = lt_ref_convert,
    .bias_rows = lt_ref_bias_rows,
    .column_sums = lt_ref_column_sums,
    .softmax_fwd = lt_ref_softmax_fwd,
    .softmax_bwd = lt_ref_softmax_bwd,
    .sumsq = lt_ref_sumsq,
    .adamw = lt_ref_adamw,
};

const lt_ops *lt_ops_ref(void) { return &table; }
