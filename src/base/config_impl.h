#pragma once
/* Private to the configuration's files: the table's rows and what the YAML reader hands over. */

#include "base/config.h"

typedef enum lt_key_type {
    LT_KEY_INT,
    LT_KEY_I64,
    LT_KEY_NUM,
    LT_KEY_STR,
    LT_KEY_WORD,
    LT_KEY_WORDS,
    LT_KEY_RESUME,
    LT_KEY_LAYERS,
    LT_KEY_AUTO /* a whole number above 0, or auto = 0 */
} lt_key_type;
typedef enum lt_key_section {
    LT_SEC_RUN,
    LT_SEC_MODEL,
    LT_SEC_DATA,
    LT_SEC_PARALLEL,
    LT_SEC_GENERATE,
    LT_SEC_ASSISTANT,
    LT_SEC_TRAIN,
    LT_SEC_METHOD,
    LT_SEC_COUNT
} lt_key_section;

typedef struct lt_key {
    const char *path; /* "train.lr" */
    lt_key_section section;
    lt_key_type type;
    size_t offset;        /* in the section's struct */
    double min, max;      /* of numbers */
    const char *words;    /* of LT_KEY_WORD: "auto|f32|bf16", in the order of the enum; of LT_KEY_WORDS: bit i stands for word i */
    const char *fallback; /* default as text; NULL = none */
    bool in_fingerprint;
    const char *help;
} lt_key;

extern const lt_key lt_config_impl_keys[];
extern const int lt_config_impl_n_keys;

/* What a run file may hold: more is no run, and would take minutes to look at. */
enum {
    LT_CFG_MAX_TRIALS = 1024,
    LT_CFG_MAX_LEAVES = 16 * LT_CFG_MAX_TRIALS,
    LT_CFG_MAX_SWEEP_KEYS = 64,
    LT_CFG_MAX_DEPTH = 16, /* maps and lists in each other; known keys need 5 */
};

/* One leaf: a dotted path and its scalar, or list of scalars. */
typedef struct lt_config_entry {
    char *path, *source; /* source: "run.yaml:12" or "command line" */
    char **item;         /* [n_items]; a scalar has one */
    int n_items;
    bool list;
    uint64_t hash; /* of path: finds doubles fast */
} lt_config_entry;

typedef struct lt_config_entries {
    lt_config_entry *entry;
    int n, cap;
} lt_config_entries;

/* config_yaml.c: appends the leaves of a document.  file: for messages; prefix: path before every leaf, or NULL; a path that is there already from the
 * same source is an error, from another it is replaced.  From the command line, trials, sweep and labels replace what was there as a whole. */
lt_status lt_config_impl_read(lt_config_entries *e, const char *text, size_t bytes, const char *file, const char *prefix,
                              bool command_line);
void lt_config_impl_entries_free(lt_config_entries *e);

/* config_table.c */
const lt_key *lt_config_impl_find(const char *path);
/* The known path nearest to a misspelt one, or NULL if none is near. */
const char *lt_config_impl_nearest(const char *path);
/* Whether train.* and method.* and run.seed: keys that a trial may set. */
bool lt_config_impl_per_trial(const lt_key *k);
/* Address of a key's field: in the trial where it may differ and trial is given, else in the run. */
void *lt_config_impl_field(const lt_key *k, lt_config *cfg, lt_trial_cfg *trial);
/* Parses one value into the field.  where: source for messages. */
lt_status lt_config_impl_set(const lt_key *k, lt_config *cfg, lt_trial_cfg *trial, const lt_config_entry *value);
/* Writes a text as a YAML scalar in double quotes. */
void lt_config_impl_print_text(const char *s, FILE *out);
/* Writes the field's value as YAML. */
void lt_config_impl_print(const lt_key *k, const lt_config *cfg, const lt_trial_cfg *trial, FILE *out);
