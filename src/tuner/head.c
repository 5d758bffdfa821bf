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

const lt_tuner_ops lt_tuner_impl_head = {.plan = plan, .init = init};
