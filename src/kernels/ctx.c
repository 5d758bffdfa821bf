/* Helpers over a ctx's table; see ops.h. */
#include "kernels/ops.h"

#include <string.h>

#ifndef LT_HAVE_CUDA
const lt_ops *lt_ops_cuda(void) { return NULL; }
#endif
#ifndef LT_HAVE_EMULATED
const lt_ops *lt_ops_cuda_emulated(void) { return NULL; }
#endif

const lt_ops *lt_ops_by_name(const char *name) {
    if (!name || !*name || !strcmp(name, "cpu")) return lt_ops_cpu();
    if (!strcmp(name, "cuda")) return lt_ops_cuda();
    if (!strcmp(name, "cuda-emulated")) return lt_ops_cuda_emulated();
    if (!strcmp(name, "guard")) return lt_ops_guard();
    return !strcmp(name, "ref") ? lt_ops_ref() : NULL;
}

lt_status lt_ctx_upload(const lt_ctx *c, void *device, const void *host, size_t bytes) {
    return c->ops->copy(c, &(struct lt_copy_args){.kind = LT_COPY_TO_DEVICE, .dst = device, .src = host, .rows = 1, .row_bytes = bytes});
}

/* A GPU's copy into memory that is not pinned waits inside the driver, where nobody looks at deadlines: what it waits for is waited for before. */
lt_status lt_ctx_download(const lt_ctx *c, void *host, const void *device, size_t bytes) {
    if (c->ops->gpu) LT_TRY(c->ops->wait(c, NULL));
    LT_TRY(c->ops->copy(c, &(struct lt_copy_args){.kind = LT_COPY_TO_HOST, .dst = host, .src = device, .rows = 1, .row_bytes = bytes}));
    return c->ops->wait(c, NULL);
}

lt_status lt_ctx_arena_init(const lt_ctx *c, lt_arena *a, const char *purpose, size_t bytes) {
    void *base = NULL;
    LT_TRY(c->ops->alloc(c, bytes, purpose, &base));
    *a = (lt_arena){.purpose = purpose, .base = base, .cap = bytes};
    return LT_OK;
}

void lt_ctx_arena_fini(const lt_ctx *c, lt_arena *a) {
    if (a->base) c->ops->free(c, a->base);
    *a = (lt_arena){0};
}

static void begin(void *ctx) { ((const lt_ctx *)ctx)->ops->host_begin(ctx); }
static void end(void *ctx) { ((const lt_ctx *)ctx)->ops->host_end(ctx); }

void lt_ctx_hook_buffer(const lt_ctx *c, lt_buffer *b) { lt_buffer_set_host_hooks(b, begin, end, (void *)(uintptr_t)c); }
