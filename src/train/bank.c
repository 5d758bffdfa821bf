/* The bank of all trials: all heads as the tuners see it, this rank's heads as the model sees it, and the way of its gradients through the message.
 *
 * With one tensor-parallel rank both are the same memory and the model adds its gradients into the message directly. */
#include "train/run_impl.h"

#include <stdlib.h>
#include <string.h>

typedef struct view {
    int64_t rows, whole, local, first; /* rows = S*m*2*P_max; elements a row of all heads, of this rank's, and where these start */
} view;

static view bank_view(const lt_run *r) {
    const lt_arch *a = lt_model_arch(r->model);
    int first, count;
    lt_model_kv_heads(r->model, &first, &count);
    return (view){.rows = r->bank.S * a->m * 2 * r->bank.P_max,
                  .whole = (int64_t)a->Hkv * a->D,
                  .local = (int64_t)count * a->D,
                  .first = (int64_t)first * a->D};
}

lt_status lt_run_impl_bank_create(lt_run *r) {
    const lt_arch *a = lt_model_arch(r->model);
    int64_t S = 0, rows = 0, P = 0, direct = 0;
    for (int i = 0; i < r->n_trials; i++) {
        lt_tuner *t = r->tuner[i];
        t->slot0 = (int)S;
        t->prompt0 = (int)rows;
        S += t->n_slots;
        rows += t->n_prompts;
        if (t->n_slots && t->P > P) P = t->P;
        for (int k = 0; k < t->n_params; k++)
            if (t->param[k].direct) direct += lt_named_elems(&t->param[k].value);
    }
    r->bank = (lt_bank){.S = S, .P_max = P, .prompt_rows = rows};
    view v = bank_view(r);
    LT_TRY(lt_calloc(&r->slot_len, S, sizeof *r->slot_len, "the bank"));
    LT_TRY(lt_calloc(&r->kv, v.rows * v.whole, sizeof *r->kv, "the bank"));
    LT_TRY(lt_calloc(&r->prompt, rows * a->C, sizeof *r->prompt, "the prompt rows"));
    for (int i = 0; i < r->n_trials; i++)
        for (int k = 0; k < r->tuner[i]->n_slots; k++) r->slot_len[r->tuner[i]->slot0 + k] = r->tuner[i]->P;
    r->bank.slot_len = r->slot_len;
    r->bank.prompt = r->prompt;
    r->bank.kv = r->kv;
    if (v.local != v.whole) {
        LT_TRY(lt_calloc(&r->bank.kv, v.rows * v.local, sizeof *r->bank.kv, "the bank"));
        LT_TRY(lt_calloc(&r->d_kv_local, v.rows * v.local, sizeof *r->d_kv_local, "the bank"));
    }
    r->msg = (lt_message){.d_prompt = v.rows * v.whole};
    r->msg.direct = r->msg.d_prompt + rows * a->C;
    r->msg.tail = r->msg.direct + direct;
    r->msg.n = r->msg.tail + (int64_t)r->n_trials * LT_TAIL_PER_TRIAL + LT_FLAG_COUNT;
    return LT_OK;
}

void lt_run_impl_bank_destroy(lt_run *r) {
    if (r->bank.kv != r->kv) free(r->bank.kv);
    free(r->kv);
    free(r->d_kv_local);
    free(r->prompt);
    free(r->slot_len);
    lt_buffer_free(&r->msg.buf);
}

lt_status lt_run_impl_fill_bank(lt_run *r, bool running_only) {
    view v = bank_view(r);
    for (int i = 0; i < r->n_trials; i++) {
        if (running_only && r->trial[i].state != LT_TRIAL_RUNNING) continue;
        LT_TRY(r->tuner[i]->ops->forward(r->tuner[i], r->kv, r->bank.P_max, r->prompt));
    }
    for (int64_t row = 0; r->bank.kv != r->kv && row < v.rows; row++)
        memcpy(r->bank.kv + row * v.local, r->kv + row * v.whole + v.first, (size_t)v.local * sizeof *r->kv);
    return LT_OK;
}

void lt_run_impl_bank_to_message(lt_run *r) {
    view v = bank_view(r);
    for (int64_t row = 0; r->d_kv_local && row < v.rows; row++)
        memcpy(r->msg.data + r->msg.d_kv + row * v.whole + v.first, r->d_kv_local + row * v.local, (size_t)v.local * sizeof *r->kv);
    if (r->grid.tp_rank != 0) /* every rank of the tp group holds the rest whole: one of them speaks */
        memset(r->msg.data + r->msg.d_prompt, 0, (size_t)(r->msg.n - r->msg.d_prompt) * sizeof(float));
}

lt_status lt_run_impl_backward_bank(lt_run *r, lt_trial *t) {
    return t->tuner.ops->backward(&t->tuner, r->msg.data + r->msg.d_kv, r->bank.P_max, r->msg.data + r->msg.d_prompt);
}
