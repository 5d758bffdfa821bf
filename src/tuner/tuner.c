/* Creation and initialisation common to all methods; the heads.
 *
 * Initial values are a function of (seed, parameter number, element) only.  Heads start at N(0, 0.02), as BERT's own classifier; the scale of
 * everything else stands with its method. */
#include "tuner/tuner_impl.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

static const lt_tuner_ops *const method_ops[] = {[LT_METHOD_HEAD] = &lt_tuner_impl_head,
                                                 [LT_METHOD_PROMPT] = &lt_tuner_impl_prompt,
                                                 [LT_METHOD_PREFIX] = &lt_tuner_impl_prefix,
                                                 [LT_METHOD_LT_PROMPT] = &lt_tuner_impl_lt_prompt,
                                                 [LT_METHOD_LT_PREFIX] = &lt_tuner_impl_lt_prefix};

lt_status lt_tuner_impl_add_param(lt_tuner *t, const char *name, bool direct, int n_dims, int64_t d0, int64_t d1) {
    LT_ASSERT(t->n_params < LT_TUNER_MAX_PARAMS);
    lt_param *p = &t->param[t->n_params++];
    int64_t n = n_dims > 1 ? d0 * d1 : d0;
    *p = (lt_param){.value = {.n_dims = n_dims, .dim = {d0, n_dims > 1 ? d1 : 0}}, .direct = direct};
    (void)snprintf(p->value.name, sizeof p->value.name, "%s", name);
    p->value.data = lt_arena_take(&t->arena, n, sizeof(float));
    p->adam_m = lt_arena_take(&t->arena, n, sizeof(float));
    p->adam_v = lt_arena_take(&t->arena, n, sizeof(float));
    if (!direct) p->grad = lt_arena_take(&t->arena, n, sizeof(float));
    return LT_OK;
}

/* What no method's plan can be asked for. */
static lt_status check(const lt_tuner *t) {
    const lt_method_cfg *c = t->cfg;
    LT_CHECK(c->compat == LT_COMPAT_CLEAN, LT_ERR_CONFIG,
             "method.compat: authors is not built in this version: use clean (positions and types are added once)");
    LT_CHECK(!lt_method_pairs(c) || t->labels->K > 1, LT_ERR_CONFIG,
             "method.name: %s needs at least two labels, the data set has %d: there is no wrong label to draw", t->ops->name, t->labels->K);
    return LT_OK;
}

/* One walk of the plan over the arena, measuring or real. */
static lt_status carve(lt_tuner *t) {
    t->n_params = 0;
    t->scratch_elems = 0;
    LT_TRY(t->ops->plan(t));
    LT_TRY(lt_tuner_impl_add_param(t, "head.weight", true, 2, t->n_out, t->arch->C));
    LT_TRY(lt_tuner_impl_add_param(t, "head.bias", true, 1, t->n_out, 0));
    t->label_states = t->pairs ? lt_arena_take(&t->arena, (int64_t)t->labels->K * t->labels->P * t->arch->C, sizeof(float)) : NULL;
    t->scratch = t->scratch_elems ? lt_arena_take(&t->arena, t->scratch_elems, sizeof(float)) : NULL;
    return lt_arena_ok(&t->arena);
}

lt_status lt_tuner_create(const lt_method_cfg *cfg, uint64_t seed, const lt_arch *arch, const lt_ctx *ctx, const lt_labels *labels,
                          lt_tuner *t) {
    LT_ASSERT((size_t)cfg->name < sizeof method_ops / sizeof *method_ops && method_ops[cfg->name]);
    *t = (lt_tuner){.ops = method_ops[cfg->name], .cfg = cfg, .arch = arch, .ctx = ctx, .labels = labels, .seed = seed};
    LT_TRY(check(t));
    lt_arena_measure(&t->arena, "a trial's state");
    LT_TRY(carve(t));
    size_t bytes = t->arena.used;
    LT_TRY(lt_arena_init(&t->arena, "a trial's state", bytes));
    lt_status st = carve(t);
    if (st != LT_OK) lt_tuner_destroy(t);
    return st;
}

void lt_tuner_destroy(lt_tuner *t) {
    lt_arena_fini(&t->arena);
    *t = (lt_tuner){0};
}

void lt_tuner_impl_normal(const lt_tuner *t, int param, double scale) {
    const lt_named *v = &t->param[param].value;
    lt_rng rng = {.seed = t->seed, .purpose = LT_RNG_INIT, .a = (uint32_t)param};
    int64_t n = lt_named_elems(v);
    for (int64_t i = 0; i < n; i++) v->data[i] = (float)(scale * lt_rng_normal(&rng, (uint64_t)i, 0));
}

lt_status lt_tuner_init(lt_tuner *t, lt_model *m, lt_tok *tok, const float *label_states) {
    int64_t per_label = t->pairs ? (int64_t)t->labels->P * t->arch->C : 0;
    if (t->pairs && label_states) {
        memcpy(t->label_states, label_states, (size_t)(t->labels->K * per_label) * sizeof(float));
    } else {
        for (int y = 0; t->pairs && y < t->labels->K; y++)
            lt_model_states(m, 1, t->labels->tokens + (int64_t)y * t->labels->P, (const int64_t[]){0, t->labels->P},
                            t->label_states + y * per_label);
    }
    lt_tuner_impl_normal(t, t->n_params - 2, 0.02);
    return t->ops->init(t, m, tok);
}

lt_tuner_input lt_tuner_input_of(const lt_tuner *t, int label) {
    int which = t->pairs ? label : 0;
    return (lt_tuner_input){.slot = t->n_slots ? t->slot0 + which : -1,
                            .prefix_len = t->n_slots ? t->P : 0,
                            .prompt = t->n_prompts ? t->prompt0 + (int64_t)which * t->P : 0,
                            .prompt_rows = t->n_prompts ? t->P : 0};
}

int64_t lt_tuner_trainable(const lt_tuner *t) {
    int64_t n = 0;
    for (int i = 0; i < t->n_params; i++) n += lt_named_elems(&t->param[i].value);
    return n;
}

lt_param *lt_tuner_head_weight(lt_tuner *t) { return &t->param[t->n_params - 2]; }
lt_param *lt_tuner_head_bias(lt_tuner *t) { return &t->param[t->n_params - 1]; }
size_t lt_tuner_bytes(const lt_tuner *t) { return t->arena.used; }
