/* The CUDA runtime behind device/gpu.h. */
#include "device/cuda/cuda_impl.h"
#include "device/memo_impl.h"
#include "device/words_impl.h"

#include <stdio.h>
#include <string.h>

static struct {
    bool open;
    int device;
    lt_gpu_info info;
} here;
lt_gpu_counts lt_cuda_impl_counts;
static lt_gpu_counts *const counts = &lt_cuda_impl_counts;

static lt_gpu_failure kind_of(cudaError_t e) {
    switch (e) {
    case cudaErrorMemoryAllocation:
        return LT_GPU_FAILED_MEMORY;
    case cudaErrorNoDevice:
        return LT_GPU_FAILED_NO_DEVICE;
    case cudaErrorInsufficientDriver:
        return LT_GPU_FAILED_OLD_DRIVER;
    case cudaErrorNoKernelImageForDevice:
        return LT_GPU_FAILED_NO_IMAGE;
    case cudaErrorECCUncorrectable:
        return LT_GPU_FAILED_ECC;
    case cudaErrorLaunchFailure:
    case cudaErrorIllegalAddress:
    case cudaErrorHardwareStackError:
        return LT_GPU_FAILED_LAUNCH;
    case cudaErrorDevicesUnavailable:
        return LT_GPU_FAILED_BUSY;
    default:
        return LT_GPU_FAILED;
    }
}

lt_status lt_cuda_impl_status(cudaError_t e, const char *what) {
    if (e == cudaSuccess) return LT_OK;
    return lt_gpu_impl_failed(kind_of(e), cudaGetErrorString(e), cudaGetErrorName(e), what, here.device, here.open ? &here.info : NULL);
}

lt_status lt_cuda_impl_launched(const char *kernel, int error);
lt_status lt_cuda_impl_launched(const char *kernel, int error) {
    counts->launches++;
    return error == 0 ? LT_OK : lt_cuda_impl_status((cudaError_t)error, kernel);
}

/* The runtime is asked again only for more than before: each kernel's room is raised a few times in a run, not at every launch. */
int lt_cuda_impl_allow_shared(const void *kernel, size_t smem);
int lt_cuda_impl_allow_shared(const void *kernel, size_t smem) {
    enum { PLACES = 256 };
    static lt_memo_entry entry[PLACES];
    static lt_memo allowed = {entry, PLACES};
    const struct {
        const void *kernel;
        int64_t device;
    } ask = {kernel, here.device};
    int64_t bytes = 0;
    if (lt_memo_find(&allowed, &ask, sizeof ask, &bytes, sizeof bytes) && (size_t)bytes >= smem) return cudaSuccess;
    cudaError_t e = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)smem);
    bytes = (int64_t)smem;
    if (e == cudaSuccess) lt_memo_keep(&allowed, &ask, sizeof ask, &bytes, sizeof bytes);
    return (int)e;
}

/* Entries that any thread may call begin so: a thread that CUDA has not seen stands on device 0, and its first call would make a context there, half a gigabyte
 * of another rank's GPU. */
static lt_status on_device(void) {
    static _Thread_local int set = -1;
    if (!here.open || set == here.device) return LT_OK;
    LT_CUDA(cudaSetDevice(here.device));
    set = here.device;
    return LT_OK;
}

/* Several threads copy. */
static void count_up(int64_t *n, int64_t by) { __atomic_fetch_add(n, by, __ATOMIC_RELAXED); }

static lt_status count(int *n, char *why, size_t bytes) {
    int driver = 0, runtime = 0;
    cudaError_t e = cudaGetDeviceCount(n);
    if (bytes) *why = 0;
    if (e == cudaSuccess && *n > 0) return LT_OK;
    (void)cudaGetLastError();
    (void)cudaDriverGetVersion(&driver);
    (void)cudaRuntimeGetVersion(&runtime);
    *n = 0;
    lt_gpu_impl_why_none(why, bytes, driver < runtime && e == cudaErrorInsufficientDriver, driver, runtime, cudaGetErrorString(e));
    return LT_OK;
}

static void uuid_text(const cudaUUID_t *id, char text[48]) {
    int at = snprintf(text, 48, "GPU");
    for (int i = 0; i < 16; i++)
        at += snprintf(text + at, (size_t)(48 - at), "%s%02x", i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                       (unsigned char)id->bytes[i]);
}

static lt_status open_device(int device, lt_gpu_info *info) {
    struct cudaDeviceProp p;
    if (device == LT_GPU_OPENED) device = here.open ? here.device : 0;
    if (!here.open || device != here.device) {
        LT_CUDA(cudaSetDevice(device));
        LT_CUDA(cudaGetDeviceProperties(&p, device));
        LT_TRY(lt_gpu_impl_check_arch(device, p.name, p.major, p.minor));
        here.info = (lt_gpu_info){.major = p.major,
                                  .minor = p.minor,
                                  .sms = p.multiProcessorCount,
                                  .memory = p.totalGlobalMem,
                                  .l2 = (size_t)p.l2CacheSize,
                                  .smem_block = p.sharedMemPerBlockOptin,
                                  .blas = lt_cuda_impl_blas_version(),
                                  .coll = lt_cuda_impl_coll_version()};
        (void)snprintf(here.info.name, sizeof here.info.name, "%.63s", p.name);
        uuid_text(&p.uuid, here.info.uuid);
        LT_CUDA(cudaDeviceGetPCIBusId(here.info.bus_id, (int)sizeof here.info.bus_id, device));
        LT_CUDA(cudaDriverGetVersion(&here.info.driver));
        LT_CUDA(cudaRuntimeGetVersion(&here.info.runtime));
        here.device = device;
        here.open = true;
        LT_CUDA(cudaFree(NULL)); /* the context, here and not in a step */
    }
    *info = here.info;
    return LT_OK;
}

static lt_status memory(size_t *free_bytes, size_t *total) {
    LT_CUDA(cudaMemGetInfo(free_bytes, total));
    return LT_OK;
}

static const lt_gpu_counts *get_counts(void) { return counts; }

static lt_status no_room(cudaError_t e, size_t bytes, const char *what, const char *kind) {
    size_t left = 0, total = 0;
    if (e != cudaErrorMemoryAllocation) return lt_cuda_impl_status(e, "cudaMalloc");
    (void)cudaGetLastError();
    (void)cudaMemGetInfo(&left, &total);
    return lt_gpu_impl_no_room(bytes, kind, what, left, here.device, &here.info);
}

static lt_status alloc(size_t bytes, const char *what, void **p) {
    counts->allocs++;
    cudaError_t e = cudaMalloc(p, bytes);
    return e == cudaSuccess ? LT_OK : no_room(e, bytes, what, "device memory");
}

static lt_status alloc_managed(size_t bytes, void **p) {
    LT_CUDA(cudaMallocManaged(p, bytes, cudaMemAttachGlobal));
    return LT_OK;
}

static lt_status alloc_host(size_t bytes, const char *what, void **p) {
    counts->allocs++;
    cudaError_t e = cudaMallocHost(p, bytes);
    return e == cudaSuccess ? LT_OK : no_room(e, bytes, what, "pinned host memory");
}

static void release(void *p) { (void)cudaFree(p); }
static void release_host(void *p) { (void)cudaFreeHost(p); }

static lt_status pin(void *p, size_t bytes) {
    LT_CUDA(cudaHostRegister(p, bytes, cudaHostRegisterPortable));
    return LT_OK;
}
static void unpin(void *p) { (void)cudaHostUnregister(p); }

static lt_status stream_create(bool high, lt_stream **s) {
    int low_priority, high_priority;
    LT_CUDA(cudaDeviceGetStreamPriorityRange(&low_priority, &high_priority));
    LT_CUDA(cudaStreamCreateWithPriority((cudaStream_t *)s, cudaStreamNonBlocking, high ? high_priority : low_priority));
    return LT_OK;
}
static void stream_destroy(lt_stream *s) { (void)cudaStreamDestroy((cudaStream_t)s); }

static lt_status event_create(bool timed, lt_gpu_event **e) {
    LT_TRY(on_device());
    LT_CUDA(cudaEventCreateWithFlags((cudaEvent_t *)e, timed ? cudaEventDefault : cudaEventDisableTiming));
    return LT_OK;
}
static void event_destroy(lt_gpu_event *e) { (void)cudaEventDestroy((cudaEvent_t)e); }
static lt_status record(lt_gpu_event *e, lt_stream *s) {
    LT_TRY(on_device());
    LT_CUDA(cudaEventRecord((cudaEvent_t)e, (cudaStream_t)s));
    return LT_OK;
}
static lt_status stream_wait(lt_stream *s, lt_gpu_event *e) {
    LT_TRY(on_device());
    LT_CUDA(cudaStreamWaitEvent((cudaStream_t)s, (cudaEvent_t)e, 0));
    return LT_OK;
}

static lt_status wait_event(lt_gpu_event *e) {
    LT_TRY(on_device());
    cudaError_t done;
    for (bool first = true; (done = cudaEventQuery((cudaEvent_t)e)) == cudaErrorNotReady; first = false) {
        count_up(&counts->waits, first);
        lt_gpu_idle(first);
    }
    return lt_cuda_impl_status(done, "work that was waited for");
}

static lt_status wait_stream(lt_stream *s) {
    LT_TRY(on_device());
    cudaError_t done;
    count_up(&counts->waits, 1);
    for (bool first = true; (done = cudaStreamQuery((cudaStream_t)s)) == cudaErrorNotReady; first = false) lt_gpu_idle(first);
    return lt_cuda_impl_status(done, "work that was waited for");
}

static lt_status elapsed_ms(lt_gpu_event *from, lt_gpu_event *to, float *ms) {
    LT_CUDA(cudaEventElapsedTime(ms, (cudaEvent_t)from, (cudaEvent_t)to));
    return LT_OK;
}

static lt_status copy(lt_stream *s, lt_gpu_dir dir, void *dst, size_t dst_pitch, const void *src, size_t src_pitch, size_t row_bytes,
                      int64_t rows) {
    static const enum cudaMemcpyKind kind[] = {cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice};
    int64_t *bytes[] = {&counts->bytes_to_device, &counts->bytes_to_host, &counts->bytes_on_device};
    LT_TRY(on_device());
    count_up(&counts->copies, 1);
    count_up(bytes[dir], (int64_t)row_bytes * rows);
    if (rows == 1 || (dst_pitch == row_bytes && src_pitch == row_bytes))
        LT_CUDA(cudaMemcpyAsync(dst, src, row_bytes * (size_t)rows, kind[dir], (cudaStream_t)s));
    else
        LT_CUDA(cudaMemcpy2DAsync(dst, dst_pitch, src, src_pitch, row_bytes, (size_t)rows, kind[dir], (cudaStream_t)s));
    return LT_OK;
}

static lt_status fill(lt_stream *s, void *p, int byte, size_t bytes) {
    LT_TRY(on_device());
    LT_CUDA(cudaMemsetAsync(p, byte, bytes, (cudaStream_t)s));
    return LT_OK;
}

static lt_status capture_begin(lt_stream *s) {
    LT_CUDA(cudaStreamBeginCapture((cudaStream_t)s, cudaStreamCaptureModeThreadLocal));
    return LT_OK;
}

static lt_status capture_end(lt_stream *s, lt_gpu_graph **g) {
    cudaGraph_t recorded;
    LT_CUDA(cudaStreamEndCapture((cudaStream_t)s, &recorded));
    cudaError_t e = cudaGraphInstantiate((cudaGraphExec_t *)g, recorded, 0);
    (void)cudaGraphDestroy(recorded);
    return lt_cuda_impl_status(e, "cudaGraphInstantiate");
}

static lt_status graph_launch(lt_gpu_graph *g, lt_stream *s) {
    counts->launches++;
    LT_CUDA(cudaGraphLaunch((cudaGraphExec_t)g, (cudaStream_t)s));
    return LT_OK;
}

static void graph_destroy(lt_gpu_graph *g) { (void)cudaGraphExecDestroy((cudaGraphExec_t)g); }

const lt_gpu *lt_gpu_cuda(void) {
    static const lt_gpu table = {
        .name = "cuda",
        .count = count,
        .open = open_device,
        .memory = memory,
        .counts = get_counts,
        .alloc = alloc,
        .alloc_managed = alloc_managed,
        .alloc_host = alloc_host,
        .free = release,
        .free_managed = release,
        .free_host = release_host,
        .pin = pin,
        .unpin = unpin,
        .stream_create = stream_create,
        .stream_destroy = stream_destroy,
        .event_create = event_create,
        .event_destroy = event_destroy,
        .record = record,
        .stream_wait = stream_wait,
        .wait_event = wait_event,
        .wait = wait_stream,
        .elapsed_ms = elapsed_ms,
        .copy = copy,
        .fill = fill,
        .capture_begin = capture_begin,
        .capture_end = capture_end,
        .graph_launch = graph_launch,
        .graph_destroy = graph_destroy,
        .gemm_algos = lt_cuda_impl_gemm_algos,
        .gemm = lt_cuda_impl_gemm,
        .coll_built = lt_cuda_impl_coll_built,
        .coll_id = lt_cuda_impl_coll_id,
        .coll_init = lt_cuda_impl_coll_init,
        .all_reduce = lt_cuda_impl_all_reduce,
        .all_gather = lt_cuda_impl_all_gather,
        .broadcast = lt_cuda_impl_broadcast,
        .coll_error = lt_cuda_impl_coll_error,
        .coll_bytes = lt_cuda_impl_coll_bytes,
        .coll_fini = lt_cuda_impl_coll_fini,
        .sum_parts = lt_cuda_sum_parts,
        .sum_bf16 = lt_cuda_sum_bf16,
        .round_bf16 = lt_cuda_round_bf16,
    };
    return &table;
}
