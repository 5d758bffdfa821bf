// TEST rooms: kernels  labels: unit  timeout: 180  omp: 3  ops: cuda-emulated
/* Attention over intervals of keys: windows, queries that see nothing, caches with spare rows, decoding, multi-query models, long sequences, relative
 * positions, ALiBi of queries that do not start at place 0.
 *
 * The reference is held against a forward written here from the rule of each mask, not from the intervals, and against its own differences.  The fast code is
 * held against the reference on every level of the kernels that this CPU runs, with 1, 2 and 3 threads, in a workspace of exactly the promised size
 * that is NaN before each call.  Rows between sequences and unused rows of the bank are NaN on the way in; on the way out they must be as they were.
 * Controls: a mask that is off by one key, a place that is off by one, a NaN in a row that is read, one output that is off. */
#include "kernels_util.h"

#include "kernels/cpu.h"

enum { MAX_SEQ = 6, MAX_ROWS = 18000, SLOTS = 2 };
static const float sentinel = -77.5f; /* exact in bf16 */

typedef enum mask { ALL, CAUSAL, WINDOW, WINDOW_BOTH, BLIND } mask;

typedef struct layout {
    const char *name;
    int heads, kv, D, bf16;
    mask mask;
    int window;
    int P;            /* rows of the longer of two bank slots; 0: no bank */
    int alibi, spare; /* spare: rows of the cache behind (and before) the keys of each sequence */
    int c2p, p2c;     /* has these constants of distances */
    int step;         /* 0 and 1: queries stand one behind the other; fast against reference only: every step-th place */
    struct {
        int q, k; /* query rows, which stand at the last places of the keys; key rows */
    } seq[MAX_SEQ];
} layout;

/* Against the rule of the mask and differences. */
static const layout tiny[] = {
    {.name = "tiny window", .heads = 2, .kv = 1, .D = 3, .mask = WINDOW, .window = 3, .P = 2, .spare = 2, .seq = {{5, 5}, {2, 6}, {1, 4}}},
    {.name = "tiny window of both sides",
     .heads = 2,
     .kv = 2,
     .D = 2,
     .mask = WINDOW_BOTH,
     .window = 2,
     .alibi = 1,
     .seq = {{5, 5}, {3, 7}}},
    {.name = "tiny blind rows", .heads = 2, .kv = 1, .D = 3, .mask = BLIND, .window = 4, .spare = 1, .seq = {{9, 9}, {3, 3}, {2, 4}}},
    {.name = "tiny blind rows, bank", .heads = 2, .kv = 2, .D = 3, .mask = BLIND, .window = 4, .P = 2, .seq = {{5, 5}, {3, 3}}},
    {.name = "tiny c2p and p2c", .heads = 2, .kv = 2, .D = 2, .c2p = 1, .p2c = 1, .P = 2, .spare = 1, .seq = {{6, 6}, {2, 8}}},
    {.name = "tiny c2p", .heads = 2, .kv = 1, .D = 2, .mask = CAUSAL, .c2p = 1, .seq = {{7, 7}, {1, 3}}},
    {.name = "tiny p2c, ALiBi", .heads = 4, .kv = 2, .D = 2, .mask = BLIND, .window = 5, .p2c = 1, .alibi = 1, .seq = {{6, 6}, {2, 7}}},
};

/* Fast against reference. */
static const layout fast[] = {
    {.name = "window", .heads = 4, .kv = 2, .D = 16, .mask = WINDOW, .window = 70, .P = 5, .seq = {{300, 300}, {40, 40}, {129, 129}}},
    {.name = "window, no bank", .heads = 2, .kv = 2, .D = 32, .mask = WINDOW, .window = 20, .seq = {{200, 200}, {1, 150}, {64, 64}}},
    {.name = "window of both sides", .heads = 2, .kv = 2, .D = 20, .mask = WINDOW_BOTH, .window = 33, .seq = {{200, 200}, {64, 64}}},
    {.name = "window of one key", .heads = 2, .kv = 1, .D = 8, .mask = WINDOW, .window = 1, .P = 3, .seq = {{200, 200}, {5, 5}}},
    {.name = "window, bf16", .heads = 2, .kv = 1, .D = 20, .bf16 = 1, .mask = WINDOW, .window = 30, .P = 4, .seq = {{150, 150}, {20, 90}}},
    {.name = "blind rows", .heads = 4, .kv = 2, .D = 16, .mask = BLIND, .window = 90, .seq = {{160, 160}, {3, 3}, {60, 200}, {1, 9}}},
    {.name = "blind rows, bank", .heads = 4, .kv = 4, .D = 16, .mask = BLIND, .window = 40, .P = 7, .seq = {{160, 160}, {3, 3}, {60, 200}}},
    {.name = "blind rows, bf16",
     .heads = 2,
     .kv = 2,
     .D = 5,
     .bf16 = 1,
     .mask = BLIND,
     .window = 40,
     .alibi = 1,
     .seq = {{100, 100}, {3, 3}}},
    {.name = "cache",
     .heads = 4,
     .kv = 1,
     .D = 32,
     .mask = CAUSAL,
     .P = 6,
     .spare = 40,
     .seq = {{1, 300}, {5, 64}, {1, 1}, {0, 9}, {7, 7}}},
    {.name = "cache, window, bf16",
     .heads = 2,
     .kv = 2,
     .D = 16,
     .bf16 = 1,
     .mask = WINDOW,
     .window = 9,
     .spare = 3,
     .seq = {{3, 80}, {1, 33}}},
    {.name = "decoding", .heads = 8, .kv = 1, .D = 64, .mask = CAUSAL, .alibi = 1, .spare = 64, .seq = {{1, 1500}}},
    {.name = "decoding, window", .heads = 8, .kv = 4, .D = 40, .mask = WINDOW, .window = 300, .P = 9, .seq = {{1, 1500}, {1, 700}, {1, 2}}},
    {.name = "one query each, bf16",
     .heads = 4,
     .kv = 1,
     .D = 256,
     .bf16 = 1,
     .mask = CAUSAL,
     .P = 5,
     .spare = 3,
     .seq = {{1, 900}, {1, 64}, {1, 65}, {0, 30}, {1, 257}, {1, 2}}},
    {.name = "one query each, 20:1, bf16",
     .heads = 20,
     .kv = 1,
     .D = 80,
     .bf16 = 1,
     .mask = WINDOW,
     .window = 600,
     .alibi = 1,
     .P = 70,
     .seq = {{1, 700}, {1, 20}}},
    {.name = "one query each, 12 heads", .heads = 12, .kv = 12, .D = 32, .mask = CAUSAL, .P = 2, .seq = {{1, 400}, {1, 33}}},
    {.name = "one query each, D 33", .heads = 6, .kv = 2, .D = 33, .bf16 = 1, .P = 4, .seq = {{1, 300}, {1, 129}}},
    {.name = "one blind query", .heads = 4, .kv = 4, .D = 32, .mask = BLIND, .window = 40, .seq = {{1, 10}, {1, 12}, {1, 50}, {1, 180}}},
    {.name = "one blind query, bank",
     .heads = 4,
     .kv = 2,
     .D = 32,
     .mask = BLIND,
     .window = 40,
     .P = 3,
     .seq = {{1, 10}, {1, 12}, {1, 50}}},
    {.name = "one query, pieces of more than the least", .heads = 2, .kv = 1, .D = 8, .mask = CAUSAL, .seq = {{1, 17000}, {1, 700}}},
    {.name = "71:1", .heads = 71, .kv = 1, .D = 8, .mask = CAUSAL, .P = 6, .seq = {{40, 300}, {20, 20}, {250, 250}}},
    {.name = "71:1, bf16", .heads = 71, .kv = 1, .D = 8, .bf16 = 1, .mask = CAUSAL, .P = 2, .seq = {{30, 260}, {9, 9}}},
    {.name = "one long sequence", .heads = 3, .kv = 1, .D = 16, .mask = CAUSAL, .seq = {{600, 600}}},
    {.name = "one long sequence, 1 head", .heads = 1, .kv = 1, .D = 32, .P = 5, .seq = {{600, 600}}},
    {.name = "c2p and p2c", .heads = 4, .kv = 4, .D = 32, .c2p = 1, .p2c = 1, .P = 5, .spare = 2, .seq = {{90, 90}, {13, 13}, {1, 70}}},
    {.name = "c2p, window, bf16",
     .heads = 2,
     .kv = 2,
     .D = 16,
     .bf16 = 1,
     .mask = WINDOW,
     .window = 50,
     .c2p = 1,
     .P = 2,
     .seq = {{120, 120}}},
    {.name = "p2c, cut", .heads = 6, .kv = 1, .D = 8, .mask = BLIND, .window = 200, .p2c = 1, .seq = {{60, 280}, {30, 30}}},
    {.name = "c2p and p2c, long", .heads = 4, .kv = 2, .D = 16, .c2p = 1, .p2c = 1, .P = 3, .seq = {{300, 300}}},
    {.name = "c2p, long", .heads = 4, .kv = 4, .D = 16, .mask = CAUSAL, .c2p = 1, .seq = {{300, 300}}},
    {.name = "c2p and p2c of many short ones",
     .heads = 3,
     .kv = 3,
     .D = 64,
     .c2p = 1,
     .p2c = 1,
     .seq = {{24, 24}, {17, 17}, {3, 3}, {4, 4}, {48, 48}}},
    {.name = "c2p and p2c, D 20, a prefix of a block",
     .heads = 2,
     .kv = 2,
     .D = 20,
     .c2p = 1,
     .p2c = 1,
     .P = 64,
     .seq = {{66, 66}, {50, 50}}},
    {.name = "c2p and p2c, places from 32 on, bf16",
     .heads = 2,
     .kv = 2,
     .D = 32,
     .bf16 = 1,
     .c2p = 1,
     .p2c = 1,
     .P = 3,
     .seq = {{60, 92}, {20, 52}, {20, 51}, {1, 9}}},
    {.name = "both, D 64, bf16",
     .heads = 1,
     .kv = 1,
     .D = 64,
     .bf16 = 1,
     .c2p = 1,
     .p2c = 1,
     .P = 3,
     .seq = {{70, 70}, {14, 14}, {33, 33}}},
    {.name = "p2c, bf16", .heads = 2, .kv = 2, .D = 40, .bf16 = 1, .mask = CAUSAL, .p2c = 1, .seq = {{40, 80}, {17, 17}}},
    {.name = "both, steps, bf16",
     .heads = 2,
     .kv = 2,
     .D = 32,
     .bf16 = 1,
     .c2p = 1,
     .p2c = 1,
     .step = 2,
     .P = 2,
     .seq = {{20, 45}, {1, 9}}},
    {.name = "both, 3:1, steps, bf16", .heads = 3, .kv = 1, .D = 16, .bf16 = 1, .c2p = 1, .p2c = 1, .step = 2, .seq = {{10, 45}, {3, 9}}},
    {.name = "both, window, bf16",
     .heads = 2,
     .kv = 2,
     .D = 24,
     .bf16 = 1,
     .mask = WINDOW,
     .window = 20,
     .c2p = 1,
     .p2c = 1,
     .seq = {{90, 90}}},
    {.name = "ALiBi, far places", .heads = 4, .kv = 2, .D = 16, .mask = CAUSAL, .alibi = 1, .P = 4, .seq = {{20, 90}, {1, 40}, {9, 9}}},
};

enum { N_REL = 13 };

typedef enum output { O, LSE, DQ, DK, DV, D_BANK, N_OUT } output;
static const char *const output_name[] = {"o", "lse", "dq", "dk", "dv", "d_bank"};

typedef struct problem {
    const layout *l;
    lt_attn_plan plan;
    lt_attn_rel rel;
    lt_arr c2p, p2c;                                      /* [N_REL, heads * D] */
    int32_t c2p_row[2 * MAX_ROWS], p2c_row[2 * MAX_ROWS]; /* by distance */
    struct lt_attn_args args;
    lt_arr out[N_OUT];
    int64_t n[N_OUT];
    float slopes[128];
    int32_t cu_q[MAX_SEQ + 1], k_row0[MAX_SEQ], k_len[MAX_SEQ], slot[MAX_SEQ], slot_len[SLOTS];
    int32_t first[MAX_ROWS], end[MAX_ROWS], q_index[MAX_ROWS];
    bool used[MAX_ROWS]; /* key rows of some sequence */
} problem;

/* The rule: does the query at place i see the key at place j?  Blind rows: three in seven, and two whole tiles of the fast code. */
static bool sees(const layout *l, int64_t i, int64_t j) {
    if (l->mask == BLIND) return i % 7 >= 3 && (i < 48 || i >= 144) && j <= i && i - j < l->window;
    if (l->mask == WINDOW) return j <= i && i - j < l->window;
    if (l->mask == WINDOW_BOTH) return llabs(i - j) < l->window;
    return l->mask == ALL || j <= i;
}

static void make_plan(problem *b) {
    const layout *l = b->l;
    lt_attn_plan *p = &b->plan;
    *p = (lt_attn_plan){.cu_q = b->cu_q,
                        .k_row0 = b->k_row0,
                        .k_len = b->k_len,
                        .first = b->first,
                        .end = b->end,
                        .q_index = b->q_index,
                        .slot = b->slot,
                        .slot_len = b->slot_len};
    if (l->P) {
        b->slot_len[0] = l->P / 2;
        b->slot_len[1] = l->P;
        p->n_slots = SLOTS;
        p->P_max = l->P + 2;
    }
    for (int i = 0; i < MAX_SEQ && l->seq[i].k > 0; i++, p->n_seq++) {
        int32_t n = l->seq[i].k;
        b->k_row0[i] = (int32_t)p->n_k + l->spare;
        b->k_len[i] = n;
        b->slot[i] = l->P ? 1 - i % 3 : -1; /* 1, 0, none, ... */
        for (int32_t q = 0; q < l->seq[i].q; q++, p->n_q++) {
            int32_t at = n - 1 - (l->seq[i].q - 1 - q) * (l->step ? l->step : 1), first = 0, end = n;
            while (first < n && !sees(l, at, first)) first++;
            while (end > first && !sees(l, at, end - 1)) end--;
            if (first == n && q % 3 != 1) first = q % 3 ? n / 2 : 0, end = 0; /* the three ways to say nothing */
            b->first[p->n_q] = first;
            b->end[p->n_q] = end;
            b->q_index[p->n_q] = at;
        }
        b->cu_q[i + 1] = (int32_t)p->n_q;
        for (int32_t j = 0; j < n; j++) b->used[b->k_row0[i] + j] = true;
        p->n_k = b->k_row0[i] + n + l->spare;
        p->max_q = l->seq[i].q > p->max_q ? l->seq[i].q : p->max_q;
        p->max_k = n > p->max_k ? n : p->max_k;
    }
}

/* Rows of n numbers, those of keys NaN where no sequence has them. */
static lt_arr key_rows(const problem *b, int64_t n, lt_dtype dt) {
    lt_arr a = test_random(b->plan.n_k * n, dt, 1);
    for (int64_t i = 0; i < b->plan.n_k * n; i++)
        if (!b->used[i / n]) test_set(a, i, NAN);
    return a;
}

/* The reference computes with the same numbers as a GPU, whose operands are bf16. */
static void as_operands(lt_arr a, int64_t n) {
    for (int64_t i = 0; i < n && test_on_gpu(); i++) test_set(a, i, (double)lt_bf16_to_f32(lt_f32_to_bf16(test_get(a, i))));
}

/* Constants of the distances, and how the op wants them. */
static const float *constants(const problem *b, bool p2c, const int32_t *row, lt_arr *from) {
    const layout *l = b->l;
    *from = test_random((int64_t)N_REL * l->heads * l->D, LT_F32, 1);
    if (l->bf16) as_operands(*from, (int64_t)N_REL * l->heads * l->D);
    lt_arr to = test_new(lt_rel_elems(l->heads, l->D, b->rel.reach, p2c), LT_F32);
    struct lt_rel_pack_args a = {.heads = l->heads,
                                 .head_dim = l->D,
                                 .reach = b->rel.reach,
                                 .scale = 1.0f / sqrtf((float)l->D),
                                 .p2c = p2c,
                                 .row = row,
                                 .from = from->p,
                                 .ld = (int64_t)l->heads * l->D,
                                 .to = to.p};
    CHECK_OK(lt_ops_ref()->rel_pack(&(lt_ctx){.threads = 1}, &a));
    return to.p;
}

static problem *problem_new(const layout *l) {
    problem *b = test_memory(sizeof *b); /* ops read the plan's arrays */
    if (!b) exit(1);
    memset(b, 0, sizeof *b);
    b->l = l;
    make_plan(b);
    lt_attn_plan *p = &b->plan;
    lt_dtype dt = l->bf16 ? LT_BF16 : LT_F32;
    int64_t width = l->heads * l->D, kv_width = l->kv * l->D, stride = 2 * p->P_max * kv_width;
    for (int h = 0; h < l->heads; h++) b->slopes[h] = exp2f(-8.0f * (float)(h + 1) / (float)l->heads);
    lt_arr bank = {0};
    if (l->P) bank = test_random(SLOTS * stride, LT_F32, 1);
    for (int64_t e = 0; l->P && e < SLOTS * stride; e++)
        if (e / kv_width % p->P_max >= b->slot_len[e / stride]) test_set(bank, e, NAN);
    if (l->P && l->bf16) as_operands(bank, SLOTS * stride);
    const int64_t n[N_OUT] = {p->n_q * width,    p->n_q * l->heads, p->n_q * width,
                              p->n_k * kv_width, p->n_k * kv_width, l->P ? SLOTS * stride : 0};
    for (output k = 0; k < N_OUT; k++) {
        b->n[k] = n[k];
        if (n[k]) b->out[k] = test_new(n[k], k == LSE || k > DV ? LT_F32 : dt);
    }
    b->rel.reach = p->max_k + 1;                         /* a control moves a query by one place */
    for (int64_t d = 0; d < 2 * b->rel.reach - 1; d++) { /* neither symmetric nor alike */
        b->c2p_row[d] = (int32_t)((d * d + 3 * d + 1) % N_REL);
        b->p2c_row[d] = (int32_t)((d * d + 5 * d + 2) % N_REL);
    }
    if (l->c2p) b->rel.c2p = constants(b, false, b->c2p_row, &b->c2p);
    if (l->p2c) b->rel.p2c = constants(b, true, b->p2c_row, &b->p2c);
    b->args = (struct lt_attn_args){.plan = p,
                                    .heads = l->heads,
                                    .kv_heads = l->kv,
                                    .head_dim = l->D,
                                    .scale = 1.0f / sqrtf((float)l->D),
                                    .slopes = l->alibi ? b->slopes : NULL,
                                    .rel = l->c2p || l->p2c ? &b->rel : NULL,
                                    .q = test_random(p->n_q * width, dt, 1),
                                    .ld_q = width,
                                    .k = key_rows(b, kv_width, dt),
                                    .ld_k = kv_width,
                                    .v = key_rows(b, kv_width, dt),
                                    .ld_v = kv_width,
                                    .bank = bank.p,
                                    .slot_stride = stride,
                                    .o = b->out[O],
                                    .lse = b->out[LSE].p,
                                    .d_o = test_random(p->n_q * width, dt, 1),
                                    .dq = b->out[DQ],
                                    .ld_dq = width,
                                    .dk = b->out[DK],
                                    .ld_dk = kv_width,
                                    .dv = b->out[DV],
                                    .ld_dv = kv_width,
                                    .d_bank = b->out[D_BANK].p};
    return b;
}

/* ---- runs ---- */

/* Elements of a row of an output over key rows; 0 for other outputs. */
static int64_t key_row(const problem *b, output k) { return k == DK || k == DV ? b->l->kv * b->l->D : 0; }
static bool spare(const problem *b, output k, int64_t e) { return key_row(b, k) && !b->used[e / key_row(b, k)]; }

static bool sees_nothing(const problem *b, int64_t seq, int64_t r) {
    return b->first[r] >= b->end[r] && (b->slot[seq] < 0 || b->slot_len[b->slot[seq]] == 0);
}

static void check_blind(const problem *b, int64_t r) {
    int64_t width = b->l->heads * b->l->D, bad = 0;
    for (int64_t e = 0; e < width; e++) bad += test_get(b->out[O], r * width + e) != 0 || test_get(b->out[DQ], r * width + e) != 0;
    for (int h = 0; h < b->l->heads; h++) {
        float lse = test_get(b->out[LSE], r * b->l->heads + h);
        bad += !isinf(lse) || lse > 0;
        test_set(b->out[LSE], r * b->l->heads + h, 0); /* so that sums over the array mean something */
    }
    TEST_REPORT(bad == 0, "%s: query row %lld sees nothing, but %lld of its outputs say otherwise", b->l->name, (long long)r,
                (long long)bad);
}

/* One entry.  A workspace for forward has room for the query rows alone: the key rows of a cache are bounded by max_len only. */
static void call(problem *b, const lt_ops *ops, int threads, bool backward) {
    const lt_attn_plan *p = &b->plan;
    lt_dims d = {.rows = backward ? p->n_k : p->n_q,
                 .seqs = p->n_seq,
                 .max_len = p->max_k,
                 .max_prefix = p->P_max,
                 .slots = p->n_slots,
                 .heads = b->l->heads,
                 .kv_heads = b->l->kv,
                 .head_dim = b->l->D,
                 .relative = b->l->c2p || b->l->p2c};
    lt_ctx c = test_ctx(ops, threads, b->args.q.dt, &d);
    memset(c.ws, 0xFF, c.ws_bytes);
    CHECK_OK((backward ? ops->attn_bwd : ops->attn_fwd)(&c, &b->args));
    test_free_last();
}

/* Forward and backward, after which the outputs hold no sentinel: 0 in spare rows, and for the lse of queries that see nothing.  += outputs start as start. */
static void run(problem *b, const lt_ops *ops, int threads, float start) {
    const lt_attn_plan *p = &b->plan;
    for (output k = 0; k < N_OUT; k++)
        for (int64_t e = 0; e < b->n[k]; e++) test_set(b->out[k], e, k > DV && !spare(b, k, e) ? (double)start : (double)sentinel);
    call(b, ops, threads, false);
    call(b, ops, threads, true);
    for (int64_t seq = 0; seq < p->n_seq; seq++)
        for (int64_t r = b->cu_q[seq]; r < b->cu_q[seq + 1]; r++)
            if (sees_nothing(b, seq, r)) check_blind(b, r);
    for (output k = 0; k < N_OUT; k++) {
        int64_t written = 0;
        for (int64_t e = 0; e < b->n[k]; e++)
            if (spare(b, k, e)) {
                written += test_get(b->out[k], e) != sentinel;
                test_set(b->out[k], e, 0);
            }
        TEST_REPORT(written == 0, "%s: %s: %lld elements of spare rows were written", b->l->name, output_name[k], (long long)written);
    }
}

static double loss(void *user) {
    problem *b = user;
    lt_ctx c = {.threads = 1};
    double sum = 0;
    CHECK_OK(lt_ops_ref()->attn_fwd(&c, &b->args));
    for (int64_t e = 0; e < b->n[O]; e++) sum += (double)test_get(b->out[O], e) * (double)test_get(b->args.d_o, e);
    return sum;
}

/* ---- the reference ---- */

/* o [D] of query row r of sequence seq under head h; returns lse. */
static double plain_row(const problem *b, int64_t seq, int64_t r, int h, double *o) {
    const layout *l = b->l;
    const struct lt_attn_args *a = &b->args;
    int64_t P = b->slot[seq] < 0 ? 0 : b->slot_len[b->slot[seq]], n = l->seq[seq].k, i = n - l->seq[seq].q + r - b->cu_q[seq];
    int64_t kv = h / (l->heads / l->kv), kv_width = l->kv * l->D;
    double sum = 0;
    for (int d = 0; d < l->D; d++) o[d] = 0;
    for (int64_t c = 0; c < P + n; c++) {
        int64_t j = c - P, row = j + b->k_row0[seq], away = i - j;
        if (j >= 0 && !sees(l, i, j)) continue;
        lt_arr bank = lt_arr_f32((float *)(uintptr_t)a->bank), k = j < 0 ? bank : a->k, v = j < 0 ? bank : a->v;
        int64_t k_at = j < 0 ? b->slot[seq] * a->slot_stride + c * kv_width + kv * l->D : row * a->ld_k + kv * l->D;
        int64_t v_at = j < 0 ? k_at + b->plan.P_max * kv_width : k_at;
        double s = l->alibi ? -(double)b->slopes[h] * (double)away : 0;
        for (int d = 0; d < l->D; d++) {
            double q = (double)test_get(a->q, r * a->ld_q + h * l->D + d), key = (double)test_get(k, k_at + d), more = 0;
            int64_t place = b->rel.reach - 1 + away, width = (int64_t)l->heads * l->D;
            if (j >= 0 && l->c2p) more += q * (double)test_get(b->c2p, b->c2p_row[place] * width + h * l->D + d);
            if (j >= 0 && l->p2c) more += key * (double)test_get(b->p2c, b->p2c_row[place] * width + h * l->D + d);
            s += (double)a->scale * (q * key + more);
        }
        sum += exp(s);
        for (int d = 0; d < l->D; d++) o[d] += exp(s) * (double)test_get(v, v_at + d);
    }
    for (int d = 0; d < l->D; d++) o[d] = sum > 0 ? o[d] / sum : 0;
    return sum > 0 ? log(sum) : 0;
}

static void check_reference(const layout *l) {
    problem *b = problem_new(l);
    double o[16];
    run(b, lt_ops_ref(), 1, 0);
    lt_arr want[2] = {test_new(b->n[O], LT_F32), test_new(b->n[LSE], LT_F32)};
    for (int64_t seq = 0; seq < b->plan.n_seq; seq++)
        for (int64_t r = b->cu_q[seq]; r < b->cu_q[seq + 1]; r++)
            for (int h = 0; h < l->heads; h++) {
                test_set(want[LSE], r * l->heads + h, plain_row(b, seq, r, h, o));
                for (int d = 0; d < l->D; d++) test_set(want[O], (r * l->heads + h) * l->D + d, o[d]);
            }
    test_close("attn", b->out[O], want[O], b->n[O], l->name);
    test_close("attn", b->out[LSE], want[LSE], b->n[LSE], l->name);
    const struct {
        lt_arr x;
        output grad;
    } by[] = {{b->args.q, DQ}, {b->args.k, DK}, {b->args.v, DV}, {lt_arr_f32((float *)(uintptr_t)b->args.bank), D_BANK}};
    for (size_t i = 0; i < sizeof by / sizeof *by; i++) {
        output k = by[i].grad;
        char what[96];
        snprintf(what, sizeof what, "%s, %s", l->name, output_name[k]);
        if (b->n[k]) test_gradient(loss, b, by[i].x.p, b->out[k].p, b->n[k], what);
    }
    tests_free();
    test_memory_free(b);
}

/* ---- the fast code ---- */

typedef struct outputs {
    lt_arr v[N_OUT];
} outputs;

static void keep(const problem *b, outputs *to) {
    for (output k = 0; k < N_OUT; k++)
        if (!to->v[k].p && b->n[k])
            to->v[k] = test_copy(b->out[k], b->n[k]);
        else if (b->n[k])
            memcpy(to->v[k].p, b->out[k].p, (size_t)b->n[k] * lt_dtype_bytes(b->out[k].dt));
}
static bool same_bits(const problem *b, const outputs *x, output k) { return b->n[k] == 0 || test_same_bits(b->out[k], x->v[k], b->n[k]); }
static const char *limit_of(const problem *b, output k) {
    /* What a GPU does on tensor cores. */
    const bool mma = b->l->bf16 && b->l->D % 8 == 0 && (!b->args.rel || (b->l->D <= 64 && b->l->heads == b->l->kv));
    if (mma && k != LSE && test_on_gpu()) return "attn, products of bf16";
    return b->l->bf16 && k > LSE && b->out[k].dt == LT_F32 ? "attn of bf16" : "attn";
}

static void compare(const problem *b, const outputs *want, const char *what) {
    for (output k = 0; k < N_OUT; k++) {
        char text[128];
        snprintf(text, sizeof text, "%s, %s: %s", b->l->name, what, output_name[k]);
        if (b->n[k]) test_close(limit_of(b, k), b->out[k], want->v[k], b->n[k], text);
    }
}
static bool off(const problem *b, const outputs *want, output k) {
    return test_nmse_arr(b->out[k], want->v[k], b->n[k]) > lt_tol_limit(limit_of(b, k), b->out[k].dt);
}

/* What must not pass unnoticed: a query row that sees one key less; one that stands a place further; a NaN in a key that it sees. */
static void controls(problem *b, const outputs *want) {
    const lt_ops *ops = test_ops();
    int64_t seq = 0, r = b->plan.n_q / 2;
    while (b->first[r] >= b->end[r]) r = (r + 1) % b->plan.n_q;
    while (r >= b->cu_q[seq + 1]) seq++;
    b->end[r]--;
    run(b, ops, 2, 0.25f);
    b->end[r]++;
    TEST_REPORT((off(b, want, O) || off(b, want, LSE)) && !same_bits(b, want, O), "%s: a hidden key was not noticed", b->l->name);
    b->q_index[r]++;
    run(b, ops, 2, 0.25f);
    b->q_index[r]--;
    bool moves = b->l->alibi || b->args.rel;
    TEST_REPORT(off(b, want, LSE) == moves, "%s: a query at another place was %snoticed", b->l->name, moves ? "not " : "");
    int64_t at = (b->k_row0[seq] + b->end[r] - 1) * b->args.ld_k;
    float kept = test_get(b->args.k, at);
    test_set(b->args.k, at, NAN);
    call(b, ops, 2, false);
    test_set(b->args.k, at, (double)kept);
    TEST_REPORT(isnan(test_get(b->out[O], r * b->l->heads * b->l->D)), "%s: a NaN in a key that is seen was not noticed", b->l->name);
}

/* Where each sequence has one query: what the first gets is the same bits without the others. */
static void check_alone(problem *b, const outputs *together) {
    int64_t n = b->cu_q[1] * b->l->heads, all = b->plan.n_seq, rows = b->plan.n_q;
    if (b->plan.max_q > 1 || b->args.rel) return;
    b->plan.n_seq = 1;
    b->plan.n_q = b->cu_q[1];
    call(b, test_ops(), 2, false);
    b->plan.n_seq = all;
    b->plan.n_q = rows;
    TEST_REPORT(test_same_bits(b->out[O], together->v[O], n * b->l->D) && test_same_bits(b->out[LSE], together->v[LSE], n),
                "%s: the first sequence depends on the others", b->l->name);
}

/* One table of kernels, with 1, 2 and 3 threads; a GPU has none of these. */
static void check_table(problem *b, const lt_ops *ops, const char *name, const outputs *want, outputs *last) {
    outputs one = {0};
    for (int threads = 1; threads <= (test_on_gpu() ? 1 : 3); threads++) {
        char what[64];
        snprintf(what, sizeof what, "%s, %d threads", name, threads);
        run(b, ops, threads, 0.25f);
        compare(b, want, what);
        keep(b, last);
        if (threads == 1) keep(b, &one);
        run(b, ops, threads, 0.25f);
        for (output k = 0; k < N_OUT; k++) {
            TEST_REPORT(same_bits(b, last, k), "%s, %s: %s differs when repeated", b->l->name, what, output_name[k]);
            if (k != D_BANK) TEST_REPORT(same_bits(b, &one, k), "%s, %s: %s differs from 1 thread's", b->l->name, what, output_name[k]);
        }
    }
}

static void check_fast(const layout *l) {
    problem *b = problem_new(l);
    outputs want = {0}, last = {0};
    const lt_ops *before = NULL;
    lt_cpu_level top = lt_cpu_level_now();
    run(b, lt_ops_ref(), 1, 0.25f);
    keep(b, &want);
    if (test_on_gpu()) {
        check_table(b, test_ops(), test_ops()->name, &want, &last);
    } else {
        for (int level = LT_CPU_V1; level <= (int)top; level++) {
            CHECK_OK(lt_cpu_use((lt_cpu_level)level));
            if (test_ops() == before && level != LT_CPU_V4_BF16) continue; /* the same kernels, and products of bf16 come with that level */
            before = test_ops();
            check_table(b, before, lt_cpu_level_name((lt_cpu_level)level), &want, &last);
        }
    }
    if (!sees_nothing(b, 0, 0)) check_alone(b, &last);
    controls(b, &want);
    tests_free();
    test_memory_free(b);
}

/* Products of a forward. */
static int64_t work_of(const layout *l) {
    int64_t pairs = 0;
    for (int i = 0; i < MAX_SEQ; i++) pairs += (int64_t)l->seq[i].q * l->seq[i].k;
    return pairs * l->heads * l->D;
}

int main(void) {
    for (size_t i = 0; i < sizeof tiny / sizeof *tiny; i++) check_reference(&tiny[i]);
    for (size_t i = 0; i < sizeof tiny / sizeof *tiny; i++) check_fast(&tiny[i]);
    for (size_t i = 0; i < sizeof fast / sizeof *fast; i++)
        if (!test_small() || work_of(&fast[i]) < 1000000) check_fast(&fast[i]);
    printf("largest share of a limit: %.2g\n", test_worst_share);
    return test_end();
}
