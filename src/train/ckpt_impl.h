#pragma once
/* Private to the train room: the scalars of a trial that checkpoints hold, in one table for both directions: X(key, field of lt_trial). */

#define FOR_EACH_METRIC(point, X)                                                                                                          \
    X(#point "_loss", point.metrics.loss)                                                                                                  \
    X(#point "_accuracy", point.metrics.accuracy)                                                                                          \
    X(#point "_mcc", point.metrics.mcc)                                                                                                    \
    X(#point "_f1", point.metrics.f1)
#define FOR_EACH_F64(X) FOR_EACH_METRIC(best, X) FOR_EACH_METRIC(last, X)
#define FOR_EACH_I64(X)                                                                                                                    \
    X("step", step)                                                                                                                        \
    X("stale_evals", stale_evals)                                                                                                          \
    X("best_step", best.step)                                                                                                              \
    X("best_n", best.metrics.n)                                                                                                            \
    X("last_step", last.step)                                                                                                              \
    X("last_n", last.metrics.n)
