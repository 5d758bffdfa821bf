/* What comes in: rotary embedding (Su et al. 2021), token embedding, neighbours of a convolution; f64. */
#include "kernels/ref/ref_impl.h"

/* (lo, hi) -> (lo cos - hi sin, hi cos + lo sin); the inverse turns by the opposite angle. */
static void turn(const struct lt_rope_args *a, lt_arr x, int64_t ld, int heads) {
    int64_t D = a->head_dim, R = a->rot, half = R / 2;
    for (int64_t t = 0; t < a->rows; t++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t d = 0; d < half; d++) {
                const float *angle = a->cos_sin + (int64_t)a->pos[t] * R + d;
                double cosine = (double)angle[0], sine = a->inverse ? -(double)angle[half] : (double)angle[half];
                int64_t at = t * ld + h * D + d;
                double lo = lt_ref_get(x, at), hi = lt_ref_get(x, at + half);
                lt_ref_put(x, at, lo * cosine - hi * sine);
                lt_ref_put(x, at + half, hi * cosine + lo * sine);
            }
}

lt_status lt_ref_rope(const lt_ctx *c, const struct lt_rope_args *a) {
    turn(a, a->x, a->ld_x, a->heads);
    turn(a, a->x2, a->ld_x2, a->heads2);
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

/* Row that element s of row t of sequence i comes from; -1: beyond its ends. */
static int64_t neighbour(const struct lt_unfold_args *a, int64_t i, int64_t t, int s) {
    int64_t from = t + s - a->kernel / 2;
    return from >= a->cu[i] && from < a->cu[i + 1] ? from : -1;
}

lt_status lt_ref_unfold(const lt_ctx *c, const struct lt_unfold_args *a) {
    for (int64_t i = 0; i < a->n_seq; i++)
        for (int64_t t = a->cu[i]; t < a->cu[i + 1]; t++)
            for (int64_t e = 0; e < a->C * a->kernel; e++) {
                int64_t from = neighbour(a, i, t, (int)(e % a->kernel));
                lt_ref_put(a->y, t * a->C * a->kernel + e, from < 0 ? 0 : lt_ref_get(a->x, from * a->C + e / a->kernel));
            }
    return LT_OK;
}

lt_status lt_ref_fold(const lt_ctx *c, const struct lt_unfold_args *a) {
    for (int64_t i = 0; i < a->n_seq; i++)
        for (int64_t t = a->cu[i]; t < a->cu[i + 1]; t++)
            for (int64_t col = 0; col < a->C; col++) {
                double sum = (double)a->dx[t * a->C + col];
                for (int s = 0; s < a->kernel; s++) {
                    int64_t to = neighbour(a, i, t, a->kernel - 1 - s); /* the row whose element s this one is */
                    if (to >= 0) sum += lt_ref_get(a->y, (to * a->C + col) * a->kernel + s);
                }
                a->dx[t * a->C + col] = (float)sum;
            }
    return LT_OK;
}
