/* Keys and values of earlier rows; see generate.h. */
#include "model/model_impl.h"

#include "base/fault.h"
#include "model/generate.h"

#include <stdlib.h>

static int64_t row_elems(const lt_model *m) { return 2 * (int64_t)m->Hkvl * m->arch.D; }

size_t lt_cache_bytes(const lt_model *m, int64_t seqs, int64_t room) {
    return (size_t)(m->arch.m * seqs * room * row_elems(m)) * lt_dtype_bytes(m->ctx.compute);
}

static lt_status create_local(lt_model *m, int64_t seqs, int64_t room, lt_cache **cache) {
    LT_TRY(LT_FAULT_POINT("model.cache"));
    LT_TRY(lt_arch_check_writes(&m->arch));
    LT_CHECK(!m->one_qkv, LT_ERR_INTERNAL, "a cache for a model that was opened without its output matrix"); /* its rows are dense */
    LT_CHECK(seqs * room < INT32_MAX, LT_ERR_NOMEM,
             "a cache of %lld sequences of %lld rows passes what rows can be counted: lower generate.batch", (long long)seqs,
             (long long)room);
    LT_TRY(lt_calloc(cache, 1, sizeof **cache, "a cache"));
    **cache = (lt_cache){.m = m, .seqs = seqs, .room = room, .layer_elems = seqs * room * row_elems(m)};
    return m->ctx.ops->alloc(&m->ctx, lt_cache_bytes(m, seqs, room), "keys and values of the texts (lower generate.batch)", &(*cache)->kv);
}

lt_status lt_cache_create(lt_model *m, int64_t seqs, int64_t room, lt_cache **cache) {
    *cache = NULL;
    lt_status st = lt_agree(m->grid->world, create_local(m, seqs, room, cache));
    if (st != LT_OK) lt_cache_destroy(cache);
    return st;
}

void lt_cache_destroy(lt_cache **cache) {
    lt_cache *c = *cache;
    if (!c) return;
    c->m->ctx.ops->free(&c->m->ctx, c->kv);
    free(c);
    *cache = NULL;
}

lt_status lt_cache_copy(lt_cache *c, int64_t from, int64_t to, int64_t rows) {
    const lt_ctx *ctx = &c->m->ctx;
    size_t bytes = lt_dtype_bytes(ctx->compute), row = (size_t)row_elems(c->m) * bytes, layer = (size_t)c->layer_elems * bytes;
    char *kv = c->kv;
    LT_ASSERT(from != to && from < c->seqs && to < c->seqs && rows > 0 && rows <= c->room);
    return ctx->ops->copy(ctx, &(struct lt_copy_args){.kind = LT_COPY_ON_DEVICE,
                                                      .dst = kv + (size_t)(to * c->room) * row,
                                                      .src = kv + (size_t)(from * c->room) * row,
                                                      .rows = c->m->arch.m,
                                                      .row_bytes = (size_t)rows * row,
                                                      .dst_pitch = layer,
                                                      .src_pitch = layer});
}

lt_arr lt_model_impl_cached(const lt_model *m, int layer) {
    const lt_cache *c = m->args->cache;
    return lt_arr_at((lt_arr){c->kv, m->ctx.compute}, layer * c->layer_elems);
}

void lt_model_impl_cache_rows(lt_model *m, int layer) {
    LT_OP(m, put_rows,
          &(struct lt_rows_args){.rows = m->args->pack->n_tok,
                                 .C = row_elems(m),
                                 .index = m->dev.cached,
                                 .big = lt_model_impl_cached(m, layer),
                                 .small = lt_model_impl_saved(m, layer)->kv});
}
