// TEST rooms: kernels  labels: unit  timeout: 120  omp: 3  ops: cuda-emulated
/* Attention with a prefix bank: the fast code against the f64 reference over a table of shapes, and the reference against a forward written here in
 * another way (whole score rows, double arrays) and its central differences.
 *
 * Inputs have row strides wider than the rows; outputs, their gaps, the unused parts of the bank's gradient and the end of the workspace hold a sentinel
 * that must survive.  The workspace is NaN before every call.  Limits are 10 to 100 times what was measured.  A sequence alone gives the same bits as in the
 * pack. */
#include "kernels_util.h"

#include "kernels/attn_impl.h"

enum { MAX_SEQ = 40, MAX_SLOT = 4 };
static const float sentinel = -77.5f; /* exact in bf16 */

typedef struct shape {
    const char *name;
    int heads, kv, D, n_slots, slot_len[MAX_SLOT];
    int causal, alibi, pooled, bf16;
    int len[MAX_SEQ]; /* up to the first -1 */
} shape;

#define SHORT                                                                                                                              \
    { 13, 8, 1, 40, 9, 17, 22, 3, 13, 30, -1 }
static const shape shapes[] = {
    {"no bank", 4, 4, 32, 0, {0}, 0, 0, 0, 0, SHORT},
    {"no bank, causal", 4, 4, 32, 0, {0}, 1, 0, 0, 0, SHORT},
    {"bank", 12, 12, 32, 2, {8, 8}, 0, 0, 0, 0, SHORT},
    {"bank, slots differ, causal", 4, 4, 32, 3, {8, 0, 5}, 1, 0, 0, 0, SHORT},
    {"slot unused, empty sequences", 2, 2, 16, 4, {3, 6, 2, 4}, 0, 0, 0, 0, {5, 0, 9, 1, 0, -1}},
    {"one slot", 3, 3, 64, 1, {16}, 1, 0, 0, 0, SHORT},
    {"D 8, GQA 4:1", 8, 2, 8, 2, {7, 3}, 1, 0, 0, 0, SHORT},
    {"D 20", 2, 1, 20, 2, {7, 9}, 0, 0, 0, 0, SHORT},
    {"D 5", 2, 2, 5, 2, {1, 9}, 1, 1, 0, 0, SHORT},
    {"D 96, MQA, ALiBi", 3, 1, 96, 2, {4, 6}, 1, 1, 0, 0, {20, 50, 7, -1}},
    {"long, causal", 2, 1, 16, 2, {20, 70}, 1, 0, 0, 0, {300, 1, 129, 48, 49, 64, 65, -1}},
    {"long, ALiBi", 2, 2, 16, 2, {20, 70}, 0, 1, 0, 0, {200, 97, -1}},
    {"D 128, GQA 4:1, causal", 4, 1, 128, 1, {8}, 1, 0, 0, 0, {90, 33, -1}},
    {"pooled", 4, 2, 32, 2, {8, 6}, 0, 0, 1, 0, SHORT},
    {"pooled, causal, ALiBi", 4, 4, 32, 2, {8, 6}, 1, 1, 1, 0, SHORT},
    {"bf16", 4, 2, 32, 2, {8, 6}, 0, 0, 0, 1, SHORT},
    {"bf16, D 20, causal, pooled", 4, 2, 20, 2, {8, 6}, 1, 0, 1, 1, SHORT},
    {"bf16, long, ALiBi, causal", 2, 1, 64, 1, {10}, 1, 1, 0, 1, {120, 70, -1}},
    /* Tensor cores: each size, tails of each tile, a bank of more than a block, rows of several heads in a tile. */
    {"bf16, D 16, 3:1, causal, empty sequences", 3, 1, 16, 2, {5, 18}, 1, 0, 0, 1, {21, 0, 33, 16, 1, -1}},
    {"bf16, D 32, bank of two blocks", 2, 2, 32, 2, {70, 3}, 0, 0, 0, 1, {66, 5, 20, -1}},
    {"bf16, D 40, many short ones", 2, 2, 40, 3, {4, 16, 0}, 0, 0, 0, 1, {5, 3, 9, 1, 16, 2, 7, 14, -1}},
    {"bf16, D 64, 5:1, rows of two chunks", 5, 1, 64, 1, {6}, 1, 0, 0, 1, {17, 30, 9, -1}},
    {"bf16, D 80", 1, 1, 80, 2, {17, 4}, 1, 0, 0, 1, {40, 12, 33, -1}},
    {"bf16, D 96, ALiBi", 2, 1, 96, 2, {8, 4}, 1, 1, 0, 1, {34, 7, -1}},
    {"bf16, D 128", 2, 1, 128, 2, {8, 20}, 1, 0, 0, 1, {66, 14, 3, -1}},
    {"bf16, D 256", 2, 1, 256, 2, {8, 20}, 1, 0, 0, 1, {35, 14, -1}},
    {"bf16, pooled, one block and many", 4, 1, 64, 2, {8, 6}, 0, 0, 1, 1, {70, 8, 300, 9, 20, -1}},
    {"pooled, one block and many", 2, 1, 24, 2, {8, 6}, 1, 1, 1, 0, {70, 8, 530, 9, 20, -1}},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

/* ---- a problem: arguments with their own arrays ---- */

typedef enum output { O, LSE, DQ, DK, DV, D_BANK, N_OUT } output;
static const char *const output_name[] = {"o", "lse", "dq", "dk", "dv", "d_bank"};

typedef struct problem {
    const shape *s;
    struct lt_attn_args args;
    lt_attn_plan plan;
    int gap;                                                                /* columns between rows: with 8, rows of bf16 stay aligned */
    int32_t *cu_q, *cu_k, *k_len, *slot, *slot_len, *q_index, *first, *end; /* cu_k has one more than k_row0 */
    float *slopes, *bank;
    void *q, *kv, *o, *d_o, *dq, *dkv;
    int64_t elems_q, elems_kv, elems_o, elems_bank;
} problem;

static float normal(uint32_t stream, int64_t i) {
    const lt_rng rng = {.seed = 20240607, .purpose = LT_RNG_TEST, .a = stream};
    return (float)lt_rng_normal(&rng, (uint64_t)i, 0);
}
static double get(lt_arr a, int64_t i) {
    return a.dt == LT_BF16 ? (double)lt_bf16_to_f32(((uint16_t *)a.p)[i]) : (double)((float *)a.p)[i];
}
static void put(lt_arr a, int64_t i, float v) {
    if (a.dt == LT_BF16)
        ((uint16_t *)a.p)[i] = lt_f32_to_bf16(v);
    else
        ((float *)a.p)[i] = v;
}
static void fill(lt_arr a, int64_t n, float v) {
    for (int64_t i = 0; i < n; i++) put(a, i, v);
}
static void *make(int64_t n, lt_dtype dt, uint32_t stream) {
    lt_arr a = test_new(n, dt);
    for (int64_t i = 0; i < n; i++) put(a, i, normal(stream, i));
    return a.p;
}

static void problem_init(problem *b, const shape *s) {
    *b = (problem){.s = s, .gap = s->bf16 ? 8 : 3};
    b->cu_q = test_ints(MAX_SEQ + 1);
    b->cu_k = test_ints(MAX_SEQ + 1);
    b->k_len = test_ints(MAX_SEQ);
    b->slot = test_ints(MAX_SEQ);
    b->slot_len = test_ints(MAX_SLOT);
    b->slopes = test_new(s->heads, LT_F32).p;
    lt_attn_plan *p = &b->plan;
    *p = (lt_attn_plan){
        .cu_q = b->cu_q, .k_row0 = b->cu_k, .k_len = b->k_len, .slot = b->slot, .slot_len = b->slot_len, .n_slots = s->n_slots};
    int64_t most = 1;
    for (int i = 0; s->len[i] >= 0; i++) most += s->len[i] + 1;
    b->q_index = test_ints(most);
    b->first = test_ints(most);
    b->end = test_ints(most);
    for (int i = 0; s->len[i] >= 0; i++, p->n_seq++) {
        int none = s->pooled && (i % 4 == 3 || s->len[i] == 0); /* sequences of which no row is wanted */
        b->cu_k[i + 1] = b->cu_k[i] + s->len[i];
        b->cu_q[i + 1] = b->cu_q[i] + (s->pooled ? !none : s->len[i]);
        b->k_len[i] = s->len[i];
        for (int q = 0; q < b->cu_q[i + 1] - b->cu_q[i]; q++) {
            int32_t row = b->cu_q[i] + q, index = s->pooled ? (i % 2 ? s->len[i] - 1 : s->len[i] / 2) : q;
            b->q_index[row] = index;
            b->first[row] = 0;
            b->end[row] = s->causal ? index + 1 : s->len[i];
        }
        b->slot[i] = s->n_slots ? (i * 2 + 1) % (s->n_slots + 1) - 1 : -1; /* not in order, some without */
        if (s->n_slots == 4 && b->slot[i] == 2) b->slot[i] = 0;
        if (s->len[i] > p->max_k) p->max_k = s->len[i];
    }
    p->n_q = b->cu_q[p->n_seq];
    p->n_k = b->cu_k[p->n_seq];
    p->max_q = s->pooled ? 1 : p->max_k;
    p->q_index = b->q_index;
    p->first = b->first;
    p->end = b->end;
    for (int i = 0; i < s->n_slots; i++) {
        b->slot_len[i] = s->slot_len[i];
        if (s->slot_len[i] + 2 > p->P_max) p->P_max = s->slot_len[i] + 2;
    }
    for (int h = 0; h < s->heads; h++) b->slopes[h] = exp2f(-8.0f * (float)(h + 1) / (float)s->heads);

    lt_dtype dt = s->bf16 ? LT_BF16 : LT_F32;
    int64_t width = s->heads * s->D, kv_width = s->kv * s->D, ld_q = width + b->gap, ld_kv = 2 * kv_width + b->gap;
    int64_t stride = 2 * p->P_max * kv_width + b->gap;
    b->elems_q = p->n_q * ld_q;
    b->elems_kv = p->n_k * ld_kv;
    b->elems_o = p->n_q * width;
    b->elems_bank = s->n_slots * stride;
    b->q = make(b->elems_q, dt, 1);
    b->kv = make(b->elems_kv, dt, 2);
    b->d_o = make(b->elems_o, dt, 3);
    b->bank = make(b->elems_bank, LT_F32, 4);
    for (int64_t e = 0; s->bf16 && test_on_gpu() && e < b->elems_bank; e++) /* its operands are bf16 there: the reference gets the same */
        b->bank[e] = lt_bf16_to_f32(lt_f32_to_bf16(b->bank[e]));
    b->o = make(b->elems_o, dt, 5);
    b->dq = make(b->elems_q, dt, 6);
    b->dkv = make(b->elems_kv, dt, 7);
    b->args = (struct lt_attn_args){.plan = p,
                                    .heads = s->heads,
                                    .kv_heads = s->kv,
                                    .head_dim = s->D,
                                    .scale = 1.0f / sqrtf((float)s->D),
                                    .slopes = s->alibi ? b->slopes : NULL,
                                    .q = {b->q, dt},
                                    .ld_q = ld_q,
                                    .k = {b->kv, dt},
                                    .ld_k = ld_kv,
                                    .v = lt_arr_at((lt_arr){b->kv, dt}, kv_width),
                                    .ld_v = ld_kv,
                                    .bank = s->n_slots ? b->bank : NULL,
                                    .slot_stride = stride,
                                    .o = {b->o, dt},
                                    .d_o = {b->d_o, dt},
                                    .dq = {b->dq, dt},
                                    .ld_dq = ld_q,
                                    .dk = {b->dkv, dt},
                                    .ld_dk = ld_kv,
                                    .dv = lt_arr_at((lt_arr){b->dkv, dt}, kv_width),
                                    .ld_dv = ld_kv};
    b->args.lse = make(p->n_q * s->heads, LT_F32, 8);
    b->args.d_bank = s->n_slots ? make(b->elems_bank, LT_F32, 9) : NULL;
}

/* Rows, row length and stride of an output; the bank's gradient is one row, checked apart. */
static lt_arr output_array(const problem *b, output which, int64_t *rows, int64_t *cols, int64_t *ld) {
    const struct lt_attn_args *a = &b->args;
    int64_t width = a->heads * a->head_dim, kv_width = a->kv_heads * a->head_dim, n_q = b->plan.n_q, n_k = b->plan.n_k;
    const struct {
        lt_arr arr;
        int64_t rows, cols, ld;
    } out[] = {[O] = {a->o, n_q, width, width},         [LSE] = {lt_arr_f32(a->lse), n_q, a->heads, a->heads},
               [DQ] = {a->dq, n_q, width, a->ld_dq},    [DK] = {a->dk, n_k, kv_width, a->ld_dk},
               [DV] = {a->dv, n_k, kv_width, a->ld_dv}, [D_BANK] = {lt_arr_f32(a->d_bank), 1, a->d_bank ? b->elems_bank : 0, 0}};
    *rows = out[which].rows;
    *cols = out[which].cols;
    *ld = out[which].ld;
    return out[which].arr;
}

/* True if element e of the bank's gradient belongs to a row that some sequence reads, of a slot that has one. */
static bool bank_used(const problem *b, int64_t e) {
    int64_t slot = e / b->args.slot_stride, in = e % b->args.slot_stride, row = b->args.kv_heads * b->args.head_dim;
    bool read = false;
    for (int64_t i = 0; i < b->plan.n_seq; i++) read |= b->slot[i] == slot;
    return read && slot < b->plan.n_slots - b->args.fixed_slots && in < 2 * b->plan.P_max * row &&
           in / row % b->plan.P_max < b->slot_len[slot];
}

/* Dense f32 copies of all outputs; unused parts of the bank's gradient, which damage() watches, are 0. */
typedef struct result {
    float *v[N_OUT];
    int64_t n[N_OUT];
} result;

static result collect(const problem *b) {
    result r;
    for (output k = 0; k < N_OUT; k++) {
        int64_t rows, cols, ld;
        lt_arr a = output_array(b, k, &rows, &cols, &ld);
        r.n[k] = rows * cols;
        CHECK_OK(lt_calloc(&r.v[k], r.n[k], sizeof(float), "test array"));
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < cols; j++) r.v[k][i * cols + j] = (float)get(a, i * ld + j);
    }
    for (int64_t e = 0; e < r.n[D_BANK]; e++)
        if (!bank_used(b, e)) r.v[D_BANK][e] = 0.0f;
    return r;
}
static void result_fini(result *r) {
    for (output k = 0; k < N_OUT; k++) free(r->v[k]);
}
static bool same_bits(const result *x, const result *y, output k) { return memcmp(x->v[k], y->v[k], (size_t)x->n[k] * sizeof(float)) == 0; }

/* Poisons all outputs; the bank's gradient starts as start where it is in use. */
static void poison(problem *b, float start) {
    fill(b->args.o, b->elems_o, sentinel);
    fill(lt_arr_f32(b->args.lse), b->plan.n_q * b->args.heads, sentinel);
    fill((lt_arr){b->dq, b->args.dq.dt}, b->elems_q, sentinel);
    fill((lt_arr){b->dkv, b->args.dk.dt}, b->elems_kv, sentinel);
    if (b->args.d_bank)
        for (int64_t e = 0; e < b->elems_bank; e++) b->args.d_bank[e] = bank_used(b, e) ? start : sentinel;
}
/* Elements of gaps and unused bank rows that no longer hold the sentinel. */
static int64_t damage(const problem *b) {
    int64_t bad = 0, ld_q = b->args.ld_dq, ld_kv = b->args.ld_dk;
    for (int64_t i = 0; i < b->elems_q; i++) bad += i % ld_q >= ld_q - b->gap && get((lt_arr){b->dq, b->args.dq.dt}, i) != (double)sentinel;
    for (int64_t i = 0; i < b->elems_kv; i++)
        bad += i % ld_kv >= ld_kv - b->gap && get((lt_arr){b->dkv, b->args.dk.dt}, i) != (double)sentinel;
    if (b->args.d_bank)
        for (int64_t e = 0; e < b->elems_bank; e++) bad += !bank_used(b, e) && b->args.d_bank[e] != sentinel;
    return bad;
}

/* ---- the code under test, with a workspace of exactly the promised size ---- */

static lt_ctx bench_of(const problem *b, int threads) {
    const lt_attn_plan *p = &b->plan;
    lt_dims d = {.rows = p->n_k,
                 .seqs = p->n_seq,
                 .max_len = p->max_k,
                 .max_prefix = p->P_max,
                 .slots = p->n_slots,
                 .heads = b->args.heads,
                 .kv_heads = b->args.kv_heads,
                 .head_dim = b->args.head_dim};
    return test_ctx(test_ops(), threads, b->args.q.dt, &d);
}
static void dirty(const lt_ctx *c) { memset(c->ws, 0xFF, c->ws_bytes); }

static void run_ref(problem *b, float start) {
    lt_ctx ctx = {.threads = 1};
    poison(b, start);
    CHECK_OK(lt_ref_attn_fwd(&ctx, &b->args));
    CHECK_OK(lt_ref_attn_bwd(&ctx, &b->args));
}
/* Kernels launched so far, where there are any. */
static int64_t launches(void) { return test_on_gpu() ? test_gpu->counts()->launches : 0; }

static void run_fast(problem *b, const lt_ctx *c, float start) {
    poison(b, start);
    dirty(c);
    const int64_t before = launches();
    CHECK_OK(test_ops()->attn_fwd(c, &b->args));
    const int64_t between = launches();
    CHECK(between - before <= 1 + (b->plan.max_q == 1)); /* one query a sequence: pieces of keys, and their sum */
    dirty(c);
    CHECK_OK(test_ops()->attn_bwd(c, &b->args));
    CHECK(launches() - between <= 2 + (b->args.d_bank != NULL)); /* dq; dk, dv and the bank; the bank's chunks */
    TEST_REPORT(damage(b) == 0, "%s: %lld elements overwritten", b->s->name, (long long)damage(b));
}

/* Normalised mean square error per output: f32, and where arrays are bf16 (rounding now and then falls to the other side; o and so delta differ).  Tensor
 * cores take p and ds in bf16: each term of a sum has an error of up to 2^-9. */
static double limit_of(output k, int bf16) { return !bf16 || k == LSE ? 1e-11 : test_on_gpu() ? 2e-5 : 1e-6; }

/* Negative control: changes one element so that the error becomes nmse. */
static void spoil(float *v, int64_t n, double nmse) {
    double square = 0;
    for (int64_t i = 0; i < n; i++) square += (double)v[i] * (double)v[i];
    if (n > 0) v[n / 2] += (float)sqrt(nmse * square);
}

static double worst[2][N_OUT];

static void compare(const problem *b, const result *got, const result *want, int threads) {
    for (output k = 0; k < N_OUT; k++) {
        double e = test_nmse(got->v[k], want->v[k], got->n[k]);
        if (e > worst[b->s->bf16][k]) worst[b->s->bf16][k] = e;
        TEST_REPORT(e <= limit_of(k, b->s->bf16), "%s, %d threads: %s: NMSE %.2g above %.2g", b->s->name, threads, output_name[k], e,
                    limit_of(k, b->s->bf16));
    }
}

/* Rows of arrays of the pack that belong to sequence seq, to those of a pack of it alone. */
static void copy_rows(lt_arr to, lt_arr from, int64_t from_row, int64_t rows, int64_t ld) {
    for (int64_t i = 0; i < rows * ld; i++) put(to, i, (float)get(from, from_row * ld + i));
}

/* The longest sequence and a short one, each alone, give the bits that they have in the pack; the bank's gradient is the others' too. */
static void check_alone(const problem *b, const result *pack) {
    const shape *s = b->s;
    int longest = 0, pick[2];
    for (int i = 0; s->len[i] >= 0; i++)
        if (b->cu_q[i + 1] > b->cu_q[i] && s->len[i] > s->len[longest]) longest = i;
    pick[0] = longest;
    pick[1] = longest;
    for (int i = 0; s->len[i] >= 0; i++)
        if (s->len[i] > 1 && b->cu_q[i + 1] > b->cu_q[i] && s->len[i] < s->len[pick[1]]) pick[1] = i;
    for (int which = 0; which < 2; which++) {
        int seq = pick[which];
        shape alone = *s;
        problem one;
        alone.len[0] = s->len[seq];
        alone.len[1] = -1;
        problem_init(&one, &alone);
        const int64_t q0 = b->cu_q[seq], k0 = b->cu_k[seq], width = s->heads * s->D, kv = s->kv * s->D;
        one.slot[0] = b->slot[seq];
        one.q_index[0] = b->q_index[q0];
        one.end[0] = b->end[q0];
        copy_rows(one.args.q, b->args.q, q0, one.plan.n_q, one.args.ld_q);
        copy_rows((lt_arr){one.kv, one.args.k.dt}, (lt_arr){b->kv, b->args.k.dt}, k0, one.plan.n_k, one.args.ld_k);
        copy_rows(one.args.d_o, b->args.d_o, q0, one.plan.n_q, width);
        lt_ctx c = bench_of(&one, 1);
        run_fast(&one, &c, 0.5f);
        result got = collect(&one);
        const int64_t at[] = {[O] = q0 * width, [LSE] = q0 * s->heads, [DQ] = q0 * width, [DK] = k0 * kv, [DV] = k0 * kv};
        for (output k = 0; k < D_BANK; k++)
            TEST_REPORT(memcmp(got.v[k], pack->v[k] + at[k], (size_t)got.n[k] * sizeof(float)) == 0,
                        "%s: %s of sequence %d depends on its neighbours", s->name, output_name[k], seq);
        result_fini(&got);
    }
}

static void check_shape(const shape *s) {
    problem b;
    problem_init(&b, s);
    run_ref(&b, 0.5f);
    CHECK_INT(damage(&b), 0);
    result want = collect(&b), first = {0};
    for (int threads = 1; threads <= (test_on_gpu() ? 1 : 3); threads++) {
        lt_ctx c = bench_of(&b, threads);
        run_fast(&b, &c, 0.5f);
        result got = collect(&b);
        compare(&b, &got, &want, threads);
        run_fast(&b, &c, 0.5f);
        result again = collect(&b);
        for (output k = 0; k < N_OUT; k++) TEST_REPORT(same_bits(&got, &again, k), "%s: %s differs when repeated", s->name, output_name[k]);
        if (threads == 1) first = collect(&b);
        for (output k = 0; k < D_BANK; k++)
            TEST_REPORT(same_bits(&got, &first, k), "%s: %s differs with %d threads", s->name, output_name[k], threads);
        result_fini(&got);
        result_fini(&again);
    }
    check_alone(&b, &first);
    for (output k = 0; k < N_OUT; k++) {
        spoil(first.v[k], first.n[k], 10.0 * limit_of(k, s->bf16));
        CHECK(first.n[k] == 0 || test_nmse(first.v[k], want.v[k], want.n[k]) > limit_of(k, s->bf16));
    }
    result_fini(&want);
    result_fini(&first);
    tests_free();
}

/* ---- the reference against plain f64 arrays and central differences ---- */

typedef struct plain {
    double *q, *k, *v, *bank; /* dense [n_q][H][D], [n_k][Hkv][D] twice, bank as it is */
} plain;

/* o [D] of query row `row` (index i of sequence seq) under head h; returns lse. */
static double plain_row(const problem *b, const plain *x, int64_t seq, int64_t row, int h, double *o) {
    const struct lt_attn_args *a = &b->args;
    int D = a->head_dim, kv = h * a->kv_heads / a->heads;
    int64_t kv_width = a->kv_heads * D, i = b->q_index[row], n = 0;
    int64_t P = b->slot[seq] >= 0 ? b->slot_len[b->slot[seq]] : 0;
    const double *key[512], *value[512];
    double s[512], sum = 0;
    for (int64_t p = 0; p < P; p++, n++) {
        key[n] = x->bank + b->slot[seq] * a->slot_stride + p * kv_width + kv * D;
        value[n] = key[n] + b->plan.P_max * kv_width;
        s[n] = a->slopes ? (double)a->slopes[h] * (double)(p - (P + i)) : 0.0;
    }
    for (int64_t j = b->first[row]; j < b->end[row]; j++, n++) {
        key[n] = x->k + (b->cu_k[seq] + j) * kv_width + kv * D;
        value[n] = x->v + (key[n] - x->k);
        s[n] = a->slopes ? (double)a->slopes[h] * (double)(j - i) : 0.0;
    }
    for (int d = 0; d < D; d++) o[d] = 0;
    for (int64_t c = 0; c < n; c++) {
        for (int d = 0; d < D; d++) s[c] += (double)a->scale * x->q[(row * a->heads + h) * D + d] * key[c][d];
        sum += exp(s[c]);
    }
    for (int64_t c = 0; c < n; c++)
        for (int d = 0; d < D; d++) o[d] += exp(s[c]) / sum * value[c][d];
    return log(sum);
}

static double plain_loss(const problem *b, const plain *x) {
    double loss = 0, o[128];
    for (int64_t seq = 0; seq < b->plan.n_seq; seq++)
        for (int64_t row = b->cu_q[seq]; row < b->cu_q[seq + 1]; row++)
            for (int h = 0; h < b->args.heads; h++) {
                plain_row(b, x, seq, row, h, o);
                for (int d = 0; d < b->args.head_dim; d++)
                    loss += o[d] * get(b->args.d_o, (row * b->args.heads + h) * b->args.head_dim + d);
            }
    return loss;
}

static double *widen(lt_arr a, int64_t rows, int64_t cols, int64_t ld) {
    double *p;
    CHECK_OK(lt_calloc(&p, rows * cols, sizeof *p, "test array"));
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) p[i * cols + j] = get(a, i * ld + j);
    return p;
}

/* Central differences of the loss by all elements of x->... = at. */
static void differences(const problem *b, const plain *x, double *at, int64_t n, float *out) {
    const double h = 1e-4; /* error h^2 of the formula and 1e-15 / h of rounding: both below 1e-8 */
    for (int64_t i = 0; i < n; i++) {
        double keep = at[i];
        at[i] = keep + h;
        double up = plain_loss(b, x);
        at[i] = keep - h;
        out[i] = (float)((up - plain_loss(b, x)) / (2 * h));
        at[i] = keep;
    }
}

static void check_reference(const shape *s) {
    problem b;
    problem_init(&b, s);
    const struct lt_attn_args *a = &b.args;
    int64_t width = a->heads * a->head_dim, kv_width = a->kv_heads * a->head_dim;
    run_ref(&b, 0.0f);
    result got = collect(&b), want = collect(&b);
    plain x = {widen(a->q, b.plan.n_q, width, a->ld_q), widen(a->k, b.plan.n_k, kv_width, a->ld_k),
               widen(a->v, b.plan.n_k, kv_width, a->ld_v), widen(lt_arr_f32(b.bank), 1, b.elems_bank, 0)};
    for (int64_t seq = 0; seq < b.plan.n_seq; seq++)
        for (int64_t row = b.cu_q[seq]; row < b.cu_q[seq + 1]; row++)
            for (int h = 0; h < a->heads; h++) {
                double o[128];
                want.v[LSE][row * a->heads + h] = (float)plain_row(&b, &x, seq, row, h, o);
                for (int d = 0; d < a->head_dim; d++) want.v[O][(row * a->heads + h) * a->head_dim + d] = (float)o[d];
            }
    differences(&b, &x, x.q, want.n[DQ], want.v[DQ]);
    differences(&b, &x, x.k, want.n[DK], want.v[DK]);
    differences(&b, &x, x.v, want.n[DV], want.v[DV]);
    differences(&b, &x, x.bank, want.n[D_BANK], want.v[D_BANK]);
    for (output k = 0; k < N_OUT; k++) {
        double e = test_nmse(got.v[k], want.v[k], got.n[k]), limit = k <= LSE ? 1e-14 : 1e-13;
        TEST_REPORT(e <= limit, "reference, %s: %s: NMSE %.2g above %.2g", s->name, output_name[k], e, limit);
        spoil(got.v[k], got.n[k], 10.0 * limit);
        CHECK(got.n[k] == 0 || test_nmse(got.v[k], want.v[k], got.n[k]) > limit);
    }
    result_fini(&got);
    result_fini(&want);
    free(x.q);
    free(x.k);
    free(x.v);
    free(x.bank);
    tests_free();
}

/* ---- properties ---- */

/* Two calls add twice the bank gradient of one; it does not matter what the gradient held before. */
static void check_additive(void) {
    problem b;
    problem_init(&b, &shapes[3]);
    lt_ctx w = bench_of(&b, 2);
    run_fast(&b, &w, 0.0f);
    result once = collect(&b);
    CHECK_OK(test_ops()->attn_bwd(&w, &b.args));
    result twice = collect(&b);
    for (int64_t e = 0; e < once.n[D_BANK]; e++) once.v[D_BANK][e] *= 2.0f;
    CHECK(test_nmse(twice.v[D_BANK], once.v[D_BANK], once.n[D_BANK]) < 1e-13);
    b.args.d_bank = NULL; /* not wanted: the rest is the same */
    CHECK_OK(test_ops()->attn_bwd(&w, &b.args));
    result without = collect(&b);
    for (output k = DQ; k <= DV; k++) CHECK(same_bits(&once, &without, k));
    result_fini(&once);
    result_fini(&twice);
    result_fini(&without);
    tests_free();
}

/* Without the gradient of the last slots, everything else is the same, and their place is nobody's (run_fast() looks). */
static void check_fixed(const shape *s) {
    problem b;
    problem_init(&b, s);
    lt_ctx w = bench_of(&b, 2);
    run_fast(&b, &w, 0.0f);
    result all = collect(&b);
    int64_t changed = 0;
    for (b.args.fixed_slots = 1; b.args.fixed_slots <= s->n_slots; b.args.fixed_slots++) {
        for (int ref = 0; ref < 2; ref++) {
            if (ref)
                run_ref(&b, 0.0f);
            else
                run_fast(&b, &w, 0.0f);
            CHECK(damage(&b) == 0);
            result some = collect(&b);
            for (output k = O; k <= DV && !ref; k++) CHECK(same_bits(&all, &some, k));
            for (int64_t e = 0; e < all.n[D_BANK] && !ref; e++) {
                if (bank_used(&b, e)) CHECK(some.v[D_BANK][e] == all.v[D_BANK][e]);
                changed += some.v[D_BANK][e] != all.v[D_BANK][e]; /* negative control: there was something to leave out */
            }
            result_fini(&some);
        }
    }
    CHECK(changed > 0);
    result_fini(&all);
    tests_free();
}

/* A causal query does not read later keys, sequences do not read each other, and NaN is neither lost nor spread. */
static void check_isolation(void) {
    static const shape s = {"isolation", 2, 1, 16, 1, {4}, 1, 0, 0, 0, {70, 11, -1}};
    problem b;
    problem_init(&b, &s);
    lt_ctx w = bench_of(&b, 2);
    run_fast(&b, &w, 0.0f);
    result before = collect(&b);
    int64_t row = 9, width = b.args.heads * b.args.head_dim; /* key row 9 of sequence 0 changes */
    for (int64_t d = 0; d < 16; d++) put(b.args.k, row * b.args.ld_k + d, 3.0f);
    run_fast(&b, &w, 0.0f);
    result after = collect(&b);
    CHECK(memcmp(before.v[O], after.v[O], (size_t)(row * width) * sizeof(float)) == 0);
    CHECK(memcmp(before.v[O] + row * width, after.v[O] + row * width, (size_t)width * sizeof(float)) != 0);
    CHECK(memcmp(before.v[O] + 70 * width, after.v[O] + 70 * width, (size_t)(11 * width) * sizeof(float)) == 0);
    result_fini(&after);
    put(b.args.q, 20 * b.args.ld_q + 5, NAN);
    run_fast(&b, &w, 0.0f);
    after = collect(&b);
    int64_t nans = 0;
    for (int64_t i = 0; i < after.n[O]; i++) nans += isnan(after.v[O][i]);
    CHECK_INT(nans, 16); /* row 20, head 0 */
    CHECK(isnan(after.v[O][20 * width]) && isnan(after.v[LSE][20 * 2]) && isnan(after.v[DQ][20 * width]) && isnan(after.v[D_BANK][0]));
    result_fini(&before);
    result_fini(&after);
    tests_free();
}

static void check_bounds(void) {
    problem b;
    problem_init(&b, &shapes[2]);
    lt_ctx w = bench_of(&b, 2);
    const size_t bytes = w.ws_bytes; /* on a GPU that of all entries together */
    w.ws_bytes = test_on_gpu() ? LT_ALIGN : bytes - 1;
    CHECK_FAILS((test_on_gpu() ? test_ops()->attn_bwd : test_ops()->attn_fwd)(&w, &b.args), LT_ERR_INTERNAL, "overdrawn");
    w.ws_bytes = bytes;
    b.plan.n_seq = b.plan.n_q = b.plan.n_k = 0;
    poison(&b, sentinel);
    CHECK_OK(test_ops()->attn_fwd(&w, &b.args));
    CHECK_OK(test_ops()->attn_bwd(&w, &b.args));
    CHECK_INT(damage(&b), 0);
    tests_free();
}

int main(void) {
    static const shape tiny[] = {
        {"tiny", 2, 2, 3, 2, {2, 3}, 0, 0, 0, 0, {3, 1, 4, -1}},
        {"tiny, causal, ALiBi, GQA", 4, 2, 2, 3, {2, 0, 3}, 1, 1, 0, 0, {3, 5, 1, 2, -1}},
        {"tiny, pooled", 2, 1, 3, 2, {2, 1}, 1, 0, 1, 0, {3, 5, 1, 2, -1}},
        {"tiny, no bank", 2, 2, 3, 0, {0}, 1, 0, 0, 0, {3, 5, -1}},
    };
    for (size_t i = 0; i < sizeof tiny / sizeof tiny[0]; i++) check_reference(&tiny[i]);
    for (int i = 0; i < N_SHAPES; i++) check_shape(&shapes[i]);
    check_additive();
    for (int i = 0; i < N_SHAPES; i++)
        if (shapes[i].n_slots > 1) check_fixed(&shapes[i]);
    check_isolation();
    check_bounds();
    for (int bf16 = 0; bf16 < 2; bf16++) {
        printf("largest NMSE, %s:", bf16 ? "bf16" : "f32");
        for (output k = 0; k < N_OUT; k++) printf(" %s %.1e", output_name[k], worst[bf16][k]);
        printf("\n");
    }
    return test_end();
}
