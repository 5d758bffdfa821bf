/* Added tokens: found in the text itself, wherever they stand, before any model sees it.
 *
 * Of those that match at one place the longest counts, and matching goes on behind it (leftmost, longest).  Some are looked for in the text as it is,
 * others (`normalized`) in what the normalisers leave, and their own texts are normalised for that.  single_word: only between characters that are no
 * part of a word; lstrip and rstrip: white space before and behind belongs to the token. */
#include "text/tokenizer_impl.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_NORMALIZED = 1 << 14 }; /* bytes that a token's text may become: they are nodes of a trie */

lt_status lt_tok_impl_added_open(lt_tok_tables *t, lt_tok_work *w, bool normalized) {
    /* of two with one text the first counts, and specials come first */
    for (int special = 1; special >= 0; special--)
        for (int i = 0; i < t->n_added; i++) {
            const lt_added *a = &t->added[i];
            if (a->special != (bool)special || a->normalized != normalized) continue;
            if (!normalized) {
                LT_TRY(lt_trie_put(&t->raw, a->text, strlen(a->text), i, false));
                continue;
            }
            w->stage.most = w->spare.most = MAX_NORMALIZED;
            lt_regex_allow(w, (int64_t)strlen(a->text), true);
            lt_stage_clear(&w->stage);
            LT_TRY(lt_stage_put(&w->stage, a->text, (int64_t)strlen(a->text), (lt_span){0, 0}));
            LT_TRY(lt_stage_piece(&w->stage, (lt_piece){0, w->stage.text.n, -1, true}));
            for (int k = 0; k < t->n_normalizers; k++) {
                lt_stage_clear(&w->spare);
                LT_TRY(t->step[k].kind->run(t->step[k].state, w, &w->stage, &w->spare));
            }
            for (int64_t k = 0; k < w->stage.n && k < 1; k++) { /* normalisers do not cut */
                lt_piece p = w->stage.piece[k];
                LT_TRY(lt_trie_put(&t->normalized, w->stage.text.s + p.begin, (size_t)(p.end - p.begin), i, false));
            }
        }
    for (int byte = 0; byte < 256; byte++)
        *(normalized ? &t->starts_normalized[byte] : &t->starts_raw[byte]) =
            lt_trie_step(normalized ? &t->normalized : &t->raw, 0, (unsigned char)byte) >= 0;
    return LT_OK;
}

const lt_added *lt_tok_impl_added_of(const lt_tok_tables *t, int64_t id) {
    int low = 0, high = t->n_added;
    while (low < high) {
        int mid = (low + high) / 2;
        if (t->added[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < t->n_added && t->added[low].id == id ? &t->added[low] : NULL;
}

/* The character that ends before `at`. */
static int32_t char_before(const char *s, int64_t at) {
    int32_t c;
    do at--;
    while (((unsigned char)s[at] & 0xC0) == 0x80);
    lt_tok_impl_char(s + at, &c);
    return c;
}

static bool is_single_word(const char *s, int64_t begin, int64_t end, int64_t from, int64_t to) {
    int32_t c;
    if (begin > from && lt_tok_impl_is_word(char_before(s, begin))) return false;
    if (end == to) return true;
    lt_tok_impl_char(s + end, &c);
    return !lt_tok_impl_is_word(c);
}

/* The longest added token at s, as its place in the list, and its bytes. */
static int32_t match(const lt_trie *trie, const char *s, int64_t bytes, int64_t *n) {
    int32_t best = -1, node = 0;
    for (int64_t i = 0; i < bytes && (node = lt_trie_step(trie, node, (unsigned char)s[i])) >= 0; i++)
        if (trie->value[node] >= 0) {
            best = trie->value[node];
            *n = i + 1;
        }
    return best;
}

/* One piece of text. */
static lt_status cut(const lt_tok_tables *t, const lt_trie *trie, const lt_stage *s, lt_piece p, lt_stage *out) {
    const char *text = s->text.s;
    int64_t done = p.begin, space_end = p.begin; /* where the white space ends that was last gone through */
    for (int64_t at = p.begin; at < p.end;) {
        int64_t n = 0;
        int32_t which = match(trie, text + at, p.end - at, &n);
        if (which < 0) {
            at++;
            continue;
        }
        const lt_added *a = &t->added[which];
        int64_t begin = at, end = at + n;
        at = end; /* white space that rstrip takes may hold, or begin, the next token: both count, as in Hugging Face's */
        if (a->single_word && !is_single_word(text, begin, end, p.begin, p.end)) continue;
        if (a->lstrip && begin < done) begin = done; /* what the token before has taken stays taken */
        while (a->lstrip && begin > done && lt_tok_impl_is_space(char_before(text, begin))) {
            do begin--;
            while (((unsigned char)text[begin] & 0xC0) == 0x80);
        }
        if (a->rstrip) {
            if (space_end < end) space_end = end;
            for (int32_t c; space_end < p.end;) {
                int bytes = lt_tok_impl_char(text + space_end, &c);
                if (!lt_tok_impl_is_space(c)) break;
                space_end += bytes;
            }
            end = space_end;
        }
        if (done < begin) LT_TRY(lt_stage_piece(out, (lt_piece){done, begin, -1, p.first && done == p.begin}));
        if (begin < end) LT_TRY(lt_stage_piece(out, (lt_piece){begin, end, a->id, p.first && begin == p.begin}));
        done = end;
    }
    if (done >= p.end) return LT_OK;
    return lt_stage_piece(out, (lt_piece){done, p.end, -1, p.first && done == p.begin});
}

/* Most texts hold no byte that begins an added token, and are left alone. */
static bool may_match(const lt_stage *s, const bool *starts) {
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t at = s->piece[i].begin; s->piece[i].id < 0 && at < s->piece[i].end; at++)
            if (starts[(unsigned char)s->text.s[at]]) return true;
    return false;
}

lt_status lt_tok_impl_added_run(const lt_tok_tables *t, bool normalized, lt_stage *s, lt_stage *spare) {
    const lt_trie *trie = normalized ? &t->normalized : &t->raw;
    if (trie->n == 0 || !may_match(s, normalized ? t->starts_normalized : t->starts_raw)) return LT_OK;
    spare->n = 0;
    for (int64_t i = 0; i < s->n; i++) {
        if (s->piece[i].id >= 0)
            LT_TRY(lt_stage_piece(spare, s->piece[i]));
        else
            LT_TRY(cut(t, trie, s, s->piece[i], spare));
    }
    lt_stage_swap_pieces(s, spare);
    return LT_OK;
}
