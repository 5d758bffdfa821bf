#pragma once
/* Private to the train room: the scalars of a trial that checkpoints hold, in one table for both directions: X(key, field of lt_trial). */

#define FOR_EACH_METRIC(point, X)                                                                                                          \
    X(#point "_loss", point.metrics.loss)                                                                                                  \
    X(#point "_accuracy", point.metrics.accuracy)                                                                                          \
    X(#point "_mcc", point.metrics.mcc)                                                                                                    \
    X(#point "_f1", point.metrics.f1)
/* Files of earlier versions do not have these. */
#define FOR_EACH_LATE_METRIC(point, X)                                                                                                     \
    X(#point "_precision", point.metrics.precision)                                                                                        \
    X(#point "_recall", point.metrics.recall)                                                                                              \
    X(#point "_micro_f1", point.metrics.micro_f1)                                                                                          \
    X(#point "_macro_f1", point.metrics.macro_f1)                                                                                          \
    X(#point "_weighted_f1", point.metrics.weighted_f1)                                                                                    \
    X(#point "_precision_strict", point.metrics.precision_strict)                                                                          \
    X(#point "_recall_strict", point.metrics.recall_strict)                                                                                \
    X(#point "_f1_strict", point.metrics.f1_strict)                                                                                        \
    X(#point "_token_f1", point.metrics.token_f1)
#define FOR_EACH_LATE_F64(X) FOR_EACH_LATE_METRIC(best, X) FOR_EACH_LATE_METRIC(last, X)
#define FOR_EACH_F64(X)      FOR_EACH_METRIC(best, X) FOR_EACH_METRIC(last, X)
#define FOR_EACH_I64(X)                                                                                                                    \
    X("step", step)                                                                                                                        \
    X("stale_evals", stale_evals)                                                                                                          \
    X("best_step", best.step)                                                                                                              \
    X("best_n", best.metrics.n)                                                                                                            \
    X("last_step", last.step)                                                                                                              \
    X("last_n", last.metrics.n)
