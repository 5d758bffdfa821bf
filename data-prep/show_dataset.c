/* A data set for people: what made it, the report that it carries, and its first rows as text; of words with tags WORD/TAG, of those outside of spans the
 * word alone. */
#include "report.h"
#include "show.h"

#include "store/dataset.h"
#include "text/tokenizer.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* The next word of a command line as @command stores it, quotes resolved, into word; *at moves on.  False at the end. */
static bool next_word(const char **at, char *word, size_t bytes) {
    const char *p = *at + strspn(*at, " ");
    size_t n = 0;
    bool quoted = false, any = *p;
    for (; *p && (quoted || *p != ' '); p++) {
        if (*p == '\'') {
            quoted = !quoted;
            continue;
        }
        if (*p == '\\' && !quoted && p[1]) p++;
        if (n + 1 < bytes) word[n++] = *p;
    }
    word[n] = 0;
    *at = p;
    return any;
}

/* The tokenizer that was named when the file was made, if it is still there and the same; else NULL and no failure. */
static lt_tok *tokenizer_of(const lt_dataset *d) {
    char word[4096], hex[LT_SHA_HEX_BYTES];
    const char *at = lt_dataset_about(d)->command;
    lt_tok *tok = NULL;
    for (bool here = false; next_word(&at, word, sizeof word);) {
        const char *path = here ? word : !strncmp(word, "--tokenizer=", 12) ? word + 12 : NULL;
        here = !strcmp(word, "-t") || !strcmp(word, "--tokenizer");
        if (!path || lt_tok_open(path, &tok) != LT_OK) continue;
        if (lt_tok_sha256(tok, hex) == LT_OK && !strcmp(hex, lt_dataset_about(d)->tokenizer_sha256)) return tok;
        lt_tok_close(&tok);
    }
    lt_err_clear();
    return NULL;
}

static lt_status print_text(const lt_tok *tok, const int32_t *id, int64_t n) {
    char *text = NULL;
    size_t bytes = 0;
    LT_TRY(lt_tok_decode(tok, id, n, false, &text, &bytes));
    (void)fwrite(text, 1, bytes, stdout);
    free(text);
    return LT_OK;
}

static void print_ids(const int32_t *id, int64_t n) {
    for (int64_t k = 0; k < n && k < 32; k++) printf(k ? " %d" : "%d", id[k]);
    if (n > 32) printf(" ... (%lld ids)", (long long)n);
}

static void print_tag(const lt_dataset_info *info, int32_t label) {
    if (label != LT_IGNORED_LABEL && strcmp(info->label_name[label], "O") != 0) printf("/%s", info->label_name[label]);
}

/* The words of sample i with their tags, each as its tokens tell it; tokens before the first word and behind the last are left out. */
static lt_status print_words(const lt_dataset_info *info, const lt_dataset_split *s, int64_t i, const lt_tok *tok) {
    const int32_t *id = s->tokens + s->offsets[i];
    lt_tok_frame f = lt_tok_frame_of(tok, false);
    int64_t end = s->offsets[i + 1] - s->offsets[i] - f.after;
    for (int64_t w = s->word_offsets[i]; w < s->word_offsets[i + 1]; w++) {
        int64_t at = s->word_token[w], after = end;
        if (w > s->word_offsets[i]) putchar(' ');
        for (int64_t v = w + 1; v < s->word_offsets[i + 1]; v++)
            if (s->word_token[v] != LT_NO_TOKEN) {
                after = s->word_token[v];
                break;
            }
        if (at == LT_NO_TOKEN) {
            fputs("(no token)", stdout);
        } else {
            char *text = NULL;
            LT_TRY(lt_tok_decode(tok, id + at, after > at ? after - at : 1, false, &text, NULL));
            fputs(text + strspn(text, " "), stdout);
            free(text);
        }
        print_tag(info, s->word_label[w]);
    }
    putchar('\n');
    return LT_OK;
}

/* Sample i: its label, and its text or its ids. */
static lt_status print_sample(const lt_dataset *d, const lt_dataset_split *s, int64_t i, const lt_tok *tok) {
    const lt_dataset_info *info = lt_dataset_about(d);
    const int32_t *id = s->tokens + s->offsets[i];
    int64_t n = s->offsets[i + 1] - s->offsets[i];
    printf("  %s[%lld]", s->name, (long long)i);
    if (s->label && s->label[i] != LT_IGNORED_LABEL) printf(" %s", info->label_name[s->label[i]]);
    if (s->segment_offsets[i] < s->offsets[i + 1]) printf(" (second text at %lld)", (long long)(s->segment_offsets[i] - s->offsets[i]));
    fputs(": ", stdout);
    if (tok && s->word_offsets) return print_words(info, s, i, tok);
    if (tok)
        LT_TRY(print_text(tok, id, n));
    else
        print_ids(id, n);
    putchar('\n');
    return LT_OK;
}

/* What the file's arrays say of a split, where the file has no report. */
static lt_status print_counts(const lt_dataset_info *info, const lt_dataset_split *s) {
    int64_t T = s->offsets[s->n], *count = NULL;
    const int32_t *label = s->label ? s->label : s->token_label;
    LT_TRY(lt_calloc(&count, info->n_labels + 1, sizeof *count, "counts"));
    for (int64_t i = 0; i < (s->label ? s->n : T); i++) count[label[i] < 0 ? info->n_labels : label[i]]++;
    printf("split %s: %lld sequences, %lld tokens, longest %lld, mean %.1f, truncated %lld, largest id %d\n", s->name, (long long)s->n,
           (long long)T, (long long)s->longest, (double)T / (double)s->n, (long long)s->truncated, s->max_token);
    printf("  labels of %s:", s->label ? "sequences" : "tokens");
    for (int64_t k = 0; k < info->n_labels; k++) printf(" %s %lld", info->label_name[k], (long long)count[k]);
    if (count[info->n_labels]) printf(" %s %lld", s->unlabelled ? "none" : "ignored", (long long)count[info->n_labels]);
    putchar('\n');
    free(count);
    return LT_OK;
}

static lt_status print_split(lt_dataset *d, const char *name, int64_t rows, bool counts, const lt_tok *tok) {
    lt_dataset_split s;
    LT_TRY(lt_dataset_read(d, name, &s));
    lt_status st = counts ? print_counts(lt_dataset_about(d), &s) : LT_OK;
    if (tok && s.max_token >= lt_tok_vocab_size(tok)) tok = NULL;
    for (int64_t i = 0; i < s.n && i < rows && st == LT_OK; i++) st = print_sample(d, &s, i, tok);
    lt_dataset_split_fini(&s);
    return st;
}

/* The report that the file carries; *there false: it has none. */
static lt_status print_report(const lt_dataset_info *info, hid_t file, bool *there) {
    prep_report r = {.n_labels = (int)info->n_labels, .label_name = info->label_name, .label_words = info->label_words};
    lt_status st = prep_report_load(&r, file, there);
    if (st == LT_OK && *there) {
        if (r.sources && *r.sources) printf("read: %s\n", r.sources);
        prep_report_print(&r, stdout);
    }
    prep_report_fini(&r);
    return st;
}

static lt_status print_dataset(const prep_show *o, hid_t file, lt_dataset *d, lt_tok **tok) {
    const lt_dataset_info *info = lt_dataset_about(d);
    char hex[LT_SHA_HEX_BYTES];
    int64_t n;
    bool report;
    char *const *split = lt_dataset_splits(d, &n);
    printf("task:      %s\ncommand:   %s\ntokenizer: SHA-256 %s\nsource:    SHA-256 %s\n", info->task, info->command,
           info->tokenizer_sha256, info->source_sha256);
    LT_TRY(print_report(info, file, &report));
    for (int64_t k = 0; k < info->n_labels && !report; k++)
        printf("label %lld: %s, words \"%s\"\n", (long long)k, info->label_name[k], info->label_words[k]);
    if (o->tokenizer) {
        LT_TRY(lt_tok_open(o->tokenizer, tok));
        LT_TRY(lt_tok_sha256(*tok, hex));
        LT_TRY(lt_dataset_check_tokenizer(d, hex, o->tokenizer));
    } else {
        *tok = tokenizer_of(d);
    }
    for (int64_t i = 0; i < n && (o->rows > 0 || !report); i++) LT_TRY(print_split(d, split[i], o->rows, !report, *tok));
    if (!*tok && o->rows > 0) printf("(token ids: the tokenizer is not where it was; give it with -t DIR to see text)\n");
    return LT_OK;
}

lt_status prep_show_dataset(const prep_show *o, hid_t file) {
    lt_dataset *d = NULL;
    lt_tok *tok = NULL;
    LT_TRY(lt_dataset_open(o->path, &d));
    lt_status st = print_dataset(o, file, d, &tok);
    lt_tok_close(&tok);
    lt_dataset_close(&d);
    return st;
}
