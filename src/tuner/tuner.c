/* Creation and initialisation common to all methods; the heads.
 *
 * Initial values are a function of (seed, parameter number, element) only.  Heads start at N(0, 0.02), as BERT's own classifier; the scale of
 * everything else stands with its method. */
#include "tuner/tuner_impl.h"

#include "base/fault.h"
#include "base/rng.h"

#include <stdlib.h>

static const lt_tuner_ops *const method_ops[LT_METHOD_COUNT] = {[LT_METHOD_HEAD] = &lt_tuner_impl_head,
                                                                [LT_METHOD_PROMPT] = &lt_tuner_impl_prompt,
                                                                [LT_METHOD_PREFIX] = &lt_tuner_impl_prefix,
                                                                [LT_METHOD_LT_PROMPT] = &lt_tuner_impl_lt_prompt,
                                                                [LT_METHOD_LT_PREFIX] = &lt_tuner_impl_lt_prefix,
                                                                [LT_METHOD_LORA] = &lt_tuner_impl_lora,
                                                                [LT_METHOD_GPTA] = &lt_tuner_impl_gpta};

const lt_tuner_ops *lt_tuner_impl_ops(lt_method method) { return method_ops[method]; }

lt_status lt_tuner_impl_add_param(lt_tuner *t, const char *name, lt_param_kind kind, int n_dims, int64_t d0, int64_t d1, int64_t d2) {
    LT_ASSERT(t->n_params < LT_TUNER_MAX_PARAMS);
    lt_param *p = &t->param[t->n_params++];
    bool direct = kind == LT_PARAM_DIRECT || kind == LT_PARAM_PARTIAL;
    *p = (lt_param){.value = {.n_dims = n_dims, .dim = {d0, d1, d2}}, .row1 = d0, .direct = direct, .partial = kind == LT_PARAM_PARTIAL};
    (void)snprintf(p->value.name, sizeof p->value.name, "%s", name);
    if (kind == LT_PARAM_SPREAD) {
        p->row0 = d0 * t->rank / t->ranks;
        p->row1 = d0 * (t->rank + 1) / t->ranks;
    }
    int64_t n = lt_param_elems(p);
    p->value.data = lt_arena_take(&t->arena, n, sizeof(float));
    p->adam_m = lt_arena_take(&t->arena, n, sizeof(float));
    p->adam_v = lt_arena_take(&t->arena, n, sizeof(float));
    if (!direct) p->grad = lt_arena_take(&t->arena, n, sizeof(float));
    return LT_OK;
}

/* What no method's plan can be asked for. */
static lt_status check(const lt_tuner *t) {
    const lt_method_cfg *c = t->cfg;
    if (c->compat == LT_COMPAT_AUTHORS) {
        LT_CHECK(c->name == LT_METHOD_LORA || c->name == LT_METHOD_HEAD, LT_ERR_CONFIG,
                 "method.compat: authors is the padding of the code of arXiv 2310.01208, for lora and head; %s has no such mode: use clean",
                 lt_method_of(c)->name);
        LT_CHECK(t->arch->causal, LT_ERR_CONFIG,
                 "method.compat: authors is of code for decoders; in the code of encoders no row sees padding, so their numbers are those "
                 "of clean: "
                 "use that");
    }
    LT_CHECK(!lt_method_of(c)->pairs || t->labels->K > 1, LT_ERR_CONFIG,
             "method.name: %s needs at least two labels, the data set has %d: there is no wrong label to draw", lt_method_of(c)->name,
             t->labels->K);
    return LT_OK;
}

/* One walk of the plan over the arena, measuring or real. */
static lt_status carve(lt_tuner *t) {
    t->n_params = 0;
    t->scratch_elems = t->gather_elems = 0;
    LT_TRY(t->ops->plan(t));
    t->head = t->n_params;
    LT_TRY(lt_tuner_impl_add_param(t, "head.weight", LT_PARAM_DIRECT, 2, t->n_out, t->arch->C, 0));
    if (t->cfg->head_bias == LT_HEAD_BIAS) LT_TRY(lt_tuner_impl_add_param(t, "head.bias", LT_PARAM_DIRECT, 1, t->n_out, 0, 0));
    t->label_states = t->pairs ? lt_arena_take(&t->arena, (int64_t)t->labels->K * t->labels->P * t->arch->C, sizeof(float)) : NULL;
    t->scratch = t->scratch_elems ? lt_arena_take(&t->arena, t->scratch_elems, sizeof(float)) : NULL;
    return lt_arena_ok(&t->arena);
}

lt_status lt_tuner_create(const lt_method_cfg *cfg, uint64_t seed, const lt_arch *arch, const lt_ctx *ctx, const lt_grid *grid,
                          const lt_labels *labels, lt_tuner *t) {
    LT_ASSERT((unsigned)cfg->name < LT_METHOD_COUNT && method_ops[cfg->name]);
    *t = (lt_tuner){.ops = method_ops[cfg->name],
                    .cfg = cfg,
                    .arch = arch,
                    .ctx = ctx,
                    .labels = labels,
                    .seed = seed,
                    .pairs = lt_method_of(cfg)->pairs,
                    .rank = grid ? grid->rank : 0,
                    .ranks = grid ? grid->size : 1};
    LT_TRY(check(t));
    lt_arena_measure(&t->arena, "a trial's state");
    LT_TRY(carve(t));
    LT_TRY(lt_ctx_arena_init(ctx, &t->arena, "a trial's state", t->arena.used));
    lt_status st = carve(t);
    if (st != LT_OK) lt_tuner_destroy(t);
    return st;
}

void lt_tuner_destroy(lt_tuner *t) {
    if (t->ctx) lt_ctx_arena_fini(t->ctx, &t->arena);
    free(t->lead.token);
    free(t->lead_frame);
    *t = (lt_tuner){0};
}

lt_status lt_tuner_impl_copy(const lt_tuner *t, float *dst, const float *src, int64_t elems) {
    return t->ctx->ops->copy(
        t->ctx,
        &(struct lt_copy_args){.kind = LT_COPY_ON_DEVICE, .dst = dst, .src = src, .rows = 1, .row_bytes = (size_t)elems * sizeof *dst});
}

/* p[i] := scale * draw(i) of the rows that this rank holds. */
static lt_status draw_values(const lt_tuner *t, int param, double scale, double (*draw)(const lt_rng *r, uint64_t b, uint32_t c)) {
    const lt_param *p = &t->param[param];
    lt_rng rng = {.seed = t->seed, .purpose = LT_RNG_INIT, .a = (uint32_t)param};
    int64_t n = lt_param_elems(p), first = p->row1 > p->row0 ? n / (p->row1 - p->row0) * p->row0 : 0;
    float *host = NULL;
    LT_TRY(LT_FAULT_POINT("tuner.values"));
    LT_TRY(lt_calloc(&host, n, sizeof *host, "initial values"));
    for (int64_t i = 0; i < n; i++) host[i] = (float)(scale * draw(&rng, (uint64_t)(first + i), 0));
    lt_status st = lt_ctx_upload(t->ctx, p->value.data, host, (size_t)n * sizeof *host);
    if (st == LT_OK) st = t->ctx->ops->wait(t->ctx, NULL);
    free(host);
    return st;
}

lt_status lt_tuner_impl_normal(const lt_tuner *t, int param, double scale) { return draw_values(t, param, scale, lt_rng_normal); }

/* Of [-1, 1). */
static double both_signs(const lt_rng *r, uint64_t b, uint32_t c) { return 2 * lt_rng_uniform(r, b, c) - 1; }

lt_status lt_tuner_impl_uniform(const lt_tuner *t, int param, double scale) { return draw_values(t, param, scale, both_signs); }

lt_status lt_tuner_init(lt_tuner *t, lt_model *m, lt_tok *tok, const float *label_states) {
    LT_ASSERT(!t->label_states || label_states);
    lt_status st = t->ops->init(t, m, tok, label_states); /* first: it may communicate, so no rank may fail before it */
    if (st == LT_OK) st = lt_tuner_impl_normal(t, t->head, 0.02);
    if (st != LT_OK || !t->label_states) return st;
    LT_TRY(lt_ctx_upload(t->ctx, t->label_states, label_states, (size_t)lt_tuner_states_elems(t) * sizeof(float)));
    return t->ctx->ops->wait(t->ctx, NULL);
}

int64_t lt_tuner_states_elems(const lt_tuner *t) { return t->label_states ? (int64_t)t->labels->K * t->labels->P * t->arch->C : 0; }

lt_tuner_input lt_tuner_input_of(const lt_tuner *t, int label) {
    const lt_lead *lead = t->choice ? &t->choice[label] : &t->lead;
    int which = t->pairs || t->choice ? label : 0, len = lt_tuner_slot_len(t, lead);
    lt_tuner_input in = {.slot = len ? t->slot0 + which : -1,
                         .prefix_len = len,
                         .prompt = t->n_prompts ? t->prompt0 + (t->pairs ? (int64_t)label * t->P : 0) : 0,
                         .prompt_rows = t->n_prompts ? t->P : 0};
    if (lead->n && t->lead_in_rows) {
        in.lead = lead->token;
        in.n_lead = lead->n;
        in.lead_at = t->lead_begin;
    }
    if (lead->kv_rows && t->lead_joins) in.skip = t->lead_begin;
    return in;
}

int lt_tuner_slot_most(const lt_tuner *t) { return t->n_slots ? (t->lead_alone ? 0 : t->P) + (t->lead_in_rows ? 0 : t->lead_most) : 0; }
int lt_tuner_slot_len(const lt_tuner *t, const lt_lead *lead) { return t->n_slots ? (t->lead_alone ? 0 : t->P) + lead->kv_rows : 0; }
int lt_tuner_rows_most(const lt_tuner *t) { return (t->n_prompts ? t->P : 0) + (t->lead_in_rows ? t->lead_most : 0); }

int lt_tuner_candidates(const lt_tuner *t) { return t->pairs && t->cfg->objective == LT_OBJECTIVE_ALL ? t->labels->K : 1; }

int64_t lt_tuner_trainable(const lt_tuner *t) {
    int64_t n = 0;
    for (int i = 0; i < t->n_params; i++) n += lt_named_elems(&t->param[i].value);
    return n;
}

lt_param *lt_tuner_head_weight(lt_tuner *t) { return &t->param[t->head]; }
lt_param *lt_tuner_head_bias(lt_tuner *t) { return t->head + 1 < t->n_params ? &t->param[t->head + 1] : NULL; }
size_t lt_tuner_bytes(const lt_tuner *t) { return t->arena.used; }
