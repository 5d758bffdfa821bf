/* `prompt` (Lester, Al-Rfou and Constant 2021): P trainable rows before the text's embeddings, the same for every input; K-way head. */
#include "tuner/tuner_impl.h"

#include <stdlib.h>

static lt_status plan(lt_tuner *t) {
    t->n_out = t->labels->K;
    t->P = t->n_prompts = t->cfg->length;
    /* rows that look like words learn soonest */
    t->init = t->cfg->init == LT_INIT_AUTO ? LT_INIT_VOCAB : t->cfg->init;
    return lt_tuner_impl_add_param(t, "prompt.rows", LT_PARAM_PLAIN, 2, t->P, t->arch->C, 0);
}

static lt_status init(lt_tuner *t, lt_model *m, lt_tok *tok, const float *states) {
    (void)states;
    const lt_param *p = &t->param[0];
    if (t->init == LT_INIT_RANDOM) return lt_tuner_impl_normal(t, 0, 0.02);
    if (t->init == LT_INIT_ZERO) return t->ctx->ops->fill(t->ctx, p->value.data, 0, (size_t)lt_param_elems(p) * sizeof(float));
    int32_t *ids = NULL;
    float *rows = NULL;
    lt_status st = lt_calloc(&ids, t->P, sizeof *ids, "initial tokens");
    LT_KEEP(st, lt_calloc(&rows, lt_param_elems(p), sizeof *rows, "initial prompt rows"));
    if (st == LT_OK) st = lt_tuner_impl_init_tokens(t, tok, ids);
    st = lt_model_agree(m, st);
    if (st == LT_OK) {
        lt_model_token_rows(m, ids, t->P, rows);
        st = lt_ctx_upload(t->ctx, p->value.data, rows, (size_t)lt_param_elems(p) * sizeof *rows);
        if (st == LT_OK) st = t->ctx->ops->wait(t->ctx, NULL);
    }
    free(ids);
    free(rows);
    return st;
}

static lt_status forward(lt_tuner *t, float *kv, int64_t P_max, float *prompt) {
    (void)kv, (void)P_max;
    return lt_tuner_impl_copy(t, prompt + t->prompt0 * t->arch->C, t->param[0].value.data, t->P * t->arch->C);
}

static lt_status backward(lt_tuner *t, const float *d_kv, int64_t P_max, const float *d_prompt) {
    (void)d_kv, (void)P_max;
    return lt_tuner_impl_copy(t, t->param[0].grad, d_prompt + t->prompt0 * t->arch->C, t->P * t->arch->C);
}

const lt_tuner_ops lt_tuner_impl_prompt = {.plan = plan, .init = init, .forward = forward, .backward = backward};
