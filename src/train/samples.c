/* Samples and their order; see samples.h. */
#include "train/samples.h"

#include "base/mem.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

/* Cuts one sample to max tokens.  Layout of an encoder sample: [CLS] a.. [SEP] (b.. [SEP]); of a decoder: (bos) a.. (b..).  Returns the new length and
 * updates *segment. */
static int64_t cut(const int32_t *in, int64_t n, int64_t *segment, int64_t max, int32_t sep, int32_t *out) {
    bool closed_a = sep >= 0 && *segment > 0 && in[*segment - 1] == sep, pair = *segment < n,
         closed_b = pair && sep >= 0 && in[n - 1] == sep;
    int64_t a = *segment - closed_a, b = n - *segment - closed_b, room = max - closed_a - closed_b;
    if (pair)
        lt_tok_longest_first(&a, &b, room);
    else
        a = room;
    int64_t at = 0;
    for (int64_t i = 0; i < a; i++) out[at++] = in[i];
    if (closed_a) out[at++] = sep;
    int64_t start = *segment;
    *segment = at;
    for (int64_t i = 0; i < b; i++) out[at++] = in[start + i];
    if (closed_b) out[at++] = sep;
    return at;
}

lt_status lt_samples_create(const lt_dataset_split *split, int64_t max_length, int64_t limit, const lt_tok *tok, int64_t vocab,
                            lt_samples *s) {
    lt_status st = LT_OK;
    int32_t sep = lt_tok_sep(tok);
    *s = (lt_samples){.n = limit > 0 && limit < split->n ? limit : split->n};
    LT_CHECK(split->label, LT_ERR_FORMAT, "split \"%s\" labels tokens, not sequences: this version trains sequence labels", split->name);
    LT_TRY_GOTO(lt_calloc(&s->tokens, split->offsets[s->n], sizeof *s->tokens, "samples"), st, fail);
    LT_TRY_GOTO(lt_calloc(&s->offset, s->n + 1, sizeof *s->offset, "samples"), st, fail);
    LT_TRY_GOTO(lt_calloc(&s->segment, s->n, sizeof *s->segment, "samples"), st, fail);
    LT_TRY_GOTO(lt_calloc(&s->label, s->n, sizeof *s->label, "samples"), st, fail);
    for (int64_t i = 0; i < s->n; i++) {
        int64_t from = split->offsets[i], n = split->offsets[i + 1] - from, segment = split->segment_offsets[i] - from;
        int32_t *out = s->tokens + s->offset[i];
        for (int64_t t = 0; t < n; t++)
            LT_CHECK_GOTO(
                split->tokens[from + t] >= 0 && split->tokens[from + t] < vocab, st, fail, LT_ERR_FORMAT,
                "split \"%s\", sample %lld: token id %d is outside the model's vocabulary of %lld: the data set was made for another model",
                split->name, (long long)i, split->tokens[from + t], (long long)vocab);
        if (max_length > 0 && n > max_length) {
            n = cut(split->tokens + from, n, &segment, max_length, sep, out);
            s->truncated++;
        } else {
            memcpy(out, split->tokens + from, (size_t)n * sizeof *out);
        }
        s->segment[i] = segment;
        s->label[i] = split->label[i];
        s->offset[i + 1] = s->offset[i] + n;
        if (n > s->max_len) s->max_len = n;
        if (i == 0 || n < s->min_len) s->min_len = n;
    }
    s->total_tokens = s->offset[s->n];
    return LT_OK;
fail:
    lt_samples_destroy(s);
    return st;
}

void lt_samples_destroy(lt_samples *s) {
    free(s->tokens);
    free(s->offset);
    free(s->segment);
    free(s->label);
    *s = (lt_samples){0};
}

lt_status lt_order_create(uint64_t seed, int64_t n, lt_order *o) {
    *o = (lt_order){.seed = seed, .n = n, .epoch = {-1, -1}};
    LT_TRY(lt_calloc(&o->perm[0], n, sizeof **o->perm, "a sample order"));
    lt_status st = lt_calloc(&o->perm[1], n, sizeof **o->perm, "a sample order");
    if (st != LT_OK) lt_order_destroy(o);
    return st;
}

void lt_order_destroy(lt_order *o) {
    free(o->perm[0]);
    free(o->perm[1]);
    *o = (lt_order){0};
}

int64_t lt_order_sample(lt_order *o, int64_t p) {
    int64_t epoch = p / o->n;
    int which = (int)(epoch & 1); /* two neighbours are held: a batch may straddle them */
    if (o->epoch[which] != epoch) {
        lt_rng_permutation(&(lt_rng){.seed = o->seed, .purpose = LT_RNG_SHUFFLE, .a = (uint32_t)epoch}, o->n, o->perm[which]);
        o->epoch[which] = epoch;
    }
    return o->perm[which][p % o->n];
}

int lt_order_candidate(const lt_order *o, int64_t p, int truth, int K, int *target) {
    *target = p % 2 == 0;
    if (*target) return truth;
    int wrong = (int)lt_rng_below(&(lt_rng){.seed = o->seed, .purpose = LT_RNG_NEGATIVE}, (uint64_t)K - 1, (uint64_t)p, 0);
    return wrong + (wrong >= truth);
}
