/* The vocabulary files of llama2.c: sentencepiece-style BPE by scores with byte fallback.
 *
 *   file      int32 longest token in bytes, then for every token: f32 score, int32 bytes, the bytes
 *   ids       0 <unk>, 1 <s>, 2 </s>, 3..258 single bytes, then learned pieces
 *   encoding  a space in front, every character its own token (or its bytes), then the pair whose joint token scores best is merged until none is left,
 *             of several with one score the leftmost
 *
 * So it is a BPE whose merges share a rank where they share a score, behind a normaliser that puts the space there. */
#include "text/open_impl.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNK = 0, BOS = 1, EOS = 2, FIRST_BYTE = 3, LONGEST = 1024 };

static lt_status read_file(const char *path, lt_vocab *v, float **scores) {
    lt_status st = LT_OK;
    int32_t longest, bytes;
    float score;
    char text[LONGEST], name[8];
    int64_t id = 0, cap = 0;
    FILE *f = fopen(path, "rb");
    LT_CHECK(f, LT_ERR_IO, "cannot open %s: %m", path);
    LT_CHECK_GOTO(fread(&longest, sizeof longest, 1, f) == 1 && longest > 0 && longest < (int32_t)sizeof text, st, done, LT_ERR_FORMAT,
                  "%s is not a llama2.c vocabulary: its first number is not a token length", path);
    for (size_t got; (got = fread(&score, 1, sizeof score, f)) > 0; id++) {
        LT_CHECK_GOTO(got == sizeof score && fread(&bytes, sizeof bytes, 1, f) == 1 && bytes >= 0 && bytes <= longest &&
                          fread(text, 1, (size_t)bytes, f) == (size_t)bytes,
                      st, done, LT_ERR_FORMAT, "%s: token %lld is cut short or longer than %d bytes", path, (long long)id, longest);
        if (id == cap) {
            cap = cap ? 2 * cap : 1024;
            float *grown = realloc(*scores, (size_t)cap * sizeof *grown);
            LT_CHECK_GOTO(grown, st, done, LT_ERR_NOMEM, "no memory for a vocabulary");
            *scores = grown;
        }
        LT_CHECK_GOTO(!isnan(score), st, done, LT_ERR_FORMAT, "%s: the score of token %lld is no number", path, (long long)id);
        (*scores)[id] = score;
        LT_CHECK_GOTO(!memchr(text, 0, (size_t)bytes), st, done, LT_ERR_FORMAT, "%s: token %lld holds a zero byte", path, (long long)id);
        (void)snprintf(name, sizeof name, "<0x%02X>", (unsigned)(id - FIRST_BYTE) & 0xFF);
        LT_CHECK_GOTO(id < FIRST_BYTE || id >= FIRST_BYTE + 256 || (bytes == 6 && !memcmp(text, name, 6)), st, done, LT_ERR_FORMAT,
                      "%s: token %lld is \"%.*s\", expected the byte %s", path, (long long)id, bytes, text, name);
        LT_TRY_GOTO(lt_vocab_put(v, id, text, (size_t)bytes), st, done);
    }
    LT_CHECK_GOTO(id > FIRST_BYTE + 256, st, done, LT_ERR_FORMAT, "%s holds %lld tokens; a llama2.c vocabulary has more than 259", path,
                  (long long)id);
done:
    fclose(f);
    return st;
}

/* The score of the token that a merge makes. */
static float joint_score(const lt_vocab *v, const float *score, lt_merge m) {
    char joint[2 * LONGEST];
    size_t left = 0, right = 0;
    const char *s = lt_vocab_text(v, m.left, &left), *t = lt_vocab_text(v, m.right, &right);
    memcpy(joint, s, left);
    memcpy(joint + left, t, right);
    return score[lt_vocab_find(v, joint, left + right)];
}

static lt_status make_model(lt_vocab *v, const float *score, const char *path, lt_tok_model **model) {
    lt_merge *merge = NULL;
    int32_t *rank = NULL;
    int64_t n = 0;
    lt_status st = LT_OK;
    LT_TRY(lt_vocab_index(v));
    LT_TRY_GOTO(lt_tok_impl_merges_of_scores(v, score, &merge, &n), st, done);
    LT_TRY_GOTO(lt_calloc(&rank, n + 1, sizeof *rank, "merges"), st, done);
    float before = NAN; /* merges come best first */
    for (int64_t i = 0; i < n; i++) {
        float here = joint_score(v, score, merge[i]);
        rank[i] = i == 0 ? 0 : rank[i - 1] + (here < before);
        before = here;
    }
    st = lt_tok_impl_bpe_create(v, merge, n, &(lt_bpe_options){.byte_fallback = true, .rank = rank}, path, model);
done:
    free(merge);
    free(rank);
    return st;
}

static const char description[] =
    "{\"normalizer\": {\"type\": \"Prepend\", \"prepend\": \" \"},"
    " \"decoder\": {\"type\": \"Sequence\", \"decoders\": ["
    "   {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]},"
    " \"post_processor\": {\"type\": \"TemplateProcessing\","
    "   \"single\": [{\"SpecialToken\": {\"id\": \"bos\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}],"
    "   \"pair\": [{\"SpecialToken\": {\"id\": \"bos\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}},"
    "              {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}],"
    "   \"special_tokens\": {\"bos\": {\"id\": \"bos\", \"ids\": [1], \"tokens\": [\"bos\"]}}}}";

static lt_status describe(const lt_tok_model *m, json_t **about) {
    *about = json_loads(description, 0, NULL);
    LT_CHECK(*about, LT_ERR_NOMEM, "no memory for a tokenizer");
    if (lt_vocab_find(&m->vocab, " ", 1) < 0) json_object_del(*about, "normalizer");
    return LT_OK;
}

/* The ends of a text are special, but no text is taken for one of them: they are in the table of added tokens, and not in what is looked for. */
static lt_status mark_specials(lt_tok_tables *t) {
    LT_TRY(lt_calloc(&t->added, 2, sizeof *t->added, "added tokens"));
    for (int i = 0; i < 2; i++) {
        t->added[i] = (lt_added){.id = i ? EOS : BOS, .special = true};
        t->n_added = i + 1;
        LT_TRY(lt_strdup(&t->added[i].text, lt_vocab_text(&t->model->vocab, t->added[i].id, NULL)));
    }
    t->bos = BOS;
    t->eos = EOS;
    t->unk = UNK;
    t->cls = t->sep = t->pad = t->mask = -1;
    free(t->kind_name);
    t->kind_name = NULL;
    return lt_strdup(&t->kind_name, "llama2c");
}

lt_status lt_tok_impl_open_llama2c(const char *path, lt_tok_tables **t) {
    lt_vocab v = {0};
    float *score = NULL;
    lt_tok_model *model = NULL;
    json_t *about = NULL;
    lt_status st = LT_OK;
    LT_TRY_GOTO(read_file(path, &v, &score), st, done);
    LT_TRY_GOTO(make_model(&v, score, path, &model), st, done);
    LT_TRY_GOTO(describe(model, &about), st, done);
    LT_TRY_GOTO(lt_tok_impl_build(about, &model, NULL, path, t), st, done);
    st = mark_specials(*t);
    if (st != LT_OK) {
        lt_tok_impl_tables_free(*t);
        *t = NULL;
    }
done:
    if (model) model->kind->close(model);
    lt_vocab_free(&v);
    free(score);
    json_decref(about);
    return st;
}
