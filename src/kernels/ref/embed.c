/* What comes in: rotary embedding (Su et al. 2021), token embedding; f64. */
#include "kernels/ref/ref_impl.h"

/* (lo, hi) -> (lo cos - hi sin, hi cos + lo sin); the inverse turns by the opposite angle. */
lt_status lt_ref_rope(const lt_ctx *c, const struct lt_rope_args *a) {
    int64_t D = a->head_dim, R = a->rot, half = R / 2;
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t h = 0; h < a->heads; h++)
            for (int64_t d = 0; d < half; d++) {
                const float *angle = a->cos_sin + (int64_t)a->pos[t] * R + d;
                double cosine = (double)angle[0], sine = a->inverse ? -(double)angle[half] : (double)angle[half];
                int64_t at = t * a->ld_x + h * D + d;
                double lo = lt_ref_get(a->x, at), hi = lt_ref_get(a->x, at + half);
                lt_ref_put(a->x, at, lo * cosine - hi * sine);
                lt_ref_put(a->x, at + half, hi * cosine + lo * sine);
            }
    return LT_OK;
}

lt_status lt_ref_embed_fwd(const lt_ctx *c, const struct lt_embed_args *a) {
    lt_arr tok = {(void *)a->tok, a->tok_dt};
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t i = 0; i < a->C; i++) {
            int64_t id = a->id[t], type = a->type ? a->type[t] : 0;
            double v = 0;
            if (id >= a->v0 && id < a->v1) v = lt_ref_get(tok, (id - a->v0) * a->C + i) * (double)a->scale;
            if (id < 0 && a->prompt) v = (double)a->prompt[(-1 - id) * a->C + i];
            if (a->pos_tab) v += (double)a->pos_tab[a->pos[t] * a->C + i];
            if (a->type_tab) v += (double)a->type_tab[type * a->C + i];
            a->x[t * a->C + i] = (float)v;
        }
    return LT_OK;
}

lt_status lt_ref_embed_bwd(const lt_ctx *c, const struct lt_embed_args *a) {
    for (int64_t t = 0; t < a->rows; t++)
        if (a->id[t] < 0)
            for (int64_t i = 0; i < a->C; i++) a->d_prompt[(-1 - a->id[t]) * a->C + i] += a->dx[t * a->C + i];
    return LT_OK;
}
