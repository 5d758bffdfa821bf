/* WordPiece (Devlin et al. 2019): a word is covered greedily by the longest token that fits, continuations being tokens behind a prefix ("##"); a word that
 * cannot be covered, or that has too many characters, is the unknown token.
 *
 * Tokens lie in one trie; continuations are those below the node of the prefix. */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

typedef struct wordpiece {
    lt_tok_model head;
    lt_trie trie;
    int32_t inside; /* node of the prefix; -1: no token continues a word */
    int64_t max_word_chars;
} wordpiece;

static lt_status encode(const lt_tok_model *m, lt_tok_work *w, const char *word, int64_t bytes, lt_tokens *out) {
    const wordpiece *p = (const wordpiece *)m;
    int64_t chars = 0, first = out->n;
    for (int64_t i = 0; i < bytes; i++) chars += ((unsigned char)word[i] & 0xC0) != 0x80;
    if (chars > p->max_word_chars) return lt_tokens_push(out, m->unk, 0, bytes);
    for (int64_t from = 0; from < bytes;) {
        int32_t node = from ? p->inside : 0, id = -1;
        int64_t to = from;
        for (int64_t i = from; i < bytes && node >= 0 && (node = lt_trie_step(&p->trie, node, (unsigned char)word[i])) >= 0; i++)
            if (p->trie.value[node] >= 0) {
                id = p->trie.value[node];
                to = i + 1;
            }
        if (id < 0) {
            out->n = first;
            return lt_tokens_push(out, m->unk, 0, bytes);
        }
        LT_TRY(lt_tokens_push(out, id, from, to));
        from = to;
    }
    return LT_OK;
}

static void destroy(lt_tok_model *m) {
    wordpiece *p = (wordpiece *)m;
    lt_vocab_free(&m->vocab);
    lt_trie_free(&p->trie);
    free(p);
}

static const lt_tok_model_kind kind = {.name = "WordPiece", .encode = encode, .close = destroy};

static lt_status fill(wordpiece *p, const char *unk_token, const char *prefix, int64_t max_word_chars, const char *where) {
    lt_vocab *v = &p->head.vocab;
    LT_TRY(lt_vocab_index(v));
    p->head.unk = lt_vocab_find(v, unk_token, strlen(unk_token));
    LT_CHECK(p->head.unk >= 0, LT_ERR_FORMAT, "%s: the vocabulary lacks the unknown token \"%.60s\"", where, unk_token);
    LT_CHECK(max_word_chars > 0, LT_ERR_FORMAT, "%s: max_input_chars_per_word is %lld, expected a number above 0", where,
             (long long)max_word_chars);
    p->max_word_chars = max_word_chars;
    for (int64_t id = 0; id < v->n; id++) {
        size_t bytes = 0;
        const char *text = lt_vocab_text(v, id, &bytes);
        if (text) LT_TRY(lt_trie_put(&p->trie, text, bytes, (int32_t)id, true));
    }
    for (const char *s = prefix; *s && p->inside >= 0; s++) p->inside = lt_trie_step(&p->trie, p->inside, (unsigned char)*s);
    return LT_OK;
}

lt_status lt_tok_impl_wordpiece_create(lt_vocab *v, const char *unk_token, const char *prefix, int64_t max_word_chars, const char *where,
                                       lt_tok_model **m) {
    wordpiece *p = NULL;
    lt_status st = lt_calloc(&p, 1, sizeof *p, "a tokenizer");
    if (st != LT_OK) {
        lt_vocab_free(v);
        return st;
    }
    p->head = (lt_tok_model){.kind = &kind, .vocab = *v, .unk = -1};
    *v = (lt_vocab){0};
    st = fill(p, unk_token, prefix ? prefix : "", max_word_chars, where);
    if (st != LT_OK)
        destroy(&p->head);
    else
        *m = &p->head;
    return st;
}
