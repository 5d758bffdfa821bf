/* A dialogue as JSON text; see dialogue.h.
 *
 *     {"version": 1, "in_use": 3, "rounds": 2, "stale": 0, "prefixes": [{"text": "...", "tokens": [1, 2], "round": 0, "gain": 0.125, "accuracy": null,
 *      "loss": 0.5, "rank": 1, "of": 9, "probed": 256, "base": 0.0, "base_accuracy": 0.0}, ...]}
 *
 * 17 digits bring a number's bits back; null is NaN, and "inf" and "-inf" are words because JSON has no infinity. */
#include "assistant/dialogue_impl.h"

#include "base/mem.h"
#include "store/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, MOST_TOKENS = 1 << 20 };

static json_t *number(double x) {
    if (isnan(x)) return json_null();
    return isinf(x) ? json_string(x < 0 ? "-inf" : "inf") : json_real(x);
}

static json_t *prefix_json(const lt_prefix *p) {
    json_t *tokens = json_array();
    for (int i = 0; i < p->n_tokens; i++) (void)json_array_append_new(tokens, json_integer(p->token[i]));
    return json_pack("{s:s, s:o, s:i, s:o, s:o, s:o, s:i, s:i, s:I, s:o, s:o}", "text", p->text, "tokens", tokens, "round", p->round,
                     "gain", number(p->gain), "accuracy", number(p->accuracy), "loss", number(p->loss), "rank", p->rank, "of", p->of,
                     "probed", (json_int_t)p->probed, "base", number(p->base), "base_accuracy", number(p->base_accuracy));
}

lt_status lt_dialogue_write(const lt_dialogue *d, char **text) {
    LT_ASSERT(d->open0 == d->n);
    json_t *list = json_array();
    for (int i = 0; i < d->n; i++) (void)json_array_append_new(list, prefix_json(&d->prefix[i]));
    bool whole = json_array_size(list) == (size_t)d->n;
    json_t *o = json_pack("{s:i, s:i, s:i, s:i, s:o}", "version", VERSION, "in_use", d->in_use, "rounds", d->rounds, "stale", d->stale,
                          "prefixes", list);
    *text = o && whole ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(o);
    LT_CHECK(*text, LT_ERR_NOMEM, "no memory for the state of a dialogue");
    return LT_OK;
}

/* ---- reading ---- */

static lt_status read_int(const json_t *o, const char *key, int64_t low, int64_t high, int64_t *x) {
    const json_t *v = json_object_get(o, key);
    LT_CHECK(json_is_integer(v) && json_integer_value(v) >= low && json_integer_value(v) <= high, LT_ERR_FORMAT,
             "a dialogue's state is damaged: \"%s\" should be a whole number from %lld to %lld", key, (long long)low, (long long)high);
    *x = json_integer_value(v);
    return LT_OK;
}

static lt_status read_number(const json_t *o, const char *key, double *x) {
    const json_t *v = json_object_get(o, key);
    const char *word = json_string_value(v);
    bool infinite = word && (!strcmp(word, "inf") || !strcmp(word, "-inf"));
    LT_CHECK(json_is_number(v) || json_is_null(v) || infinite, LT_ERR_FORMAT, "a dialogue's state is damaged: \"%s\" is not a number", key);
    *x = json_is_null(v) ? NAN : infinite ? (word[0] == '-' ? -INFINITY : INFINITY) : json_number_value(v);
    return LT_OK;
}

static lt_status read_prefix(lt_dialogue *d, int64_t vocab, const json_t *o) {
    const char *text = json_string_value(json_object_get(o, "text"));
    const json_t *tokens = json_object_get(o, "tokens");
    int64_t n = (int64_t)json_array_size(tokens), round = 0, rank = 0, of = 0;
    char *own_text = NULL;
    int32_t *own = NULL;
    lt_prefix p = {0};
    LT_CHECK(text && json_is_array(tokens) && n <= MOST_TOKENS, LT_ERR_FORMAT,
             "a dialogue's state is damaged: a prefix lacks its text or tokens");
    for (const char *c = text; *c; c++)
        LT_CHECK((unsigned char)*c >= ' ', LT_ERR_FORMAT, "a dialogue's state is damaged: a prefix of several lines");
    LT_TRY(read_int(o, "round", 0, INT32_MAX, &round));
    LT_TRY(read_int(o, "rank", 0, INT32_MAX, &rank));
    LT_TRY(read_int(o, "of", rank, INT32_MAX, &of));
    LT_TRY(read_int(o, "probed", 0, INT64_MAX, &p.probed));
    LT_TRY(read_number(o, "gain", &p.gain));
    LT_TRY(read_number(o, "accuracy", &p.accuracy));
    LT_TRY(read_number(o, "loss", &p.loss));
    LT_TRY(read_number(o, "base", &p.base));
    LT_TRY(read_number(o, "base_accuracy", &p.base_accuracy));
    for (int64_t i = 0; i < n; i++) {
        const json_t *t = json_array_get(tokens, (size_t)i);
        LT_CHECK(json_is_integer(t) && json_integer_value(t) >= 0 && json_integer_value(t) < vocab, LT_ERR_FORMAT,
                 "a dialogue's state has a token outside the student's vocabulary of %lld: is it of another model?", (long long)vocab);
    }
    LT_TRY(lt_strdup(&own_text, text));
    lt_status st = lt_calloc(&own, n > 0 ? n : 1, sizeof *own, "a prefix");
    if (st != LT_OK) {
        free(own_text);
        return st;
    }
    for (int64_t i = 0; i < n; i++) own[i] = (int32_t)json_integer_value(json_array_get(tokens, (size_t)i));
    LT_TRY(lt_dialogue_impl_push(d, own_text, own, (int)n, (int)round));
    lt_prefix *to = &d->prefix[d->n - 1];
    to->gain = p.gain;
    to->accuracy = p.accuracy;
    to->loss = p.loss;
    to->base = p.base;
    to->base_accuracy = p.base_accuracy;
    to->probed = p.probed;
    to->rank = (int)rank;
    to->of = (int)of;
    return LT_OK;
}

static lt_status read_all(lt_dialogue *d, const lt_tok *tok, const json_t *o) {
    const json_t *list = json_object_get(o, "prefixes");
    int64_t version = 0, in_use = -1, rounds = 0, stale = 0;
    LT_TRY(read_int(o, "version", 1, INT32_MAX, &version));
    LT_CHECK(version == VERSION, LT_ERR_FORMAT, "a dialogue's state is of version %lld; this program reads version %d", (long long)version,
             VERSION);
    LT_CHECK(json_is_array(list) && json_array_size(list) < INT32_MAX, LT_ERR_FORMAT, "a dialogue's state is damaged: it has no prefixes");
    LT_TRY(read_int(o, "rounds", 0, INT32_MAX - 1, &rounds));
    LT_TRY(read_int(o, "stale", 0, INT32_MAX, &stale));
    LT_TRY(read_int(o, "in_use", -1, (int64_t)json_array_size(list) - 1, &in_use));
    d->rounds = (int)rounds;
    d->stale = (int)stale;
    for (size_t i = 0; i < json_array_size(list); i++) LT_TRY(read_prefix(d, lt_tok_vocab_size(tok), json_array_get(list, i)));
    d->in_use = (int)in_use;
    d->open0 = d->n;
    return LT_OK;
}

lt_status lt_dialogue_read(lt_dialogue *d, const lt_tok *tok, const char *text) {
    json_error_t where;
    lt_dialogue fresh;
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    LT_CHECK(o, LT_ERR_FORMAT, "a dialogue's state is damaged: %s", where.text);
    lt_dialogue_init(&fresh, d->cfg);
    lt_status st = read_all(&fresh, tok, o);
    json_decref(o);
    if (st != LT_OK) {
        lt_dialogue_free(&fresh);
        return st;
    }
    lt_dialogue_free(d);
    *d = fresh;
    return LT_OK;
}
