#pragma once
/* Private to the model room: families as rows, and reading of config.json for them.  A file family_*.c holds relatives: for each how its config.json
 * fills lt_arch, and the names of its tensors. */

#include "model/arch.h"

#include <jansson.h>

/* ---- reading config.json (family_read.c) ---- */
typedef struct lt_reader {
    const char *path;
    json_t *root;
    lt_status st; /* first failure; later reads do nothing */
} lt_reader;

/* All of these set the reader's status at the first field that cannot be used and name it; null is as absent. */
/* A whole number from 1 on; fallback < 0: must be there.  key: spellings, by '|'; the first that is there counts. */
int64_t lt_reader_int(lt_reader *r, const char *key, int64_t fallback);
/* A whole number that may be below 1; fallback where it is missing. */
int64_t lt_reader_whole(lt_reader *r, const char *key, int64_t fallback);
/* A number above 0 of an object that stands in the file. */
double lt_reader_num(lt_reader *r, const json_t *object, const char *key, double fallback);
const char *lt_reader_str(lt_reader *r, const char *key, const char *fallback);
/* null is false, as in Python. */
bool lt_reader_bool(lt_reader *r, const char *key, bool fallback);
void lt_reader_act(lt_reader *r, const char *key, const char *fallback, lt_act *act);
/* Rotary positions of the whole head with one table: rope_scaling, and where transformers 5 has it, rope_parameters.  theta: name of its field. */
void lt_reader_rope(lt_reader *r, lt_arch *a, const char *theta);
/* Table k from an object with rope_type and what belongs to it; NULL: plain. */
void lt_reader_rope_table(lt_reader *r, lt_arch *a, int k, const json_t *scaling, double theta);
/* Layers with a sliding window: those that layer_types names, else from layer `first` on all but every `every`-th (0: all).  window 0: none. */
void lt_reader_windows(lt_reader *r, lt_arch *a, int64_t window, int64_t first, int64_t every);
/* Fails unless a boolean field has the value (or is absent). */
void lt_reader_expect(lt_reader *r, const char *key, bool value);
/* Fails if a field is there (not null). */
void lt_reader_refuse(lt_reader *r, const char *key);

/* ---- tensors ---- */
/* Where a tensor of the file goes. */
typedef enum lt_part {
    LT_PART_END, /* of a list */
    LT_PART_TOKENS,
    LT_PART_POSITIONS,
    LT_PART_TYPES,
    LT_PART_EMBED_NORM,
    LT_PART_FINAL_NORM,
    LT_PART_POOLER, /* optional: the classifier's dense layer before the last */
    LT_PART_Q,
    LT_PART_K,
    LT_PART_V,
    LT_PART_QKV, /* the three in one tensor, cut as the layout says */
    LT_PART_O,
    LT_PART_GATE,
    LT_PART_UP,
    LT_PART_GATE_UP, /* gate rows, then up rows */
    LT_PART_DOWN,
    LT_PART_Q_NORM,
    LT_PART_K_NORM,
    LT_PART_NORM,                         /* + 3 * branch + place: see LT_NORM_PART */
    LT_PART_REL_TABLE = LT_PART_NORM + 6, /* relative positions: the table, its norm, */
    LT_PART_REL_NORM,
    LT_PART_POS_K, /* what makes relative keys and queries of it where the architecture does not share */
    LT_PART_POS_Q,
    LT_PART_CONV, /* [out, in, kernel] */
    LT_PART_CONV_NORM,
    LT_PART_Q_BIAS, /* biases that are tensors of their own, without a suffix: the row of the matrix is bare */
    LT_PART_V_BIAS,
    LT_PART_HEAD, /* output matrix [V, C] where it is not the word embedding; for generation only */
    LT_PARTS
} lt_part;
/* branch 0 attention, 1 feed-forward; place 0 in, 1 out, 2 after. */
#define LT_NORM_PART(branch, place) (LT_PART_NORM + 3 * (branch) + (place))
#define LT_NORM_PARTS               (LT_PART_NORM + 6)

/* How the rows of a matrix lie in the file. */
typedef enum lt_layout {
    LT_LAYOUT_PLAIN, /* [out, in]; QKV: all of q, all of k, all of v */
    LT_LAYOUT_HEADS, /* QKV: head by head q, k, v (BLOOM, GPT-NeoX) */
    LT_LAYOUT_GROUPS /* QKV: per key/value head its query heads, k, v (Falcon; multi-query: one group) */
} lt_layout;

typedef struct lt_row {
    const char *name; /* without ".weight"; %d: the layer */
    lt_part part;
    lt_layout layout;
    bool transposed; /* the file has [in, out] */
    bool bare;       /* QKV: without biases of this name */
} lt_row;

struct lt_family {
    const char *model_type;
    const char *prefix; /* of every name; may be absent in the file */
    /* Fills what is the family's own; common fields (C, F, V, H, D = C / H, m, max_pos; Hkv = H; layers causal as a->causal) are there before or set after. */
    void (*read)(lt_reader *r, lt_arch *a);
    const char *keys
        [6]; /* config.json's names of C, F, V, H, m, max_pos, spellings by '|'; the first NULL = the usual ones; F or max_pos NULL = 4 C,
                          * unlimited */
    int64_t max_pos;    /* where config.json has none; 0 = it must have it */
    const lt_row *rows; /* up to LT_PART_END */
};

/* A tensor that lies as its part does; TURNED: the file has [in, out]; AS: rows lie as the layout says. */
#define LT_ROW_PLAIN(tensor, where)                                                                                                        \
    { .name = (tensor), .part = (where) }
#define LT_ROW_TURNED(tensor, where)                                                                                                       \
    { .name = (tensor), .part = (where), .transposed = true }
#define LT_ROW_AS(tensor, where, how)                                                                                                      \
    { .name = (tensor), .part = (where), .layout = (how) }
#define LT_ROW_END                                                                                                                         \
    { .part = LT_PART_END }

/* Families, each in the file of its relatives. */
extern const lt_family lt_family_bert, lt_family_roberta, lt_family_xlm_roberta, lt_family_distilbert;
extern const lt_family lt_family_llama, lt_family_mistral, lt_family_qwen2, lt_family_qwen3, lt_family_gemma3;
extern const lt_family lt_family_deberta, lt_family_deberta_v2;
extern const lt_family lt_family_gpt2, lt_family_gpt_neox, lt_family_bloom, lt_family_falcon;

/* families.c.  All families; *n: how many. */
const lt_family *const *lt_families(size_t *n);
/* family_modules.c.  Where the rows of a head of q, k or v begin in a fused matrix. */
int64_t lt_row_of_head(const lt_arch *a, lt_layout layout, lt_part part, int64_t head);
