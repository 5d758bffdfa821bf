/* A trial's schedule, optimizer step and bookkeeping; see trial.h. */
#include "train/trial.h"

#include <math.h>

lt_status lt_trial_create(const lt_trial_cfg *cfg, const lt_arch *arch, const lt_ctx *ctx, const lt_grid *grid, const lt_labels *labels,
                          int64_t n, lt_trial *t) {
    *t = (lt_trial){.cfg = cfg, .best.step = -1, .last.step = -1};
    int64_t per_epoch = (n + cfg->train.batch - 1) / cfg->train.batch;
    t->steps = cfg->train.steps > 0 ? cfg->train.steps : (cfg->train.epochs * n + cfg->train.batch - 1) / cfg->train.batch;
    t->eval_every = cfg->train.eval_every > 0 ? cfg->train.eval_every : per_epoch;
    LT_TRY(lt_tuner_create(&cfg->method, cfg->seed, arch, ctx, grid, labels, &t->tuner));
    return lt_order_create(cfg->seed, n, &t->order);
}

void lt_trial_destroy(lt_trial *t) {
    lt_tuner_destroy(&t->tuner);
    lt_order_destroy(&t->order);
    *t = (lt_trial){0};
}

double lt_trial_lr(const lt_trial *t, int64_t s) {
    const lt_train_cfg *c = &t->cfg->train;
    double warm = ceil(c->warmup * (double)t->steps), at = (double)s;
    if (at <= warm) return c->lr * at / (warm + 1); /* the first step moves, the step after warm-up has the full rate */
    double left = ((double)t->steps + 1 - at) / fmax(1.0, (double)t->steps - warm); /* 1 at the first full step, > 0 at the last */
    switch (c->schedule) {
    case LT_SCHED_LINEAR:
        return c->lr * left;
    case LT_SCHED_COSINE:
        return c->lr * 0.5 * (1 + cos(3.14159265358979323846 * (1 - left)));
    default:
        return c->lr;
    }
}

lt_status lt_trial_square_gradients(const lt_trial *t, double *mirrored, double *spread) {
    const lt_tuner *u = &t->tuner;
    double *const out[2] = {mirrored, spread};
    for (int which = 0; which < (mirrored == spread ? 1 : 2); which++) {
        const float *grad[LT_TUNER_MAX_PARAMS];
        int64_t elems[LT_TUNER_MAX_PARAMS];
        int n = 0;
        for (int i = 0; i < u->n_params; i++) {
            if (mirrored != spread && lt_param_mirrored(&u->param[i]) != (which == 0)) continue;
            grad[n] = u->param[i].grad;
            elems[n++] = lt_param_elems(&u->param[i]);
        }
        LT_TRY(u->ctx->ops->sumsq(u->ctx, &(struct lt_sumsq_args){.n = n, .x = grad, .elems = elems, .out = out[which]}));
    }
    return LT_OK;
}

lt_status lt_trial_update(const lt_trial *t, const double *sumsq, const float *loss) {
    const lt_train_cfg *c = &t->cfg->train;
    const lt_tuner *u = &t->tuner;
    lt_adamw_array x[LT_TUNER_MAX_PARAMS];
    for (int i = 0; i < u->n_params; i++) {
        const lt_param *p = &u->param[i];
        x[i] = (lt_adamw_array){.n = lt_param_elems(p),
                                .p = p->value.data,
                                .m = p->adam_m,
                                .v = p->adam_v,
                                .g = p->grad,
                                /* vectors (biases, pooling weights) do not decay, as is usual */
                                .weight_decay = p->value.n_dims > 1 ? (float)c->weight_decay : 0};
    }
    return u->ctx->ops->adamw(u->ctx, &(struct lt_adamw_args){.n = u->n_params,
                                                              .x = x,
                                                              .sumsq = sumsq,
                                                              .loss = loss,
                                                              .clip = (float)c->clip,
                                                              .lr = (float)lt_trial_lr(t, t->step + 1),
                                                              .beta1 = (float)c->beta1,
                                                              .beta2 = (float)c->beta2,
                                                              .eps = (float)c->eps,
                                                              .step = t->step + 1});
}

void lt_trial_count_step(lt_trial *t, double loss_sum, bool finite, double sumsq) {
    t->loss = loss_sum / (double)(t->loss_rows > 0 ? t->loss_rows : 1);
    t->lr = lt_trial_lr(t, t->step + 1);
    t->grad_norm = sqrt(sumsq);
    if (!finite || !isfinite(t->loss) || !isfinite(t->grad_norm)) {
        t->state = LT_TRIAL_NUMERIC;
        return;
    }
    t->step++;
    if (t->step >= t->steps) t->state = LT_TRIAL_DONE;
}

bool lt_trial_file_eval(lt_trial *t, const lt_metrics *m, const lt_metric_kind *kind) {
    bool better = t->best.step < 0 || kind->better(m, &t->best.metrics);
    t->last = (lt_eval_point){t->step, *m};
    if (better) t->best = t->last;
    t->stale_evals = better ? 0 : t->stale_evals + 1;
    if (t->cfg->train.patience > 0 && t->stale_evals >= t->cfg->train.patience && t->state == LT_TRIAL_RUNNING)
        t->state = LT_TRIAL_PATIENCE;
    return better;
}

const char *lt_trial_state_text(lt_trial_state s) {
    static const char *const text[] = {"running", "done", "stopped (patience)", "stopped (not finite)"};
    return text[s];
}
