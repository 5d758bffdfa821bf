/* Attention of the CPU back end: work split and workspace.  What is done to one unit stands in attn_fwd.c and attn_bwd.c; forward of one query row a
 * sequence goes its own way (attn_one.c).
 *
 * Units.  A unit is one sequence under one kv head and a chunk of the queries that read it, under all their heads.  They are ordered by bank slot, then
 * sequence, then head, and each of the T = ctx->threads shares takes a contiguous range of about equal cost.  A share is a function of the arguments and
 * T alone, whichever thread works it, so results repeat bit for bit.  All heads of a sequence lie together, so its rows are fetched once.
 *
 * Chunks.  Short sequences come in numbers: there a chunk is everything.  From LONG keys on, the tiles of queries of all heads of the group are dealt
 * to chunks, so that a sequence gives up to PIECES units even where it has one kv head (multi-query models) or one head in all.  Each chunk then
 * leaves its share of dk and dv in the workspace, and a second pass adds them up in order.  The cut depends on the sequence alone, never on T.
 *
 * Bank gradient.  In this order only the first and the last slot of a share can be touched by other shares too.  Those two are summed in private
 * buffers of the workspace, which are added to d_bank afterwards in order of the shares; every slot between them belongs to the share alone and is
 * added to in place.  So the workspace does not grow with the number of slots.
 *
 * Workspace: order [n_seq], long_at [n_seq], count [n_slots + 1], part [T][2][2 P_max Hkv D], edge [T][2], chunk sums [chunks][Hkv][2][rows][Dp] where
 * there may be any, and the scratch of each share; linear in the length. */
#include "kernels/attn_impl.h"
#include "kernels/cpu/attn_tile_impl.h"

#include <string.h>

enum {
    LONG = 256, /* keys: below, one unit is too little work to cut */
    PIECES = 8  /* units wanted of a long sequence */
};

typedef struct workspace {
    int32_t *order;   /* [n_seq] sequences by slot; stable */
    int64_t *long_at; /* [n_seq] first row of the sequence in each array of chunk sums; unset where it is not cut */
    int32_t *count;   /* [n_slots + 1] for the sort */
    int32_t *edge;    /* [T][2] first and last slot of the share, -1 = none */
    float *part;      /* [T][2][part_elems] their gradients, laid out like a slot of the bank */
    float *sums;      /* [chunks][Hkv][2][long_rows][Dp] shares of dk and dv */
    int64_t long_rows;
    float *scratch; /* [T][scratch_elems] */
    int64_t part_elems, scratch_elems;
    int64_t keys; /* most keys of a unit */
} workspace;

/* The arrays of a thread, in a block of floats at base (NULL: only counts them).  Returns their number. */
static int64_t carve_scratch(float *base, int64_t keys, int64_t D, bool relative, lt_attn_scratch *w) {
    enum { LINE = LT_ALIGN / (int)sizeof(float) };
    int64_t Dp = lt_attn_round(D), ld = LT_ATTN_QT + (relative ? LT_VL : 0), used = 0, lead = relative ? LINE : 0;
    int64_t margin = relative ? LT_ATTN_MARGIN * ld : 0;
    const struct {
        float **at;
        int64_t n;
    } array[] = {{&w->k, keys * Dp},
                 {&w->v, keys * Dp},
                 {&w->dk, keys * Dp},
                 {&w->dv, keys * Dp},
                 {&w->q, LT_ATTN_QT * Dp},
                 {&w->d_o, LT_ATTN_QT * Dp},
                 {&w->acc, LT_ATTN_QT * Dp},
                 {&w->qt, LT_ATTN_QT * D},
                 {&w->dot, LT_ATTN_QT * D},
                 {&w->s, lead + LT_ATTN_KT * ld},
                 {&w->ds, lead + LT_ATTN_KT * ld + 2 * margin},
                 {&w->band, relative ? (LT_ATTN_KT + LT_ATTN_QT) * LT_ATTN_QT : 0},
                 {&w->top, LT_ATTN_QT},
                 {&w->sum, LT_ATTN_QT},
                 {&w->place, LT_ATTN_QT},
                 {&w->low, LT_ATTN_QT},
                 {&w->high, LT_ATTN_QT}};
    for (size_t i = 0; i < sizeof array / sizeof array[0]; i++) {
        *array[i].at = base ? base + used : NULL;
        used += (array[i].n + LINE - 1) / LINE * LINE;
    }
    if (base) {
        w->s += lead;
        w->ds += lead + margin;
    }
    return used;
}

/* Most units that a kv head gives for a sequence of so many keys. */
static int most_chunks(int kv_heads, int64_t keys) {
    if (kv_heads == 0) return 1; /* a model without attention asks for its workspace */
    return keys < LONG || kv_heads > PIECES / 2 ? 1 : PIECES / kv_heads;
}

static workspace carve(lt_arena *arena, int threads, const lt_dims *d) {
    lt_attn_scratch unused;
    workspace w = {.part_elems = 2 * d->max_prefix * d->kv_heads * d->head_dim, .keys = d->max_prefix + d->max_len};
    int chunks = most_chunks(d->kv_heads, w.keys);
    w.scratch_elems = carve_scratch(NULL, w.keys, d->head_dim, d->relative, &unused);
    w.long_rows = chunks > 1 ? d->rows : 0;
    w.order = lt_arena_take(arena, d->seqs, sizeof *w.order);
    w.long_at = lt_arena_take(arena, d->seqs, sizeof *w.long_at);
    w.count = lt_arena_take(arena, d->slots + 1, sizeof *w.count);
    w.edge = lt_arena_take(arena, threads * 2, sizeof *w.edge);
    w.part = lt_arena_take(arena, threads * 2 * w.part_elems, sizeof *w.part);
    w.sums = lt_arena_take(arena, 2 * chunks * d->kv_heads * w.long_rows * lt_attn_round(d->head_dim), sizeof *w.sums);
    w.scratch = lt_arena_take(arena, threads * w.scratch_elems, sizeof *w.scratch);
    return w;
}

size_t lt_cpu_attn_ws_bytes(const lt_ctx *c, const lt_dims *d) {
    lt_arena arena;
    lt_arena_measure(&arena, "attention");
    carve(&arena, c->threads, d);
    size_t one = lt_attn_impl_one_ws_bytes(c, d);
    return arena.used > one ? arena.used : one;
}

static int32_t slot_of(const struct lt_attn_args *a, int64_t seq) { return a->bank ? a->plan->slot[seq] : -1; }
static int64_t prefix_of(const struct lt_attn_args *a, int64_t seq) { return slot_of(a, seq) < 0 ? 0 : a->plan->slot_len[slot_of(a, seq)]; }

static int chunks_at(const struct lt_attn_args *a, int64_t seq) {
    const lt_attn_plan *p = a->plan;
    int most = most_chunks(a->kv_heads, p->k_len[seq] + prefix_of(a, seq));
    int64_t n = (a->heads / a->kv_heads) * lt_attn_tiles(p->cu_q[seq + 1] - p->cu_q[seq]);
    return n < 1 ? 1 : n < most ? (int)n : most;
}

/* Work of one unit, in arbitrary units: matrix products, and rows packed and stored. */
static int64_t cost_of(const struct lt_attn_args *a, int64_t seq) {
    const lt_attn_plan *p = a->plan;
    int64_t n_q = p->cu_q[seq + 1] - p->cu_q[seq], keys = p->k_len[seq] + prefix_of(a, seq);
    return (n_q + 8) * (keys + 8);
}

/* Checks the plan against the workspace, carves it and sorts the sequences by slot (counting sort, none first).  Chunk sums: backward only. */
static lt_status prepare(const lt_ctx *c, const struct lt_attn_args *a, bool backward, workspace *w) {
    const lt_attn_plan *p = a->plan;
    lt_dims d = {.seqs = p->n_seq, .heads = a->heads, .kv_heads = a->kv_heads, .head_dim = a->head_dim, .relative = a->rel != NULL};
    LT_ASSERT(a->heads % a->kv_heads == 0 && (uintptr_t)c->ws % LT_ALIGN == 0);
    if (a->bank) {
        d.max_prefix = p->P_max;
        d.slots = p->n_slots;
    }
    for (int64_t i = 0; i < p->n_seq; i++) {
        LT_ASSERT(slot_of(a, i) < (int32_t)d.slots && prefix_of(a, i) <= d.max_prefix);
        LT_ASSERT(p->k_row0[i] >= 0 && p->k_len[i] >= 0 && p->k_row0[i] + (int64_t)p->k_len[i] <= p->n_k);
        LT_ASSERT(!a->rel || p->k_len[i] <= a->rel->reach);
        if (p->k_len[i] > d.max_len) d.max_len = p->k_len[i];
        if (backward && chunks_at(a, i) > 1) d.rows += p->k_len[i];
    }
    lt_arena arena = {.purpose = "attention workspace", .base = c->ws, .cap = c->ws_bytes};
    *w = carve(&arena, c->threads, &d);
    LT_TRY(lt_arena_ok(&arena));

    for (int64_t i = 0, at = 0; i < p->n_seq; i++)
        if (chunks_at(a, i) > 1) {
            w->long_at[i] = at;
            at += p->k_len[i];
        }
    memset(w->count, 0, (size_t)(d.slots + 1) * sizeof *w->count);
    for (int64_t i = 0; i < p->n_seq; i++)
        if (slot_of(a, i) + 1 < d.slots) w->count[slot_of(a, i) + 2]++;
    for (int64_t s = 1; s <= d.slots; s++) w->count[s] += w->count[s - 1];
    for (int64_t i = 0; i < p->n_seq; i++) w->order[w->count[slot_of(a, i) + 1]++] = (int32_t)i;
    return LT_OK;
}

/* A walk over the units of share t of T: those whose cost begins in [t, t + 1) T-ths of the whole. */
typedef struct walk {
    int64_t at, from, to, cost; /* cost before the sequence; bounds; cost of one of its kv heads */
    int64_t rank;               /* place of the sequence in the order */
    int piece, chunks;          /* unit of the sequence: kv head * chunks + chunk */
} walk;

/* Moves on to the next unit of the share; false at the end.  Start: rank = 0, piece = -1, cost unset. */
static bool next_unit(walk *k, const struct lt_attn_args *a, const workspace *w) {
    for (k->piece++; k->rank < a->plan->n_seq; k->rank++, k->piece = 0) {
        int64_t seq = w->order[k->rank];
        k->cost = cost_of(a, seq);
        k->chunks = chunks_at(a, seq);
        for (; k->piece < a->kv_heads * k->chunks; k->piece++) {
            int64_t begin = k->at + k->piece * k->cost / k->chunks;
            if (begin >= k->to) return false;
            if (begin >= k->from) return true;
        }
        k->at += a->kv_heads * k->cost;
    }
    return false;
}

/* Share of dk (which = 0) or dv (1) of a chunk, at the first key of a sequence that is cut. */
static float *sums_at(const struct lt_attn_args *a, const workspace *w, int64_t seq, int chunk, int kv, int which) {
    return w->sums + (((int64_t)(chunk * a->kv_heads + kv) * 2 + which) * w->long_rows + w->long_at[seq]) * lt_attn_round(a->head_dim);
}

static lt_attn_unit unit_at(const walk *k, const struct lt_attn_args *a, const workspace *w) {
    const lt_attn_plan *p = a->plan;
    int kv = k->piece / k->chunks, chunk = k->piece % k->chunks, group = a->heads / a->kv_heads;
    int64_t seq = w->order[k->rank], column = (int64_t)kv * a->head_dim;
    lt_attn_unit u = {.a = a, .q0 = p->cu_q[seq], .k0 = p->k_row0[seq], .n_k = p->k_len[seq], .P = prefix_of(a, seq), .kv = kv};
    u.n_q = p->cu_q[seq + 1] - u.q0;
    u.head0 = kv * group;
    u.head1 = u.head0 + group;
    u.chunk = chunk;
    u.chunks = k->chunks;
    if (u.P > 0) u.bank = a->bank + slot_of(a, seq) * a->slot_stride + column;
    if (k->chunks > 1 && w->long_rows > 0) {
        u.dk = sums_at(a, w, seq, chunk, kv, 0);
        u.dv = sums_at(a, w, seq, chunk, kv, 1);
    }
    return u;
}

/* d_bank of a slot += src (laid out alike), rows p0 .. p1 - 1 of keys and values. */
static void add_rows(const struct lt_attn_args *a, int32_t slot, const float *src, int64_t p0, int64_t p1) {
    int64_t row = (int64_t)a->kv_heads * a->head_dim;
    float *dst = a->d_bank + slot * a->slot_stride;
    for (int kv = 0; kv < 2; kv++, src += a->plan->P_max * row, dst += a->plan->P_max * row)
#pragma omp simd
        for (int64_t e = p0 * row; e < p1 * row; e++) dst[e] += src[e];
}

typedef void unit_fn(const lt_attn_unit *u, const lt_attn_scratch *w);

/* Works share t.  Backward: sums the bank gradient of its first slot in part 0, of the slot it is at in part 1, which goes to d_bank when the share
 * moves on to a further slot. */
static void work_share(const lt_ctx *c, const struct lt_attn_args *a, const workspace *w, int64_t total, int t, unit_fn *work,
                       bool backward) {
    lt_attn_scratch scratch;
    carve_scratch(w->scratch + t * w->scratch_elems, w->keys, a->head_dim, a->rel != NULL, &scratch);
    float *part = w->part + 2 * t * w->part_elems;
    int32_t *edge = w->edge + 2 * t;
    edge[0] = edge[1] = -1;
    walk k = {.piece = -1, .from = total * t / c->threads, .to = total * (t + 1) / c->threads};
    while (next_unit(&k, a, w)) {
        lt_attn_unit u = unit_at(&k, a, w);
        int32_t slot = slot_of(a, w->order[k.rank]);
        if (backward && u.P > 0 && a->d_bank && slot < a->plan->n_slots - a->fixed_slots) {
            if (edge[0] < 0) {
                edge[0] = slot;
                memset(part, 0, (size_t)w->part_elems * sizeof *part);
            } else if (slot != edge[0] && slot != edge[1]) {
                if (edge[1] >= 0) add_rows(a, edge[1], part + w->part_elems, 0, a->plan->slot_len[edge[1]]);
                edge[1] = slot;
                memset(part + w->part_elems, 0, (size_t)w->part_elems * sizeof *part);
            }
            u.d_bank = part + (slot == edge[0] ? 0 : w->part_elems) + (int64_t)u.kv * a->head_dim;
        }
        work(&u, &scratch);
    }
}

static lt_status run(const lt_ctx *c, const struct lt_attn_args *a, workspace *w, unit_fn *work, bool backward) {
    LT_TRY(prepare(c, a, backward, w));
    int64_t total = 0;
    for (int64_t i = 0; i < a->plan->n_seq; i++) total += a->kv_heads * cost_of(a, i);
#pragma omp parallel for schedule(static, 1) num_threads(lt_cpu_fork(c, a->plan->n_k * a->heads * a->head_dim))
    for (int t = 0; t < c->threads; t++) work_share(c, a, w, total, t, work, backward);
    return LT_OK;
}

lt_status lt_cpu_attn_fwd(const lt_ctx *c, const struct lt_attn_args *a) {
    workspace w;
    LT_TRY(lt_attn_impl_one_serves(a) ? lt_attn_impl_one(c, a) : run(c, a, &w, lt_attn_impl_fwd, false));
    return LT_OK;
}

/* dk and dv of the sequences that were cut: their chunks' shares, added in order. */
static void add_chunks(const lt_ctx *c, const struct lt_attn_args *a, const workspace *w) {
    const lt_attn_plan *p = a->plan;
    int64_t D = a->head_dim, Dp = lt_attn_round(D);
#pragma omp parallel for schedule(static) collapse(2) num_threads(lt_cpu_fork(c, w->long_rows *D))
    for (int64_t i = 0; i < p->n_seq; i++)
        for (int piece = 0; piece < 2 * a->kv_heads; piece++) {
            int chunks = chunks_at(a, i), kv = piece / 2, which = piece % 2;
            if (chunks == 1) continue;
            float *sum = sums_at(a, w, i, 0, kv, which);
            for (int k = 1; k < chunks; k++) {
                const float *share = sums_at(a, w, i, k, kv, which);
#pragma omp simd
                for (int64_t e = 0; e < p->k_len[i] * Dp; e++) sum[e] += share[e];
            }
            lt_attn_impl_store(which ? a->dv : a->dk, p->k_row0[i] * (which ? a->ld_dv : a->ld_dk) + kv * D, which ? a->ld_dv : a->ld_dk,
                               p->k_len[i], D, sum, NULL);
        }
}

lt_status lt_cpu_attn_bwd(const lt_ctx *c, const struct lt_attn_args *a) {
    workspace w;
    LT_TRY(run(c, a, &w, lt_attn_impl_bwd, true));
    if (w.long_rows > 0) add_chunks(c, a, &w);
    if (!a->bank || !a->d_bank) return LT_OK;
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, c->threads *w.part_elems))
    for (int64_t p = 0; p < a->plan->P_max; p++)
        for (int i = 0; i < 2 * c->threads; i++)
            if (w.edge[i] >= 0 && p < a->plan->slot_len[w.edge[i]]) add_rows(a, w.edge[i], w.part + i * w.part_elems, p, p + 1);
    return LT_OK;
}
