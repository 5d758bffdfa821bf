#pragma once
/* A pack: one micro-batch of sequences as a flat list of tokens.  No padding exists, unless a trial wants it as a part of its sequences (method.compat:
 * authors).
 *
 * Row layout of sequence i: [prompt rows][text tokens][padding rows], rows cu[i] .. cu[i+1].  A prompt row is marked by a negative id -(1 + r): row r of
 * the prompt bank.  A sequence with a prefix carries its bank slot.  Positions are final: with a prefix of length P the text starts at position P; with
 * prompt rows the positions run over the concatenation.
 *
 * Sequences of one trial are neighbours, so a pack also is a list of trial segments: what is trained inside layers or on the read-out works on these.
 * Rows of a sequence may go on where an earlier pack ended: with a cache of keys and values (generate.h) the rows before place `start` are there and not here.
 * A pack is host memory; the model uploads it once a forward, together with what attention needs. */

#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Neighbouring sequences of one trial. */
typedef struct lt_pack_trial {
    int32_t trial;
    int32_t seq0, seq1; /* sequences */
    int32_t row0, row1; /* their rows */
} lt_pack_trial;

typedef struct lt_pack {
    int64_t n_tok, n_seq, n_trial, max_tok, max_seq;
    int64_t max_len;          /* longest sequence now in the pack */
    int32_t *id, *pos, *type; /* [n_tok] */
    int32_t *cu;              /* [n_seq + 1] */
    int32_t *text0, *text1;   /* [n_seq] first text row, and the row behind the last */
    int32_t *slot;            /* [n_seq] bank slot or -1 */
    int32_t *start;           /* [n_seq] place of its first row here in the sequence; 0 without a cache */
    int32_t *home;            /* [n_seq] which sequence of the cache it is */
    uint64_t *key;            /* [n_seq] key of the sequence's dropout: a function of what it is, not of where it lies */
    lt_pack_trial *trial;     /* [n_trial] rows ascending */
    /* of the read-out rows (one a sequence, or with LT_READ_TOKENS every row), filled by the trainer; zero after lt_pack_add */
    int32_t *target; /* [max_tok] class, -100 = none */
    float *weight;   /* [max_tok] factor of its gradient */
} lt_pack;

/* One sequence as the packer adds it. */
typedef struct lt_pack_seq {
    const int32_t *tokens; /* [n] */
    int64_t n, segment;    /* tokens from index segment on have type 1 (segment = n: none) */
    int64_t padding;       /* rows behind the text, of token pad: whoever sees the whole sequence sees them too */
    int32_t pad;
    const int32_t *lead;         /* [n_lead] tokens that stand behind the text's first lead_at, as part of it */
    int64_t n_lead, lead_at;     /* n_lead 0 = none */
    int64_t prompt, prompt_rows; /* first prompt row and their number (0 = none) */
    int32_t slot;                /* bank slot or -1 */
    int32_t prefix_len;          /* P of the slot: added to the positions */
    int32_t start, home;         /* with a cache: rows that it holds of this sequence, and which of its sequences this is */
    int32_t trial;
    uint64_t key;
} lt_pack_seq;

/* Local.  Room for max_tok rows and max_seq sequences.  Errors: NOMEM. */
lt_status lt_pack_create(int64_t max_tok, int64_t max_seq, lt_pack *p);
/* Local.  Frees; accepts a zeroed pack. */
void lt_pack_destroy(lt_pack *p);
/* Local.  Empties. */
void lt_pack_clear(lt_pack *p);
/* Local.  True if s fits behind what is there. */
bool lt_pack_fits(const lt_pack *p, const lt_pack_seq *s);
/* Local.  to := sequences [seq0, seq1) of from, as a pack of their own; to has room for them.  Targets and weights stay behind. */
void lt_pack_cut(const lt_pack *from, int64_t seq0, int64_t seq1, lt_pack *to);
/* Local.  Appends s.  Errors: INTERNAL if it does not fit. */
lt_status lt_pack_add(lt_pack *p, const lt_pack_seq *s);

#ifdef __cplusplus
}
#endif
