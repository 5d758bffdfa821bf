/* Samples and their order; see samples.h. */
#include "train/samples.h"

#include "base/mem.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

/* What is left of a sample of n tokens cut to max: its first a and, from `second` on, b tokens, each part followed by its closing special token if it had
 * one.  Layout of an encoder sample: [CLS] a.. [SEP] (b.. [SEP]); of a decoder: (bos) a.. (b..). */
typedef struct cut {
    int64_t a, second, b, n; /* n: what is left in all */
    bool closed_a, closed_b;
} cut;

static cut cut_to(const int32_t *in, int64_t n, int64_t segment, int64_t max, int32_t sep) {
    bool pair = segment < n;
    cut c = {
        .second = segment, .closed_a = sep >= 0 && segment > 0 && in[segment - 1] == sep, .closed_b = pair && sep >= 0 && in[n - 1] == sep};
    c.a = segment - c.closed_a;
    c.b = n - segment - c.closed_b;
    int64_t room = max - c.closed_a - c.closed_b;
    if (pair)
        lt_tok_longest_first(&c.a, &c.b, room);
    else
        c.a = room;
    c.n = c.a + c.closed_a + c.b + c.closed_b;
    return c;
}

/* The same for any array that has an element a token. */
static void take(const cut *c, const int32_t *in, int64_t n, int64_t segment, int32_t *out) {
    memcpy(out, in, (size_t)c->a * sizeof *out);
    out += c->a;
    if (c->closed_a) *out++ = in[segment - 1];
    memcpy(out, in + c->second, (size_t)c->b * sizeof *out);
    if (c->closed_b) out[c->b] = in[n - 1];
}

static lt_status create(const lt_dataset_split *split, int64_t max_length, const lt_tok *tok, int64_t vocab, lt_samples *s) {
    LT_TRY(lt_calloc(&s->tokens, split->offsets[s->n], sizeof *s->tokens, "samples"));
    LT_TRY(lt_calloc(&s->offset, s->n + 1, sizeof *s->offset, "samples"));
    LT_TRY(lt_calloc(&s->segment, s->n, sizeof *s->segment, "samples"));
    if (split->token_label)
        LT_TRY(lt_calloc(&s->token_label, split->offsets[s->n], sizeof *s->token_label, "samples"));
    else
        LT_TRY(lt_calloc(&s->label, s->n, sizeof *s->label, "samples"));
    for (int64_t i = 0; i < s->n; i++) {
        int64_t from = split->offsets[i], n = split->offsets[i + 1] - from, segment = split->segment_offsets[i] - from;
        for (int64_t t = 0; t < n; t++)
            LT_CHECK(
                split->tokens[from + t] >= 0 && split->tokens[from + t] < vocab, LT_ERR_FORMAT,
                "split \"%s\", sample %lld: token id %d is outside the model's vocabulary of %lld: the data set was made for another model",
                split->name, (long long)i, split->tokens[from + t], (long long)vocab);
        cut c = {.a = n, .second = n, .n = n};
        if (max_length > 0 && n > max_length) {
            c = cut_to(split->tokens + from, n, segment, max_length, lt_tok_sep(tok));
            s->truncated++;
        }
        take(&c, split->tokens + from, n, segment, s->tokens + s->offset[i]);
        if (s->token_label) take(&c, split->token_label + from, n, segment, s->token_label + s->offset[i]);
        if (s->label) s->label[i] = split->label[i];
        s->segment[i] = c.n == n ? segment : c.a + c.closed_a;
        s->offset[i + 1] = s->offset[i] + c.n;
        if (c.n > s->max_len) s->max_len = c.n;
        if (i == 0 || c.n < s->min_len) s->min_len = c.n;
    }
    s->total_tokens = s->offset[s->n];
    return LT_OK;
}

lt_status lt_samples_create(const lt_dataset_split *split, int64_t max_length, int64_t limit, const lt_tok *tok, int64_t vocab,
                            lt_samples *s) {
    *s = (lt_samples){.n = limit > 0 && limit < split->n ? limit : split->n};
    lt_status st = create(split, max_length, tok, vocab, s);
    if (st != LT_OK) lt_samples_destroy(s);
    return st;
}

void lt_samples_destroy(lt_samples *s) {
    free(s->tokens);
    free(s->offset);
    free(s->segment);
    free(s->label);
    free(s->token_label);
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
