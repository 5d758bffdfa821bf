#pragma once
/* Private to src/comm: the communicator, core masks, MPI errors. */

#include "comm/comm.h"

#include <mpi.h>

enum { LT_HOST_BYTES = 96, LT_CORE_MASK_BYTES = 512 };

/* Cores that a process may run on, bit i of byte i / 8 = core i; as sched_getaffinity writes it, which counts hardware threads. */
typedef struct lt_cores {
    unsigned char mask[LT_CORE_MASK_BYTES];
} lt_cores;

/* Who advances: one counter a rank of this node, and one for the ranks of other nodes, in memory that the node shares.  A wait whose deadline comes looks
 * here first.  Made once, for the world; its groups borrow it. */
typedef struct lt_board lt_board;

/* Ranks are ordered by node, so a node's ranks are neighbours.  A "node" is a set of ranks that can share memory. */
struct lt_comm {
    const char *name; /* "world", "tp", "dp": for messages */
    MPI_Comm mpi;     /* ours alone; errors return */
    MPI_Comm local;   /* its ranks on this node; the same handle as mpi when all are */
    MPI_Comm leaders; /* local rank 0 of every node, in node order; MPI_COMM_NULL elsewhere and on a single node */
    int rank, size;   /* in mpi */
    int local_rank, local_size, node, n_nodes;
    int *node_of;       /* [size] 0 .. n_nodes - 1, not decreasing */
    int *world_rank;    /* [size] */
    int world_size, tp; /* tp: of the last grid, 0 before (world only) */
    int host_ranks;     /* ranks of the world on this host, whatever their group */
    int threads;        /* physical cores this rank may run on, shared out among the ranks that share them */
    bool crowded;       /* more ranks than hardware threads on this host: waiting must yield at once */
    bool owns_mpi;      /* lt_comm_init started MPI, lt_comm_fini ends it (world only) */
    double deadline_s;  /* longest wait in a collective; 0 = for ever */
    size_t chunk_bytes; /* most bytes of one MPI call; counts are int */
    char host[LT_HOST_BYTES];
    lt_board *board; /* owned by the world */
    lt_comm *root;   /* the world */
    lt_transport transport;
    const lt_gpu *gpu; /* of its buffers; NULL until the first on one, and where this is the only rank */
    lt_gpu_coll *coll; /* NULL: sums of buffers on GPUs go through the host */
    lt_comm_stats stats;
};

/* host.c.  Raises LT_ERR_MPI with the text of MPI's code rc and the call that gave it. */
lt_status lt_comm_impl_mpi_error(int rc, const char *call, const char *file, int line, const char *func);
/* host.c.  Collective(c).  ARG on every rank if value is not the same everywhere; a failure of MPI is fatal. */
lt_status lt_comm_impl_same(lt_comm *c, int64_t value, const char *what);
/* host.c.  Books one collective that began at lt_time_s() = t0. */
void lt_comm_impl_count(lt_comm *c, size_t bytes, double t0);

/* One wait for others; starts zeroed. */
typedef struct lt_waiting {
    int64_t yields;
    double limit;   /* when it is over, on the clock of lt_time_s; 0 = not set yet */
    uint64_t steps; /* progress of all ranks when that was set */
} lt_waiting;
/* progress.c.  Local.  Gives the core away once; true when the deadline has passed since the wait began and since any rank made progress. */
bool lt_comm_impl_yield_until(const lt_comm *c, lt_waiting *w);
/* progress.c.  Collective(world).  The board of a new world, and its end (accepts NULL; sets NULL).  Errors: MPI, NOMEM. */
lt_status lt_comm_impl_board_create(lt_comm *world);
void lt_comm_impl_board_destroy(lt_comm *world);
/* progress.c.  Local.  Counts a sum of buffers on GPUs that this rank has enqueued. */
void lt_comm_impl_entered(lt_comm *c);
/* progress.c.  Local.  A line that names the ranks of this node that have enqueued fewest of these; "" where all have as many.  Returns text. */
const char *lt_comm_impl_behind(const lt_comm *world, char *text, size_t bytes);
/* gpu.c.  Collective(c).  Finds out how the group sums on GPUs, once.  Errors: NCCL, CUDA, NOMEM (agreed). */
lt_status lt_comm_impl_gpu_connect(lt_comm *c, const lt_gpu *gpu);
/* gpu.c.  Collective(c).  Ends what c has on GPUs. */
void lt_comm_impl_gpu_fini(lt_comm *c);
/* gpu.c.  Collective(c).  Undoes connect, of a group other than the world; it may be called again. */
void lt_comm_impl_gpu_disconnect(lt_comm *c);
/* gpu.c.  Local.  The stream of all collectives of this process.  Errors: CUDA, NOMEM. */
lt_status lt_comm_impl_gpu_stream(lt_comm *c, const lt_gpu *gpu, lt_stream **s);
/* shared.c.  Local.  NOMEM when /dev/shm has no room for a window of this size in every group of this kind on the host. */
lt_status lt_comm_impl_check_space(const lt_comm *c, size_t window, const char *what);
/* shared.c.  Collective(c->local), communicating part: a window of shared memory of `bytes` (+ a page to align), start on a page, the same for all;
 * unmap ends it.  A failure is fatal. */
unsigned char *lt_comm_impl_map(lt_comm *c, size_t bytes, MPI_Win *win);
void lt_comm_impl_unmap(lt_comm *c, MPI_Win *win);
/* host.c.  Completes a collective's request; fatal with TIMEOUT when the deadline passes.  what: for the message, "all-reduce". */
void lt_comm_impl_wait(lt_comm *c, MPI_Request *request, const char *what);

/* init.c.  Collective(mpi).  A communicator over mpi (taken over, also on failure), its ranks ordered by node; node: any number that is the
 * same on one node only.  like: whose settings to copy.  Errors: MPI, NOMEM. */
lt_status lt_comm_impl_create(const char *name, MPI_Comm mpi, int world_rank, int node, const lt_comm *like, lt_comm **out);
/* init.c.  Collective(c).  Accepts NULL; sets NULL. */
void lt_comm_impl_destroy(lt_comm **c);

/* cores.c.  Local. */
void lt_cores_read(lt_cores *c);
/* The physical cores that these hardware threads belong to, each by its lowest hardware thread, in the set or not.  folder: LT_CPU_FOLDER; a thread that it
 * says nothing of is a core of its own.  physical may be c. */
void lt_cores_physical(const lt_cores *c, const char *folder, lt_cores *physical);
#define LT_CPU_FOLDER "/sys/devices/system/cpu"
/* Threads for a process on these cores when n processes, it among them, have the cores all [n]: its part of them, at least 1. */
int lt_cores_share(const lt_cores *mine, const lt_cores all[], int n);
int lt_cores_count(const lt_cores *c);
void lt_cores_add(lt_cores *c, const lt_cores *other);
bool lt_cores_meet(const lt_cores *a, const lt_cores *b);
/* a lies inside b. */
bool lt_cores_inside(const lt_cores *a, const lt_cores *b);
/* "0-3,8" into text, cut with "..." when too long; returns text. */
const char *lt_cores_str(const lt_cores *c, char *text, size_t bytes);

/* Calls MPI and returns a failure. */
#define LT_MPI(call)                                                                                                                       \
    do {                                                                                                                                   \
        int rc_ = (call);                                                                                                                  \
        if (rc_ != MPI_SUCCESS) return lt_comm_impl_mpi_error(rc_, #call, __FILE__, __LINE__, __func__);                                   \
    } while (0)
/* The same in a communicating part, where a failure ends the process. */
#define LT_MPI_FATAL(c, call)                                                                                                              \
    do {                                                                                                                                   \
        int rc_ = (call);                                                                                                                  \
        if (rc_ != MPI_SUCCESS) lt_fatal((c), lt_comm_impl_mpi_error(rc_, #call, __FILE__, __LINE__, __func__));                           \
    } while (0)
