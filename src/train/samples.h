#pragma once
/* One split of a data set, cut to max_length and checked, as the packer reads it; and the order in which a trial visits it. */

#include "store/dataset.h"
#include "text/tokenizer.h"
#include "tuner/tuner.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_samples {
    int64_t n, total_tokens, min_len, max_len;
    int64_t truncated;    /* samples cut to max_length */
    int32_t *tokens;      /* [total_tokens] */
    int64_t *offset;      /* [n + 1] */
    int64_t *segment;     /* [n] index within the sample where type 1 starts (= length: none) */
    int32_t *label;       /* [n]; NULL with token_label */
    int32_t *token_label; /* [total_tokens], a class or LT_IGNORED_LABEL; NULL with label */
    int64_t *word_offset; /* [n + 1] words of sample i, as the data set has them; NULL where it has none, with the next two */
    int32_t *word_label;  /* [word_offset[n]] a class or LT_IGNORED_LABEL */
    int32_t *word_token;  /* the word's first token in the sample, or LT_NO_TOKEN: it has none, or the cut took it */
    bool unlabelled;      /* no sample, no token has a label */
    int64_t *longest;     /* [blocks of LT_PADDED_BLOCK samples in order] longest of each; lt_samples_measure sets it and pad */
    int32_t pad;          /* the token of padding rows, -1 = the tokenizer has none */
} lt_samples;

/* Local.  Copies a split, cutting samples longer than max_length as lt_tok_encode_pair does: the longer text loses tokens at its end, the special tokens around
 * the texts stay.
 *   limit  most samples taken (0 = all).   Errors: FORMAT (empty split, token outside the vocabulary), NOMEM. */
lt_status lt_samples_create(const lt_dataset_split *split, int64_t max_length, int64_t limit, const lt_tok *tok, int64_t vocab,
                            lt_samples *s);
/* Local.  Frees; accepts a zeroed struct. */
void lt_samples_destroy(lt_samples *s);

/* Padding as the code of LS-LLaMA has it (github.com/4AI/LS-LLaMA; method.compat: authors).  Its rules, most of which follow from the libraries that it calls:
 *
 *   - A split is tokenised by datasets.map in blocks of 1,000 samples in the order of the file, each padded to the longest of its block (after the cut
 *     to the maximal length).  A collator pads a batch to its longest, so the rows of a batch are as long as the longest *block* that one of them is from.
 *     Evaluation takes batches of the same size in the order of the file.
 *   - Padding stands behind the text, made of the tokenizer's pad token, which the code expects to be config.json's.  Positions run on through it.
 *   - `last` is the row before the first token that equals the pad token, the last row if none does.
 *   - Causal model: padding is masked, and no row of a text could see it anyway.  So neither head of LS-LLaMA (`last`; tokens) is changed by padding.
 *   - Unmasked model: the mask is replaced by zeros, so every row sees every row, padding included, and rows of padding are states like others.
 *     `mean` and `max` run over all rows, padding included, and over the *logits*: the mean of logits is that of the mean state; the maximum is one of each
 *     class, not of each channel.
 *   - Labels of tokens: padding has none; words that the cut took are not there, in the loss and in the evaluation.
 *
 * Where we differ: `last` is the last row of the text, the same unless the text holds the pad token; without a pad token the unknown token is taken; batches
 * run over the end of an epoch (lt_order); pooled rows of causal layers are not masked (the code has no such setting). */
enum { LT_PADDED_BLOCK = 1000 };

/* Local.  The token of padding rows, -1 = the tokenizer has none. */
int32_t lt_samples_pad_token(const lt_tok *tok);
/* Local.  Sets longest and pad.  Errors: NOMEM. */
lt_status lt_samples_measure(lt_samples *s, int32_t pad);
/* Local.  Tokens that sample i has when its block is padded. */
int64_t lt_samples_padded(const lt_samples *s, int64_t i);
/* Local.  Rows of padding behind sample i that is padded to `to` tokens. */
static inline int32_t lt_samples_padding(const lt_samples *s, int64_t i, int64_t to) {
    int64_t n = s->offset[i + 1] - s->offset[i];
    return to > n ? (int32_t)(to - n) : 0;
}
/* Local.  The same when batches of `batch` samples in order are padded to their longest: as in evaluation. */
int64_t lt_samples_padded_in_order(const lt_samples *s, int64_t i, int64_t batch);

/* The stream of training samples of one trial: every epoch a new permutation, a function of (seed, epoch).  Position p is sample perm[p mod n] of epoch
 * p / n, so a batch may run over the end of an epoch and every batch is full. */
typedef struct lt_order {
    uint64_t seed;
    int64_t n;
    int64_t epoch[2]; /* epochs of the two permutations held; -1 = none */
    int64_t *perm[2]; /* [n] */
} lt_order;

/* Local.  Errors: NOMEM. */
lt_status lt_order_create(uint64_t seed, int64_t n, lt_order *o);
void lt_order_destroy(lt_order *o);
/* Local.  Sample at stream position p. */
int64_t lt_order_sample(lt_order *o, int64_t p);
/* Local.  Candidate label of stream position p for pair methods: the true one at even positions, a uniformly drawn wrong one of the K >= 2 labels
 * at odd ones (half and half, L-Tuning section 2).  *target: 1 = true pair, 0 = wrong. */
int lt_order_candidate(const lt_order *o, int64_t p, int truth, int K, int *target);

#ifdef __cplusplus
}
#endif
