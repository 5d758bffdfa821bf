/* Label texts as token sequences of one length (L-Tuning, section 2): words without specials, padded with "." to the longest, then wrapped in the
 * encoder's specials.  Decoders take the words alone. */
#include "tuner/tuner.h"

#include <stdlib.h>
#include <string.h>

/* The word to use for label k: the method's override or the data set's. */
static const char *word_of(const lt_method_cfg *cfg, const char *name, const char *word) {
    for (int i = 0; i < cfg->n_labels; i++)
        if (!strcmp(cfg->label_name[i], name)) return cfg->label_word[i];
    return word && *word ? word : name;
}

static lt_status check_overrides(int K, char *const *name, const lt_method_cfg *cfg) {
    for (int i = 0; i < cfg->n_labels; i++) {
        bool known = false;
        for (int k = 0; k < K; k++) known |= !strcmp(cfg->label_name[i], name[k]);
        char list[512] = "";
        for (int k = 0; !known && k < K; k++) {
            size_t at = strlen(list);
            (void)snprintf(list + at, sizeof list - at, "%s%s", k ? ", " : "", name[k]);
        }
        LT_CHECK(known, LT_ERR_CONFIG, "method.labels: the data set has no label \"%s\"; its labels: %s", cfg->label_name[i], list);
    }
    return LT_OK;
}

lt_status lt_labels_create(int K, char *const *name, char *const *word, const lt_method_cfg *cfg, lt_tok *tok, bool encoder,
                           lt_labels *out) {
    lt_status st = LT_OK;
    lt_ids *ids = NULL, dot = {0};
    int longest = 0, wrap = encoder && lt_tok_cls(tok) >= 0 ? 1 : 0;
    *out = (lt_labels){.K = K};
    LT_TRY(check_overrides(K, name, cfg));
    LT_TRY_GOTO(lt_calloc(&ids, K, sizeof *ids, "labels"), st, done);
    LT_TRY_GOTO(lt_calloc(&out->name, K, sizeof *out->name, "labels"), st, done);
    LT_TRY_GOTO(lt_calloc(&out->word, K, sizeof *out->word, "labels"), st, done);
    for (int k = 0; k < K; k++) {
        LT_TRY_GOTO(lt_strdup(&out->name[k], name[k]), st, done);
        LT_TRY_GOTO(lt_strdup(&out->word[k], word_of(cfg, name[k], word ? word[k] : NULL)), st, done);
    }
    if (!lt_method_of(cfg)->pairs) goto done;
    for (int k = 0; k < K; k++) {
        LT_TRY_GOTO(lt_tok_encode(tok, out->word[k], strlen(out->word[k]), false, &ids[k], NULL), st, done);
        LT_CHECK_GOTO(ids[k].n > 0, st, done, LT_ERR_CONFIG, "the words of label \"%s\" (\"%s\") give no tokens: set method.labels",
                      name[k], out->word[k]);
        if (ids[k].n > longest) longest = (int)ids[k].n;
    }
    LT_TRY_GOTO(lt_tok_encode(tok, ".", 1, false, &dot, NULL), st, done);
    LT_CHECK_GOTO(dot.n > 0, st, done, LT_ERR_CONFIG, "this tokenizer gives no token for \".\", which pads labels to one length");
    out->P = longest + 2 * wrap;
    LT_TRY_GOTO(lt_calloc(&out->tokens, (int64_t)K * out->P, sizeof *out->tokens, "labels"), st, done);
    for (int k = 0; k < K; k++) {
        int32_t *to = out->tokens + (int64_t)k * out->P;
        if (wrap) *to++ = lt_tok_cls(tok);
        for (int j = 0; j < longest; j++) *to++ = j < (int)ids[k].n ? ids[k].id[j] : dot.id[dot.n - 1];
        if (wrap) *to = lt_tok_sep(tok);
    }
done:
    for (int k = 0; ids && k < K; k++) lt_ids_free(&ids[k]);
    lt_ids_free(&dot);
    free(ids);
    if (st != LT_OK) lt_labels_destroy(out);
    return st;
}

void lt_labels_destroy(lt_labels *l) {
    for (int k = 0; l->name && l->word && k < l->K; k++) {
        free(l->name[k]);
        free(l->word[k]);
    }
    free(l->name);
    free(l->word);
    free(l->tokens);
    *l = (lt_labels){0};
}
