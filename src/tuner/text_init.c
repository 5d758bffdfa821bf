/* Token sequences that initialise prompts and prefixes: a given text, or a sample of the vocabulary. */
#include "tuner/tuner_impl.h"

#include "base/fault.h"
#include "base/rng.h"

#include <string.h>

int32_t lt_tuner_random_word(const lt_tuner *t, const lt_tok *tok, const lt_rng *rng, uint64_t place) {
    int32_t id;
    uint32_t attempt = 0;
    do {
        id = (int32_t)lt_rng_below(rng, (uint64_t)t->arch->V, place, attempt++);
    } while (attempt < 64 && (id == lt_tok_pad(tok) || id == lt_tok_cls(tok) || id == lt_tok_sep(tok) || id == lt_tok_mask(tok)));
    return id;
}

lt_status lt_tuner_impl_init_tokens(const lt_tuner *t, lt_tok *tok, int32_t *out) {
    const lt_method_cfg *cfg = t->cfg;
    LT_TRY(LT_FAULT_POINT("tuner.tokens"));
    if (t->init == LT_INIT_TEXT) {
        lt_ids ids = {0};
        lt_status st = LT_OK;
        LT_CHECK(cfg->text && *cfg->text, LT_ERR_CONFIG, "method.init: text needs method.text, the text to start from");
        LT_TRY_GOTO(lt_tok_encode(tok, cfg->text, strlen(cfg->text), false, &ids, NULL), st, done);
        LT_CHECK_GOTO(ids.n > 0, st, done, LT_ERR_CONFIG, "method.text \"%s\" gives no tokens", cfg->text);
        for (int i = 0; i < t->P; i++) out[i] = ids.id[i % ids.n]; /* a short text is repeated, as in PEFT */
    done:
        lt_ids_free(&ids);
        return st;
    }
    lt_rng rng = {.seed = t->seed, .purpose = LT_RNG_INIT, .a = LT_TUNER_MAX_PARAMS};
    for (int i = 0; i < t->P; i++) out[i] = lt_tuner_random_word(t, tok, &rng, (uint64_t)i);
    return LT_OK;
}
