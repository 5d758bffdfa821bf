#pragma once
/* Ranks, groups, agreement and collectives.
 *
 * The world of R ranks is a grid dp x tp, tp fastest: tensor-parallel groups are neighbours on one node, data-parallel groups join equal tp
 * ranks.  Model code calls only this header; the transport behind it (`mpi` here; `nccl` for device buffers later) is chosen at start.
 *
 * Buffers belong to comm: on one host they lie in a shared-memory window, a matrix product writes its partial sum there, lt_allreduce sums
 * in place (each rank reduces one part over all slots in rank order, f32) and every rank reads the result where it lies.  Across hosts:
 * window inside, MPI between leaders.  The result is the same bits on all ranks and in every run of the same layout.
 *
 * Errors (law): a Collective function has (a) a local part that may fail, (b) st = lt_agree(c, st), (c) the communicating part, in which
 * a failure ends the process by lt_fatal.  No rank returns between the first and the last collective on its own.
 *
 * Waits have a deadline (LT_DEADLINE_S) that follows progress: it begins anew whenever any rank has called lt_comm_progress.
 *
 * Threads: all calls from the master thread (MPI_THREAD_FUNNELED). */

#include "device/timer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_comm lt_comm;     /* a group of ranks (world, tp or dp), opaque */
typedef struct lt_buffer lt_buffer; /* memory owned by comm, opaque */
typedef struct lt_shared lt_shared; /* memory that the ranks of a node share, opaque */
/* lt_stream (device/gpu.h): device queue; NULL on the CPU, where every call has completed when it returns */

typedef struct lt_grid {
    lt_comm *world, *tp, *dp; /* owned by the grid (world too) */
    int rank, size;           /* of world */
    int tp_rank, tp_size, dp_rank, dp_size;
} lt_grid;

typedef struct lt_comm_stats {
    int64_t calls, bytes; /* payload bytes of this rank's collectives */
    double seconds; /* time inside collectives, waiting included; of sums on a GPU what the host took for asking (see lt_comm_set_timer) */
} lt_comm_stats;

/* Collective(world).  Starts MPI (FUNNELED), finds the nodes, sets error handlers to return.  Works without mpirun (1 rank).  Idempotent.
 * Errors: MPI. */
lt_status lt_comm_init(int *argc, char ***argv, lt_comm **world);
/* Collective(world).  Ends MPI; accepts NULL; sets NULL. */
void lt_comm_fini(lt_comm **world);
/* Collective(world).  Groups of tp neighbouring ranks on one node.  Errors: SHAPE (ranks not divisible by tp, or a tp group would span
 * nodes; the message lists ranks per node and the tp that work). */
lt_status lt_grid_create(lt_comm *world, int tp, lt_grid *grid);
/* Collective(world).  Frees tp and dp (not world). */
void lt_grid_destroy(lt_grid *grid);

/* Local. */
int lt_comm_rank(const lt_comm *c);
int lt_comm_size(const lt_comm *c);
const char *lt_comm_host(const lt_comm *c);
/* Local.  This rank's number among the ranks of c on its node, and how many they are. */
void lt_comm_local(const lt_comm *c, int *rank, int *size);
/* Local.  Number of the node that a rank of c is on: 0, 1, ..., not decreasing with the rank. */
int lt_comm_node(const lt_comm *c, int rank);
/* Local.  OpenMP threads of this rank: `wanted` if positive, else OMP_NUM_THREADS, else the physical cores this rank may run on (hardware
 * threads of one count once) shared out among the ranks of its host that may run on them too. */
int lt_comm_default_threads(const lt_comm *c, int wanted);
/* Collective(c).  Host name of every rank, one line a node with its ranks and cores they may run on, into a malloc'ed string (caller frees)
 * on every rank.  Errors: NOMEM. */
lt_status lt_comm_describe(lt_comm *c, int threads, char **text);

/* Collective(c).  Every rank passes its status and gets the same verdict: LT_OK if all are OK, else the status of the lowest failing rank;
 * the error record of the other ranks then names that origin and holds its message.  Never fails by itself. */
lt_status lt_agree(lt_comm *c, lt_status st);
/* Collective(c).  The same, and ARG on every rank unless all ranks pass the same `bytes` of data (compared by SHA-256): for input that each rank reads by
 * itself.  what: for the message, "the configuration"; the message names a rank and host that differ.  A failure of any rank's st comes first. */
lt_status lt_agree_same(lt_comm *c, lt_status st, const void *data, size_t bytes, const char *what);
/* Local, does not return.  After a failure inside a communicating part: prints the record and ends the process with _exit(10 + st). */
void lt_fatal(lt_comm *c, lt_status st) __attribute__((noreturn));

/* Collective(c), host memory.  bytes may pass 2^31.  A failure inside is fatal. */
void lt_bcast_host(lt_comm *c, void *data, size_t bytes, int root);
/* out [size x bytes] on every rank, in rank order. */
void lt_allgather_host(lt_comm *c, const void *in, size_t bytes, void *out);
/* x[i] := sum over ranks in rank order (f64); same bits on all ranks. */
void lt_sum_host(lt_comm *c, double *x, int64_t n);
/* x := max over ranks. */
int64_t lt_max_host(lt_comm *c, int64_t x);
/* Waits for all ranks of c. */
void lt_barrier(lt_comm *c);

/* How sums of buffers on GPUs travel. */
typedef enum lt_transport { LT_TRANSPORT_AUTO, LT_TRANSPORT_NCCL, LT_TRANSPORT_MPI } lt_transport;
/* Local, the same on all ranks, before the grid is made.  auto: NCCL where every rank of a group has a GPU of its own and the build has NCCL. */
void lt_comm_set_transport(lt_comm *world, lt_transport t);
/* Local.  In words, after the first buffer of this group: "NCCL". */
const char *lt_comm_transport(const lt_comm *c);

/* Local, the same on all ranks of c, after its first buffer.  True where a sum over a buffer on a GPU is work of the device alone: it can be recorded and run
 * again (ops.h: work_begin).  Sums that run so are in no counter. */
bool lt_comm_records(const lt_comm *c);

/* Collective(c).  Memory for collectives: a window in shared memory where all ranks of c share a host, plain memory otherwise.  Every rank
 * has its own slot of `bytes`; lt_buffer_data is this rank's slot, and after lt_allreduce also where the result lies.
 * gpu: NULL, or whose device memory the slot is to be (the device is open); its sums go by NCCL or through the host (gpu.c).
 * Errors: NOMEM (also: /dev/shm too small, size wanted and free are told), CUDA, NCCL. */
lt_status lt_buffer_alloc(lt_comm *c, size_t bytes, const lt_gpu *gpu, lt_buffer **buf);
/* Local, the same on all ranks.  Sums of this buffer on GPUs may add in another order than that of ranks: faster from three ranks on. */
void lt_buffer_any_order(lt_buffer *buf);
/* Local.  Room on the GPU for sums of this buffer that travel as bf16.  Errors: NOMEM, CUDA. */
lt_status lt_buffer_travels_bf16(lt_buffer *buf);
/* Local.  Device memory that the groups of a grid take on this rank's GPU beside their buffers, for plans: room for parts of ranks, and, where NCCL sums
 * (own_gpus: each rank has a GPU of its own), an allowance for its communicators.  another_tp: there is a tp group beside the grid's. */
size_t lt_grid_gpu_bytes(const lt_grid *grid, const lt_gpu *gpu, bool own_gpus, bool another_tp);
/* Collective(c).  Accepts NULL; sets NULL. */
void lt_buffer_free(lt_buffer **buf);
/* Local.  This rank's slot, 64-byte aligned, borrowed. */
void *lt_buffer_data(lt_buffer *buf);

/* Collective(c), enqueued on s.  Sums n_elems f32 from elem_offset over the ranks of the buffer's group, f32, in rank order, in place.
 * The result may be read at lt_buffer_data(buf) until this rank's next write to the slot: two-shot reduction copies back into each slot, so
 * no further barrier is owed by the caller.  size 1: does nothing.  A failure inside is fatal. */
void lt_allreduce(lt_buffer *buf, int64_t elem_offset, int64_t n_elems, lt_stream *s);
/* Collective(c).  The same in two halves: what is enqueued on s between them runs beside the sum where NCCL makes it (elsewhere begin does all).  One open
 * sum a buffer; what s does before the end must not touch these elements. */
void lt_allreduce_begin(lt_buffer *buf, int64_t elem_offset, int64_t n_elems, lt_stream *s);
void lt_allreduce_end(lt_buffer *buf, lt_stream *s);
/* Collective(c).  The same for the first n_elems of a buffer on a GPU with room for it (lt_buffer_travels_bf16), with half the bytes: every rank's numbers
 * travel as bf16, their sum (f32, in rank order, where lt_buffer_any_order is not called or c has two ranks) is rounded once, and onto [n_elems], the same on
 * all ranks, f32 or bf16 on the device, p = NULL for nothing, is added to it in f32:  x := onto + bf16(sum of bf16(x)).  Ended by lt_allreduce_end, until
 * when onto must stay as it is. */
void lt_allreduce_bf16_begin(lt_buffer *buf, int64_t n_elems, lt_arr onto, lt_stream *s);

/* Local.  Bytes of the slot: whole pages, starting on one, nothing else lies in them. */
size_t lt_buffer_bytes(const lt_buffer *buf);
/* Local.  Functions that lt_allreduce calls before and after this rank's host code reads and writes slots: a device back end waits for its stream there,
 * or opens its memory.  NULL = none. */
void lt_buffer_set_host_hooks(lt_buffer *buf, void (*begin)(void *arg), void (*end)(void *arg), void *arg);

/* Collective(c).  One block of memory (of any content) a node, shared by the ranks of c that are on it (frozen weights: one copy a host).
 * Errors: NOMEM (agreed; also: /dev/shm too small), after which callers may go on with memory of their own. */
lt_status lt_shared_alloc(lt_comm *c, size_t bytes, lt_shared **s);
/* Collective(c).  Accepts NULL; sets NULL. */
void lt_shared_free(lt_shared **s);
/* Local.  From now on a write of this process to the block ends it with SIGSEGV (where the system protects pages of this size; elsewhere nothing happens). */
void lt_shared_protect(lt_shared *s);
/* Local.  The block, on a page; borrowed.  This rank's number among the ranks of c on its node, and how many they are. */
void *lt_shared_data(const lt_shared *s);
int lt_shared_rank(const lt_shared *s);
int lt_shared_size(const lt_shared *s);
/* Collective(ranks of c on this node).  What they wrote before is seen by all after it. */
void lt_shared_barrier(lt_shared *s);

/* Local, cheap.  Says that this rank advances: others that wait for it start their deadline anew.  For long work outside collectives: reading and packing
 * weights, checkpoints, packs of an evaluation. */
void lt_comm_progress(lt_comm *world);

/* Local.  Sums of buffers on the GPU of this process are pieces of a timer from now on: how long the caller's stream waits for them, so what travels while it
 * computes does not count.  LT_TIMED_SUM where any order will do, else LT_TIMED_MESSAGE.  Borrowed; NULL: no more. */
void lt_comm_set_timer(lt_gpu_timer *timer);

/* Local.  Counters of this communicator since creation. */
void lt_comm_get_stats(const lt_comm *c, lt_comm_stats *out);

#ifdef __cplusplus
}
#endif
