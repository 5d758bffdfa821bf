/* Byte-pair encoding: a word starts as its characters, and the two neighbours whose merge ranks first (of several the leftmost) become one token,
 * until no two neighbours have a merge.
 *
 * Two loops give the same result: short words keep the ranks of their pairs in an array and look for the least, long ones in a heap, so that a text
 * of a million characters costs no more, for its length, than a short one.
 *
 * Tokenizers without a pre-tokeniser (Llama's) hand over whole texts.  part() cuts them where no merge can ever join: at a blank ('▁' or ' ') behind
 * a character that ends the left side of no merge whose right side begins with that blank.  Words are then as short, and as well cached, as with a
 * pre-tokeniser. */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NO_RANK = INT32_MAX, SHORT = 48, DIRECT = 0x800, MAX_JOINTS = 64 };

typedef struct rule {
    uint64_t pair; /* left << 32 | right, + 1; 0 = empty */
    int32_t rank, joined;
} rule;

/* Where a text may not be cut in front of a blank: characters that end the left side of a merge over that place. */
typedef struct seam {
    char blank[4];
    int bytes, n;
    bool open; /* texts may be cut here */
    int32_t joint[MAX_JOINTS];
} seam;

typedef struct bpe {
    lt_tok_model head;
    rule *rule;
    uint64_t mask;
    char *prefix, *suffix; /* "" = none */
    char *lacking;         /* an unknown token that the vocabulary lacks; NULL: it has it, or there is none */
    bool fuse_unk, byte_fallback, ignore_merges;
    int32_t byte[256];      /* tokens <0x00> to <0xFF>, -1 = none */
    int32_t direct[DIRECT]; /* ids of single characters, -1 = none */
    seam seam[2];
} bpe;

static const rule *find_rule(const bpe *b, int32_t left, int32_t right) {
    uint64_t pair = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1;
    for (uint64_t at = lt_trie_hash(pair) & b->mask; b->rule[at].pair; at = (at + 1) & b->mask)
        if (b->rule[at].pair == pair) return &b->rule[at];
    return NULL;
}

/* --- characters ------------------------------------------------------------------------------------------------------------------------ */

/* The id of one character of a word, with the marks of a beginning or an end where there are such. */
static int32_t char_id(const bpe *b, const char *s, int n, int32_t c, bool first, bool last) {
    char marked[256];
    bool with_prefix = !first && *b->prefix, with_suffix = last && *b->suffix;
    if (!with_prefix && !with_suffix) return c < DIRECT ? b->direct[c] : lt_vocab_find(&b->head.vocab, s, (size_t)n);
    size_t k = with_prefix ? strlen(b->prefix) : 0, end = with_suffix ? strlen(b->suffix) : 0;
    memcpy(marked, b->prefix, k);
    memcpy(marked + k, s, (size_t)n);
    memcpy(marked + k + n, b->suffix, end);
    return lt_vocab_find(&b->head.vocab, marked, k + (size_t)n + end);
}

/* The word as tokens of single characters; what is unknown as bytes, as one token, or as nothing. */
static lt_status start(const bpe *b, const char *word, int64_t bytes, lt_tokens *out) {
    int64_t unknown = -1, unknown_end = 0; /* characters that wait to be written as one unknown token */
    int32_t unk = b->head.unk;
    for (int64_t at = 0; at < bytes;) {
        int32_t c;
        int n = lt_tok_impl_char(word + at, &c);
        int32_t id = char_id(b, word + at, n, c, at == 0, at + n == bytes);
        int64_t from = at;
        at += n;
        if (id >= 0) {
            if (unknown >= 0) LT_TRY(lt_tokens_push(out, unk, unknown, unknown_end));
            unknown = -1;
            LT_TRY(lt_tokens_push(out, id, from, at));
            continue;
        }
        bool all = b->byte_fallback;
        for (int i = 0; all && i < n; i++) all = b->byte[(unsigned char)word[from + i]] >= 0;
        if (all) { /* (the unknown ones before it, if any, come after it: so it is in Hugging Face's) */
            for (int i = 0; i < n; i++) LT_TRY(lt_tokens_push(out, b->byte[(unsigned char)word[from + i]], from + i, from + i + 1));
            continue;
        }
        LT_CHECK(!b->lacking, LT_ERR_FORMAT,
                 "the text holds \"%.*s\", which is in no token, and the vocabulary lacks the unknown token \"%.60s\"", n, word + from,
                 b->lacking);
        if (unk < 0) continue;
        if (unknown >= 0 && !b->fuse_unk) LT_TRY(lt_tokens_push(out, unk, unknown, unknown_end));
        if (unknown < 0 || !b->fuse_unk) unknown = from;
        unknown_end = at;
    }
    return unknown >= 0 ? lt_tokens_push(out, unk, unknown, unknown_end) : LT_OK;
}

/* --- merging --------------------------------------------------------------------------------------------------------------------------- */

static int64_t merge_short(const bpe *b, lt_token *t, int64_t n) {
    int32_t rank[SHORT], joined[SHORT];
    for (int64_t i = 0; i + 1 < n; i++) {
        const rule *r = find_rule(b, t[i].id, t[i + 1].id);
        rank[i] = r ? r->rank : NO_RANK;
        joined[i] = r ? r->joined : 0;
    }
    while (n > 1) {
        int64_t best = 0;
        for (int64_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best]) best = i;
        if (rank[best] == NO_RANK) break;
        t[best].id = joined[best];
        t[best].end = t[best + 1].end;
        n--;
        for (int64_t i = best + 1; i < n; i++) t[i] = t[i + 1];
        for (int64_t i = best + 1; i + 1 < n; i++) {
            rank[i] = rank[i + 1];
            joined[i] = joined[i + 1];
        }
        for (int64_t i = best > 0 ? best - 1 : best; i <= best && i + 1 < n; i++) {
            const rule *r = find_rule(b, t[i].id, t[i + 1].id);
            rank[i] = r ? r->rank : NO_RANK;
            joined[i] = r ? r->joined : 0;
        }
    }
    return n;
}

/* Neighbours that may be merged, the least first: rank << 32 | place of the left one. */
typedef struct heap {
    uint64_t *at;
    int64_t n;
} heap;

static void push(const bpe *b, const lt_token *t, int64_t n, int64_t left, int64_t right, heap *h) {
    if (left < 0 || right >= n) return;
    const rule *r = find_rule(b, t[left].id, t[right].id);
    if (!r) return;
    uint64_t key = (uint64_t)(uint32_t)r->rank << 32 | (uint64_t)left;
    int64_t at = h->n++;
    for (; at > 0 && key < h->at[(at - 1) / 2]; at = (at - 1) / 2) h->at[at] = h->at[(at - 1) / 2];
    h->at[at] = key;
}

static uint64_t pop(heap *h) {
    uint64_t top = h->at[0], last = h->at[--h->n];
    int64_t at = 0;
    for (int64_t child; (child = 2 * at + 1) < h->n; at = child) {
        if (child + 1 < h->n && h->at[child + 1] < h->at[child]) child++;
        if (h->at[child] >= last) break;
        h->at[at] = h->at[child];
    }
    h->at[at] = last;
    return top;
}

/* The same for any length.  A token that was merged into the one before it has id -1. */
static lt_status merge_long(const bpe *b, lt_tok_work *w, lt_token *t, int64_t *tokens) {
    int64_t n = *tokens, kept = 0;
    LT_TRY(
        lt_tok_impl_room(w, 2 * n * (int64_t)(sizeof(uint64_t) + sizeof(int32_t)))); /* n - 1 pairs; a merge takes one away and adds two */
    heap h = {.at = (uint64_t *)(void *)w->bytes};
    int32_t *next = (int32_t *)(void *)(h.at + 2 * n), *prev = next + n;
    for (int64_t i = 0; i < n; i++) {
        next[i] = (int32_t)i + 1;
        prev[i] = (int32_t)i - 1;
        push(b, t, n, i, i + 1, &h);
    }
    while (h.n > 0) {
        uint64_t key = pop(&h);
        int64_t left = (int64_t)(uint32_t)key, right = next[left];
        /* one of the two may have been merged meanwhile; another pair of this rank that stands here now comes at the same time as its own entry would */
        const rule *r = t[left].id < 0 || right >= n ? NULL : find_rule(b, t[left].id, t[right].id);
        if (!r || (uint32_t)r->rank != key >> 32) continue;
        t[left].id = r->joined;
        t[left].end = t[right].end;
        t[right].id = -1;
        next[left] = next[right];
        if (next[left] < n) prev[next[left]] = (int32_t)left;
        push(b, t, n, prev[left], left, &h);
        push(b, t, n, left, next[left], &h);
    }
    for (int64_t i = 0; i < n; i++)
        if (t[i].id >= 0) t[kept++] = t[i];
    *tokens = kept;
    return LT_OK;
}

static lt_status encode(const lt_tok_model *m, lt_tok_work *w, const char *word, int64_t bytes, lt_tokens *out) {
    const bpe *b = (const bpe *)m;
    int64_t first = out->n;
    int32_t whole = b->ignore_merges ? lt_vocab_find(&m->vocab, word, (size_t)bytes) : -1;
    if (whole >= 0) return lt_tokens_push(out, whole, 0, bytes);
    LT_TRY(start(b, word, bytes, out));
    int64_t n = out->n - first;
    if (n < 2) return LT_OK;
    if (n <= SHORT)
        n = merge_short(b, out->at + first, n);
    else
        LT_TRY(merge_long(b, w, out->at + first, &n));
    out->n = first + n;
    return LT_OK;
}

/* --- parts of long texts ---------------------------------------------------------------------------------------------------------------- */

static bool may_cut(const seam *s, const char *word, int64_t at) {
    int32_t c;
    int64_t before = at - 1;
    while (((unsigned char)word[before] & 0xC0) == 0x80) before--;
    lt_tok_impl_char(word + before, &c);
    for (int i = 0; i < s->n; i++)
        if (s->joint[i] == c) return false;
    return true;
}

static int64_t part(const lt_tok_model *m, const char *word, int64_t bytes, int64_t from) {
    const bpe *b = (const bpe *)m;
    for (int k = 0; k < 2; k++) {
        const seam *s = &b->seam[k];
        if (!s->open) continue;
        for (int64_t at = from + 1; at + s->bytes <= bytes; at++) {
            const char *found = memchr(word + at, s->blank[0], (size_t)(bytes - at));
            if (!found) break;
            at = found - word;
            if (at + s->bytes <= bytes && !memcmp(found, s->blank, (size_t)s->bytes) && may_cut(s, word, at)) return at;
        }
        break; /* one kind of blank, so that a look-up stays linear */
    }
    return bytes;
}

static int32_t last_char(const char *s, size_t bytes) {
    int32_t c = -1;
    size_t at = bytes;
    while (at > 0 && ((unsigned char)s[at - 1] & 0xC0) == 0x80) at--;
    if (at > 0) lt_tok_impl_char(s + at - 1, &c);
    return c;
}

/* Finds what stands at the seams.  Texts are cut only where characters become tokens by themselves: no prefix, no suffix, no look-up of whole words,
 * a blank that is a token. */
static void find_seams(bpe *b, const lt_merge *merge, int64_t n) {
    static const char *const blank[2] = {"\xE2\x96\x81", " "};
    for (int k = 0; k < 2; k++) {
        seam *s = &b->seam[k];
        s->bytes = (int)strlen(blank[k]);
        memcpy(s->blank, blank[k], (size_t)s->bytes);
        s->open = !*b->prefix && !*b->suffix && !b->ignore_merges && lt_vocab_find(&b->head.vocab, blank[k], (size_t)s->bytes) >= 0;
        for (int64_t i = 0; i < n && s->open; i++) {
            size_t left_bytes = 0, right_bytes = 0;
            const char *left = lt_vocab_text(&b->head.vocab, merge[i].left, &left_bytes);
            const char *right = lt_vocab_text(&b->head.vocab, merge[i].right, &right_bytes);
            if (right_bytes < (size_t)s->bytes || memcmp(right, s->blank, (size_t)s->bytes) != 0) continue;
            int32_t c = last_char(left, left_bytes);
            bool known = false;
            for (int j = 0; j < s->n; j++) known |= s->joint[j] == c;
            if (known) continue;
            /* a token of a byte stands for characters that its text does not show */
            s->open = s->n < MAX_JOINTS && !(left_bytes == 6 && !memcmp(left, "<0x", 3));
            if (s->open) s->joint[s->n++] = c;
        }
    }
}

/* --- building --------------------------------------------------------------------------------------------------------------------------- */

static void destroy(lt_tok_model *m) {
    bpe *b = (bpe *)m;
    lt_vocab_free(&m->vocab);
    free(b->rule);
    free(b->prefix);
    free(b->suffix);
    free(b->lacking);
    free(b);
}

static lt_status add_rule(bpe *b, lt_merge m, int32_t rank, const char *where) {
    const lt_vocab *v = &b->head.vocab;
    size_t left_bytes = 0, right_bytes = 0, skip = strlen(b->prefix);
    const char *left = lt_vocab_text(v, m.left, &left_bytes), *right = lt_vocab_text(v, m.right, &right_bytes);
    LT_CHECK(left && right, LT_ERR_FORMAT, "%s: merge %d is of ids %d and %d, which are not both in the vocabulary", where, rank, m.left,
             m.right);
    char stack[512], *joined = stack;
    if (right_bytes < skip) skip = right_bytes;
    size_t bytes = left_bytes + right_bytes - skip;
    if (bytes > sizeof stack) LT_TRY(lt_calloc(&joined, (int64_t)bytes, 1, "a merge"));
    memcpy(joined, left, left_bytes);
    memcpy(joined + left_bytes, right + skip, right_bytes - skip);
    int32_t id = lt_vocab_find(v, joined, bytes);
    if (joined != stack) free(joined);
    LT_CHECK(id >= 0, LT_ERR_FORMAT, "%s: merge %d joins \"%.60s\" and \"%.60s\" into a token that the vocabulary lacks", where, rank, left,
             right);
    uint64_t pair = ((uint64_t)(uint32_t)m.left << 32 | (uint32_t)m.right) + 1, at = lt_trie_hash(pair) & b->mask;
    while (b->rule[at].pair && b->rule[at].pair != pair) at = (at + 1) & b->mask;
    b->rule[at] = (rule){pair, rank, id}; /* of two merges of one pair the later counts */
    return LT_OK;
}

static lt_status fill(bpe *b, const lt_merge *merge, int64_t n, const lt_bpe_options *o, const char *where) {
    lt_vocab *v = &b->head.vocab;
    uint64_t slots = 16;
    LT_CHECK(n < NO_RANK, LT_ERR_FORMAT, "%s: %lld merges are more than is supported", where, (long long)n);
    LT_TRY(lt_vocab_index(v));
    LT_TRY(lt_strdup(&b->prefix, o->prefix ? o->prefix : ""));
    LT_TRY(lt_strdup(&b->suffix, o->suffix ? o->suffix : ""));
    LT_CHECK(strlen(b->prefix) < 100 && strlen(b->suffix) < 100, LT_ERR_FORMAT,
             "%s: a prefix or suffix of more than 100 bytes is not supported", where);
    if (o->unk_token && *o->unk_token) {
        b->head.unk = lt_vocab_find(v, o->unk_token, strlen(o->unk_token));
        /* a vocabulary that can say any text need not have the token that its file names */
        if (b->head.unk < 0) LT_TRY(lt_strdup(&b->lacking, o->unk_token));
    }
    while (slots < 2 * (uint64_t)n) slots *= 2;
    LT_TRY(lt_calloc(&b->rule, (int64_t)slots, sizeof *b->rule, "the merges of a tokenizer"));
    b->mask = slots - 1;
    for (int64_t i = 0; i < n; i++) LT_TRY(add_rule(b, merge[i], o->rank ? o->rank[i] : (int32_t)i, where));
    for (int k = 0; k < 256; k++) {
        char text[8];
        b->byte[k] = lt_vocab_find(v, text, (size_t)snprintf(text, sizeof text, "<0x%02X>", (unsigned)k));
    }
    for (int32_t c = 0; c < DIRECT; c++) {
        char text[4];
        b->direct[c] = lt_vocab_find(v, text, (size_t)lt_tok_impl_put_char(c, text));
    }
    b->fuse_unk = o->fuse_unk;
    b->byte_fallback = o->byte_fallback;
    b->ignore_merges = o->ignore_merges;
    find_seams(b, merge, n);
    return LT_OK;
}

static const lt_tok_model_kind kind = {.name = "BPE", .encode = encode, .part = part, .close = destroy};

lt_status lt_tok_impl_bpe_create(lt_vocab *v, const lt_merge *merge, int64_t n, const lt_bpe_options *o, const char *where,
                                 lt_tok_model **m) {
    bpe *b = NULL;
    lt_status st = lt_calloc(&b, 1, sizeof *b, "a tokenizer");
    if (st != LT_OK) {
        lt_vocab_free(v);
        return st;
    }
    b->head = (lt_tok_model){.kind = &kind, .vocab = *v, .unk = -1};
    *v = (lt_vocab){0};
    st = fill(b, merge, n, o, where);
    if (st != LT_OK)
        destroy(&b->head);
    else
        *m = &b->head;
    return st;
}
