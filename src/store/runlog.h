#pragma once
/* The run log: run.dir/run.h5, everything a run reports, in HDF5 (kind ltune-run; docs/FORMATS.md).
 *
 * Rows are added in memory.  Now and then the whole file is written under a temporary name and renamed, so at any instant run.h5 is a complete, plain
 * HDF5 file, also while the job runs and after kill -9; rows since then go to a journal beside it, run.h5.journal, until the next time.
 * lt_runlog_open reads both.  Rank 0 only; the other ranks do not call in here.
 *
 * Resume: lt_runlog_open loads what is there, lt_runlog_truncate_after drops rows of steps after the checkpoint, and the run goes on. */

#include "base/scores.h"
#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LT_SPLIT_BYTES = 48 };

/* One optimizer step of one trial. */
typedef struct lt_train_row {
    int64_t step;
    double loss, lr, grad_norm; /* mean loss of the step's sequences; norm before clipping */
} lt_train_row;

/* One evaluation of one trial.  The names of what is judged, and what they mean: train/metrics.h.  From micro_f1 on a number may be NaN: it does not apply,
 * or the file is of a version that did not have it. */
typedef struct lt_eval_row {
    int64_t step;
    char split[LT_SPLIT_BYTES];
    double loss, accuracy, mcc, f1;
    int64_t sequences; /* rows that were judged: sequences, or tokens with a label */
    double seconds;
    double precision, recall, micro_f1, macro_f1, weighted_f1;
    double precision_strict, recall_strict, f1_strict, token_f1;
    int64_t broken_truth, broken_predicted; /* tags that continue no span; -1 not known */
} lt_eval_row;

/* What an evaluation counted, class by class: its details.  As one vector of int64: entities of each type as lt_hits, the same read strictly, then the rows of
 * each true label by predicted label, unless there are more than LT_MAX_CONFUSION labels (for 256 they take half a megabyte). */
enum { LT_MAX_CONFUSION = 256 };
static inline int64_t lt_detail_confusion_elems(int64_t K) { return K <= LT_MAX_CONFUSION ? K * K : 0; }
static inline int64_t lt_detail_elems(int64_t K, int64_t n_types) { return 6 * n_types + lt_detail_confusion_elems(K); }

/* Views of such a vector. */
typedef struct lt_detail {
    int64_t step;                   /* of the evaluation, with the next */
    const char *split;              /* NULL: not of a log */
    const lt_hits *entity, *strict; /* [n_types] */
    const int64_t *confusion;       /* [K, K]; NULL: not kept */
} lt_detail;
/* Local. */
static inline lt_detail lt_detail_view(int64_t K, int64_t n_types, const int64_t *elems) {
    const lt_hits *h = (const lt_hits *)(const void *)elems;
    return (lt_detail){.entity = h, .strict = h + n_types, .confusion = lt_detail_confusion_elems(K) ? elems + 6 * n_types : NULL};
}

/* One answer of the assistant in a trial's dialogue (method gpta; assistant/dialogue.h).  Texts are UTF-8. */
enum { LT_DIALOGUE_TEXT_BYTES = 1 << 16 };
typedef struct lt_dialogue_row {
    int64_t step, round;          /* optimizer steps done when the round began; the round, from 0 */
    const char *prompt, *answer;  /* what the assistant was asked, the same for all answers of a round; what it said */
    const char *prefix, *verdict; /* what was made of it, "" nothing; lt_verdict_word */
    double probe_loss,
        gain;        /* mean loss of the prefix on `probed` sentences; that of the prefix in use then - its own; NaN: not measured */
    double accuracy; /* share of the probe that it got right - that of the prefix in use; NaN */
    int64_t probed;
    bool chosen; /* in use after its round */
} lt_dialogue_row;

/* What the time of the steps since the last row went to; sums over these steps, this rank's times, all ranks' tokens and sentences. */
typedef struct lt_perf_row {
    int64_t step;
    double seconds; /* wall time of these training steps */
    int64_t tokens, sentences;
    double t_compute, t_comm, t_data, t_io; /* seconds of `seconds`, but t_io, which comes after the steps */
    double t_linear, t_attention;           /* seconds of t_compute */
} lt_perf_row;

typedef struct lt_runlog lt_runlog;

/* Local.  Loads path if it exists, else starts empty (nothing is written before the first flush).  min_interval_s: unforced flushes come
 * at least this far apart, and whole writes stay within 1% of the time since opening.  Errors: IO, FORMAT, NOMEM. */
lt_status lt_runlog_open(const char *path, double min_interval_s, lt_runlog **log);
/* Local.  Frees it without flushing and sets *log to NULL; accepts NULL inside. */
void lt_runlog_close(lt_runlog **log);

/* Local.  Drops every row of a step after this one. */
void lt_runlog_truncate_after(lt_runlog *log, int64_t step);
/* Local.  Keeps of a trial's dialogue the first so many rounds: those that its checkpoint knows of. */
void lt_runlog_truncate_rounds(lt_runlog *log, const char *trial, int64_t rounds);
/* Local.  Adds a row; the trial appears with its first.  Errors: ARG (a trial's name with '/'), NOMEM. */
lt_status lt_runlog_add_train(lt_runlog *log, const char *trial, const lt_train_row *row);
lt_status lt_runlog_add_eval(lt_runlog *log, const char *trial, const lt_eval_row *row);
lt_status lt_runlog_add_perf(lt_runlog *log, const lt_perf_row *row);
/* Local.  Adds an answer; texts are copied, NULL = "".  Bytes that are no UTF-8 become U+FFFD each, and what is longer than LT_DIALOGUE_TEXT_BYTES is cut
 * at a character.  Errors: ARG (a trial's name with '/'), NOMEM. */
lt_status lt_runlog_add_dialogue(lt_runlog *log, const char *trial, const lt_dialogue_row *row);

/* Local.  Names the K labels and the types of entities (n_types may be 0) that details are of.  Details of other names go.  Errors: NOMEM. */
lt_status lt_runlog_set_classes(lt_runlog *log, const char *const *label, int64_t K, const char *const *type, int64_t n_types);
/* Local.  Details [lt_detail_elems] of an evaluation of a trial, which the log keeps of two: the best and the last.  Classes were set.  Errors: as above. */
lt_status lt_runlog_add_detail(lt_runlog *log, const char *trial, int64_t step, const char *split, bool is_best, const int64_t *elems);

/* Local.  Begins the entry of this start of the job: /run/start_0001, 0002 ...; the puts below go into the newest entry, and /run itself
 * shows a copy of it.  Errors: NOMEM. */
lt_status lt_runlog_start(lt_runlog *log);
lt_status lt_runlog_put_str(lt_runlog *log, const char *key, const char *value);
lt_status lt_runlog_put_i64(lt_runlog *log, const char *key, int64_t value);
/* Local.  Puts every environment variable whose name begins with prefix, except those whose names speak of secrets (TOKEN, JWT, KEY, SECRET,
 * PASS). */
lt_status lt_runlog_put_env(lt_runlog *log, const char *prefix);
/* Local.  A fact of a trial ("method", "trainable" ...), shown as attribute of /trials/<trial>. */
lt_status lt_runlog_put_trial_str(lt_runlog *log, const char *trial, const char *key, const char *value);
lt_status lt_runlog_put_trial_i64(lt_runlog *log, const char *trial, const char *key, int64_t value);

/* Local.  Saves rows that were added: in run.h5 where that is cheap against the time that passed (or facts changed), else in the journal.  force: now,
 * and on the disk when it returns (at checkpoints); else when it is time and rows were added.  On failure what is there stays and the rows are
 * kept for the next try.  Errors: IO, HDF5, NOMEM. */
lt_status lt_runlog_flush(lt_runlog *log, bool force);
/* Local.  Everything into run.h5, and the journal goes: at the end of a run.  Errors: as lt_runlog_flush. */
lt_status lt_runlog_finish(lt_runlog *log);

/* Local.  For readers: rows of a trial (NULL and 0 for none), names in order of first appearance, facts; borrowed until the next add. */
int lt_runlog_trials(const lt_runlog *log);
const char *lt_runlog_trial_name(const lt_runlog *log, int trial);
int lt_runlog_find_trial(const lt_runlog *log, const char *name); /* -1: there is none of that name */
const lt_train_row *lt_runlog_train(const lt_runlog *log, int trial, int64_t *n);
const lt_eval_row *lt_runlog_eval(const lt_runlog *log, int trial, int64_t *n);
const lt_perf_row *lt_runlog_perf(const lt_runlog *log, int64_t *n);
const lt_dialogue_row *lt_runlog_dialogue(const lt_runlog *log, int trial, int64_t *n);
/* Local.  Details of the best or the last evaluation of a trial; false if the log has none.  Names of their classes: NULL and 0 for none. */
bool lt_runlog_detail(const lt_runlog *log, int trial, bool best, lt_detail *out);
const char *const *lt_runlog_labels(const lt_runlog *log, int64_t *K);
const char *const *lt_runlog_types(const lt_runlog *log, int64_t *n_types);
/* Local.  A fact of a trial (trial >= 0) or of the newest start (trial = -1) as text, NULL if absent. */
const char *lt_runlog_fact(const lt_runlog *log, int trial, const char *key);
/* Local.  Number of starts of the job so far. */
int lt_runlog_starts(const lt_runlog *log);

#ifdef __cplusplus
}
#endif
