/* The report; see report.h.  One table of fields serves the file, JSON and back. */
#include "report.h"

#include "base/log.h"
#include "base/mem.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct field {
    const char *name;
    size_t offset;
} field;

#define SPLIT(name)                                                                                                                        \
    { #name, offsetof(prep_report_split, name) }
static const field split_fields[] = {SPLIT(sequences),
                                     SPLIT(tokens),
                                     SPLIT(longest),
                                     SPLIT(truncated),
                                     SPLIT(empty),
                                     {"tokens_before_cut", offsetof(prep_report_split, full)},
                                     SPLIT(p50),
                                     SPLIT(p90),
                                     SPLIT(p99),
                                     SPLIT(max),
                                     {"over_default_length", offsetof(prep_report_split, over)},
                                     SPLIT(unknown),
                                     SPLIT(repeated),
                                     SPLIT(disputed),
                                     SPLIT(words),
                                     SPLIT(words_lost),
                                     SPLIT(words_cut),
                                     SPLIT(leaks_dropped),
                                     SPLIT(not_drawn)};
#define WHOLE(name)                                                                                                                        \
    { #name, offsetof(prep_report, name) }
static const field whole_fields[] = {WHOLE(max_length),
                                     WHOLE(default_length),
                                     WHOLE(lines),
                                     {"blank_lines", offsetof(prep_report, blank)},
                                     WHOLE(left_out),
                                     WHOLE(no_token),
                                     WHOLE(invalid_skipped),
                                     WHOLE(invalid_replaced),
                                     {"stray_tags", offsetof(prep_report, stray)}};
enum { SPLIT_FIELDS = sizeof split_fields / sizeof *split_fields, WHOLE_FIELDS = sizeof whole_fields / sizeof *whole_fields };

static int64_t *value(const void *of, const field *f) { return (int64_t *)(void *)((char *)(uintptr_t)of + f->offset); }

lt_status prep_report_source(prep_report *r, const char *path, const char *split, const char *about) {
    char *all = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&all, &bytes);
    LT_CHECK(f, LT_ERR_NOMEM, "no memory for the report");
    fprintf(f, "%s%s%s: %s (%s)", r->sources ? r->sources : "", r->sources ? "\n" : "", path, about, split);
    LT_CHECK(fclose(f) == 0, LT_ERR_NOMEM, "no memory for the report");
    free(r->sources);
    r->sources = all;
    return LT_OK;
}

void prep_report_fini(prep_report *r) {
    for (int i = 0; i < PREP_MAX_SPLITS; i++) free(r->split[i].label);
    free(r->sources);
    *r = (prep_report){0};
}

/* --- for people --------------------------------------------------------------------------------------------------------------------- */

static void print_table(const prep_report *r, FILE *f) {
    char over[32], *n = over;
    (void)snprintf(over, sizeof over, ">%lld", (long long)r->default_length);
    fprintf(f, "%-12s %10s %12s %8s %10s %7s %6s %6s %6s %7s %8s %8s %8s\n", "split", "sequences", "tokens", "longest", "truncated",
            "empty", "p50", "p90", "p99", "max", n, "unknown", "repeated");
    for (int i = 0; i < r->n_splits; i++) {
        const prep_report_split *s = &r->split[i];
        if (!s->name[0]) continue;
        fprintf(f, "%-12s %10lld %12lld %8lld %10lld %7lld %6lld %6lld %6lld %7lld %8lld %7.2f%% %8lld\n", s->name, (long long)s->sequences,
                (long long)s->tokens, (long long)s->longest, (long long)s->truncated, (long long)s->empty, (long long)s->p50,
                (long long)s->p90, (long long)s->p99, (long long)s->max, (long long)s->over,
                s->full ? 100 * (double)s->unknown / (double)s->full : 0, (long long)s->repeated);
    }
}

static void print_labels(const prep_report *r, FILE *f) {
    enum { MOST = 60 };
    for (int k = 0; k < r->n_labels && k < MOST; k++) {
        const char *between = ":";
        fprintf(f, "label %d: %s, words \"%s\"", k, r->label_name[k], r->label_words[k]);
        for (int i = 0; i < r->n_splits; i++) {
            const prep_report_split *s = &r->split[i];
            if (!s->name[0] || s->unlabelled) continue;
            fprintf(f, "%s %s %lld", between, s->name, (long long)s->label[k]);
            between = ",";
        }
        fputc('\n', f);
    }
    if (r->n_labels > MOST) fprintf(f, "and %d labels more\n", r->n_labels - MOST);
}

static void print_split_notes(const prep_report *r, const prep_report_split *s, FILE *f) {
    if (s->unlabelled) fprintf(f, "%s: without labels, for ltune predict RUN.yaml --split %s\n", s->name, s->name);
    if (s->words) fprintf(f, "%s: %lld words", s->name, (long long)s->words);
    if (s->words_lost + s->words_cut)
        fprintf(f, ", of which %lld have no token and %lld lie behind the cut: when spans are judged they count all the same",
                (long long)s->words_lost, (long long)s->words_cut);
    if (s->words) fputc('\n', f);
    if (s->disputed) fprintf(f, "%s: %lld texts occur with different labels\n", s->name, (long long)s->disputed);
    for (int k = 0; k < r->n_splits; k++)
        if (s->also[k]) fprintf(f, "%s: %lld rows have a text that is also in %s\n", s->name, (long long)s->also[k], r->split[k].name);
    if (s->leaks_dropped)
        fprintf(f, "%s: %lld rows were dropped because their text is in another split\n", s->name, (long long)s->leaks_dropped);
    if (s->not_drawn) fprintf(f, "%s: %lld rows were not drawn (--per-label)\n", s->name, (long long)s->not_drawn);
}

void prep_report_print(const prep_report *r, FILE *f) {
    int64_t over = 0, n = 0;
    print_table(r, f);
    print_labels(r, f);
    for (int i = 0; i < r->n_splits; i++) {
        if (!r->split[i].name[0]) continue;
        over += r->split[i].over;
        n += r->split[i].sequences;
        print_split_notes(r, &r->split[i], f);
    }
    if (r->left_out) fprintf(f, "left out: %lld rows that have no label by the rule, such as a rating of 0\n", (long long)r->left_out);
    if (r->no_token) fprintf(f, "left out: %lld rows that give no token\n", (long long)r->no_token);
    if (r->invalid_skipped) fprintf(f, "left out: %lld rows that are not UTF-8\n", (long long)r->invalid_skipped);
    if (r->invalid_replaced) fprintf(f, "%lld rows are not UTF-8: what could not be read became U+FFFD\n", (long long)r->invalid_replaced);
    if (r->stray) fprintf(f, "%lld tags inside of spans had no beginning and were read as beginnings\n", (long long)r->stray);
    if (r->blank) fprintf(f, "skipped: %lld blank lines\n", (long long)r->blank);
    if (over)
        fprintf(f, "%lld of %lld sequences have more than %lld tokens: a run cuts them at data.max_length (default %lld)\n",
                (long long)over, (long long)n, (long long)r->default_length, (long long)r->default_length);
}

static bool is_named(const prep_report_split *s, const char *name) { return !strcmp(s->name, name); }

void prep_report_warn(const prep_report *r) {
    for (int i = 0; i < r->n_splits; i++) {
        const prep_report_split *s = &r->split[i];
        const char *end = strrchr(s->name, '_');
        if (!s->name[0] || is_named(s, "train") || (end && !strcmp(end, "_unlabelled"))) continue;
        for (int k = 0; k < r->n_splits; k++)
            if (s->also[k] && is_named(&r->split[k], "train"))
                lt_warn("%lld of the %lld rows of split '%s' have a text that is also in 'train': what is measured there flatters; "
                        "--drop-leaks "
                        "takes such texts out of 'train'",
                        (long long)s->also[k], (long long)s->sequences, s->name);
    }
}

/* --- JSON --------------------------------------------------------------------------------------------------------------------------- */

static json_t *split_json(const prep_report *r, const prep_report_split *s) {
    json_t *o = json_object(), *labels = json_object(), *also = json_object();
    for (int k = 0; k < SPLIT_FIELDS; k++) json_object_set_new(o, split_fields[k].name, json_integer(*value(s, &split_fields[k])));
    for (int k = 0; k < r->n_labels; k++) json_object_set_new(labels, r->label_name[k], json_integer(s->label[k]));
    for (int k = 0; k < r->n_splits; k++)
        if (s->also[k]) json_object_set_new(also, r->split[k].name, json_integer(s->also[k]));
    json_object_set_new(o, "also_in", also);
    json_object_set_new(o, "unlabelled", json_boolean(s->unlabelled));
    json_object_set_new(o, "labels", labels);
    return o;
}

lt_status prep_report_json(const prep_report *r, json_t *o) {
    json_t *labels = json_array(), *splits = json_object(), *sources = json_array();
    for (int k = 0; k < r->n_labels; k++)
        json_array_append_new(labels, json_pack("{s:s, s:s}", "name", r->label_name[k], "words", r->label_words[k]));
    for (int i = 0; i < r->n_splits; i++)
        if (r->split[i].name[0]) json_object_set_new(splits, r->split[i].name, split_json(r, &r->split[i]));
    for (const char *line = r->sources; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        json_array_append_new(sources, json_stringn(line, strcspn(line, "\n")));
    for (int k = 0; k < WHOLE_FIELDS; k++) json_object_set_new(o, whole_fields[k].name, json_integer(*value(r, &whole_fields[k])));
    json_object_set_new(o, "sources", sources);
    json_object_set_new(o, "labels", labels);
    LT_CHECK(json_object_set_new(o, "splits", splits) == 0, LT_ERR_NOMEM, "no memory for the report");
    return LT_OK;
}

/* --- in the file -------------------------------------------------------------------------------------------------------------------- */

static lt_status store_split(const prep_report *r, const prep_report_split *s, hid_t at) {
    char key[LT_NAME_BYTES + 16];
    hid_t g = -1;
    int64_t K = r->n_labels;
    lt_status st = LT_OK;
    LT_TRY(lt_h5_group(at, s->name, &g));
    for (int k = 0; k < SPLIT_FIELDS; k++) LT_TRY_GOTO(lt_h5_put_i64(g, split_fields[k].name, *value(s, &split_fields[k])), st, done);
    for (int k = 0; k < r->n_splits; k++) {
        if (!s->also[k]) continue;
        (void)snprintf(key, sizeof key, "also_in_%s", r->split[k].name);
        LT_TRY_GOTO(lt_h5_put_i64(g, key, s->also[k]), st, done);
    }
    st = lt_h5_write(g, "labels", LT_I64, 1, &K, s->label, false);
done:
    lt_h5_close(&g);
    return st;
}

lt_status prep_report_store(const prep_report *r, hid_t file) {
    hid_t g = -1;
    lt_status st = LT_OK;
    LT_TRY(lt_h5_group(file, "report", &g));
    for (int k = 0; k < WHOLE_FIELDS; k++) LT_TRY_GOTO(lt_h5_put_i64(g, whole_fields[k].name, *value(r, &whole_fields[k])), st, done);
    LT_TRY_GOTO(lt_h5_put_str(g, "sources", r->sources ? r->sources : ""), st, done);
    for (int i = 0; i < r->n_splits; i++)
        if (r->split[i].name[0]) LT_TRY_GOTO(store_split(r, &r->split[i], g), st, done);
done:
    lt_h5_close(&g);
    return st;
}

static lt_status load_split(prep_report *r, prep_report_split *s, hid_t at) {
    char key[LT_NAME_BYTES + 16];
    hid_t g = -1;
    int64_t K = r->n_labels, labels = 0;
    lt_status st = LT_OK;
    LT_TRY(lt_h5_group(at, s->name, &g));
    for (int k = 0; k < SPLIT_FIELDS; k++)
        if (H5Aexists(g, split_fields[k].name) > 0)
            LT_TRY_GOTO(lt_h5_get_i64(g, split_fields[k].name, value(s, &split_fields[k])), st, done);
    for (int k = 0; k < r->n_splits; k++) {
        (void)snprintf(key, sizeof key, "also_in_%s", r->split[k].name);
        if (H5Aexists(g, key) > 0) LT_TRY_GOTO(lt_h5_get_i64(g, key, &s->also[k]), st, done);
    }
    LT_TRY_GOTO(lt_h5_read(g, "labels", LT_I64, 1, &K, &s->label), st, done);
    for (int64_t k = 0; k < K; k++) labels += s->label[k];
    s->unlabelled = labels == 0;
done:
    lt_h5_close(&g);
    return st;
}

static lt_status load_all(prep_report *r, hid_t g, char *const *name, int64_t n) {
    LT_CHECK(n <= PREP_MAX_SPLITS, LT_ERR_FORMAT, "the report has %lld splits, at most %d are expected", (long long)n, PREP_MAX_SPLITS);
    for (int k = 0; k < WHOLE_FIELDS; k++)
        if (H5Aexists(g, whole_fields[k].name) > 0) LT_TRY(lt_h5_get_i64(g, whole_fields[k].name, value(r, &whole_fields[k])));
    if (H5Aexists(g, "sources") > 0) LT_TRY(lt_h5_get_str(g, "sources", &r->sources));
    for (r->n_splits = 0; r->n_splits < n; r->n_splits++) {
        LT_CHECK(strlen(name[r->n_splits]) < LT_NAME_BYTES, LT_ERR_FORMAT, "the report has a split of the name \"%s\"", name[r->n_splits]);
        (void)snprintf(r->split[r->n_splits].name, LT_NAME_BYTES, "%s", name[r->n_splits]);
    }
    for (int i = 0; i < r->n_splits; i++) LT_TRY(load_split(r, &r->split[i], g));
    return LT_OK;
}

lt_status prep_report_load(prep_report *r, hid_t file, bool *there) {
    char **name = NULL;
    int64_t n;
    hid_t g = -1;
    *there = lt_h5_has(file, "report");
    if (!*there) return LT_OK;
    LT_TRY(lt_h5_list(file, "report", &name, &n));
    lt_status st = lt_h5_group(file, "report", &g);
    if (st == LT_OK) st = load_all(r, g, name, n);
    lt_h5_close(&g);
    free(name);
    return st;
}
