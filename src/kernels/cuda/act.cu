/* Activations, plain and gated; equations in kernels/ref/act.c.
 *
 * Memory-bound: a thread owns 8 numbers of bf16 or 4 of f32, one 16-byte access an array, and reads all of them before it writes (du may be u).  The functions
 * are those of kernels/cpu/act.c: value and slope share one exponential, and small tails are computed directly, so that they keep their relative precision. */
#include "kernels/cuda/vec_impl.h"

namespace LT_GPU_SPACE {

struct point {
    float value, slope;
};

/* 1 / x of normal x >= 1 to the last place: the estimate and a step of Newton's, without the branch of a division. */
LT_DEVICE float inverse(float x) {
    float r = __fdividef(1.0f, x);
    return fmaf(fmaf(-x, r, 1.0f), r, r);
}

/* Exact GELU: Phi(-t) = exp(-t^2 / 2) R(t), R fitted by a polynomial in 1 / (1 + 0.3 t); see kernels/cpu/act.c. */
LT_DEVICE point gelu_erf(float x) {
    float t = fabsf(x), s = inverse(1.0f + 0.3f * t), e = expf(-0.5f * t * t);
    float r = 3.593171913e-2f;
    r = r * s - 1.582759345e-1f;
    r = r * s + 2.082064943e-1f;
    r = r * s - 5.539374614e-2f;
    r = r * s + 1.294691485e-1f;
    r = r * s + 9.963750834e-2f;
    r = r * s + 1.207983561e-1f;
    r = r * s + 1.196263899e-1f;
    float tail = r * s * e, phi = x < 0.0f ? tail : 1.0f - tail;
    return {x * phi, phi + x * e * 0.398942280f};
}

/* Logistic function: s = 1 / (1 + exp(-z)) and rest = 1 - s, each with its relative precision; the exponential is at most 1. */
struct sides {
    float s, rest;
};
LT_DEVICE sides logistic(float z) {
    float e = expf(-fabsf(z)), large = inverse(1.0f + e), small = e * large;
    return z < 0.0f ? sides{small, large} : sides{large, small};
}

/* (1 + tanh(z)) / 2 is the logistic function of 2 z.  (Beyond |x| = 1e9 the cube would be infinite, and its product with 0 no number.) */
LT_DEVICE point gelu_tanh(float x) {
    float k = 0.797884561f, x2 = fminf(x * x, 1e18f);
    sides l = logistic(2.0f * k * x * (1.0f + 0.044715f * x2));
    return {x * l.s, l.s + x * l.s * l.rest * 2.0f * k * (1.0f + 3.0f * 0.044715f * x2)};
}

LT_DEVICE point silu(float x) {
    sides l = logistic(x);
    return {x * l.s, l.s + x * l.s * l.rest};
}

/* A NaN passes, as it does nowhere else in a comparison. */
LT_DEVICE point relu(float x) { return {x <= 0.0f ? 0.0f : x, x > 0.0f ? 1.0f : 0.0f}; }

/* Near 0, 2 s(2x) - 1 would cancel: there the Taylor series to x^9. */
LT_DEVICE point tanh_point(float x) {
    sides l = logistic(2.0f * x);
    float x2 = x * x, far = l.s - l.rest, p = 62.0f / 2835.0f;
    p = p * x2 - 17.0f / 315.0f;
    p = p * x2 + 2.0f / 15.0f;
    p = p * x2 - 1.0f / 3.0f;
    return {x2 < 0.0625f ? x + x * x2 * p : far, 4.0f * l.s * l.rest};
}

template <int V> LT_DEVICE void points(lt_act act, const float (&u)[V], float (&value)[V], float (&slope)[V]) {
    auto all = [&](auto f) {
        for (int j = 0; j < V; j++) {
            point p = f(u[j]);
            value[j] = p.value;
            slope[j] = p.slope;
        }
    };
    switch (act) { /* one branch for all threads */
    case LT_ACT_GELU_ERF:
        return all([](float x) { return gelu_erf(x); });
    case LT_ACT_GELU_TANH:
        return all([](float x) { return gelu_tanh(x); });
    case LT_ACT_SILU:
        return all([](float x) { return silu(x); });
    case LT_ACT_RELU:
        return all([](float x) { return relu(x); });
    case LT_ACT_TANH:
        break;
    }
    all([](float x) { return tanh_point(x); });
}

enum act_kind { FORWARD, BACKWARD, GATED_FORWARD, GATED_BACKWARD };

/* Of u and du type U, of h and dh type H; pieces of V numbers: `total` of them, `per_row` in a row of h. */
template <act_kind KIND, typename U, typename H, int V>
static __global__ void __launch_bounds__(THREADS) act_pieces(lt_act_args a, uint32_t per_row, uint32_t total) {
    constexpr bool gated = KIND >= GATED_FORWARD, backward = KIND == BACKWARD || KIND == GATED_BACKWARD;
    uint32_t n = thread_number(), row = n / per_row;
    if (n >= total) return;
    int64_t h = (int64_t)n * V, u = gated ? h + row * a.F : h; /* gate of row r begins at 2 r F, up at (2 r + 1) F */
    float x[V], value[V], slope[V], up[V], g[V];
    load(at<U>(a.u, u), x);
    if constexpr (gated) load(at<U>(a.u, u + a.F), up);
    if constexpr (backward) load(at<H>(a.dh, h), g);
    points(a.act, x, value, slope);
    if constexpr (KIND == GATED_BACKWARD) {
        for (int j = 0; j < V; j++) slope[j] *= g[j] * up[j], value[j] *= g[j];
        store(at<U>(a.du, u), slope);
        store(at<U>(a.du, u + a.F), value);
    } else if constexpr (KIND == BACKWARD) {
        for (int j = 0; j < V; j++) slope[j] *= g[j];
        store(at<U>(a.du, u), slope);
    } else {
        if (KIND == FORWARD && a.add) load(at<H>(a.h, h), up);
        for (int j = 0; j < V; j++) value[j] = gated ? value[j] * up[j] : a.add ? value[j] + up[j] : value[j];
        store(at<H>(a.h, h), value);
    }
}

template <act_kind KIND, typename U, typename H, int V> static lt_status act_launch(const lt_ctx *c, const lt_act_args *a) {
    int64_t total = a->rows * a->F / V, per_row = KIND >= GATED_FORWARD ? a->F / V : total;
    LT_COUNTABLE(total);
    LT_RUN(c, (act_pieces<KIND, U, H, V>), blocks_for(total, THREADS), THREADS, 0, *a, (uint32_t)per_row, (uint32_t)total);
    return LT_OK;
}

template <act_kind KIND> struct act_typed {
    template <typename U, typename H> static lt_status run(const lt_ctx *c, const lt_act_args *a) {
        constexpr int V = sizeof(U) + sizeof(H) == 8 ? 4 : 8;
        constexpr bool gated = KIND >= GATED_FORWARD, backward = KIND == BACKWARD || KIND == GATED_BACKWARD;
        int64_t width = gated ? a->F : a->rows * a->F;
        bool whole = fits(a->u, width, V) && fits(backward ? a->dh : a->h, width, V) && (!backward || fits(a->du, width, V));
        return whole ? act_launch<KIND, U, H, V>(c, a) : act_launch<KIND, U, H, 1>(c, a);
    }
};

lt_status act_fwd(const lt_ctx *c, const lt_act_args *a) {
    if (a->rows * a->F <= 0) return LT_OK;
    return LT_BY_TYPES(a->u.dt, a->h.dt, act_typed<FORWARD>::run, c, a);
}
lt_status act_bwd(const lt_ctx *c, const lt_act_args *a) {
    LT_ASSERT(a->du.dt == a->u.dt);
    if (a->rows * a->F <= 0) return LT_OK;
    return LT_BY_TYPES(a->u.dt, a->dh.dt, act_typed<BACKWARD>::run, c, a);
}
lt_status glu_fwd(const lt_ctx *c, const lt_act_args *a) {
    if (a->rows * a->F <= 0) return LT_OK;
    return LT_BY_TYPES(a->u.dt, a->h.dt, act_typed<GATED_FORWARD>::run, c, a);
}
lt_status glu_bwd(const lt_ctx *c, const lt_act_args *a) {
    LT_ASSERT(a->du.dt == a->u.dt);
    if (a->rows * a->F <= 0) return LT_OK;
    return LT_BY_TYPES(a->u.dt, a->dh.dt, act_typed<GATED_BACKWARD>::run, c, a);
}

} // namespace LT_GPU_SPACE
