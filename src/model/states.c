/* Constants that tuners take from the frozen model: label states, keys and values of a text, embedding rows. */
#include "model/model_impl.h"

#include <stdlib.h>
#include <string.h>

/* One sequence through the model; TOKENS read-out. */
static const float *run_one(lt_model *m, const int32_t *tokens, int64_t n) {
    lt_pack pack = {0};
    lt_status st = lt_pack_create(n, 1, &pack);
    const float *rows = NULL;
    if (st == LT_OK) st = lt_pack_add(&pack, &(lt_pack_seq){.tokens = tokens, .n = n, .segment = n, .slot = -1});
    if (st != LT_OK) lt_fatal(m->grid->world, st);
    lt_model_forward(m, &(lt_forward_args){.pack = &pack, .readout = LT_READ_TOKENS}, &rows);
    lt_pack_destroy(&pack);
    return rows;
}

lt_status lt_model_agree(lt_model *m, lt_status st) { return lt_agree(m->grid->world, st); }

void lt_model_states(lt_model *m, const int32_t *tokens, int64_t n, float *out) {
    memcpy(out, run_one(m, tokens, n), (size_t)(n * m->arch.C) * sizeof *out);
}

void lt_model_text_kv(lt_model *m, const int32_t *tokens, int64_t n, float *out) {
    const lt_arch *a = &m->arch;
    int64_t D = a->D, row = (int64_t)a->Hkv * D, local = (int64_t)m->Hkvl * D, count = a->m * 2 * n * row;
    double *sum = NULL;
    run_one(m, tokens, n);
    lt_status st = lt_calloc(&sum, count, sizeof *sum, "keys and values of a text");
    if (st != LT_OK) lt_fatal(m->grid->world, st);
    /* A kv head that several ranks hold is given by the first of them. */
    bool mine = a->Hkv >= m->grid->tp_size || m->grid->tp_rank % (m->grid->tp_size / a->Hkv) == 0;
    for (int64_t l = 0; mine && l < a->m; l++)
        for (int64_t kv = 0; kv < 2; kv++)
            for (int64_t t = 0; t < n; t++)
                for (int64_t i = 0; i < local; i++) {
                    float v;
                    lt_arr from = lt_arr_at(m->saved[l].kv, t * 2 * local + kv * local + i);
                    st = lt_convert(&v, LT_F32, from.p, from.dt, 1);
                    sum[((l * 2 + kv) * n + t) * row + m->kv_first * D + i] = (double)v;
                }
    if (st != LT_OK) lt_fatal(m->grid->world, st);
    lt_sum_host(m->grid->tp, sum, count);
    for (int64_t i = 0; i < count; i++) out[i] = (float)sum[i];
    free(sum);
}

void lt_model_token_rows(lt_model *m, const int32_t *tokens, int64_t n, float *out) {
    int64_t C = m->arch.C;
    float *rows = lt_model_impl_sum(m, 0, m->rows_out);
    LT_OP(
        m, embed_fwd,
        &(struct lt_embed_args){
            .rows = n, .C = C, .id = tokens, .tok = m->tok, .tok_dt = m->ctx.compute, .v0 = m->v0, .v1 = m->v1, .scale = 1.0f, .x = rows});
    lt_model_impl_reduce(m, 0, n);
    memcpy(out, rows, (size_t)(n * C) * sizeof *out);
}
