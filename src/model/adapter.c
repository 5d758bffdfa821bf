/* LoRA (Hu et al. 2022) on the products of a block: y += scale * (drop(x) A^T) B^T for the rows of each trial that has an adapter.
 *
 * All trials of a pack go in one call of the segment ops, whatever their ranks.  t = drop(x) A^T is [rows, max_rank] in f32; it and the dropped rows are
 * made again in backward, so an adapter keeps nothing but the layer's input (lt_saved.in), which forward writes there in the first place.
 *
 * tp: every rank of a group has the whole A and B and uses the part that goes with its shard.  On q, k, v, up and gate (split by output) that is all of A and
 * some rows of B; dx is a partial sum and joins the one that is on its way.  On o and down (split by input) it is some columns of A and all of B.  The sum of
 * what the ranks add is the gradient, rows that two ranks have (shared key and value heads) included. */
#include "model/model_impl.h"

/* The part of a target that goes with this rank's shard: columns [k0, k0 + K) of A, rows [n0, n0 + N) of B. */
typedef struct part {
    int64_t K, k0, whole_K, N, n0, whole_N;
} part;

static part part_of(const lt_model *m, lt_target t) {
    int64_t D = m->arch.D;
    part p = {0};
    (void)lt_arch_target(&m->arch, t, &p.whole_N, &p.whole_K);
    p.N = p.whole_N;
    p.K = p.whole_K;
    switch (t) {
    case LT_TARGET_Q:
        p.N = m->Hl * D;
        p.n0 = m->h_first * D;
        break;
    case LT_TARGET_K:
    case LT_TARGET_V:
        p.N = m->Hkvl * D;
        p.n0 = m->kv_first * D;
        break;
    case LT_TARGET_UP:
    case LT_TARGET_GATE:
        p.N = m->Fl;
        p.n0 = m->f_first;
        break;
    case LT_TARGET_O:
        p.K = m->Hl * D;
        p.k0 = m->h_first * D;
        break;
    default:
        p.K = m->Fl;
        p.k0 = m->f_first;
    }
    return p;
}

static const lt_adapter *adapter_of(const lt_bank *bank, const lt_pack_trial *p) {
    return bank && p->trial < bank->n_adapters && bank->adapter[p->trial].rank > 0 ? &bank->adapter[p->trial] : NULL;
}

unsigned lt_model_impl_targets(const lt_forward_args *args) {
    unsigned targets = 0;
    for (int64_t i = 0; i < args->pack->n_trial; i++) {
        const lt_adapter *a = adapter_of(args->bank, &args->pack->trial[i]);
        for (int t = 0; a && t < LT_TARGET_COUNT; t++) targets |= a->A[t] ? 1u << t : 0;
    }
    return targets;
}

/* One product of one target of one layer, all trials. */
typedef struct lora {
    lt_model *m;
    const lt_pack *pack;
    const lt_bank *bank;
    int layer;
    lt_target target;
    bool by_seq; /* its rows are the read-out ones, one a sequence */
    part part;
} lora;

static lora make_lora(lt_model *m, int layer, lt_target t) {
    bool by_seq = lt_model_impl_picks(m, layer) && t != LT_TARGET_K && t != LT_TARGET_V;
    return (lora){m, m->args->pack, m->args->bank, layer, t, by_seq, part_of(m, t)};
}

/* Segments for A (second = false) or B, with gradients if wanted; returns how many. */
static int64_t segments(const lora *l, bool second, bool gradients) {
    int64_t n = 0;
    for (int64_t i = 0; i < l->pack->n_trial; i++) {
        const lt_pack_trial *p = &l->pack->trial[i];
        const lt_adapter *a = adapter_of(l->bank, p);
        if (!a || !a->A[l->target]) continue;
        LT_ASSERT(a->rank <= l->m->limits.max_rank);
        const part *q = &l->part;
        int64_t R = a->rank, at = second ? (l->layer * q->whole_N + q->n0) * R : l->layer * R * q->whole_K + q->k0;
        float *grad = second ? a->dB[l->target] : a->dA[l->target];
        l->m->segment[n++] = (lt_segment){.row0 = l->by_seq ? p->seq0 : p->row0,
                                          .row1 = l->by_seq ? p->seq1 : p->row1,
                                          .w = (second ? a->B[l->target] : a->A[l->target]) + at,
                                          .dw = gradients && grad ? grad + at : NULL,
                                          .N = second ? q->N : R,
                                          .K = second ? R : q->K,
                                          .ld_w = second ? R : q->whole_K,
                                          .scale = second ? a->scale : 0};
    }
    return n;
}

/* y (+)= dropped x of the segments, or false if no adapter drops here (evaluation, or all rates 0). */
static bool drop(const lora *l, lt_arr x, lt_arr y, bool accumulate) {
    const lt_attn_plan *plan = l->by_seq ? &l->m->mask[0].picked : &l->m->mask[0].all;
    bool any = false;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < l->pack->n_trial && (pass == 0 || any); i++) {
            const lt_pack_trial *p = &l->pack->trial[i];
            const lt_adapter *a = adapter_of(l->bank, p);
            if (!a || !a->A[l->target]) continue;
            if (pass == 0) {
                any |= l->m->keep && a->dropout > 0;
                continue;
            }
            LT_OP(l->m, dropout_rows,
                  &(struct lt_dropout_args){.seq0 = p->seq0,
                                            .seq1 = p->seq1,
                                            .C = l->part.K,
                                            .cu = plan->cu_q,
                                            .index = plan->q_index,
                                            .key = l->m->dev.key,
                                            .stream = (uint32_t)(l->layer * LT_TARGET_COUNT + (int)l->target),
                                            .c0 = l->part.k0,
                                            .p = a->dropout,
                                            .x = x,
                                            .y = y,
                                            .accumulate = accumulate});
        }
    return any;
}

/* m->lora_t := x A^T */
static void down_to_rank(const lora *l, lt_arr x) {
    LT_OP(l->m, segment_fwd,
          &(struct lt_segment_args){.seg = l->m->segment,
                                    .n_seg = segments(l, false, false),
                                    .x = x,
                                    .ld_x = l->part.K,
                                    .y = lt_arr_f32(l->m->lora_t),
                                    .ld_y = l->m->limits.max_rank,
                                    .alpha = 1});
}

void lt_model_impl_adapt(lt_model *m, int layer, lt_target t, lt_arr x, lt_arr y, int64_t ld_y) {
    if (!(m->targets >> t & 1)) return;
    lora l = make_lora(m, layer, t);
    lt_arr dropped = {m->lora_x.p, x.dt};
    down_to_rank(&l, drop(&l, x, dropped, false) ? dropped : x);
    LT_OP(m, segment_fwd,
          &(struct lt_segment_args){.seg = m->segment,
                                    .n_seg = segments(&l, true, false),
                                    .x = lt_arr_f32(m->lora_t),
                                    .ld_x = m->limits.max_rank,
                                    .y = y,
                                    .ld_y = ld_y,
                                    .accumulate = 1,
                                    .alpha = 1});
}

void lt_model_impl_adapt_bwd(lt_model *m, int layer, lt_target t, lt_arr x, lt_arr dy, int64_t ld_dy, lt_arr dx) {
    if (!(m->targets >> t & 1)) return;
    lora l = make_lora(m, layer, t);
    int64_t R = m->limits.max_rank;
    lt_arr dropped = {m->lora_x.p, x.dt};
    bool drops = drop(&l, x, dropped, false);
    if (drops) x = dropped;
    down_to_rank(&l, x);
    /* dB += scale dy^T t,  dt = scale dy B */
    LT_OP(m, segment_bwd,
          &(struct lt_segment_args){.seg = m->segment,
                                    .n_seg = segments(&l, true, true),
                                    .x = lt_arr_f32(m->lora_t),
                                    .ld_x = R,
                                    .dy = dy,
                                    .ld_y = ld_dy,
                                    .alpha = 1,
                                    .dx = lt_arr_f32(m->lora_dt),
                                    .ld_dx = R});
    /* dA += dt^T x,  dx += dt A (through the mask) */
    struct lt_segment_args first = {.seg = m->segment,
                                    .n_seg = segments(&l, false, true),
                                    .x = x,
                                    .ld_x = l.part.K,
                                    .dy = lt_arr_f32(m->lora_dt),
                                    .ld_y = R,
                                    .alpha = 1,
                                    .accumulate = 1,
                                    .ld_dx = l.part.K};
    if (!drops) first.dx = dx;
    LT_OP(m, segment_bwd, &first);
    if (!drops || !dx.p) return;
    first.n_seg = segments(&l, false, false);
    first.dx = (lt_arr){m->lora_x.p, dx.dt};
    first.accumulate = 0;
    LT_OP(m, segment_bwd, &first);
    (void)drop(&l, first.dx, dx, true);
}
