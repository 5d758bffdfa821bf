/* The two layouts of keys and values: by position (rows of a map's output) and by layer (bank slots). */
#include "tuner/tuner_impl.h"

#include <string.h>

/* Visits the m * 2 * n pieces of Hkv*D elements: rows offset, slot offset. */
#define FOR_EACH_PIECE(a, n, P_max, body)                                                                                                  \
    for (int64_t p_ = 0, w_ = (int64_t)(a)->Hkv * (a)->D; p_ < (n); p_++)                                                                  \
        for (int64_t lk_ = 0; lk_ < 2 * (int64_t)(a)->m; lk_++) {                                                                          \
            int64_t in_rows = (p_ * 2 * (a)->m + lk_) * w_, in_slot = (lk_ * (P_max) + p_) * w_;                                           \
            size_t bytes = (size_t)w_ * sizeof(float);                                                                                     \
            body                                                                                                                           \
        }

void lt_tuner_impl_rows_to_slot(const lt_arch *a, const float *rows, int n, float *slot, int64_t P_max) {
    FOR_EACH_PIECE(a, n, P_max, memcpy(slot + in_slot, rows + in_rows, bytes);)
}

void lt_tuner_impl_slot_to_rows(const lt_arch *a, const float *slot, int64_t P_max, int n, float *rows) {
    FOR_EACH_PIECE(a, n, P_max, memcpy(rows + in_rows, slot + in_slot, bytes);)
}
