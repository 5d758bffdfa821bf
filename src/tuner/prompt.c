/* `prompt` (Lester, Al-Rfou and Constant 2021): P trainable rows before the text's embeddings, the same for every input; K-way head. */
#include "tuner/tuner_impl.h"

#include <stdlib.h>
#include <string.h>

static lt_status plan(lt_tuner *t) {
    t->n_out = t->labels->K;
    t->P = t->n_prompts = t->cfg->length;
    /* rows that look like words learn soonest */
    t->init = t->cfg->init == LT_INIT_AUTO ? LT_INIT_VOCAB : t->cfg->init;
    return lt_tuner_impl_add_param(t, "prompt.rows", false, 2, t->P, t->arch->C);
}

static lt_status init(lt_tuner *t, lt_model *m, lt_tok *tok) {
    float *rows = t->param[0].value.data;
    if (t->init == LT_INIT_RANDOM) lt_tuner_impl_normal(t, 0, 0.02);
    if (t->init == LT_INIT_ZERO) memset(rows, 0, (size_t)lt_named_elems(&t->param[0].value) * sizeof *rows);
    if (t->init != LT_INIT_VOCAB && t->init != LT_INIT_TEXT) return LT_OK;
    int32_t *ids = NULL;
    lt_status st = lt_calloc(&ids, t->P, sizeof *ids, "initial tokens");
    if (st == LT_OK) st = lt_tuner_impl_init_tokens(t, tok, ids);
    st = lt_model_agree(m, st);
    if (st == LT_OK) lt_model_token_rows(m, ids, t->P, rows);
    free(ids);
    return st;
}

static lt_status forward(lt_tuner *t, float *kv, int64_t P_max, float *prompt) {
    (void)kv, (void)P_max;
    memcpy(prompt + t->prompt0 * t->arch->C, t->param[0].value.data, (size_t)(t->P * t->arch->C) * sizeof *prompt);
    return LT_OK;
}

static lt_status backward(lt_tuner *t, const float *d_kv, int64_t P_max, const float *d_prompt) {
    (void)d_kv, (void)P_max;
    memcpy(t->param[0].grad, d_prompt + t->prompt0 * t->arch->C, (size_t)(t->P * t->arch->C) * sizeof *d_prompt);
    return LT_OK;
}

const lt_tuner_ops lt_tuner_impl_prompt = {.name = "prompt", .plan = plan, .init = init, .forward = forward, .backward = backward};
