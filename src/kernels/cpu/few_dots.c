/* Few rows with a row-major matrix (few_impl.h). */
#include "kernels/cpu/few_impl.h"
#include "kernels/cpu/vec_impl.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* f32; bf16 that is widened, by f32; bf16 by bf16 */
typedef enum kind { F32, WIDE, BF16 } kind;

/* Rows of W in a group; with 16 registers two, or the sums would not fit. */
enum { GROUP = LT_VL == 16 ? 4 : 2 };

/* Bytes and numbers of a vector of W. */
INLINE int64_t size_w(kind k) { return k == F32 ? 4 : 2; }
INLINE int64_t numbers(kind k) { return k == BF16 ? 2 * LT_VL : LT_VL; }

INLINE lt_vi load(kind k, const void *p) { return k == WIDE ? (lt_vi)lt_vf_load_bf16(p) : lt_vi_load_loose(p); }

/* The same of the last n numbers of a row; zeros behind them. */
INLINE lt_vi load_end(kind k, const void *p, int64_t n) {
    unsigned char room[4 * LT_VL] = {0};
    memcpy(room, p, (size_t)(n * size_w(k)));
    return load(k, room);
}

INLINE void multiply(kind k, lt_vf *sum, lt_vi w, lt_vi x) {
    if (k == BF16)
        *sum = lt_vf_dot_bf16(*sum, w, x);
    else
        *sum += (lt_vf)w * (lt_vf)x;
}

INLINE float total(lt_vf v) {
    float sum = 0;
    for (int i = 0; i < LT_VL; i++) sum += v[i];
    return sum;
}

/* tile[t + r, g] = <x[t + r], W[n0 + g]> for G rows of W and R of x.  ahead: rows of W to fetch, from `next` on. */
INLINE void block(kind kd, int G, int R, int ahead, const lt_few *f, int64_t n0, int64_t t, int64_t next, float *tile) {
    const kind kx = kd == BF16 ? BF16 : F32;
    int64_t K = f->K, k = 0, ld = K * size_w(kd);
    const char *w = (const char *)f->w + n0 * ld, *later = (const char *)f->w + next * ld, *x[LT_FEW_PASS];
    lt_vf sum[GROUP][LT_FEW_PASS];
    lt_vi v[GROUP];
    for (int r = 0; r < R; r++) x[r] = (const char *)f->x + (t + lt_cpu_min(r, f->rows - t - 1)) * K * size_w(kx);
    for (int g = 0; g < G; g++)
        for (int r = 0; r < R; r++) sum[g][r] = (lt_vf){0};
    for (; k + numbers(kd) <= K; k += numbers(kd)) {
        for (int g = 0; g < G; g++) {
            v[g] = load(kd, w + g * ld + k * size_w(kd));
            LT_PIN(v[g]);
        }
        for (int a = 0; a < ahead; a++) __builtin_prefetch(later + a * ld + k * size_w(kd));
        for (int r = 0; r < R; r++) {
            lt_vi u = load(kx, x[r] + k * size_w(kx));
            for (int g = 0; g < G; g++) multiply(kd, &sum[g][r], v[g], u);
        }
    }
    if (k < K) {
        for (int g = 0; g < G; g++) v[g] = load_end(kd, w + g * ld + k * size_w(kd), K - k);
        for (int r = 0; r < R; r++) {
            lt_vi u = load_end(kx, x[r] + k * size_w(kx), K - k);
            for (int g = 0; g < G; g++) multiply(kd, &sum[g][r], v[g], u);
        }
    }
    for (int r = 0; r < R; r++)
        for (int g = 0; g < G; g++) tile[(t + r) * LT_FEW_STRIP + g] = total(sum[g][r]);
}

INLINE void group(kind kd, int G, const lt_few *f, int64_t n0, float *tile) {
    int64_t share = lt_few_share(f, G);
    for (int64_t t = 0; t < f->rows; t += LT_FEW_PASS) {
        int64_t next = n0 + G + t / LT_FEW_PASS * share;
#define BLOCK(R, ahead) block(kd, G, R, ahead, f, n0, t, next, tile)
        LT_FEW_VARIANT(lt_few_step(f, t), share, BLOCK);
#undef BLOCK
    }
}

INLINE void strip(kind kd, const lt_few *f, int64_t n0, int64_t n, float *tile) {
    int64_t g = 0;
    for (; g + GROUP <= n; g += GROUP) group(kd, GROUP, f, n0 + g, tile + g);
    for (; g < n; g++) group(kd, 1, f, n0 + g, tile + g);
}

void lt_few_dots_f32(const lt_few *f, int64_t n0, int64_t n, float *tile) { strip(F32, f, n0, n, tile); }
void lt_few_dots_wide(const lt_few *f, int64_t n0, int64_t n, float *tile) { strip(WIDE, f, n0, n, tile); }
void lt_few_dots_bf16(const lt_few *f, int64_t n0, int64_t n, float *tile) { strip(BF16, f, n0, n, tile); }
