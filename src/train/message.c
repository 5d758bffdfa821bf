/* The message of a step; see message_impl.h. */
#include "train/message_impl.h"

#include "base/mem.h"
#include "train/bank_impl.h"

#include <stdlib.h>

lt_status lt_run_impl_message_init(lt_message *m, const lt_ctx *ctx, lt_tuner *const *tuner, int n, int64_t kv, int64_t prompt) {
    int64_t elems[2] = {0}; /* direct, partial */
    for (int i = 0; i < n; i++)
        for (int k = 0; k < tuner[i]->n_params; k++) {
            const lt_param *p = &tuner[i]->param[k];
            if (p->direct) elems[p->partial] += lt_param_elems(p);
        }
    *m = (lt_message){.ctx = ctx, .n_trials = n, .partial = kv};
    m->d_prompt = m->partial + elems[1];
    m->direct = m->d_prompt + prompt;
    m->tail = m->direct + elems[0];
    m->n = m->tail + (int64_t)n * LT_TAIL_PER_TRIAL + LT_FLAG_COUNT;
    void *p = NULL;
    LT_TRY(ctx->ops->host_alloc(ctx, (size_t)(m->n - m->tail) * sizeof *m->told, "a message", &p));
    m->told = p;
    return LT_OK;
}

lt_status lt_run_impl_message_connect(lt_message *m, lt_comm *world, lt_tuner *const *tuner, int n) {
    LT_TRY(lt_buffer_alloc(world, (size_t)m->n * sizeof(float), m->ctx->ops->gpu, &m->buf));
    m->data = lt_buffer_data(m->buf);
    int64_t at[2] = {m->direct, m->partial};
    for (int i = 0; i < n; i++)
        for (int k = 0; k < tuner[i]->n_params; k++) {
            lt_param *p = &tuner[i]->param[k];
            if (!p->direct) continue;
            p->grad = m->data + at[p->partial];
            at[p->partial] += lt_param_elems(p);
        }
    return lt_agree(world, lt_run_impl_attach(m->ctx, m->buf));
}

void lt_run_impl_message_fini(lt_message *m) {
    if (!m->ctx) return;
    lt_run_impl_detach(m->ctx, m->buf);
    lt_buffer_free(&m->buf);
    m->ctx->ops->host_free(m->ctx, m->told);
    *m = (lt_message){0};
}

lt_status lt_run_impl_message_clear(lt_message *m) { return m->ctx->ops->fill(m->ctx, m->data, 0, (size_t)m->n * sizeof(float)); }

lt_status lt_run_impl_message_clear_common(lt_message *m) {
    return m->ctx->ops->fill(m->ctx, m->data + m->d_prompt, 0, (size_t)(m->n - m->d_prompt) * sizeof(float));
}

lt_status lt_run_impl_message_flags(lt_message *m, bool void_losses) {
    for (int i = 0; void_losses && i < m->n_trials; i++) {
        static const float bad[LT_TAIL_PER_TRIAL] = {[LT_TAIL_BAD] = 1};
        LT_TRY(lt_ctx_upload(m->ctx, lt_message_tail(m, i), bad, sizeof bad));
    }
    return lt_ctx_upload(m->ctx, m->data + m->n - LT_FLAG_COUNT, m->flag, sizeof m->flag);
}

lt_status lt_run_impl_message_tell(lt_message *m) {
    return m->ctx->ops->copy(m->ctx, &(struct lt_copy_args){.kind = LT_COPY_TO_HOST,
                                                            .dst = m->told,
                                                            .src = m->data + m->tail,
                                                            .rows = 1,
                                                            .row_bytes = (size_t)(m->n - m->tail) * sizeof(float)});
}
