/* The rules of a dataset file; see dataset.h.
 *
 * One function holds for what is written and for what is read, whole or in parts: a file that another program made (h5py is enough) gets the same scrutiny, and
 * nothing behind this room looks at offsets or labels again. */
#include "store/dataset_impl.h"

#define FAULT(cond, ...) LT_CHECK(cond, p->code, __VA_ARGS__)

static lt_status check_offsets(const lt_dataset_split *s, lt_dataset_place *p) {
    const int64_t *at = s->offsets, *second = s->segment_offsets;
    FAULT(at[0] == 0, "%s: split '%s': offsets[0] is %lld, expected 0", p->path, s->name, (long long)at[0]);
    for (int64_t i = 0; i < s->n; i++) {
        FAULT(at[i + 1] > at[i], "%s: split '%s': sequence %lld has offsets %lld to %lld, expected at least one token", p->path, s->name,
              (long long)(p->n + i), (long long)(p->tokens + at[i]), (long long)(p->tokens + at[i + 1]));
        FAULT(second[i] >= at[i] && second[i] <= at[i + 1],
              "%s: split '%s': sequence %lld has its second text at %lld, expected a position from %lld to %lld", p->path, s->name,
              (long long)(p->n + i), (long long)(p->tokens + second[i]), (long long)(p->tokens + at[i]),
              (long long)(p->tokens + at[i + 1]));
        if (at[i + 1] - at[i] > p->longest) p->longest = at[i + 1] - at[i];
    }
    FAULT(second[s->n] == at[s->n], "%s: split '%s': segment_offsets[%lld] is %lld, expected %lld (all tokens)", p->path, s->name,
          (long long)(p->n + s->n), (long long)(p->tokens + second[s->n]), (long long)(p->tokens + at[s->n]));
    return LT_OK;
}

/* Sequences have a label, all or none; tokens may each have one. */
static lt_status check_labels(const lt_dataset_split *s, lt_dataset_place *p) {
    const int32_t *label = s->label ? s->label : s->token_label;
    int64_t n = s->label ? s->n : s->offsets[s->n], first = s->label ? p->n : p->tokens;
    for (int64_t i = 0; i < n; i++) {
        bool none = label[i] == LT_IGNORED_LABEL;
        FAULT(none || (label[i] >= 0 && label[i] < p->n_labels),
              "%s: split '%s': %s %lld has label %d, which is not in the label set 0..%lld", p->path, s->name,
              s->label ? "sequence" : "token", (long long)(first + i), label[i], (long long)p->n_labels - 1);
        p->unlabelled |= none;
        p->labelled |= !none;
        FAULT(!s->label || !(p->labelled && p->unlabelled),
              "%s: split '%s': sequence %lld has label %d, others have %s: %d is for splits in which no sequence has a label", p->path,
              s->name, (long long)(first + i), label[i], none ? "one" : "none", LT_IGNORED_LABEL);
    }
    return LT_OK;
}

static lt_status check_tokens(const lt_dataset_split *s, lt_dataset_place *p) {
    for (int64_t i = 0; i < s->offsets[s->n]; i++) {
        FAULT(s->tokens[i] >= 0, "%s: split '%s': token %lld has the negative id %d", p->path, s->name, (long long)(p->tokens + i),
              s->tokens[i]);
        if (s->tokens[i] > p->max_token) p->max_token = s->tokens[i];
    }
    return LT_OK;
}

/* The words of sequence i: in order, each label at its word's first token and nowhere else. */
static lt_status check_sequence_words(const lt_dataset_split *s, int64_t i, const lt_dataset_place *p) {
    int64_t tokens = s->offsets[i + 1] - s->offsets[i], next = 0;
    for (int64_t w = s->word_offsets[i]; w < s->word_offsets[i + 1]; w++) {
        int32_t label = s->word_label[w], token = s->word_token[w];
        FAULT(label == LT_IGNORED_LABEL || (label >= 0 && label < p->n_labels),
              "%s: split '%s': word %lld has label %d, which is not in the label set 0..%lld", p->path, s->name, (long long)(p->words + w),
              label, (long long)p->n_labels - 1);
        if (token == LT_NO_TOKEN) continue;
        FAULT(token >= next && token < tokens,
              "%s: split '%s': word %lld has token %d, expected one of %lld to %lld, or %d: words of a sequence are in order", p->path,
              s->name, (long long)(p->words + w), token, (long long)next, (long long)tokens - 1, LT_NO_TOKEN);
        for (; next <= token; next++) {
            int32_t here = s->token_label[s->offsets[i] + next];
            FAULT(here == (next == token ? label : LT_IGNORED_LABEL),
                  "%s: split '%s': token %lld has label %d, but the words of sequence %lld give it %d", p->path, s->name,
                  (long long)(p->tokens + s->offsets[i] + next), here, (long long)(p->n + i), next == token ? label : LT_IGNORED_LABEL);
        }
    }
    for (; next < tokens; next++)
        FAULT(s->token_label[s->offsets[i] + next] == LT_IGNORED_LABEL,
              "%s: split '%s': token %lld has label %d, but the words of sequence %lld give it none", p->path, s->name,
              (long long)(p->tokens + s->offsets[i] + next), s->token_label[s->offsets[i] + next], (long long)(p->n + i));
    return LT_OK;
}

static lt_status check_words(const lt_dataset_split *s, const lt_dataset_place *p) {
    const int64_t *at = s->word_offsets;
    FAULT(at && s->word_label && s->word_token && s->token_label,
          "%s: split '%s': word_offsets, word_label, word_token and token_label go together", p->path, s->name);
    FAULT(at[0] == 0, "%s: split '%s': word_offsets[0] is %lld, expected 0", p->path, s->name, (long long)at[0]);
    for (int64_t i = 0; i < s->n; i++) {
        FAULT(at[i + 1] >= at[i], "%s: split '%s': sequence %lld has words %lld to %lld", p->path, s->name, (long long)(p->n + i),
              (long long)(p->words + at[i]), (long long)(p->words + at[i + 1]));
        LT_TRY(check_sequence_words(s, i, p));
    }
    return LT_OK;
}

lt_status lt_dataset_impl_check(const lt_dataset_split *s, lt_dataset_place *p) {
    FAULT(s->n > 0, "%s: split '%s' is empty: it has no sequences", p->path, s->name);
    FAULT((s->label == NULL) != (s->token_label == NULL), "%s: split '%s' must have either label or token_label", p->path, s->name);
    LT_TRY(check_offsets(s, p));
    LT_TRY(check_labels(s, p));
    LT_TRY(check_tokens(s, p));
    if (s->word_offsets || s->word_label || s->word_token) {
        LT_TRY(check_words(s, p));
        p->words += s->word_offsets[s->n];
    }
    p->n += s->n;
    p->tokens += s->offsets[s->n];
    return LT_OK;
}
