/* Cases of attention over packed sequences: bank, masks as intervals, groups of query heads, few rows that are read out, scores that know distances. */
#include "check/side_impl.h"

#include <math.h>

enum { SEQS = 4, SLOTS = 2, P_MAX = 6, MAX_ROWS = 128, MAX_HEADS = 8 };

static const struct {
    int heads, kv_heads, D, len[SEQS];
    bool causal, bank, alibi, relative, one; /* one: a query a sequence */
    int window;
} shapes[] = {{4, 2, 16, {13, 1, 22, 7}, .causal = true, .bank = true},
              {2, 2, 64, {19, 30, 5, 9}, .bank = true, .alibi = true},
              {3, 1, 32, {40, 3, 17, 2}, .causal = true, .window = 8},
              {4, 1, 16, {20, 6, 11, 33}, .causal = true, .bank = true, .one = true},
              {2, 2, 16, {9, 12, 1, 20}, .bank = true, .relative = true}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

bool lt_check_impl_attn_dims(int shape, lt_dims *d) {
    if (shape == N_SHAPES) return false;
    *d = (lt_dims){.seqs = SEQS, .max_prefix = P_MAX, .slots = SLOTS, .relative = shapes[shape].relative};
    d->heads = shapes[shape].heads;
    d->kv_heads = shapes[shape].kv_heads;
    d->head_dim = shapes[shape].D;
    for (int i = 0; i < SEQS; i++) {
        d->rows += shapes[shape].len[i];
        d->max_len = shapes[shape].len[i] > d->max_len ? shapes[shape].len[i] : d->max_len;
    }
    return true;
}

typedef struct problem {
    struct lt_attn_args args;
    lt_attn_plan plan;
    lt_attn_rel rel;
    int64_t n_q, n_k, q, kv, bank; /* elements of q's and kv's rows; of the bank */
} problem;

/* The plan: on the host first. */
static void make_plan(lt_side *s, problem *b) {
    int32_t cu_q[SEQS + 1] = {0}, row0[SEQS], len[SEQS], slot[SEQS], slot_len[SLOTS] = {4, 6}, first[MAX_ROWS], end[MAX_ROWS],
                        index[MAX_ROWS];
    int32_t rows = 0, most = 0, window = shapes[s->shape].window;
    for (int i = 0; i < SEQS; i++) {
        row0[i] = rows;
        len[i] = shapes[s->shape].len[i];
        rows += len[i];
        most = len[i] > most ? len[i] : most;
        slot[i] = shapes[s->shape].bank ? i % (SLOTS + 1) - 1 : -1;
        cu_q[i + 1] = cu_q[i] + (shapes[s->shape].one ? 1 : len[i]);
        for (int32_t q = cu_q[i]; q < cu_q[i + 1]; q++) {
            index[q] = shapes[s->shape].one ? len[i] - 1 : q - cu_q[i];
            first[q] = window && index[q] >= window ? index[q] - window + 1 : 0;
            end[q] = shapes[s->shape].causal ? index[q] + 1 : len[i];
        }
    }
    b->n_q = cu_q[SEQS];
    b->n_k = rows;
    size_t words = (size_t)b->n_q * sizeof *first;
    b->plan = (lt_attn_plan){.n_seq = SEQS,
                             .n_q = b->n_q,
                             .n_k = b->n_k,
                             .cu_q = lt_side_put(s, cu_q, sizeof cu_q),
                             .k_row0 = lt_side_put(s, row0, sizeof row0),
                             .k_len = lt_side_put(s, len, sizeof len),
                             .first = lt_side_put(s, first, words),
                             .end = lt_side_put(s, end, words),
                             .q_index = lt_side_put(s, index, words),
                             .slot = lt_side_put(s, slot, sizeof slot),
                             .slot_len = lt_side_put(s, slot_len, sizeof slot_len),
                             .n_slots = shapes[s->shape].bank ? SLOTS : 0,
                             .max_q = shapes[s->shape].one ? 1 : most,
                             .max_k = most,
                             .P_max = P_MAX};
}

/* Constants of distances.  Tensor cores multiply them in bf16: here they are numbers that bf16 has. */
static const float *constants(lt_side *s, const problem *b, bool p2c) {
    enum { TABLE = 16 };
    int64_t width = (int64_t)b->args.heads * b->args.head_dim, reach = b->plan.max_k;
    int32_t row[2 * MAX_ROWS];
    for (int32_t d = 0; d < 2 * reach - 1; d++) row[d] = d % TABLE;
    struct lt_rel_pack_args a = {.heads = b->args.heads,
                                 .head_dim = b->args.head_dim,
                                 .reach = reach,
                                 .scale = b->args.scale,
                                 .p2c = p2c,
                                 .row = row,
                                 .from = lt_side_in_rounded(s, TABLE * width).p,
                                 .ld = width};
    a.to = lt_side_in(s, lt_rel_elems(a.heads, a.head_dim, reach, p2c), LT_F32, 0).p;
    LT_SIDE_CALL(s, rel_pack, &a);
    lt_side_did(s, s->st == LT_OK ? s->ctx->ops->wait(s->ctx, NULL) : s->st); /* row is on this stack */
    return a.to;
}

/* Everything but the outputs. */
static void make(lt_side *s, problem *b) {
    int H = shapes[s->shape].heads, Hkv = shapes[s->shape].kv_heads, D = shapes[s->shape].D;
    float slopes[MAX_HEADS];
    *b = (problem){.q = (int64_t)H * D, .kv = (int64_t)Hkv * D};
    make_plan(s, b);
    b->bank = SLOTS * 2 * P_MAX * b->kv;
    for (int h = 0; h < H; h++) slopes[h] = exp2f(-8.0f * (float)(h + 1) / (float)H);
    struct lt_attn_args *a = &b->args;
    *a = (struct lt_attn_args){.plan = &b->plan, .heads = H, .kv_heads = Hkv, .head_dim = D, .scale = 1 / sqrtf((float)D)};
    if (shapes[s->shape].alibi) a->slopes = lt_side_put(s, slopes, (size_t)H * sizeof *slopes);
    a->ld_q = a->ld_dq = b->q;
    a->ld_k = a->ld_v = a->ld_dk = a->ld_dv = 2 * b->kv;
    a->q = lt_side_in(s, b->n_q * b->q, s->dt, 1);
    a->k = lt_side_in(s, b->n_k * 2 * b->kv, s->dt, 1);
    if (a->k.p) a->v = lt_arr_at(a->k, b->kv);
    a->slot_stride = 2 * P_MAX * b->kv;
    if (shapes[s->shape].bank) a->bank = lt_side_in_rounded(s, b->bank).p; /* so does the bank */
    if (!shapes[s->shape].relative) return;
    b->rel = (lt_attn_rel){.reach = b->plan.max_k, .c2p = constants(s, b, false), .p2c = constants(s, b, true)};
    a->rel = &b->rel;
}

/* The limit's name: a GPU makes the products of bf16 rows on tensor cores, whose operands are rounded once more. */
static const char *tol(const lt_side *s, bool lse, lt_dtype out) {
    if (s->ctx->ops->gpu && s->dt == LT_BF16 && !lse) return "attn, products of bf16";
    return s->dt == LT_BF16 && out == LT_F32 ? "attn of bf16" : "attn";
}

bool lt_check_impl_attn_fwd(lt_side *s) {
    problem b;
    if (s->shape == N_SHAPES) return false;
    make(s, &b);
    b.args.o = lt_side_out(s, tol(s, false, s->dt), b.n_q * b.q, s->dt, 1);
    b.args.lse = lt_side_out(s, tol(s, true, LT_F32), b.n_q * b.args.heads, LT_F32, 1).p;
    LT_SIDE_CALL(s, attn_fwd, &b.args);
    return true;
}

bool lt_check_impl_attn_bwd(lt_side *s) {
    problem b;
    if (s->shape == N_SHAPES) return false;
    make(s, &b);
    struct lt_attn_args *a = &b.args;
    a->o = lt_side_in(s, b.n_q * b.q, s->dt, 1);
    a->lse = lt_side_in(s, b.n_q * a->heads, LT_F32, 1).p;
    LT_SIDE_CALL(s, attn_fwd, a);
    a->d_o = lt_side_in(s, b.n_q * b.q, s->dt, 1);
    a->dq = lt_side_out(s, tol(s, false, s->dt), b.n_q * b.q, s->dt, 1);
    a->dk = lt_side_out(s, tol(s, false, s->dt), b.n_k * 2 * b.kv, s->dt, 1);
    if (a->dk.p) a->dv = lt_arr_at(a->dk, b.kv);
    if (a->bank) a->d_bank = lt_side_out(s, tol(s, false, LT_F32), b.bank, LT_F32, 1).p;
    LT_SIDE_CALL(s, attn_bwd, a);
    return true;
}
