/* Attention forward of one query row a sequence, as a step of generation has it: reading the cache is the cost.
 *
 * Keys and values are read once, where they lie, a block of keys at a time under all heads, in the order of memory; the query heads of a kv head share
 * it.  The softmax is carried along as in attn_fwd.c.
 *
 * Pieces.  A long sequence is cut into pieces of equal numbers of keys, so that one sequence with one kv head keeps all threads busy.  What a piece makes of
 * its keys is left in the workspace as a part (largest score, sum, weighted values of every head), and parts are put together in order.  The cut depends
 * on the number of keys alone, so results depend neither on threads nor on neighbours.
 *
 * Workspace: list of pieces, parts, scratch of each thread; it does not grow with the cache. */
#include "kernels/attn_impl.h"
#include "kernels/cpu/attn_tile_impl.h"
#include "kernels/cpu/few_impl.h"

#include <omp.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
enum {
    KEYS = LT_FEW_STRIP,         /* of a block */
    GROUP = 16,                  /* query heads that take a block together */
    LONG = 256,                  /* keys: less is not cut */
    SUMS = LT_VL == 16 ? 16 : 8, /* vectors of sums in registers */
    PIECES = 64,                 /* wanted where there is enough to cut; together they leave at most twice as many parts */
};

/* Softmax over some keys of a sequence, all heads: what came of it so far. */
typedef struct part {
    float *top, *sum; /* [H] largest score, sum of exp(score - top) */
    float *acc;       /* [H][Dp] sum of values by these weights */
} part;

/* What a thread works in. */
typedef struct scratch {
    float *q; /* [H][D] */
    float *s; /* [GROUP][KEYS] scores, then weights */
    float *v; /* [KEYS][Dp] values with zeros up to whole vectors, where D is none of these */
    part own;
} scratch;

/* Keys [k0, k1) of all that a sequence's query sees, prefix first. */
typedef struct piece {
    int64_t seq, k0, k1;
    int64_t part; /* -1: the only piece */
} piece;

typedef struct job {
    const struct lt_attn_args *a;
    int threads;
    int64_t heads, D, Dp;
    int64_t n_pieces, n_parts;
    piece *piece;
    part *part;
    scratch *scratch; /* [threads] */
} job;

/* Keys of a piece of a sequence of so many: at least LONG, whole blocks; and pieces: one for its query even if that sees nothing. */
static int64_t length_of(int64_t keys) {
    int64_t length = ((keys + PIECES - 1) / PIECES + KEYS - 1) / KEYS * KEYS;
    return length < LONG ? LONG : length;
}
static int64_t pieces_of(int64_t keys) { return keys > 0 ? (keys + length_of(keys) - 1) / length_of(keys) : 1; }

static part take_part(lt_arena *arena, const job *j) {
    return (part){.top = lt_arena_take(arena, j->heads, sizeof(float)),
                  .sum = lt_arena_take(arena, j->heads, sizeof(float)),
                  .acc = lt_arena_take(arena, j->heads * j->Dp, sizeof(float))};
}

/* Carves the arrays of so many pieces and parts, or only counts them. */
static lt_status carve(lt_arena *arena, job *j) {
    j->piece = lt_arena_take(arena, j->n_pieces, sizeof *j->piece);
    j->part = lt_arena_take(arena, j->n_parts, sizeof *j->part);
    j->scratch = lt_arena_take(arena, j->threads, sizeof *j->scratch);
    LT_TRY(lt_arena_ok(arena));
    for (int64_t i = 0; i < j->n_parts; i++) {
        part p = take_part(arena, j);
        if (j->part) j->part[i] = p;
    }
    for (int t = 0; t < j->threads; t++) {
        scratch w = {.q = lt_arena_take(arena, j->heads * j->D, sizeof(float)),
                     .s = lt_arena_take(arena, GROUP * KEYS, sizeof(float)),
                     .v = lt_arena_take(arena, KEYS * j->Dp, sizeof(float)),
                     .own = take_part(arena, j)};
        if (j->scratch) j->scratch[t] = w;
    }
    return lt_arena_ok(arena);
}

size_t lt_attn_impl_one_ws_bytes(const lt_ctx *c, const lt_dims *d) {
    lt_arena arena;
    job j = {.threads = c->threads, .heads = d->heads, .D = d->head_dim, .Dp = lt_attn_round(d->head_dim)};
    int64_t most = pieces_of(d->max_len + d->max_prefix);
    j.n_pieces = d->seqs * most;
    j.n_parts = most > 1 ? j.n_pieces : 0;
    lt_arena_measure(&arena, "attention of one query");
    (void)carve(&arena, &j); /* cannot fail: nothing is taken */
    return arena.used;
}

/* ---- one block of keys ---- */

static void start(const job *j, const part *p) {
    for (int64_t h = 0; h < j->heads; h++) {
        p->top[h] = -INFINITY;
        p->sum[h] = 0.0f;
    }
    memset(p->acc, 0, (size_t)(j->heads * j->Dp) * sizeof *p->acc);
}

/* Makes room for scores up to top: a part is worth less by the factor that is returned. */
static float raise(const job *j, const part *p, int h, float top) {
    float base = top == -INFINITY ? 0.0f : top, f = lt_vf_exp(lt_vf_set(p->top[h] - base))[0];
    if (f != 1.0f) {
        p->sum[h] *= f;
        for (int64_t d = 0; d < j->Dp; d += LT_VL) lt_vf_store(p->acc + h * j->Dp + d, lt_vf_load(p->acc + h * j->Dp + d) * f);
    }
    p->top[h] = top;
    return base;
}

/* Products s [KEYS] of head h with n keys, the first of them `place` behind the query -> scores -> weights. */
static void soften(const job *j, const part *p, int h, float *s, int64_t n, int64_t place) {
    float slope = j->a->slopes ? j->a->slopes[h] : 0.0f, top = p->top[h];
    int64_t np = lt_attn_round(n);
    for (int64_t k = 0; k < n; k++) {
        s[k] = j->a->scale * s[k] + slope * (float)(place + k);
        top = s[k] > top ? s[k] : top;
    }
    for (int64_t k = n; k < np; k++) s[k] = -INFINITY;
    lt_vf base = lt_vf_set(raise(j, p, h, top)), sum = {0};
    for (int64_t k = 0; k < np; k += LT_VL) {
        lt_vf e = lt_vf_exp(lt_vf_load(s + k) - base);
        lt_vf_store(s + k, e);
        sum += e;
    }
    for (int i = 0; i < LT_VL; i++) p->sum[h] += sum[i];
}

/* acc [R][NV vectors] += weights s [R][KEYS] times n rows of v, ld apart, each fetching the row `ahead` elements further on. */
INLINE void weigh_strip(bool wide, int NV, int R, int64_t n, const float *s, const char *v, int64_t ld, int64_t ahead, float *acc,
                        int64_t Dp) {
    const int64_t size = wide ? 2 : 4;
    lt_vf sum[SUMS], x[SUMS];
    for (int r = 0; r < R; r++)
        for (int i = 0; i < NV; i++) sum[r * NV + i] = lt_vf_load(acc + r * Dp + i * LT_VL);
    for (int64_t k = 0; k < n; k++, v += ld * size) {
        for (int i = 0; i < NV; i++) {
            x[i] = wide ? lt_vf_load_bf16((const uint16_t *)(const void *)v + i * LT_VL)
                        : lt_vf_load_loose((const float *)(const void *)v + i * LT_VL);
            LT_PIN(x[i]);
            if (i * LT_VL * size % LT_ALIGN == 0) lt_few_fetch(v + ahead * size + i * LT_VL * size);
        }
        for (int r = 0; r < R; r++) {
            lt_vf weight = lt_vf_set(s[r * KEYS + k]);
            for (int i = 0; i < NV; i++) sum[r * NV + i] += weight * x[i];
        }
    }
    for (int r = 0; r < R; r++)
        for (int i = 0; i < NV; i++) lt_vf_store(acc + r * Dp + i * LT_VL, sum[r * NV + i]);
}

/* The same for all vectors of a row. */
INLINE void weigh_rows(bool wide, int R, int64_t n, const float *s, lt_arr v, int64_t ld, int64_t ahead, float *acc, int64_t Dp) {
    enum { MOST = SUMS / 2 };
    const int NV = SUMS / R < MOST ? SUMS / R : MOST;
    int64_t d = 0;
    for (; d + NV * LT_VL <= Dp; d += NV * LT_VL) weigh_strip(wide, NV, R, n, s, lt_arr_at(v, d).p, ld, ahead, acc + d, Dp);
    for (; d < Dp; d += LT_VL) weigh_strip(wide, 1, R, n, s, lt_arr_at(v, d).p, ld, ahead, acc + d, Dp);
}

/* acc [heads][Dp] += weights s [heads][KEYS] times n rows of v. */
static void weigh(int heads, int64_t n, const float *s, lt_arr v, int64_t ld, float *acc, int64_t Dp) {
    int64_t ahead = KEYS * ld;
    for (int h = 0; h < heads;) {
        int left = heads - h, step = left >= 4 ? 4 : left >= 2 ? 2 : 1;
        const float *from = s + h * KEYS;
        float *to = acc + h * Dp;
        if (v.dt == LT_BF16) switch (step) {
            case 1:
                weigh_rows(true, 1, n, from, v, ld, ahead, to, Dp);
                break;
            case 2:
                weigh_rows(true, 2, n, from, v, ld, ahead, to, Dp);
                break;
            default:
                weigh_rows(true, 4, n, from, v, ld, ahead, to, Dp);
            }
        else
            switch (step) {
            case 1:
                weigh_rows(false, 1, n, from, v, ld, ahead, to, Dp);
                break;
            case 2:
                weigh_rows(false, 2, n, from, v, ld, ahead, to, Dp);
                break;
            default:
                weigh_rows(false, 4, n, from, v, ld, ahead, to, Dp);
            }
        h += step;
    }
}

/* Rows of keys and values, ld elements apart, each [kv_heads][D]. */
typedef struct rows {
    lt_arr k, v; /* the first row */
    int64_t ld_k, ld_v, n;
    int64_t place; /* of the first, counted from the query's */
} rows;

static void add_block(const job *j, const scratch *w, const part *p, const void *q, const rows *b) {
    const struct lt_attn_args *a = j->a;
    int group = a->heads / a->kv_heads;
    bool native = q && b->k.dt == LT_BF16;
    lt_few_kernel multiply = native ? lt_few_impl_dots_bf16 : b->k.dt == LT_BF16 ? lt_few_impl_dots_wide : lt_few_impl_dots_f32;
    for (int kv = 0; kv < a->kv_heads; kv++) {
        lt_arr v = lt_arr_at(b->v, kv * j->D);
        int64_t ld_v = b->ld_v;
        if (j->Dp != j->D) {
            lt_attn_impl_load(b->v, kv * j->D, b->ld_v, b->n, j->D, w->v);
            v = lt_arr_f32(w->v);
            ld_v = j->Dp;
        }
        for (int h = kv * group, some; h < (kv + 1) * group; h += some) {
            some = (int)lt_cpu_min(GROUP, (kv + 1) * group - h);
            lt_few f = {.rows = some, .N = b->n, .K = j->D, .w = lt_arr_at(b->k, kv * j->D).p, .ld = b->ld_k};
            f.x = native ? (const void *)((const uint16_t *)q + h * j->D) : w->q + h * j->D;
            multiply(&f, 0, b->n, w->s);
            for (int i = 0; i < some; i++) soften(j, p, h + i, w->s + i * KEYS, b->n, b->place);
            weigh(some, b->n, w->s, v, ld_v, p->acc + h * j->Dp, j->Dp);
        }
    }
}

/* ---- sequences and pieces ---- */

/* Prefix rows of a sequence, and how many keys its query sees together with them. */
static int64_t prefix_of(const struct lt_attn_args *a, int64_t seq) {
    int32_t slot = a->bank ? a->plan->slot[seq] : -1;
    return slot < 0 ? 0 : a->plan->slot_len[slot];
}
static int64_t keys_of(const struct lt_attn_args *a, int64_t seq) {
    const lt_attn_plan *p = a->plan;
    int64_t row = p->cu_q[seq], text = p->end[row] - p->first[row];
    return prefix_of(a, seq) + (text > 0 ? text : 0);
}
static bool has_query(const struct lt_attn_args *a, int64_t seq) { return a->plan->cu_q[seq + 1] > a->plan->cu_q[seq]; }

/* Counts pieces and parts; then, with arrays to put them in, lists them. */
static void count_pieces(job *j) {
    for (int64_t i = 0; i < j->a->plan->n_seq; i++) {
        int64_t n = has_query(j->a, i) ? pieces_of(keys_of(j->a, i)) : 0;
        j->n_pieces += n;
        j->n_parts += n > 1 ? n : 0;
    }
}
static void list_pieces(const job *j) {
    int64_t at = 0, parts = 0;
    for (int64_t i = 0; i < j->a->plan->n_seq; i++) {
        if (!has_query(j->a, i)) continue;
        int64_t keys = keys_of(j->a, i), n = pieces_of(keys), length = length_of(keys);
        for (int64_t k = 0; k < n; k++)
            j->piece[at++] = (piece){.seq = i, .k0 = k * length, .k1 = lt_cpu_min((k + 1) * length, keys), .part = n > 1 ? parts++ : -1};
    }
}

/* Adds the keys of a piece to p. */
static void add_keys(const job *j, const scratch *w, const part *p, const piece *of) {
    const struct lt_attn_args *a = j->a;
    const lt_attn_plan *plan = a->plan;
    int64_t row = plan->cu_q[of->seq], P = prefix_of(a, of->seq), width = a->kv_heads * j->D;
    lt_arr q = lt_arr_at(a->q, row * a->ld_q);
    const void *as_is = q.dt == LT_BF16 && lt_few_impl_native() ? q.p : NULL; /* where keys are bf16 too */
    for (int64_t i = 0, n = j->heads * j->D; i < n; i += LT_CPU_CHUNK) {
        float buf[LT_CPU_CHUNK];
        int64_t some = lt_cpu_min(LT_CPU_CHUNK, n - i);
        memcpy(w->q + i, lt_cpu_load(q, i, some, buf), (size_t)some * sizeof *w->q);
    }
    rows b;
    for (int64_t k = of->k0; k < of->k1; k += b.n) {
        b.n = lt_cpu_min(KEYS, (k < P ? lt_cpu_min(P, of->k1) : of->k1) - k);
        b.place = (k < P ? k : plan->first[row] + k) - P - plan->q_index[row];
        if (k < P) {
            b.k = lt_arr_f32((float *)(uintptr_t)a->bank + plan->slot[of->seq] * a->slot_stride + k * width);
            b.v = lt_arr_at(b.k, plan->P_max * width);
            b.ld_k = b.ld_v = width;
        } else {
            int64_t at = plan->k_row0[of->seq] + plan->first[row] + k - P;
            b.k = lt_arr_at(a->k, at * a->ld_k);
            b.v = lt_arr_at(a->v, at * a->ld_v);
            b.ld_k = a->ld_k;
            b.ld_v = a->ld_v;
        }
        add_block(j, w, p, as_is, &b);
    }
}

/* o and lse of head h of a query row. */
static void finish(const job *j, const part *p, int64_t row, int h) {
    const struct lt_attn_args *a = j->a;
    float factor = p->sum[h] == 0.0f ? 0.0f : 1.0f / p->sum[h];
    a->lse[row * a->heads + h] = p->top[h] + logf(p->sum[h]);
    lt_attn_impl_store(a->o, (row * a->heads + h) * a->head_dim, a->head_dim, 1, a->head_dim, p->acc + h * j->Dp, &factor);
}

static void work_piece(const job *j, const scratch *w, const piece *i) {
    const part *p = i->part < 0 ? &w->own : &j->part[i->part];
    start(j, p);
    add_keys(j, w, p, i);
    for (int h = 0; i->part < 0 && h < j->heads; h++) finish(j, p, j->a->plan->cu_q[i->seq], h);
}

/* Head h of the sequences that were cut: adds later parts to the first. */
static void join_head(const job *j, int h) {
    for (const piece *i = j->piece, *end = i + j->n_pieces; i < end; i++) {
        if (i->part < 0) continue;
        const part *sum = &j->part[i->part];
        for (; i + 1 < end && i[1].seq == i->seq; i++) {
            const part *p = &j->part[i[1].part];
            float top = p->top[h] > sum->top[h] ? p->top[h] : sum->top[h];
            raise(j, sum, h, top);
            raise(j, p, h, top);
            sum->sum[h] += p->sum[h];
            lt_cpu_add_to(j->Dp, p->acc + h * j->Dp, sum->acc + h * j->Dp);
        }
        finish(j, sum, j->a->plan->cu_q[i->seq], h);
    }
}

bool lt_attn_impl_one_serves(const struct lt_attn_args *a) { return a->plan->max_q == 1 && !a->rel; }

lt_status lt_attn_impl_one(const lt_ctx *c, const struct lt_attn_args *a) {
    job j = {.a = a, .threads = c->threads, .heads = a->heads, .D = a->head_dim, .Dp = lt_attn_round(a->head_dim)};
    lt_arena arena = {.purpose = "attention workspace", .base = c->ws, .cap = c->ws_bytes};
    count_pieces(&j);
    LT_TRY(carve(&arena, &j));
    list_pieces(&j);
#pragma omp parallel for schedule(dynamic) num_threads(lt_cpu_fork(c, j.n_pieces *LONG * a->heads * a->head_dim))
    for (int64_t i = 0; i < j.n_pieces; i++) work_piece(&j, &j.scratch[omp_get_thread_num()], &j.piece[i]);
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, j.n_parts * a->heads * a->head_dim))
    for (int h = 0; h < a->heads; h++) join_head(&j, h);
    return LT_OK;
}
