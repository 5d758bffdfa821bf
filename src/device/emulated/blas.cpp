/* Products: the twin of cuBLASLt.  Plain loops, sums in f32.
 *
 * There are several "algorithms", as the library has: they cut K into more or fewer parts, whose sums are added in order, so that another algorithm shows in the
 * bits; those with parts want a workspace. */
#include "device/emulated/queue.h"
#include "device/emulated/shadow.h"
#include "device/emulated/number.h"
#include "device/emulated/table.h"

#include <algorithm>
#include <vector>

namespace lt_emu {

using lt_space_emulated::lt_bits_f32;
using lt_space_emulated::lt_round_bf16;

static const uint64_t MAGIC = 0x6C74656D75ULL; /* word 0; word 1: parts */
static const int parts_known[] = {1, 2, 4};

static float from_e4m3(uint8_t x) {
    int e = x >> 3 & 15, m = x & 7;
    float v = e ? ldexpf((float)(8 + m), e - 10) : ldexpf((float)m, -9);
    if ((x & 0x7F) == 0x7F) v = NAN;
    return x & 0x80 ? -v : v;
}

static void widen(float *to, const void *p, lt_dtype dt, int64_t first, int64_t n, int64_t step) {
    static float e4m3[256];
    if (dt == LT_E4M3 && e4m3[1] == 0)
        for (int i = 0; i < 256; i++) e4m3[i] = from_e4m3((uint8_t)i);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = first + i * step;
        switch (dt) {
        case LT_BF16:
            to[i] = lt_bits_f32((uint32_t) static_cast<const uint16_t *>(p)[at] << 16);
            break;
        case LT_E4M3:
            to[i] = e4m3[static_cast<const uint8_t *>(p)[at]];
            break;
        default:
            to[i] = static_cast<const float *>(p)[at];
            break;
        }
    }
}

static void store(void *p, lt_dtype dt, int64_t at, float x) {
    if (dt == LT_BF16)
        static_cast<uint16_t *>(p)[at] = lt_round_bf16(x).bits;
    else
        static_cast<float *>(p)[at] = x;
}

static void multiply(const lt_gpu_gemm &g, int parts) {
    size_t M = (size_t)g.M, N = (size_t)g.N, K = (size_t)g.K;
    std::vector<float> b(K * N), a(K), sum(N), part(N), add(N);
    for (size_t k = 0; k < K; k++) /* [K, N] */
        widen(&b[k * N], g.B, g.ab_dt, g.tb ? (int64_t)k : (int64_t)k * g.ldb, g.N, g.tb ? g.ldb : 1);
    for (size_t i = 0; i < M; i++) {
        widen(a.data(), g.A, g.ab_dt, g.ta ? (int64_t)i : (int64_t)i * g.lda, g.K, g.ta ? g.lda : 1);
        std::fill(sum.begin(), sum.end(), 0.0f);
        for (int q = 0; q < parts; q++) {
            std::fill(part.begin(), part.end(), 0.0f);
            for (size_t k = K * (size_t)q / (size_t)parts; k < K * (size_t)(q + 1) / (size_t)parts; k++)
                for (size_t j = 0; j < N; j++) part[j] += a[k] * b[k * N + j];
            for (size_t j = 0; j < N; j++) sum[j] += part[j];
        }
        float scale = g.alpha * (g.a_scale ? g.a_scale[i] : 1.0f);
        for (size_t j = 0; j < N; j++) sum[j] *= scale * (g.b_scale ? g.b_scale[j] : 1.0f);
        if (g.beta != 0) {
            widen(add.data(), g.C, g.cd_dt, (int64_t)i * g.ldc, g.N, 1);
            for (size_t j = 0; j < N; j++) sum[j] += g.beta * add[j];
        }
        if (g.bias) {
            widen(add.data(), g.bias, g.cd_dt, 0, g.N, 1);
            for (size_t j = 0; j < N; j++) sum[j] += add[j];
        }
        for (size_t j = 0; j < N; j++) store(g.D, g.cd_dt, (int64_t)i * g.ldd + (int64_t)j, sum[j]);
    }
}

/* What the library would refuse. */
static lt_status check(const lt_gpu_gemm *g) {
    bool f32 = g->ab_dt == LT_F32 && g->cd_dt == LT_F32, bf16 = g->ab_dt == LT_BF16 && (g->cd_dt == LT_F32 || g->cd_dt == LT_BF16);
    bool e4m3 = g->ab_dt == LT_E4M3 && (g->cd_dt == LT_F32 || g->cd_dt == LT_BF16);
    LT_CHECK(f32 || bf16 || e4m3, LT_ERR_INTERNAL, "a product of %s with results in %s", lt_dtype_name(g->ab_dt), lt_dtype_name(g->cd_dt));
    LT_CHECK(g->M > 0 && g->N > 0 && g->K > 0 && g->lda >= (g->ta ? g->M : g->K) && g->ldb >= (g->tb ? g->K : g->N) && g->ldd >= g->N &&
                 (g->beta == 0 || (g->C && g->ldc >= g->N)),
             LT_ERR_INTERNAL, "a product [%lld, %lld, %lld] with strides %lld, %lld, %lld, %lld", (long long)g->M, (long long)g->N,
             (long long)g->K, (long long)g->lda, (long long)g->ldb, (long long)g->ldc, (long long)g->ldd);
    if (!e4m3) {
        LT_CHECK(!g->a_scale && !g->b_scale, LT_ERR_INTERNAL, "factors of a product of %s", lt_dtype_name(g->ab_dt));
        return LT_OK;
    }
    LT_CHECK(g->tb && !g->ta && g->N % 16 == 0 && g->K % 16 == 0 && g->lda % 16 == 0 && g->ldb % 16 == 0 && g->a_scale && g->b_scale,
             LT_ERR_INTERNAL, "a product in E4M3 needs A as [M, K], B as [N, K], factors, and sizes that are multiples of 16");
    return LT_OK;
}

static bool operands_fit(const lt_gpu_gemm *g) {
    size_t ab = lt_dtype_bytes(g->ab_dt), cd = lt_dtype_bytes(g->cd_dt);
    int64_t rows_a = g->ta ? g->K : g->M, rows_b = g->tb ? g->N : g->K;
    size_t width_a = (size_t)(g->ta ? g->M : g->K) * ab, width_b = (size_t)(g->tb ? g->K : g->N) * ab, width = (size_t)g->N * cd;
    return fits("A of a product", g->A, (size_t)g->lda * ab, width_a, rows_a) &&
           fits("B of a product", g->B, (size_t)g->ldb * ab, width_b, rows_b) &&
           fits("D of a product", g->D, (size_t)g->ldd * cd, width, g->M) &&
           (g->beta == 0 || fits("C of a product", g->C, (size_t)g->ldc * cd, width, g->M)) &&
           (!g->bias || fits("the bias of a product", g->bias, 0, width, 1)) &&
           (!g->a_scale || fits("a factor of a product", g->a_scale, 0, (size_t)g->M * 4, 1)) &&
           (!g->b_scale || fits("a factor of a product", g->b_scale, 0, (size_t)g->N * 4, 1));
}

/* For the race build: what is read, what is written. */
static void touch_operands(const lt_gpu_gemm &g, bool write, uint32_t op) {
    size_t ab = lt_dtype_bytes(g.ab_dt), cd = lt_dtype_bytes(g.cd_dt), width = (size_t)g.N * cd;
    static const char what[] = "a product";
    if (write) {
        shadow_bulk(g.D, (size_t)g.ldd * cd, width, g.M, true, op, what);
        return;
    }
    shadow_bulk(g.A, (size_t)g.lda * ab, (size_t)(g.ta ? g.M : g.K) * ab, g.ta ? g.K : g.M, false, op, what);
    shadow_bulk(g.B, (size_t)g.ldb * ab, (size_t)(g.tb ? g.K : g.N) * ab, g.tb ? g.N : g.K, false, op, what);
    if (g.beta != 0) shadow_bulk(g.C, (size_t)g.ldc * cd, width, g.M, false, op, what);
    if (g.bias) shadow_bulk(g.bias, 0, width, 1, false, op, what);
    if (g.a_scale) shadow_bulk(g.a_scale, 0, (size_t)g.M * 4, 1, false, op, what);
    if (g.b_scale) shadow_bulk(g.b_scale, 0, (size_t)g.N * 4, 1, false, op, what);
}

lt_status gemm_algos(const lt_gpu_gemm *g, bool with_ws, lt_gpu_algo *algo, int max, int *n) {
    gate entered;
    counts.asks++;
    LT_EMU_ENTER("gemm_algos");
    LT_TRY(check(g));
    *n = 0;
    for (int parts : parts_known)
        if (*n < max && (parts == 1 || with_ws)) algo[(*n)++] = lt_gpu_algo{{MAGIC, (uint64_t)parts}};
    return LT_OK;
}

lt_status gemm(lt_stream *s, const lt_gpu_gemm *g, const lt_gpu_algo *algo, void *ws) {
    gate entered;
    int parts = 1;
    counts.products++;
    LT_EMU_ENTER("gemm");
    LT_TRY(check_stream(s, "gemm"));
    LT_TRY(check(g));
    if (algo) {
        bool known = algo->word[0] == MAGIC;
        parts = (int)algo->word[1];
        LT_CHECK(known && std::find(std::begin(parts_known), std::end(parts_known), parts) != std::end(parts_known) && (parts == 1 || ws),
                 LT_ERR_CUDA, "CUDA (emulated): a product by an algorithm of another library");
    }
    (void)(operands_fit(g) && (!ws || fits("the workspace of a product", ws, 0, LT_GPU_WS_BYTES, 1)));
    LT_EMU_ALIVE();
    lt_gpu_gemm later = *g;
    enqueue(s, [later, parts](uint32_t op) {
        touch_operands(later, false, op);
        multiply(later, parts);
        touch_operands(later, true, op);
        return DONE;
    });
    return LT_OK;
}

} // namespace lt_emu
