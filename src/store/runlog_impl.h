#pragma once
/* Private to runlog.c (rows and facts in memory), runlog_detail.c (what evaluations counted), runlog_dialogue.c (what an assistant was asked and said),
 * runlog_journal.c (rows since the file was written) and runlog_file.c (the file, and what is written when). */

#include "base/sha256.h"
#include "store/h5.h"
#include "store/runlog.h"

/* Rows of one kind, in memory as an array of structs. */
typedef struct lt_series {
    unsigned char *row; /* [cap] of row_bytes */
    size_t row_bytes;
    int64_t n, cap, saved; /* saved: rows that the file or its journal has */
} lt_series;

/* Named values, kept in order of first put. */
typedef struct lt_fact {
    char *key, *text; /* text: the value, also of integers */
    bool is_int;
} lt_fact;
typedef struct lt_facts {
    lt_fact *fact;
    int n, cap;
} lt_facts;

typedef struct lt_log_trial {
    char name[LT_NAME_BYTES];
    int order;             /* position in the run */
    lt_series train, eval; /* lt_train_row, lt_eval_row */
    lt_series detail;      /* lt_detail_head, elements: at most the last evaluation and the best before it */
    lt_series dialogue;    /* lt_dialogue_row; their texts are the log's */
    lt_facts facts;
} lt_log_trial;

/* How a row of details begins. */
typedef struct lt_detail_head {
    int64_t step, is_best;
    char split[LT_SPLIT_BYTES];
} lt_detail_head;

/* Names in one block. */
typedef struct lt_names {
    char **name; /* [n] */
    int64_t n;
} lt_names;

/* Texts of dialogues, which live as long as the log. */
typedef struct lt_log_text {
    struct lt_log_text *next;
    char text[];
} lt_log_text;

struct lt_runlog {
    char *path;
    lt_log_trial *trial; /* [cap_trials] */
    int n_trials, cap_trials;
    lt_series perf;       /* lt_perf_row */
    lt_names label, type; /* what details are of; both empty: there are none */
    lt_log_text *text;    /* of dialogues, the newest first */
    lt_facts *start;      /* [n_starts] */
    int n_starts;
    bool dirty;                  /* something is in neither the file nor its journal */
    bool reshaped;               /* something changed that a journal cannot say: facts, trials, rows taken away */
    char base[LT_SHA_HEX_BYTES]; /* digest of the file that the journal continues; "": there is none */
    int journal;                 /* descriptor, -1: not begun since the file was written */
    bool journaled;              /* the journal has rows */
    bool journal_named;          /* its name is on the disk too */
    double min_interval_s, opened_s, flushed_s, flush_cost_s,
        fold_cost_s; /* clock times; seconds of all flushes, of the last whole write */
};

/* A member of a row as a dataset; text_bytes > 0: a char array of that size. */
typedef struct lt_column {
    const char *name;
    lt_dtype dtype;
    size_t offset, text_bytes;
    bool late; /* files of earlier versions have no such column: NaN, or -1 */
} lt_column;
enum { LT_TRAIN_COLUMNS = 4, LT_EVAL_COLUMNS = 19, LT_PERF_COLUMNS = 10 };
extern const lt_column lt_runlog_impl_train[LT_TRAIN_COLUMNS], lt_runlog_impl_eval[LT_EVAL_COLUMNS], lt_runlog_impl_perf[LT_PERF_COLUMNS];

lt_status lt_runlog_impl_push(lt_series *s, const void *row);
/* Writes a series as a group of columns, and reads one; path is the file's, for messages.  Errors: those of store/h5.h. */
lt_status lt_runlog_impl_write_series(hid_t at, const char *name, const lt_series *s, const lt_column *column, int n);
lt_status lt_runlog_impl_read_series(hid_t at, const char *name, const char *path, lt_series *s, const lt_column *column, int n_columns);
lt_status lt_runlog_impl_fact(lt_facts *f, const char *key, const char *text, bool is_int);
/* The trial of that name, added if absent. */
lt_status lt_runlog_impl_trial(lt_runlog *log, const char *name, lt_log_trial **t);
/* Fills an empty log from its file. */
lt_status lt_runlog_impl_load(lt_runlog *log);

/* runlog_detail.c: the bytes of a row of details, 0 if classes were not set. */
size_t lt_runlog_impl_detail_bytes(const lt_runlog *log);
/* Adds a row of details; those that are neither last nor best go. */
lt_status lt_runlog_impl_push_detail(lt_series *s, const void *row);
/* Writes them into a file, and reads them. */
lt_status lt_runlog_impl_write_classes(const lt_runlog *log, hid_t file);
lt_status lt_runlog_impl_write_details(const lt_runlog *log, const lt_log_trial *t, hid_t trial_group);
lt_status lt_runlog_impl_read_classes(lt_runlog *log, hid_t file);
lt_status lt_runlog_impl_read_details(lt_runlog *log, lt_log_trial *t, hid_t trial_group);
void lt_runlog_impl_free_classes(lt_runlog *log);

/* runlog_dialogue.c: writes a trial's dialogue into its group, if it has one, and reads it. */
lt_status lt_runlog_impl_write_dialogue(const lt_log_trial *t, hid_t trial_group);
lt_status lt_runlog_impl_read_dialogue(lt_runlog *log, lt_log_trial *t, hid_t trial_group);
/* Rows of a dialogue from `saved` on as bytes of a journal: how many, and written to `to`, whose end is returned. */
size_t lt_runlog_impl_dialogue_bytes(const lt_series *s);
unsigned char *lt_runlog_impl_put_dialogue(const lt_series *s, unsigned char *to);
/* Adds n such rows from the front of `bytes` bytes; *used: how many they took, 0 if they are not that.  Errors: NOMEM. */
lt_status lt_runlog_impl_take_dialogue(lt_runlog *log, lt_series *s, const unsigned char *from, size_t bytes, int64_t n, size_t *used);
void lt_runlog_impl_free_texts(lt_runlog *log);

/* runlog_journal.c: adds the rows that are not saved yet; durable: they are on the disk when it returns.  Errors: IO, NOMEM. */
lt_status lt_runlog_impl_journal(lt_runlog *log, bool durable);
/* Adds the journal's rows to a log that was loaded from the file of log->base; *rows: how many.  A journal of another file has none, and what a
 * killed writer left half written is not taken.  Errors: NOMEM. */
lt_status lt_runlog_impl_replay(lt_runlog *log, int64_t *rows);
/* The file has everything: the journal goes. */
void lt_runlog_impl_journal_end(lt_runlog *log);
/* Hands every series to fn with its kind (train, eval, perf, details, dialogue) and trial (0 for perf). */
enum { LT_LOG_TRAIN, LT_LOG_EVAL, LT_LOG_PERF, LT_LOG_DETAIL, LT_LOG_DIALOGUE };
typedef lt_status (*lt_series_fn)(void *user, uint32_t kind, uint32_t trial, lt_series *s);
lt_status lt_runlog_impl_each_series(lt_runlog *log, lt_series_fn fn, void *user);
