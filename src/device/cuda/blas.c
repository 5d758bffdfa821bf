/* cuBLASLt behind device/gpu.h.
 *
 * The library's matrices are column-major.  A row-major D = op(A) op(B) is the column-major D^T = op(B)^T op(A)^T on the same bytes: our B is the library's
 * first operand, our A its second, and M and N change places.  A bias of N numbers is then one number a row of its D, which is its bias epilogue.
 *
 *   ours                    the library's
 *   B [N, K] (tb)           first, K x N, turned       y = x W^T
 *   B [K, N]                first, N x K               dx = dy W
 *   A [M, K]                second, K x M
 *   A [K, M] (ta)           second, M x K, turned
 *
 * f32 is CUBLAS_COMPUTE_32F: no TF32.  Partial sums of split products are kept in f32 (mask of reduction schemes), never in the type of D. */
#include "device/cuda/cuda_impl.h"
#include "device/memo_impl.h"

#include <cublasLt.h>

#include <string.h>

_Static_assert(sizeof(cublasLtMatmulAlgo_t) == sizeof(lt_gpu_algo), "an algorithm of the library is 64 bytes");

enum { ALIGNED = 16 /* bytes: no kernel of the library asks for more */, MOST_ALGOS = 64 };

int lt_cuda_impl_blas_version(void) { return (int)cublasLtGetVersion(); }

static lt_status blas_status(cublasStatus_t e, const char *what, const lt_gpu_gemm *g) {
    if (e == CUBLAS_STATUS_SUCCESS) return LT_OK;
    return LT_FAIL(LT_ERR_CUDA, "cuBLASLt %d: %s in %s, product [%lld, %lld, %lld] of %s to %s%s%s", lt_cuda_impl_blas_version(),
                   cublasLtGetStatusString(e), what, (long long)g->M, (long long)g->N, (long long)g->K, lt_dtype_name(g->ab_dt),
                   lt_dtype_name(g->cd_dt), g->bias ? ", bias" : "", g->beta != 0 ? ", added" : "");
}
#define BLAS(call) LT_TRY(blas_status((call), #call, g))

/* The library's context on the open device; lives as long as the process. */
static lt_status handle(const lt_gpu_gemm *g, cublasLtHandle_t *h) {
    static cublasLtHandle_t made;
    if (!made) BLAS(cublasLtCreate(&made));
    *h = made;
    return LT_OK;
}

static cudaDataType type_of(lt_dtype dt) { return dt == LT_F32 ? CUDA_R_32F : dt == LT_BF16 ? CUDA_R_16BF : CUDA_R_8F_E4M3; }

/* A product in the library's words, on the caller's stack. */
typedef struct product {
    cublasLtMatmulDescOpaque_t op;
    cublasLtMatrixLayoutOpaque_t first, second, c, d;
} product;

static lt_status set(product *p, cublasLtMatmulDescAttributes_t what, const void *value, size_t bytes, const lt_gpu_gemm *g) {
    BLAS(cublasLtMatmulDescSetAttribute(&p->op, what, value, bytes));
    return LT_OK;
}
#define SET(what, value) LT_TRY(set(p, CUBLASLT_MATMUL_DESC_##what, &(value), sizeof(value), g))

/* One factor a row of the library's operand, which OUTER_VEC_32F means; compute capability 9.0 alone has it, and the library from 12.9 on. */
#if CUBLAS_VER_MAJOR > 12 || (CUBLAS_VER_MAJOR == 12 && CUBLAS_VER_MINOR >= 9)
static lt_status set_scales(const lt_gpu_gemm *g, product *p) {
    const int32_t mode = CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F;
    lt_gpu_info info;
    if (!g->a_scale && !g->b_scale) return LT_OK;
    LT_TRY(lt_gpu_cuda()->open(LT_GPU_OPENED, &info));
    LT_CHECK(info.major == 9, LT_ERR_CUDA, "%s (compute capability %d.%d): the library has factors of rows and columns for 9.0 alone",
             info.name, info.major, info.minor);
    LT_ASSERT(g->a_scale && g->b_scale);
    SET(A_SCALE_MODE, mode);
    SET(B_SCALE_MODE, mode);
    SET(A_SCALE_POINTER, g->b_scale);
    SET(B_SCALE_POINTER, g->a_scale);
    return LT_OK;
}
#else
static lt_status set_scales(const lt_gpu_gemm *g, product *p) {
    (void)p;
    LT_CHECK(
        !g->a_scale && !g->b_scale, LT_ERR_CUDA,
        "this program was built with cuBLAS %d.%d, which has no factors of rows and columns\n  what to do: build with CUDA 12.9 or later, "
        "or set model.dtype: bf16",
        CUBLAS_VER_MAJOR, CUBLAS_VER_MINOR);
    return LT_OK;
}
#endif

static lt_status set_bias(const lt_gpu_gemm *g, product *p) {
    const uint32_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    const int32_t type = (int32_t)type_of(g->cd_dt);
    if (!g->bias) return LT_OK;
    SET(EPILOGUE, epilogue);
    SET(BIAS_POINTER, g->bias);
    SET(BIAS_DATA_TYPE, type);
    return LT_OK;
}

static lt_status describe(const lt_gpu_gemm *g, product *p) {
    const int32_t turn_first = g->tb ? CUBLAS_OP_T : CUBLAS_OP_N, turn_second = g->ta ? CUBLAS_OP_T : CUBLAS_OP_N;
    const uint64_t M = (uint64_t)g->M, N = (uint64_t)g->N, K = (uint64_t)g->K;
    const cudaDataType in = type_of(g->ab_dt), out = type_of(g->cd_dt);
    LT_ASSERT(g->ab_dt != LT_F32 || g->cd_dt == LT_F32);
    LT_ASSERT(g->ab_dt != LT_E4M3 || (g->tb && !g->ta));
    BLAS(cublasLtMatmulDescInit(&p->op, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    SET(TRANSA, turn_first);
    SET(TRANSB, turn_second);
    LT_TRY(set_bias(g, p));
    LT_TRY(set_scales(g, p));
    BLAS(cublasLtMatrixLayoutInit(&p->first, in, g->tb ? K : N, g->tb ? N : K, g->ldb));
    BLAS(cublasLtMatrixLayoutInit(&p->second, in, g->ta ? M : K, g->ta ? K : M, g->lda));
    BLAS(cublasLtMatrixLayoutInit(&p->c, out, N, M, g->C ? g->ldc : g->ldd));
    BLAS(cublasLtMatrixLayoutInit(&p->d, out, N, M, g->ldd));
    return LT_OK;
}

/* The power of two that an address is a multiple of, at most ALIGNED. */
static uint32_t alignment(const void *p) {
    uint32_t a = ALIGNED;
    while (a > 1 && (uintptr_t)p % a) a /= 2;
    return a;
}

static lt_status preferences(const lt_gpu_gemm *g, bool with_ws, cublasLtMatmulPreferenceOpaque_t *pref) {
    const uint64_t room = with_ws ? LT_GPU_WS_BYTES : 0;
    const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, first = alignment(g->B), second = alignment(g->A),
                   c = alignment(g->C ? g->C : g->D), d = alignment(g->D);
    BLAS(cublasLtMatmulPreferenceInit(pref));
#define PREFER(what, value) BLAS(cublasLtMatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_##what, &(value), sizeof(value)))
    PREFER(MAX_WORKSPACE_BYTES, room);
    PREFER(REDUCTION_SCHEME_MASK, reductions);
    PREFER(MIN_ALIGNMENT_A_BYTES, first);
    PREFER(MIN_ALIGNMENT_B_BYTES, second);
    PREFER(MIN_ALIGNMENT_C_BYTES, c);
    PREFER(MIN_ALIGNMENT_D_BYTES, d);
#undef PREFER
    return LT_OK;
}

static lt_status find(const lt_gpu_gemm *g, product *p, bool with_ws, lt_gpu_algo *algo, int max, int *n) {
    cublasLtMatmulHeuristicResult_t found[MOST_ALGOS];
    cublasLtMatmulPreferenceOpaque_t pref;
    cublasLtHandle_t h = NULL;
    int returned = 0;
    *n = 0;
    LT_TRY(handle(g, &h));
    LT_TRY(preferences(g, with_ws, &pref));
    BLAS(cublasLtMatmulAlgoGetHeuristic(h, &p->op, &p->first, &p->second, &p->c, &p->d, &pref, max < MOST_ALGOS ? max : MOST_ALGOS, found,
                                        &returned));
    for (int i = 0; i < returned; i++)
        if (found[i].state == CUBLAS_STATUS_SUCCESS) memcpy(&algo[(*n)++], &found[i].algo, sizeof *algo);
    return blas_status(*n > 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED, "cublasLtMatmulAlgoGetHeuristic", g);
}

lt_status lt_cuda_impl_gemm_algos(const lt_gpu_gemm *g, bool with_ws, lt_gpu_algo *algo, int max, int *n) {
    product p;
    lt_cuda_impl_counts.asks++;
    LT_TRY(describe(g, &p));
    return find(g, &p, with_ws, algo, max, n);
}

/* Whether algo can compute this product in the room there is: one that was found for another number of rows may not. */
static bool serves(cublasLtHandle_t h, product *p, const cublasLtMatmulAlgo_t *algo, size_t room) {
    cublasLtMatmulHeuristicResult_t needs;
    return cublasLtMatmulAlgoCheck(h, &p->op, &p->first, &p->second, &p->c, &p->d, algo, &needs) == CUBLAS_STATUS_SUCCESS &&
           needs.workspaceSize <= room;
}

/* All that decides whether an algorithm serves, and which is the first that does. */
typedef struct question {
    lt_gpu_algo algo; /* zero: the first */
    uint64_t room;
    int64_t M, N, K, lda, ldb, ldc, ldd;
    uint32_t aligned[4];
    uint8_t ta, tb, ab_dt, cd_dt, bias, scaled, given, zero;
} question;
_Static_assert(sizeof(question) <= LT_MEMO_ASK_BYTES && sizeof(cublasLtMatmulAlgo_t) <= LT_MEMO_ANSWER_BYTES, "room of the table");

/* The algorithm for a product: the one that is given if it serves, else the library's first.  A check costs the library microseconds, its search tens of
 * them, and the layers of a model ask the same, so answers are kept. */
static lt_status choose(const lt_gpu_gemm *g, product *p, cublasLtHandle_t h, const lt_gpu_algo *algo, size_t room,
                        cublasLtMatmulAlgo_t *chosen) {
    enum { PLACES = 1024 }; /* shapes of a model times sizes of packs that come again */
    static lt_memo_entry entry[PLACES];
    static lt_memo known = {entry, PLACES};
    const void *c = g->C ? g->C : g->D;
    lt_gpu_algo first;
    question q;
    int n = 0;
    memset(&q, 0, sizeof q); /* with what lies between its fields */
    if (algo) q.algo = *algo;
    q.room = room;
    q.M = g->M, q.N = g->N, q.K = g->K;
    q.lda = g->lda, q.ldb = g->ldb, q.ldc = g->C ? g->ldc : g->ldd, q.ldd = g->ldd;
    q.aligned[0] = alignment(g->A), q.aligned[1] = alignment(g->B), q.aligned[2] = alignment(c), q.aligned[3] = alignment(g->D);
    q.ta = g->ta, q.tb = g->tb, q.ab_dt = (uint8_t)g->ab_dt, q.cd_dt = (uint8_t)g->cd_dt;
    q.bias = g->bias != NULL, q.scaled = g->a_scale != NULL, q.given = algo != NULL;
    if (lt_memo_find(&known, &q, sizeof q, chosen, sizeof *chosen)) return LT_OK;
    if (algo) memcpy(chosen, algo, sizeof *chosen);
    if (!algo || !serves(h, p, chosen, room)) {
        LT_TRY(find(g, p, room > 0, &first, 1, &n));
        memcpy(chosen, &first, sizeof *chosen);
    }
    lt_memo_keep(&known, &q, sizeof q, chosen, sizeof *chosen);
    return LT_OK;
}

lt_status lt_cuda_impl_gemm(lt_stream *s, const lt_gpu_gemm *g, const lt_gpu_algo *algo, void *ws) {
    const size_t room = ws ? LT_GPU_WS_BYTES : 0;
    cublasLtMatmulAlgo_t chosen;
    cublasLtHandle_t h = NULL;
    product p;
    LT_TRY(handle(g, &h));
    LT_TRY(describe(g, &p));
    LT_TRY(choose(g, &p, h, algo, room, &chosen));
    lt_cuda_impl_counts.products++;
    BLAS(cublasLtMatmul(h, &p.op, &g->alpha, g->B, &p.first, g->A, &p.second, &g->beta, g->C ? g->C : g->D, &p.c, g->D, &p.d, &chosen, ws,
                        room, (cudaStream_t)s));
    return LT_OK;
}
