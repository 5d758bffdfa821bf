/* Element types and conversions; see tensor.h. */
#include "tensor/tensor.h"

#include <string.h>

static const struct {
    const char *name;
    size_t bytes;
} dtype_table[LT_DTYPE_COUNT] = {[LT_F32] = {"f32", 4}, [LT_BF16] = {"bf16", 2}, [LT_F16] = {"f16", 2}, [LT_I32] = {"i32", 4},
                                 [LT_I64] = {"i64", 8}, [LT_F64] = {"f64", 8},   [LT_U8] = {"u8", 1},   [LT_E4M3] = {"e4m3", 1}};

size_t lt_dtype_bytes(lt_dtype dt) { return dtype_table[dt].bytes; }
const char *lt_dtype_name(lt_dtype dt) { return dt < LT_DTYPE_COUNT ? dtype_table[dt].name : "another type"; }

int64_t lt_named_elems(const lt_named *t) {
    int64_t n = 1;
    for (int i = 0; i < t->n_dims; i++) n *= t->dim[i];
    return n;
}

/* IEEE binary16: exponents 1..30 rebias by 112, 31 is Inf/NaN and by 224, subnormals are mantissa * 2^-24: what is left of (1 + mantissa / 1024) * 2^-14
 * less 2^-14.  Selections instead of branches: weights come by the billion, and compilers make vectors of this. */
static inline float f16_to_f32(uint16_t h) {
    union {
        uint32_t u;
        float f;
    } v, small;
    uint32_t em = h & 0x7FFFu, below = 0u - (uint32_t)(em < 0x0400u), above = 0u - (uint32_t)(em >= 0x7C00u);
    small.u = (em << 13) + (113u << 23);
    small.f -= 0x1p-14f;
    v.u = (em << 13) + (112u << 23) + (above & 112u << 23);
    v.u = (small.u & below) | (v.u & ~below) | (uint32_t)(h & 0x8000u) << 16;
    return v.f;
}

/* To nearest even.  Magic sums let the FPU round: subnormals become multiples of 2^-24, others keep 10 bits behind the leading one. */
static uint16_t f32_to_f16(float f) {
    union {
        float f;
        uint32_t u;
    } v = {.f = f};
    uint16_t sign = (uint16_t)(v.u >> 16 & 0x8000u);
    v.u &= 0x7FFFFFFFu;
    if (v.u > 0x7F800000u) return sign | 0x7E00u;  /* NaN */
    if (v.u >= 0x47800000u) return sign | 0x7C00u; /* from 65536 on: infinity */
    if (v.u < 0x38800000u) {                       /* below 2^-14 */
        v.f += 0.5f;
        return (uint16_t)(sign | (v.u - 0x3F000000u));
    }
    v.u += 0xFFFu + (v.u >> 13 & 1u);
    return (uint16_t)(sign | ((v.u >> 13) - (112u << 10)));
}

lt_status lt_convert(void *dst, lt_dtype dst_dt, const void *src, lt_dtype src_dt, int64_t n) {
    const uint16_t *h = src;
    const float *f = src;
    float *of = dst;
    uint16_t *oh = dst;
    if (dst_dt == src_dt) {
        memcpy(dst, src, (size_t)n * lt_dtype_bytes(src_dt));
        return LT_OK;
    }
    if (dst_dt == LT_F32 && src_dt == LT_BF16)
        for (int64_t i = 0; i < n; i++) of[i] = lt_bf16_to_f32(h[i]);
    else if (dst_dt == LT_F32 && src_dt == LT_F16)
        for (int64_t i = 0; i < n; i++) of[i] = f16_to_f32(h[i]);
    else if (dst_dt == LT_BF16 && src_dt == LT_F32)
        for (int64_t i = 0; i < n; i++) oh[i] = lt_f32_to_bf16(f[i]);
    else if (dst_dt == LT_BF16 && src_dt == LT_F16)
        for (int64_t i = 0; i < n; i++) oh[i] = lt_f32_to_bf16(f16_to_f32(h[i]));
    else if (dst_dt == LT_F16 && src_dt == LT_F32)
        for (int64_t i = 0; i < n; i++) oh[i] = f32_to_f16(f[i]);
    else
        return LT_FAIL(LT_ERR_ARG, "no conversion from %s to %s", lt_dtype_name(src_dt), lt_dtype_name(dst_dt));
    return LT_OK;
}
