/* Rows into tokens, a block at a time; see block.h.
 *
 * Texts are tokenised whole and cut here, so that the report can say how long they were.  Words are tokenised one by one, as texts of their own, and put
 * into one sequence: that is what Hugging Face's tokenizers do with is_split_into_words=True.  Those of GPT-2's and RoBERTa's kind refuse that unless they
 * are opened with add_prefix_space=True; for them a space goes before each word, which is the same (words.c).  A word's first token has its label.
 *
 * What is drawn by hash is drawn by SHA-256 of the text ("TEXT", "TEXT TAB SECOND TEXT", words parted by spaces), with "SEED TAB" before it unless the seed
 * is 0, so that it can be repeated with sha256sum. */
#include "block.h"

#include "base/mem.h"
#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

lt_status prep_maker_init(prep_maker *m, const prep_data *d) {
    *m = (prep_maker){.d = d, .single = lt_tok_frame_of(d->tok, false), .pair = lt_tok_frame_of(d->tok, true)};
    int most = m->pair.before + m->pair.between + m->pair.after;
    LT_CHECK(d->spec.max_length == 0 || d->spec.max_length > most, LT_ERR_ARG,
             "--max-length %lld leaves no room for a text: this tokenizer puts %d special tokens around a pair",
             (long long)d->spec.max_length, most);
    return lt_tok_encode(d->tok, "", 0, true, &m->around, NULL);
}

void prep_maker_fini(prep_maker *m) { lt_ids_free(&m->around); }

/* --- filling ------------------------------------------------------------------------------------------------------------------------ */

void prep_block_clear(prep_block *b) {
    b->n = b->n_words = 0;
    b->arena.n = 0;
    b->tokens.n = 0;
    b->failed = LT_OK;
    b->done = false;
}

static lt_status more_rows(prep_block *b) {
    if (b->n < b->cap) return LT_OK;
    int64_t cap = 2 * b->cap + 1024;
    prep_given *row = realloc(b->row, (size_t)cap * sizeof *row);
    if (row) b->row = row;
    prep_made *made = realloc(b->made, (size_t)cap * sizeof *made);
    if (made) b->made = made;
    LT_CHECK(row && made, LT_ERR_NOMEM, "no memory for %lld rows", (long long)cap);
    b->cap = cap;
    return LT_OK;
}

static lt_status more_words(prep_block *b, int n) {
    if (b->n_words + n <= b->cap_words) return LT_OK;
    int64_t cap = 2 * b->cap_words + n + 1024;
    int32_t *bytes = realloc(b->word_bytes, (size_t)cap * sizeof *bytes);
    if (bytes) b->word_bytes = bytes;
    int32_t *tag = realloc(b->word_tag, (size_t)cap * sizeof *tag);
    if (tag) b->word_tag = tag;
    prep_kept_word *word = realloc(b->word, (size_t)cap * sizeof *word);
    if (word) b->word = word;
    LT_CHECK(bytes && tag && word, LT_ERR_NOMEM, "no memory for %lld words", (long long)cap);
    b->cap_words = cap;
    return LT_OK;
}

static lt_status add_words(prep_block *b, const prep_row *row, const int32_t *tag) {
    LT_TRY(more_words(b, row->n_words));
    for (int i = 0; i < row->n_words; i++) {
        size_t bytes = strlen(row->word[i]);
        LT_CHECK(bytes < INT32_MAX, LT_ERR_FORMAT, "a word of %zu bytes", bytes);
        if (i) LT_TRY(prep_buffer_add(&b->arena, " ", 1));
        LT_TRY(prep_buffer_add(&b->arena, row->word[i], bytes));
        b->word_bytes[b->n_words] = (int32_t)bytes;
        b->word_tag[b->n_words++] = tag ? tag[i] : LT_IGNORED_LABEL;
    }
    return LT_OK;
}

lt_status prep_block_add(prep_block *b, const prep_given *about, const prep_row *row, const int32_t *tag) {
    prep_given g = *about;
    LT_TRY(more_rows(b));
    g.text = (int64_t)b->arena.n;
    g.word = b->n_words;
    g.n_words = row->text[0] ? -1 : row->n_words;
    if (!row->text[0]) {
        LT_TRY(add_words(b, row, tag));
    } else {
        LT_TRY(prep_buffer_add(&b->arena, row->text[0], row->bytes[0]));
        if (row->text[1]) {
            LT_TRY(prep_buffer_add(&b->arena, "\t", 1));
            LT_TRY(prep_buffer_add(&b->arena, row->text[1], row->bytes[1]));
        }
    }
    g.bytes = (int64_t)b->arena.n - g.text;
    g.first_bytes = row->text[0] && row->text[1] ? (int64_t)row->bytes[0] : g.bytes;
    b->row[b->n++] = g;
    return LT_OK;
}

void prep_block_free(prep_block *b) {
    free(b->row);
    free(b->made);
    prep_buffer_free(&b->arena);
    free(b->word_bytes);
    free(b->word_tag);
    free(b->word);
    prep_buffer_free(&b->space);
    lt_ids_free(&b->tokens);
    free(b->error);
    *b = (prep_block){0};
}

/* --- texts -------------------------------------------------------------------------------------------------------------------------- */

/* Cuts n ids to max in place, the longer text first; the special tokens stay.  Returns what is left. */
static int64_t cut(int32_t *id, int64_t n, int64_t *segment, int64_t max, lt_tok_frame f) {
    bool pair = *segment < n;
    int64_t first = pair ? *segment - f.between : n - f.after, a = first - f.before, b = pair ? n - f.after - *segment : 0;
    int32_t *to = id + f.before;
    lt_tok_longest_first(&a, &b, max - f.before - f.after - (pair ? f.between : 0));
    to += a;
    if (pair) {
        memmove(to, id + first, (size_t)f.between * sizeof *id);
        to += f.between;
        memmove(to, id + *segment, (size_t)b * sizeof *id);
        *segment = to - id;
        to += b;
    }
    memmove(to, id + n - f.after, (size_t)f.after * sizeof *id);
    to += f.after;
    if (!pair) *segment = to - id;
    return to - id;
}

static lt_status make_text(prep_block *b, const prep_given *g, const prep_maker *m, const lt_tok *tok, prep_kept *k) {
    const char *a = b->arena.at + g->text, *second = g->first_bytes < g->bytes ? a + g->first_bytes + 1 : NULL;
    int64_t before = b->tokens.n, segment = 0, max = m->d->spec.max_length;
    bool truncated;
    LT_TRY(lt_tok_encode_pair(tok, a, (size_t)g->first_bytes, second, second ? (size_t)(g->bytes - g->first_bytes - 1) : 0, 0,
                              LT_LONGEST_FIRST, &b->tokens, NULL, &segment, &truncated));
    int64_t n = b->tokens.n - before;
    int32_t *id = b->tokens.id + before, unk = lt_tok_unk(tok);
    for (int64_t i = 0; unk >= 0 && i < n; i++) k->unknown += id[i] == unk;
    k->full = (int32_t)n;
    if (max > 0 && n > max) n = cut(id, n, &segment, max, second ? m->pair : m->single);
    k->n = (int32_t)n;
    k->segment = (int32_t)segment;
    b->tokens.n = before + n;
    return LT_OK;
}

/* --- words -------------------------------------------------------------------------------------------------------------------------- */

static lt_status make_words(prep_block *b, const prep_given *g, const prep_maker *m, const lt_tok *tok, prep_kept *k) {
    const char *at = b->arena.at + g->text;
    int64_t before = b->tokens.n, room = m->d->spec.max_length - m->single.after;
    int32_t unk = lt_tok_unk(tok);
    for (int i = 0; i < m->single.before; i++) LT_TRY(lt_ids_push(&b->tokens, m->around.id[i]));
    for (int64_t w = g->word; w < g->word + g->n_words; w++) {
        const char *word = at;
        size_t bytes = (size_t)b->word_bytes[w];
        int64_t first = b->tokens.n;
        at += bytes + 1;
        if (m->d->spec.word_space) {
            b->space.n = 0;
            LT_TRY(prep_buffer_add(&b->space, " ", 1));
            LT_TRY(prep_buffer_add(&b->space, word, bytes++));
            word = b->space.at;
        }
        LT_TRY(lt_tok_encode(tok, word, bytes, false, &b->tokens, NULL));
        bool any = b->tokens.n > first, there = any && (m->d->spec.max_length == 0 || first - before < room);
        k->words_cut += any && !there;
        b->word[w] = (prep_kept_word){b->word_tag[w], there ? (int32_t)(first - before) : LT_NO_TOKEN};
        for (int64_t i = first; unk >= 0 && i < b->tokens.n; i++) k->unknown += b->tokens.id[i] == unk;
    }
    k->full = (int32_t)(b->tokens.n - before + m->single.after);
    if (m->d->spec.max_length > 0 && b->tokens.n - before > room) b->tokens.n = before + room;
    for (int i = 0; i < m->single.after; i++) LT_TRY(lt_ids_push(&b->tokens, m->around.id[m->single.before + i]));
    k->n = k->segment = (int32_t)(b->tokens.n - before);
    k->words = g->n_words;
    return LT_OK;
}

/* --- hashes ------------------------------------------------------------------------------------------------------------------------- */

static uint64_t first_bits(const char *hex, int digits) {
    uint64_t v = 0;
    for (int i = 0; i < digits; i++) v = v << 4 | (uint64_t)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
    return v;
}

static lt_status make_hashes(const prep_block *b, const prep_given *g, const prep_spec *spec, prep_made *made) {
    char hex[LT_SHA_HEX_BYTES], seed[32];
    const char *text = b->arena.at + g->text;
    lt_sha *sha = NULL;
    LT_TRY(lt_sha_bytes(text, (size_t)g->bytes, hex));
    made->digest[0] = first_bits(hex, 16);
    made->digest[1] = first_bits(hex + 16, 16);
    if (g->first_bytes < g->bytes) made->digest[1] ^= (uint64_t)(g->first_bytes + 1) * 0x9e3779b97f4a7c15u; /* texts may hold tabs */
    if (spec->seed != 0 && (spec->n_shares || spec->per_label)) {
        LT_TRY(lt_sha_begin(&sha));
        lt_sha_add(sha, seed, (size_t)snprintf(seed, sizeof seed, "%lld\t", (long long)spec->seed));
        lt_sha_add(sha, text, (size_t)g->bytes);
        LT_TRY(lt_sha_finish(&sha, hex));
    }
    made->kept.draw = first_bits(hex, 16);
    double at = 100.0 * (double)(made->kept.draw >> 32) / 4294967296.0, upto = spec->share[0];
    for (made->share = 0; made->share + 1 < spec->n_shares && at >= upto;) upto += spec->share[++made->share];
    return LT_OK;
}

/* --- a row -------------------------------------------------------------------------------------------------------------------------- */

static lt_status make_row(prep_block *b, int64_t i, const prep_maker *m, const lt_tok *tok) {
    const prep_given *g = &b->row[i];
    prep_made *made = &b->made[i];
    const char *text = b->arena.at + g->text;
    *made = (prep_made){.kept = {.label = g->label, .empty = true}, .told = g->label};
    LT_TRY(g->n_words < 0 ? make_text(b, g, m, tok, &made->kept) : make_words(b, g, m, tok, &made->kept));
    for (int64_t k = 0; k < g->first_bytes && made->kept.empty; k++) made->kept.empty = strchr(" \t\r\n\f\v", text[k]) && text[k];
    for (int64_t w = g->word; g->n_words >= 0 && w < g->word + g->n_words; w++)
        made->told = (int32_t)(((uint32_t)made->told ^ (uint32_t)b->word_tag[w]) * 16777619u);
    return make_hashes(b, g, &m->d->spec, made);
}

void prep_block_make(prep_block *b, const prep_maker *m, const lt_tok *tok) {
    for (int64_t i = 0; i < b->n && b->failed == LT_OK; i++) {
        b->failed = make_row(b, i, m, tok);
        if (b->failed == LT_OK) continue;
        char why[LT_ERR_MSG_BYTES];
        (void)snprintf(why, sizeof why, "%s", lt_err_last()->msg);
        b->failed = LT_FAIL(b->failed, "%s:%lld: %.1000s", m->d->file[b->row[i].file].path, (long long)b->row[i].line, why);
        /* the record belongs to this thread; the reader of the block may be another */
        if (!b->error) b->error = malloc(sizeof *b->error);
        if (b->error) *b->error = *lt_err_last();
    }
}
