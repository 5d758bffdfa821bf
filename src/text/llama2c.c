/* The vocabulary files of llama2.c: sentencepiece-style BPE by scores with byte fallback.
 *
 *   file      int32 longest token in bytes, then for every token: f32 score, int32 bytes, the bytes
 *   ids       0 <unk>, 1 <s>, 2 </s>, 3..258 single bytes, then learned pieces
 *   encoding  a space in front, every character its own token (or its bytes), then the pair whose joint token scores best is merged until none is left */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNK = 0, BOS = 1, EOS = 2, FIRST_BYTE = 3, LONGEST = 1024 };

lt_status lt_tok_impl_open_llama2c(lt_tok *t, const char *path) {
    lt_status st = LT_OK;
    int32_t longest, bytes;
    float score;
    char text[LONGEST];
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
            float *grown = realloc(t->score, (size_t)cap * sizeof *grown);
            LT_CHECK_GOTO(grown, st, done, LT_ERR_NOMEM, "no memory for a vocabulary");
            t->score = grown;
        }
        t->score[id] = score;
        LT_CHECK_GOTO(!memchr(text, 0, (size_t)bytes), st, done, LT_ERR_FORMAT, "%s: token %lld holds a zero byte", path, (long long)id);
        LT_TRY_GOTO(lt_vocab_put(&t->vocab, id, text, (size_t)bytes), st, done);
    }
    LT_CHECK_GOTO(id > FIRST_BYTE + 256, st, done, LT_ERR_FORMAT, "%s holds %lld tokens; a llama2.c vocabulary has more than 259", path,
                  (long long)id);
    t->kind = &lt_tok_impl_llama2c;
    t->bos = t->before = BOS;
    t->eos = EOS;
    t->unk = UNK;
done:
    fclose(f);
    return st;
}

/* Bytes of the UTF-8 character at s; the text was checked. */
static size_t char_bytes(const char *s) {
    unsigned char c = (unsigned char)*s;
    return c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
}

/* Id of the token that two neighbours make, -1 if there is none. */
static int32_t join(const lt_tok *t, int32_t a, int32_t b) {
    char joined[2 * LONGEST];
    size_t n = strlen(t->vocab.token[a]), m = strlen(t->vocab.token[b]);
    memcpy(joined, t->vocab.token[a], n);
    memcpy(joined + n, t->vocab.token[b], m);
    return lt_vocab_find(&t->vocab, joined, n + m);
}

static lt_status merge(const lt_tok *t, lt_ids *ids, int64_t first) {
    int32_t *id = ids->id + first, *pair = NULL; /* pair [n - 1]: what id[i] and id[i + 1] make */
    int64_t n = ids->n - first;
    LT_TRY(lt_calloc(&pair, n + 1, sizeof *pair, "a text"));
    for (int64_t i = 0; i + 1 < n; i++) pair[i] = join(t, id[i], id[i + 1]);
    for (;;) {
        int64_t best = -1;
        for (int64_t i = 0; i + 1 < n; i++)
            if (pair[i] >= 0 && (best < 0 || t->score[pair[i]] > t->score[pair[best]])) best = i;
        if (best < 0) break;
        id[best] = pair[best];
        n--;
        memmove(id + best + 1, id + best + 2, (size_t)(n - best - 1) * sizeof *id);
        if (best + 1 < n) {
            memmove(pair + best, pair + best + 1, (size_t)(n - best - 1) * sizeof *pair);
            pair[best] = join(t, id[best], id[best + 1]);
        }
        if (best > 0) pair[best - 1] = join(t, id[best - 1], id[best]);
    }
    free(pair);
    ids->n = first + n;
    return LT_OK;
}

static lt_status encode(const lt_tok *t, const char *text, size_t bytes, lt_ids *ids) {
    int64_t first = ids->n;
    if (bytes == 0) return LT_OK;
    int32_t space = lt_vocab_find(&t->vocab, " ", 1);
    if (space >= 0) LT_TRY(lt_ids_push(ids, space));
    for (size_t at = 0, n; at < bytes; at += n) {
        n = char_bytes(text + at);
        int32_t id = lt_vocab_find(&t->vocab, text + at, n);
        if (id >= 0) {
            LT_TRY(lt_ids_push(ids, id));
            continue;
        }
        for (size_t i = 0; i < n; i++) LT_TRY(lt_ids_push(ids, FIRST_BYTE + (unsigned char)text[at + i]));
    }
    return merge(t, ids, first);
}

static void decode(const lt_tok *t, const int32_t *id, int64_t n, void *file) {
    for (int64_t i = 0; i < n; i++) {
        const char *s = t->vocab.token[id[i]];
        unsigned byte;
        if (id[i] >= FIRST_BYTE && id[i] < FIRST_BYTE + 256 && sscanf(s, "<0x%02X>", &byte) == 1)
            fputc((int)byte, file);
        else
            fputs(i == 0 && *s == ' ' ? s + 1 : s, file); /* the space that encoding put in front */
    }
}

const lt_tok_kind lt_tok_impl_llama2c = {.name = "llama2c", .encode = encode, .decode = decode};
