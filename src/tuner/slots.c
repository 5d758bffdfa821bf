/* The layouts of keys and values, device arrays: by position (rows of a map's output), by layer (bank slots), keys and values apart (pooled maps).  Every
 * move is a strided copy. */
#include "tuner/tuner_impl.h"

/* n pieces of piece elements each; strides in elements. */
static lt_status move(const lt_tuner *t, int64_t n, int64_t piece, float *dst, int64_t dst_stride, const float *src, int64_t src_stride) {
    return t->ctx->ops->copy(t->ctx, &(struct lt_copy_args){.kind = LT_COPY_ON_DEVICE,
                                                            .dst = dst,
                                                            .src = src,
                                                            .rows = n,
                                                            .row_bytes = (size_t)piece * sizeof(float),
                                                            .dst_pitch = (size_t)dst_stride * sizeof(float),
                                                            .src_pitch = (size_t)src_stride * sizeof(float)});
}

static int64_t width(const lt_tuner *t) { return lt_tuner_impl_width(t->arch); }

lt_status lt_tuner_impl_rows_to_slot(const lt_tuner *t, const float *rows, int n, float *slot, int64_t P_max) {
    int64_t w = width(t), pieces = 2 * (int64_t)t->arch->m;
    for (int64_t p = 0; p < n; p++) LT_TRY(move(t, pieces, w, slot + p * w, P_max * w, rows + p * pieces * w, w));
    return LT_OK;
}

lt_status lt_tuner_impl_slot_to_rows(const lt_tuner *t, const float *slot, int64_t P_max, int n, float *rows) {
    int64_t w = width(t), pieces = 2 * (int64_t)t->arch->m;
    for (int64_t p = 0; p < n; p++) LT_TRY(move(t, pieces, w, rows + p * pieces * w, w, slot + p * w, P_max * w));
    return LT_OK;
}

lt_status lt_tuner_impl_half_to_slot(const lt_tuner *t, const float *half, int which, int n, float *slot, int64_t P_max) {
    int64_t w = width(t);
    return move(t, t->arch->m, n * w, slot + which * P_max * w, 2 * P_max * w, half, n * w);
}

lt_status lt_tuner_impl_slot_to_half(const lt_tuner *t, const float *slot, int64_t P_max, int which, int n, float *half) {
    int64_t w = width(t);
    return move(t, t->arch->m, n * w, half, n * w, slot + which * P_max * w, 2 * P_max * w);
}
