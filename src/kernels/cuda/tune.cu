/* Choice of the library's algorithms by measuring: each product that steps will make, up to MOST ways, each six times on random numbers. */
#include "kernels/cuda/products_impl.h"

#include <algorithm>

namespace LT_GPU_SPACE {

enum { MOST = 16, TIMES = 6, THREADS = 256 };

/* What one product is measured on: in the caller's room as far as it reaches, else allocated and freed with the struct. */
struct bench {
    state *s;
    unsigned char *room, *room_end;
    void *a, *c, *d, *bias, *factor;
    void *taken[5]; /* those that were allocated */
    int n_taken;
    lt_gpu_event *from, *to;

    bench(state *st, const struct lt_tune_args *t)
        : s(st), room(static_cast<unsigned char *>(t->room)), room_end(room ? room + t->room_bytes : room), a(nullptr), c(nullptr),
          d(nullptr), bias(nullptr), factor(nullptr), n_taken(0), from(nullptr), to(nullptr) {}
    bench(const bench &) = delete;
    bench &operator=(const bench &) = delete;
    ~bench() {
        for (int i = 0; i < n_taken; i++) s->gpu->free(taken[i]);
        if (from) s->gpu->event_destroy(from);
        if (to) s->gpu->event_destroy(to);
    }
};

LT_DEVICE void store_random(float *p, uint32_t h) { *p = (float)(h >> 8) * 0x1p-23f - 1.0f; }
LT_DEVICE void store_random(lt_bf16 *p, uint32_t h) { *p = lt_round_bf16((float)(h >> 8) * 0x1p-23f - 1.0f); }
LT_DEVICE void store_random(uint8_t *p, uint32_t h) { *p = (uint8_t)(h & 0xBF); } /* E4M3 below 2 */

/* Numbers between -1 and 1 or so, from a hash of their place: zeros would draw less power and run faster than real ones. */
template <typename T> static __global__ void __launch_bounds__(THREADS) random_kernel(T *p, int64_t n) {
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= n) return;
    uint32_t h = (uint32_t)i * 2654435761u;
    h = (h ^ h >> 15) * 2246822519u;
    h = (h ^ h >> 13) * 3266489917u;
    store_random(p + i, h);
}

static lt_status random_array(const lt_ctx *c, bench *b, lt_dtype dt, int64_t n, void **p) {
    const size_t align = 256, bytes = ((size_t)n * lt_dtype_bytes(dt) + align - 1) / align * align;
    unsigned char *at = reinterpret_cast<unsigned char *>((reinterpret_cast<uintptr_t>(b->room) + align - 1) / align * align);
    if (at && at <= b->room_end && bytes <= (size_t)(b->room_end - at)) {
        *p = at;
        b->room = at + bytes;
    } else {
        LT_TRY(b->s->gpu->alloc(bytes, "measuring products", p));
        b->taken[b->n_taken++] = *p;
    }
    if (dt == LT_E4M3)
        LT_RUN(c, (random_kernel<uint8_t>), blocks_for(n, THREADS), THREADS, 0, static_cast<uint8_t *>(*p), n);
    else
        LT_BY_TYPE(dt, LT_RUN(c, (random_kernel<T>), blocks_for(n, THREADS), THREADS, 0, static_cast<T *>(*p), n););
    return LT_OK;
}

static lt_status bench_init(const lt_ctx *c, const lt_gpu_gemm &g, bench *b) {
    LT_TRY(random_array(c, b, g.ab_dt, g.M * g.K, &b->a));
    LT_TRY(random_array(c, b, g.cd_dt, g.M * g.N, &b->d));
    if (g.C && g.C != g.D) LT_TRY(random_array(c, b, g.cd_dt, g.M * g.N, &b->c));
    if (g.bias) LT_TRY(random_array(c, b, LT_F32, g.N, &b->bias));
    if (g.a_scale) LT_TRY(random_array(c, b, LT_F32, g.M, &b->factor));
    LT_TRY(b->s->gpu->event_create(true, &b->from));
    return b->s->gpu->event_create(true, &b->to);
}

/* Layers whose W may stand for the one of g. */
static int same_shape(const struct lt_tune_args *a, const lt_lin *like, bool forward, const void *w[TIMES]) {
    int n = 0;
    for (int64_t i = 0; i < a->n_lins && n < TIMES; i++) {
        const lt_lin *l = a->lin[i];
        if (l->N == like->N && l->K == like->K && l->dt == like->dt && l->e4m3 == like->e4m3) w[n++] = linear_operand(l, forward);
    }
    if (n == 0) w[n++] = linear_operand(like, forward);
    return n;
}

/* The median of the times of one algorithm, in ms; after one run that is not counted. */
static lt_status measure(bench *b, lt_gpu_gemm g, const lt_gpu_algo *algo, const void *const *w, int n_w, float *ms) {
    float time[TIMES] = {0};
    for (int i = -1; i < TIMES; i++) {
        g.B = w[(i + 1) % n_w];
        LT_TRY(b->s->gpu->record(b->from, b->s->stream));
        LT_TRY(b->s->gpu->gemm(b->s->stream, &g, algo, b->s->product_ws));
        LT_TRY(b->s->gpu->record(b->to, b->s->stream));
        LT_TRY(b->s->gpu->wait_event(b->to));
        if (i >= 0) LT_TRY(b->s->gpu->elapsed_ms(b->from, b->to, &time[i]));
    }
    std::sort(time, time + TIMES);
    *ms = (time[TIMES / 2 - 1] + time[TIMES / 2]) / 2;
    return LT_OK;
}

/* The fastest algorithm of one product, into its place in the cache.  Measured with the rows it has and not with those that stand for its class: a pack that
 * fills the device in whole waves would look like one that does not. */
static lt_status tune_product(const lt_ctx *c, const struct lt_tune_args *a, const lt_gpu_gemm &made, const void *const *w, int n_w,
                              int64_t *measured) {
    state *s = state_of(c);
    product_entry *e;
    LT_TRY(product_find(s, made, &e));
    if (!e || e->tuned) return LT_OK;
    for (uint8_t bytes : e->key.aligned)
        if (bytes < 16) return LT_OK; /* ways found for the arrays here could not serve */
    lt_gpu_gemm g = made;
    bench b(s, a);
    lt_gpu_algo algo[MOST];
    float least = 0, ms = 0;
    int n = 0;
    LT_TRY(bench_init(c, g, &b));
    g.A = b.a;
    g.C = !g.C ? nullptr : g.C == g.D ? b.d : b.c;
    g.D = b.d;
    g.bias = b.bias;
    g.a_scale = static_cast<const float *>(b.factor);
    LT_TRY(s->gpu->gemm_algos(&g, true, algo, MOST, &n));
    for (int i = 0; i < n; i++) {
        LT_TRY(measure(&b, g, &algo[i], w, n_w, &ms));
        if (i > 0 && ms >= least) continue;
        least = ms;
        e->algo = algo[i];
    }
    e->tuned = 1;
    ++*measured;
    return LT_OK;
}

lt_status tune(const lt_ctx *c, const struct lt_tune_args *a) {
    int64_t unwanted = 0, *measured = a->measured ? a->measured : &unwanted;
    for (int64_t i = 0; i < a->n_calls; i++) {
        const void *w[TIMES];
        linear_run r = linear_plan(c, &a->call[i], !a->backward[i]);
        int n_w = same_shape(a, a->call[i].lin, r.forward, w);
        if (r.rows == 0) continue;
        LT_TRY(tune_product(c, a, linear_product(r, 0, r.block), w, n_w, measured));
        if (r.rows % r.block) LT_TRY(tune_product(c, a, linear_product(r, 0, r.rows % r.block), w, n_w, measured));
    }
    return LT_OK;
}

} // namespace LT_GPU_SPACE
