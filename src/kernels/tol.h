#pragma once
/* How far the fast kernels may be from their f64 twins, in tests and in `ltune selftest`: normalised mean square error sum (a-b)^2 / sum b^2, by operation
 * and output type.
 *
 * A limit is never widened without the measured error and the reason beside it. */

#include "tensor/tensor.h"

#include <string.h>

typedef struct lt_tol {
    const char *op;
    lt_dtype dt; /* of the output */
    double nmse;
} lt_tol;

static const lt_tol lt_tolerances[] = {
    /* f32 sums of up to 1,000 random terms: relative error grows like 2^-24 sqrt(K), NMSE 2^-48 K = 4e-12 at worst. */
    {"linear", LT_F32, 2e-12},
    {"gemm", LT_F32, 2e-12},
    {"logits", LT_F32, 2e-12},
    {"segment", LT_F32, 2e-12}, /* seen: 1e-12, bias gradient of 530 rows */
    /* Both twins round the same sum to bf16; where it lies at a boundary they differ by a step of 2^-8.  If all did: NMSE 8e-6; seen:
     * 6e-7. */
    {"linear", LT_BF16, 3e-6},
    /* Mean, variance and output each one or two roundings; rows of 5 values lose digits to cancellation.  Seen: 2e-13. */
    {"norm", LT_F32, 1e-12},
    {"norm", LT_BF16, 3e-6},
    /* Fitted exponential and tail: relative error 3e-7 near 0, NMSE 1e-13. */
    {"act", LT_F32, 1e-12},
    {"act", LT_BF16, 3e-6},
    /* Sums over keys and over queries, fitted exponential.  Seen: 2e-13; bf16: 9e-9, of a hundred rows 1e-7.  Where arrays are bf16, one o in thousands is
     * rounded the other way, and with it delta and all gradients, those in f32 included. */
    {"attn", LT_F32, 2e-12},
    {"attn", LT_BF16, 4e-7},
    {"attn of bf16", LT_F32, 1e-7},
    /* Tensor cores: p and ds are rounded to bf16 before their products, up to 2^-9 of each term (NMSE 1.3e-6 of terms that do not cancel), o once more,
     * and with it delta.  Seen: 1e-5. */
    {"attn, products of bf16", LT_F32, 2e-5},
    {"attn, products of bf16", LT_BF16, 2e-5},
    /* Two products and a sum. */
    {"rope", LT_F32, 1e-13},
    {"rope", LT_BF16, 3e-6},
    /* Up to three additions; pooling sums tens of rows. */
    {"rows", LT_F32, 1e-12},
    {"rows", LT_BF16, 3e-6},
    /* One addition; sums of up to 40 rows; softmax in f64, rounded once. */
    {"bias_rows", LT_F32, 1e-13},
    {"column_sums", LT_F32, 1e-12},
    {"softmax", LT_F32, 1e-13},
    /* One product, and a sum where it accumulates. */
    {"dropout_rows", LT_F32, 1e-13},
    {"dropout_rows", LT_BF16, 3e-6},
    /* exp as in act, log in f64. */
    {"xent", LT_F32, 1e-12},
    {"choice", LT_F32, 1e-12},
    /* Four products, a root and a division; the update is small beside p, so the moments are the sensitive outputs. */
    {"adamw", LT_F32, 1e-12},
    /* f64 sums in another order: relative error 2^-53 sqrt(n), 1e-14 for 10,000 terms. */
    {"sumsq", LT_F64, 1e-26},
};

/* Local.  The limit of an operation; 0 (nothing passes) when the table lacks it. */
static inline double lt_tol_limit(const char *op, lt_dtype dt) {
    for (size_t i = 0; i < sizeof lt_tolerances / sizeof *lt_tolerances; i++)
        if (lt_tolerances[i].dt == dt && strcmp(lt_tolerances[i].op, op) == 0) return lt_tolerances[i].nmse;
    return 0;
}
