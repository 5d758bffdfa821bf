/* The table, and memory. */
#include "kernels/cuda/products_impl.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace LT_GPU_SPACE {

static lt_status ctx_init(lt_ctx *c) {
    const lt_gpu *gpu = LT_GPU_TABLE();
    state *s = new (std::nothrow) state();
    LT_CHECK(s, LT_ERR_NOMEM, "cannot allocate a context");
    c->impl = s;
    s->gpu = gpu;
    if (c->sizes_only) return LT_OK;
    LT_TRY(gpu->open(LT_GPU_OPENED, &s->info));
    LT_TRY(gpu->stream_create(false, &s->stream));
    c->stream = s->stream;
    return gpu->alloc(LT_GPU_WS_BYTES, "the workspace of products", &s->product_ws);
}

static void ctx_fini(lt_ctx *c) {
    state *s = state_of(c);
    if (!s) return;
    loading_fini(s);
    products_fini(s);
    if (s->product_ws) s->gpu->free(s->product_ws);
    if (s->stream) s->gpu->stream_destroy(s->stream);
    delete s;
    c->impl = nullptr;
    c->stream = nullptr;
}

/* Where only sizes are wanted there may be no device: small state that is taken on the way lies on the host, and nobody computes with it. */
static lt_status stand_in(size_t bytes, const char *what, void **p) { return lt_calloc(p, (int64_t)bytes, 1, what); }

static lt_status host_alloc(const lt_ctx *c, size_t bytes, const char *what, void **p) {
    if (c->sizes_only) return stand_in(bytes, what, p);
    LT_TRY(state_of(c)->gpu->alloc_host(bytes ? bytes : 1, what, p));
    memset(*p, 0, bytes ? bytes : 1);
    return LT_OK;
}
static void host_free(const lt_ctx *c, void *p) {
    if (c->sizes_only)
        free(p);
    else if (p)
        state_of(c)->gpu->free_host(p);
}

static lt_status alloc(const lt_ctx *c, size_t bytes, const char *what, void **p) {
    state *s = state_of(c);
    if (c->sizes_only) return stand_in(bytes, what, p);
    LT_TRY(s->gpu->alloc(bytes ? bytes : 1, what, p));
    return s->gpu->fill(s->stream, *p, 0, bytes ? bytes : 1);
}

static void release(const lt_ctx *c, void *p) {
    if (c->sizes_only)
        free(p);
    else
        state_of(c)->gpu->free(p);
}

static lt_status copy(const lt_ctx *c, const struct lt_copy_args *a) {
    state *s = state_of(c);
    static const lt_gpu_dir dir[] = {LT_GPU_TO_DEVICE, LT_GPU_TO_HOST, LT_GPU_ON_DEVICE}; /* by lt_copy_kind */
    if (a->rows <= 0 || a->row_bytes == 0 || c->sizes_only) return LT_OK;
    return s->gpu->copy(s->stream, dir[a->kind], a->dst, a->dst_pitch, a->src, a->src_pitch, a->row_bytes, a->rows);
}

static lt_status fill(const lt_ctx *c, void *p, int byte, size_t bytes) {
    return bytes && !c->sizes_only ? state_of(c)->gpu->fill(state_of(c)->stream, p, byte, bytes) : LT_OK;
}

static lt_status record(const lt_ctx *c, lt_event *e) {
    state *s = state_of(c);
    lt_gpu_event *event = static_cast<lt_gpu_event *>(e->impl);
    if (!event) {
        LT_TRY(s->gpu->event_create(false, &event));
        e->impl = event;
    }
    return s->gpu->record(event, s->stream);
}

static lt_status wait(const lt_ctx *c, lt_event *e) {
    state *s = state_of(c);
    if (c->sizes_only) return LT_OK;
    return e ? s->gpu->wait_event(static_cast<lt_gpu_event *>(e->impl)) : s->gpu->wait(s->stream);
}

static void event_fini(const lt_ctx *c, lt_event *e) {
    if (e->impl) state_of(c)->gpu->event_destroy(static_cast<lt_gpu_event *>(e->impl));
    e->impl = nullptr;
}

static lt_status work_begin(const lt_ctx *c) { return state_of(c)->gpu->capture_begin(state_of(c)->stream); }
static lt_status work_end(const lt_ctx *c, lt_work *w) {
    lt_gpu_graph *graph = nullptr;
    LT_TRY(state_of(c)->gpu->capture_end(state_of(c)->stream, &graph));
    w->impl = graph;
    return LT_OK;
}
static lt_status work_replay(const lt_ctx *c, const lt_work *w) {
    return state_of(c)->gpu->graph_launch(static_cast<lt_gpu_graph *>(w->impl), state_of(c)->stream);
}
static void work_fini(const lt_ctx *c, lt_work *w) {
    if (w->impl) state_of(c)->gpu->graph_destroy(static_cast<lt_gpu_graph *>(w->impl));
    w->impl = nullptr;
}

/* Comm's buffers are device memory of this back end already. */
static lt_status attach(const lt_ctx *, void *, size_t) { return LT_OK; }
static void detach(const lt_ctx *, void *) {}
static void bracket(const lt_ctx *) {}
static void *host_view(const lt_ctx *, void *, size_t) { return nullptr; }

size_t ws_bytes(const lt_ctx *c, const lt_dims *d) {
    size_t a = linear_ws_bytes(c, d), b = attention_ws_bytes(c, d);
    return a > b ? a : b;
}

static lt_ops make_table() {
    lt_ops t = {};
    t.name = LT_GPU_NAME;
    t.gpu = LT_GPU_TABLE();
    t.plain_rows = true;
    t.ctx_init = ctx_init;
    t.ctx_fini = ctx_fini;
    t.host_alloc = host_alloc;
    t.host_free = host_free;
    t.alloc = alloc;
    t.free = release;
    t.copy = copy;
    t.fill = fill;
    t.record = record;
    t.wait = wait;
    t.event_fini = event_fini;
    t.work_begin = work_begin;
    t.work_end = work_end;
    t.work_replay = work_replay;
    t.work_fini = work_fini;
    t.attach = attach;
    t.detach = detach;
    t.host_begin = bracket;
    t.host_end = bracket;
    t.host_view = host_view;
    t.ws_bytes = ws_bytes;
    t.lin_alloc = lin_alloc;
    t.lin_pack = lin_pack;
    t.lin_fini = lin_fini;
    t.load_begin = load_begin;
    t.load_take = load_take;
    t.load_send = load_send;
    t.load_end = load_end;
    t.rel_pack = rel_pack;
    t.tune = tune;
    t.choices = choices;
    t.choose = choose;
#define SET(name, args) t.name = name;
    LT_OPS_LIST(SET)
#undef SET
    return t;
}

} // namespace LT_GPU_SPACE

extern "C" const lt_ops *LT_GPU_OPS(void) {
    static const lt_ops table = LT_GPU_SPACE::make_table();
    return &table;
}
