/* cuBLASLt behind device/gpu.h. */
#include "device/cuda/cuda_impl.h"

#include <cublasLt.h>

int lt_cuda_impl_blas_version(void) { return (int)cublasLtGetVersion(); }

lt_status lt_cuda_impl_gemm_algos(const lt_gpu_gemm *g, bool with_ws, lt_gpu_algo *algo, int max, int *n) {
    (void)g, (void)with_ws, (void)algo, (void)max, (void)n;
    return LT_FAIL(LT_ERR_INTERNAL, "products: not in this back end yet");
}

lt_status lt_cuda_impl_gemm(lt_stream *s, const lt_gpu_gemm *g, const lt_gpu_algo *algo, void *ws) {
    (void)s, (void)g, (void)algo, (void)ws;
    return LT_FAIL(LT_ERR_INTERNAL, "products: not in this back end yet");
}
