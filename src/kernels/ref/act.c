/* Activations, plain and gated, f64.
 *
 *   gelu_erf   x Phi(x)                                  Phi: standard normal distribution function
 *   gelu_tanh  x (1 + tanh(k (x + 0.044715 x^3))) / 2    k = sqrt(2 / pi)
 *   silu       x / (1 + exp(-x))
 *   gated      h = act(gate) up;  dgate = dh up act'(gate),  dup = dh act(gate) */
#include "kernels/ref/ref_impl.h"

#include <math.h>

/* Value of the activation at x; *slope is its derivative there. */
static double activate(lt_act act, double x, double *slope) {
    switch (act) {
    case LT_ACT_GELU_ERF: {
        double phi = 0.5 * erfc(-x * M_SQRT1_2);
        *slope = phi + x * exp(-0.5 * x * x) * 0.5 * M_SQRT1_2 * M_2_SQRTPI;
        return x * phi;
    }
    case LT_ACT_GELU_TANH: {
        double k = M_SQRT1_2 * M_2_SQRTPI, t = tanh(k * (x + 0.044715 * x * x * x));
        *slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + 3 * 0.044715 * x * x);
        return 0.5 * x * (1 + t);
    }
    case LT_ACT_SILU: {
        double s = 1 / (1 + exp(-x));
        *slope = s * (1 + x * (1 - s));
        return x * s;
    }
    case LT_ACT_RELU:
        *slope = x > 0 ? 1 : 0;
        return x > 0 ? x : 0;
    case LT_ACT_TANH:
        break;
    }
    double t = tanh(x);
    *slope = 1 - t * t;
    return t;
}

lt_status lt_ref_act_fwd(const lt_ctx *c, const struct lt_act_args *a) {
    double slope;
    for (int64_t i = 0; i < a->rows * a->F; i++)
        lt_ref_put(a->h, i, (a->add ? lt_ref_get(a->h, i) : 0) + activate(a->act, lt_ref_get(a->u, i), &slope));
    return LT_OK;
}

lt_status lt_ref_act_bwd(const lt_ctx *c, const struct lt_act_args *a) {
    for (int64_t i = 0; i < a->rows * a->F; i++) {
        double slope;
        activate(a->act, lt_ref_get(a->u, i), &slope);
        lt_ref_put(a->du, i, lt_ref_get(a->dh, i) * slope);
    }
    return LT_OK;
}

lt_status lt_ref_glu_fwd(const lt_ctx *c, const struct lt_act_args *a) {
    double slope;
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t i = 0; i < a->F; i++) {
            int64_t gate = 2 * t * a->F + i, up = gate + a->F;
            lt_ref_put(a->h, t * a->F + i, activate(a->act, lt_ref_get(a->u, gate), &slope) * lt_ref_get(a->u, up));
        }
    return LT_OK;
}

lt_status lt_ref_glu_bwd(const lt_ctx *c, const struct lt_act_args *a) {
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t i = 0; i < a->F; i++) {
            int64_t gate = 2 * t * a->F + i, up = gate + a->F;
            double slope, value = activate(a->act, lt_ref_get(a->u, gate), &slope), dh = lt_ref_get(a->dh, t * a->F + i);
            lt_ref_put(a->du, gate, dh * lt_ref_get(a->u, up) * slope);
            lt_ref_put(a->du, up, dh * value);
        }
    return LT_OK;
}
