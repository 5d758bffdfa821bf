/* Activations, plain and gated; equations in ref/act.c.
 *
 * Each activation is one inline function that gives value and slope; forward loops use the value and the compiler drops the rest.  All of
 * them are free of branches and library calls, so the loops vectorise.
 *
 * Exact GELU.  With t = |x| and e = exp(-t^2 / 2), Phi(-t) = e R(t), where R is Mills' ratio over sqrt(2 pi): smooth, positive, falling
 * from 1/2 like 1/t.  R is fitted by a polynomial of degree 8 in s = 1 / (1 + 0.3 t) without constant term (the form of Hastings 1955;
 * coefficients are our own fit on [0, 13.5], relative error 1.3e-7).  e serves the density in the slope as well, and since the small tail
 * is computed directly, value and slope keep their relative precision for large negative x. */
#include "kernels/cpu/cpu_impl.h"

#define INLINE static inline __attribute__((always_inline))

typedef struct point {
    float value, slope;
} point;

INLINE point gelu_erf(float x) {
    float t = __builtin_fabsf(x), s = 1.0f / (1.0f + 0.3f * t), e = lt_cpu_exp(-0.5f * t * t);
    float r = 3.593171913e-2f;
    r = r * s - 1.582759345e-1f;
    r = r * s + 2.082064943e-1f;
    r = r * s - 5.539374614e-2f;
    r = r * s + 1.294691485e-1f;
    r = r * s + 9.963750834e-2f;
    r = r * s + 1.207983561e-1f;
    r = r * s + 1.196263899e-1f;
    float tail = r * s * e, phi = x < 0.0f ? tail : 1.0f - tail;
    return (point){x * phi, phi + x * e * 0.398942280f};
}

/* Logistic function: s = 1 / (1 + exp(-z)) and rest = 1 - s, as exp(-z) s, which keeps its relative precision where s is near 1. */
typedef struct sides {
    float s, rest;
} sides;

INLINE sides logistic(float z) {
    float e = lt_cpu_exp(-z), s = 1.0f / (1.0f + e);
    return (sides){s, e * s};
}

/* (1 + tanh(z)) / 2 is the logistic function of 2 z. */
INLINE point gelu_tanh(float x) {
    float k = 0.797884561f, x2 = x * x;
    sides l = logistic(2.0f * k * x * (1.0f + 0.044715f * x2));
    return (point){x * l.s, l.s + x * l.s * l.rest * 2.0f * k * (1.0f + 3.0f * 0.044715f * x2)};
}

INLINE point silu(float x) {
    sides l = logistic(x);
    return (point){x * l.s, l.s + x * l.s * l.rest};
}

INLINE point relu(float x) { return (point){x > 0.0f ? x : 0.0f, x > 0.0f ? 1.0f : 0.0f}; }

/* Near 0, 2 s(2x) - 1 would cancel: there the Taylor series to x^9 (error 4e-9 at 0.25). */
INLINE point tanh_point(float x) {
    sides l = logistic(2.0f * x);
    float x2 = x * x, far = 2.0f * l.s - 1.0f;
    float p = 62.0f / 2835.0f;
    p = p * x2 - 17.0f / 315.0f;
    p = p * x2 + 2.0f / 15.0f;
    p = p * x2 - 1.0f / 3.0f;
    float near = x + x * x2 * p;
    return (point){x2 < 0.0625f ? near : far, 4.0f * l.s * l.rest};
}

INLINE void values_of(point (*f)(float), int64_t n, const float *u, float *value) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) value[i] = f(u[i]).value;
}

INLINE void points_of(point (*f)(float), int64_t n, const float *u, float *value, float *slope) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        point p = f(u[i]);
        value[i] = p.value;
        slope[i] = p.slope;
    }
}

static void values(lt_act act, int64_t n, const float *u, float *value) {
    switch (act) {
    case LT_ACT_GELU_ERF:
        values_of(gelu_erf, n, u, value);
        break;
    case LT_ACT_GELU_TANH:
        values_of(gelu_tanh, n, u, value);
        break;
    case LT_ACT_SILU:
        values_of(silu, n, u, value);
        break;
    case LT_ACT_RELU:
        values_of(relu, n, u, value);
        break;
    case LT_ACT_TANH:
        values_of(tanh_point, n, u, value);
        break;
    }
}

static void points(lt_act act, int64_t n, const float *u, float *value, float *slope) {
    switch (act) {
    case LT_ACT_GELU_ERF:
        points_of(gelu_erf, n, u, value, slope);
        break;
    case LT_ACT_GELU_TANH:
        points_of(gelu_tanh, n, u, value, slope);
        break;
    case LT_ACT_SILU:
        points_of(silu, n, u, value, slope);
        break;
    case LT_ACT_RELU:
        points_of(relu, n, u, value, slope);
        break;
    case LT_ACT_TANH:
        points_of(tanh_point, n, u, value, slope);
        break;
    }
}

lt_status lt_cpu_act_fwd(const lt_ctx *c, const struct lt_act_args *a) {
    int64_t total = a->rows * a->F;
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, total))
    for (int64_t at = 0; at < total; at += LT_CPU_CHUNK) {
        float buf_u[LT_CPU_CHUNK], buf_h[LT_CPU_CHUNK];
        int64_t n = lt_cpu_min(LT_CPU_CHUNK, total - at);
        float *h = a->add ? buf_h : lt_cpu_target(a->h, at, buf_h);
        values(a->act, n, lt_cpu_load(a->u, at, n, buf_u), h);
        if (a->add) { /* buf_u is free: the values are in h */
            const float *before = lt_cpu_load(a->h, at, n, buf_u);
            float *sum = lt_cpu_target(a->h, at, buf_u);
#pragma omp simd
            for (int64_t i = 0; i < n; i++) sum[i] = before[i] + h[i];
            h = sum;
        }
        lt_cpu_store(a->h, at, n, h);
    }
    return LT_OK;
}

lt_status lt_cpu_act_bwd(const lt_ctx *c, const struct lt_act_args *a) {
    int64_t total = a->rows * a->F;
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, total))
    for (int64_t at = 0; at < total; at += LT_CPU_CHUNK) {
        float buf_u[LT_CPU_CHUNK], buf_dh[LT_CPU_CHUNK], buf_du[LT_CPU_CHUNK], value[LT_CPU_CHUNK], slope[LT_CPU_CHUNK];
        int64_t n = lt_cpu_min(LT_CPU_CHUNK, total - at);
        points(a->act, n, lt_cpu_load(a->u, at, n, buf_u), value, slope);
        const float *dh = lt_cpu_load(a->dh, at, n, buf_dh);
        float *du = lt_cpu_target(a->du, at, buf_du);
#pragma omp simd
        for (int64_t i = 0; i < n; i++) du[i] = dh[i] * slope[i];
        lt_cpu_store(a->du, at, n, du);
    }
    return LT_OK;
}

lt_status lt_cpu_glu_fwd(const lt_ctx *c, const struct lt_act_args *a) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->F))
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t i0 = 0; i0 < a->F; i0 += LT_CPU_CHUNK) {
            float buf_gate[LT_CPU_CHUNK], buf_up[LT_CPU_CHUNK], buf_h[LT_CPU_CHUNK], value[LT_CPU_CHUNK];
            int64_t n = lt_cpu_min(LT_CPU_CHUNK, a->F - i0), gate = 2 * t * a->F + i0, at = t * a->F + i0;
            values(a->act, n, lt_cpu_load(a->u, gate, n, buf_gate), value);
            const float *up = lt_cpu_load(a->u, gate + a->F, n, buf_up);
            float *h = lt_cpu_target(a->h, at, buf_h);
#pragma omp simd
            for (int64_t i = 0; i < n; i++) h[i] = value[i] * up[i];
            lt_cpu_store(a->h, at, n, h);
        }
    return LT_OK;
}

/* du may be u: each piece of u is read before the same piece of du is written. */
lt_status lt_cpu_glu_bwd(const lt_ctx *c, const struct lt_act_args *a) {
#pragma omp parallel for schedule(static) num_threads(lt_cpu_fork(c, a->rows * a->F))
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t i0 = 0; i0 < a->F; i0 += LT_CPU_CHUNK) {
            float buf_gate[LT_CPU_CHUNK], buf_up[LT_CPU_CHUNK], buf_dh[LT_CPU_CHUNK], value[LT_CPU_CHUNK], slope[LT_CPU_CHUNK];
            int64_t n = lt_cpu_min(LT_CPU_CHUNK, a->F - i0), gate = 2 * t * a->F + i0, at = t * a->F + i0;
            points(a->act, n, lt_cpu_load(a->u, gate, n, buf_gate), value, slope);
            const float *up = lt_cpu_load(a->u, gate + a->F, n, buf_up), *dh = lt_cpu_load(a->dh, at, n, buf_dh);
            float *d_gate = lt_cpu_target(a->du, gate, buf_gate), *d_up = lt_cpu_target(a->du, gate + a->F, buf_up);
#pragma omp simd
            for (int64_t i = 0; i < n; i++) {
                float dh_up = dh[i] * up[i];
                d_up[i] = dh[i] * value[i];
                d_gate[i] = dh_up * slope[i];
            }
            lt_cpu_store(a->du, gate, n, d_gate);
            lt_cpu_store(a->du, gate + a->F, n, d_up);
        }
    return LT_OK;
}
