#pragma once
/* Private to device/cuda: entries of its files, errors. */

#include "device/gpu.h"

#include <cuda_runtime_api.h>

/* CUDA with the runtime's text, what was asked for, and for the common reasons what to do; LT_OK for cudaSuccess. */
lt_status lt_cuda_impl_status(cudaError_t e, const char *what);
#define LT_CUDA(call) LT_TRY(lt_cuda_impl_status((call), #call))
extern lt_gpu_counts lt_cuda_impl_counts;

/* sum.cu */
lt_status lt_cuda_sum_parts(lt_stream *s, const float *parts, int count, int64_t ld, int64_t n, float *out);
lt_status lt_cuda_sum_bf16(lt_stream *s, const void *parts, int count, int64_t ld, int64_t n, lt_arr onto, float *out);
lt_status lt_cuda_round_bf16(lt_stream *s, const float *x, int64_t n, void *out);
/* blas.c */
int lt_cuda_impl_blas_version(void);
lt_status lt_cuda_impl_gemm_algos(const lt_gpu_gemm *g, bool with_ws, lt_gpu_algo *algo, int max, int *n);
lt_status lt_cuda_impl_gemm(lt_stream *s, const lt_gpu_gemm *g, const lt_gpu_algo *algo, void *ws);
/* coll.c */
int lt_cuda_impl_coll_version(void);
bool lt_cuda_impl_coll_built(void);
lt_status lt_cuda_impl_coll_id(unsigned char id[LT_GPU_COLL_ID_BYTES]);
lt_status lt_cuda_impl_coll_init(const unsigned char id[LT_GPU_COLL_ID_BYTES], int rank, int size, const void *mpi, lt_gpu_coll **c);
lt_status lt_cuda_impl_all_reduce(lt_gpu_coll *c, const void *in, void *out, int64_t n, lt_dtype dt, lt_stream *s);
lt_status lt_cuda_impl_all_gather(lt_gpu_coll *c, const void *in, void *out, int64_t n, lt_dtype dt, lt_stream *s);
lt_status lt_cuda_impl_broadcast(lt_gpu_coll *c, void *data, size_t bytes, int root, lt_stream *s);
lt_status lt_cuda_impl_coll_error(lt_gpu_coll *c);
size_t lt_cuda_impl_coll_bytes(void);
void lt_cuda_impl_coll_fini(lt_gpu_coll *c);
