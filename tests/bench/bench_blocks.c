// BENCH rooms: model
/* Blocks of a model at their true width: forward and backward to the inputs of packed tokens, against the frozen products in them alone.
 *
 *     OMP_NUM_THREADS=1 mpirun -n R bench_blocks DIR [repetitions, default 7 [tokens, default 512]]        tp = R
 *
 * Products alone: oneDNN's matmul and inner_product with weights packed for that direction, bf16 in and out, no conversion, no bias; of each product the
 * better of the two counts, and all are summed over the blocks.  Model and products take turns, so that a neighbour's load hits both; medians of rank 0.
 * Prints one line of numbers behind names. */
#include "kernels/cpu/dnnl_compat.h"
#include "model/model_impl.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { MAX_REPS = 51, LINS = 5, MATMUL = 0, INNER, WAYS, SEQUENCES = 4, PROMPT = 4 };

#define MUST(call)                                                                                                                         \
    do {                                                                                                                                   \
        int s_must_ = (int)(call);                                                                                                         \
        if (s_must_ != 0) {                                                                                                                \
            fprintf(stderr, "%s gave %d: %s\n", #call, s_must_, lt_err_last()->msg);                                                       \
            exit(1);                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

static dnnl_engine_t engine;
static dnnl_stream_t stream;

typedef struct product {
    dnnl_primitive_t primitive;
    dnnl_memory_t in, w, out;
    int in_arg, out_arg;
    double s[MAX_REPS];
} product;

static lt_dnnl_md matrix(int64_t rows, int64_t cols, dnnl_format_tag_t tag) {
    lt_dnnl_md d;
    MUST(lt_dnnl_md_create(&d, 2, (dnnl_dims_t){rows, cols}, dnnl_bf16, tag));
    return d;
}

/* Weights for the products alone as the model's lie: in large pages where the system has them, no zeros among them. */
static void *weights(size_t bytes) {
    enum { PAGE = 2 << 20 };
    size_t whole = (bytes + PAGE - 1) / PAGE * PAGE;
    uint16_t *w = aligned_alloc(PAGE, whole);
    if (!w) return fprintf(stderr, "no memory for the products\n"), exit(1), NULL;
    (void)madvise(w, whole, MADV_HUGEPAGE);
    for (size_t i = 0; i < whole / sizeof *w; i++)
        w[i] = (uint16_t)(0x3c00 | ((uint64_t)i * 2654435761u >> 16 & 0x807f)); /* about 0.01, both signs */
    return w;
}

static void finish(product *p, dnnl_primitive_desc_t pd, lt_dnnl_md in, lt_dnnl_md out) {
    lt_dnnl_md_view w = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    MUST(dnnl_primitive_create(&p->primitive, pd));
    MUST(dnnl_memory_create(&p->in, in, engine, DNNL_MEMORY_ALLOCATE));
    MUST(dnnl_memory_create(&p->out, out, engine, DNNL_MEMORY_ALLOCATE));
    MUST(dnnl_memory_create(&p->w, w, engine, weights(dnnl_memory_desc_get_size(w))));
    MUST(dnnl_primitive_desc_destroy(pd));
}

static void make(product p[WAYS], int64_t M, int64_t N, int64_t K, bool forward) {
    lt_dnnl_md x = matrix(M, K, dnnl_ab), y = matrix(M, N, dnnl_ab), turned = forward ? matrix(K, N, dnnl_format_tag_any) : NULL,
               any = matrix(N, K, dnnl_format_tag_any);
    dnnl_primitive_desc_t pd, hint;
    MUST(lt_dnnl_matmul(&pd, engine, forward ? x : y, forward ? turned : any, forward ? y : x));
    p[MATMUL].in_arg = DNNL_ARG_SRC;
    p[MATMUL].out_arg = DNNL_ARG_DST;
    finish(&p[MATMUL], pd, forward ? x : y, forward ? y : x);
    MUST(lt_dnnl_inner_fwd(&pd, engine, x, any, NULL, y));
    if (!forward) {
        hint = pd;
        MUST(lt_dnnl_inner_bwd(&pd, engine, x, any, y, hint));
        MUST(dnnl_primitive_desc_destroy(hint));
    }
    p[INNER].in_arg = forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST;
    p[INNER].out_arg = forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC;
    finish(&p[INNER], pd, forward ? x : y, forward ? y : x);
    lt_dnnl_md_destroy(&turned);
    lt_dnnl_md_destroy(&any);
    lt_dnnl_md_destroy(&y);
    lt_dnnl_md_destroy(&x);
}

static double run(const product *p) {
    double start = lt_time_s();
    MUST(dnnl_primitive_execute(p->primitive, stream, 3,
                                (dnnl_exec_arg_t[]){{p->in_arg, p->in}, {DNNL_ARG_WEIGHTS, p->w}, {p->out_arg, p->out}}));
    MUST(dnnl_stream_wait(stream));
    return lt_time_s() - start;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *s, int n) {
    qsort(s, (size_t)n, sizeof *s, by_value);
    return s[n / 2];
}

/* The model, a pack of sequences with a few prompt rows each (so that backward goes to the very input), and what its passes need. */
typedef struct bench {
    lt_grid grid;
    lt_model *m;
    lt_pack pack;
    lt_bank bank;
    float *d_out;
} bench;

static void open_model(bench *b, const char *dir, lt_comm *world, int64_t tokens) {
    int64_t len = tokens / SEQUENCES, n = len - PROMPT;
    int32_t *ids = NULL;
    void *p;
    MUST(lt_grid_create(world, lt_comm_size(world), &b->grid));
    MUST(lt_model_create(dir, &b->grid, &(lt_model_options){.compute = LT_BF16, .threads = omp_get_max_threads()}, &b->m));
    MUST(lt_model_plan(b->m, &(lt_model_limits){.tokens = tokens, .seqs = SEQUENCES, .max_len = len, .backward = true}));
    MUST(lt_model_load(b->m));
    const lt_arch *a = lt_model_arch(b->m);
    const lt_ctx *c = lt_model_ctx(b->m);
    MUST(lt_calloc(&ids, n, sizeof *ids, "ids"));
    for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)((7919 * i + 3) % a->V);
    MUST(lt_pack_create(tokens, SEQUENCES, &b->pack));
    for (int i = 0; i < SEQUENCES; i++)
        MUST(lt_pack_add(&b->pack, &(lt_pack_seq){.tokens = ids, .n = n, .segment = n, .prompt_rows = PROMPT, .slot = -1}));
    free(ids);
    b->bank = (lt_bank){.prompt_rows = PROMPT};
    MUST(c->ops->alloc(c, (size_t)(PROMPT * a->C) * sizeof(float), "prompt", &p));
    b->bank.prompt = p;
    MUST(c->ops->alloc(c, (size_t)(PROMPT * a->C) * sizeof(float), "prompt", &p));
    b->bank.d_prompt = p;
    MUST(c->ops->alloc(c, (size_t)(tokens * a->C) * sizeof(float), "gradient", &p));
    b->d_out = p;
    for (int64_t i = 0; i < PROMPT * a->C; i++) b->bank.prompt[i] = 0.01f * (float)(i % 7 - 3);
    for (int64_t i = 0; i < tokens * a->C; i++) b->d_out[i] = 1e-3f * (float)(i % 5 - 2);
}

static void close_model(bench *b) {
    const lt_ctx *c = lt_model_ctx(b->m);
    c->ops->free(c, b->bank.prompt);
    c->ops->free(c, b->bank.d_prompt);
    c->ops->free(c, b->d_out);
    lt_pack_destroy(&b->pack);
    lt_model_destroy(&b->m);
    lt_grid_destroy(&b->grid);
}

static void step(bench *b) {
    lt_readout_rows out;
    lt_forward_args a = {.pack = &b->pack, .bank = &b->bank, .readout = LT_READ_TOKENS, .backward = true};
    lt_model_forward(b->m, &a, &out);
    lt_model_backward(b->m, &a, b->d_out);
}

int main(int argc, char **argv) {
    static product alone[LINS][2][WAYS];
    static double whole[MAX_REPS], linear[MAX_REPS], attention[MAX_REPS], comm[MAX_REPS];
    bench b = {0};
    lt_comm *world = NULL;
    int reps = argc > 2 ? atoi(argv[2]) : 7, tokens = argc > 3 ? atoi(argv[3]) : 512;
    if (argc < 2 || reps < 1 || reps > MAX_REPS || tokens < 64)
        return fprintf(stderr, "usage: bench_blocks DIR [repetitions [tokens]]\n"), 2;
    if (lt_comm_init(&argc, &argv, &world) != LT_OK) return 1;
    MUST(dnnl_engine_create(&engine, dnnl_cpu, 0));
    MUST(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    open_model(&b, argv[1], world, tokens);
    const lt_block *block = &b.m->block[0];
    const lt_lin *lin[LINS] = {&block->q, &block->kv, &block->o, &block->up, &block->down};
    double flops = 0, best = 0;
    for (int i = 0; i < LINS; i++)
        for (int d = 0; d < 2; d++) {
            make(alone[i][d], tokens, lin[i]->N, lin[i]->K, d == 0);
            flops += 2.0 * tokens * (double)(lin[i]->N * lin[i]->K) * b.m->arch.m;
        }
    for (int r = -1; r < reps; r++) { /* the first is not counted: products are compiled in it */
        int at = r < 0 ? 0 : r;
        lt_barrier(world);
        lt_model_times before = lt_model_get_times(b.m);
        lt_comm_stats c0, c1;
        lt_comm_get_stats(b.grid.tp, &c0);
        double start = lt_time_s();
        step(&b);
        whole[at] = lt_time_s() - start;
        linear[at] = lt_model_get_times(b.m).linear - before.linear;
        attention[at] = lt_model_get_times(b.m).attention - before.attention;
        lt_comm_get_stats(b.grid.tp, &c1);
        comm[at] = c1.seconds - c0.seconds;
        lt_barrier(world);
        for (int i = 0; i < LINS; i++)
            for (int d = 0; d < 2; d++)
                for (int w = 0; w < WAYS; w++) alone[i][d][w].s[at] = run(&alone[i][d][w]);
    }
    for (int i = 0; i < LINS; i++)
        for (int d = 0; d < 2; d++) {
            double mm = median(alone[i][d][MATMUL].s, reps), ip = median(alone[i][d][INNER].s, reps);
            best += (mm < ip ? mm : ip) * b.m->arch.m;
            if (lt_comm_rank(world) == 0 && getenv("LT_BENCH_DETAIL"))
                printf("N %6lld K %6lld %s  matmul %7.2f ms  inner_product %7.2f ms\n", (long long)lin[i]->N, (long long)lin[i]->K,
                       d ? "bwd" : "fwd", 1e3 * mm, 1e3 * ip);
        }
    double s = median(whole, reps);
    if (lt_comm_rank(world) == 0)
        printf("tp %d tokens %d whole_ms %.2f products_ms %.2f ratio %.3f linear_ms %.2f attention_ms %.2f comm_ms %.2f gflops %.1f\n",
               b.grid.tp_size, tokens, 1e3 * s, 1e3 * best, best / s, 1e3 * median(linear, reps), 1e3 * median(attention, reps),
               1e3 * median(comm, reps), 1e-9 * flops / s);
    close_model(&b);
    lt_comm_fini(&world);
    return 0;
}
