#pragma once
/* Element types, array views and named tensors.
 *
 * Shape letters, the same everywhere in code, comments, tests and files:
 *   T packed tokens     B sequences          C model width       H query heads       Hkv key/value heads
 *   D head dim          F ffn width          V vocabulary        P prefix length     R LoRA rank
 *   K labels            m layers             S bank slots        suffix l: this tensor-parallel rank's part (Hl, Fl, Vl)
 *
 * All arrays are dense and row-major unless a row stride (ld, in elements) is given. */

#include "base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum lt_dtype { LT_F32, LT_BF16, LT_F16, LT_I32, LT_I64, LT_F64, LT_U8, LT_E4M3, LT_DTYPE_COUNT } lt_dtype;

/* Local.  Bytes of one element. */
size_t lt_dtype_bytes(lt_dtype dt);
/* Local.  "f32", "bf16" ... */
const char *lt_dtype_name(lt_dtype dt);

/* Borrowed view of an array whose element type is known at run time (activations: f32 or bf16). */
typedef struct lt_arr {
    void *p; /* NULL = absent, where the operation allows it */
    lt_dtype dt;
} lt_arr;

static inline lt_arr lt_arr_f32(float *p) { return (lt_arr){p, LT_F32}; }
/* View moved on by elems elements. */
static inline lt_arr lt_arr_at(lt_arr a, int64_t elems) {
    return (lt_arr){(unsigned char *)a.p + (int64_t)lt_dtype_bytes(a.dt) * elems, a.dt};
}

/* A whole named f32 tensor of trainable state: what checkpoints hold and optimizers update.  Borrowed memory. */
enum { LT_NAME_BYTES = 96, LT_MAX_DIMS = 4 };
typedef struct lt_named {
    char name[LT_NAME_BYTES]; /* e.g. "head.weight" */
    int n_dims;
    int64_t dim[LT_MAX_DIMS];
    float *data; /* [dim[0], ...] */
} lt_named;

/* Local.  Product of the dimensions. */
int64_t lt_named_elems(const lt_named *t);

/* bf16 <-> f32.  To bf16: round to nearest even, NaN stays NaN. */
static inline float lt_bf16_to_f32(uint16_t h) {
    union {
        uint32_t u;
        float f;
    } v = {.u = (uint32_t)h << 16};
    return v.f;
}
static inline uint16_t lt_f32_to_bf16(float f) {
    union {
        float f;
        uint32_t u;
    } v = {.f = f};
    uint32_t rounded = (v.u + 0x7FFFu + ((v.u >> 16) & 1u)) >> 16;
    uint32_t nan = (v.u >> 16) | 0x40u;
    return (uint16_t)((v.u & 0x7FFFFFFFu) > 0x7F800000u ? nan : rounded);
}
/* Local.  Converts n elements between F32, BF16 and F16 (but BF16 to F16), rounding to nearest even.  Arrays must not overlap.  Errors: ARG for other types. */
lt_status lt_convert(void *dst, lt_dtype dst_dt, const void *src, lt_dtype src_dt, int64_t n);

#ifdef __cplusplus
}
#endif
