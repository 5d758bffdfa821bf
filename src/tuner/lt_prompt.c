/* `lt_prompt` (L-Tuning, arXiv 2402.01643): e(y) = h_y W_gamma, rows before the text's embeddings; 2-way head on (text, label) pairs.
 *
 * W_gamma starts random, scaled so that the rows of e(y) have the root mean square of the label's own word embeddings: the frozen layers then see rows of
 * a size they know, whatever the size of h_y is in this model.  Rows of e(y) go into the first layer as they are, beside word embeddings that some models
 * scale on their way in (Gemma 3 by sqrt(C)): it is the scaled ones that are measured.  On Gemma 3 270M h_y has a root mean square of 5, words as the model
 * reads them 1.03, and the first e(y) 1.04. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <stdlib.h>

static lt_status plan(lt_tuner *t) {
    t->n_out = 2;
    t->P = t->labels->P;
    t->n_prompts = t->labels->K * t->P;
    return lt_tuner_impl_add_param(t, "gamma.weight", LT_PARAM_PLAIN, 2, t->arch->C, t->arch->C, 0);
}

static double mean_square(const float *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return n ? sum / (double)n : 0;
}

static lt_status init(lt_tuner *t, lt_model *m, lt_tok *tok, const float *states) {
    (void)tok;
    int64_t C = t->arch->C, rows = (int64_t)t->labels->K * t->P;
    float *words = NULL;
    LT_TRY(lt_model_agree(m, lt_calloc(&words, rows * C, sizeof *words, "label embeddings")));
    for (int y = 0; y < t->labels->K; y++)
        lt_model_token_rows(m, t->labels->tokens + (int64_t)y * t->P, t->P, words + (int64_t)y * t->P * C);
    /* e has mean square C * var(W) * ms(h) */
    double scale = sqrt(mean_square(words, rows * C) / ((double)C * fmax(mean_square(states, rows * C), 1e-12)));
    free(words);
    return lt_tuner_impl_normal(t, 0, scale);
}

static lt_status forward(lt_tuner *t, float *kv, int64_t P_max, float *prompt) {
    (void)kv, (void)P_max;
    int64_t C = t->arch->C, rows = (int64_t)t->labels->K * t->P;
    return t->ctx->ops->gemm(t->ctx, &(struct lt_gemm_args){.M = rows,
                                                            .N = C,
                                                            .K = C,
                                                            .alpha = 1,
                                                            .A = t->label_states,
                                                            .lda = C,
                                                            .B = t->param[0].value.data,
                                                            .ldb = C,
                                                            .C = prompt + t->prompt0 * C,
                                                            .ldc = C});
}

static lt_status backward(lt_tuner *t, const float *d_kv, int64_t P_max, const float *d_prompt) {
    (void)d_kv, (void)P_max;
    int64_t C = t->arch->C, rows = (int64_t)t->labels->K * t->P;
    return t->ctx->ops->gemm(t->ctx, &(struct lt_gemm_args){.ta = 1,
                                                            .M = C,
                                                            .N = C,
                                                            .K = rows,
                                                            .alpha = 1,
                                                            .A = t->label_states,
                                                            .lda = C,
                                                            .B = d_prompt + t->prompt0 * C,
                                                            .ldb = C,
                                                            .C = t->param[0].grad,
                                                            .ldc = C});
}

const lt_tuner_ops lt_tuner_impl_lt_prompt = {.plan = plan, .init = init, .forward = forward, .backward = backward};
