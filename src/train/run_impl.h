#pragma once
/* Private to the train room: the struct behind lt_run, put together from its parts, and the calls between its files. */

#include "train/bank_impl.h"
#include "model/device.h"
#include "train/batch.h"
#include "train/clocks_impl.h"
#include "train/data_impl.h"
#include "train/features_impl.h"
#include "train/folder_impl.h"
#include "train/gpta_impl.h"
#include "train/heads_impl.h"
#include "train/message_impl.h"
#include "train/record_impl.h"
#include "train/run.h"

/* What a step works with. */
typedef struct lt_run_step {
    int64_t longest;   /* longest text planned for, tokens */
    int64_t pack_rows; /* rows of a pack, at most parallel.tokens */
    lt_batch batch;    /* sequences for the model */
    lt_batch kept;     /* sequences of `head` trials whose features are kept */
    lt_pack pack;
    lt_head_rows *run; /* [most sequences of a pack, or rows of features] */
    lt_heads heads;
    lt_message msg;
    bool keep_features; /* there are `head` trials whose features could be kept */
    lt_feature_rows rows;
    lt_features train, eval; /* of the two splits, where there are `head` trials and room */
    bool *wanted;            /* [n_trials] scratch */
    double *sums;            /* device [2 * n_trials]: squares of gradients, see step.c */
    double *told;            /* host, the same */
} lt_run_step;

struct lt_run {
    const lt_config *cfg;
    lt_run_purpose purpose;
    int64_t longest_prompt; /* LT_RUN_GENERATE: tokens */
    char config_sha[LT_SHA_HEX_BYTES];
    char *settings; /* as a checkpoint says them (lt_ckpt_head) */
    lt_grid grid;
    char *layout; /* description of ranks and cores */
    lt_model *model;
    lt_device device;
    lt_dtype dtype;
    int threads;
    char *products;    /* how a library computes them, in hexadecimal digits: what checkpoints keep; NULL = nothing to choose */
    int64_t most_rows; /* parallel.tokens, or what auto came to */
    int sharing;       /* ranks that have this rank's GPU, it among them; 1 on a CPU */
    int most_sharing;  /* of all ranks */
    lt_readout readout;
    lt_run_data data;
    int n_trials;
    lt_trial *trial;   /* [n_trials] */
    lt_labels *labels; /* [n_trials] */
    lt_tuner **tuner;  /* [n_trials] views of trial[i].tuner */
    lt_run_bank bank;
    lt_run_gpta gpta;
    lt_run_step work;
    lt_run_folder folder;
    lt_run_record record;
    lt_run_rates rates;
    lt_run_clocks clocks;
    lt_run_estimate estimate;
    int64_t step, steps_since_save; /* of the run: the furthest trial's; since the last checkpoint */
    double last_save_s, eval_s;     /* when; time in evaluations */
};

/* Nothing is trained: the model runs forward only. */
static inline bool lt_run_impl_only_forward(const lt_run *r) { return r->purpose == LT_RUN_EVAL || r->purpose == LT_RUN_GENERATE; }
/* setup.c, Collective(world): everything up to a run that can step; its end. */
lt_status lt_run_impl_setup(lt_run *r);
void lt_run_impl_teardown(lt_run *r);
/* dtype.c: Collective(world).  r->device; opened unless this is a plan.  Errors: those of lt_device_open. */
lt_status lt_run_impl_choose_device(lt_run *r);
/* tune.c: Collective(world).  Ways of products: of the checkpoint that was found, or measured; r->products.  Errors: those of lt_model_tune. */
lt_status lt_run_impl_tune(lt_run *r);
/* dtype.c: Collective(world).  r->dtype, after the folder was looked at; for LT_RUN_PLAN also the estimate's speed, on rank 0.
 * Errors: IO, FORMAT (agreed). */
lt_status lt_run_impl_choose_dtype(lt_run *r);
/* trials.c: the trials and their tuners (Local); label states and initial values (Collective(world)). */
lt_status lt_run_impl_trials_create(lt_run *r);
lt_status lt_run_impl_trials_init(lt_run *r);
void lt_run_impl_trials_destroy(lt_run *r);
/* sizes.c: Collective(world).  r->most_rows, the same on all ranks: their GPUs need not have the same memory free.  Errors: NOMEM, CONFIG, SHAPE, CUDA. */
lt_status lt_run_impl_find_tokens(lt_run *r);
/* sizes.c: Local.  Whether memory decided about them: what a checkpoint keeps then, and a start on a GPU takes where it fits. */
bool lt_run_impl_finds_tokens(const lt_run *r);
/* sizes.c: Local.  The largest pack and what is sized by it; memory and work of a step. */
lt_status lt_run_impl_sizes(lt_run *r, lt_model_limits *limits);
void lt_run_impl_estimate(lt_run *r);
void lt_run_impl_print_memory(const lt_run *r);
/* sizes.c: Local.  NOMEM if the GPU has no room for what the estimate says, before anything large is taken. */
lt_status lt_run_impl_check_memory(const lt_run *r);
/* Local.  SHAPE if samples hold a sequence longer than what the run was planned for, or pairs where the model has one token type. */
lt_status lt_run_impl_check_samples(const lt_run *r, const lt_samples *s);
/* step.c: what a step works with (Local; the message is Collective(world)). */
lt_status lt_run_impl_step_init(lt_run *r, int64_t tokens, int64_t seqs);
lt_status lt_run_impl_step_connect(lt_run *r);
void lt_run_impl_step_fini(lt_run *r);
/* Collective(world).  One optimizer step of every running trial.  want_stop, want_save: this rank's wishes in, everyone's verdict out; a stop may leave the
 * step undone (*done false): the trials are as before it. */
lt_status lt_run_impl_step(lt_run *r, bool *want_stop, bool *want_save, bool *done);
/* Local.  The runs of read-out rows of a pack's trials, into r->work.run; their number. */
int64_t lt_run_impl_runs(lt_run *r, const lt_pack *pack);
/* Local.  A forward of r->work.pack with a bank; out: read-out rows with their targets. */
void lt_run_impl_forward(lt_run *r, const lt_bank *bank, bool backward, lt_forward_args *f, lt_readout_rows *out);
/* evaluate.c: Collective(world).  Metrics of trials first .. first + count - 1 on samples; features: NULL or what is kept of these samples; detail: NULL or
 * [count][lt_judge_detail_elems].  Errors: STOPPED (a signal came), SHAPE, NOMEM (agreed). */
lt_status lt_run_impl_metrics(lt_run *r, const lt_samples *s, lt_features *features, int first, int count, lt_metrics *out,
                              int64_t *detail);
/* Leads of one trial that are measured side by side. */
typedef struct lt_lead_choice {
    int n, n_alive;
    const int *alive;    /* [n_alive] numbers of those to measure */
    lt_tuner **tuner;    /* [n_trials] of which the trial's has all n as its choice */
    const lt_bank *bank; /* their slots, 0 .. n - 1 */
} lt_lead_choice;
/* evaluate.c: Collective(world).  Loss and verdict (1 right, 0 wrong) of n training samples behind each living lead: out [leads->n][n][2], zero of the others.
 * Errors: STOPPED, NOMEM (agreed). */
lt_status lt_run_impl_measure_leads(lt_run *r, int trial, const lt_lead_choice *leads, const int64_t *which, int64_t n, double *out);
/* rounds.c: Collective(world).  For loops over packs: how many more each rank may run before it asks again; 0: every rank has run all of its own;
 * LT_ROUND_STOP: a signal came to some rank.  more: this rank has packs left; pack_s: seconds that one takes here (0 = not known). */
enum { LT_ROUND_STOP = -1 };
int64_t lt_run_impl_round(lt_comm *world, bool more, double pack_s);
/* Collective(world).  STOPPED on all ranks if a signal came to one; what: what is left undone, for the message. */
lt_status lt_run_impl_check_stop(lt_comm *world, const char *what);
/* Local. */
lt_status lt_run_impl_stopped(const char *what);
/* params.c: Collective(world).  The values or moments of a trial's parameters as whole tensors in host memory of rank 0, and back; label states from rank 0 to
 * all.  whole: from lt_run_impl_staging.  Errors: those of copies: bugs. */
typedef enum lt_param_part { LT_PART_VALUE, LT_PART_ADAM_M, LT_PART_ADAM_V } lt_param_part;
enum { LT_PIECE_ELEMS = 1 << 20 };
lt_status lt_run_impl_gather(const lt_run *r, int trial, lt_param_part part, float *whole);
lt_status lt_run_impl_scatter(const lt_run *r, int trial, lt_param_part part, float *whole);
lt_status lt_run_impl_scatter_states(const lt_run *r, int trial, float *whole);
/* Local.  The tensors in `whole` as named views (on rank 0). */
void lt_run_impl_views(const lt_run *r, int trial, float *whole, lt_named view[LT_TUNER_MAX_PARAMS]);
/* Local.  Host memory for these: on rank 0 the values of the largest trial, on the others a piece; released by free().  Errors: NOMEM. */
lt_status lt_run_impl_staging(const lt_run *r, float **whole);
/* params.c.  Local.  Its numbers: rank 0 holds a whole trial. */
int64_t lt_run_impl_staging_elems(const lt_run *r);
/* save.c: Collective(world).  A checkpoint of the run, with files of the trials that are at their best.  Errors: IO, HDF5, FORMAT, NOMEM (agreed). */
lt_status lt_run_impl_save(lt_run *r, const bool *is_best);
/* Collective(world).  Files and links of the trials with is_best; Local: what a checkpoint of this run says of itself. */
lt_status lt_run_impl_save_best(lt_run *r, const bool *is_best);
lt_ckpt_head lt_run_impl_ckpt_head(const lt_run *r, const char *config);
/* load.c: Collective(world).  Going on from the checkpoint that the folder found.  Errors: IO, FORMAT, CONFIG (agreed). */
lt_status lt_run_impl_resume(lt_run *r);
/* gpta.c: Local.  Is the assistant's model the student's, and can it be both?  Before the model is made. */
bool lt_run_impl_gpta_shares(const lt_run *r, const lt_arch *arch);
/* gpta.c: Local.  Dialogues of the trials that have one, after the bank is there.  Errors: CONFIG, IO, FORMAT, NOMEM. */
lt_status lt_run_impl_gpta_init(lt_run *r);
void lt_run_impl_gpta_fini(lt_run *r);
/* Collective(world).  What the assistant will take of a rank; nothing where nobody can be asked.  Before a checkpoint is read: a run that goes on may find
 * all dialogues at their end, and take less.  Errors: those of lt_assistant_measure. */
lt_status lt_run_impl_gpta_measure_assistant(lt_run *r);
/* Local.  Widens the model's limits where it writes, too.  Errors: those of lt_assistant_limits. */
lt_status lt_run_impl_gpta_limits(const lt_run *r, lt_model_limits *limits);
/* Collective(world).  The assistant, where a dialogue goes on.  Errors: those of lt_assistant_open (agreed). */
lt_status lt_run_impl_gpta_open(lt_run *r);
/* Local.  Trial i has a dialogue that is not at its end. */
bool lt_run_impl_gpta_goes_on(const lt_run *r, int i);
/* gpta_round.c: Collective(world).  The rounds that are due before the next step.  *stop: a signal came, and what it interrupted is due still.
 * Errors: NOMEM, IO (agreed). */
lt_status lt_run_impl_gpta_rounds(lt_run *r, bool *stop);
/* Local.  One line in the log: what the dialogues cost. */
void lt_run_impl_gpta_sum_up(const lt_run *r);
/* Local, rank 0.  Where a trial's dialogue stands, and the lead in use. */
lt_status lt_run_impl_gpta_put(lt_run *r, lt_ckpt_writer *w, int trial);
/* Collective(world).  The same from a checkpoint; ck on rank 0, NULL elsewhere.  Errors: FORMAT, NOMEM (agreed). */
lt_status lt_run_impl_gpta_get(lt_run *r, lt_ckpt *ck, int trial);
/* Local.  The dialogue of a trial from what a checkpoint has of it, and the lead of its prefix in use: *lead [n], released by free(); none: untouched.
 * Errors: FORMAT, CONFIG (a longer one than is allowed now), NOMEM. */
lt_status lt_run_impl_gpta_recall(lt_run *r, int trial, const char *text, int32_t **lead, int *n);
/* inherit.c: rank 0.  The text of the prefix that the dialogue of method.init_dialogue came to; released by free().  Errors: IO, FORMAT, CONFIG. */
lt_status lt_run_impl_gpta_inherit(const lt_run *r, int trial, char **text);
/* leads.c: Collective(world).  Measures the candidates of the open round beside the prefix in use; their gains are set.  Errors: STOPPED, NOMEM (agreed). */
lt_status lt_run_impl_gpta_measure(lt_run *r, int trial);
/* leads.c: Collective(world).  The prefix in use comes before the student's inputs.  Errors: NOMEM (agreed). */
lt_status lt_run_impl_gpta_use(lt_run *r, int trial);
/* import.c: Collective(world).  First values of a trial from the folder that method.from names, if it names one.  Errors: those of lt_peft_read (agreed). */
lt_status lt_run_impl_import(lt_run *r, int trial);
/* common.c: Collective(world).  Where ranks hold different trained values, all take those of rank 0.  Errors: NOMEM (agreed). */
lt_status lt_run_impl_make_common(lt_run *r);
