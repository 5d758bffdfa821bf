#pragma once
/* Private to the model room: families as rows, and reading of config.json for them. */

#include "model/arch.h"

#include <jansson.h>

/* ---- reading config.json (arch.c) ---- */
typedef struct lt_reader {
    const char *path;
    json_t *root;
    lt_status st; /* first failure; later reads do nothing */
} lt_reader;

/* A whole number from 1 on; fallback < 0: must be there. */
int64_t lt_reader_int(lt_reader *r, const char *key, int64_t fallback);
/* A number above 0 of an object that stands in the file. */
double lt_reader_num(lt_reader *r, const json_t *object, const char *key, double fallback);
const char *lt_reader_str(lt_reader *r, const char *key, const char *fallback);
bool lt_reader_bool(lt_reader *r, const char *key, bool fallback);
void lt_reader_act(lt_reader *r, const char *key, const char *fallback, lt_act *act);
/* Plain rotary positions: theta of table 0; scaled variants fail by name. */
void lt_reader_rope(lt_reader *r, lt_arch *a);
/* Fails unless a boolean field has the value (or is absent). */
void lt_reader_expect(lt_reader *r, const char *key, bool value);

/* ---- tensors ---- */
/* Where a tensor of the file goes. */
typedef enum lt_part {
    LT_PART_END, /* of a list */
    LT_PART_TOKENS,
    LT_PART_POSITIONS,
    LT_PART_TYPES,
    LT_PART_EMBED_NORM,
    LT_PART_FINAL_NORM,
    LT_PART_POOLER, /* optional */
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
    const char *keys[6]; /* config.json's names of C, F, V, H, m, max_pos; NULL = the usual ones */
    const lt_row *rows;  /* up to LT_PART_END */
};

/* ---- families in files of their own ---- */
/* family_deberta.c */
void lt_family_impl_read_deberta(lt_reader *r, lt_arch *a);
void lt_family_impl_read_deberta_v2(lt_reader *r, lt_arch *a);
extern const lt_row lt_family_impl_deberta_rows[], lt_family_impl_deberta_v2_rows[];

/* families.c.  All families; *n: how many. */
const lt_family *lt_families(size_t *n);
