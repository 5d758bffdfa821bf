/* What all kinds share: opening by file name, specials and added tokens, pairs, truncation, decoding. */
#include "text/tokenizer_impl.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utf8proc.h>

lt_status lt_ids_push(lt_ids *ids, int32_t id) {
    if (ids->n == ids->cap) {
        int64_t cap = ids->cap ? 2 * ids->cap : 64;
        int32_t *grown = realloc(ids->id, (size_t)cap * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld token ids", (long long)cap);
        ids->id = grown;
        ids->cap = cap;
    }
    ids->id[ids->n++] = id;
    return LT_OK;
}

void lt_ids_free(lt_ids *ids) {
    free(ids->id);
    *ids = (lt_ids){0};
}

lt_status lt_tok_impl_add(lt_tok *t, int32_t id, bool special) {
    if (id < 0 || id >= t->vocab.n || !t->vocab.token[id] || !*t->vocab.token[id]) return LT_OK;
    if (!t->special) LT_TRY(lt_calloc(&t->special, t->vocab.n, sizeof *t->special, "special tokens"));
    if (special) t->special[id] = true;
    for (int i = 0; i < t->n_added; i++)
        if (t->added[i] == id) return LT_OK;
    int32_t *grown = realloc(t->added, (size_t)(t->n_added + 1) * sizeof *grown);
    LT_CHECK(grown, LT_ERR_NOMEM, "no memory for special tokens");
    t->added = grown;
    /* longest first: of two that match at one place the longer one counts */
    int at = t->n_added++;
    for (; at > 0 && strlen(t->vocab.token[t->added[at - 1]]) < strlen(t->vocab.token[id]); at--) t->added[at] = t->added[at - 1];
    t->added[at] = id;
    t->added_start[(unsigned char)t->vocab.token[id][0]] = true;
    return LT_OK;
}

lt_status lt_tok_impl_bert_specials(lt_tok *t) {
    const struct {
        const char *text;
        int32_t *id;
    } bert[] = {{"[PAD]", &t->pad}, {"[UNK]", &t->unk}, {"[CLS]", &t->cls}, {"[SEP]", &t->sep}, {"[MASK]", &t->mask}};
    for (size_t i = 0; i < sizeof bert / sizeof *bert; i++) {
        *bert[i].id = lt_vocab_find(&t->vocab, bert[i].text, strlen(bert[i].text));
        LT_TRY(lt_tok_impl_add(t, *bert[i].id, true));
    }
    LT_CHECK(t->unk >= 0 && t->cls >= 0 && t->sep >= 0, LT_ERR_FORMAT, "%s: the vocabulary lacks [UNK], [CLS] or [SEP]", t->path);
    t->before = t->cls;
    t->middle = t->after = t->sep;
    return LT_OK;
}

static bool is_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

/* The defining file of a folder, or the file itself. */
static lt_status find_file(const char *path, char *found, size_t bytes) {
    static const char *const names[] = {"tokenizer.json", "vocab.txt", "tokenizer.bin", "tok512.bin"};
    (void)snprintf(found, bytes, "%s", path);
    if (is_file(path)) return LT_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(found, bytes, "%s/%s", path, names[i]);
        if (is_file(found)) return LT_OK;
    }
    return LT_FAIL(LT_ERR_IO, "no tokenizer in %s: looked for tokenizer.json, vocab.txt and tokenizer.bin", path);
}

lt_status lt_tok_open(const char *path, lt_tok **tok) {
    char file[4200], dir[4200];
    lt_tok *t = NULL;
    lt_status st;
    LT_TRY(find_file(path, file, sizeof file));
    LT_TRY(lt_calloc(&t, 1, sizeof *t, "a tokenizer"));
    t->cls = t->sep = t->pad = t->unk = t->mask = t->bos = t->eos = t->before = t->middle = t->after = -1;
    LT_TRY_GOTO(lt_strdup(&t->path, file), st, fail);
    (void)snprintf(dir, sizeof dir, "%s", file);
    char *slash = strrchr(dir, '/');
    (void)snprintf(slash ? slash : dir, 2, "%s", slash ? "" : ".");
    if (ends_with(file, ".json"))
        st = lt_tok_impl_open_json(t, file);
    else if (ends_with(file, ".bin"))
        st = lt_tok_impl_open_llama2c(t, file);
    else
        st = lt_tok_impl_open_vocab_txt(t, file, dir);
    if (st != LT_OK) goto fail;
    if (!t->vocab.slot) LT_TRY_GOTO(lt_vocab_index(&t->vocab), st, fail);
    *tok = t;
    return LT_OK;
fail:
    lt_tok_close(&t);
    return st;
}

void lt_tok_close(lt_tok **tok) {
    lt_tok *t = *tok;
    if (!t) return;
    lt_vocab_free(&t->vocab);
    free(t->added);
    free(t->special);
    free(t->score);
    free(t->path);
    free(t);
    *tok = NULL;
}

/* The first added token in text [bytes]: its place and id; -1 if there is none. */
static int32_t find_added(const lt_tok *t, const char *text, size_t bytes, size_t *where) {
    for (size_t at = 0; at < bytes; at++) {
        if (!t->added_start[(unsigned char)text[at]]) continue;
        for (int i = 0; i < t->n_added; i++) {
            const char *a = t->vocab.token[t->added[i]];
            size_t n = strlen(a);
            if (n <= bytes - at && !memcmp(text + at, a, n)) {
                *where = at;
                return t->added[i];
            }
        }
    }
    return -1;
}

/* Text that is not UTF-8 is another encoding or a damaged file: guessing would give wrong ids without a word. */
static lt_status check_utf8(const char *text, size_t bytes) {
    for (size_t at = 0; at < bytes;) {
        int32_t c;
        if ((unsigned char)text[at] < 0x80) {
            at++;
            continue;
        }
        utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(bytes - at), &c);
        LT_CHECK(used > 0, LT_ERR_FORMAT, "the text is not UTF-8: byte 0x%02X at offset %zu", (unsigned char)text[at], at);
        at += (size_t)used;
    }
    return LT_OK;
}

/* Ids of text with added tokens found in it, no wrapping. */
static lt_status encode_plain(const lt_tok *t, const char *text, size_t bytes, lt_ids *ids) {
    LT_TRY(check_utf8(text, bytes));
    while (bytes > 0) {
        size_t where = bytes;
        int32_t id = find_added(t, text, bytes, &where);
        if (where > 0) LT_TRY(t->kind->encode(t, text, where, ids));
        if (id < 0) break;
        LT_TRY(lt_ids_push(ids, id));
        size_t skip = where + strlen(t->vocab.token[id]);
        text += skip;
        bytes -= skip;
    }
    return LT_OK;
}

lt_status lt_tok_encode(const lt_tok *t, const char *text, size_t bytes, bool special, lt_ids *ids) {
    int64_t first = ids->n;
    lt_status st = LT_OK;
    if (special && t->before >= 0) LT_TRY_GOTO(lt_ids_push(ids, t->before), st, fail);
    LT_TRY_GOTO(encode_plain(t, text, bytes, ids), st, fail);
    if (special && t->after >= 0) LT_TRY_GOTO(lt_ids_push(ids, t->after), st, fail);
    return LT_OK;
fail:
    ids->n = first;
    return st;
}

void lt_tok_longest_first(int64_t *a, int64_t *b, int64_t room) {
    if (*a + *b <= room) return;
    int64_t *small = *a <= *b ? a : b, *large = *a <= *b ? b : a;
    *large = *small > room ? *small : (room - *small > *small ? room - *small : *small);
    if (*small + *large > room) {
        *small = room / 2;
        *large = room - *small;
    }
}

lt_status lt_tok_encode_pair(const lt_tok *t, const char *a, const char *b, int64_t max_length, lt_ids *ids, int64_t *segment,
                             bool *truncated) {
    lt_ids one = {0}, two = {0};
    lt_status st = LT_OK;
    LT_TRY_GOTO(encode_plain(t, a, strlen(a), &one), st, done);
    if (b) LT_TRY_GOTO(encode_plain(t, b, strlen(b), &two), st, done);
    int64_t n = one.n, m = two.n, specials = (t->before >= 0) + (t->after >= 0) + (b && t->middle >= 0);
    if (max_length > 0) {
        int64_t room = max_length > specials ? max_length - specials : 0;
        if (b)
            lt_tok_longest_first(&n, &m, room);
        else
            n = n < room ? n : room;
    }
    *truncated = n < one.n || m < two.n;
    int64_t first = ids->n;
    if (t->before >= 0) LT_TRY_GOTO(lt_ids_push(ids, t->before), st, done);
    for (int64_t i = 0; i < n; i++) LT_TRY_GOTO(lt_ids_push(ids, one.id[i]), st, done);
    if (b && t->middle >= 0) LT_TRY_GOTO(lt_ids_push(ids, t->middle), st, done);
    int64_t start = ids->n;
    for (int64_t i = 0; i < m; i++) LT_TRY_GOTO(lt_ids_push(ids, two.id[i]), st, done);
    if (t->after >= 0) LT_TRY_GOTO(lt_ids_push(ids, t->after), st, done);
    *segment = (b ? start : ids->n) - first;
done:
    lt_ids_free(&one);
    lt_ids_free(&two);
    return st;
}

lt_status lt_tok_decode(const lt_tok *t, const int32_t *id, int64_t n, bool skip_special, char **text) {
    lt_ids kept = {0};
    lt_status st = LT_OK;
    size_t bytes = 0;
    FILE *f = NULL;
    *text = NULL;
    for (int64_t i = 0; i < n; i++) {
        LT_CHECK_GOTO(id[i] >= 0 && id[i] < t->vocab.n && t->vocab.token[id[i]], st, done, LT_ERR_ARG,
                      "token id %d is not in this vocabulary of %lld", id[i], (long long)t->vocab.n);
        bool special = (t->special && t->special[id[i]]) || id[i] == t->bos || id[i] == t->eos;
        if (!(skip_special && special)) LT_TRY_GOTO(lt_ids_push(&kept, id[i]), st, done);
    }
    f = open_memstream(text, &bytes);
    LT_CHECK_GOTO(f, st, done, LT_ERR_NOMEM, "no memory for a text");
    t->kind->decode(t, kept.id, kept.n, f);
    fclose(f);
done:
    lt_ids_free(&kept);
    return st;
}

lt_status lt_tok_sha256(const lt_tok *t, char hex[LT_SHA_HEX_BYTES]) { return lt_sha_file(t->path, hex); }
const char *lt_tok_kind_name(const lt_tok *t) { return t->kind->name; }
int64_t lt_tok_vocab_size(const lt_tok *t) { return t->vocab.n; }
int32_t lt_tok_token_id(const lt_tok *t, const char *token) { return lt_vocab_find(&t->vocab, token, strlen(token)); }
int32_t lt_tok_cls(const lt_tok *t) { return t->cls; }
int32_t lt_tok_sep(const lt_tok *t) { return t->sep; }
int32_t lt_tok_pad(const lt_tok *t) { return t->pad; }
int32_t lt_tok_unk(const lt_tok *t) { return t->unk; }
int32_t lt_tok_mask(const lt_tok *t) { return t->mask; }
int32_t lt_tok_bos(const lt_tok *t) { return t->bos; }
int32_t lt_tok_eos(const lt_tok *t) { return t->eos; }
