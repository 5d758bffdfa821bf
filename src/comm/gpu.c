/* Buffers on GPUs.
 *
 * Two ways to sum them.  NCCL where every rank of the group has a GPU of its own: collectives go on one stream of their own, of high priority, for all
 * communicators of the process, so that their order is one order; an event leads there and another back.  Else MPI: the numbers go to this rank's slot in host
 * memory, are summed there as buffers of the CPU are, and come back; the host waits.
 *
 * Sums in the order of ranks, the same bits in every run: an all-gather, then a kernel that adds the parts up.  It moves size - 1 parts to every rank
 * where a ring moves two at most, so sums of activations among more than two ranks, which nobody compares between layouts, go by NCCL's own all-reduce (its
 * ring adds in an order that the layout fixes; NVLS, which does not repeat, is off).  So do messages that would fill a network for long: at 256 MB of parts a
 * gather over 46 GB/s takes 6 ms, a message of LoRA's gradients (160 MB) among 64 ranks would take 0.2 s a step.  Whoever goes which way follows from sizes
 * alone.
 *
 * Sums that travel as bf16 take the same ways with half the bytes, through the room for parts: numbers are rounded into it, piece by piece, on the stream of
 * the collectives, so that another half of a pack computes meanwhile; what comes back is added up in f32, rounded once, and what all ranks have alike (a
 * residual, which so is never rounded) is added.  The host's slots hold bf16 then.  NCCL's own all-reduce rounds at every hop of its ring as well. */
#include "comm/buffer_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    GATHER_BYTES = 64 << 20,
    ORDERED_BYTES = 256 << 20 /* of the parts of all ranks */,
    IDLES_PER_LOOK = 4096,
    PIECE = 16 /* numbers: 32 bytes of bf16 */
};

/* One GPU a process: what all its communicators share. */
static struct {
    const lt_gpu *gpu;
    lt_stream *stream; /* of collectives */
    void *gather;      /* [GATHER_BYTES] parts of all ranks, rounded numbers */
    lt_waiting waiting;
    lt_gpu_coll *coll[8]; /* that may fail while the host waits */
    int n_coll, idles;
} here;
static lt_gpu_timer *timer; /* of sums, or NULL */

void lt_comm_set_transport(lt_comm *world, lt_transport t) { world->transport = t; }

void lt_comm_set_timer(lt_gpu_timer *t) { timer = t; }

static lt_timed kind_of(const lt_buffer *b) { return b->any_order ? LT_TIMED_SUM : LT_TIMED_MESSAGE; }

/* While the host waits for the device: errors of collectives, and the deadline. */
static void idle(void *arg, bool first) {
    lt_comm *world = arg;
    if (first) here.waiting = (lt_waiting){0};
    bool look = ++here.idles % IDLES_PER_LOOK == 0;
    for (int i = 0; look && i < here.n_coll; i++) {
        lt_status st = here.gpu->coll_error(here.coll[i]);
        if (st != LT_OK) lt_fatal(world, st);
    }
    if (!lt_comm_impl_yield_until(world, &here.waiting)) return;
    char late[256];
    lt_fatal(world,
             LT_FAIL(LT_ERR_TIMEOUT,
                     "the GPU of this rank did not finish its work within %g s, and no rank made progress\n%s"
                     "  what to do: look at the rank named and at its GPU (nvidia-smi, Xid in dmesg); a longer LT_DEADLINE_S waits longer",
                     world->deadline_s, lt_comm_impl_behind(world, late, sizeof late)));
}

/* Local.  What this process needs once. */
static lt_status open_device(lt_comm *c, const lt_gpu *gpu) {
    if (here.gpu) return LT_OK;
    LT_TRY(gpu->stream_create(true, &here.stream));
    here.gpu = gpu;
    lt_gpu_set_idle(idle, c->root);
    return LT_OK;
}

typedef struct identity {
    char host[LT_HOST_BYTES], uuid[48], bus_id[24], name[64];
} identity;

/* NCCL knows a GPU by its host and its place on the bus, and so takes slices of one (MIG) for the same. */
static bool one_gpu(const identity *a, const identity *b) {
    return strcmp(a->host, b->host) == 0 && (strcmp(a->uuid, b->uuid) == 0 || strcmp(a->bus_id, b->bus_id) == 0);
}

/* Collective(c).  Whether each rank of c has a GPU of its own.  Errors: NOMEM, CUDA. */
static lt_status own_gpus(lt_comm *c, const lt_gpu *gpu, bool *own) {
    identity mine = {0}, *all = NULL;
    lt_gpu_info info;
    lt_status st = gpu->open(LT_GPU_OPENED, &info);
    if (st == LT_OK) st = lt_calloc(&all, c->size, sizeof *all, "GPUs of ranks");
    if ((st = lt_agree(c, st)) != LT_OK) {
        free(all);
        return st;
    }
    memcpy(mine.host, c->host, sizeof mine.host);
    (void)snprintf(mine.uuid, sizeof mine.uuid, "%s", info.uuid);
    (void)snprintf(mine.bus_id, sizeof mine.bus_id, "%s", info.bus_id);
    (void)snprintf(mine.name, sizeof mine.name, "%s", info.name);
    lt_allgather_host(c, &mine, sizeof mine, all);
    *own = true;
    for (int a = 0; a < c->size && *own; a++)
        for (int b = 0; b < a && *own; b++) {
            *own = !one_gpu(&all[a], &all[b]);
            if (!*own)
                lt_info("ranks %d and %d of \"%s\" share a GPU (%s on %s): collectives by MPI through pinned host memory", c->world_rank[b],
                        c->world_rank[a], c->name, all[a].name, all[a].host);
        }
    free(all);
    return LT_OK;
}

/* NCCL's start waits for all ranks without a deadline: a thread keeps one. */
typedef struct guard {
    lt_comm *c;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool over, watches;
} guard;

static void *watch(void *arg) {
    guard *g = arg;
    struct timespec until;
    int late = 0;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)ceil(g->c->deadline_s);
    (void)pthread_mutex_lock(&g->lock);
    while (!g->over && !late) late = pthread_cond_timedwait(&g->changed, &g->lock, &until);
    bool over = g->over;
    (void)pthread_mutex_unlock(&g->lock);
    if (!over)
        lt_fatal(g->c,
                 LT_FAIL(LT_ERR_TIMEOUT,
                         "NCCL did not start among the %d ranks of \"%s\" within %g s, seen from %s\n"
                         "  what to do: look for the rank that says nothing and at the network (NCCL_DEBUG=INFO, NCCL_SOCKET_IFNAME); "
                         "parallel.collectives: mpi does without NCCL",
                         g->c->size, g->c->name, g->c->deadline_s, g->c->host));
    return NULL;
}

static void guard_begin(guard *g, lt_comm *c) {
    *g = (guard){.c = c, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    g->watches = c->deadline_s > 0 && pthread_create(&g->thread, NULL, watch, g) == 0;
}

static void guard_end(guard *g) {
    if (!g->watches) return;
    (void)pthread_mutex_lock(&g->lock);
    g->over = true;
    (void)pthread_cond_signal(&g->changed);
    (void)pthread_mutex_unlock(&g->lock);
    (void)pthread_join(g->thread, NULL);
}

/* Collective(c).  c->coll, where NCCL is wanted and possible.  Errors: NCCL where it was asked for or fails to start. */
lt_status lt_comm_impl_gpu_connect(lt_comm *c, const lt_gpu *gpu) {
    unsigned char id[LT_GPU_COLL_ID_BYTES] = {0};
    bool own = false;
    if (c->gpu || c->size == 1) return LT_OK;
    c->gpu = gpu;
    LT_TRY(own_gpus(c, gpu, &own));
    if (c->transport == LT_TRANSPORT_NCCL)
        LT_CHECK(own && gpu->coll_built(), LT_ERR_NCCL, "parallel.collectives: nccl, but %s",
                 own ? "this program was built without NCCL" : "ranks share a GPU, which NCCL refuses");
    if (!own || c->transport == LT_TRANSPORT_MPI || !gpu->coll_built()) {
        if (own && c->rank == 0 && !gpu->coll_built()) lt_info("built without NCCL: collectives by MPI through pinned host memory");
        return LT_OK;
    }
    lt_status st = lt_agree(c, c->rank == 0 ? gpu->coll_id(id) : LT_OK);
    if (st != LT_OK) return st;
    lt_bcast_host(c, id, sizeof id, 0);
    guard g;
    guard_begin(&g, c);
    st = LT_FAULT_POINT("comm.nccl");
    if (st == LT_OK) st = gpu->coll_init(id, c->rank, c->size, &c->mpi, &c->coll);
    if (st != LT_OK) lt_fatal(c, st); /* the others wait in it */
    guard_end(&g);
    if (here.n_coll < (int)(sizeof here.coll / sizeof *here.coll)) here.coll[here.n_coll++] = c->coll;
    return st;
}

void lt_comm_impl_gpu_fini(lt_comm *c) {
    if (c->coll) {
        for (int i = 0; i < here.n_coll; i++)
            if (here.coll[i] == c->coll) here.coll[i] = here.coll[--here.n_coll];
        c->gpu->coll_fini(c->coll);
    }
    c->coll = NULL;
    if (c != c->root || !here.gpu) return;
    here.gpu->stream_destroy(here.stream);
    if (here.gather) here.gpu->free(here.gather);
    lt_gpu_set_idle(NULL, NULL);
    memset(&here, 0, sizeof here);
}

void lt_comm_impl_gpu_disconnect(lt_comm *c) {
    lt_comm_impl_gpu_fini(c);
    c->gpu = NULL;
}

lt_status lt_comm_impl_gpu_stream(lt_comm *c, const lt_gpu *gpu, lt_stream **s) {
    LT_TRY(open_device(c, gpu));
    *s = here.stream;
    return LT_OK;
}

const char *lt_comm_transport(const lt_comm *c) {
    return !c->gpu ? "shared memory and MPI" : c->coll ? "NCCL" : "MPI through pinned host memory";
}

bool lt_comm_records(const lt_comm *c) { return c->size == 1 || c->coll; }

static lt_status make_room(const lt_gpu *gpu) { return here.gather ? LT_OK : gpu->alloc(GATHER_BYTES, "parts of ranks", &here.gather); }

lt_status lt_buffer_travels_bf16(lt_buffer *b) {
    LT_ASSERT(b->gpu && b->c->n_nodes == 1);
    b->bf16 = true;
    return b->c->size > 1 ? make_room(b->gpu) : LT_OK;
}

size_t lt_grid_gpu_bytes(const lt_grid *g, const lt_gpu *gpu, bool own_gpus, bool another_tp) {
    bool nccl = own_gpus && g->world->transport != LT_TRANSPORT_MPI && gpu->coll_built();
    int groups = 1 + (g->tp_size > 1) + another_tp; /* the messages' and the activations' */
    if (g->size == 1) return 0;
    return (nccl || g->tp_size > 1 || another_tp ? GATHER_BYTES : 0) + (nccl ? (size_t)groups * gpu->coll_bytes() : 0);
}

lt_status lt_buffer_impl_device(lt_buffer *b) {
    lt_comm *c = b->c;
    const lt_gpu *gpu = b->gpu;
    void *p = NULL;
    LT_TRY(gpu->alloc(b->stride, "a communication buffer", &p));
    b->device = p;
    LT_TRY(open_device(c, gpu));
    LT_TRY(gpu->event_create(false, &b->ready));
    LT_TRY(gpu->event_create(false, &b->done));
    if (c->coll) LT_TRY(make_room(gpu));
    if (c->size > 1 && !c->coll && gpu->pin(b->slots + (size_t)c->local_rank * b->stride, b->stride) == LT_OK)
        b->pinned = true;
    else
        lt_err_clear();
    LT_TRY(gpu->fill(here.stream, b->device, 0, b->stride));
    return gpu->wait(here.stream);
}

void lt_buffer_impl_device_fini(lt_buffer *b) {
    if (b->pinned) b->gpu->unpin(b->slots + (size_t)b->c->local_rank * b->stride);
    if (b->ready) b->gpu->event_destroy(b->ready);
    if (b->done) b->gpu->event_destroy(b->done);
    if (b->device) b->gpu->free(b->device);
}

/* Piece by piece through the room for parts. */
static lt_status sum_in_order(lt_buffer *b, float *x, int64_t n) {
    const lt_gpu *gpu = b->gpu;
    int64_t room = GATHER_BYTES / (int64_t)sizeof(float) / b->c->size / 4 * 4;
    for (int64_t at = 0, m; at < n; at += m) {
        m = n - at < room ? n - at : room;
        LT_TRY(gpu->all_gather(b->c->coll, x + at, here.gather, m, LT_F32, here.stream));
        LT_TRY(gpu->sum_parts(here.stream, here.gather, b->c->size, m, m, x + at));
    }
    return LT_OK;
}

/* Whether a sum is made in the order of ranks. */
static bool ordered(const lt_buffer *b, int64_t n) {
    static bool told;
    if (b->c->size == 2) return true; /* one part a rank: a ring moves as much */
    if (b->any_order) return false;
    if (n * (int64_t)sizeof(float) <= ORDERED_BYTES / b->c->size) return true;
    if (!told) lt_info("messages of %lld numbers: NCCL adds in an order of its own, the same in every run of this layout", (long long)n);
    told = true;
    return false;
}

static lt_status sum_by_nccl(lt_buffer *b, float *x, int64_t n, lt_stream *s) {
    const lt_gpu *gpu = b->gpu;
    LT_TRY(gpu->record(b->ready, s));
    LT_TRY(gpu->stream_wait(here.stream, b->ready));
    if (ordered(b, n))
        LT_TRY(sum_in_order(b, x, n));
    else
        LT_TRY(gpu->all_reduce(b->c->coll, x, x, n, LT_F32, here.stream));
    return gpu->record(b->done, here.stream);
}

/* x := onto + the sum of all ranks' x, both [n], in pieces of whole lines. */
static lt_status bf16_by_nccl(lt_buffer *b, float *x, int64_t n, lt_arr onto, lt_stream *s) {
    const lt_gpu *gpu = b->gpu;
    lt_comm *c = b->c;
    bool gathers = c->size == 2 || !b->any_order;
    int parts = gathers ? c->size : 1;
    int64_t room = GATHER_BYTES / (int64_t)sizeof(uint16_t) / parts / PIECE * PIECE;
    LT_TRY(gpu->record(b->ready, s));
    LT_TRY(gpu->stream_wait(here.stream, b->ready));
    for (int64_t at = 0, m; at < n; at += m) {
        m = n - at < room ? n - at : room;
        int64_t ld = (m + PIECE - 1) / PIECE * PIECE; /* a buffer ends with its page, so it has as many */
        uint16_t *all = here.gather, *mine = gathers ? all + c->rank * ld : all;
        LT_TRY(gpu->round_bf16(here.stream, x + at, ld, mine));
        if (gathers)
            LT_TRY(gpu->all_gather(c->coll, mine, all, ld, LT_BF16, here.stream));
        else
            LT_TRY(gpu->all_reduce(c->coll, all, all, m, LT_BF16, here.stream));
        LT_TRY(gpu->sum_bf16(here.stream, all, parts, ld, m, onto.p ? lt_arr_at(onto, at) : onto, x + at));
    }
    return gpu->record(b->done, here.stream);
}

static lt_status bf16_by_host(lt_buffer *b, float *x, int64_t n, lt_arr onto, lt_stream *s) {
    const lt_gpu *gpu = b->gpu;
    int64_t room = GATHER_BYTES / (int64_t)sizeof(uint16_t);
    void *slot = lt_buffer_impl_slot(b, b->c->local_rank);
    for (int64_t at = 0, m; at < n; at += m) {
        m = n - at < room ? n - at : room;
        LT_TRY(gpu->round_bf16(s, x + at, m, here.gather));
        LT_TRY(gpu->copy(s, LT_GPU_TO_HOST, slot, 0, here.gather, 0, (size_t)m * sizeof(uint16_t), 1));
        LT_TRY(gpu->wait(s));
        lt_buffer_impl_sum_bf16(b, m);
        LT_TRY(gpu->copy(s, LT_GPU_TO_DEVICE, here.gather, 0, slot, 0, (size_t)m * sizeof(uint16_t), 1));
        LT_TRY(gpu->sum_bf16(s, here.gather, 1, m, m, onto.p ? lt_arr_at(onto, at) : onto, x + at));
    }
    return LT_OK;
}

static lt_status sum_by_host(lt_buffer *b, int64_t first, int64_t n, lt_stream *s) {
    const lt_gpu *gpu = b->gpu;
    size_t bytes = (size_t)n * sizeof(float);
    float *device = (float *)b->device + first, *host = lt_buffer_impl_slot(b, b->c->local_rank) + first;
    LT_TRY(lt_gpu_timer_begin(timer, kind_of(b), s));
    LT_TRY(gpu->copy(s, LT_GPU_TO_HOST, host, 0, device, 0, bytes, 1));
    LT_TRY(gpu->wait(s));
    lt_buffer_impl_sum(b, first, n);
    LT_TRY(gpu->copy(s, LT_GPU_TO_DEVICE, device, 0, host, 0, bytes, 1));
    return lt_gpu_timer_end(timer, kind_of(b), s);
}

void lt_buffer_impl_device_begin(lt_buffer *b, int64_t first, int64_t n, lt_stream *s) {
    lt_comm *c = b->c;
    lt_comm_impl_entered(c);
    lt_status st = c->coll ? sum_by_nccl(b, (float *)b->device + first, n, s) : sum_by_host(b, first, n, s);
    if (st != LT_OK) lt_fatal(c, st);
    b->open = c->coll != NULL;
}

void lt_buffer_impl_device_begin_bf16(lt_buffer *b, int64_t n, lt_arr onto, lt_stream *s) {
    lt_comm *c = b->c;
    lt_comm_impl_entered(c);
    lt_status st = c->coll ? bf16_by_nccl(b, b->device, n, onto, s) : bf16_by_host(b, b->device, n, onto, s);
    if (st != LT_OK) lt_fatal(c, st);
    b->open = c->coll != NULL;
}

void lt_buffer_impl_device_end(lt_buffer *b, lt_stream *s) {
    b->open = false;
    lt_status st = lt_gpu_timer_begin(timer, kind_of(b), s);
    if (st == LT_OK) st = b->gpu->stream_wait(s, b->done);
    if (st == LT_OK) st = lt_gpu_timer_end(timer, kind_of(b), s);
    if (st != LT_OK) lt_fatal(b->c, st);
}
