#pragma once
/* Private to the tuner room. */

#include "tuner/tuner.h"

extern const lt_tuner_ops lt_tuner_impl_head, lt_tuner_impl_prompt, lt_tuner_impl_prefix, lt_tuner_impl_lt_prompt, lt_tuner_impl_lt_prefix,
    lt_tuner_impl_lora, lt_tuner_impl_gpta;
/* tuner.c */
const lt_tuner_ops *lt_tuner_impl_ops(lt_method method);

typedef enum lt_param_kind {
    LT_PARAM_PLAIN,  /* mirrored, its gradient made by backward() */
    LT_PARAM_SPREAD, /* the same, its rows dealt over all ranks, each of which holds its own */
    LT_PARAM_DIRECT, /* mirrored, its gradient added up in the step's message */
    LT_PARAM_PARTIAL /* the same, each rank of a tp group adding a share */
} lt_param_kind;
/* Local.  Declares a parameter in plan(): name "prompt.rows", 1 to 3 dims (the others 0); parameters stand in t->param in the order of the calls.
 * Errors: INTERNAL (too many). */
lt_status lt_tuner_impl_add_param(lt_tuner *t, const char *name, lt_param_kind kind, int n_dims, int64_t d0, int64_t d1, int64_t d2);

/* p[i] := scale * normal(seed, parameter number, i), of the rows that this rank holds.  Errors: NOMEM. */
lt_status lt_tuner_impl_normal(const lt_tuner *t, int param, double scale);
/* The same with a uniform number of [-scale, scale). */
lt_status lt_tuner_impl_uniform(const lt_tuner *t, int param, double scale);
/* lora_form.c: "lora.q.A", the name of a target's A or B. */
void lt_tuner_impl_lora_name(char name[LT_NAME_BYTES], int target, char which);
/* text_init.c: P tokens for t->init = LT_INIT_TEXT (method.text, repeated) or LT_INIT_VOCAB (drawn from the vocabulary, no specials). */
lt_status lt_tuner_impl_init_tokens(const lt_tuner *t, lt_tok *tok, int32_t *out);
/* slots.c, device arrays: between rows [n][m][2][Hkv*D], as maps and PEFT's prefix have them, and one bank slot [m][2][P_max][Hkv*D]. */
lt_status lt_tuner_impl_rows_to_slot(const lt_tuner *t, const float *rows, int n, float *slot, int64_t P_max);
lt_status lt_tuner_impl_slot_to_rows(const lt_tuner *t, const float *slot, int64_t P_max, int n, float *rows);
/* The same between keys (which = 0) or values (1) of all layers as one array [m][n][Hkv*D] and a slot. */
lt_status lt_tuner_impl_half_to_slot(const lt_tuner *t, const float *half, int which, int n, float *slot, int64_t P_max);
lt_status lt_tuner_impl_slot_to_half(const lt_tuner *t, const float *slot, int64_t P_max, int which, int n, float *half);
/* Dense copy between device arrays. */
lt_status lt_tuner_impl_copy(const lt_tuner *t, float *dst, const float *src, int64_t elems);
/* Elements of one position of one layer's keys. */
static inline int64_t lt_tuner_impl_width(const lt_arch *a) { return (int64_t)a->Hkv * a->D; }
/* Elements of one bank slot and of one such row. */
static inline int64_t lt_tuner_impl_row_elems(const lt_arch *a) { return (int64_t)a->m * 2 * a->Hkv * a->D; }
static inline int64_t lt_tuner_impl_slot_elems(const lt_arch *a, int64_t P_max) { return P_max * lt_tuner_impl_row_elems(a); }
