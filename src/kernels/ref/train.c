/* The trainable side: small matrices of many trials, loss, gradient norm, optimizer; f64. */
#include "kernels/ref/ref_impl.h"

#include <math.h>

lt_status lt_ref_segment_fwd(const lt_ctx *c, const struct lt_segment_args *a) {
    for (const lt_segment *s = a->seg; s < a->seg + a->n_seg; s++)
        for (int64_t t = s->row0; t < s->row1; t++)
            for (int64_t n = 0; n < s->N; n++) {
                double sum = 0;
                for (int64_t k = 0; k < s->K; k++) sum += lt_ref_get(a->x, t * a->ld_x + k) * (double)s->w[n * lt_segment_ld(s) + k];
                int64_t at = t * a->ld_y + n;
                lt_ref_put(a->y, at,
                           lt_segment_alpha(a, s) * sum + (s->b ? (double)s->b[n] : 0.0) + (a->accumulate ? lt_ref_get(a->y, at) : 0.0));
            }
    return LT_OK;
}

lt_status lt_ref_segment_bwd(const lt_ctx *c, const struct lt_segment_args *a) {
    for (const lt_segment *s = a->seg; s < a->seg + a->n_seg; s++) {
        double alpha = lt_segment_alpha(a, s);
        for (int64_t n = 0; n < s->N; n++) {
            double db = 0;
            for (int64_t t = s->row0; t < s->row1; t++) db += lt_ref_get(a->dy, t * a->ld_y + n);
            if (s->db) s->db[n] = (float)((double)s->db[n] + db);
            for (int64_t k = 0; s->dw && k < s->K; k++) {
                double dw = 0;
                for (int64_t t = s->row0; t < s->row1; t++) dw += lt_ref_get(a->dy, t * a->ld_y + n) * lt_ref_get(a->x, t * a->ld_x + k);
                s->dw[n * lt_segment_ld(s) + k] = (float)((double)s->dw[n * lt_segment_ld(s) + k] + alpha * dw);
            }
        }
        for (int64_t t = s->row0; a->dx.p && t < s->row1; t++)
            for (int64_t k = 0; k < s->K; k++) {
                double sum = 0;
                for (int64_t n = 0; n < s->N; n++) sum += lt_ref_get(a->dy, t * a->ld_y + n) * (double)s->w[n * lt_segment_ld(s) + k];
                int64_t at = t * a->ld_dx + k;
                lt_ref_put(a->dx, at, alpha * sum + (a->accumulate ? lt_ref_get(a->dx, at) : 0.0));
            }
    }
    return LT_OK;
}

enum { IGNORED = -100 }; /* label of rows without a loss */

lt_status lt_ref_xent(const lt_ctx *c, const struct lt_xent_args *a) {
    for (int64_t t = 0; t < a->rows; t++) {
        const float *z = a->logits + t * a->ld;
        int32_t label = a->label[t];
        LT_ASSERT(label == IGNORED || (label >= 0 && label < a->K));
        double top = (double)z[0], sum = 0, weight = a->weight ? (double)a->weight[t] : 1.0;
        for (int64_t k = 1; k < a->K; k++) top = fmax(top, (double)z[k]);
        for (int64_t k = 0; k < a->K; k++) sum += exp((double)z[k] - top);
        a->loss[t] = label == IGNORED ? 0.0f : (float)(log(sum) + top - (double)z[label]);
        for (int64_t k = 0; a->dlogits && k < a->K; k++)
            a->dlogits[t * a->ld + k] =
                label == IGNORED ? 0.0f : (float)(weight * (exp((double)z[k] - top) / sum - (k == label ? 1.0 : 0.0)));
    }
    return LT_OK;
}

lt_status lt_ref_choice(const lt_ctx *c, const struct lt_choice_args *a) {
    for (int64_t row0 = 0; row0 < a->groups * a->n; row0 += a->n) {
        const float *z = a->logits + row0 * a->ld;
        int32_t label = a->label[row0];
        LT_ASSERT(label == IGNORED || (label >= 0 && label < a->n));
        double top = -INFINITY, sum = 0, truth = 0, weight = a->weight ? (double)a->weight[row0] : 1.0;
        for (int64_t i = 0; i < a->n; i++) top = fmax(top, (double)z[i * a->ld + 1] - (double)z[i * a->ld]);
        for (int64_t i = 0; i < a->n; i++) {
            double score = (double)z[i * a->ld + 1] - (double)z[i * a->ld];
            sum += exp(score - top);
            if (i == label) truth = score;
        }
        for (int64_t i = 0; i < a->n; i++) {
            double score = (double)z[i * a->ld + 1] - (double)z[i * a->ld];
            float g = label == IGNORED ? 0.0f : (float)(weight * (exp(score - top) / sum - (i == label ? 1.0 : 0.0)));
            a->loss[row0 + i] = i > 0 || label == IGNORED ? 0.0f : (float)(log(sum) + top - truth);
            if (!a->dlogits) continue;
            a->dlogits[(row0 + i) * a->ld] = -g;
            a->dlogits[(row0 + i) * a->ld + 1] = g;
        }
    }
    return LT_OK;
}

lt_status lt_ref_sumsq(const lt_ctx *c, const struct lt_sumsq_args *a) {
    double sum = 0;
    for (int k = 0; k < a->n; k++)
        for (int64_t i = 0; i < a->elems[k]; i++) sum += (double)a->x[k][i] * (double)a->x[k][i];
    *a->out = sum;
    return LT_OK;
}

lt_status lt_ref_loss_sums(const lt_ctx *c, const struct lt_loss_args *a) {
    for (int64_t s = 0; s < a->n_seg; s++) {
        float *out = a->out + a->place[s];
        double sum = (double)out[0];
        for (int64_t i = a->seg[s].row0; i < a->seg[s].row1; i++) {
            sum += (double)a->loss[i];
            out[1] += isfinite(a->loss[i]) ? 0.0f : 1.0f;
        }
        out[0] = (float)sum;
    }
    return LT_OK;
}

static void adamw_array(const struct lt_adamw_args *a, const lt_adamw_array *x, float scale) {
    double b1 = (double)a->beta1, b2 = (double)a->beta2, lr = (double)a->lr;
    for (int64_t i = 0; i < x->n; i++) {
        double g = (double)x->g[i] * (double)scale;
        double m = b1 * (double)x->m[i] + (1 - b1) * g, v = b2 * (double)x->v[i] + (1 - b2) * g * g;
        double m_hat = m / (1 - pow(b1, (double)a->step)), v_hat = v / (1 - pow(b2, (double)a->step)), p = (double)x->p[i];
        x->p[i] = (float)(p - lr * (m_hat / (sqrt(v_hat) + (double)a->eps) + (double)x->weight_decay * p));
        x->m[i] = (float)m;
        x->v[i] = (float)v;
    }
}

lt_status lt_ref_adamw(const lt_ctx *c, const struct lt_adamw_args *a) {
    float scale;
    if (!lt_adamw_scale(a, &scale)) return LT_OK;
    for (int i = 0; i < a->n; i++) adamw_array(a, &a->x[i], scale);
    return LT_OK;
}
