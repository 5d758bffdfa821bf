/* A convolution along the sequence beside the first block (DeBERTa v2, He et al. 2021):
 *
 *     x1 = norm(block(x0) + act(conv(x0)))        x0: embeddings
 *
 * Unfolded rows times a matrix that lies as in the file: the convolution is a linear layer, and rows beyond a sequence's ends are zeros, so that neighbours in
 * a pack do not meet.  It runs before the block, whose buffers may be the embeddings'.  It is one layer of the model, so all ranks of a tensor-parallel
 * group do all of it: it then needs no collective. */
#include "model/model_impl.h"

static struct lt_unfold_args neighbours(lt_model *m, const lt_pack *pack) {
    return (struct lt_unfold_args){
        .rows = pack->n_tok, .n_seq = pack->n_seq, .C = m->arch.C, .kernel = m->arch.conv_kernel, .cu = m->dev.cu, .y = m->conv_u};
}

void lt_model_impl_carve_conv(lt_model *m) {
    int64_t T = m->limits.tokens, C = m->arch.C;
    size_t elem = lt_dtype_bytes(m->ctx.compute);
    lt_dtype dt = m->ctx.compute;
    if (!m->arch.conv_kernel) return;
    m->conv_u = (lt_arr){lt_arena_take(&m->acts, T * C * m->arch.conv_kernel, elem), dt};
    m->conv_y = (lt_arr){lt_arena_take(&m->acts, T * C, elem), dt};
    m->conv_saved.x = lt_arena_take(&m->acts, T * C, sizeof(float));
    m->conv_saved.mean = lt_arena_take(&m->acts, T, sizeof(float));
    m->conv_saved.rstd = lt_arena_take(&m->acts, T, sizeof(float));
    if (m->limits.backward) m->conv_g = lt_arena_take(&m->acts, T * C, sizeof(float));
}

void lt_model_impl_conv_fwd(lt_model *m, const lt_pack *pack, lt_arr x) {
    struct lt_unfold_args u = neighbours(m, pack);
    u.x = x;
    LT_OP(m, unfold, &u);
    LT_OP_TIMED(m, LINEAR, linear_fwd, &(struct lt_linear_args){.lin = &m->conv, .rows = pack->n_tok, .x = m->conv_u, .y = m->conv_y});
}

void lt_model_impl_conv_join(lt_model *m, const lt_pack *pack, lt_arr y) {
    int64_t T = pack->n_tok, C = m->arch.C;
    lt_arr sum = lt_arr_f32(m->conv_saved.x);
    LT_OP(m, convert, &(struct lt_convert_args){.n = T * C, .x = y, .y = sum});
    LT_OP(m, act_fwd, &(struct lt_act_args){.act = m->arch.conv_act, .rows = T, .F = C, .u = m->conv_y, .h = sum, .add = true});
    lt_model_impl_norm(m, &m->conv_norm, &m->conv_saved, T, m->conv_saved.x, y, (lt_arr){0});
}

const float *lt_model_impl_conv_split(lt_model *m, const lt_pack *pack, bool below, const float *grad) {
    int64_t T = pack->n_tok, C = m->arch.C;
    lt_model_impl_norm_bwd(m, &m->conv_norm, &m->conv_saved, T, grad, NULL, m->conv_g);
    if (!below) return m->conv_g;
    struct lt_act_args act = {.act = m->arch.conv_act, .rows = T, .F = C, .u = m->conv_y, .dh = lt_arr_f32(m->conv_g), .du = m->conv_y};
    LT_OP(m, act_bwd, &act);
    LT_OP_TIMED(m, LINEAR, linear_bwd_x, &(struct lt_linear_args){.lin = &m->conv, .rows = T, .x = m->conv_u, .y = m->conv_y});
    return m->conv_g;
}

void lt_model_impl_conv_bwd(lt_model *m, const lt_pack *pack, float *dx) {
    struct lt_unfold_args u = neighbours(m, pack);
    u.dx = dx;
    LT_OP(m, fold, &u);
}
