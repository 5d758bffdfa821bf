#pragma once
/* The configuration of a run: YAML file and key=value overrides -> typed structs.
 *
 * One table (config_table.c) is the only place that names a key: it parses, checks ranges, documents (`ltune help config`) and dumps. A value comes from, in
 * rising order: default, file, command line; within a trial: the run's value for that key, the trial's own, the sweep's.
 *
 * Ownership: lt_config owns everything in it until lt_config_free.  Errors are CONFIG and name file and line. */

#include "base/method.h"
#include "base/sha256.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { LT_MAX_LABELS = 1000 };                       /* of a data set: K */
enum { LT_TOKENS_CPU = 4096, LT_TOKENS_GPU = 8448 }; /* parallel.tokens: auto on a CPU, and in plans for a GPU that is not there */
enum { LT_RESUME_AUTO, LT_RESUME_NEVER, LT_RESUME_PATH };
enum { LT_DTYPE_CFG_AUTO, LT_DTYPE_CFG_F32, LT_DTYPE_CFG_BF16, LT_DTYPE_CFG_FP8 };
enum { LT_POOL_CFG_AUTO, LT_POOL_CFG_FIRST, LT_POOL_CFG_CLS, LT_POOL_CFG_LAST, LT_POOL_CFG_MEAN, LT_POOL_CFG_MAX };
enum { LT_BIDIRECTIONAL_AUTO, LT_BIDIRECTIONAL_ALL, LT_BIDIRECTIONAL_NONE, LT_BIDIRECTIONAL_LIST };
enum { LT_SCHED_CONSTANT, LT_SCHED_LINEAR, LT_SCHED_COSINE };
enum { LT_INIT_AUTO, LT_INIT_RANDOM, LT_INIT_ZERO, LT_INIT_VOCAB, LT_INIT_TEXT };
enum { LT_POOLING_AUTO, LT_POOLING_SOFTMAX, LT_POOLING_SCORES, LT_POOLING_NONE };
enum { LT_COMPAT_CLEAN, LT_COMPAT_AUTHORS };
enum { LT_OBJECTIVE_PAIRS, LT_OBJECTIVE_ALL };
enum { LT_SCALING_STANDARD, LT_SCALING_RSLORA };
enum { LT_HEAD_BIAS, LT_HEAD_NO_BIAS };
enum { LT_STUDENT_HEAD, LT_STUDENT_PROMPT, LT_STUDENT_PREFIX, LT_STUDENT_LORA };
enum { LT_SCORING_HALVING, LT_SCORING_FULL };
enum { LT_FEEDBACK_LOSS, LT_FEEDBACK_ACCURACY, LT_FEEDBACK_RANK };

typedef struct lt_run_cfg {
    char *dir;
    uint64_t seed;
    int device;        /* lt_device_kind of model/device.h */
    int resume;        /* LT_RESUME_* */
    char *resume_path; /* LT_RESUME_PATH: a checkpoint file */
} lt_run_cfg;

typedef struct lt_model_cfg {
    char *path;                               /* NULL = not given */
    int dtype, fp8_keep, pool, bidirectional; /* fp8_keep: blocks at either end */
    int n_bidirectional_layers, *bidirectional_layers;
} lt_model_cfg;

typedef struct lt_data_cfg {
    char *path, *train, *eval; /* file; names of splits */
    int max_length;            /* tokens */
    int64_t limit;             /* samples, 0 = all */
} lt_data_cfg;

typedef struct lt_parallel_cfg {
    int tp, threads;          /* ranks a tensor-parallel group; OpenMP threads, 0 = cores */
    int64_t tokens;           /* packed rows a rank and pack; 0 = auto */
    int collectives, overlap; /* lt_transport of comm.h; 0 = auto, on, off */
} lt_parallel_cfg;

typedef struct lt_generate_cfg {
    int max_tokens, batch, top_k; /* new tokens a text; texts at once; 0 = all */
    int graphs;                   /* lt_graphs of generate.h; 0 = auto, on, off */
    double temperature, top_p;
    uint64_t seed;
} lt_generate_cfg;

/* Who writes prefixes for gpta. */
typedef struct lt_assistant_cfg {
    char *model, *command, *templates;  /* folder of a decoder; a program; folder of prompt templates; empty = none */
    int tp, max_tokens, retries;        /* 0 = as many ranks as hold the model; of an answer; of a command that fails */
    double temperature, top_p, timeout; /* seconds that a command has for an answer */
    uint64_t seed;
} lt_assistant_cfg;

typedef struct lt_train_cfg {
    int epochs, batch; /* batch = sentences a step and trial, over all ranks */
    int64_t steps;     /* > 0: wins over epochs */
    double lr, warmup, weight_decay, beta1, beta2, eps, clip, checkpoint_minutes;
    int schedule; /* LT_SCHED_* */
    int64_t eval_every, checkpoint_every;
    int keep, patience;
} lt_train_cfg;

typedef struct lt_method_cfg {
    int name, init, pooling, compat, objective; /* lt_method, LT_INIT_*, LT_POOLING_*, LT_COMPAT_*, LT_OBJECTIVE_* */
    int length, mlp;
    int rank, targets, scaling;          /* lora: R, bits 1 << lt_target, LT_SCALING_* */
    double alpha, dropout, head_dropout; /* shares of what is left out */
    int head_bias;                       /* LT_HEAD_BIAS or LT_HEAD_NO_BIAS */
    char *text;                          /* of init: text; NULL = none */
    char *from;                          /* folder of first values; NULL or empty = none */
    int n_labels;
    char **label_name, **label_word; /* [n_labels] words that replace the data set's */
    const char **label_source;       /* [n_labels] where they were given; borrowed from the configuration */
    /* gpta */
    int student, scoring, feedback, control; /* LT_STUDENT_*, LT_SCORING_*, LT_FEEDBACK_*, lt_control */
    char *description, *init_dialogue;       /* of the task; a run log whose dialogue goes on; empty = none */
    int candidates, rounds, patience, probe, history, exemplars, max_prefix_tokens;
    int64_t every; /* steps between rounds */
} lt_method_cfg;

/* Local.  The method whose parameters a trial trains: of gpta its student's. */
static inline lt_method lt_method_trained(const lt_method_cfg *c) {
    static const lt_method student[] = {LT_METHOD_HEAD, LT_METHOD_PROMPT, LT_METHOD_PREFIX, LT_METHOD_LORA};
    return c->name == LT_METHOD_GPTA ? student[c->student] : (lt_method)c->name;
}

typedef struct lt_trial_cfg {
    char *name;
    uint64_t seed;
    lt_train_cfg train;
    lt_method_cfg method;
    const char *name_source, **source; /* where the name and each key of its own was given, NULL = not here; private */
} lt_trial_cfg;

typedef struct lt_config {
    lt_run_cfg run;
    lt_model_cfg model;
    lt_data_cfg data;
    lt_parallel_cfg parallel;
    lt_generate_cfg generate;
    lt_assistant_cfg assistant;
    lt_train_cfg train;   /* defaults of the trials */
    lt_method_cfg method; /* defaults of the trials */
    int n_trials;
    lt_trial_cfg *trial;               /* [n_trials], n_trials >= 1 */
    char *file;                        /* as given, or NULL */
    struct lt_config_entries *entries; /* what was set where; private */
} lt_config;

/* Local.  Reads file (NULL: defaults only) and applies overrides "key=value" in order.  Errors: IO, CONFIG, NOMEM. */
lt_status lt_config_load(const char *file, int n_over, const char *const *over, lt_config **out);
/* Local.  Accepts NULL inside; sets NULL. */
void lt_config_free(lt_config **cfg);
/* Local.  CONFIG if a key that has no default (model.path, data.path) was not given. */
lt_status lt_config_require(const lt_config *cfg, const char *key);
/* Local.  The resolved configuration as YAML that loads to the same; with_source: a comment says where each value comes from. */
lt_status lt_config_dump(const lt_config *cfg, FILE *out, bool with_source);
/* Local.  The same without sources as a string, released by free().  Errors: NOMEM. */
lt_status lt_config_text(const lt_config *cfg, char **text);
/* Local.  The keys that decide results, one "key: value" a line, those of a trial behind a line "trial NAME": what lt_config_fingerprint hashes.
 * Released by free().  Errors: NOMEM. */
lt_status lt_config_settings(const lt_config *cfg, char **text);
/* Local.  SHA-256 over the keys that decide results: all of train, method, model and data but paths, the evaluation split, checkpointing (how often, how
 * many) and parallel.*: those may change between starts of a run.  Errors: NOMEM. */
lt_status lt_config_fingerprint(const lt_config *cfg, char hex[LT_SHA_HEX_BYTES]);
/* Local.  CONFIG if a key of method.* changes nothing: one that a trial (or a sweep) sets and that trial's method does not read, or one of the run that no
 * trial's method reads.  Words for labels belong to the data set: the run may have them whatever its methods.  Apart from loading, because what older runs
 * wrote down is still read. */
lt_status lt_config_check_used(const lt_config *cfg);
/* Local.  Every key with type, range, default and meaning, and an example. */
void lt_config_help(FILE *out);

#ifdef __cplusplus
}
#endif
