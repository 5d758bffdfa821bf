/* The bank of all trials; see bank_impl.h. */
#include "train/bank_impl.h"

#include "base/mem.h"

#include <stdlib.h>

static void begin(void *ctx) { ((const lt_ctx *)ctx)->ops->host_begin(ctx); }
static void end(void *ctx) { ((const lt_ctx *)ctx)->ops->host_end(ctx); }

lt_status lt_run_impl_attach(const lt_ctx *ctx, lt_buffer *buf) {
    LT_TRY(ctx->ops->attach(ctx, lt_buffer_data(buf), lt_buffer_bytes(buf)));
    lt_buffer_set_host_hooks(buf, begin, end, (void *)(uintptr_t)ctx);
    return LT_OK;
}

void lt_run_impl_detach(const lt_ctx *ctx, lt_buffer *buf) {
    if (buf) ctx->ops->detach(ctx, lt_buffer_data(buf));
}

/* One walk over the arena, measuring or real. */
static void carve(lt_run_bank *b, int64_t C) {
    bool cut = b->local != b->whole;
    b->kv = lt_arena_take(&b->arena, b->rows * b->whole, sizeof(float));
    b->prompt = lt_arena_take(&b->arena, b->model.prompt_rows * C, sizeof(float));
    b->model.kv = cut ? lt_arena_take(&b->arena, b->rows * b->local, sizeof(float)) : b->kv;
    b->d_kv_local = cut ? lt_arena_take(&b->arena, b->d_rows * b->local, sizeof(float)) : NULL;
    b->model.prompt = b->prompt;
}

lt_status lt_run_impl_bank_init(lt_run_bank *b, const lt_model *m, lt_tuner *const *tuner, int n) {
    const lt_arch *a = lt_model_arch(m);
    int64_t trained = 0, rows = 0, P = 0, gather = 0;
    int first, heads;
    for (int i = 0; i < n; i++) trained += tuner[i]->lead_alone ? 0 : tuner[i]->n_slots;
    int64_t next[] = {0, trained}; /* slot of who trains in it, and of who does not */
    for (int i = 0; i < n; i++) {
        lt_tuner *t = tuner[i];
        t->slot0 = (int)next[t->lead_alone];
        next[t->lead_alone] += t->n_slots;
        t->prompt0 = (int)rows;
        rows += t->n_prompts;
        gather += t->gather_elems;
        if (lt_tuner_slot_most(t) > P) P = lt_tuner_slot_most(t);
    }
    int64_t S = next[1];
    lt_model_kv_heads(m, &first, &heads);
    *b = (lt_run_bank){.ctx = lt_model_ctx(m),
                       .model = {.S = S, .P_max = P, .fixed = S - trained, .prompt_rows = rows},
                       .rows = S * a->m * 2 * P,
                       .d_rows = trained * a->m * 2 * P,
                       .whole = (int64_t)a->Hkv * a->D,
                       .local = (int64_t)heads * a->D,
                       .first = (int64_t)first * a->D,
                       .gather_elems = gather};
    LT_TRY(lt_calloc(&b->slot_len, S, sizeof *b->slot_len, "the bank"));
    b->model.slot_len = b->slot_len;
    lt_arena_measure(&b->arena, "the bank");
    carve(b, a->C);
    LT_TRY(lt_ctx_arena_init(b->ctx, &b->arena, "the bank", b->arena.used));
    carve(b, a->C);
    return lt_arena_ok(&b->arena);
}

lt_status lt_run_impl_bank_adapters(lt_run_bank *b, lt_tuner *const *tuner, int n) {
    LT_TRY(lt_calloc(&b->adapter, n, sizeof *b->adapter, "adapters"));
    for (int i = 0; i < n; i++) b->adapter[i] = lt_tuner_adapter(tuner[i]);
    b->model.adapter = b->adapter;
    b->model.n_adapters = n;
    return LT_OK;
}

lt_status lt_run_impl_bank_connect(lt_run_bank *b, lt_comm *world, lt_tuner *const *tuner, int n) {
    if (b->gather_elems == 0) return LT_OK;
    LT_TRY(lt_buffer_alloc(world, (size_t)b->gather_elems * sizeof(float), b->ctx->ops->gpu, &b->gather));
    float *at = lt_buffer_data(b->gather);
    for (int i = 0; i < n; i++) {
        tuner[i]->gather = at;
        at += tuner[i]->gather_elems;
    }
    return lt_agree(world, lt_run_impl_attach(b->ctx, b->gather));
}

void lt_run_impl_bank_fini(lt_run_bank *b) {
    if (!b->ctx) return;
    lt_run_impl_detach(b->ctx, b->gather);
    lt_buffer_free(&b->gather);
    lt_ctx_arena_fini(b->ctx, &b->arena);
    free(b->slot_len);
    free(b->adapter);
    *b = (lt_run_bank){0};
}

lt_status lt_run_impl_bank_cut(lt_run_bank *b) {
    if (!b->d_kv_local) return LT_OK;
    return b->ctx->ops->copy(b->ctx, &(struct lt_copy_args){.kind = LT_COPY_ON_DEVICE,
                                                            .dst = b->model.kv,
                                                            .src = b->kv + b->first,
                                                            .rows = b->rows,
                                                            .row_bytes = (size_t)b->local * sizeof(float),
                                                            .dst_pitch = (size_t)b->local * sizeof(float),
                                                            .src_pitch = (size_t)b->whole * sizeof(float)});
}

lt_status lt_run_impl_bank_fill(lt_run_bank *b, lt_tuner *const *tuner, int n, const bool *wanted) {
    lt_status st = LT_OK;
    if (b->gather) st = b->ctx->ops->fill(b->ctx, lt_buffer_data(b->gather), 0, (size_t)b->gather_elems * sizeof(float));
    for (int i = 0; i < n; i++)
        for (int k = 0; k < tuner[i]->n_slots; k++) b->slot_len[tuner[i]->slot0 + k] = lt_tuner_slot_len(tuner[i], &tuner[i]->lead);
    for (int i = 0; st == LT_OK && i < n; i++)
        if ((!wanted || wanted[i]) && tuner[i]->ops->forward) st = tuner[i]->ops->forward(tuner[i], b->kv, b->model.P_max, b->prompt);
    /* the others wait in the sum whatever happened here; what came of it is told by the step's message or an agreement */
    if (b->gather) lt_allreduce(b->gather, 0, b->gather_elems, b->ctx->stream);
    for (int i = 0; st == LT_OK && b->gather && i < n; i++)
        if ((!wanted || wanted[i]) && tuner[i]->ops->gathered) st = tuner[i]->ops->gathered(tuner[i], b->kv, b->model.P_max);
    return st == LT_OK ? lt_run_impl_bank_cut(b) : st;
}
