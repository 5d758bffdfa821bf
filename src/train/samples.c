/* Samples and their order; see samples.h. */
#include "train/samples.h"

#include "base/mem.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

/* What is left of a sample of n tokens: pieces [from, from + n) of it, one behind the other. */
typedef struct cut {
    struct {
        int64_t from, n;
    } piece[4];
    int n_pieces;
    int64_t n, segment; /* in all; where the second text begins (= n: none) */
} cut;

static void keep(cut *c, int64_t from, int64_t n) {
    if (n <= 0) return;
    c->piece[c->n_pieces].from = from;
    c->piece[c->n_pieces++].n = n;
    c->n += n;
}

/* Cuts to max: texts lose tokens at their ends, the longer one first; the special tokens around them stay.  A sample that is shorter than its frame was made
 * without it: then all of it is text. */
static cut cut_to(int64_t n, int64_t segment, int64_t max, lt_tok_frame f) {
    cut c = {0};
    bool pair = segment < n;
    if (segment < f.before + (pair ? f.between : f.after) || n - segment < (pair ? f.after : 0) || max < f.before + f.between + f.after)
        f = (lt_tok_frame){0};
    int64_t end = n - f.after, a = (pair ? segment - f.between : end) - f.before, b = pair ? end - segment : 0;
    lt_tok_longest_first(&a, &b, max - f.before - f.between - f.after);
    keep(&c, 0, f.before + a);
    if (pair) keep(&c, segment - f.between, f.between);
    c.segment = c.n;
    keep(&c, segment, b);
    keep(&c, end, f.after);
    if (!pair) c.segment = c.n;
    return c;
}

/* The same for any array that has an element a token. */
static void take(const cut *c, const int32_t *in, int32_t *out) {
    for (int i = 0; i < c->n_pieces; i++) {
        memcpy(out, in + c->piece[i].from, (size_t)c->piece[i].n * sizeof *out);
        out += c->piece[i].n;
    }
}

/* Where a token is after the cut. */
static int32_t place_of(const cut *c, int32_t token) {
    int64_t at = 0;
    for (int i = 0; i < c->n_pieces; at += c->piece[i++].n)
        if (token >= c->piece[i].from && token < c->piece[i].from + c->piece[i].n) return (int32_t)(at + token - c->piece[i].from);
    return LT_NO_TOKEN;
}

static void take_words(const lt_dataset_split *split, int64_t i, const cut *c, lt_samples *s) {
    int64_t end = split->word_offsets[i + 1];
    for (int64_t w = split->word_offsets[i]; w < end; w++) {
        s->word_label[w] = split->word_label[w];
        s->word_token[w] = place_of(c, split->word_token[w]);
    }
    s->word_offset[i + 1] = end;
}

static lt_status alloc(const lt_dataset_split *split, lt_samples *s) {
    LT_TRY(lt_calloc(&s->tokens, split->offsets[s->n], sizeof *s->tokens, "samples"));
    LT_TRY(lt_calloc(&s->offset, s->n + 1, sizeof *s->offset, "samples"));
    LT_TRY(lt_calloc(&s->segment, s->n, sizeof *s->segment, "samples"));
    if (!split->token_label) return lt_calloc(&s->label, s->n, sizeof *s->label, "samples");
    LT_TRY(lt_calloc(&s->token_label, split->offsets[s->n], sizeof *s->token_label, "samples"));
    if (!split->word_offsets) return LT_OK;
    LT_TRY(lt_calloc(&s->word_offset, s->n + 1, sizeof *s->word_offset, "samples"));
    LT_TRY(lt_calloc(&s->word_label, split->word_offsets[s->n], sizeof *s->word_label, "samples"));
    return lt_calloc(&s->word_token, split->word_offsets[s->n], sizeof *s->word_token, "samples");
}

static lt_status create(const lt_dataset_split *split, int64_t max_length, const lt_tok *tok, int64_t vocab, lt_samples *s) {
    lt_tok_frame frame[2] = {lt_tok_frame_of(tok, false), lt_tok_frame_of(tok, true)};
    LT_TRY(alloc(split, s));
    for (int64_t i = 0; i < s->n; i++) {
        int64_t from = split->offsets[i], n = split->offsets[i + 1] - from, segment = split->segment_offsets[i] - from;
        for (int64_t t = 0; t < n; t++)
            LT_CHECK(
                split->tokens[from + t] >= 0 && split->tokens[from + t] < vocab, LT_ERR_FORMAT,
                "split \"%s\", sample %lld: token id %d is outside the model's vocabulary of %lld: the data set was made for another model",
                split->name, (long long)i, split->tokens[from + t], (long long)vocab);
        bool over = max_length > 0 && n > max_length;
        cut c = cut_to(n, segment, over ? max_length : n, frame[segment < n]);
        s->truncated += over;
        take(&c, split->tokens + from, s->tokens + s->offset[i]);
        if (s->token_label) take(&c, split->token_label + from, s->token_label + s->offset[i]);
        if (s->label) s->label[i] = split->label[i];
        if (s->word_offset) take_words(split, i, &c, s);
        s->segment[i] = c.segment;
        s->offset[i + 1] = s->offset[i] + c.n;
        if (c.n > s->max_len) s->max_len = c.n;
        if (i == 0 || c.n < s->min_len) s->min_len = c.n;
    }
    s->total_tokens = s->offset[s->n];
    s->unlabelled = split->unlabelled;
    return lt_samples_measure(s, lt_samples_pad_token(tok));
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
    free(s->word_offset);
    free(s->word_label);
    free(s->word_token);
    free(s->longest);
    *s = (lt_samples){0};
}

int32_t lt_samples_pad_token(const lt_tok *tok) { return lt_tok_pad(tok) >= 0 ? lt_tok_pad(tok) : lt_tok_unk(tok); }

lt_status lt_samples_measure(lt_samples *s, int32_t pad) {
    s->pad = pad;
    LT_TRY(lt_calloc(&s->longest, (s->n + LT_PADDED_BLOCK - 1) / LT_PADDED_BLOCK, sizeof *s->longest, "lengths of blocks"));
    for (int64_t i = 0; i < s->n; i++) {
        int64_t n = s->offset[i + 1] - s->offset[i], *longest = &s->longest[i / LT_PADDED_BLOCK];
        if (n > *longest) *longest = n;
    }
    return LT_OK;
}

int64_t lt_samples_padded(const lt_samples *s, int64_t i) { return s->longest[i / LT_PADDED_BLOCK]; }

int64_t lt_samples_padded_in_order(const lt_samples *s, int64_t i, int64_t batch) {
    int64_t first = i / batch * batch, end = first + batch < s->n ? first + batch : s->n, n = 0;
    for (int64_t b = first / LT_PADDED_BLOCK; b <= (end - 1) / LT_PADDED_BLOCK; b++)
        if (s->longest[b] > n) n = s->longest[b];
    return n;
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
