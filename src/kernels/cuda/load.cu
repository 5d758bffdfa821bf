/* Memory of frozen layers, and their rows on the way from the host to the device.
 *
 * Threads that read files hand over rows in pageable memory, several at once.  They go through a ring of pinned slots: a thread copies into the next slot
 * and enqueues its way to the device, and the slot is free again when its event has been reached.  The copies are on the ctx's stream, so what is enqueued
 * later finds them there.
 *
 *   thread 0   | memcpy | memcpy |        ...      a slot is one thread's from its ticket until its copy is enqueued
 *   thread 1      | memcpy | memcpy |
 *   stream        |= slot 0 =|= slot 1 =|= slot 2 =|
 */
#include "kernels/cuda/products_impl.h"

#include <new>
#include <pthread.h>
#include <string.h>

namespace LT_GPU_SPACE {

enum {
    SLOTS = 16,            /* twice the threads that reading a disk array takes */
    SLOT_BYTES = 4 << 20,  /* 0.1 ms of PCIe 5: long against the cost of a copy */
    SLOT_LEAST = 64 << 10, /* small models */
    PANEL_BYTES = 1 << 20, /* rows that a reader gathers: they stay in its core's cache */
};

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

/* The ring, from the master thread. */
static lt_status loading_make(state *s, const lt_lin *lin) {
    products *p;
    LT_TRY(products_of(s, &p));
    if (p->load) return LT_OK;
    loading *l = new (std::nothrow) loading();
    LT_CHECK(l, LT_ERR_NOMEM, "cannot allocate the ring of weights");
    p->load = l;
    size_t bytes = (size_t)(lin->N * lin->K) * lt_dtype_bytes(lin->dt);
    l->slot_bytes = bytes > SLOT_BYTES ? (size_t)SLOT_BYTES : bytes < SLOT_LEAST ? (size_t)SLOT_LEAST : bytes;
    for (slot &one : l->ring) pthread_mutex_init(&one.held, nullptr);
    for (slot &one : l->ring) {
        LT_TRY(s->gpu->alloc_host(l->slot_bytes, "weights on their way to the device", &one.host));
        LT_TRY(s->gpu->event_create(false, &one.sent));
    }
    return LT_OK;
}

void loading_fini(state *s, loading *l) {
    if (!l) return;
    for (slot &one : l->ring) {
        if (one.used) (void)s->gpu->wait_event(one.sent);
        if (one.sent) s->gpu->event_destroy(one.sent);
        if (one.host) s->gpu->free_host(one.host);
        pthread_mutex_destroy(&one.held);
    }
    delete l;
}

/* At most slot_bytes through one slot, which the caller holds. */
static lt_status send(state *s, slot *one, void *dst, const void *src, size_t bytes) {
    if (one->used) LT_TRY(s->gpu->wait_event(one->sent));
    memcpy(one->host, src, bytes);
    LT_TRY(s->gpu->copy(s->stream, LT_GPU_TO_DEVICE, dst, bytes, one->host, bytes, bytes, 1));
    one->used = true;
    return s->gpu->record(one->sent, s->stream);
}

static lt_status upload(state *s, loading *l, void *dst, const void *src, size_t bytes) {
    for (size_t at = 0, n; at < bytes; at += n) {
        slot *one = &l->ring[__atomic_fetch_add(&l->next, 1u, __ATOMIC_RELAXED) % SLOTS];
        n = bytes - at < l->slot_bytes ? bytes - at : l->slot_bytes;
        pthread_mutex_lock(&one->held);
        lt_status st = send(s, one, static_cast<unsigned char *>(dst) + at, static_cast<const unsigned char *>(src) + at, n);
        pthread_mutex_unlock(&one->held);
        LT_TRY(st);
    }
    return LT_OK;
}

lt_status lin_alloc(const lt_ctx *c, lt_arena *a, int64_t N, int64_t K, lt_lin *lin) {
    memset(lin, 0, sizeof *lin);
    lin->N = N;
    lin->K = K;
    lin->dt = c->compute == LT_BF16 ? LT_BF16 : LT_F32;
    if (lt_lin_takes_e4m3(c, N, K)) return e4m3_alloc(c, a, lin);
    int64_t row_bytes = K * (int64_t)lt_dtype_bytes(lin->dt), panel = PANEL_BYTES / (row_bytes ? row_bytes : 1);
    lin->panel = panel < 1 ? 1 : panel > N ? N : panel;
    lin->w = lt_arena_take(a, N * row_bytes, 1);
    return LT_OK;
}

/* A W that is not rounded stays as it lies. */
lt_status lin_pack(const lt_ctx *c, lt_lin *lin, bool reorder) {
    if (lin->e4m3 && reorder) return e4m3_pack(c, lin);
    return reorder || lin->panel == 0 ? LT_OK : loading_make(state_of(c), lin);
}

lt_status lin_rows(const lt_ctx *c, const lt_lin *lin, int64_t row0, int64_t rows, const void *src) {
    state *s = state_of(c);
    products *p = static_cast<products *>(s->products);
    size_t row_bytes = (size_t)lin->K * lt_dtype_bytes(lin->dt);
    LT_ASSERT(p && p->load); /* lin_pack came first */
    LT_ASSERT(row0 >= 0 && rows >= 0 && row0 + rows <= lin->N);
    return upload(s, p->load, static_cast<unsigned char *>(lin->w) + (size_t)row0 * row_bytes, src, (size_t)rows * row_bytes);
}

void lin_fini(lt_lin *) {}

} // namespace LT_GPU_SPACE
