/* Few rows with a row-major matrix (few_impl.h).  Sums run in one order whatever the number of rows: the scores of a sequence do not depend on its
 * neighbours. */
#include "kernels/cpu/few_impl.h"

#define INLINE static inline __attribute__((always_inline))

/* f32; bf16 that is widened, by f32; bf16 by bf16 */
typedef enum kind { F32, WIDE, BF16 } kind;

/* Rows of W in a group; with 16 registers two, or the sums would not fit. */
enum { GROUP = LT_VL == 16 ? 4 : 2 };

/* Bytes and numbers of a vector of W. */
INLINE int64_t size_w(kind k) { return k == F32 ? 4 : 2; }
INLINE int64_t numbers(kind k) { return k == BF16 ? 2 * LT_VL : LT_VL; }

INLINE lt_vi load(kind k, const void *p) { return k == WIDE ? (lt_vi)lt_vf_load_bf16(p) : lt_vi_load_loose(p); }

INLINE lt_vf multiply(kind k, lt_vf sum, lt_vi w, lt_vi x) {
    if (k == BF16) return lt_vf_dot_bf16(sum, w, x);
    return sum + (lt_vf)w * (lt_vf)x;
}

/* One step towards the sums of 2 n vectors: afterwards lanes of n vectors take turns. */
INLINE void fold(int n, lt_vf *v) {
    for (int i = 0; i < n; i++) v[i] = lt_vf_fold(v[i], v[i + n]);
}

/* to[i] = sum of the lanes of v[i], as a tree that is the same for every n; n a power of two, at most LT_VL.  v is lost. */
INLINE void totals(int n, lt_vf *v, float *to) {
    float lane[LT_VL];
    if (n == 16) fold(8, v);
    if (n >= 8) fold(4, v);
    if (n >= 4) fold(2, v);
    if (n >= 2) fold(1, v);
    *(lt_vf_loose *)lane = v[0];
    for (int half = LT_VL / 2; half >= n; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    for (int i = 0; i < n; i++) to[i] = lane[i];
}

static float number(lt_dtype dt, const void *p, int64_t at) {
    return dt == LT_BF16 ? lt_bf16_to_f32(((const uint16_t *)p)[at]) : ((const float *)p)[at];
}

/* tile[t + r, g] += what columns from k on give, less than a vector. */
static void add_end(kind kd, int G, int R, const lt_few *f, int64_t n0, int64_t t, int64_t k, float *tile) {
    lt_dtype dw = kd == F32 ? LT_F32 : LT_BF16, dx = kd == BF16 ? LT_BF16 : LT_F32;
    for (int64_t r = t; r < lt_cpu_min(t + R, f->rows); r++)
        for (int64_t g = 0; g < G; g++)
            for (int64_t i = k; i < f->K; i++)
                tile[r * LT_FEW_STRIP + g] += number(dw, f->w, (n0 + g) * f->ld + i) * number(dx, f->x, r * f->K + i);
}

/* tile[t + r, g] = <x[t + r], W[n0 + g]> for G rows of W and R of x. */
INLINE void block(kind kd, int G, int R, const lt_few *f, int64_t n0, int64_t t, float *tile) {
    const kind kx = kd == BF16 ? BF16 : F32;
    int64_t K = f->K, k = 0, ld = f->ld * size_w(kd);
    const char *w = (const char *)f->w + n0 * ld, *x[LT_FEW_PASS];
    int64_t share = lt_few_share(f, G), ahead = LT_FEW_AHEAD / (K * size_w(kd)) + G; /* rows */
    const char *later = w + (ahead + t / LT_FEW_PASS * share) * ld;
    lt_vf sum[LT_FEW_PASS * GROUP];
    float all[LT_FEW_PASS * GROUP];
    for (int r = 0; r < R; r++) x[r] = (const char *)f->x + (t + lt_cpu_min(r, f->rows - t - 1)) * K * size_w(kx);
    for (int i = 0; i < R * G; i++) sum[i] = (lt_vf){0};
    for (; k + numbers(kd) <= K; k += numbers(kd)) {
        lt_vi v[GROUP];
        for (int g = 0; g < G; g++) {
            v[g] = load(kd, w + g * ld + k * size_w(kd));
            LT_PIN(v[g]);
        }
        for (int64_t a = 0; a < share; a++) lt_few_fetch(later + a * ld + k * size_w(kd));
        for (int r = 0; r < R; r++) {
            lt_vi u = load(kx, x[r] + k * size_w(kx));
            for (int g = 0; g < G; g++) sum[r * G + g] = multiply(kd, sum[r * G + g], v[g], u);
        }
    }
    totals(R * G, sum, all);
    for (int r = 0; r < R; r++)
        for (int g = 0; g < G; g++) tile[(t + r) * LT_FEW_STRIP + g] = all[r * G + g];
    if (k < K) add_end(kd, G, R, f, n0, t, k, tile);
}

INLINE void group(kind kd, int G, const lt_few *f, int64_t n0, float *tile) {
    for (int64_t t = 0; t < f->rows; t += LT_FEW_PASS) switch (lt_few_step(f, t)) {
        case 1:
            block(kd, G, 1, f, n0, t, tile);
            break;
        case 2:
            block(kd, G, 2, f, n0, t, tile);
            break;
        default:
            block(kd, G, LT_FEW_PASS, f, n0, t, tile);
        }
}

INLINE void strip(kind kd, const lt_few *f, int64_t n0, int64_t n, float *tile) {
    int64_t g = 0;
    for (; g + GROUP <= n; g += GROUP) group(kd, GROUP, f, n0 + g, tile + g);
    for (; g < n; g++) group(kd, 1, f, n0 + g, tile + g);
}

void lt_few_impl_dots_f32(const lt_few *f, int64_t n0, int64_t n, float *tile) { strip(F32, f, n0, n, tile); }
void lt_few_impl_dots_wide(const lt_few *f, int64_t n0, int64_t n, float *tile) { strip(WIDE, f, n0, n, tile); }
void lt_few_impl_dots_bf16(const lt_few *f, int64_t n0, int64_t n, float *tile) { strip(BF16, f, n0, n, tile); }
