/* `head`: a linear classifier on the frozen read-out; no input is trained and nothing runs backward through the model. */
#include "tuner/tuner_impl.h"

static lt_status plan(lt_tuner *t) {
    t->n_out = t->labels->K;
    return LT_OK;
}

static lt_status init(lt_tuner *t, lt_model *m, lt_tok *tok, const float *states) {
    (void)t, (void)m, (void)tok, (void)states;
    return LT_OK;
}

static lt_status forward(lt_tuner *t, float *kv, int64_t P_max, float *prompt) {
    (void)t, (void)kv, (void)P_max, (void)prompt;
    return LT_OK;
}

static lt_status backward(lt_tuner *t, const float *d_kv, int64_t P_max, const float *d_prompt) {
    (void)t, (void)d_kv, (void)P_max, (void)d_prompt;
    return LT_OK;
}

const lt_tuner_ops lt_tuner_impl_head = {.plan = plan, .init = init, .forward = forward, .backward = backward};
