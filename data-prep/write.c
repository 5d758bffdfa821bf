/* From temporary files into the data set; see data.h.  A pass over the rows of a split counts, a second one writes: the file's arrays have their sizes from
 * the start. Both see the rows that were not dropped, in their order. */
#include "data.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { PART_ROWS = 1 << 14, PART_TOKENS = 1 << 20, LENGTHS = 1 << 16 };

/* --- rows in turn ------------------------------------------------------------------------------------------------------------------- */

typedef struct walk {
    const prep_split *s;
    prep_view rows, tokens, words;
    int64_t row, token, word; /* the next ones */
} walk;

static void walk_init(walk *w, const prep_split *s) {
    *w = (walk){.s = s, .rows = {.s = &s->rows}, .tokens = {.s = &s->tokens}, .words = {.s = &s->words}};
}

static void walk_free(walk *w) {
    prep_view_free(&w->rows);
    prep_view_free(&w->tokens);
    prep_view_free(&w->words);
}

/* The next row that was not dropped, its tokens (token not NULL) and its words; *row NULL at the end. */
static lt_status next(walk *w, const prep_kept **row, const int32_t **token, const prep_kept_word **word) {
    const void *p = NULL;
    *row = NULL;
    while (w->row < w->s->rows.n) {
        LT_TRY(prep_view_get(&w->rows, w->row, 1, &p));
        const prep_kept *k = p;
        bool dropped = prep_is_dropped(w->s, w->row++);
        if (!dropped) {
            if (token) LT_TRY(prep_view_get(&w->tokens, w->token, k->n, &p));
            if (token) *token = p;
            *word = NULL;
            if (k->words > 0) LT_TRY(prep_view_get(&w->words, w->word, k->words, &p));
            if (k->words > 0) *word = p;
        }
        w->token += k->n;
        w->word += k->words;
        if (dropped) continue;
        *row = k;
        return LT_OK;
    }
    return LT_OK;
}

/* --- counting ----------------------------------------------------------------------------------------------------------------------- */

/* Lengths of rows: those below LENGTHS are counted, the few above kept. */
typedef struct lengths {
    int64_t count[LENGTHS], n;
    int64_t *above, n_above, cap_above;
} lengths;

static lt_status note_length(lengths *l, int64_t n) {
    l->n++;
    if (n < LENGTHS) {
        l->count[n]++;
        return LT_OK;
    }
    if (l->n_above == l->cap_above) {
        int64_t cap = 2 * l->cap_above + 64, *grown = realloc(l->above, (size_t)cap * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld lengths", (long long)cap);
        l->above = grown;
        l->cap_above = cap;
    }
    l->above[l->n_above++] = n;
    return LT_OK;
}

static int by_length(const void *x, const void *y) {
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

/* The smallest length that a share of p percent of the rows does not pass; above is sorted. */
static int64_t percentile(const lengths *l, int p) {
    int64_t rank = (l->n * p + 99) / 100, seen = 0;
    for (int64_t k = 0; k < LENGTHS; k++)
        if ((seen += l->count[k]) >= rank) return k;
    return l->above[rank - seen - 1];
}

static void count_labels(const prep_data *d, const prep_kept *k, const prep_kept_word *word, const int *fresh, prep_report_split *r) {
    if (!d->spec.words && k->label != LT_IGNORED_LABEL) r->label[fresh[k->label]]++;
    for (int32_t i = 0; i < k->words; i++) {
        if (word[i].label != LT_IGNORED_LABEL) r->label[fresh[word[i].label]]++;
        r->words_lost += word[i].token == LT_NO_TOKEN;
    }
    r->words += k->words;
    r->words_cut += k->words_cut;
    r->words_lost -= k->words_cut;
}

static lt_status count_rows(const prep_data *d, walk *w, lengths *l, const int *fresh, prep_report_split *r) {
    const prep_kept *k;
    const prep_kept_word *word;
    for (;;) {
        LT_TRY(next(w, &k, NULL, &word));
        if (!k) break;
        r->sequences++;
        r->tokens += k->n;
        r->full += k->full;
        r->truncated += k->n < k->full;
        r->over += k->full > PREP_DEFAULT_LENGTH;
        r->unknown += k->unknown;
        r->empty += k->empty;
        if (k->n > r->longest) r->longest = k->n;
        LT_TRY(note_length(l, k->full));
        count_labels(d, k, word, fresh, r);
    }
    LT_CHECK(r->sequences > 0, LT_ERR_FORMAT, "split '%s' has no row left: all of its texts are in other splits too (--drop-leaks)",
             r->name);
    if (l->n_above) qsort(l->above, (size_t)l->n_above, sizeof *l->above, by_length);
    r->p50 = percentile(l, 50);
    r->p90 = percentile(l, 90);
    r->p99 = percentile(l, 99);
    r->max = percentile(l, 100);
    return LT_OK;
}

static lt_status count_split(const prep_data *d, int split, const int *fresh, prep_report_split *r) {
    walk w;
    lengths *l = NULL;
    walk_init(&w, &d->split[split]);
    memcpy(r->name, w.s->name, sizeof r->name);
    LT_TRY(lt_calloc(&r->label, d->labels.n + 1, sizeof *r->label, "counts of labels"));
    LT_TRY(lt_calloc(&l, 1, sizeof *l, "lengths of rows"));
    lt_status st = count_rows(d, &w, l, fresh, r);
    walk_free(&w);
    free(l->above);
    free(l);
    return st;
}

/* --- writing ------------------------------------------------------------------------------------------------------------------------ */

/* A part of a split in memory, in the form that the data set takes. */
typedef struct part {
    lt_dataset_split s;
    int64_t tokens, words, cap_tokens, cap_words; /* used, and room */
} part;

static lt_status part_room(part *p, int64_t tokens, int64_t words) {
    if (tokens > p->cap_tokens) {
        int32_t *grown = realloc(p->s.tokens, (size_t)tokens * sizeof *grown);
        if (grown) p->s.tokens = grown;
        int32_t *label = p->s.token_label ? realloc(p->s.token_label, (size_t)tokens * sizeof *label) : NULL;
        if (label) p->s.token_label = label;
        LT_CHECK(grown && (label || !p->s.token_label), LT_ERR_NOMEM, "no memory for %lld tokens", (long long)tokens);
        p->cap_tokens = tokens;
    }
    if (words > p->cap_words) {
        int32_t *label = realloc(p->s.word_label, (size_t)words * sizeof *label);
        if (label) p->s.word_label = label;
        int32_t *token = realloc(p->s.word_token, (size_t)words * sizeof *token);
        if (token) p->s.word_token = token;
        LT_CHECK(label && token, LT_ERR_NOMEM, "no memory for %lld words", (long long)words);
        p->cap_words = words;
    }
    return LT_OK;
}

static lt_status part_create(part *p, bool words) {
    LT_TRY(lt_calloc(&p->s.offsets, PART_ROWS + 1, sizeof(int64_t), "a part of a split"));
    LT_TRY(lt_calloc(&p->s.segment_offsets, PART_ROWS + 1, sizeof(int64_t), "a part of a split"));
    if (!words) {
        LT_TRY(lt_calloc(&p->s.label, PART_ROWS, sizeof(int32_t), "a part of a split"));
        return part_room(p, PART_TOKENS, 0);
    }
    LT_TRY(lt_calloc(&p->s.word_offsets, PART_ROWS + 1, sizeof(int64_t), "a part of a split"));
    LT_TRY(lt_calloc(&p->s.token_label, 1, sizeof(int32_t), "a part of a split"));
    return part_room(p, PART_TOKENS, PART_ROWS);
}

/* The words of a row behind those of the part; its labels to its tokens. */
static void part_add_words(part *p, const prep_kept *k, const prep_kept_word *word, const int *fresh) {
    int32_t *label = p->s.token_label + p->tokens;
    for (int32_t i = 0; i < k->n; i++) label[i] = LT_IGNORED_LABEL;
    for (int32_t i = 0; i < k->words; i++) {
        int32_t y = word[i].label == LT_IGNORED_LABEL ? LT_IGNORED_LABEL : fresh[word[i].label];
        p->s.word_label[p->words] = y;
        p->s.word_token[p->words++] = word[i].token;
        if (word[i].token != LT_NO_TOKEN) label[word[i].token] = y;
    }
    p->s.word_offsets[p->s.n + 1] = p->words;
}

static lt_status part_flush(part *p, lt_dataset_writer *out) {
    if (p->s.n == 0) return LT_OK;
    p->s.segment_offsets[p->s.n] = p->tokens;
    LT_TRY(lt_dataset_writer_add(out, &p->s));
    p->s.n = p->tokens = p->words = 0;
    return LT_OK;
}

static lt_status write_rows(walk *w, part *p, const int *fresh, lt_dataset_writer *out) {
    const prep_kept *k;
    const int32_t *token;
    const prep_kept_word *word;
    for (;;) {
        LT_TRY(next(w, &k, &token, &word));
        if (!k) return part_flush(p, out);
        bool full = p->s.n == PART_ROWS || p->tokens + k->n > PART_TOKENS || p->words + k->words > PART_TOKENS;
        if (full) LT_TRY(part_flush(p, out));
        LT_TRY(part_room(p, p->tokens + k->n, p->words + k->words));
        memcpy(p->s.tokens + p->tokens, token, (size_t)k->n * sizeof *token);
        if (p->s.word_offsets)
            part_add_words(p, k, word, fresh);
        else
            p->s.label[p->s.n] = k->label == LT_IGNORED_LABEL ? LT_IGNORED_LABEL : fresh[k->label];
        p->s.segment_offsets[p->s.n] = p->tokens + k->segment;
        p->tokens += k->n;
        p->s.offsets[++p->s.n] = p->tokens;
    }
}

static lt_status write_split(const prep_data *d, int split, const int *fresh, lt_dataset_writer *out) {
    const prep_report_split *r = &d->report.split[split];
    walk w;
    part p = {0};
    lt_dataset_size size = {.n = r->sequences,
                            .tokens = r->tokens,
                            .words = d->spec.words ? r->words : -1,
                            .token_labels = d->spec.words,
                            .truncated = r->truncated};
    memcpy(size.name, r->name, sizeof size.name);
    LT_TRY(lt_dataset_writer_begin(out, &size));
    walk_init(&w, &d->split[split]);
    lt_status st = part_create(&p, d->spec.words);
    if (st == LT_OK) st = write_rows(&w, &p, fresh, out);
    walk_free(&w);
    lt_dataset_split_fini(&p.s);
    return st;
}

lt_status prep_write(prep_data *d, lt_dataset_info *info, const int *fresh) {
    lt_dataset_writer *out = NULL;
    lt_status st = LT_OK;
    prep_report *r = &d->report;
    r->n_splits = d->n_splits;
    r->n_labels = d->labels.n;
    r->label_name = d->labels.name;
    r->label_words = d->labels.words;
    r->max_length = d->spec.max_length;
    r->default_length = PREP_DEFAULT_LENGTH;
    for (int i = 0; i < d->n_splits; i++)
        if (d->split[i].name[0]) LT_TRY(count_split(d, i, fresh, &r->split[i]));
    for (int i = 0; i < d->n_splits; i++) {
        int64_t labels = 0;
        for (int k = 0; r->split[i].label && k < r->n_labels; k++) labels += r->split[i].label[k];
        r->split[i].unlabelled = labels == 0;
    }
    LT_TRY(lt_dataset_writer_create(d->spec.output, info, &out));
    for (int i = 0; i < d->n_splits; i++)
        if (d->split[i].name[0]) LT_TRY_GOTO(write_split(d, i, fresh, out), st, done);
    LT_TRY_GOTO(prep_report_store(r, lt_h5_writer_file(lt_dataset_writer_h5(out))), st, done);
    st = lt_dataset_writer_commit(&out);
done:
    lt_dataset_writer_cancel(&out);
    return st;
}
