/* Attention of one block: fills the arguments of the op from the block's saved arrays or the cache, the plan of its mask and the bank's
 * layer. */
#include "model/model_impl.h"

static struct lt_attn_args arguments(lt_model *m, int layer, const lt_bank *bank, bool pick) {
    const lt_saved *s = lt_model_impl_saved(m, layer);
    const lt_arch *a = &m->arch;
    const lt_mask *mask = &m->mask[m->block[layer].plan];
    int64_t kd = (int64_t)m->Hkvl * a->D;
    lt_qkv at = lt_model_impl_qkv(m, layer, pick, s->q, s->kv);
    if (m->args->cache) at.kv = lt_model_impl_cached(m, layer);
    struct lt_attn_args args = {.plan = pick ? &mask->picked : &mask->all,
                                .heads = m->Hl,
                                .kv_heads = m->Hkvl,
                                .head_dim = a->D,
                                .scale = a->attn_scale,
                                .slopes = m->slopes,
                                .rel = lt_arch_is_relative(a) ? &m->block[layer].rel : NULL,
                                .q = at.q,
                                .ld_q = at.ld_q,
                                .k = at.kv,
                                .ld_k = at.ld_kv,
                                .v = lt_arr_at(at.kv, kd),
                                .ld_v = at.ld_kv,
                                .o = s->o,
                                .lse = s->lse};
    if (bank && bank->S > 0) {
        int64_t layer_stride = 2 * bank->P_max * kd;
        args.slot_stride = a->m * layer_stride;
        args.bank = bank->kv + layer * layer_stride;
        args.d_bank = bank->d_kv ? bank->d_kv + layer * layer_stride : NULL;
        args.fixed_slots = bank->fixed;
    }
    return args;
}

void lt_model_impl_attn_fwd(lt_model *m, int layer, const lt_bank *bank, bool pick) {
    struct lt_attn_args args = arguments(m, layer, bank, pick);
    LT_OP_TIMED(m, ATTENTION, attn_fwd, &args);
}

void lt_model_impl_attn_bwd(lt_model *m, int layer, const lt_bank *bank, bool pick) {
    struct lt_attn_args args = arguments(m, layer, bank, pick);
    const lt_qkv g = lt_model_impl_qkv(m, layer, pick, m->dq, m->dkv);
    args.d_o = m->d_o;
    args.dq = g.q;
    args.ld_dq = g.ld_q;
    args.dk = g.kv;
    args.dv = lt_arr_at(g.kv, (int64_t)m->Hkvl * m->arch.D);
    args.ld_dk = args.ld_dv = g.ld_kv;
    LT_OP_TIMED(m, ATTENTION, attn_bwd, &args);
}
