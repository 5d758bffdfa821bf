/* Memory of frozen layers, and weights on their way from files to the device.
 *
 * Threads that read files fill slots of a ring of pinned memory, several at once: what the system reads, or what a conversion makes of it, is written where
 * the device fetches it, and the host copies nothing.  A slot's content travels on the ctx's stream, so what is enqueued later finds it there, and the slot
 * is free again when its event has been reached.
 *
 *   thread 0   | pread | pread |        ...      a slot is one thread's from its ticket until its copy is enqueued
 *   thread 1      | pread | pread |
 *   stream        |= slot 0 =|= slot 1 =|= slot 2 =|
 */
#include "kernels/cuda/products_impl.h"

#include <new>
#include <pthread.h>
#include <string.h>

namespace LT_GPU_SPACE {

enum { SLOTS = 16 /* twice the threads that reading a disk array takes */ };

struct slot {
    pthread_mutex_t held;
    void *host;
    lt_gpu_event *sent;
    bool used; /* sent has been recorded */
};
struct loading {
    slot ring[SLOTS];
    size_t slot_bytes;
    unsigned next; /* tickets; atomic */
};

static loading *loading_of(const lt_ctx *c) { return static_cast<loading *>(state_of(c)->load); }

static lt_status fill_ring(state *s, loading *l) {
    for (slot &one : l->ring) {
        LT_TRY(s->gpu->alloc_host(l->slot_bytes, "weights on their way to the device", &one.host));
        LT_TRY(s->gpu->event_create(false, &one.sent));
    }
    return LT_OK;
}

void loading_fini(state *s) {
    loading *l = static_cast<loading *>(s->load);
    if (!l) return;
    for (slot &one : l->ring) {
        if (one.used) (void)s->gpu->wait_event(one.sent);
        if (one.sent) s->gpu->event_destroy(one.sent);
        if (one.host) s->gpu->free_host(one.host);
        pthread_mutex_destroy(&one.held);
    }
    delete l;
    s->load = nullptr;
}

/* What was made before a failure goes with the ctx, or with load_end. */
lt_status load_begin(const lt_ctx *c, size_t bytes) {
    state *s = state_of(c);
    LT_ASSERT(!s->load);
    loading *l = new (std::nothrow) loading();
    LT_CHECK(l, LT_ERR_NOMEM, "cannot allocate the ring of weights");
    for (slot &one : l->ring) pthread_mutex_init(&one.held, nullptr);
    l->slot_bytes = bytes ? bytes : 1;
    s->load = l;
    return fill_ring(s, l);
}

lt_status load_take(const lt_ctx *c, void **host) {
    state *s = state_of(c);
    loading *l = loading_of(c);
    slot *one = &l->ring[__atomic_fetch_add(&l->next, 1u, __ATOMIC_RELAXED) % SLOTS];
    pthread_mutex_lock(&one->held);
    lt_status st = one->used ? s->gpu->wait_event(one->sent) : LT_OK;
    if (st != LT_OK) {
        pthread_mutex_unlock(&one->held);
        return st;
    }
    *host = one->host;
    return LT_OK;
}

static lt_status send(state *s, slot *one, void *dst, size_t bytes) {
    LT_TRY(s->gpu->copy(s->stream, LT_GPU_TO_DEVICE, dst, bytes, one->host, bytes, bytes, 1));
    one->used = true;
    return s->gpu->record(one->sent, s->stream);
}

lt_status load_send(const lt_ctx *c, void *host, void *dst, size_t bytes) {
    loading *l = loading_of(c);
    int i = 0;
    while (i < SLOTS && l->ring[i].host != host) i++;
    LT_ASSERT(i < SLOTS && bytes <= l->slot_bytes);
    lt_status st = bytes ? send(state_of(c), &l->ring[i], dst, bytes) : LT_OK;
    pthread_mutex_unlock(&l->ring[i].held);
    return st;
}

lt_status load_end(const lt_ctx *c) {
    state *s = state_of(c);
    if (!s->load) return LT_OK;
    lt_status st = s->gpu->wait(s->stream);
    loading_fini(s);
    return st;
}

lt_status lin_alloc(const lt_ctx *c, lt_arena *a, int64_t N, int64_t K, lt_lin *lin) {
    memset(lin, 0, sizeof *lin);
    lin->N = N;
    lin->K = K;
    lin->dt = c->compute == LT_BF16 ? LT_BF16 : LT_F32;
    if (lt_lin_takes_e4m3(c, N, K)) return e4m3_alloc(c, a, lin);
    lin->w = lt_arena_take(a, N * K * (int64_t)lt_dtype_bytes(lin->dt), 1);
    return LT_OK;
}

/* A W that is not rounded stays as it lies. */
lt_status lin_pack(const lt_ctx *c, lt_lin *lin, bool reorder) { return lin->e4m3 && reorder ? e4m3_pack(c, lin) : LT_OK; }

void lin_fini(lt_lin *) {}

} // namespace LT_GPU_SPACE
