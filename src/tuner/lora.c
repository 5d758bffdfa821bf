/* `lora` (Hu et al. 2022): y += scale * B A drop(x) on chosen matrices of every layer; K-way head.
 *
 *   lora.T.A [m, R, K], lora.T.B [m, N, R] for each target T, whole and mirrored on every rank.  The model reads the part that goes with a rank's shard of the
 *   matrix and adds its share of the gradients there (model/adapter.c), so both are partial parameters: the step's message sums the shares.
 *
 * scale = alpha / R, or alpha / sqrt(R) (rsLoRA, Kalajdzievski 2023).  First values as PEFT's: A uniform in +-1/sqrt(K), B zero, so that training starts from
 * the frozen model.  Dropout is a function of (seed of the trial, place in its stream of samples, layer and target, row, channel): neither packs nor ranks
 * change it. */
#include "tuner/tuner_impl.h"

#include <math.h>

static bool is_target(const lt_tuner *t, int target) { return t->cfg->targets >> target & 1; }

/* Names of the matrices that a block has, for messages. */
static void list_targets(const lt_arch *a, char *text, size_t bytes) {
    size_t at = 0;
    int64_t N, K;
    text[0] = 0;
    for (int k = 0; k < LT_TARGET_COUNT; k++)
        if (lt_arch_target(a, (lt_target)k, &N, &K) && at < bytes)
            at += (size_t)snprintf(text + at, bytes - at, "%s%s", at ? ", " : "", lt_target_words[k]);
}

static lt_status add_target(lt_tuner *t, int target) {
    const lt_arch *a = t->arch;
    char name[LT_NAME_BYTES], known[64];
    int64_t N, K, R = t->cfg->rank;
    list_targets(a, known, sizeof known);
    LT_CHECK(lt_arch_target(a, (lt_target)target, &N, &K), LT_ERR_CONFIG,
             "method.targets: the blocks of this model (%s) have no %s; they have %s", a->model_type, lt_target_words[target], known);
    LT_CHECK(R <= N && R <= K, LT_ERR_CONFIG,
             "method.rank: %lld is more than the matrix %s has ([%lld, %lld]): an update has at most rank %lld", (long long)R,
             lt_target_words[target], (long long)N, (long long)K, (long long)(N < K ? N : K));
    lt_tuner_impl_lora_name(name, target, 'A');
    LT_TRY(lt_tuner_impl_add_param(t, name, LT_PARAM_PARTIAL, 3, a->m, R, K));
    lt_tuner_impl_lora_name(name, target, 'B');
    return lt_tuner_impl_add_param(t, name, LT_PARAM_PARTIAL, 3, a->m, N, R);
}

static lt_status plan(lt_tuner *t) {
    t->n_out = t->labels->K;
    t->adapter_rank = t->cfg->rank;
    for (int k = 0; k < LT_TARGET_COUNT; k++)
        if (is_target(t, k)) LT_TRY(add_target(t, k));
    return LT_OK;
}

static lt_status init(lt_tuner *t, lt_model *m, lt_tok *tok, const float *states) {
    (void)m, (void)tok, (void)states;
    int at = 0;
    for (int k = 0; k < LT_TARGET_COUNT; k++) {
        if (!is_target(t, k)) continue;
        const lt_param *A = &t->param[at], *B = &t->param[at + 1];
        LT_TRY(lt_tuner_impl_uniform(t, at, 1 / sqrt((double)A->value.dim[2])));
        LT_TRY(t->ctx->ops->fill(t->ctx, B->value.data, 0, (size_t)lt_param_elems(B) * sizeof(float)));
        at += 2;
    }
    return LT_OK;
}

lt_adapter lt_tuner_adapter(const lt_tuner *t) {
    lt_adapter a = {.rank = t->adapter_rank};
    if (a.rank == 0) return a;
    a.scale = (float)lt_lora_scale(t->cfg);
    a.dropout = (float)t->cfg->dropout;
    for (int k = 0, at = 0; k < LT_TARGET_COUNT; k++) {
        if (!is_target(t, k)) continue;
        const lt_param *A = &t->param[at], *B = &t->param[at + 1];
        a.A[k] = A->value.data;
        a.B[k] = B->value.data;
        a.dA[k] = A->grad;
        a.dB[k] = B->grad;
        at += 2;
    }
    return a;
}

const lt_tuner_ops lt_tuner_impl_lora = {.plan = plan, .init = init};
