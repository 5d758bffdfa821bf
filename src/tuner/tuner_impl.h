#pragma once
/* Private to the tuner room. */

#include "tuner/tuner.h"

extern const lt_tuner_ops lt_tuner_impl_head, lt_tuner_impl_prompt, lt_tuner_impl_prefix, lt_tuner_impl_lt_prompt, lt_tuner_impl_lt_prefix;

/* Declares a parameter in plan(): name "prompt.rows", n_dims and dims.  Its index in t->param is returned in order of the calls. */
lt_status lt_tuner_impl_add_param(lt_tuner *t, const char *name, bool direct, int n_dims, int64_t d0, int64_t d1);

/* p[i] := scale * normal(seed, parameter number, i). */
void lt_tuner_impl_normal(const lt_tuner *t, int param, double scale);
/* text_init.c: P tokens for t->init = LT_INIT_TEXT (method.text, repeated) or LT_INIT_VOCAB (drawn from the vocabulary, no specials). */
lt_status lt_tuner_impl_init_tokens(const lt_tuner *t, lt_tok *tok, int32_t *out);
/* rows.c: between rows [n][m][2][Hkv*D], as maps and PEFT's prefix have them, and one bank slot [m][2][P_max][Hkv*D]. */
void lt_tuner_impl_rows_to_slot(const lt_arch *a, const float *rows, int n, float *slot, int64_t P_max);
void lt_tuner_impl_slot_to_rows(const lt_arch *a, const float *slot, int64_t P_max, int n, float *rows);
/* Elements of one bank slot and of one such row. */
static inline int64_t lt_tuner_impl_row_elems(const lt_arch *a) { return (int64_t)a->m * 2 * a->Hkv * a->D; }
static inline int64_t lt_tuner_impl_slot_elems(const lt_arch *a, int64_t P_max) { return P_max * lt_tuner_impl_row_elems(a); }
