// TEST rooms: kernels
/* Time of attention with a prefix bank, forward and backward, per token.
 *
 *   bench_attn [threads, default 2] [text: only cases whose name holds it]
 *
 * Each case owns the arrays of several layers and walks through them as a training step does, so that inputs come from the cache level they would
 * come from.  Reported, best of the repetitions: us per token and layer of each direction, GFLOP/s (exact pairs of query and key: 4 D flop forward,
 * 10 D backward), and, for the MiniLM cases, the time of all 6 layers as a share of its matrix products (42.5 MFLOP a token, forward and backward to
 * the input) at 190 GFLOP/s. */
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
} setting;

static const setting settings[] = {
    {"MiniLM, 416 tokens, 2 slots", 12, 12, 32, 8, 2, 0, 0, 1, 416, 0},
    {"MiniLM, 4096 tokens, 2 slots", 12, 12, 32, 8, 2, 0, 0, 1, 4096, 0},
    {"MiniLM, 4096 tokens, 8 slots", 12, 12, 32, 8, 8, 0, 0, 1, 4096, 0},
    {"MiniLM, 4096 tokens, bf16", 12, 12, 32, 8, 2, 0, 1, 1, 4096, 0},
    {"MiniLM, no bank", 12, 12, 32, 0, 0, 0, 0, 1, 4096, 0},
    {"BERT, 128 long", 12, 12, 64, 16, 2, 0, 0, 0, 2048, 128},
    {"BERT, 512 long", 12, 12, 64, 16, 2, 0, 0, 0, 2048, 512},
    {"GQA 4:1, D 128, 80 long, causal", 16, 4, 128, 16, 2, 1, 0, 0, 640, 80},
    {"one sequence, 71:1, D 64, causal", 71, 1, 64, 16, 1, 1, 0, 0, 2048, 2048},
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

static void measure(const setting *s, int threads) {
    static int32_t cu[MAX_SEQ + 1], k_len[MAX_SEQ], slot[MAX_SEQ], slot_len[MAX_SLOT], first[MAX_ROWS], end[MAX_ROWS], q_index[MAX_ROWS];
    lt_attn_plan plan = {.cu_q = cu,
                         .k_row0 = cu,
                         .k_len = k_len,
                         .first = first,
                         .end = end,
                         .q_index = q_index,
                         .slot = slot,
                         .slot_len = slot_len,
                         .n_slots = s->slots,
                         .P_max = s->P};
    int64_t pairs = 0;
    while (cu[plan.n_seq] < s->tokens && plan.n_seq < MAX_SEQ) {
        int64_t left = s->tokens - cu[plan.n_seq], len = s->len;
        if (len == 0) len = 8 + (int64_t)(-5.2 * log(1.0 - lt_rng_uniform(&rng, (uint64_t)plan.n_seq, 0)));
        len = s->len ? s->len : len > 40 ? 40 : len;
        len = len > left ? left : len;
        pairs += s->causal ? len * (len + 1) / 2 + len * s->P : len * (len + s->P);
        plan.max_k = plan.max_q = len > plan.max_k ? len : plan.max_k;
        cu[plan.n_seq + 1] = cu[plan.n_seq] + (int32_t)len;
        k_len[plan.n_seq] = (int32_t)len;
        for (int32_t q = 0; q < len; q++) {
            q_index[cu[plan.n_seq] + q] = q;
            end[cu[plan.n_seq] + q] = s->causal ? q + 1 : (int32_t)len;
        }
        plan.n_seq++;
    }
    for (int64_t i = 0; i < plan.n_seq; i++) slot[i] = s->slots ? (int32_t)(i * s->slots / plan.n_seq) : -1;
    for (int i = 0; i < s->slots; i++) slot_len[i] = s->P;
    plan.n_q = plan.n_k = cu[plan.n_seq];

    lt_dtype dt = s->bf16 ? LT_BF16 : LT_F32;
    int64_t T = plan.n_q, width = s->heads * s->D, kv = s->kv * s->D, bank = s->slots * 2 * s->P * kv;
    struct lt_attn_args layer[LAYERS];
    void *d_o = make(T * width, s->bf16), *dq = make(T * width, s->bf16), *dkv = make(T * 2 * kv, s->bf16);
    for (int m = 0; m < LAYERS; m++) {
        lt_arr q = {make(T * width, s->bf16), dt}, kvs = {make(T * 2 * kv, s->bf16), dt}, dkvs = {dkv, dt};
        layer[m] = (struct lt_attn_args){.plan = &plan,
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
                    .seqs = plan.n_seq,
                    .max_len = plan.max_k,
                    .max_prefix = s->P,
                    .slots = s->slots,
                    .heads = s->heads,
                    .kv_heads = s->kv,
                    .head_dim = s->D};
    lt_ctx ctx = {.threads = threads};
    ctx.ws_bytes = lt_ops_cpu()->ws_bytes(&ctx, &dims);
    CHECK_OK(lt_calloc(&ctx.ws, (int64_t)ctx.ws_bytes, 1, "workspace"));

    double best[2] = {1e9, 1e9};
    for (int r = 0; r < REPEATS; r++) {
        double t0 = now();
        for (int m = 0; m < LAYERS; m++) CHECK_OK(lt_ops_cpu()->attn_fwd(&ctx, &layer[m]));
        double t1 = now();
        for (int m = LAYERS - 1; m >= 0; m--) CHECK_OK(lt_ops_cpu()->attn_bwd(&ctx, &layer[m]));
        double t2 = now();
        if (t1 - t0 < best[0]) best[0] = t1 - t0;
        if (t2 - t1 < best[1]) best[1] = t2 - t1;
    }
    double us[2], flop = (double)(pairs * s->heads * s->D) * LAYERS;
    for (int i = 0; i < 2; i++) us[i] = 1e6 * best[i] / LAYERS / (double)T;
    printf("%-32s %5lld seqs  ws %6.0f KiB  us/token/layer %6.3f + %6.3f  GFLOP/s %5.1f %5.1f", s->name, (long long)plan.n_seq,
           (double)ctx.ws_bytes / 1024, us[0], us[1], 4 * flop / best[0] * 1e-9, 10 * flop / best[1] * 1e-9);
    if (s->minilm) printf("  share %.1f %%", 100 * 6 * (us[0] + us[1]) / (42.5e6 / 190e9 * 1e6));
    printf("\n");
    for (int m = 0; m < LAYERS; m++) {
        void *own[] = {layer[m].q.p, layer[m].k.p, (void *)(uintptr_t)layer[m].bank, layer[m].o.p, layer[m].lse, layer[m].d_bank};
        for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) free(own[i]);
    }
    free(d_o);
    free(dq);
    free(dkv);
    free(ctx.ws);
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 2;
    printf("%d threads\n", threads);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (argc < 3 || strstr(settings[i].name, argv[2])) measure(&settings[i], threads);
    return test_end();
}
