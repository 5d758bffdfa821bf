/* Attention: entries, workspace, and which kernels serve a call.
 *
 * Tensor cores serve bf16 with D a multiple of 8 up to 256 and rows on 16 bytes; with relative positions D up to 64 and as many kv heads as heads.  Everything
 * else (f32, odd sizes) goes by FMA.
 *
 *   forward    1 launch; one query a sequence and more than ATTN_PIECE keys: 2, pieces and their sum
 *   backward   dq (with delta and tables), dk and dv with the bank's gradient, and the sum of its chunks where a slot may have several
 *
 * The plan lies on the device and stays there: blocks find their work in it (attention_impl.h).
 *
 * Workspace.  Forward: parts of pieces, [pieces][n_q][heads] of D + 2 floats.  Backward: delta, tables, and partial sums of the bank's gradient, at most
 * 2 n_q / chunk of the size of a slot. */
#include "kernels/cuda/attention_impl.h"

namespace LT_GPU_SPACE {

/* Rows of a slot that one block sums up: with few kv heads there are more blocks of less. */
static int chunk_of(int kv_heads) { return kv_heads >= 16 ? 512 : kv_heads >= 4 ? 128 : 32; }
static int64_t pieces_of(int64_t max_k) { return max_k > ATTN_PIECE ? div_up(max_k, ATTN_PIECE) : 1; }

template <typename T> static void carve_forward(lt_arena *w, attn<T> *a) {
    if (a->pieces <= 1) return;
    int64_t n = a->pieces * a->n_q * a->heads;
    a->part_o = static_cast<float *>(lt_arena_take(w, n * a->D, sizeof(float)));
    a->part_top = static_cast<float *>(lt_arena_take(w, n, sizeof(float)));
    a->part_sum = static_cast<float *>(lt_arena_take(w, n, sizeof(float)));
}

template <typename T> static void carve_backward(lt_arena *w, attn<T> *a) {
    a->delta = static_cast<float *>(lt_arena_take(w, a->n_q * a->heads, sizeof(float)));
    a->table.key_tile = static_cast<int32_t *>(lt_arena_take(w, a->n_seq + 1, sizeof(int32_t)));
    if (a->n_slots == 0) return;
    a->table.slot_row = static_cast<int32_t *>(lt_arena_take(w, a->n_slots + 1, sizeof(int32_t)));
    a->table.seq_row = static_cast<int32_t *>(lt_arena_take(w, a->n_seq, sizeof(int32_t)));
    a->table.bank_row = static_cast<int32_t *>(lt_arena_take(w, attn_table_rows(a->n_q, a->n_slots), sizeof(int32_t)));
    a->part_b = static_cast<float *>(lt_arena_take(w, attn_parts(a->n_q, a->chunk) * 2 * a->P_max * a->bank_ld, sizeof(float)));
}

size_t attention_ws_bytes(const lt_ctx *, const lt_dims *d) {
    if (d->heads == 0) return 0; /* a model without attention */
    attn<float> a = {};
    lt_arena forward, backward;
    lt_arena_measure(&forward, "attention workspace");
    lt_arena_measure(&backward, "attention workspace");
    a.heads = d->heads;
    a.D = d->head_dim;
    a.n_seq = (int)d->seqs;
    a.n_slots = (int)d->slots;
    a.P_max = d->max_prefix;
    a.bank_ld = (int64_t)d->kv_heads * d->head_dim;
    a.chunk = chunk_of(d->kv_heads);
    a.n_q = d->rows < d->seqs ? d->rows : d->seqs; /* pieces: one query a sequence */
    a.pieces = (int)pieces_of(d->max_len);
    carve_forward(&forward, &a);
    a.n_q = d->rows;
    carve_backward(&backward, &a);
    return forward.used > backward.used ? forward.used : backward.used;
}

template <typename T> static attn<T> flatten(const struct lt_attn_args *x) {
    const lt_attn_plan *p = x->plan;
    attn<T> a = {};
    a.q = static_cast<const T *>(x->q.p);
    a.k = static_cast<const T *>(x->k.p);
    a.v = static_cast<const T *>(x->v.p);
    a.o = static_cast<T *>(x->o.p);
    a.d_o = static_cast<const T *>(x->d_o.p);
    a.dq = static_cast<T *>(x->dq.p);
    a.dk = static_cast<T *>(x->dk.p);
    a.dv = static_cast<T *>(x->dv.p);
    a.ld_q = x->ld_q;
    a.ld_k = x->ld_k;
    a.ld_v = x->ld_v;
    a.ld_dq = x->ld_dq;
    a.ld_dk = x->ld_dk;
    a.ld_dv = x->ld_dv;
    a.lse = x->lse;
    a.slopes = x->slopes;
    if (x->rel) {
        a.c2p = x->rel->c2p;
        a.p2c = x->rel->p2c;
        a.reach = x->rel->reach;
        a.rel_rows = lt_rel_rows(a.reach);
        a.rel_width = lt_rel_width(x->head_dim);
    }
    a.cu_q = p->cu_q;
    a.k_row0 = p->k_row0;
    a.k_len = p->k_len;
    a.first = p->first;
    a.end = p->end;
    a.q_index = p->q_index;
    a.n_q = p->n_q;
    a.n_seq = (int)p->n_seq;
    a.heads = x->heads;
    a.kv_heads = x->kv_heads;
    a.group = x->heads / x->kv_heads;
    a.D = x->head_dim;
    a.scale = x->scale;
    if (x->bank && p->n_slots > 0) {
        a.bank = x->bank;
        a.n_slots = (int)(p->n_slots - x->fixed_slots);
        a.d_bank = a.n_slots > 0 ? x->d_bank : nullptr;
        a.slot_stride = x->slot_stride;
        a.bank_ld = (int64_t)x->kv_heads * x->head_dim;
        a.bank_v = p->P_max * a.bank_ld;
        a.slot = p->slot;
        a.slot_len = p->slot_len;
        a.P_max = p->P_max;
    }
    a.pieces = 1;
    a.chunk = chunk_of(x->kv_heads);
    return a;
}

static bool on_16(const void *p, int64_t ld_bytes) { return (uintptr_t)p % 16 == 0 && ld_bytes % 16 == 0; }

static bool mma_serves(const struct lt_attn_args *x, bool backward) {
    if (x->rel && (x->head_dim > ATTN_REL_D || x->heads != x->kv_heads || !on_16(x->rel->c2p, 0) || !on_16(x->rel->p2c, 0))) return false;
    if (x->q.dt != LT_BF16 || x->head_dim % 8 || x->head_dim > ATTN_MMA_D) return false;
    if (!on_16(x->q.p, x->ld_q * 2) || !on_16(x->k.p, x->ld_k * 2) || !on_16(x->v.p, x->ld_v * 2) || !on_16(x->o.p, 0)) return false;
    if (x->bank && !on_16(x->bank, x->slot_stride * 4)) return false;
    if (!backward) return true;
    return on_16(x->d_o.p, 0) && on_16(x->dq.p, x->ld_dq * 2) && on_16(x->dk.p, x->ld_dk * 2) && on_16(x->dv.p, x->ld_dv * 2) &&
           on_16(x->d_bank, 0);
}

static lt_status check(const struct lt_attn_args *x) {
    LT_ASSERT(x->heads % x->kv_heads == 0 && x->head_dim <= ATTN_MAX_D);
    LT_ASSERT(x->k.dt == x->q.dt && x->v.dt == x->q.dt && x->o.dt == x->q.dt);
    return LT_OK;
}

template <typename T> static lt_status forward(const lt_ctx *c, const struct lt_attn_args *x) {
    const lt_attn_plan *p = x->plan;
    attn<T> a = flatten<T>(x);
    lt_arena w = {"attention workspace", static_cast<unsigned char *>(c->ws), c->ws_bytes, 0};
    if (p->max_q == 1) a.pieces = (int)pieces_of(p->max_k);
    carve_forward(&w, &a);
    LT_TRY(lt_arena_ok(&w));
    bool mma = false;
    if constexpr (sizeof(T) == 2) {
        mma = mma_serves(x, false);
        if (mma) LT_TRY(attn_mma_fwd(c, a, p->max_q, p->max_k));
    }
    if (!mma) LT_TRY(attn_plain_fwd(c, a));
    if (a.pieces > 1) LT_TRY(attn_merge(c, a));
    return LT_OK;
}

lt_status attn_fwd(const lt_ctx *c, const struct lt_attn_args *a) {
    LT_TRY(check(a));
    if (a->plan->n_q == 0) return LT_OK;
    LT_BY_TYPE(a->q.dt, LT_TRY(forward<T>(c, a)););
    return LT_OK;
}

template <typename T> static lt_status backward(const lt_ctx *c, const struct lt_attn_args *x) {
    const lt_attn_plan *p = x->plan;
    attn<T> a = flatten<T>(x);
    lt_arena w = {"attention workspace", static_cast<unsigned char *>(c->ws), c->ws_bytes, 0};
    carve_backward(&w, &a);
    LT_TRY(lt_arena_ok(&w));
    bool mma = false;
    auto tiles = [&] { return p->n_k > 0 ? p->n_k / a.key_tile + p->n_seq : 0; };
    if constexpr (sizeof(T) == 2) {
        mma = mma_serves(x, true);
        if (mma) {
            a.key_tile = attn_mma_key_tile(c, a, p->max_q, p->max_k);
            LT_TRY(attn_mma_dq(c, a, p->max_q, p->max_k));
            LT_TRY(attn_mma_dkv(c, a, tiles(), p->max_q));
        }
    }
    if (!mma) {
        a.key_tile = attn_plain_key_tile(a.D);
        LT_TRY(attn_plain_dq(c, a));
        LT_TRY(attn_plain_dkv(c, a, tiles()));
    }
    if (attn_has_bank(a)) LT_TRY(attn_bank_sum(c, a));
    return LT_OK;
}

lt_status attn_bwd(const lt_ctx *c, const struct lt_attn_args *a) {
    LT_TRY(check(a));
    if (a->plan->n_seq == 0) return LT_OK;
    LT_BY_TYPE(a->q.dt, LT_TRY(backward<T>(c, a)););
    return LT_OK;
}

} // namespace LT_GPU_SPACE
