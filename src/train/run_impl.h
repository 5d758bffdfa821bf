#pragma once
/* Private to the train room: the struct behind lt_run and the calls between its files. */

#include "store/checkpoint.h"
#include "store/lock.h"
#include "store/runlog.h"
#include "train/batch.h"
#include "train/run.h"

/* The one message of a step, f32, summed over all ranks: [d_bank | d_prompt | gradients of direct parameters | tail]. */
typedef struct lt_message {
    lt_buffer *buf;
    float *data;                             /* this rank's slot; the sums after lt_allreduce */
    int64_t d_kv, d_prompt, direct, tail, n; /* offsets in elements; n: all */
} lt_message;

/* Tail: per trial {sum of losses, count of losses that are not finite}, then the flags. */
enum { LT_TAIL_LOSS, LT_TAIL_BAD, LT_TAIL_PER_TRIAL };
enum { LT_FLAG_STOP, LT_FLAG_FAILED, LT_FLAG_SAVE, LT_FLAG_TOKENS, LT_FLAG_COUNT };

struct lt_run {
    const lt_config *cfg;
    lt_run_purpose purpose;
    lt_grid grid;
    lt_model *model;
    lt_dtype dtype;
    int threads;
    lt_tok *tok;
    char tok_sha[LT_SHA_HEX_BYTES], config_sha[LT_SHA_HEX_BYTES], data_sha[LT_SHA_HEX_BYTES];
    char *settings, *label_list; /* as a checkpoint says them (lt_ckpt_head) */
    /* data */
    lt_dataset *data;
    lt_samples train, eval;
    int K;
    bool by_mcc;
    lt_readout readout;
    /* trials */
    int n_trials;
    lt_trial *trial;   /* [n_trials] */
    lt_labels *labels; /* [n_trials] */
    lt_tuner **tuner;  /* [n_trials] views of trial[i].tuner */
    /* bank */
    lt_bank bank;      /* this rank's heads */
    int32_t *slot_len; /* [S] */
    float *kv;         /* [S][m][2][P_max][Hkv][D] all heads; bank.kv is the same memory when this rank holds all */
    float *d_kv_local; /* this rank's heads; NULL when they lie in the message */
    float *prompt;     /* [prompt rows, C] */
    lt_message msg;
    /* step */
    lt_batch batch;
    lt_pack pack;
    int64_t longest;                                          /* longest text planned for, tokens */
    int ld;                                                   /* widest head */
    float *logits, *d_logits, *row_loss, *row_weight, *d_out; /* [seqs, ld] x 2, [seqs] x 2, [seqs, C] */
    int32_t *row_target;                                      /* [seqs] */
    lt_segment *segment;                                      /* [n_trials] */
    /* run folder: rank 0 writes */
    lt_lock *lock;
    lt_runlog *log;
    char *ck_dir;      /* run.dir/ck */
    char *resume_path; /* checkpoint to continue from, or NULL */
    bool resume_own;   /* it is of this run's folder */
    lt_dtype resume_dtype;
    int64_t step, recorded; /* steps of the run (the furthest trial's); the last one with rows in the run log */
    double last_save_s;
    int64_t steps_since_save;
    lt_run_rates rates, perf_base; /* so far; at the last perf row */
    lt_status record_st;           /* first failure of recording since the last flush */
    double progress_s;             /* when progress was last shown */
    char *layout;                  /* description of ranks and cores */
    int64_t pack_rows;             /* rows of a pack, at most parallel.tokens */
    lt_run_estimate estimate;
    double eval_s; /* time in evaluations */
};

/* setup.c */
lt_status lt_run_impl_setup(lt_run *r);
void lt_run_impl_teardown(lt_run *r);
/* Local.  The grid that `ranks` ranks would have, seen by its rank 0; nothing can be sent over it. */
lt_status lt_run_impl_plan_grid(lt_run *r, int ranks);
/* Local.  One split of the data set as samples. */
lt_status lt_run_impl_read_samples(lt_run *r, const char *name, int64_t limit, lt_samples *s);
/* Local.  SHAPE if samples hold a sequence longer than what the run was planned for, or pairs where the model has one token type. */
lt_status lt_run_impl_check_samples(const lt_run *r, const lt_samples *s);
/* bank.c: tuners' parameters -> bank; summed message -> tuners' gradients. */
lt_status lt_run_impl_fill_bank(lt_run *r, bool running_only);
lt_status lt_run_impl_backward_bank(lt_run *r, lt_trial *t);
lt_status lt_run_impl_bank_create(lt_run *r);
void lt_run_impl_bank_destroy(lt_run *r);
/* This rank's gradients into the message: the bank's at their heads; what the tp group holds in common from its first rank only. */
void lt_run_impl_bank_to_message(lt_run *r);
/* step.c: one optimizer step of every running trial.  want_stop, want_save: this rank's wishes in, everyone's verdict out. */
lt_status lt_run_impl_step(lt_run *r, bool *want_stop, bool *want_save);
/* Head segments of the items of one pack, into r->segment; their number. */
int64_t lt_run_impl_segments(lt_run *r, const lt_item *item, int64_t count, bool gradients);
/* score.c: Collective(world).  Metrics of some trials on samples. */
lt_status lt_run_impl_metrics(lt_run *r, const lt_samples *s, int trial_first, int trial_count, lt_metrics *out);
/* state.c, Collective(world): the run folder's lock, checkpoints of the run, continuing from the newest; compute type of the newest. */
lt_status lt_run_impl_claim_folder(lt_run *r);
lt_status lt_run_impl_peek_dtype(lt_run *r);
lt_status lt_run_impl_save(lt_run *r, const bool *is_best);
lt_status lt_run_impl_resume(lt_run *r);
/* record.c: run log and progress, on rank 0; the others do nothing. */
lt_status lt_run_impl_record_open(lt_run *r); /* Collective(world) */
void lt_run_impl_record_close(lt_run *r);
void lt_run_impl_record_step(lt_run *r);
void lt_run_impl_record_eval(lt_run *r, int trial, const char *split, const lt_metrics *m, double seconds);
lt_status lt_run_impl_record_flush(lt_run *r, bool force); /* Collective(world) */
void lt_run_impl_progress(lt_run *r, bool last);
