/* `ltune-prep data`: the command line of it, and what it reports. */
#include "data.h"

#include "base/sha256.h"
#include "base/mem.h"
#include "store/fs.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct source {
    char *path; /* owned */
    char split[LT_NAME_BYTES];
} source;

typedef struct sources {
    source *at;
    int n;
} sources;

/* --- options ------------------------------------------------------------------------------------------------------------------------ */

/* --text 3 or --text review. */
static lt_status read_column(const prep_args *a, const char *option, bool required, prep_column *c) {
    const char *text = lt_cli_value(&a->cli, option);
    *c = (prep_column){0};
    LT_CHECK(text || !required, LT_ERR_ARG, "--%s is missing: the number of the column, from 1, or its name in the header", option);
    if (!text) return LT_OK;
    if (!text[strspn(text, "0123456789")]) {
        int64_t n;
        LT_TRY(lt_cli_int(&a->cli, option, 1, PREP_MAX_COLUMNS, 0, &n));
        c->number = (int)n;
    } else {
        c->name[0] = text;
    }
    return LT_OK;
}

static lt_status read_preset(const prep_args *a, const char *name, prep_data *d) {
    static const char *const foreign[] = {"format", "text", "pair", "label", "label-rule", "labels", "header", "no-header"};
    const prep_preset *p;
    int k;
    LT_TRY(prep_preset_find(name, &p));
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        LT_CHECK(!lt_cli_value(&a->cli, foreign[i]), LT_ERR_ARG, "--%s has no place beside --task %s, which knows its columns and labels",
                 foreign[i], name);
    d->spec.task = p->name;
    d->spec.layout = prep_preset_layout(p);
    for (int i = 0; i < p->n_labels; i++) {
        bool known;
        LT_TRY(prep_label_intern(&d->labels, p->label_name[i], &k));
        LT_TRY(prep_label_words(&d->labels, p->label_name[i], p->label_words[i], &known));
    }
    d->labels.fixed = true;
    return LT_OK;
}

/* "a,b,c" into the set of labels, in this order. */
static lt_status read_labels(const prep_args *a, prep_labels *l) {
    const char *given = lt_cli_value(&a->cli, "labels");
    char *copy = NULL, *rest = NULL;
    lt_status st = LT_OK;
    if (!given) return LT_OK;
    LT_TRY(lt_strdup(&copy, given));
    for (char *name = strtok_r(copy, ",", &rest); name && st == LT_OK; name = strtok_r(NULL, ",", &rest)) {
        int before = l->n, k;
        st = prep_label_intern(l, name, &k);
        if (st == LT_OK && l->n == before) st = LT_FAIL(LT_ERR_ARG, "--labels: \"%s\" is there twice", name);
    }
    free(copy);
    if (st == LT_OK && l->n < 2) st = LT_FAIL(LT_ERR_ARG, "--labels: expected two or more names separated by commas, found \"%s\"", given);
    l->fixed = true;
    return st;
}

static lt_status read_format(const prep_args *a, const char *format, prep_data *d) {
    const char *rule = lt_cli_value(&a->cli, "label-rule");
    prep_layout *s = &d->spec.layout;
    LT_TRY(prep_format_find(format, &s->format));
    LT_TRY(read_column(a, "text", true, &s->text[0]));
    LT_TRY(read_column(a, "pair", false, &s->pair));
    LT_TRY(read_column(a, "label", true, &s->label));
    d->spec.task = format;
    bool named = s->text[0].name[0] || s->label.name[0] || s->pair.name[0];
    LT_CHECK(!(lt_cli_value(&a->cli, "header") && lt_cli_value(&a->cli, "no-header")), LT_ERR_ARG,
             "--header and --no-header exclude each other");
    LT_CHECK(!(named && lt_cli_value(&a->cli, "no-header")), LT_ERR_ARG, "with --no-header columns are given by number, from 1");
    s->header = named || lt_cli_value(&a->cli, "header") ? PREP_HEADER_YES : PREP_HEADER_NO;
    LT_CHECK(!rule || !strcmp(rule, "sign") || !strcmp(rule, "name"), LT_ERR_ARG, "--label-rule: expected name or sign, found \"%s\"",
             rule);
    if (rule && !strcmp(rule, "sign")) {
        s->rule = PREP_RULE_SIGN;
        int k;
        LT_CHECK(!lt_cli_value(&a->cli, "labels"), LT_ERR_ARG,
                 "--labels has no place beside --label-rule sign: the labels are negative, positive");
        LT_TRY(prep_label_intern(&d->labels, "negative", &k));
        LT_TRY(prep_label_intern(&d->labels, "positive", &k));
        d->labels.fixed = true;
    }
    return read_labels(a, &d->labels);
}

/* "80,10,10": percent of train, dev, test. */
static lt_status read_shares(const prep_args *a, prep_data *d) {
    static const char *const split[PREP_MAX_SHARES] = {"train", "dev", "test"};
    const char *given = lt_cli_value(&a->cli, "hash-split");
    prep_spec *s = &d->spec;
    double sum = 0;
    bool good = given;
    if (!given) return LT_OK;
    for (const char *p = given; good;) {
        char *end;
        double share = strtod(p, &end);
        good = end != p && share > 0 && share < 100 && s->n_shares < PREP_MAX_SHARES && (*end == ',' || !*end);
        if (!good) break;
        s->share[s->n_shares++] = share;
        sum += share;
        if (!*end) break;
        p = end + 1;
    }
    LT_CHECK(
        good && s->n_shares >= 2 && fabs(sum - 100) < 1e-6, LT_ERR_ARG,
        "--hash-split: expected the percentages of train, dev and perhaps test, each above 0, together 100, such as 80,10,10; found \"%s\"",
        given);
    for (int i = 0; i < s->n_shares; i++) {
        prep_split *made;
        LT_TRY(prep_split_get(d, split[i], &made)); /* in this order in the file's report */
    }
    return LT_OK;
}

/* Every --words "name=text,name=text". */
static lt_status read_words(const prep_args *a, prep_labels *l) {
    for (int i = 0; i < a->cli.n_options; i++) {
        char *copy = NULL, *rest = NULL, list[600];
        lt_status st = LT_OK;
        if (strcmp(a->cli.option[i].name, "words")) continue;
        LT_TRY(lt_strdup(&copy, a->cli.option[i].value));
        for (char *pair = strtok_r(copy, ",", &rest); pair && st == LT_OK; pair = strtok_r(NULL, ",", &rest)) {
            char *eq = strchr(pair, '=');
            bool known = false;
            if (eq) *eq = 0;
            if (!eq || !eq[1])
                st = LT_FAIL(LT_ERR_ARG, "--words: expected label=text, such as positive=great, found \"%s\"", pair);
            else
                st = prep_label_words(l, pair, eq + 1, &known);
            if (st != LT_OK || known) continue;
            prep_label_list(l, list, sizeof list);
            st = LT_FAIL(LT_ERR_ARG, "--words: there is no label \"%s\"; the labels are: %s", pair, list);
        }
        free(copy);
        LT_TRY(st);
    }
    return LT_OK;
}

/* --- files -------------------------------------------------------------------------------------------------------------------------- */

static lt_status add_source(sources *s, const char *path, const char *split) {
    source *grown = realloc(s->at, (size_t)(s->n + 1) * sizeof *grown);
    LT_CHECK(grown, LT_ERR_NOMEM, "no memory for file names");
    s->at = grown;
    s->at[s->n] = (source){0};
    LT_CHECK(strlen(split) < LT_NAME_BYTES, LT_ERR_ARG, "\"%s\" is too long for the name of a split", split);
    (void)snprintf(s->at[s->n].split, sizeof s->at[s->n].split, "%s", split);
    LT_TRY(lt_strdup(&s->at[s->n].path, path));
    s->n++;
    return LT_OK;
}

/* The files of a preset in a folder. */
static lt_status add_folder(sources *s, const char *dir, const char *task) {
    const prep_preset *p;
    prep_preset_file *file;
    int n;
    LT_CHECK(task, LT_ERR_ARG, "%s is a folder: name its files, or the data set it holds with --task", dir);
    LT_TRY(prep_preset_find(task, &p));
    LT_TRY(prep_preset_files(p, dir, &file, &n));
    lt_status st = LT_OK;
    for (int i = 0; i < n && st == LT_OK; i++) st = add_source(s, file[i].path, file[i].split);
    prep_preset_files_free(file, n);
    return st;
}

/* The words of the command line: FILE, SPLIT=FILE, or a folder. */
static lt_status find_sources(const prep_args *a, const prep_data *d, sources *s) {
    struct stat info;
    const char *task = lt_cli_value(&a->cli, "task");
    LT_CHECK(a->cli.n_words > 0, LT_ERR_ARG, "no file to read: name one or more");
    for (int i = 0; i < a->cli.n_words; i++) {
        const char *word = a->cli.word[i], *eq = strchr(word, '='), *slash = strchr(word, '/'), *split;
        char name[LT_NAME_BYTES] = "";
        bool named = eq && eq != word && !(slash && slash < eq) && eq - word < LT_NAME_BYTES;
        if (named) {
            (void)snprintf(name, sizeof name, "%.*s", (int)(eq - word), word);
            LT_CHECK(!d->spec.n_shares, LT_ERR_ARG, "\"%s\" names a split, but --hash-split distributes the lines", word);
            word = eq + 1;
        }
        bool folder = strcmp(word, "-") && stat(word, &info) == 0 && S_ISDIR(info.st_mode);
        if (folder && !named) {
            LT_TRY(add_folder(s, word, task));
            continue;
        }
        split = named ? name : d->spec.n_shares ? "train" : prep_split_of_name(word);
        if (!split && a->cli.n_words == 1) split = "train";
        LT_CHECK(split, LT_ERR_ARG, "which split is %s? Write train=%s, dev=%s or test=%s, or use --hash-split", word, word, word, word);
        LT_TRY(add_source(s, word, split));
    }
    return LT_OK;
}

/* What can be known about the output before an hour of work. */
static lt_status check_output(const char *path, const sources *s) {
    struct stat out, in;
    char dir[4096];
    const char *slash = strrchr(path, '/');
    bool there = stat(path, &out) == 0;
    (void)snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
    LT_CHECK(!(there && S_ISDIR(out.st_mode)), LT_ERR_ARG, "-o %s is a folder, expected a file name", path);
    for (int i = 0; there && i < s->n; i++)
        LT_CHECK(stat(s->at[i].path, &in) != 0 || in.st_dev != out.st_dev || in.st_ino != out.st_ino, LT_ERR_ARG,
                 "-o %s would overwrite a file to read", path);
    LT_CHECK(access(dir, W_OK | X_OK) == 0, LT_ERR_IO, "cannot write %s: folder %s: %m", path, dir);
    return LT_OK;
}

/* --- report ------------------------------------------------------------------------------------------------------------------------- */

static int64_t count(const prep_split *s, int k) {
    int64_t n = 0;
    for (int64_t i = 0; i < s->n; i++) n += s->label[i] == k;
    return n;
}

static lt_status report_json(const prep_data *d, const char *path, const lt_dataset_info *info) {
    json_t *labels = json_array(), *splits = json_object();
    for (int k = 0; k < d->labels.n; k++)
        json_array_append_new(labels, json_pack("{s:s, s:s}", "name", d->labels.name[k], "words", d->labels.words[k]));
    for (int i = 0; i < d->n_splits; i++) {
        const prep_split *s = &d->split[i];
        json_t *per_label = json_object();
        for (int k = 0; k < d->labels.n; k++) json_object_set_new(per_label, d->labels.name[k], json_integer(count(s, k)));
        json_object_set_new(splits, s->name,
                            json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "sequences", (json_int_t)s->n, "tokens", (json_int_t)s->tokens.n,
                                      "longest", (json_int_t)s->longest, "truncated", (json_int_t)s->truncated, "empty",
                                      (json_int_t)s->empty, "labels", per_label));
    }
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:o}", "output", path, "task", d->spec.task, "tokenizer",
                          lt_tok_kind_name(d->tok), "tokenizer_sha256", info->tokenizer_sha256, "source_sha256", info->source_sha256,
                          "max_length", (json_int_t)d->spec.max_length, "left_out", (json_int_t)d->left_out, "blank_lines",
                          (json_int_t)d->blank, "labels", labels, "splits", splits);
    LT_CHECK(o, LT_ERR_NOMEM, "no memory for the report");
    json_dumpf(o, stdout, JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(o);
    return LT_OK;
}

static void report_text(const prep_data *d, const char *path) {
    int64_t over = 0, n = 0;
    printf("%s: task %s, tokenizer %s, ", path, d->spec.task, lt_tok_kind_name(d->tok));
    if (d->spec.max_length)
        printf("cut to %lld tokens\n", (long long)d->spec.max_length);
    else
        printf("any length\n");
    printf("%-12s %10s %12s %8s %10s %7s\n", "split", "sequences", "tokens", "longest", "truncated", "empty");
    for (int i = 0; i < d->n_splits; i++) {
        const prep_split *s = &d->split[i];
        printf("%-12s %10lld %12lld %8lld %10lld %7lld\n", s->name, (long long)s->n, (long long)s->tokens.n, (long long)s->longest,
               (long long)s->truncated, (long long)s->empty);
        over += s->over;
        n += s->n;
    }
    for (int k = 0; k < d->labels.n && k < 30; k++) {
        printf("label %d: %s, words \"%s\":", k, d->labels.name[k], d->labels.words[k]);
        for (int i = 0; i < d->n_splits; i++) printf("%s %s %lld", i ? "," : "", d->split[i].name, (long long)count(&d->split[i], k));
        putchar('\n');
    }
    if (d->labels.n > 30) printf("and %d labels more\n", d->labels.n - 30);
    if (d->left_out) printf("left out: %lld lines with a rating of 0, which has no sign\n", (long long)d->left_out);
    if (d->blank) printf("skipped: %lld blank lines\n", (long long)d->blank);
    if (over)
        printf("%lld of %lld sequences have more than %d tokens: a run cuts them at data.max_length (default %d)\n", (long long)over,
               (long long)n, PREP_DEFAULT_LENGTH, PREP_DEFAULT_LENGTH);
}

/* --- the command -------------------------------------------------------------------------------------------------------------------- */

static lt_status work(const prep_args *a, prep_data *d, sources *s) {
    const char *task = lt_cli_value(&a->cli, "task"), *format = lt_cli_value(&a->cli, "format"), *out = lt_cli_value(&a->cli, "output");
    const char *dir = lt_cli_value(&a->cli, "tokenizer");
    lt_dataset_info info = {0};
    LT_CHECK(task || format, LT_ERR_ARG, "what is the data? Give --task NAME or --format tsv");
    LT_CHECK(dir, LT_ERR_ARG, "no tokenizer: give the model's folder with -t DIR");
    LT_CHECK(out, LT_ERR_ARG, "no output: give a file name with -o OUT.h5");
    LT_TRY(task ? read_preset(a, task, d) : read_format(a, format, d));
    LT_TRY(lt_cli_int(&a->cli, "max-length", 4, 1 << 20, 0, &d->spec.max_length));
    LT_TRY(read_shares(a, d));
    bool given = d->labels.fixed;
    if (given) LT_TRY(read_words(a, &d->labels));
    LT_TRY(find_sources(a, d, s));
    LT_TRY(check_output(out, s));
    LT_TRY(lt_tok_open(dir, &d->tok));
    LT_TRY(lt_sha_begin(&d->source));
    for (int i = 0; i < s->n; i++) LT_TRY(prep_read_file(d, s->at[i].path, s->at[i].split));
    LT_CHECK(d->labels.n > 1, LT_ERR_FORMAT, "every line has the same label \"%s\": is --label the right column?",
             d->labels.n ? d->labels.name[0] : "");
    LT_TRY(prep_labels_sort(d));
    if (!given) LT_TRY(read_words(a, &d->labels));
    LT_TRY(prep_data_write(d, out, a->command, &info));
    if (lt_cli_value(&a->cli, "json")) return report_json(d, out, &info);
    report_text(d, out);
    return LT_OK;
}

static lt_status run(const prep_args *a) {
    prep_data *d = NULL;
    sources s = {0};
    LT_TRY(lt_calloc(&d, 1, sizeof *d, "a data set"));
    lt_status st = work(a, d, &s);
    for (int i = 0; i < s.n; i++) free(s.at[i].path);
    free(s.at);
    prep_data_fini(d);
    free(d);
    return st;
}

static const lt_cli_option options[] = {
    {"tokenizer", "DIR", "folder of the model (or its tokenizer file)", 't'},
    {"output", "OUT.h5", "the data set; appears under this name only when it is complete", 'o'},
    {"task", "NAME",
     "a known data set:\n"
     "sst2  header names 'sentence' (or 'content') and 'label' 0, 1; words: negative, positive\n"
     "cola  no header; label 0, 1 in column 2, sentence in column 4; words: unacceptable, acceptable\n"
     "rte   header names 'sentence1', 'sentence2', 'label'; words: entailment, not entailment",
     0},
    {"format", "tsv", "columns separated by tabs; quotes have no meaning; blank lines are skipped", 0},
    {"text", "COL", "column of the text: its number, from 1, or its name in the header", 0},
    {"pair", "COL", "column of a second text", 0},
    {"label", "COL", "column of the label", 0},
    {"header", NULL, "the first line names the columns (so too if a column is given by name)", 0},
    {"no-header", NULL, "it does not (default)", 0},
    {"label-rule", "RULE",
     "name: the label as it stands (default). sign: a number, above 0 positive, below 0 negative; lines with 0\n"
     "are left out and counted",
     0},
    {"labels", "A,B,..", "the labels, in this order; any other is an error. Default: those found, sorted", 0},
    {"words", "L=TEXT,..", "the words that label tuning reads for a label; default: its name", 0},
    {"hash-split", "P,Q,R",
     "percent of train, dev and test. Where a text goes depends on nothing but itself: the first 32 bits of the\n"
     "SHA-256 of the text (of text TAB second text), as a share of 2^32. So equal texts are in one split,\n"
     "whatever else changes",
     0},
    {"max-length", "N",
     "cut longer samples to N tokens (of a pair, the longer text first) and count them. Default: nothing is cut\n"
     "here; a run cuts at data.max_length",
     0},
    {"json", NULL, "one JSON object instead of the table", 0},
    {0}};

const prep_command prep_cmd_data = {
    .cli = {.program = "ltune-prep",
            .name = "data",
            .summary = "tokenise a labelled data set into one HDF5 file",
            .usage = "--task NAME FILE... -t DIR -o OUT.h5\n"
                     "--format tsv --text COL --label COL [options] FILE... -t DIR -o OUT.h5",
            .about = "Reads lines of labelled text, tokenises them and writes one HDF5 file with named splits (`ltune help formats`).\n\n"
                     "FILE is UTF-8 text. Its split: SPLIT=FILE, else train, dev (valid) or test from its name; a single file is train. "
                     "Files of one\n"
                     "split follow each other. With --task also a folder: train and dev are found in it.\n",
            .option = options,
            .examples =
                "ltune-prep data --task sst2 SST-2/ -t MiniLM/ -o sst2.h5\n"
                "ltune-prep data --task rte train=RTE/train.tsv dev=RTE/dev.tsv --max-length 256 -t MiniLM/ -o rte.h5\n"
                "ltune-prep data --format tsv --text 3 --label 2 --label-rule sign --hash-split 80,10,10 reviews.tsv -t MiniLM/ -o "
                "reviews.h5\n"
                "ltune-prep data --format tsv --text body --label topic --words sci=science,rec=leisure train.tsv dev.tsv -t MiniLM/ -o "
                "topics.h5\n"},
    .run = run};
