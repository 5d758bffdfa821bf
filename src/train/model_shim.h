#pragma once
#include "model/model.h"
typedef struct lt_readout_rows {
    int64_t n;
    const float *rows;
    const int32_t *target;
    const float *weight;
    const lt_pack_trial *trial;
    int64_t n_trial;
} lt_readout_rows;
static inline void lt_run_impl_model_states(lt_model *m, int64_t n, const int32_t *tokens, const int64_t *offset, float *out) {
    for (int64_t i = 0; i < n; i++)
        lt_model_states(m, tokens + offset[i], offset[i + 1] - offset[i], out + (offset[i] - offset[0]) * lt_model_arch(m)->C);
}
