#pragma once
/* GPUs as this suite uses them, behind one table of functions.
 *
 * Two back ends fill it.  `cuda` (device/cuda/) is thin: the CUDA runtime, cuBLASLt and NCCL, a file each.  `cuda-emulated` (device/emulated/) executes the
 * same kernels on the CPU, in any build and on any machine, and looks for faults while it does.  Kernels are not called through the table: each back end of
 * kernels/cuda is compiled against its own side of device/kernel.h.
 *
 * One device a process, chosen by open().  Work is enqueued on streams; what an entry enqueues has not happened when it returns, unless it says so.
 * Device memory is never read or written by the host.  A failure of enqueued work shows up in a later call, at the latest in wait().
 *
 * Errors: CUDA (what failed, on which device, and for the common reasons what to do), NCCL for collectives, NOMEM.  Threads: copies, events and streams from
 * any thread; the rest from the master thread. */

#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_stream lt_stream;       /* a queue of work, executed in order */
typedef struct lt_gpu_event lt_gpu_event; /* a mark in a stream */
typedef struct lt_gpu_graph lt_gpu_graph; /* recorded work that is started as one */
typedef struct lt_gpu_coll lt_gpu_coll;   /* a communicator of GPUs */

typedef struct lt_gpu_info {
    char name[64], bus_id[24], uuid[48]; /* uuid: "GPU-..." or "MIG-..." */
    int major, minor;                    /* compute capability */
    int sms;
    size_t memory, l2, smem_block; /* bytes; shared memory a block may ask for */
    int driver, runtime;           /* as 13000 for 13.0; driver: the newest runtime it can serve */
    int blas, coll;                /* versions of the libraries; 0 = not there */
} lt_gpu_info;

/* What has been asked for since the process started. */
typedef struct lt_gpu_counts {
    int64_t launches, products, copies, waits,
        allocs;   /* products: calls of the library; waits: of the host for what had not happened yet */
    int64_t asks; /* of the library for ways to compute a product */
    int64_t bytes_to_device, bytes_to_host, bytes_on_device;
    int64_t bytes_summed; /* what this rank gave to all_reduce and all_gather */
} lt_gpu_counts;

typedef enum lt_gpu_dir { LT_GPU_TO_DEVICE, LT_GPU_TO_HOST, LT_GPU_ON_DEVICE } lt_gpu_dir;

/* D [M, N] = alpha op(A) op(B) + beta C, + bias on every row; all row-major with row strides in elements.  Sums are f32. */
typedef struct lt_gpu_gemm {
    bool ta, tb; /* A is [K, M] instead of [M, K]; B is [N, K] instead of [K, N] */
    int64_t M, N, K;
    lt_dtype ab_dt, cd_dt; /* F32 with F32; BF16 with F32 or BF16; E4M3 (tb, not ta) with BF16 or F32 */
    const void *A, *B, *C; /* C may be D; NULL with beta = 0 */
    void *D;
    int64_t lda, ldb, ldc, ldd;
    float alpha, beta;
    const void *bias;               /* [N] in cd_dt, or NULL */
    const float *a_scale, *b_scale; /* E4M3: factors of the rows of op(A) [M] and of the columns of op(B) [N]; else NULL */
} lt_gpu_gemm;

/* How the library computes one product: plain data of one version of it, may be stored and sent. */
typedef struct lt_gpu_algo {
    uint64_t word[8];
} lt_gpu_algo;

enum {
    LT_GPU_COLL_ID_BYTES = 128,
    LT_GPU_WS_BYTES = 32 << 20, /* workspace that a product may use */
    LT_GPU_OPENED = -1          /* open(): the device that is open, or else the first */
};

typedef struct lt_gpu {
    const char *name; /* "cuda", "cuda-emulated" */
    /* Devices that this process sees; 0 with LT_OK where there is none.  why [bytes]: in words why there is none or why they cannot be used (driver missing,
     * driver too old with both versions, CUDA_VISIBLE_DEVICES empty), "" otherwise. */
    lt_status (*count)(int *n, char *why, size_t bytes);
    /* Takes a device for this process (LT_GPU_OPENED: keeps the one it has); info is filled.  Errors: CUDA (no such device, capability below 8.0, no
     * kernel image for it, busy). */
    lt_status (*open)(int device, lt_gpu_info *info);
    /* Free and total bytes on the open device now. */
    lt_status (*memory)(size_t *free_bytes, size_t *total);
    const lt_gpu_counts *(*counts)(void);

    /* Device memory, not initialised, 256-byte aligned; free waits for the device, accepts NULL.  managed: memory that host and device both read and
     * write (tests of ops).  host: pinned memory of the host. */
    lt_status (*alloc)(size_t bytes, const char *what, void **p);
    lt_status (*alloc_managed)(size_t bytes, void **p);
    lt_status (*alloc_host)(size_t bytes, const char *what, void **p);
    void (*free)(void *p);
    void (*free_managed)(void *p);
    void (*free_host)(void *p);

    /* Host memory of somebody else (whole pages) becomes pinned, until unpin.  Only for speed: a failure is no reason to stop. */
    lt_status (*pin)(void *p, size_t bytes);
    void (*unpin)(void *p);

    /* high: work on it goes before that of other streams. */
    lt_status (*stream_create)(bool high, lt_stream **s);
    void (*stream_destroy)(lt_stream *s);
    lt_status (*event_create)(bool timed, lt_gpu_event **e);
    void (*event_destroy)(lt_gpu_event *e);
    lt_status (*record)(lt_gpu_event *e, lt_stream *s);
    /* s goes on only when e has been reached.  An event that was never recorded is a bug (INTERNAL). */
    lt_status (*stream_wait)(lt_stream *s, lt_gpu_event *e);
    /* The host waits, calling lt_gpu_idle again and again.  Errors: also those of the work waited for. */
    lt_status (*wait_event)(lt_gpu_event *e);
    lt_status (*wait)(lt_stream *s);
    /* Between two timed events that have been waited for. */
    lt_status (*elapsed_ms)(lt_gpu_event *from, lt_gpu_event *to, float *ms);

    /* rows pieces of row_bytes; pitches in bytes (rows = 1: unused).  Pageable host memory: has happened when it returns. */
    lt_status (*copy)(lt_stream *s, lt_gpu_dir dir, void *dst, size_t dst_pitch, const void *src, size_t src_pitch, size_t row_bytes,
                      int64_t rows);
    lt_status (*fill)(lt_stream *s, void *p, int byte, size_t bytes);

    /* Records what is enqueued on s (and on streams that wait for it and are waited for) instead of running it. */
    lt_status (*capture_begin)(lt_stream *s);
    lt_status (*capture_end)(lt_stream *s, lt_gpu_graph **g);
    lt_status (*graph_launch)(lt_gpu_graph *g, lt_stream *s);
    void (*graph_destroy)(lt_gpu_graph *g);

    /* Products.  algos: up to max ways to compute g, likely best first; addresses in g count for their alignment only.  algo NULL: the first of these. ws:
     * LT_GPU_WS_BYTES on the device, one a stream, or NULL: algorithms that need none.  Same algorithm, same bits. */
    lt_status (*gemm_algos)(const lt_gpu_gemm *g, bool with_ws, lt_gpu_algo *algo, int max, int *n);
    lt_status (*gemm)(lt_stream *s, const lt_gpu_gemm *g, const lt_gpu_algo *algo, void *ws);

    /* Collectives.  coll_id: by one rank, which hands it to the others.  coll_init, Collective(its ranks): mpi: the MPI_Comm * of the same ranks in the same
     * order (the emulation runs on a copy of it).  Enqueued on s; all ranks call in one order, over all their communicators.  all_reduce: f32 or bf16, out = in
     * allowed.  all_gather: n elements a rank, in rank order.  They can be recorded, by all ranks alike.  coll_error: of work in flight. */
    bool (*coll_built)(void);
    lt_status (*coll_id)(unsigned char id[LT_GPU_COLL_ID_BYTES]);
    lt_status (*coll_init)(const unsigned char id[LT_GPU_COLL_ID_BYTES], int rank, int size, const void *mpi, lt_gpu_coll **c);
    lt_status (*all_reduce)(lt_gpu_coll *c, const void *in, void *out, int64_t n, lt_dtype dt, lt_stream *s);
    lt_status (*all_gather)(lt_gpu_coll *c, const void *in, void *out, int64_t n, lt_dtype dt, lt_stream *s);
    lt_status (*broadcast)(lt_gpu_coll *c, void *data, size_t bytes, int root, lt_stream *s);
    lt_status (*coll_error)(lt_gpu_coll *c);
    /* Device memory that the library takes for a communicator of its own, beside what it is given: an allowance. */
    size_t (*coll_bytes)(void);
    void (*coll_fini)(lt_gpu_coll *c);
    /* out [n] := part 0 + part 1 + ... + part count - 1, in that order, f32; parts lie ld apart; out may be none of them. */
    lt_status (*sum_parts)(lt_stream *s, const float *parts, int count, int64_t ld, int64_t n, float *out);
    /* The same of parts in bf16: their sum is f32 in registers and rounded once, then onto (f32 or bf16, p = NULL: nothing) is added in f32; out may be onto.
     * round_bf16: x [n], rounded, to out [n] bf16. */
    lt_status (*sum_bf16)(lt_stream *s, const void *parts, int count, int64_t ld, int64_t n, lt_arr onto, float *out);
    lt_status (*round_bf16)(lt_stream *s, const float *x, int64_t n, void *out);
} lt_gpu;

/* Local.  The tables; NULL where the build has none. */
const lt_gpu *lt_gpu_cuda(void);
const lt_gpu *lt_gpu_emulated(void);
/* Local.  What waits call while they wait, NULL = nothing: comm's deadline (it ends the process itself).  first: the wait begins.  Waits of other threads than
 * the one that set it (which MPI knows) give their core away instead. */
void lt_gpu_set_idle(void (*idle)(void *arg, bool first), void *arg);
void lt_gpu_idle(bool first);

/* Local.  What waits of the host for anything else call: a GPU goes on by itself, the emulated one here. */
void lt_gpu_set_progress(void (*progress)(void));
void lt_gpu_progress(void);

#ifdef __cplusplus
}
#endif
