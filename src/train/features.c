/* Kept features; see features_impl.h. */
#include "train/features_impl.h"

#include "base/mem.h"

#include <stdlib.h>

lt_status lt_run_impl_features_init(lt_features *f, const lt_ctx *ctx, int64_t C, int64_t n, int64_t cap) {
    void *rows = NULL;
    *f = (lt_features){.C = C, .n = n, .cap = cap};
    LT_TRY(lt_calloc(&f->place, n, sizeof *f->place, "kept features"));
    for (int64_t i = 0; i < n; i++) f->place[i] = -1;
    LT_TRY(ctx->ops->alloc(ctx, (size_t)(cap * C) * sizeof(float), "kept features", &rows));
    f->rows = rows;
    f->ctx = ctx;
    return LT_OK;
}

void lt_run_impl_features_fini(lt_features *f) {
    if (f->ctx) f->ctx->ops->free(f->ctx, f->rows);
    free(f->place);
    *f = (lt_features){0};
}

bool lt_run_impl_features_want(lt_features *f, int64_t sample) {
    if (f->place[sample] >= 0) return false;
    f->place[sample] = f->used++;
    return true;
}

int32_t lt_run_impl_features_block(int64_t sample, int64_t n, int dp_size, int64_t *first, int64_t *end) {
    int64_t size = (int64_t)LT_FEATURES_BLOCK * dp_size;
    *first = sample / size * size;
    *end = *first + size < n ? *first + size : n;
    return (int32_t)(sample / size) + 1;
}

lt_status lt_run_impl_features_keep(lt_features *f, const float *rows, int64_t first, int64_t n) {
    LT_ASSERT(first + n <= f->cap);
    return f->ctx->ops->copy(f->ctx, &(struct lt_copy_args){.kind = LT_COPY_ON_DEVICE,
                                                            .dst = f->rows + first * f->C,
                                                            .src = rows,
                                                            .rows = 1,
                                                            .row_bytes = (size_t)(n * f->C) * sizeof *rows});
}

static void carve(lt_feature_rows *r, int64_t C) {
    r->x = lt_arena_take(&r->arena, r->max * C, sizeof *r->x);
    r->index = lt_arena_take(&r->arena, r->max, sizeof *r->index);
    r->target = lt_arena_take(&r->arena, r->max, sizeof *r->target);
    r->weight = lt_arena_take(&r->arena, r->max, sizeof *r->weight);
}

lt_status lt_run_impl_feature_rows_init(lt_feature_rows *r, const lt_ctx *ctx, int64_t C, int64_t max) {
    *r = (lt_feature_rows){.max = max, .ctx = ctx};
    LT_TRY(lt_calloc(&r->host_index, max, sizeof *r->host_index, "rows of features"));
    LT_TRY(lt_calloc(&r->host_target, max, sizeof *r->host_target, "rows of features"));
    LT_TRY(lt_calloc(&r->host_weight, max, sizeof *r->host_weight, "rows of features"));
    lt_arena_measure(&r->arena, "rows of features");
    carve(r, C);
    LT_TRY(lt_ctx_arena_init(ctx, &r->arena, "rows of features", r->arena.used));
    carve(r, C);
    return lt_arena_ok(&r->arena);
}

void lt_run_impl_feature_rows_fini(lt_feature_rows *r) {
    if (!r->ctx) return;
    lt_ctx_arena_fini(r->ctx, &r->arena);
    free(r->host_index);
    free(r->host_target);
    free(r->host_weight);
    *r = (lt_feature_rows){0};
}

lt_status lt_run_impl_feature_rows_gather(lt_feature_rows *r, const lt_features *f, int64_t n) {
    LT_ASSERT(n <= r->max);
    LT_TRY(lt_ctx_upload(r->ctx, r->index, r->host_index, (size_t)n * sizeof *r->index));
    LT_TRY(lt_ctx_upload(r->ctx, r->target, r->host_target, (size_t)n * sizeof *r->target));
    LT_TRY(lt_ctx_upload(r->ctx, r->weight, r->host_weight, (size_t)n * sizeof *r->weight));
    return r->ctx->ops->gather_rows(
        r->ctx, &(struct lt_rows_args){.rows = n, .C = f->C, .index = r->index, .big = lt_arr_f32(f->rows), .small = lt_arr_f32(r->x)});
}
