/* oneDNN behind a few functions: f32 matrix product, and inner product with packed weights.
 *
 * Versions 2.6 and 3.x; what they say differently is in dnnl_compat.h.  The measurements below were made with 2.6.3.
 *
 * Why two ways.  bf16 needs the library's blocked kernels, which want W in blocks; one layout serves both directions, and the packed copy takes
 * the place of the original.  In f32 sgemm on row-major weights is as fast: measured on layers of 384 to 1536 with 64 to 2048 rows, on AVX2 it is
 * within 5 % of every packed form; on AVX-512 (Zen 4) 9 % slower forward and 20 % faster backward than inner_product on the common layout, a
 * training step 11 % faster, and there is no row padding.  A second, packed copy for the forward direction gained nothing in a step.
 *
 * bf16 counts only with hardware (AVX512-BF16 or AMX): the library would also run it without, four times slower than f32.
 *
 * Compiled products ("primitives") cost about 1 ms to create and are good for one M, so a table keeps the most recently used ones; the
 * library's own cache behind it makes a second creation cheap.  Weights and rows are passed by swapping pointers.  The table and the
 * engine belong to the ctx (ctx->impl) and serve one call at a time; the engine is made when a packed layer first asks for it.  Of the process is only
 * which instructions the library may use: it takes that once.
 *
 * Threads: the library takes OpenMP's default; it is set for the time of each call.  It may split a sum over threads, so here bits depend
 * on their number. */
#include "kernels/cpu/cpu_impl.h"
#include "kernels/cpu/dnnl_compat.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define LT_DNNL(call)                                                                                                                      \
    do {                                                                                                                                   \
        dnnl_status_t s_dnnl_ = (call);                                                                                                    \
        if (s_dnnl_ != dnnl_success) return LT_FAIL(LT_ERR_INTERNAL, "oneDNN: %s gave status %d", #call, (int)s_dnnl_);                    \
    } while (0)
#define LT_DNNL_GOTO(call, st, label)                                                                                                      \
    do {                                                                                                                                   \
        dnnl_status_t s_dnnl_ = (call);                                                                                                    \
        LT_CHECK_GOTO(s_dnnl_ == dnnl_success, st, label, LT_ERR_INTERNAL, "oneDNN: %s gave status %d", #call, (int)s_dnnl_);              \
    } while (0)

enum { TABLE_SIZE = 256 }; /* 5 layer shapes x 2 directions x 16 block sizes, and room for output types */

typedef struct product_key {
    int64_t M, N, K;
    int dt, out_dt, forward, bias, threads;
} product_key;

typedef struct product {
    product_key key;
    uint64_t last_used; /* 0 = free */
    dnnl_primitive_t primitive;
    dnnl_memory_t in, w, out, bias;
} product;

/* ctx->impl. */
typedef struct handles {
    dnnl_engine_t engine; /* NULL until a packed layer asks */
    dnnl_stream_t stream;
    product table[TABLE_SIZE];
    uint64_t clock;
} handles;

static bool begun;

bool lt_cpu_impl_begun(void) { return begun; }

/* Before any other call: the library keeps to the level of the kernels where that is not all that the CPU has.  It takes this once, and unasked it uses
 * everything; a refusal leaves that. */
static void begin(void) {
    if (begun) return;
    begun = true;
#ifdef __x86_64__
    static const dnnl_cpu_isa_t isa[LT_CPU_LEVELS] = {[LT_CPU_V1] = dnnl_cpu_isa_sse41,
                                                      [LT_CPU_V3] = dnnl_cpu_isa_avx2,
                                                      [LT_CPU_V4] = dnnl_cpu_isa_avx512_core,
                                                      [LT_CPU_V4_BF16] = dnnl_cpu_isa_avx512_core_bf16,
                                                      [LT_CPU_V4_AMX] = dnnl_cpu_isa_avx512_core_amx};
    if (lt_cpu_level_now() < lt_cpu_impl_highest()) (void)dnnl_set_max_cpu_isa(isa[lt_cpu_level_now()]);
#endif
}

static lt_status start(handles *h) {
    LT_ASSERT(h); /* ctx_init() was called */
    begin();
    if (!h->engine) LT_DNNL(dnnl_engine_create(&h->engine, dnnl_cpu, 0));
    if (!h->stream) LT_DNNL(dnnl_stream_create(&h->stream, h->engine, dnnl_stream_default_flags));
    return LT_OK;
}

/* Sets OpenMP's default and returns the old one. */
static int set_threads(int threads) {
    int before = omp_get_max_threads();
    if (before != threads) omp_set_num_threads(threads);
    return before;
}

static dnnl_data_type_t dnnl_type(lt_dtype dt) { return dt == LT_BF16 ? dnnl_bf16 : dnnl_f32; }

bool lt_cpu_impl_has_bf16(void) {
    begin();
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
}

static bool forced(const char *mode) {
    const char *wish = getenv("LT_CPU_LINEAR");
    return wish && strcmp(wish, mode) == 0;
}

bool lt_cpu_impl_may_pack(lt_dtype dt) { return forced("packed") || (dt == LT_BF16 && lt_cpu_impl_has_bf16() && !forced("plain")); }

/* ---- matrix product ---- */

lt_status lt_cpu_impl_sgemm(int threads, const struct lt_gemm_args *g) {
    if (g->M == 0 || g->N == 0) return LT_OK;
    if (g->K == 0) {
        for (int64_t i = 0; i < g->M; i++)
            for (int64_t j = 0; j < g->N; j++) g->C[i * g->ldc + j] = g->beta == 0.0f ? 0.0f : g->beta * g->C[i * g->ldc + j];
        return LT_OK;
    }
    begin();
    int before = set_threads(threads);
    dnnl_status_t s =
        dnnl_sgemm(g->ta ? 'T' : 'N', g->tb ? 'T' : 'N', g->M, g->N, g->K, g->alpha, g->A, g->lda, g->B, g->ldb, g->beta, g->C, g->ldc);
    set_threads(before);
    LT_DNNL(s);
    return LT_OK;
}

/* ---- packed layers: lin->impl is the handle of their layout ---- */

/* Descriptor of one product.  w is the layout of the weights, or "any" to let the library choose. */
static lt_status describe(handles *h, const product_key *k, lt_dnnl_md_view w, dnnl_primitive_desc_t *pd) {
    lt_dnnl_md x = NULL, y = NULL, bias = NULL, hint_x = NULL;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_data_type_t type = dnnl_type((lt_dtype)k->dt), out = dnnl_type((lt_dtype)k->out_dt);
    lt_status st = LT_OK;
    LT_TRY(start(h));
    LT_DNNL_GOTO(lt_dnnl_md_create(&x, 2, (dnnl_dims_t){k->M, k->K}, k->forward ? type : out, dnnl_ab), st, done);
    LT_DNNL_GOTO(lt_dnnl_md_create(&y, 2, (dnnl_dims_t){k->M, k->N}, k->forward ? out : type, dnnl_ab), st, done);
    if (k->forward) {
        if (k->bias) LT_DNNL_GOTO(lt_dnnl_md_create(&bias, 1, (dnnl_dims_t){k->N}, dnnl_f32, dnnl_a), st, done);
        LT_DNNL_GOTO(lt_dnnl_inner_fwd(pd, h->engine, x, w, bias, y), st, done);
    } else {
        /* The library wants the forward product as a hint, with one type throughout. */
        LT_DNNL_GOTO(lt_dnnl_md_create(&hint_x, 2, (dnnl_dims_t){k->M, k->K}, type, dnnl_ab), st, done);
        LT_DNNL_GOTO(lt_dnnl_inner_fwd(&hint, h->engine, hint_x, w, NULL, y), st, done);
        LT_DNNL_GOTO(lt_dnnl_inner_bwd(pd, h->engine, x, w, y, hint), st, done);
    }
done:
    if (hint) dnnl_primitive_desc_destroy(hint);
    lt_dnnl_md_destroy(&hint_x);
    lt_dnnl_md_destroy(&bias);
    lt_dnnl_md_destroy(&y);
    lt_dnnl_md_destroy(&x);
    return st;
}

/* The layout of the weights that the library likes best forward; the caller destroys it. */
static lt_status forward_layout(handles *h, product_key k, lt_dnnl_md *layout) {
    lt_dnnl_md any = NULL;
    dnnl_primitive_desc_t pd = NULL;
    lt_status st = LT_OK;
    k.forward = 1;
    LT_DNNL(lt_dnnl_md_create(&any, 2, (dnnl_dims_t){k.N, k.K}, dnnl_type((lt_dtype)k.dt), dnnl_format_tag_any));
    LT_TRY_GOTO(describe(h, &k, any, &pd), st, done);
    LT_DNNL_GOTO(lt_dnnl_md_clone(layout, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0)), st, done);
done:
    if (pd) dnnl_primitive_desc_destroy(pd);
    lt_dnnl_md_destroy(&any);
    return st;
}

/* *serves: the library's blocked kernels ("brgemm...") run backward on that layout. */
static lt_status backward_serves(handles *h, product_key k, lt_dnnl_md_view layout, bool *serves) {
    dnnl_primitive_desc_t pd;
    const char *kernel = NULL;
    k.forward = 0;
    LT_TRY(describe(h, &k, layout, &pd));
    dnnl_status_t s = dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &kernel);
    *serves = s == dnnl_success && strncmp(kernel, "brg", 3) == 0;
    dnnl_primitive_desc_destroy(pd);
    LT_DNNL(s);
    return LT_OK;
}

/* The layout that serves both directions, which the caller destroys; false if there is none (or no kernel for this type at all). */
static bool common_layout(const lt_ctx *c, int64_t N, int64_t K, lt_dtype dt, lt_dnnl_md *layout) {
    if (!lt_cpu_impl_may_pack(dt)) return false;
    product_key k = {.M = LT_CPU_ROW_BLOCK, .N = N, .K = K, .dt = (int)dt, .out_dt = (int)dt};
    lt_dnnl_md best = NULL;
    bool serves = false;
    int before = set_threads(c->threads);
    bool known = forward_layout(c->impl, k, &best) == LT_OK;
    if (known && lt_dnnl_md_blocks(best) > 0) known = backward_serves(c->impl, k, best, &serves) == LT_OK;
    set_threads(before);
    if (!known) lt_err_clear(); /* an answer, not a failure: plain products do */
    if (known && serves) {
        *layout = best;
        return true;
    }
    lt_dnnl_md_destroy(&best);
    /* Forced where the library has no blocked kernels: its row-major form goes through the same code. */
    return forced("packed") && lt_dnnl_md_create(layout, 2, (dnnl_dims_t){N, K}, dnnl_type(dt), dnnl_ab) == dnnl_success;
}

bool lt_cpu_impl_packs(const lt_ctx *c, int64_t N, int64_t K, lt_dtype dt, size_t *bytes, int64_t *panel) {
    lt_dnnl_md layout;
    lt_dnnl_pairs pairs;
    if (!common_layout(c, N, K, dt, &layout)) return false;
    *bytes = dnnl_memory_desc_get_size(layout);
    *panel = dt == LT_BF16 && lt_dnnl_md_pairs(layout, &pairs) ? pairs.n : 0;
    lt_dnnl_md_destroy(&layout);
    return true;
}

/* to := from, both memories with their layouts. */
static lt_status reorder(handles *h, dnnl_memory_t from, dnnl_memory_t to) {
    lt_dnnl_md_view from_layout, to_layout;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    LT_DNNL(dnnl_memory_get_memory_desc(from, &from_layout));
    LT_DNNL(dnnl_memory_get_memory_desc(to, &to_layout));
    LT_DNNL(dnnl_reorder_primitive_desc_create(&pd, from_layout, h->engine, to_layout, h->engine, NULL));
    dnnl_status_t s = dnnl_primitive_create(&primitive, pd);
    dnnl_primitive_desc_destroy(pd);
    LT_DNNL(s);
    s = dnnl_primitive_execute(primitive, h->stream, 2, (dnnl_exec_arg_t[]){{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
    if (s == dnnl_success) s = dnnl_stream_wait(h->stream);
    dnnl_primitive_destroy(primitive);
    LT_DNNL(s);
    return LT_OK;
}

lt_status lt_cpu_impl_pack(const lt_ctx *c, lt_lin *lin, bool reorder_w) {
    handles *h = c->impl;
    lt_dnnl_md layout, plain = NULL;
    dnnl_memory_t from = NULL, to = NULL;
    void *copy = NULL;
    lt_status st = LT_OK;
    dnnl_status_t s;
    if (!common_layout(c, lin->N, lin->K, lin->dt, &layout)) return LT_OK;
    if (!reorder_w) {
        lin->impl = layout;
        return LT_OK;
    }
    size_t bytes = dnnl_memory_desc_get_size(layout);
    int before = set_threads(c->threads);
    LT_TRY_GOTO(lt_calloc(&copy, (int64_t)bytes, 1, "one layer's weights while they are packed"), st, done);
    s = lt_dnnl_md_create(&plain, 2, (dnnl_dims_t){lin->N, lin->K}, dnnl_type(lin->dt), dnnl_ab);
    if (s == dnnl_success) s = dnnl_memory_create(&from, plain, h->engine, lin->w);
    if (s == dnnl_success) s = dnnl_memory_create(&to, layout, h->engine, copy);
    LT_CHECK_GOTO(s == dnnl_success, st, done, LT_ERR_INTERNAL, "oneDNN: describing weights [%lld, %lld] gave status %d", (long long)lin->N,
                  (long long)lin->K, (int)s);
    LT_TRY_GOTO(reorder(h, from, to), st, done);
    memcpy(lin->w, copy, bytes);
    lin->impl = layout;
    layout = NULL;
done:
    if (to) dnnl_memory_destroy(to);
    if (from) dnnl_memory_destroy(from);
    lt_dnnl_md_destroy(&plain);
    lt_dnnl_md_destroy(&layout);
    free(copy);
    set_threads(before);
    return st;
}

void lt_cpu_impl_drop(lt_lin *lin) {
    lt_dnnl_md layout = lin->impl;
    lt_dnnl_md_destroy(&layout);
    lin->impl = NULL;
}

static void product_free(product *p) {
    if (p->bias) dnnl_memory_destroy(p->bias);
    if (p->out) dnnl_memory_destroy(p->out);
    if (p->w) dnnl_memory_destroy(p->w);
    if (p->in) dnnl_memory_destroy(p->in);
    if (p->primitive) dnnl_primitive_destroy(p->primitive);
    *p = (product){0};
}

lt_status lt_cpu_ctx_init(lt_ctx *c) {
    handles *h = NULL;
    LT_TRY(lt_calloc(&h, 1, sizeof *h, "the table of matrix products"));
    c->impl = h;
    return LT_OK;
}

void lt_cpu_ctx_fini(lt_ctx *c) {
    handles *h = c->impl;
    if (!h) return;
    for (int i = 0; i < TABLE_SIZE; i++) product_free(&h->table[i]);
    if (h->stream) dnnl_stream_destroy(h->stream);
    if (h->engine) dnnl_engine_destroy(h->engine);
    free(h);
    c->impl = NULL;
}

/* A memory of the product pd for `what`, without data yet. */
static lt_status slot(handles *h, dnnl_memory_t *m, dnnl_primitive_desc_t pd, dnnl_query_t what, int index) {
    LT_DNNL(dnnl_memory_create(m, dnnl_primitive_desc_query_md(pd, what, index), h->engine, DNNL_MEMORY_NONE));
    return LT_OK;
}

static lt_status product_create(handles *h, product *p, const product_key *k, lt_dnnl_md_view layout) {
    dnnl_primitive_desc_t pd;
    lt_status st = LT_OK;
    LT_TRY(describe(h, k, layout, &pd));
    dnnl_status_t s = dnnl_primitive_create(&p->primitive, pd);
    LT_CHECK_GOTO(s == dnnl_success, st, done, LT_ERR_INTERNAL, "oneDNN: product of %lld rows with weights [%lld, %lld] gave status %d",
                  (long long)k->M, (long long)k->N, (long long)k->K, (int)s);
    LT_TRY_GOTO(slot(h, &p->in, pd, k->forward ? dnnl_query_src_md : dnnl_query_diff_dst_md, 0), st, done);
    LT_TRY_GOTO(slot(h, &p->w, pd, dnnl_query_weights_md, 0), st, done);
    LT_TRY_GOTO(slot(h, &p->out, pd, k->forward ? dnnl_query_dst_md : dnnl_query_diff_src_md, 0), st, done);
    if (k->bias) LT_TRY_GOTO(slot(h, &p->bias, pd, dnnl_query_weights_md, 1), st, done);
    p->key = *k;
done:
    dnnl_primitive_desc_destroy(pd);
    if (st != LT_OK) product_free(p);
    return st;
}

static bool same_key(const product_key *a, const product_key *b) {
    return a->M == b->M && a->N == b->N && a->K == b->K && a->dt == b->dt && a->out_dt == b->out_dt && a->forward == b->forward &&
           a->bias == b->bias && a->threads == b->threads;
}

/* The product from the table, created in the place of the least recently used one if it is not there. */
static lt_status find(handles *h, const product_key *k, lt_dnnl_md_view layout, product **out) {
    product *oldest = &h->table[0];
    for (product *p = h->table; p < h->table + TABLE_SIZE; p++) {
        if (p->last_used && same_key(&p->key, k)) {
            *out = p;
            p->last_used = ++h->clock;
            return LT_OK;
        }
        if (p->last_used < oldest->last_used) oldest = p;
    }
    product_free(oldest);
    LT_TRY(product_create(h, oldest, k, layout));
    oldest->last_used = ++h->clock;
    *out = oldest;
    return LT_OK;
}

static lt_status execute(handles *h, const product_key *k, const lt_lin *lin, const void *in, void *out, const float *bias) {
    product *p = NULL;
    LT_TRY(find(h, k, lin->impl, &p));
    LT_DNNL(dnnl_memory_set_data_handle(p->in, (void *)in));
    LT_DNNL(dnnl_memory_set_data_handle(p->w, lin->w));
    LT_DNNL(dnnl_memory_set_data_handle(p->out, out));
    if (bias) LT_DNNL(dnnl_memory_set_data_handle(p->bias, (void *)bias));
    dnnl_exec_arg_t arg[] = {{k->forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST, p->in},
                             {DNNL_ARG_WEIGHTS, p->w},
                             {k->forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC, p->out},
                             {DNNL_ARG_BIAS, p->bias}};
    LT_DNNL(dnnl_primitive_execute(p->primitive, h->stream, bias ? 4 : 3, arg));
    LT_DNNL(dnnl_stream_wait(h->stream));
    return LT_OK;
}

lt_status lt_cpu_impl_packed_product(const lt_ctx *c, const lt_lin *lin, bool forward, int64_t M, const void *in, lt_arr out,
                                     const float *bias) {
    product_key k = {.M = M,
                     .N = lin->N,
                     .K = lin->K,
                     .dt = (int)lin->dt,
                     .out_dt = (int)out.dt,
                     .forward = forward,
                     .bias = bias != NULL,
                     .threads = c->threads};
    int before = set_threads(c->threads);
    lt_status st = execute(c->impl, &k, lin, in, out.p, bias);
    set_threads(before);
    return st;
}
