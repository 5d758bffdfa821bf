#pragma once
/* Private to the reader and writer of PEFT's folders. */

#include "store/safetensors.h"
#include "tuner/peft.h"
#include "tuner/tuner_impl.h"

#define LT_PEFT_CONFIG  "adapter_config.json"
#define LT_PEFT_TENSORS "adapter_model.safetensors"
#define LT_PEFT_HEAD    "head.safetensors"

/* Local.  A value by name; NULL if there is none. */
const lt_named *lt_peft_impl_value(const lt_named *value, int n, const char *name);
/* Local.  Takes the parts of one layer's update of rank R back: A [R, K], B [N, R] to the trial's values.  u->R: what the parts of the trial make together.
 * Errors: CONFIG (it says something of targets that the trial has not). */
lt_status lt_peft_impl_take(const lt_update *u, const lt_peft *p, lt_named *value, int n, int layer, int64_t R, const char *name);
