#pragma once
/* A run: many trials on one frozen base, from a configuration to its HDF5 files.
 *
 * The data of one step: sample order (samples.h) -> items -> packs (batch.h) -> tuners fill the bank -> model forward -> heads and losses -> model
 * backward -> one message over all ranks (step.c) -> optimizer (trial.h) -> a row of metrics.  What is outside the model and the message is
 * mirrored, every rank computing the same updates from the same sums, or spread by rows over the ranks (large maps of tuners). */

#include "base/config.h"
#include "model/generate.h"
#include "store/runlog.h"
#include "train/trial.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_run lt_run;

typedef enum lt_run_purpose { LT_RUN_TRAIN, LT_RUN_EVAL, LT_RUN_PLAN, LT_RUN_GENERATE, LT_RUN_EXPORT } lt_run_purpose;

/* Time and work of the training steps of this start, all ranks together. */
typedef struct lt_run_rates {
    int64_t steps, tokens, sentences;
    double seconds, compute_s, comm_s, data_s, io_s;
    double linear_s, attention_s; /* parts of compute_s (lt_model_times); on a GPU the device's, from samples of steps (clocks_impl.h) */
    lt_gpu_counts gpu;            /* of this rank, of steps alone; zero on CPUs */
} lt_run_rates;

/* Collective(world).  Opens data, model, tuners; for LT_RUN_TRAIN also the run folder (lock, run log), and continues from its newest checkpoint as
 * run.resume says; LT_RUN_PLAN stops before memory is taken; the model of LT_RUN_GENERATE can also write (lt_run_front); LT_RUN_EXPORT knows
 * the model's files and the trials' tensors and computes nothing, on as many ranks as there are (export.h).  size: of a plan the number of
 * ranks, of generation the tokens of the longest text, else 0.  cfg and world must outlive it.  Errors: all kinds, agreed. */
lt_status lt_run_create(const lt_config *cfg, lt_comm *world, lt_run_purpose purpose, int64_t size, lt_run **run);
/* Collective(world).  Accepts NULL; sets NULL. */
void lt_run_destroy(lt_run **run);
/* Collective(world).  Trains until every trial has ended.  Errors: STOPPED (a signal came; state saved), NUMERIC (every trial lost), IO. */
lt_status lt_run_train(lt_run *r);
/* Collective(world).  Loads the trained values of trials first .. first + count - 1: which = "best" (each trial's own), "last", or the path of a
 * checkpoint file.  loaded [count] out: false where a trial has no best (it never got to an evaluation), which is told.
 * Errors: IO (also: none was loaded), FORMAT, CONFIG (agreed). */
lt_status lt_run_load(lt_run *r, const char *which, int first, int count, bool *loaded);
/* Collective(world).  Metrics of every trial that has values on a split; out [n_trials], nothing of the others; detail [n_trials][lt_judge_detail_elems].
 * Errors: FORMAT, NOMEM, STOPPED (agreed). */
lt_status lt_run_eval(lt_run *r, const char *split, lt_metrics *out, int64_t *detail);
/* Local.  A split of the run's data set, with labels or without, cut as the run cuts; caller-owned.  Errors: CONFIG (no such split), FORMAT, NOMEM. */
lt_status lt_run_split(lt_run *r, const char *split, lt_samples *samples);
/* Collective(world).  K class scores of n samples under each of the trials: out [trial_count][n][K], log-probabilities up to a constant.
 * Errors: NOMEM, SHAPE, STOPPED, CONFIG (a run that labels tokens) (agreed). */
lt_status lt_run_score(lt_run *r, const lt_samples *samples, int trial_first, int trial_count, double *out);

/* Collective(world).  What a trial that was loaded gives to texts: prompt rows or prefix, for the pair methods those of a label (a number; -1 = none),
 * adapters.  Borrowed, valid until the run does anything else.  Errors: CONFIG (a method that changes nothing; a label missing or too many) (agreed). */
lt_status lt_run_front(lt_run *r, int trial, int label, lt_front *front);
/* Local.  Generation as the configuration says it: all but the texts (n = generate.batch), what stands before them, end tokens and take. */
lt_generate_args lt_run_generate_args(const lt_config *cfg);

/* What a run would need and do, before it exists. */
typedef struct lt_run_estimate {
    size_t process;                             /* bytes resident before: program, libraries, data set */
    size_t weights, activations, trials, comm;  /* bytes a rank */
    size_t assistant;                           /* of a model that writes prefixes; in node for each rank, whether or not some share it */
    size_t total;                               /* their sum */
    bool weights_shared;                        /* the dp ranks of a node use one copy of the weights */
    size_t node, node_shared;                   /* all ranks on one node: bytes together, and the shared ones (in /dev/shm) among them */
    double tokens_per_step, sentences_per_step; /* all ranks, all trials */
    double flops_per_token;                     /* 4N of the linear layers, forward and backward to the input */
    double uneven;                              /* matrices of the tp rank that has most over their mean; 1 = an even cut */
    double gflops;                              /* measured here, one rank's threads */
    int64_t steps;
} lt_run_estimate;
/* Local. */
const lt_run_estimate *lt_run_get_estimate(const lt_run *r);

/* Local. */
int lt_run_n_trials(const lt_run *r);
const lt_trial *lt_run_trial(const lt_run *r, int i);
/* Local.  Most tokens of a text that this run can take: data.max_length, or less where positions or parallel.tokens have no room for it. */
int64_t lt_run_max_length(const lt_run *r);
/* Local.  Details of the best or the last evaluation of a trial of LT_RUN_TRAIN, on rank 0; false where the run log has none (of another step). */
bool lt_run_detail(const lt_run *r, int trial, bool best, lt_detail *out);
/* Local. */
int lt_run_n_labels(const lt_run *r);
const char *lt_run_label_name(const lt_run *r, int k);
const char *const *lt_run_label_names(const lt_run *r);
lt_tok *lt_run_tokenizer(lt_run *r);
const lt_grid *lt_run_grid(const lt_run *r);
lt_model *lt_run_model(lt_run *r);
/* Local.  What the data set is judged by; whether it labels tokens. */
const lt_judge *lt_run_judge(const lt_run *r);
bool lt_run_labels_tokens(const lt_run *r);
lt_dtype lt_run_dtype(const lt_run *r);
/* Local.  What model.dtype means (auto: f32), and how users and files say it: LT_E4M3 is "fp8". */
lt_dtype lt_dtype_of_cfg(int word);
const char *lt_dtype_word(lt_dtype dt);
const lt_run_rates *lt_run_get_rates(const lt_run *r);

#ifdef __cplusplus
}
#endif
