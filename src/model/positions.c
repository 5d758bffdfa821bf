/* Constants of positions: angles of rotary tables, slopes of ALiBi's heads; filled once, when the model is planned. */
#include "model/model_impl.h"

#include <math.h>
#include <stdlib.h>

/* Of pair i: the angle that one position adds. */
static double frequency(const lt_rope *r, int64_t i, int64_t rot) {
    double plain = 1.0 / pow(r->theta, (double)(2 * i) / (double)rot);
    if (r->kind == LT_ROPE_PLAIN) return plain;
    if (r->kind == LT_ROPE_LINEAR) return plain / r->factor;
    /* how often a wave fits into the original length decides: at most `low` times is stretched, at least `high` times is not */
    double times = r->original * plain / (2 * M_PI), fast = (times - r->low) / (r->high - r->low);
    fast = fast < 0 ? 0 : fast > 1 ? 1 : fast;
    return (1 - fast) * plain / r->factor + fast * plain;
}

static lt_status put(lt_model *m, float *to, float *from, int64_t n) {
    lt_status st = lt_ctx_upload(&m->ctx, to, from, (size_t)n * sizeof *from);
    if (st == LT_OK) st = m->ctx.ops->wait(&m->ctx, NULL);
    free(from);
    return st;
}

/* Table k of rotary angles. */
static lt_status fill_rotations(lt_model *m, int k) {
    int64_t rot = m->arch.rot, half = rot / 2, positions = m->limits.max_len + m->limits.P_max;
    float *table = NULL;
    LT_TRY(lt_calloc(&table, positions * rot, sizeof *table, "rotary angles"));
    for (int64_t i = 0; i < half; i++) {
        /* transformers computes the angle in f32: the same rounding keeps long positions comparable */
        float inv = (float)frequency(&m->arch.rope[k], i, rot);
        for (int64_t p = 0; p < positions; p++) {
            float angle = (float)p * inv;
            table[p * rot + i] = cosf(angle);
            table[p * rot + half + i] = sinf(angle);
        }
    }
    return put(m, m->cos_sin[k], table, positions * rot);
}

/* ALiBi's slopes of this rank's heads (Press et al. 2022): powers of 2^(-8 / n) for the largest power of two n <= H, then the odd powers of its root. */
static lt_status fill_slopes(lt_model *m) {
    float *slope = NULL;
    int n = 1, H = m->arch.H;
    while (2 * n <= H) n *= 2;
    LT_TRY(lt_calloc(&slope, m->Hl, sizeof *slope, "ALiBi slopes"));
    for (int i = 0; i < m->Hl; i++) {
        int h = m->grid->tp_rank * m->Hl + i;
        double s = h < n ? exp2(-8.0 * (h + 1) / n) : exp2(-4.0 * (2 * (h - n) + 1) / n);
        slope[i] = (float)s * m->arch.alibi_scale;
    }
    return put(m, m->slopes, slope, m->Hl);
}

lt_status lt_model_impl_fill_positions(lt_model *m) {
    for (int k = 0; k < m->arch.n_ropes; k++) LT_TRY(fill_rotations(m, k));
    return m->slopes ? fill_slopes(m) : LT_OK;
}
