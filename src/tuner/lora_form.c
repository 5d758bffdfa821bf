/* What LoRA's tensors are called and how much their product counts: for the method and for those who read and write adapters, who need no model. */
#include "tuner/tuner_impl.h"

#include <math.h>

void lt_tuner_impl_lora_name(char name[LT_NAME_BYTES], int target, char which) {
    (void)snprintf(name, LT_NAME_BYTES, "lora.%s.%c", lt_target_words[target], which);
}

double lt_lora_scale(const lt_method_cfg *c) {
    return c->scaling == LT_SCALING_RSLORA ? c->alpha / sqrt((double)c->rank) : c->alpha / (double)c->rank;
}
