// TEST rooms: kernels  labels: unit  timeout: 120  omp: 3
/* Attention with a prefix bank: the fast code against the f64 reference over a table of shapes, and the reference against a forward written here in
 * another way (whole score rows, double arrays) and its central differences.
 *
 * Inputs have row strides wider than the rows; outputs, their gaps, the unused parts of the bank's gradient and the end of the workspace hold a
 * sentinel that must survive.  The workspace is NaN before every call.  Limits are 10 to 100 times what was measured. */
#include "kernels/attn_impl.h"
#include "lt_test.h"
#include "base/mem.h"
#include "base/rng.h"

enum { MAX_SEQ = 40, MAX_SLOT = 4, GAP = 3 };
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
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

/* ---- a problem: arguments with their own arrays ---- */

typedef enum output { O, LSE, DQ, DK, DV, D_BANK, N_OUT } output;
static const char *const output_name[] = {"o", "lse", "dq", "dk", "dv", "d_bank"};

typedef struct problem {
    const shape *s;
    struct lt_attn_args args;
    lt_attn_plan plan;
    int32_t cu_q[MAX_SEQ + 1], cu_k[MAX_SEQ + 1], k_len[MAX_SEQ], slot[MAX_SEQ], slot_len[MAX_SLOT], *q_index, *first, *end;
    float slopes[16], *bank;
    void *q, *kv, *o, *d_o, *dq, *dkv;
    int64_t elems_q, elems_kv, elems_o, elems_bank;
} problem;

static float normal(uint32_t stream, int64_t i) {
    const lt_rng rng = {.seed = 20240607, .purpose = LT_RNG_TEST, .a = stream};
    return (float)lt_rng_normal(&rng, (uint64_t)i, 0);
}
static size_t bytes_of(lt_dtype dt) { return dt == LT_BF16 ? 2 : 4; }
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
    void *p;
    CHECK_OK(lt_calloc(&p, n + 1, bytes_of(dt), "test array"));
    for (int64_t i = 0; i < n; i++) put((lt_arr){p, dt}, i, normal(stream, i));
    return p;
}

static void problem_init(problem *b, const shape *s) {
    *b = (problem){.s = s};
    lt_attn_plan *p = &b->plan;
    *p = (lt_attn_plan){
        .cu_q = b->cu_q, .k_row0 = b->cu_k, .k_len = b->k_len, .slot = b->slot, .slot_len = b->slot_len, .n_slots = s->n_slots};
    int64_t most = 1;
    for (int i = 0; s->len[i] >= 0; i++) most += s->len[i] + 1;
    CHECK_OK(lt_calloc(&b->q_index, most, sizeof *b->q_index, "test array"));
    CHECK_OK(lt_calloc(&b->first, most, sizeof *b->first, "test array"));
    CHECK_OK(lt_calloc(&b->end, most, sizeof *b->end, "test array"));
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
    int64_t width = s->heads * s->D, kv_width = s->kv * s->D, ld_q = width + GAP, ld_kv = 2 * kv_width + GAP;
    int64_t stride = 2 * p->P_max * kv_width + GAP;
    b->elems_q = p->n_q * ld_q;
    b->elems_kv = p->n_k * ld_kv;
    b->elems_o = p->n_q * width;
    b->elems_bank = s->n_slots * stride;
    b->q = make(b->elems_q, dt, 1);
    b->kv = make(b->elems_kv, dt, 2);
    b->d_o = make(b->elems_o, dt, 3);
    b->bank = make(b->elems_bank, LT_F32, 4);
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

static void problem_fini(problem *b) {
    void *all[] = {b->q, b->kv, b->o, b->d_o, b->dq, b->dkv, b->bank, b->q_index, b->first, b->end, b->args.lse, b->args.d_bank};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
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

/* True if element e of the bank belongs to a row that some sequence reads. */
static bool bank_used(const problem *b, int64_t e) {
    int64_t slot = e / b->args.slot_stride, in = e % b->args.slot_stride, row = b->args.kv_heads * b->args.head_dim;
    bool read = false;
    for (int64_t i = 0; i < b->plan.n_seq; i++) read |= b->slot[i] == slot;
    return read && in < 2 * b->plan.P_max * row && in / row % b->plan.P_max < b->slot_len[slot];
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
    for (int64_t i = 0; i < b->elems_q; i++) bad += i % ld_q >= ld_q - GAP && get((lt_arr){b->dq, b->args.dq.dt}, i) != (double)sentinel;
    for (int64_t i = 0; i < b->elems_kv; i++)
        bad += i % ld_kv >= ld_kv - GAP && get((lt_arr){b->dkv, b->args.dk.dt}, i) != (double)sentinel;
    if (b->args.d_bank)
        for (int64_t e = 0; e < b->elems_bank; e++) bad += !bank_used(b, e) && b->args.d_bank[e] != sentinel;
    return bad;
}

/* ---- the code under test, with a workspace of exactly the promised size ---- */

typedef struct bench {
    lt_ctx ctx;
    size_t bytes;
} bench;

static bench bench_of(const problem *b, int threads) {
    const lt_attn_plan *p = &b->plan;
    bench w = {.ctx = {.threads = threads}};
    lt_dims d = {.rows = p->n_k,
                 .seqs = p->n_seq,
                 .max_len = p->max_k,
                 .max_prefix = p->P_max,
                 .slots = p->n_slots,
                 .heads = b->args.heads,
                 .kv_heads = b->args.kv_heads,
                 .head_dim = b->args.head_dim};
    w.bytes = w.ctx.ws_bytes = lt_ops_cpu()->ws_bytes(&w.ctx, &d);
    CHECK_OK(lt_calloc(&w.ctx.ws, (int64_t)w.bytes + LT_ALIGN, 1, "test workspace"));
    return w;
}
static void dirty(bench *w) { memset(w->ctx.ws, 0xFF, w->bytes + LT_ALIGN); }
static bool intact(const bench *w) {
    const unsigned char *end = (const unsigned char *)w->ctx.ws + w->bytes;
    for (int i = 0; i < LT_ALIGN; i++)
        if (end[i] != 0xFF) return false;
    return true;
}

static void run_ref(problem *b, float start) {
    lt_ctx ctx = {.threads = 1};
    poison(b, start);
    CHECK_OK(lt_ref_attn_fwd(&ctx, &b->args));
    CHECK_OK(lt_ref_attn_bwd(&ctx, &b->args));
}
static void run_cpu(problem *b, bench *w, float start) {
    poison(b, start);
    dirty(w);
    CHECK_OK(lt_ops_cpu()->attn_fwd(&w->ctx, &b->args));
    dirty(w);
    CHECK_OK(lt_ops_cpu()->attn_bwd(&w->ctx, &b->args));
    TEST_REPORT(damage(b) == 0, "%s: %lld elements overwritten", b->s->name, (long long)damage(b));
    CHECK(intact(w));
}

/* Normalised mean square error per output: f32, and where arrays are bf16 (rounding now and then falls to the other side; o and so delta differ). */
static double limit_of(output k, int bf16) { return !bf16 ? 1e-11 : k == LSE ? 1e-11 : 1e-6; }

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

static void check_shape(const shape *s) {
    problem b;
    problem_init(&b, s);
    run_ref(&b, 0.5f);
    CHECK_INT(damage(&b), 0);
    result want = collect(&b), first = {0};
    for (int threads = 1; threads <= 3; threads++) {
        bench w = bench_of(&b, threads);
        run_cpu(&b, &w, 0.5f);
        result got = collect(&b);
        compare(&b, &got, &want, threads);
        run_cpu(&b, &w, 0.5f);
        result again = collect(&b);
        for (output k = 0; k < N_OUT; k++) TEST_REPORT(same_bits(&got, &again, k), "%s: %s differs when repeated", s->name, output_name[k]);
        if (threads == 1) first = collect(&b);
        for (output k = 0; k < D_BANK; k++)
            TEST_REPORT(same_bits(&got, &first, k), "%s: %s differs with %d threads", s->name, output_name[k], threads);
        result_fini(&got);
        result_fini(&again);
        free(w.ctx.ws);
    }
    for (output k = 0; k < N_OUT; k++) {
        spoil(first.v[k], first.n[k], 10.0 * limit_of(k, s->bf16));
        CHECK(first.n[k] == 0 || test_nmse(first.v[k], want.v[k], want.n[k]) > limit_of(k, s->bf16));
    }
    result_fini(&want);
    result_fini(&first);
    problem_fini(&b);
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
    problem_fini(&b);
}

/* ---- properties ---- */

/* Two calls add twice the bank gradient of one; it does not matter what the gradient held before. */
static void check_additive(void) {
    problem b;
    problem_init(&b, &shapes[3]);
    bench w = bench_of(&b, 2);
    run_cpu(&b, &w, 0.0f);
    result once = collect(&b);
    CHECK_OK(lt_ops_cpu()->attn_bwd(&w.ctx, &b.args));
    result twice = collect(&b);
    for (int64_t e = 0; e < once.n[D_BANK]; e++) once.v[D_BANK][e] *= 2.0f;
    CHECK(test_nmse(twice.v[D_BANK], once.v[D_BANK], once.n[D_BANK]) < 1e-13);
    b.args.d_bank = (free(b.args.d_bank), NULL); /* not wanted: the rest is the same */
    CHECK_OK(lt_ops_cpu()->attn_bwd(&w.ctx, &b.args));
    result without = collect(&b);
    for (output k = DQ; k <= DV; k++) CHECK(same_bits(&once, &without, k));
    result_fini(&once);
    result_fini(&twice);
    result_fini(&without);
    free(w.ctx.ws);
    problem_fini(&b);
}

/* A causal query does not read later keys, sequences do not read each other, and NaN is neither lost nor spread. */
static void check_isolation(void) {
    static const shape s = {"isolation", 2, 1, 16, 1, {4}, 1, 0, 0, 0, {70, 11, -1}};
    problem b;
    problem_init(&b, &s);
    bench w = bench_of(&b, 2);
    run_cpu(&b, &w, 0.0f);
    result before = collect(&b);
    int64_t row = 9, width = b.args.heads * b.args.head_dim; /* key row 9 of sequence 0 changes */
    for (int64_t d = 0; d < 16; d++) put(b.args.k, row * b.args.ld_k + d, 3.0f);
    run_cpu(&b, &w, 0.0f);
    result after = collect(&b);
    CHECK(memcmp(before.v[O], after.v[O], (size_t)(row * width) * sizeof(float)) == 0);
    CHECK(memcmp(before.v[O] + row * width, after.v[O] + row * width, (size_t)width * sizeof(float)) != 0);
    CHECK(memcmp(before.v[O] + 70 * width, after.v[O] + 70 * width, (size_t)(11 * width) * sizeof(float)) == 0);
    result_fini(&after);
    put(b.args.q, 20 * b.args.ld_q + 5, NAN);
    run_cpu(&b, &w, 0.0f);
    after = collect(&b);
    int64_t nans = 0;
    for (int64_t i = 0; i < after.n[O]; i++) nans += isnan(after.v[O][i]);
    CHECK_INT(nans, 16); /* row 20, head 0 */
    CHECK(isnan(after.v[O][20 * width]) && isnan(after.v[LSE][20 * 2]) && isnan(after.v[DQ][20 * width]) && isnan(after.v[D_BANK][0]));
    result_fini(&before);
    result_fini(&after);
    free(w.ctx.ws);
    problem_fini(&b);
}

static void check_bounds(void) {
    problem b;
    problem_init(&b, &shapes[2]);
    bench w = bench_of(&b, 2);
    w.ctx.ws_bytes--;
    CHECK_FAILS(lt_ops_cpu()->attn_fwd(&w.ctx, &b.args), LT_ERR_INTERNAL, "overdrawn");
    w.ctx.ws_bytes++;
    b.plan.n_seq = b.plan.n_q = b.plan.n_k = 0;
    poison(&b, sentinel);
    CHECK_OK(lt_ops_cpu()->attn_fwd(&w.ctx, &b.args));
    CHECK_OK(lt_ops_cpu()->attn_bwd(&w.ctx, &b.args));
    CHECK_INT(damage(&b), 0);
    free(w.ctx.ws);
    problem_fini(&b);
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
    check_isolation();
    check_bounds();
    for (int bf16 = 0; bf16 < 2; bf16++) {
        printf("largest NMSE, %s:", bf16 ? "bf16" : "f32");
        for (output k = 0; k < N_OUT; k++) printf(" %s %.1e", output_name[k], worst[bf16][k]);
        printf("\n");
    }
    return test_end();
}
