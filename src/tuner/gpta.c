/* `gpta` (arXiv 2404.00189): a student, one of head, prompt, prefix and lora, behind a lead: a text that an assistant wrote and nobody trains.
 *
 * A bank slot holds the lead's keys and values first, then those that a prefix trains; where the student has no slot of its own, it gets one for the lead.
 * Which text is in use, and when another comes, is the trainer's to know (train/gpta.c). */
#include "tuner/tuner_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { LEAD_SPECIALS = 8 }; /* room for special tokens and a line end */

static lt_status plan(lt_tuner *t) {
    t->student = lt_tuner_impl_ops(lt_method_trained(t->cfg));
    t->n_slots = t->n_prompts = t->P = 0;
    LT_TRY(t->student->plan(t));
    t->lead_most = t->cfg->control == LT_CONTROL_NO_PREFIX ? 0 : t->cfg->max_prefix_tokens + LEAD_SPECIALS;
    t->lead_in_rows = t->adapter_rank > 0;
    if (t->lead_most == 0 || t->lead_in_rows) return LT_OK;
    t->lead_alone = t->n_slots == 0;
    t->n_slots = 1;
    t->lead.kv = lt_arena_take(&t->arena, lt_tuner_impl_slot_elems(t->arch, t->lead_most), sizeof(float));
    return LT_OK;
}

static lt_status init(lt_tuner *t, lt_model *m, lt_tok *tok, const float *states) { return t->student->init(t, m, tok, states); }

static lt_status forward(lt_tuner *t, float *kv, int64_t P_max, float *prompt) {
    if (t->student->forward) LT_TRY(t->student->forward(t, kv, P_max, prompt));
    if (!t->lead.kv_rows) return LT_OK;
    int64_t row = lt_tuner_impl_width(t->arch);
    return t->ctx->ops->copy(t->ctx, &(struct lt_copy_args){.kind = LT_COPY_ON_DEVICE,
                                                            .dst = kv + t->slot0 * lt_tuner_impl_slot_elems(t->arch, P_max),
                                                            .src = t->lead.kv,
                                                            .rows = 2 * (int64_t)t->arch->m,
                                                            .row_bytes = (size_t)(t->lead.kv_rows * row) * sizeof(float),
                                                            .dst_pitch = (size_t)(P_max * row) * sizeof(float),
                                                            .src_pitch = (size_t)(t->lead_most * row) * sizeof(float)});
}

static lt_status backward(lt_tuner *t, const float *d_kv, int64_t P_max, const float *d_prompt) {
    return t->student->backward ? t->student->backward(t, d_kv, P_max, d_prompt) : LT_OK;
}

const lt_tuner_ops lt_tuner_impl_gpta = {.plan = plan, .init = init, .forward = forward, .backward = backward};

/* ---- leads ---- */

lt_status lt_tuner_lead_frame(lt_tuner *t, const lt_tok *tok) {
    lt_ids ids = {0};
    int64_t at = 0;
    lt_status st = lt_tok_encode(tok, "", 0, true, &ids, NULL);
    t->lead_begin = lt_tok_frame_of(tok, false).before;
    t->lead_joins = true;
    for (int64_t l = 0; l < t->arch->m; l++) t->lead_joins = t->lead_joins && t->arch->layer[l].causal;
    if (st == LT_OK) st = lt_calloc(&t->lead_frame, ids.n, sizeof *t->lead_frame, "special tokens");
    if (st == LT_OK) {
        t->lead_frame_n = (int)(at = ids.n);
        if (ids.n) memcpy(t->lead_frame, ids.id, (size_t)ids.n * sizeof *ids.id);
        st = lt_tok_encode(tok, "\n", 1, false, &ids, NULL);
    }
    /* a tokenizer of encoders gives nothing for a line end */
    for (; st == LT_OK && at < ids.n && t->lead_end_n < 4; at++) t->lead_end[t->lead_end_n++] = ids.id[at];
    lt_ids_free(&ids);
    LT_CHECK(st != LT_OK || t->lead_frame_n + t->lead_end_n <= LEAD_SPECIALS, LT_ERR_CONFIG,
             "method.name: gpta: this tokenizer puts %d special tokens around a text, at most %d are supported", t->lead_frame_n,
             LEAD_SPECIALS - t->lead_end_n);
    return st;
}

int lt_tuner_lead_text(const lt_tuner *t, const int32_t *token, int n, int32_t *out) {
    int to = 0, most = t->cfg->max_prefix_tokens;
    for (int i = 0; !t->lead_in_rows && i < t->lead_begin; i++) out[to++] = t->lead_frame[i];
    for (int i = 0; i < n && i < most; i++) out[to++] = token[i];
    for (int i = 0; i < t->lead_end_n; i++) out[to++] = t->lead_end[i];
    for (int i = t->lead_begin; !t->lead_in_rows && i < t->lead_frame_n; i++) out[to++] = t->lead_frame[i];
    return to;
}

/* Between the slot-shaped array of a lead, rows of whose pieces are not all set, and a dense one on the host. */
static lt_status move(const lt_tuner *t, lt_copy_kind kind, void *dst, const void *src, int rows) {
    size_t row = (size_t)lt_tuner_impl_width(t->arch) * sizeof(float), here = (size_t)t->lead_most * row, dense = (size_t)rows * row;
    LT_TRY(t->ctx->ops->copy(t->ctx, &(struct lt_copy_args){.kind = kind,
                                                            .dst = dst,
                                                            .src = src,
                                                            .rows = 2 * (int64_t)t->arch->m,
                                                            .row_bytes = dense,
                                                            .dst_pitch = kind == LT_COPY_TO_DEVICE ? here : dense,
                                                            .src_pitch = kind == LT_COPY_TO_DEVICE ? dense : here}));
    return t->ctx->ops->wait(t->ctx, NULL);
}

int64_t lt_tuner_lead_elems(const lt_tuner *t, int64_t rows) { return lt_tuner_impl_slot_elems(t->arch, rows); }

lt_status lt_tuner_get_lead(const lt_tuner *t, float *kv) { return move(t, LT_COPY_TO_HOST, kv, t->lead.kv, t->lead.kv_rows); }

lt_status lt_tuner_set_lead(lt_tuner *t, const int32_t *token, int n, const float *kv) {
    LT_ASSERT(n <= t->lead_most && (n == 0 || t->lead_in_rows || kv));
    free(t->lead.token);
    t->lead.token = NULL;
    t->lead.n = t->lead.kv_rows = 0;
    if (n == 0) return LT_OK;
    LT_TRY(lt_calloc(&t->lead.token, n, sizeof *t->lead.token, "a prefix"));
    memcpy(t->lead.token, token, (size_t)n * sizeof *token);
    t->lead.n = n;
    if (t->lead_in_rows) return LT_OK;
    t->lead.kv_rows = n;
    return move(t, LT_COPY_TO_DEVICE, t->lead.kv, kv, n);
}
