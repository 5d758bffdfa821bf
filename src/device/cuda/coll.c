/* NCCL behind device/gpu.h. */
#include "device/cuda/cuda_impl.h"

#ifdef LT_HAVE_NCCL
#include "base/mem.h"

#include <nccl.h>
#include <stdlib.h>
#include <string.h>

struct lt_gpu_coll {
    ncclComm_t comm;
    int rank, size;
};

static lt_status status(ncclResult_t r, const char *what) {
    if (r == ncclSuccess) return LT_OK;
    const char *more = ncclGetLastError(NULL);
    return LT_FAIL(LT_ERR_NCCL, "NCCL: %s in %s%s%s%s", ncclGetErrorString(r), what, more && *more ? ": " : "", more ? more : "",
                   r == ncclSystemError || r == ncclRemoteError
                       ? "\n  what to do: NCCL_DEBUG=INFO says which network it chose; parallel.collectives: mpi does without NCCL"
                       : "");
}
#define NCCL(call) LT_TRY(status((call), #call))

static ncclDataType_t type_of(lt_dtype dt) { return dt == LT_BF16 ? ncclBfloat16 : ncclFloat32; }

int lt_cuda_impl_coll_version(void) {
    int v = 0;
    return ncclGetVersion(&v) == ncclSuccess ? v : 0;
}

bool lt_cuda_impl_coll_built(void) { return true; }

lt_status lt_cuda_impl_coll_id(unsigned char id[LT_GPU_COLL_ID_BYTES]) {
    ncclUniqueId u;
    _Static_assert(sizeof u == LT_GPU_COLL_ID_BYTES, "an id of NCCL");
    (void)setenv("NCCL_NVLS_ENABLE", "0", 0); /* its sums differ between runs; the user's own setting stays */
    NCCL(ncclGetUniqueId(&u));
    memcpy(id, &u, sizeof u);
    return LT_OK;
}

lt_status lt_cuda_impl_coll_init(const unsigned char id[LT_GPU_COLL_ID_BYTES], int rank, int size, const void *mpi, lt_gpu_coll **c) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    ncclUniqueId u;
    (void)mpi;
    (void)setenv("NCCL_NVLS_ENABLE", "0", 0);
    memcpy(&u, id, sizeof u);
    LT_TRY(lt_calloc(c, 1, sizeof **c, "a communicator of GPUs"));
    **c = (lt_gpu_coll){.rank = rank, .size = size};
    lt_status st = status(ncclCommInitRankConfig(&(*c)->comm, size, u, rank, &config), "ncclCommInitRankConfig");
    if (st == LT_OK) return LT_OK;
    free(*c);
    *c = NULL;
    return st;
}

lt_status lt_cuda_impl_all_reduce(lt_gpu_coll *c, const void *in, void *out, int64_t n, lt_dtype dt, lt_stream *s) {
    lt_cuda_impl_counts.bytes_summed += n * (int64_t)lt_dtype_bytes(dt);
    NCCL(ncclAllReduce(in, out, (size_t)n, type_of(dt), ncclSum, c->comm, (cudaStream_t)s));
    return LT_OK;
}

lt_status lt_cuda_impl_all_gather(lt_gpu_coll *c, const void *in, void *out, int64_t n, lt_dtype dt, lt_stream *s) {
    lt_cuda_impl_counts.bytes_summed += n * (int64_t)lt_dtype_bytes(dt);
    NCCL(ncclAllGather(in, out, (size_t)n, type_of(dt), c->comm, (cudaStream_t)s));
    return LT_OK;
}

lt_status lt_cuda_impl_broadcast(lt_gpu_coll *c, void *data, size_t bytes, int root, lt_stream *s) {
    NCCL(ncclBroadcast(data, data, bytes, ncclChar, root, c->comm, (cudaStream_t)s));
    return LT_OK;
}

lt_status lt_cuda_impl_coll_error(lt_gpu_coll *c) {
    ncclResult_t r;
    NCCL(ncclCommGetAsyncError(c->comm, &r));
    return status(r, "a collective in flight");
}

/* A communicator of eight GPUs took 0.5 to 0.7 GB, as users of NCCL report: buffers of its channels to each neighbour, and kernels. */
size_t lt_cuda_impl_coll_bytes(void) { return (size_t)704 << 20; }

void lt_cuda_impl_coll_fini(lt_gpu_coll *c) {
    if (!c) return;
    (void)ncclCommDestroy(c->comm);
    free(c);
}

#else

static lt_status absent(void) { return LT_FAIL(LT_ERR_NCCL, "this program was built without NCCL"); }

int lt_cuda_impl_coll_version(void) { return 0; }
bool lt_cuda_impl_coll_built(void) { return false; }
lt_status lt_cuda_impl_coll_id(unsigned char id[LT_GPU_COLL_ID_BYTES]) {
    (void)id;
    return absent();
}
lt_status lt_cuda_impl_coll_init(const unsigned char id[LT_GPU_COLL_ID_BYTES], int rank, int size, const void *mpi, lt_gpu_coll **c) {
    (void)id, (void)rank, (void)size, (void)mpi, (void)c;
    return absent();
}
lt_status lt_cuda_impl_all_reduce(lt_gpu_coll *c, const void *in, void *out, int64_t n, lt_dtype dt, lt_stream *s) {
    (void)c, (void)in, (void)out, (void)n, (void)dt, (void)s;
    return absent();
}
lt_status lt_cuda_impl_all_gather(lt_gpu_coll *c, const void *in, void *out, int64_t n, lt_dtype dt, lt_stream *s) {
    (void)c, (void)in, (void)out, (void)n, (void)dt, (void)s;
    return absent();
}
lt_status lt_cuda_impl_broadcast(lt_gpu_coll *c, void *data, size_t bytes, int root, lt_stream *s) {
    (void)c, (void)data, (void)bytes, (void)root, (void)s;
    return absent();
}
lt_status lt_cuda_impl_coll_error(lt_gpu_coll *c) {
    (void)c;
    return LT_OK;
}
size_t lt_cuda_impl_coll_bytes(void) { return 0; }
void lt_cuda_impl_coll_fini(lt_gpu_coll *c) { (void)c; }

#endif
