/* Few rows with a bf16 matrix in oneDNN's panels (few_impl.h). */
#include "kernels/cpu/few_impl.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    WIDE = LT_FEW_STRIP / LT_VL, /* vectors of the widest panel */
    CHUNK = 64,                  /* words: 16 KiB of it, half of a first-level cache */
};

/* tile[t + r, NV vectors] (k0 > 0: +=) = words [k0, k1) of R rows of x with NV vectors of a panel. */
INLINE void block(int NV, int R, const lt_few *f, const uint32_t *w, int64_t k0, int64_t k1, int64_t t, float *tile) {
    const uint32_t *x = (const uint32_t *)f->x + t * f->words;
    int64_t share = f->rows > LT_FEW_PASS ? lt_few_share(f, NV) : 0; /* a single pass is a stream that the processor foresees */
    const uint32_t *later = w + CHUNK * f->panel + t / LT_FEW_PASS * share * LT_VL + LT_FEW_AHEAD / 4;
    lt_vf sum[WIDE][LT_FEW_PASS];
    lt_vi v[WIDE];
    for (int r = 0; r < R; r++)
        for (int j = 0; j < NV; j++) sum[j][r] = k0 > 0 ? lt_vf_load(tile + (t + r) * LT_FEW_STRIP + j * LT_VL) : (lt_vf){0};
    for (int64_t k = k0; k < k1; k++) {
        for (int j = 0; j < NV; j++) {
            v[j] = lt_vi_load_loose(w + k * f->panel + j * LT_VL);
            LT_PIN(v[j]);
        }
        for (int64_t a = 0; a < share; a++) lt_few_fetch(later + k * f->panel + a * LT_VL);
        for (int r = 0; r < R; r++) {
            lt_vi u = (int32_t)x[k * R + r] - (lt_vi){0};
            for (int j = 0; j < NV; j++) sum[j][r] = lt_vf_dot_bf16(sum[j][r], v[j], u);
        }
    }
    for (int r = 0; r < R; r++)
        for (int j = 0; j < NV; j++) lt_vf_store(tile + (t + r) * LT_FEW_STRIP + j * LT_VL, sum[j][r]);
}

INLINE void chunk(int NV, const lt_few *f, const uint32_t *w, int64_t k0, int64_t k1, float *tile) {
    for (int64_t t = 0; t < f->rows; t += LT_FEW_PASS) switch (lt_few_step(f, t)) {
        case 1:
            block(NV, 1, f, w, k0, k1, t, tile);
            break;
        case 2:
            block(NV, 2, f, w, k0, k1, t, tile);
            break;
        default:
            block(NV, LT_FEW_PASS, f, w, k0, k1, t, tile);
        }
}

void lt_few_impl_pairs(const lt_few *f, int64_t n0, int64_t n, float *tile) {
    const uint32_t *w = (const uint32_t *)f->w + n0 * f->words;
    int64_t step = f->rows > LT_FEW_PASS ? CHUNK : f->words;
    for (int64_t k = 0; k < f->words; k += step) {
        int64_t end = lt_cpu_min(k + step, f->words);
        if (f->panel == WIDE * LT_VL)
            chunk(WIDE, f, w, k, end, tile);
        else
            for (int64_t j = 0; j < f->panel; j += LT_VL) chunk(1, f, w + j, k, end, tile + j);
    }
}
