// TEST rooms: kernels
/* Time of attention with a prefix bank, forward and backward, per token.
 *
 *   bench_attn [threads, default 2] [text: only cases whose name holds it]
 *
 * Each case owns the arrays of several layers and walks through them as a training step does, so that inputs come from the cache level they would
 * come from.  Reported, best of the repetitions: us per token and layer of each direction, GFLOP/s (exact pairs of query and key: 4 D flop forward,
 * 10 D backward), and, for the MiniLM cases, the time of all 6 layers as a share of its matrix products (42.5 MFLOP a token, forward and backward to
 * the input) at 190 GFLOP/s.
 *
 * Then pairs of cases, run in turn: medians and their ratio.  One thread against all, where there is one sequence; a window against a full causal mask; plain
 * scores against those with relative positions, whose products are two more forward and four more backward, all in the time. */
#include "kernels/attn_impl.h"
#include "lt_test.h"
#include "base/mem.h"
#include "base/rng.h"

#include <time.h>

enum { LAYERS = 6, MAX_SEQ = 1024, MAX_SLOT = 8, MAX_ROWS = 4096, REPEATS = 7 };

typedef struct setting {
    const char *name;
    int heads, kv, D, P, slots, causal, bf16, minilm;
    int64_t tokens, len; /* len 0: 8 to 40, 13 on average */
    int window;          /* 0 = none; causal only */
    int relative;        /* with keys and queries of distances (c2p and p2c) */
} setting;

static const setting settings[] = {
    {"MiniLM, 416 tokens, 2 slots", 12, 12, 32, 8, 2, 0, 0, 1, 416, 0, 0, 0},
    {"MiniLM, 4096 tokens, 2 slots", 12, 12, 32, 8, 2, 0, 0, 1, 4096, 0, 0, 0},
    {"MiniLM, 4096 tokens, 8 slots", 12, 12, 32, 8, 8, 0, 0, 1, 4096, 0, 0, 0},
    {"MiniLM, 4096 tokens, bf16", 12, 12, 32, 8, 2, 0, 1, 1, 4096, 0, 0, 0},
    {"MiniLM, no bank", 12, 12, 32, 0, 0, 0, 0, 1, 4096, 0, 0, 0},
    {"BERT, 128 long", 12, 12, 64, 16, 2, 0, 0, 0, 2048, 128, 0, 0},
    {"BERT, 512 long", 12, 12, 64, 16, 2, 0, 0, 0, 2048, 512, 0, 0},
    {"GQA 4:1, D 128, 80 long, causal", 16, 4, 128, 16, 2, 1, 0, 0, 640, 80, 0, 0},
    {"one sequence, 71:1, D 64, causal", 71, 1, 64, 16, 1, 1, 0, 0, 2048, 2048, 0, 0},
};

/* Pairs: one layer each; threads 0 = as asked for. */
static const struct {
    setting a, b;
    int threads_a, threads_b;
} pairs[] = {
#define LONG(heads, kv, window) "2048 long, causal, " #heads " heads, " #kv " kv", heads, kv, 64, 16, 1, 1, 0, 0, 2048, 2048, window, 0
    {{LONG(71, 1, 0)}, {LONG(71, 1, 0)}, 1, 0},
    {{LONG(12, 12, 0)}, {LONG(12, 12, 0)}, 1, 0},
    {{LONG(1, 1, 0)}, {LONG(1, 1, 0)}, 1, 0},
    {{LONG(12, 12, 0)}, {LONG(12, 12, 256)}, 0, 0},
    {{LONG(4, 1, 0)}, {LONG(4, 1, 256)}, 0, 0},
#define RELATIVE(D, len)                                                                                                                   \
    {                                                                                                                                      \
        {"relative, D " #D ", " #len " long", 12, 12, D, 8, 1, 0, 0, 0, 3072, len, 0, 0},                                                  \
            {"relative", 12, 12, D, 8, 1, 0, 0, 0, 3072, len, 0, 1}, 0, 0                                                                  \
    }
    RELATIVE(64, 24),
    RELATIVE(64, 64),
    RELATIVE(64, 128),
    RELATIVE(64, 256),
    RELATIVE(32, 24),
    RELATIVE(32, 64),
    RELATIVE(32, 128),
    RELATIVE(32, 256),
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const lt_rng rng = {.seed = 7, .purpose = LT_RNG_TEST};

static void *make(int64_t n, int bf16) {
    void *p = NULL;
    CHECK_OK(lt_calloc(&p, n, bf16 ? 2 : 4, "bench array"));
    for (int64_t i = 0; i < n; i++) {
        float v = 0.5f * (float)lt_rng_uniform(&rng, (uint64_t)i, 1) - 0.25f;
        if (bf16)
            ((uint16_t *)p)[i] = lt_f32_to_bf16(v);
        else
            ((float *)p)[i] = v;
    }
    return p;
}

/* A case with its arrays, filled. */
typedef struct rig {
    const setting *s;
    lt_attn_plan plan;
    lt_ctx ctx;
    lt_attn_rel rel;
    int layers;
    int64_t seen; /* pairs of query and key */
    int32_t cu[MAX_SEQ + 1], k_len[MAX_SEQ], slot[MAX_SEQ], slot_len[MAX_SLOT], first[MAX_ROWS], end[MAX_ROWS], q_index[MAX_ROWS];
    struct lt_attn_args layer[LAYERS];
} rig;

static void make_plan(rig *g) {
    const setting *s = g->s;
    lt_attn_plan *p = &g->plan;
    *p = (lt_attn_plan){.cu_q = g->cu,
                        .k_row0 = g->cu,
                        .k_len = g->k_len,
                        .first = g->first,
                        .end = g->end,
                        .q_index = g->q_index,
                        .slot = g->slot,
                        .slot_len = g->slot_len,
                        .n_slots = s->slots,
                        .P_max = s->P};
    while (g->cu[p->n_seq] < s->tokens && p->n_seq < MAX_SEQ) {
        int64_t left = s->tokens - g->cu[p->n_seq], len = s->len;
        if (len == 0) len = 8 + (int64_t)(-5.2 * log(1.0 - lt_rng_uniform(&rng, (uint64_t)p->n_seq, 0)));
        len = s->len ? s->len : len > 40 ? 40 : len;
        len = len > left ? left : len;
        p->max_k = p->max_q = len > p->max_k ? len : p->max_k;
        for (int32_t q = 0; q < len; q++) {
            int32_t row = g->cu[p->n_seq] + q;
            g->q_index[row] = q;
            g->first[row] = s->window && q >= s->window ? q - s->window + 1 : 0;
            g->end[row] = s->causal ? q + 1 : (int32_t)len;
            g->seen += g->end[row] - g->first[row] + s->P;
        }
        g->cu[p->n_seq + 1] = g->cu[p->n_seq] + (int32_t)len;
        g->k_len[p->n_seq++] = (int32_t)len;
    }
    for (int64_t i = 0; i < p->n_seq; i++) g->slot[i] = s->slots ? (int32_t)(i * s->slots / p->n_seq) : -1;
    for (int i = 0; i < s->slots; i++) g->slot_len[i] = s->P;
    p->n_q = p->n_k = g->cu[p->n_seq];
}

static rig *rig_new(const setting *s, int threads, int layers) {
    rig *g = calloc(1, sizeof *g);
    if (!g) exit(1);
    *g = (rig){.s = s, .layers = layers, .ctx = {.threads = threads}};
    make_plan(g);
    lt_dtype dt = s->bf16 ? LT_BF16 : LT_F32;
    int64_t T = g->plan.n_q, width = s->heads * s->D, kv = s->kv * s->D, bank = s->slots * 2 * s->P * kv;
    g->rel.reach = g->plan.max_k;
    if (s->relative) { /* of all layers; any numbers do */
        g->rel.c2p = make(lt_rel_elems(s->heads, s->D, g->rel.reach, false), 0);
        g->rel.p2c = make(lt_rel_elems(s->heads, s->D, g->rel.reach, true), 0);
    }
    void *d_o = make(T * width, s->bf16), *dq = make(T * width, s->bf16), *dkv = make(T * 2 * kv, s->bf16);
    for (int m = 0; m < layers; m++) {
        lt_arr q = {make(T * width, s->bf16), dt}, kvs = {make(T * 2 * kv, s->bf16), dt}, dkvs = {dkv, dt};
        g->layer[m] = (struct lt_attn_args){.plan = &g->plan,
                                            .rel = s->relative ? &g->rel : NULL,
                                            .heads = s->heads,
                                            .kv_heads = s->kv,
                                            .head_dim = s->D,
                                            .scale = 0.2f,
                                            .q = q,
                                            .ld_q = width,
                                            .k = kvs,
                                            .ld_k = 2 * kv,
                                            .v = lt_arr_at(kvs, kv),
                                            .ld_v = 2 * kv,
                                            .bank = s->slots ? make(bank, 0) : NULL,
                                            .slot_stride = 2 * s->P * kv,
                                            .o = {make(T * width, s->bf16), dt},
                                            .lse = make(T * s->heads, 0),
                                            .d_o = {d_o, dt},
                                            .dq = {dq, dt},
                                            .ld_dq = width,
                                            .dk = dkvs,
                                            .ld_dk = 2 * kv,
                                            .dv = lt_arr_at(dkvs, kv),
                                            .ld_dv = 2 * kv,
                                            .d_bank = s->slots ? make(bank, 0) : NULL};
    }
    lt_dims dims = {.rows = T,
                    .seqs = g->plan.n_seq,
                    .max_len = g->plan.max_k,
                    .max_prefix = s->P,
                    .slots = s->slots,
                    .heads = s->heads,
                    .kv_heads = s->kv,
                    .head_dim = s->D,
                    .relative = s->relative};
    g->ctx.ws_bytes = lt_ops_cpu()->ws_bytes(&g->ctx, &dims);
    CHECK_OK(lt_calloc(&g->ctx.ws, (int64_t)g->ctx.ws_bytes, 1, "workspace"));
    return g;
}

static void rig_free(rig *g) {
    for (int m = 0; m < g->layers; m++) {
        const struct lt_attn_args *a = &g->layer[m];
        void *own[] = {a->q.p, a->k.p, (void *)(uintptr_t)a->bank, a->o.p, a->lse, a->d_bank};
        for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) free(own[i]);
    }
    free(g->layer[0].d_o.p);
    free(g->layer[0].dq.p);
    free(g->layer[0].dk.p);
    free((void *)(uintptr_t)g->rel.c2p);
    free((void *)(uintptr_t)g->rel.p2c);
    free(g->ctx.ws);
    free(g);
}

/* Seconds of forward and backward through all layers. */
static void pass(const rig *g, double t[2]) {
    double t0 = now();
    for (int m = 0; m < g->layers; m++) CHECK_OK(lt_ops_cpu()->attn_fwd(&g->ctx, &g->layer[m]));
    double t1 = now();
    for (int m = g->layers - 1; m >= 0; m--) CHECK_OK(lt_ops_cpu()->attn_bwd(&g->ctx, &g->layer[m]));
    t[0] = t1 - t0;
    t[1] = now() - t1;
}

static void measure(const setting *s, int threads) {
    rig *g = rig_new(s, threads, LAYERS);
    double best[2] = {1e9, 1e9}, t[2], us[2], flop = (double)(g->seen * s->heads * s->D) * LAYERS;
    for (int r = 0; r < REPEATS; r++) {
        pass(g, t);
        for (int i = 0; i < 2; i++) best[i] = t[i] < best[i] ? t[i] : best[i];
    }
    for (int i = 0; i < 2; i++) us[i] = 1e6 * best[i] / LAYERS / (double)g->plan.n_q;
    printf("%-32s %5lld seqs  ws %6.0f KiB  us/token/layer %6.3f + %6.3f  GFLOP/s %5.1f %5.1f", s->name, (long long)g->plan.n_seq,
           (double)g->ctx.ws_bytes / 1024, us[0], us[1], 4 * flop / best[0] * 1e-9, 10 * flop / best[1] * 1e-9);
    if (s->minilm) printf("  share %.1f %%", 100 * 6 * (us[0] + us[1]) / (42.5e6 / 190e9 * 1e6));
    printf("\n");
    rig_free(g);
}

static int rising(const void *x, const void *y) {
    return (*(const double *)x > *(const double *)y) - (*(const double *)x < *(const double *)y);
}

static void compare(const setting *a, int threads_a, const setting *b, int threads_b) {
    rig *g[2] = {rig_new(a, threads_a, 1), rig_new(b, threads_b, 1)};
    double t[2][2][REPEATS], once[2];
    for (int r = -1; r < REPEATS; r++) /* the first one touches the memory */
        for (int k = 0; k < 2; k++) {
            pass(g[k], once);
            for (int i = 0; i < 2 && r >= 0; i++) t[k][i][r] = once[i];
        }
    double mid[2][2];
    printf("%-32s", a->name);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 2; k++) {
            qsort(t[k][i], REPEATS, sizeof t[k][i][0], rising);
            mid[k][i] = t[k][i][REPEATS / 2];
        }
        printf("  %s %7.2f and %7.2f ms, ratio %.2f", i ? "backward" : "forward", 1e3 * mid[0][i], 1e3 * mid[1][i], mid[0][i] / mid[1][i]);
    }
    if (b->relative)
        printf("  of the speed of plain ones; of their flop/s %.2f and %.2f\n", 2 * mid[0][0] / mid[1][0], 9.0 / 5 * mid[0][1] / mid[1][1]);
    else if (a->window != b->window)
        printf("  (window %d against none: %.2f times fewer pairs)\n", b->window, (double)g[0]->seen / (double)g[1]->seen);
    else
        printf("  (%d and %d threads)\n", threads_a, threads_b);
    rig_free(g[0]);
    rig_free(g[1]);
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 2;
    printf("%d threads\n", threads);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (argc < 3 || strstr(settings[i].name, argv[2])) measure(&settings[i], threads);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (argc < 3 || strstr(pairs[i].a.name, argv[2]))
            compare(&pairs[i].a, pairs[i].threads_a ? pairs[i].threads_a : threads, &pairs[i].b,
                    pairs[i].threads_b ? pairs[i].threads_b : threads);
    return test_end();
}
