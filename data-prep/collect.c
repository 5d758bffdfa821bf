/* Tokenised rows to their splits; see data.h.
 *
 * Rows without a label go to a split of their own, the twin of the one they were read for: a split in which some rows have labels could be neither learned
 * from whole nor told apart.  A split that gets no labelled row at all (a test set as it is published) is its twin, under its own name. */
#include "block.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

enum { TRAINING = 0x100 /* in prep_text.split: its rows come behind those of the other splits */ };

lt_status prep_split_get(prep_data *d, const char *name, int *split) {
    for (*split = 0; *split < d->n_splits; ++*split)
        if (!strcmp(d->split[*split].name, name)) return LT_OK;
    LT_CHECK(name[0] && strlen(name) < LT_NAME_BYTES && !strchr(name, '/'), LT_ERR_ARG, "\"%s\" cannot be the name of a split", name);
    LT_CHECK(d->n_splits < PREP_MAX_SPLITS, LT_ERR_ARG, "more than %d splits", PREP_MAX_SPLITS);
    prep_split *s = &d->split[d->n_splits++];
    *s = (prep_split){.twin = -1, .twin_of = -1};
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    prep_spool_init(&s->rows, d->spool_dir, sizeof(prep_kept));
    prep_spool_init(&s->tokens, d->spool_dir, sizeof(int32_t));
    prep_spool_init(&s->words, d->spool_dir, sizeof(prep_kept_word));
    return LT_OK;
}

static lt_status get_twin(prep_data *d, int split, int *twin) {
    char name[LT_NAME_BYTES + 16];
    prep_split *s = &d->split[split];
    *twin = s->twin;
    if (*twin >= 0) return LT_OK;
    (void)snprintf(name, sizeof name, "%s_unlabelled", s->name);
    int before = d->n_splits;
    LT_TRY(prep_split_get(d, name, twin));
    LT_CHECK(d->n_splits > before, LT_ERR_ARG,
             "split \"%s\" is named on the command line, but holds the rows of \"%s\" that have no label: give it another name", name,
             s->name);
    s->twin = *twin;
    d->split[*twin].twin_of = split;
    return LT_OK;
}

static bool is_training(const prep_split *s) { return s->twin_of < 0 && !strcmp(s->name, "train"); }

static lt_status add(prep_data *d, int split, const prep_made *m, const int32_t *token, const prep_kept_word *word) {
    prep_split *s = &d->split[split];
    prep_text t = {.digest = {m->digest[0], m->digest[1]}, .row = s->rows.n, .split = split, .label = m->told};
    if (is_training(s)) t.split |= TRAINING;
    LT_TRY(prep_repeats_add(&d->texts, &t));
    LT_TRY(prep_spool_add(&s->rows, &m->kept, 1));
    LT_TRY(prep_spool_add(&s->tokens, token, m->kept.n));
    return prep_spool_add(&s->words, word, m->kept.words);
}

lt_status prep_collect(prep_data *d, const prep_block *b) {
    const int32_t *token = b->tokens.id;
    for (int64_t i = 0; i < b->n; i++) {
        const prep_given *g = &b->row[i];
        const prep_made *m = &b->made[i];
        int split = g->split >= 0 ? g->split : d->share[m->share];
        if (g->label == LT_IGNORED_LABEL) LT_TRY(get_twin(d, split, &split));
        if (m->kept.n == 0) { /* nothing to learn from, and no file can hold it */
            if (d->report.no_token++ == 0)
                lt_warn("%s:%lld: a text without any token is left out, and so are others like it; how many, the report says",
                        d->file[g->file].path, (long long)g->line);
            continue;
        }
        LT_TRY(add(d, split, m, token, b->word + g->word));
        token += m->kept.n;
    }
    return LT_OK;
}

/* --- rows that are dropped ---------------------------------------------------------------------------------------------------------- */

static lt_status drop(prep_split *s, int64_t row) {
    if (!s->dropped) LT_TRY(lt_calloc(&s->dropped, s->rows.n / 8 + 1, 1, "a bit a row"));
    s->dropped[row / 8] |= (uint8_t)(1u << row % 8);
    return LT_OK;
}

/* While texts are scanned. */
typedef struct scan {
    prep_data *d;
    bool elsewhere;                 /* the text at hand is in a split that judges */
    int64_t count[PREP_MAX_SPLITS]; /* rows of it */
    int32_t label[PREP_MAX_SPLITS]; /* of the first of them */
    bool disputed[PREP_MAX_SPLITS]; /* another row has another label */
} scan;

/* Rows of the training split whose text another split has; the other splits come first. */
static lt_status drop_leak(void *user, const prep_text *t, bool first) {
    scan *c = user;
    prep_split *s = &c->d->split[t->split & ~TRAINING];
    if (first) c->elsewhere = false;
    if (!(t->split & TRAINING)) {
        c->elsewhere |= s->twin_of < 0;
        return LT_OK;
    }
    if (!c->elsewhere) return LT_OK;
    c->d->report.split[t->split & ~TRAINING].leaks_dropped++;
    return drop(s, t->row);
}

static void end_text(scan *c) {
    int n = c->d->n_splits;
    for (int a = 0; a < n; a++) {
        prep_report_split *r = &c->d->report.split[a];
        if (c->count[a] == 0) continue;
        r->repeated += c->count[a] - 1;
        r->disputed += c->disputed[a];
        for (int b = 0; b < n; b++)
            if (b != a && c->count[b] > 0) r->also[b] += c->count[a];
        c->disputed[a] = false;
    }
    memset(c->count, 0, sizeof c->count);
}

static lt_status count_text(void *user, const prep_text *t, bool first) {
    scan *c = user;
    int k = t->split & ~TRAINING;
    if (first) end_text(c);
    if (prep_is_dropped(&c->d->split[k], t->row)) return LT_OK;
    if (c->count[k]++ == 0) c->label[k] = t->label;
    c->disputed[k] |= t->label != c->label[k];
    return LT_OK;
}

/* --- rows that are drawn ------------------------------------------------------------------------------------------------------------ */

/* The rows of a label with the smallest hashes: a heap, the largest on top. */
typedef struct drawn {
    struct ticket {
        uint64_t draw;
        int64_t row;
    } * at;
    int64_t n, cap;
} drawn;

static bool above(const struct ticket *a, const struct ticket *b) { return a->draw != b->draw ? a->draw > b->draw : a->row > b->row; }

static void swap(drawn *h, int64_t a, int64_t b) {
    struct ticket t = h->at[a];
    h->at[a] = h->at[b];
    h->at[b] = t;
}

/* Takes a ticket in; *out is the row that has to go, -1 if none has. */
static lt_status enter(drawn *h, struct ticket t, int64_t most, int64_t *out) {
    *out = -1;
    if (h->n < most) {
        if (h->n == h->cap) {
            int64_t cap = 2 * h->cap + 16;
            struct ticket *grown = realloc(h->at, (size_t)cap * sizeof *grown);
            LT_CHECK(grown, LT_ERR_NOMEM, "no memory for %lld rows a label", (long long)cap);
            h->at = grown;
            h->cap = cap;
        }
        h->at[h->n++] = t;
        for (int64_t i = h->n - 1; i > 0 && above(&h->at[i], &h->at[(i - 1) / 2]); i = (i - 1) / 2) swap(h, i, (i - 1) / 2);
        return LT_OK;
    }
    *out = t.row;
    if (above(&t, &h->at[0])) return LT_OK;
    *out = h->at[0].row;
    h->at[0] = t;
    for (int64_t i = 0, c; (c = 2 * i + 1) < h->n; i = c) {
        if (c + 1 < h->n && above(&h->at[c + 1], &h->at[c])) c++;
        if (!above(&h->at[c], &h->at[i])) break;
        swap(h, i, c);
    }
    return LT_OK;
}

static lt_status draw_rows(prep_data *d, int split, drawn *heap) {
    enum { PIECE = 4096 };
    prep_split *s = &d->split[split];
    prep_kept *row = NULL;
    lt_status st = LT_OK;
    LT_TRY(lt_calloc(&row, PIECE, sizeof *row, "rows"));
    for (int64_t at = 0, n; at < s->rows.n; at += n) {
        n = s->rows.n - at < PIECE ? s->rows.n - at : PIECE;
        LT_TRY_GOTO(prep_spool_read(&s->rows, at, n, row), st, done);
        for (int64_t i = 0, out; i < n; i++) {
            if (prep_is_dropped(s, at + i)) continue;
            LT_TRY_GOTO(enter(&heap[row[i].label], (struct ticket){row[i].draw, at + i}, d->spec.per_label, &out), st, done);
            if (out < 0) continue;
            d->report.split[split].not_drawn++;
            LT_TRY_GOTO(drop(s, out), st, done);
        }
    }
    for (int k = 0; k < d->labels.n; k++)
        if (heap[k].n < d->spec.per_label)
            lt_warn("split 'train' has %lld rows of label %s, fewer than --per-label %lld", (long long)heap[k].n, d->labels.name[k],
                    (long long)d->spec.per_label);
done:
    free(row);
    return st;
}

static lt_status draw(prep_data *d) {
    drawn *heap = NULL;
    lt_status st = LT_OK;
    int split = 0;
    while (split < d->n_splits && !is_training(&d->split[split])) split++;
    LT_CHECK(split < d->n_splits, LT_ERR_ARG, "--per-label draws rows of the split 'train', and there is none");
    LT_TRY(lt_calloc(&heap, LT_MAX_LABELS, sizeof *heap, "rows per label"));
    st = draw_rows(d, split, heap);
    for (int k = 0; k < LT_MAX_LABELS; k++) free(heap[k].at);
    free(heap);
    return st;
}

/* --- the end ------------------------------------------------------------------------------------------------------------------------ */

/* A split that is empty but for its twin gives it its name. */
static void settle_twins(prep_data *d) {
    for (int i = 0; i < d->n_splits; i++) {
        prep_split *s = &d->split[i];
        if (s->twin < 0 || s->rows.n > 0) continue;
        prep_split *twin = &d->split[s->twin];
        memcpy(twin->name, s->name, sizeof twin->name);
        twin->twin_of = -1;
        s->name[0] = 0;
        s->twin = -1;
    }
}

lt_status prep_collect_end(prep_data *d) {
    scan c = {.d = d};
    settle_twins(d);
    for (int i = 0; i < d->n_splits; i++)
        LT_CHECK(d->split[i].rows.n > 0 || !d->split[i].name[0], LT_ERR_FORMAT, "split '%s' got no samples: %s", d->split[i].name,
                 d->spec.n_shares ? "use more lines, or other shares in --split" : "no row of its files gives a token");
    if (d->spec.drop_leaks) LT_TRY(prep_repeats_scan(&d->texts, drop_leak, &c));
    if (d->spec.per_label > 0) LT_TRY(draw(d));
    LT_TRY(prep_repeats_scan(&d->texts, count_text, &c));
    end_text(&c);
    prep_repeats_free(&d->texts);
    return LT_OK;
}

void prep_data_fini(prep_data *d) {
    char hex[LT_SHA_HEX_BYTES];
    for (int i = 0; i < d->n_splits; i++) {
        prep_spool_free(&d->split[i].rows);
        prep_spool_free(&d->split[i].tokens);
        prep_spool_free(&d->split[i].words);
        free(d->split[i].dropped);
    }
    for (int i = 0; i < d->n_files; i++) free(d->file[i].path);
    for (prep_map_text *t = d->map_text, *after; t; t = after) {
        after = t->next;
        free(t->text);
        free(t);
    }
    free(d->map);
    free(d->file);
    prep_repeats_free(&d->texts);
    prep_report_fini(&d->report);
    prep_labels_fini(&d->labels);
    lt_tok_close(&d->tok);
    if (d->source) (void)lt_sha_finish(&d->source, hex);
}
