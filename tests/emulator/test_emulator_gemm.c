// TEST timeout: 60
/* Products of the emulator against f64: all types, both operands either way, strides, bias, alpha and beta, factors; algorithms that differ in bits. */
#include "device/emulated/emulated.h"
#include "device/gpu.h"
#include "lt_test.h"
#include "tensor/tensor.h"

static const lt_gpu *gpu;
static lt_stream *stream;
static void *ws;

static void *managed(size_t bytes) {
    void *p = NULL;
    CHECK_OK(gpu->alloc_managed(bytes, &p));
    return p;
}
static float number(uint32_t *s) {
    *s = *s * 1664525u + 1013904223u;
    return (float)(*s >> 8) / 8388608.0f - 1.0f;
}
static float e4m3(uint8_t x) {
    int e = x >> 3 & 15, m = x & 7;
    float v = e ? ldexpf((float)(8 + m), e - 10) : ldexpf((float)m, -9);
    return x & 0x80 ? -v : v;
}
static float get(const void *p, lt_dtype dt, int64_t i) {
    return dt == LT_BF16 ? lt_bf16_to_f32(((const uint16_t *)p)[i]) : dt == LT_E4M3 ? e4m3(((const uint8_t *)p)[i]) : ((const float *)p)[i];
}
static void *filled(lt_dtype dt, int64_t n, uint32_t *s) {
    void *p = managed((size_t)n * lt_dtype_bytes(dt));
    for (int64_t i = 0; i < n; i++) {
        float x = number(s);
        if (dt == LT_BF16)
            ((uint16_t *)p)[i] = lt_f32_to_bf16(x);
        else if (dt == LT_E4M3)
            ((uint8_t *)p)[i] = (uint8_t)(0x20 + (uint32_t)((x + 1) * 15) + (x > 0 ? 0x80 : 0));
        else
            ((float *)p)[i] = x;
    }
    return p;
}

typedef struct shape {
    lt_dtype ab, cd;
    bool ta, tb, bias, add;
} shape;

/* One product in f64, element (i, j). */
static double exact(const lt_gpu_gemm *g, int64_t i, int64_t j, const void *c) {
    double sum = 0;
    for (int64_t k = 0; k < g->K; k++)
        sum += (double)get(g->A, g->ab_dt, g->ta ? k * g->lda + i : i * g->lda + k) *
               (double)get(g->B, g->ab_dt, g->tb ? j * g->ldb + k : k * g->ldb + j);
    sum *= (double)g->alpha * (g->a_scale ? (double)g->a_scale[i] * (double)g->b_scale[j] : 1);
    if (g->beta != 0) sum += (double)g->beta * (double)get(c, g->cd_dt, i * g->ldc + j);
    if (g->bias) sum += (double)get(g->bias, g->cd_dt, j);
    return sum;
}

static double worst_error(const lt_gpu_gemm *g, const void *c) {
    double worst = 0;
    for (int64_t i = 0; i < g->M; i++)
        for (int64_t j = 0; j < g->N; j++) {
            double want = exact(g, i, j, c), d = fabs((double)get(g->D, g->cd_dt, i * g->ldd + j) - want);
            d /= 1 + (g->cd_dt == LT_BF16 ? fabs(want) : 0);
            if (!(d <= worst)) worst = isnan(d) ? INFINITY : d;
        }
    return worst;
}

static void test_shape(shape t) {
    uint32_t s = 7;
    int64_t M = 19, N = 48, K = 80, lda = (t.ta ? M : K) + 13, ldb = (t.tb ? K : N) + 16, ldd = N + 8;
    bool e = t.ab == LT_E4M3;
    if (e) lda = K + 16;
    void *c = filled(t.cd, M * ldd, &s);
    float *sa = filled(LT_F32, M, &s), *sb = filled(LT_F32, N, &s);
    lt_gpu_gemm g = {.ta = t.ta,
                     .tb = t.tb,
                     .M = M,
                     .N = N,
                     .K = K,
                     .ab_dt = t.ab,
                     .cd_dt = t.cd,
                     .A = filled(t.ab, lda * (t.ta ? K : M), &s),
                     .B = filled(t.ab, ldb * (t.tb ? N : K), &s),
                     .C = t.add ? c : NULL,
                     .D = managed((size_t)(M * ldd) * lt_dtype_bytes(t.cd)),
                     .lda = lda,
                     .ldb = ldb,
                     .ldc = ldd,
                     .ldd = ldd,
                     .alpha = 0.5f,
                     .beta = t.add ? 0.75f : 0,
                     .bias = t.bias ? filled(t.cd, N, &s) : NULL,
                     .a_scale = e ? sa : NULL,
                     .b_scale = e ? sb : NULL};
    double limit = t.cd == LT_BF16 ? 0x1p-8 : 2e-5; /* one rounding to bf16; else f32 sums of 80 products */
    lt_gpu_algo algo[8];
    int n = 0;
    CHECK_OK(gpu->gemm_algos(&g, true, algo, 8, &n));
    CHECK(n >= 2);
    for (int i = -1; i < n; i++) {
        CHECK_OK(gpu->gemm(stream, &g, i < 0 ? NULL : &algo[i], ws));
        CHECK_OK(gpu->wait(stream));
        double error = worst_error(&g, c);
        TEST_REPORT(error <= limit, "%s to %s, ta %d tb %d: error %.3g, limit %.3g", lt_dtype_name(t.ab), lt_dtype_name(t.cd), t.ta, t.tb,
                    error, limit);
    }
    g.alpha = 0.51f; /* negative control: the check sees one part in fifty */
    CHECK(worst_error(&g, c) > limit);
    const void *const all[] = {c, sa, sb, g.A, g.B, g.D, g.bias};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) gpu->free_managed((void *)(uintptr_t)all[i]);
}

/* Another algorithm gives other bits, the same gives the same. */
static void test_algorithms(void) {
    uint32_t s = 3;
    enum { M = 8, N = 16, K = 512 };
    float *a = filled(LT_F32, M * K, &s), *b = filled(LT_F32, K * N, &s), *d = managed(M * N * 4), first[M * N], again[M * N];
    lt_gpu_gemm g = {.M = M, .N = N, .K = K, .A = a, .B = b, .D = d, .lda = K, .ldb = N, .ldd = N, .alpha = 1};
    lt_gpu_algo algo[8], other = {{1, 2}};
    int n = 0, all = 0;
    CHECK_OK(gpu->gemm_algos(&g, false, algo, 8, &n));
    CHECK_OK(gpu->gemm_algos(&g, true, algo, 8, &all));
    CHECK(all > n && n >= 1);
    for (int i = 0; i < all; i++) {
        CHECK_OK(gpu->gemm(stream, &g, &algo[i], ws));
        CHECK_OK(gpu->wait(stream));
        memcpy(i ? again : first, d, sizeof first);
        if (i) CHECK(memcmp(first, again, sizeof first) != 0);
        CHECK_OK(gpu->gemm(stream, &g, &algo[i], ws));
        CHECK_OK(gpu->wait(stream));
        CHECK(memcmp(i ? again : first, d, sizeof first) == 0);
    }
    CHECK_FAILS(gpu->gemm(stream, &g, &algo[all - 1], NULL), LT_ERR_CUDA, "algorithm");
    CHECK_FAILS(gpu->gemm(stream, &g, &other, ws), LT_ERR_CUDA, "algorithm");
    g.lda = K - 1;
    CHECK_FAILS(gpu->gemm(stream, &g, NULL, ws), LT_ERR_INTERNAL, "with strides");
    g.lda = K;
    g.M = M + 1;
    CHECK_FAILS(gpu->gemm(stream, &g, NULL, ws), LT_ERR_CUDA, "A of a product");
    lt_emulated_forget();
    gpu->free_managed(a);
    gpu->free_managed(b);
    gpu->free_managed(d);
}

int main(void) {
    lt_gpu_info info;
    static const shape some[] = {
        {LT_F32, LT_F32, false, false, false, false}, {LT_F32, LT_F32, true, false, true, true},
        {LT_F32, LT_F32, false, true, false, true},   {LT_F32, LT_F32, true, true, true, false},
        {LT_BF16, LT_BF16, false, true, true, true},  {LT_BF16, LT_BF16, false, false, false, true},
        {LT_BF16, LT_F32, true, false, false, false}, {LT_E4M3, LT_BF16, false, true, true, true},
        {LT_E4M3, LT_F32, false, true, false, false},
    };
    gpu = lt_gpu_emulated();
    CHECK_OK(gpu->open(0, &info));
    CHECK_OK(gpu->stream_create(false, &stream));
    CHECK_OK(gpu->alloc(LT_GPU_WS_BYTES, "a workspace", &ws));
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) test_shape(some[i]);
    test_algorithms();
    gpu->free(ws);
    gpu->stream_destroy(stream);
    return test_end();
}
