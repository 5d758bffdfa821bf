/* What was proposed and what became of it; see dialogue.h. */
#include "assistant/dialogue_impl.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

void lt_dialogue_init(lt_dialogue *d, const lt_method_cfg *cfg) { *d = (lt_dialogue){.cfg = cfg, .in_use = -1}; }

void lt_dialogue_impl_drop(lt_prefix *p) {
    free(p->text);
    free(p->token);
    *p = (lt_prefix){0};
}

void lt_dialogue_free(lt_dialogue *d) {
    for (int i = 0; i < d->n; i++) lt_dialogue_impl_drop(&d->prefix[i]);
    free(d->prefix);
    lt_dialogue_init(d, d->cfg);
}

lt_status lt_dialogue_impl_push(lt_dialogue *d, char *text, int32_t *token, int n_tokens, int round) {
    if (d->n == d->cap) {
        int cap = d->cap ? 2 * d->cap : 16;
        lt_prefix *p = realloc(d->prefix, (size_t)cap * sizeof *p);
        if (!p) {
            free(text);
            free(token);
            return LT_FAIL(LT_ERR_NOMEM, "no memory for %d prefixes", cap);
        }
        d->prefix = p;
        d->cap = cap;
    }
    d->prefix[d->n++] =
        (lt_prefix){.text = text, .token = token, .n_tokens = n_tokens, .round = round, .gain = NAN, .accuracy = NAN, .loss = NAN};
    return LT_OK;
}

/* ---- what an answer is worth ---- */

const char *lt_verdict_word(lt_verdict v) {
    static const char *const word[] = {"taken", "empty", "repeated", "garbage", "left over"};
    return word[v];
}

/* Fewer letters than other characters. */
static bool is_garbage(const char *text) {
    int64_t letters = 0, others = 0;
    size_t n = strlen(text);
    for (int bytes; n; text += bytes, n -= (size_t)bytes) {
        lt_char_kind k = lt_char_kind_of(lt_char_at(text, n, &bytes));
        letters += k == LT_CHAR_LETTER;
        others += k == LT_CHAR_OTHER;
    }
    return letters < others || letters == 0;
}

/* A text as repetitions are compared: small letters, without blanks, without what is no letter or digit at its end. */
static lt_status folded(const char *text, char **out) {
    lt_text t = {0};
    size_t n = strlen(text), kept = 0;
    lt_status st = lt_text_add(&t, "", 0);
    for (int bytes; st == LT_OK && n; text += bytes, n -= (size_t)bytes) {
        int32_t c = lt_char_at(text, n, &bytes);
        lt_char_kind k = lt_char_kind_of(c);
        utf8proc_uint8_t small[4];
        if (c < 0 || k == LT_CHAR_BLANK) continue;
        st = lt_text_add(&t, (const char *)small, (size_t)utf8proc_encode_char(utf8proc_tolower(c), small));
        if (k == LT_CHAR_LETTER || utf8proc_category(c) == UTF8PROC_CATEGORY_ND) kept = t.n;
    }
    if (st == LT_OK && kept) t.p[kept] = 0;
    if (st == LT_OK) st = lt_text_take(&t, out);
    free(t.p);
    return st;
}

static lt_status is_repeated(const lt_dialogue *d, const char *text, bool *repeated) {
    char *mine = NULL;
    lt_status st = folded(text, &mine);
    *repeated = false;
    for (int i = 0; i < d->n && st == LT_OK && !*repeated; i++) {
        char *other = NULL;
        st = folded(d->prefix[i].text, &other);
        if (st == LT_OK) *repeated = !strcmp(mine, other);
        free(other);
    }
    free(mine);
    return st;
}

/* Bytes of a text up to the last blank before `end`; of one long word up to a character. */
static size_t cut_at_word(const char *text, size_t end) {
    size_t at = end;
    if (text[end] == ' ') return end;
    while (at && text[at - 1] != ' ') at--;
    while (at && text[at - 1] == ' ') at--;
    if (at) return at;
    while (end && ((unsigned char)text[end] & 0xC0) == 0x80) end--;
    return end;
}

/* Tokens of a text, which is cut at a word where they are more than may be. */
static lt_status encode(const lt_dialogue *d, const lt_tok *tok, char *text, lt_ids *ids) {
    lt_spans spans = {0};
    lt_status st = LT_OK;
    for (size_t n = strlen(text); st == LT_OK;) {
        ids->n = spans.n = 0;
        st = lt_tok_encode(tok, text, n, false, ids, &spans);
        if (st != LT_OK || ids->n <= d->cfg->max_prefix_tokens) break;
        size_t end = (size_t)spans.at[d->cfg->max_prefix_tokens].begin;
        if (end == 0) end = (size_t)spans.at[d->cfg->max_prefix_tokens - 1].end;
        n = cut_at_word(text, end < n ? end : n - 1); /* at least a byte less each time */
        text[n] = 0;
    }
    lt_spans_free(&spans);
    return st;
}

static lt_status take_one(lt_dialogue *d, const lt_tok *tok, const char *answer, lt_verdict *verdict, int *candidate) {
    char *text = NULL;
    lt_ids ids = {0};
    bool repeated;
    *candidate = -1;
    *verdict = LT_ANSWER_LEFT;
    if (d->n - d->open0 >= d->cfg->candidates) return LT_OK;
    LT_TRY(lt_prefix_repair(answer, strlen(answer), &text));
    *verdict = !text[0] ? LT_ANSWER_EMPTY : is_garbage(text) ? LT_ANSWER_GARBAGE : LT_ANSWER_TAKEN;
    lt_status st = LT_OK;
    if (*verdict == LT_ANSWER_TAKEN) {
        st = encode(d, tok, text, &ids);
        if (st == LT_OK && ids.n == 0) *verdict = LT_ANSWER_EMPTY;
        if (st == LT_ERR_FORMAT) { /* characters that the student's tokenizer has no token for */
            lt_err_clear();
            st = LT_OK;
            *verdict = LT_ANSWER_GARBAGE;
        }
    }
    if (st == LT_OK && *verdict == LT_ANSWER_TAKEN) {
        st = is_repeated(d, text, &repeated); /* as it is, not as it was */
        if (st == LT_OK && repeated) *verdict = LT_ANSWER_REPEATED;
    }
    if (st == LT_OK && *verdict == LT_ANSWER_TAKEN) {
        st = lt_dialogue_impl_push(d, text, ids.id, (int)ids.n, d->rounds);
        text = NULL;
        ids = (lt_ids){0};
        if (st == LT_OK) *candidate = d->n - 1;
    }
    free(text);
    lt_ids_free(&ids);
    return st;
}

lt_status lt_dialogue_take(lt_dialogue *d, const lt_tok *tok, const char *const *answer, int n, lt_verdict *verdict, int *candidate) {
    for (int i = 0; i < n; i++) LT_TRY(take_one(d, tok, answer[i], &verdict[i], &candidate[i]));
    return LT_OK;
}

/* One line of what tokens say: blanks and what cannot be shown as the repair has them, nothing else changed. */
static lt_status flat(const char *text, size_t n, char **out) {
    lt_text t = {0};
    lt_status st = lt_text_add(&t, "", 0);
    for (int bytes; st == LT_OK && n; text += bytes, n -= (size_t)bytes) {
        int32_t c = lt_char_at(text, n, &bytes);
        lt_char_kind k = c < 0 ? LT_CHAR_NOTHING : lt_char_kind_of(c);
        if (k == LT_CHAR_NOTHING) continue;
        bool blank = k == LT_CHAR_BLANK || k == LT_CHAR_LINE;
        if (blank && (t.n == 0 || t.p[t.n - 1] == ' ')) continue;
        st = blank ? lt_text_add(&t, " ", 1) : lt_text_add(&t, text, (size_t)bytes);
    }
    while (st == LT_OK && t.n && t.p[t.n - 1] == ' ') t.p[--t.n] = 0;
    if (st == LT_OK) st = lt_text_take(&t, out);
    free(t.p);
    return st;
}

lt_status lt_dialogue_add_tokens(lt_dialogue *d, const lt_tok *tok, const int32_t *token, int n, int *candidate) {
    char *said = NULL, *text = NULL;
    size_t bytes;
    int32_t *own = NULL;
    for (int i = 0; i < n; i++)
        LT_CHECK(token[i] >= 0 && token[i] < lt_tok_vocab_size(tok), LT_ERR_ARG, "a prefix has token %d, but the tokenizer has %lld",
                 token[i], (long long)lt_tok_vocab_size(tok));
    LT_TRY(lt_tok_decode(tok, token, n, false, &said, &bytes));
    lt_status st = flat(said, bytes, &text);
    if (st == LT_OK) st = lt_calloc(&own, n > 0 ? n : 1, sizeof *own, "a prefix");
    if (st == LT_OK) {
        if (n) memcpy(own, token, (size_t)n * sizeof *own);
        st = lt_dialogue_impl_push(d, text, own, n, d->rounds);
        text = NULL;
        own = NULL;
    }
    if (st == LT_OK) *candidate = d->n - 1;
    free(said);
    free(text);
    free(own);
    return st;
}

/* ---- rounds ---- */

/* a did better than b in their round.  What was measured on more sentences was better when the others were left, whose few sentences flatter. */
static bool better(const lt_prefix *a, const lt_prefix *b) {
    if (isnan(a->gain) || isnan(b->gain)) return !isnan(a->gain) && isnan(b->gain);
    return a->probed != b->probed ? a->probed > b->probed : a->gain > b->gain;
}

/* Places among the measured candidates and the prefix in use, whose gain is 0 on whatever it was measured; equals share one. */
static void place(lt_dialogue *d) {
    int uses = d->in_use >= 0, of = uses;
    for (int i = d->open0; i < d->n; i++) of += !isnan(d->prefix[i].gain);
    for (int i = d->open0; i < d->n; i++) {
        lt_prefix *p = &d->prefix[i];
        p->rank = p->of = 0;
        if (isnan(p->gain)) continue;
        p->of = of;
        p->rank = 1 + (uses && p->gain < 0);
        for (int k = d->open0; k < d->n; k++) p->rank += better(&d->prefix[k], p);
    }
}

void lt_dialogue_close_round(lt_dialogue *d, bool *changed) {
    int best = -1;
    bool measured = false;
    place(d);
    for (int i = d->open0; i < d->n; i++) {
        measured = measured || !isnan(d->prefix[i].gain);
        if (d->in_use < 0) continue;
        d->prefix[i].base = lt_prefix_gain(&d->prefix[d->in_use]);
        d->prefix[i].base_accuracy = lt_prefix_accuracy(&d->prefix[d->in_use]);
    }
    for (int i = d->open0; i < d->n; i++)
        if (best < 0 || better(&d->prefix[i], &d->prefix[best])) best = i;
    if (best >= 0 && !(d->prefix[best].gain > 0)) best = -1;
    if (best < 0 && d->in_use < 0 && d->n > d->open0 && !measured) best = d->open0;
    *changed = best >= 0;
    if (best >= 0) d->in_use = best;
    d->stale = *changed ? 0 : d->stale + measured; /* a round in which nothing came to be measured says nothing */
    d->rounds++;
    d->open0 = d->n;
}

void lt_dialogue_abandon_round(lt_dialogue *d) {
    while (d->n > d->open0) lt_dialogue_impl_drop(&d->prefix[--d->n]);
}

bool lt_dialogue_ended(const lt_dialogue *d) {
    const lt_method_cfg *c = d->cfg;
    if (c->control == LT_CONTROL_NO_PREFIX || d->rounds >= c->rounds) return true;
    if ((c->control == LT_CONTROL_RANDOM || c->control == LT_CONTROL_FIRST) && d->in_use >= 0) return true;
    return c->patience > 0 && d->stale >= c->patience;
}
