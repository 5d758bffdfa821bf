/* Constants that tuners take from the frozen model: label states, keys and values of a text, embedding rows.  Results go to the host. */
#include "model/model_impl.h"

#include <stdlib.h>
#include <string.h>

lt_status lt_model_agree(lt_model *m, lt_status st) { return lt_agree(m->grid->world, st); }

static void fatal_unless_ok(lt_model *m, lt_status st) {
    if (st != LT_OK) lt_fatal(m->grid->world, st);
}

/* Sequences from `first` on into one pack, as many as fit; returns the first that does not. */
static int64_t fill(lt_model *m, lt_pack *pack, int64_t first, int64_t n, const int32_t *tokens, const int64_t *offset) {
    int64_t i = first;
    lt_pack_clear(pack);
    for (; i < n; i++) {
        int64_t len = offset[i + 1] - offset[i];
        lt_pack_seq seq = {.tokens = tokens + offset[i], .n = len, .segment = len, .slot = -1};
        if (!lt_pack_fits(pack, &seq)) break;
        fatal_unless_ok(m, lt_pack_add(pack, &seq));
    }
    if (i == first)
        fatal_unless_ok(m, LT_FAIL(LT_ERR_INTERNAL, "a text of %lld tokens passes the plan", (long long)(offset[i + 1] - offset[i])));
    return i;
}

void lt_model_states(lt_model *m, int64_t n, const int32_t *tokens, const int64_t *offset, float *out) {
    lt_pack pack = {0};
    int64_t C = m->arch.C, most = offset[n] - offset[0] < m->limits.tokens ? offset[n] - offset[0] : m->limits.tokens;
    fatal_unless_ok(m, lt_pack_create(most, n < m->limits.seqs ? n : m->limits.seqs, &pack));
    for (int64_t i = 0, next; i < n; i = next) {
        lt_readout_rows rows;
        next = fill(m, &pack, i, n, tokens, offset);
        lt_model_forward(m, &(lt_forward_args){.pack = &pack, .readout = LT_READ_TOKENS}, &rows);
        fatal_unless_ok(m, lt_ctx_download(&m->ctx, out + (offset[i] - offset[0]) * C, rows.rows, (size_t)(rows.n * C) * sizeof *out));
        lt_comm_progress(m->grid->world);
    }
    lt_pack_destroy(&pack);
}

/* Keys and values of layer l as f32 into local [n][2][Hkvl][D] (host). */
static void download_kv(lt_model *m, int64_t l, int64_t n, float *raw) {
    const lt_qkv at = lt_model_impl_qkv(m, (int)l, false, m->saved[l].q, m->saved[l].kv);
    int64_t row = 2 * (int64_t)m->Hkvl * m->arch.D;
    size_t elem = lt_dtype_bytes(at.kv.dt), row_bytes = (size_t)row * elem;
    void *host = NULL;
    fatal_unless_ok(m, lt_calloc(&host, n * row, elem, "keys and values of a text"));
    fatal_unless_ok(m, m->ctx.ops->copy(&m->ctx, &(struct lt_copy_args){.kind = LT_COPY_TO_HOST,
                                                                        .dst = host,
                                                                        .src = at.kv.p,
                                                                        .rows = n,
                                                                        .row_bytes = row_bytes,
                                                                        .dst_pitch = row_bytes,
                                                                        .src_pitch = (size_t)at.ld_kv * elem}));
    fatal_unless_ok(m, m->ctx.ops->wait(&m->ctx, NULL));
    fatal_unless_ok(m, lt_convert(raw, LT_F32, host, at.kv.dt, n * row));
    free(host);
}

void lt_model_text_kv(lt_model *m, const int32_t *tokens, int64_t n, float *out) {
    const lt_arch *a = &m->arch;
    int64_t D = a->D, row = (int64_t)a->Hkv * D, local = (int64_t)m->Hkvl * D, count = a->m * 2 * n * row;
    double *sum = NULL;
    float *raw = NULL;
    lt_pack pack = {0};
    lt_readout_rows rows;
    fatal_unless_ok(m, lt_pack_create(n, 1, &pack));
    fill(m, &pack, 0, 1, tokens, (const int64_t[]){0, n});
    lt_model_forward(m, &(lt_forward_args){.pack = &pack, .readout = LT_READ_TOKENS, .backward = true}, &rows);
    lt_pack_destroy(&pack);
    fatal_unless_ok(m, lt_calloc(&sum, count, sizeof *sum, "keys and values of a text"));
    fatal_unless_ok(m, lt_calloc(&raw, n * 2 * local, sizeof *raw, "keys and values of a text"));
    /* A kv head that several ranks hold is given by the first of them. */
    int rank = m->grid->tp_rank;
    bool mine = rank == 0 || a->Hkv >= m->grid->tp_size || lt_arch_cut(a, m->grid->tp_size, rank - 1).kv0 != m->kv_first;
    for (int64_t l = 0; mine && l < a->m; l++) {
        download_kv(m, l, n, raw);
        for (int64_t kv = 0; kv < 2; kv++)
            for (int64_t t = 0; t < n; t++)
                for (int64_t i = 0; i < local; i++)
                    sum[((l * 2 + kv) * n + t) * row + m->kv_first * D + i] = (double)raw[t * 2 * local + kv * local + i];
    }
    lt_sum_host(m->grid->tp, sum, count);
    for (int64_t i = 0; i < count; i++) out[i] = (float)sum[i];
    free(raw);
    free(sum);
}

void lt_model_token_rows(lt_model *m, const int32_t *tokens, int64_t n, float *out) {
    int64_t C = m->arch.C;
    if (m->half[0]) m->half[0]->tok = m->tok, m = m->half[0];
    float *rows = lt_model_impl_sum(m, m->rows_out);
    fatal_unless_ok(m, lt_ctx_upload(&m->ctx, m->dev.device, tokens, (size_t)n * sizeof *tokens));
    LT_OP(m, embed_fwd,
          &(struct lt_embed_args){.rows = n,
                                  .C = C,
                                  .id = m->dev.device,
                                  .tok = m->tok,
                                  .tok_dt = m->ctx.compute,
                                  .v0 = m->v0,
                                  .v1 = m->v1,
                                  .scale = m->arch.embed_scale, /* as the model reads them: prompt rows are not scaled on their way in */
                                  .x = rows});
    lt_model_impl_reduce_f32(m, n);
    fatal_unless_ok(m, lt_ctx_download(&m->ctx, out, rows, (size_t)(n * C) * sizeof *out));
}
