// TEST np: 0  rooms: prep  labels: e2e
/* Prints the rows of a file as the readers of ltune-prep give them.
 *
 *     read_rows [KEY=VALUE...] FILE
 *
 * A text row is LINE, label, text and second text, a row of words LINE and word/tag pairs, parted by tabs; a missing label is ?; tabs, line
 * ends and NUL in texts are \t, \n, \0.  Last come the counts and how the file was read.  Errors go to stderr; exit codes are those of ltune-prep. */
#include "preset.h"

#include "base/sha256.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void print_text(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\t' || s[i] == '\n' || s[i] == '\r' || !s[i])
            printf("\\%c", s[i] == '\t' ? 't' : s[i] == '\n' ? 'n' : s[i] == '\r' ? 'r' : '0');
        else
            putchar(s[i]);
    }
}

static void print_row(const prep_row *row) {
    printf("%lld", (long long)row->line);
    for (int i = 0; !row->text[0] && i < row->n_words; i++) printf("\t%s/%s", row->word[i], row->tag ? row->tag[i] : "?");
    if (row->text[0]) printf("\t%s", row->label ? row->label : "?");
    for (int k = 0; k < 2 && row->text[k]; k++) {
        putchar('\t');
        print_text(row->text[k], row->bytes[k]);
    }
    putchar('\n');
}

static prep_column column(const char *value) {
    char *end;
    long n = strtol(value, &end, 10);
    return *end ? (prep_column){.name = {value}} : (prep_column){.number = (int)n};
}

static int split(char *value, const char **out, int max) {
    int n = 0;
    char *rest = NULL;
    for (char *p = strtok_r(value, ",", &rest); p && n < max; p = strtok_r(NULL, ",", &rest)) out[n++] = p;
    return n;
}

static lt_status set(prep_layout *l, const char *key, char *value) {
    static const char *labels[64], *tags[64];
    static prep_bin bins[] = {{2.5, "low"}, {3.5, "middle"}, {INFINITY, "high"}};
    static prep_map map[] = {{"yes", "positive"}, {"no", "negative"}};
    const prep_preset *p;
    if (!strcmp(key, "preset")) {
        LT_TRY(prep_preset_find(value, &p));
        *l = prep_preset_layout(p);
    } else if (!strcmp(key, "format"))
        return prep_format_find(value, &l->format);
    else if (!strcmp(key, "scheme"))
        return prep_scheme_find(value, &l->scheme);
    else if (!strcmp(key, "text"))
        l->text[0] = column(value);
    else if (!strcmp(key, "text2"))
        l->text[1] = column(value);
    else if (!strcmp(key, "pair"))
        l->pair = column(value);
    else if (!strcmp(key, "label"))
        l->label = column(value);
    else if (!strcmp(key, "sep"))
        l->separator = value[0];
    else if (!strcmp(key, "quote"))
        l->quote = value[0];
    else if (!strcmp(key, "header"))
        l->header = !strcmp(value, "yes") ? PREP_HEADER_YES : !strcmp(value, "no") ? PREP_HEADER_NO : PREP_HEADER_DETECT;
    else if (!strcmp(key, "bytes"))
        l->bad = !strcmp(value, "replace") ? PREP_BYTES_REPLACE : !strcmp(value, "skip") ? PREP_BYTES_SKIP : PREP_BYTES_ERROR;
    else if (!strcmp(key, "keep_nul"))
        l->keep_nul = true;
    else if (!strcmp(key, "words"))
        l->words = true;
    else if (!strcmp(key, "optional"))
        l->label_optional = true;
    else if (!strcmp(key, "unlabelled"))
        l->unlabelled[0] = value;
    else if (!strcmp(key, "comment"))
        l->comment = value;
    else if (!strcmp(key, "label_file"))
        l->label_file = value;
    else if (!strcmp(key, "rule")) {
        l->rule = !strcmp(value, "sign") ? PREP_RULE_SIGN : !strcmp(value, "bins") ? PREP_RULE_BINS : PREP_RULE_NAME;
        l->bin = bins;
        l->n_bins = 3;
    } else if (!strcmp(key, "map")) {
        l->map = map;
        l->n_map = 2;
    } else if (!strcmp(key, "labels")) {
        l->n_labels = split(value, labels, 64);
        l->label_name = labels;
    } else if (!strcmp(key, "base")) {
        l->numbered = true;
        l->base = atoi(value);
    } else if (!strcmp(key, "tags")) {
        l->n_tags = split(value, tags, 64);
        l->tag_name = tags;
    } else
        return LT_FAIL(LT_ERR_ARG, "unknown key %s", key);
    return LT_OK;
}

static lt_status run(int argc, char **argv) {
    prep_layout l = {0};
    prep_rows *r = NULL;
    prep_row row;
    bool more = true;
    lt_sha *sha;
    lt_status st = LT_OK;
    char hex[LT_SHA_HEX_BYTES];
    bool quiet = getenv("QUIET");
    if (argc == 2 && !strcmp(argv[1], "list")) {
        prep_preset_list(stdout);
        return LT_OK;
    }
    for (int i = 1; i + 1 < argc; i++) {
        char *eq = strchr(argv[i], '=');
        LT_CHECK(eq, LT_ERR_ARG, "expected KEY=VALUE, found %s", argv[i]);
        *eq = 0;
        LT_TRY(set(&l, argv[i], eq + 1));
    }
    LT_CHECK(argc > 1, LT_ERR_ARG, "no file");
    LT_TRY(lt_sha_begin(&sha));
    LT_TRY_GOTO(prep_rows_open(&l, argv[argc - 1], sha, &r), st, done);
    for (;;) {
        LT_TRY_GOTO(prep_rows_next(r, &row, &more), st, done);
        if (!more) break;
        if (!quiet) print_row(&row);
    }
    const prep_rows_counts *c = prep_rows_count(r);
    LT_TRY_GOTO(lt_sha_finish(&sha, hex), st, done);
    printf("# lines %lld, blank %lld, left out %lld, replaced %lld, skipped %lld, stray %lld\n# %s\n# %s\n", (long long)c->lines,
           (long long)c->blank, (long long)c->left_out, (long long)c->invalid_replaced, (long long)c->invalid_skipped, (long long)c->stray,
           prep_rows_about(r), hex);
done:
    if (sha) (void)lt_sha_finish(&sha, hex);
    prep_rows_close(&r);
    return st;
}

int main(int argc, char **argv) {
    lt_status st = run(argc, argv);
    if (st != LT_OK) fprintf(stderr, "%s: %s\n", lt_status_name(st), lt_err_last()->msg);
    return lt_status_exit_code(st);
}
