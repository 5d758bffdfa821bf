/* Life of a model: create, plan, destroy.  The passes are in forward.c, block.c and block_bwd.c, loading in load.c and read.c. */
#include "model/device.h"
#include "model/model_impl.h"

#include "base/log.h"
#include "base/fault.h"

#include <stdlib.h>
#include <string.h>

lt_status lt_model_impl_prepare(lt_model *m) {
    const lt_arch *a = &m->arch;
    lt_cut cut = lt_arch_cut(a, m->grid->tp_size, m->grid->tp_rank);
    LT_CHECK(!a->parallel || a->norms == LT_NORM_IN, LT_ERR_INTERNAL, "%s: a parallel block has input norms and no others", a->model_type);
    m->Hl = cut.H;
    m->Hkvl = cut.Hkv;
    m->h_first = cut.h0;
    m->kv_first = cut.kv0;
    m->Fl = cut.F;
    m->f_first = cut.f0;
    m->v0 = cut.v0;
    m->v1 = cut.v1;
    m->has_pooler = lt_model_impl_in_file(m, LT_PART_POOLER);
    LT_TRY(lt_calloc(&m->block, a->m, sizeof *m->block, "the blocks"));
    LT_TRY(lt_calloc(&m->saved, a->m, sizeof *m->saved, "the blocks"));
    lt_arena_measure(&m->weights, "weights");
    LT_TRY(lt_model_impl_shard(m));
    m->weights_bytes = m->weights.used;
    m->weights = (lt_arena){0};
    return LT_OK;
}

static lt_status open_local(const char *dir, const lt_model_options *opt, const lt_arch *arch, const lt_ops *ops, lt_model *m) {
    LT_TRY(LT_FAULT_POINT("model.open"));
    m->ctx = (lt_ctx){
        .ops = ops, .threads = opt->threads, .compute = opt->compute == LT_E4M3 ? LT_BF16 : opt->compute, .sizes_only = opt->sizes_only};
    m->e4m3 = opt->compute == LT_E4M3;
    m->keep_blocks = opt->keep_blocks;
    LT_TRY(m->ctx.ops->ctx_init(&m->ctx));
    if (arch)
        m->arch = *arch;
    else
        LT_TRY(lt_arch_read(dir, &m->arch));
    LT_TRY(lt_arch_check_tp(&m->arch, m->grid->tp_size));
    LT_TRY(lt_st_open(dir, &m->st));
    LT_TRY(lt_st_fingerprint(m->st, m->fingerprint));
    m->with_head = opt->head;
    m->one_qkv = ops->plain_rows && !opt->head && !opt->apart; /* a cache takes dense rows of keys and values */
    m->overlap = opt->overlap;
    /* a step of generation has few rows, whose sums cost their latency whatever they weigh */
    m->bf16_sums = ops->gpu && m->grid->tp_size > 1 && m->ctx.compute == LT_BF16 && !opt->head && !opt->wide_sums;
    LT_TRY(lt_model_impl_prepare(m));
    for (int l = 0; opt->bidirectional && l < m->arch.m; l++) m->arch.layer[l].causal = !opt->bidirectional[l];
    LT_TRY(lt_model_impl_find_masks(m));
    if (m->with_head) LT_TRY(lt_model_impl_check_head(m));
    return lt_model_impl_match(m);
}

lt_status lt_model_create(const char *dir, lt_grid *grid, const lt_model_options *opt, lt_model **model) {
    return lt_model_impl_create(dir, grid, opt, NULL, model);
}

lt_status lt_model_impl_create(const char *dir, lt_grid *grid, const lt_model_options *opt, const lt_arch *arch, lt_model **model) {
    lt_model *m = NULL;
    lt_device device = {.ops = opt->ops};
    if (!device.ops) LT_TRY(lt_device_open(grid->world, LT_DEVICE_CPU, true, &device));
    lt_status st = lt_calloc(&m, 1, sizeof *m, "a model");
    if (st == LT_OK) {
        m->grid = grid;
        st = open_local(dir, opt, arch, device.ops, m);
    }
    st = lt_agree_same(grid->world, st, m ? m->fingerprint : "", m ? sizeof m->fingerprint : 0, "the model");
    if (st != LT_OK)
        lt_model_destroy(&m);
    else
        *model = m;
    return st;
}

lt_status lt_model_measure(lt_model *m, const lt_model_limits *limits) {
    int64_t positions = limits->positions ? limits->positions : limits->max_len + limits->P_max;
    if (lt_arch_is_relative(&m->arch)) positions = limits->max_len; /* a prefix takes none */
    m->limits = *limits;
    LT_CHECK(positions <= m->arch.max_pos && limits->max_len <= m->arch.max_pos, LT_ERR_SHAPE,
             "sequences of %lld tokens with a prefix of %lld pass the %lld positions of this model: lower data.max_length or method.length",
             (long long)limits->max_len, (long long)limits->P_max, (long long)m->arch.max_pos);
    bool halves = lt_model_impl_wants_halves(m);
    if (!halves) lt_model_impl_halves_destroy(m); /* measured before for larger packs */
    if (halves && !m->half[0]) LT_TRY(lt_model_impl_halves_create(m));
    lt_model_impl_halves_limit(m);
    lt_arena_measure(&m->acts, "activations");
    lt_model_impl_carve(m);
    LT_TRY(lt_arena_ok(&m->acts));
    m->acts_bytes = m->acts.used;
    m->comm_bytes = m->grid->tp_size > 1 ? 2 * (size_t)(limits->tokens * m->arch.C) * sizeof(float) : 0;
    if (m->half[0]) m->comm_bytes = m->half[0]->comm_bytes + m->half[1]->comm_bytes;
    m->acts = (lt_arena){0};
    return LT_OK;
}

/* Where packs are made ready to be copied. */
static lt_status staging(lt_model *m) {
    for (int i = 0; i < 2; i++) {
        void *p = NULL;
        LT_TRY(m->ctx.ops->host_alloc(&m->ctx, (size_t)m->dev.words * sizeof(int32_t), "a pack on its way", &p));
        m->dev.host[i] = p;
    }
    return LT_OK;
}

static lt_status plan_local(lt_model *m, const lt_model_limits *limits) {
    LT_TRY(LT_FAULT_POINT("model.plan"));
    LT_TRY(lt_model_measure(m, limits));
    LT_TRY(lt_ctx_arena_init(&m->ctx, &m->acts, "activations", m->acts_bytes));
    lt_model_impl_carve(m);
    LT_TRY(lt_arena_ok(&m->acts));
    LT_TRY(staging(m));
    for (int i = 0; i < 2 && m->half[i]; i++) LT_TRY(staging(m->half[i]));
    LT_TRY(lt_model_impl_halves_plan(m));
    LT_TRY(lt_calloc(&m->segment, limits->seqs, sizeof *m->segment, "segments of adapters"));
    return lt_model_impl_fill_positions(m);
}

/* Comm's memory as the ops see it. */
static lt_status attach(lt_model *m, lt_buffer *b) {
    LT_TRY(m->ctx.ops->attach(&m->ctx, lt_buffer_data(b), lt_buffer_bytes(b)));
    lt_buffer_any_order(b);
    if (m->bf16_sums) LT_TRY(lt_buffer_travels_bf16(b));
    lt_ctx_hook_buffer(&m->ctx, b);
    return LT_OK;
}

lt_status lt_model_impl_passes_init(lt_model *m) {
    lt_status st = LT_OK;
    for (int i = 0; i < 2 && st == LT_OK && m->grid->tp_size > 1; i++)
        st = lt_buffer_alloc(m->grid->tp, m->comm_bytes / 2, m->ctx.ops->gpu, &m->buf[i]);
    for (int i = 0; i < 2 && st == LT_OK && m->buf[i]; i++) st = attach(m, m->buf[i]);
    return st;
}

void lt_model_impl_passes_fini(lt_model *m) {
    for (int i = 0; i < 2; i++) {
        if (m->buf[i]) m->ctx.ops->detach(&m->ctx, lt_buffer_data(m->buf[i]));
        lt_buffer_free(&m->buf[i]);
        if (!m->ctx.ops) continue;
        m->ctx.ops->event_fini(&m->ctx, &m->dev.sent[i]);
        m->ctx.ops->host_free(&m->ctx, m->dev.host[i]);
    }
}

lt_status lt_model_plan(lt_model *m, const lt_model_limits *limits) {
    lt_status st = lt_agree(m->grid->world, plan_local(m, limits));
    if (!m->half[0]) {
        if (st == LT_OK) st = lt_model_impl_passes_init(m);
        return lt_agree(m->grid->world, st);
    }
    for (int i = 0; i < 2; i++)
        if (st == LT_OK) st = lt_model_impl_passes_init(m->half[i]);
    if (m->saved != m->half[0]->saved) free(m->saved);
    m->saved = m->half[0]->saved; /* texts whose states are wanted are short: they go through the first half */
    return lt_agree(m->grid->world, st);
}

void lt_model_destroy(lt_model **model) {
    lt_model *m = *model;
    if (!m) return;
    if (m->half[0] && m->saved == m->half[0]->saved) m->saved = NULL;
    lt_model_impl_halves_destroy(m);
    lt_model_impl_passes_fini(m);
    for (int l = 0; m->block && l < m->arch.m; l++) {
        lt_lin *lin[] = {&m->block[l].qkv, &m->block[l].q,    &m->block[l].kv,    &m->block[l].o,
                         &m->block[l].up,  &m->block[l].down, &m->block[l].pos_k, &m->block[l].pos_q};
        for (size_t i = 0; i < sizeof lin / sizeof *lin; i++) m->ctx.ops->lin_fini(lin[i]);
    }
    if (m->has_pooler) m->ctx.ops->lin_fini(&m->pooler);
    if (m->conv.N) m->ctx.ops->lin_fini(&m->conv);
    lt_st_close(&m->st);
    lt_ctx_arena_fini(&m->ctx, &m->acts);
    lt_model_impl_drop_weights(m);
    if (m->ctx.ops) m->ctx.ops->ctx_fini(&m->ctx);
    free(m->segment);
    free(m->saved);
    free(m->block);
    free(m->weight);
    free(m);
    *model = NULL;
}

const lt_arch *lt_model_arch(const lt_model *m) { return &m->arch; }
const lt_ctx *lt_model_ctx(const lt_model *m) { return &m->ctx; }
bool lt_model_has_pooler(const lt_model *m) { return m->has_pooler; }
const char *lt_model_fingerprint(const lt_model *m) { return m->fingerprint; }
lt_model_times lt_model_get_times(const lt_model *m) {
    lt_model_times t = {m->host_s[LT_TIMED_LINEAR], m->host_s[LT_TIMED_ATTENTION]};
    for (int i = 0; i < 2 && m->half[i]; i++) {
        t.linear += m->half[i]->host_s[LT_TIMED_LINEAR];
        t.attention += m->half[i]->host_s[LT_TIMED_ATTENTION];
    }
    return t;
}
void lt_model_set_timer(lt_model *m, lt_gpu_timer *timer) {
    m->timer = timer;
    for (int i = 0; i < 2 && m->half[i]; i++) m->half[i]->timer = timer;
}
int64_t lt_model_bytes_read(const lt_model *m) { return lt_st_bytes_read(m->st); }

void lt_model_kv_heads(const lt_model *m, int *first, int *count) {
    *first = m->kv_first;
    *count = m->Hkvl;
}

void lt_model_vocabulary(const lt_model *m, int64_t *first, int64_t *end) {
    *first = m->v0;
    *end = m->v1;
}

void lt_model_memory(const lt_model *m, size_t *weights, size_t *activations, size_t *comm) {
    if (weights) *weights = m->weights_bytes;
    if (activations) *activations = m->acts_bytes;
    if (comm) *comm = m->comm_bytes;
}
