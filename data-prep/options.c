/* The command line of `ltune-prep data`; see data.h. */
#include "data.h"

#include "base/mem.h"
#include "store/fs.h"

#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const share_name[PREP_MAX_SHARES] = {"train", "dev", "test"};

/* --- how files are read ------------------------------------------------------------------------------------------------------------- */

/* --text 3, --text -1 (CoNLL) or --text review. */
static lt_status read_column(const prep_args *a, const char *option, bool from_end, prep_column *c) {
    const char *text = lt_cli_value(&a->cli, option);
    int64_t n = 0;
    *c = (prep_column){0};
    if (!text) return LT_OK;
    const char *digits = text + (from_end && text[0] == '-');
    if (*digits && !digits[strspn(digits, "0123456789")]) {
        LT_TRY(lt_cli_int(&a->cli, option, *text == '-' ? -PREP_MAX_COLUMNS : 1, *text == '-' ? -1 : PREP_MAX_COLUMNS, 0, &n));
        c->number = (int)n;
    } else {
        c->name[0] = text;
    }
    return LT_OK;
}

/* "a+b": parts of the text. */
static lt_status read_text_columns(const prep_args *a, bool from_end, prep_layout *l) {
    LT_TRY(read_column(a, "text", from_end, &l->text[0]));
    LT_TRY(read_column(a, "text2", false, &l->text[1]));
    return LT_OK;
}

static lt_status read_separator(const prep_args *a, prep_layout *l) {
    const char *given = lt_cli_value(&a->cli, "separator");
    if (!given) return LT_OK;
    if (!strcmp(given, "tab") || !strcmp(given, "\\t"))
        l->separator = '\t';
    else if (strlen(given) == 1)
        l->separator = given[0];
    else
        return LT_FAIL(LT_ERR_ARG, "--separator: expected one character, or tab, found \"%s\"", given);
    return LT_OK;
}

static lt_status read_preset(const prep_args *a, const char *name, prep_data *d) {
    static const char *const foreign[] = {"format", "text",   "text2",     "pair", "label",     "label-rule",
                                          "labels", "header", "no-header", "tags", "separator", "label-file"};
    const prep_preset *p;
    LT_TRY(prep_preset_find(name, &p));
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        LT_CHECK(!lt_cli_value(&a->cli, foreign[i]), LT_ERR_ARG, "--%s has no place beside --task %s, which knows its columns and labels",
                 foreign[i], name);
    d->spec.task = p->name;
    d->spec.layout = prep_preset_layout(p);
    if (p->words) {
        LT_TRY(prep_label_spans(&d->labels, p->n_labels, p->label_name, p->label_words));
    } else {
        for (int i = 0, k; i < p->n_labels; i++) {
            bool known;
            LT_TRY(prep_label_intern(&d->labels, p->label_name[i], &k));
            LT_TRY(prep_label_words(&d->labels, p->label_name[i], p->label_words[i], &known));
        }
    }
    d->labels.fixed = true;
    return LT_OK;
}

/* "a,b,c" into the set of labels, in this order; of spans: their types. */
static lt_status read_labels(const prep_args *a, prep_data *d) {
    const char *given = lt_cli_value(&a->cli, "labels");
    char *copy = NULL, *rest = NULL;
    prep_labels *l = &d->labels;
    bool spans = d->spec.layout.words && d->spec.layout.scheme != PREP_SCHEME_PLAIN;
    int least = spans ? 3 : 2;
    lt_status st = LT_OK;
    if (!given) return LT_OK;
    LT_TRY(lt_strdup(&copy, given));
    for (char *name = strtok_r(copy, ",", &rest); name && st == LT_OK; name = strtok_r(NULL, ",", &rest)) {
        int before = l->n, k;
        st = spans ? prep_label_spans(l, 1, (const char *const[]){name}, NULL) : prep_label_intern(l, name, &k);
        if (st == LT_OK && l->n == before) st = LT_FAIL(LT_ERR_ARG, "--labels: \"%s\" is there twice", name);
    }
    free(copy);
    if (st == LT_OK && l->n < least)
        st = LT_FAIL(LT_ERR_ARG, "--labels: expected %s separated by commas, found \"%s\"", spans ? "types of spans" : "two or more names",
                     given);
    l->fixed = true;
    return st;
}

static lt_status read_rule(const prep_args *a, prep_data *d) {
    const char *rule = lt_cli_value(&a->cli, "label-rule");
    int k;
    if (!rule || !strcmp(rule, "name")) return LT_OK;
    LT_CHECK(!strcmp(rule, "sign"), LT_ERR_ARG, "--label-rule: expected name or sign, found \"%s\"", rule);
    LT_CHECK(!lt_cli_value(&a->cli, "labels"), LT_ERR_ARG,
             "--labels has no place beside --label-rule sign: the labels are negative, positive");
    d->spec.layout.rule = PREP_RULE_SIGN;
    LT_TRY(prep_label_intern(&d->labels, "negative", &k));
    LT_TRY(prep_label_intern(&d->labels, "positive", &k));
    d->labels.fixed = true;
    return LT_OK;
}

static lt_status read_header(const prep_args *a, prep_layout *l) {
    bool yes = lt_cli_value(&a->cli, "header"), no = lt_cli_value(&a->cli, "no-header");
    bool named = l->text[0].name[0] || l->text[1].name[0] || l->label.name[0] || l->pair.name[0];
    LT_CHECK(!(yes && no), LT_ERR_ARG, "--header and --no-header exclude each other");
    if (l->format != PREP_TSV && l->format != PREP_CSV) {
        LT_CHECK(!yes && !no, LT_ERR_ARG, "--header and --no-header have no place beside --format %s", prep_format_name(l->format));
        return LT_OK;
    }
    LT_CHECK(!(named && no), LT_ERR_ARG, "with --no-header columns are given by number, from 1");
    l->header = named || yes ? PREP_HEADER_YES : PREP_HEADER_NO;
    return LT_OK;
}

static lt_status read_format(const prep_args *a, const char *format, prep_data *d) {
    prep_layout *l = &d->spec.layout;
    LT_TRY(prep_format_find(format, &l->format));
    bool conll = l->format == PREP_CONLL, lines = l->format == PREP_LINES, trees = l->format == PREP_TREES,
         unlabelled = lt_cli_value(&a->cli, "unlabelled");
    l->words = conll || lt_cli_value(&a->cli, "tags");
    LT_CHECK(!lt_cli_value(&a->cli, "tags") || conll || l->format == PREP_JSONL, LT_ERR_ARG,
             "--tags: words with tags come as --format conll, or as lists in --format jsonl");
    LT_TRY(read_text_columns(a, conll, l));
    LT_TRY(read_column(a, "pair", false, &l->pair));
    LT_TRY(read_column(a, "label", conll, &l->label));
    LT_CHECK(lines || conll || trees || lt_cli_value(&a->cli, "text"), LT_ERR_ARG,
             "--text is missing: the number of the column, from 1, or its name%s",
             l->format == PREP_JSONL ? " in the objects" : " in the header");
    LT_CHECK(lines || conll || trees || unlabelled || lt_cli_value(&a->cli, "label"), LT_ERR_ARG,
             "--label is missing: the number of the column, from 1, or its name in the header; of rows without labels say --unlabelled");
    LT_CHECK(!(lines && (lt_cli_value(&a->cli, "text") || lt_cli_value(&a->cli, "label"))), LT_ERR_ARG,
             "--format lines has no columns: a text a line, and the labels line by line in another file (--label-file)");
    LT_CHECK(!(trees && (lt_cli_value(&a->cli, "text") || lt_cli_value(&a->cli, "label") || unlabelled)), LT_ERR_ARG,
             "--format trees has no columns: a tree a line, whose words are the text and whose first label is the label");
    if (conll && !lt_cli_value(&a->cli, "text")) l->text[0].number = 1;
    if (conll && !lt_cli_value(&a->cli, "label") && !unlabelled) l->label.number = -1;
    l->label_file = lt_cli_value(&a->cli, "label-file");
    LT_CHECK(!l->label_file || lines, LT_ERR_ARG, "--label-file has a place beside --format lines only");
    if (lines && unlabelled && !l->label_file) l->label_file = "";
    d->spec.task = format;
    LT_TRY(read_separator(a, l));
    LT_TRY(read_header(a, l));
    return read_rule(a, d);
}

/* Every --map "FROM=TO,..", borrowed by the layout; released with the process's list in d. */
static lt_status read_map(const prep_args *a, prep_data *d) {
    for (int i = 0; i < a->cli.n_options; i++) {
        char *copy = NULL, *rest = NULL;
        if (strcmp(a->cli.option[i].name, "map") != 0) continue;
        LT_TRY(lt_strdup(&copy, a->cli.option[i].value));
        prep_map_text *text = NULL;
        lt_status st = lt_calloc(&text, 1, sizeof *text, "a map of labels");
        if (st != LT_OK) {
            free(copy);
            return st;
        }
        *text = (prep_map_text){copy, d->map_text};
        d->map_text = text;
        for (char *pair = strtok_r(copy, ",", &rest); pair; pair = strtok_r(NULL, ",", &rest)) {
            char *eq = strrchr(pair, '=');
            LT_CHECK(eq && eq != pair && eq[1], LT_ERR_ARG, "--map: expected found=name, such as 1=positive, found \"%s\"", pair);
            *eq = 0;
            prep_map *grown = realloc(d->map, (size_t)(d->n_map + 1) * sizeof *grown);
            LT_CHECK(grown, LT_ERR_NOMEM, "no memory for a map of labels");
            d->map = grown;
            d->map[d->n_map++] = (prep_map){pair, eq + 1};
        }
    }
    if (!d->n_map) return LT_OK;
    d->spec.layout.map = d->map;
    d->spec.layout.n_map = d->n_map;
    return LT_OK;
}

/* Options that presets and formats share. */
static lt_status read_layout(const prep_args *a, prep_data *d) {
    const char *task = lt_cli_value(&a->cli, "task"), *format = lt_cli_value(&a->cli, "format"), *bytes = lt_cli_value(&a->cli, "invalid"),
               *scheme = lt_cli_value(&a->cli, "scheme"), *space = lt_cli_value(&a->cli, "word-space");
    prep_layout *l = &d->spec.layout;
    LT_CHECK(task || format, LT_ERR_ARG,
             "what is the data? Give --task NAME (--list shows them) or --format tsv|csv|jsonl|conll|lines|trees");
    LT_TRY(task ? read_preset(a, task, d) : read_format(a, format, d));
    LT_CHECK(!bytes || !strcmp(bytes, "error") || !strcmp(bytes, "replace") || !strcmp(bytes, "skip"), LT_ERR_ARG,
             "--invalid: expected error, replace or skip, found \"%s\"", bytes);
    if (bytes) l->bad = !strcmp(bytes, "replace") ? PREP_BYTES_REPLACE : !strcmp(bytes, "skip") ? PREP_BYTES_SKIP : PREP_BYTES_ERROR;
    if (lt_cli_value(&a->cli, "unlabelled")) {
        l->label_optional = true;
        if (!l->unlabelled[0]) l->unlabelled[0] = "";
    }
    d->spec.words = l->words;
    if (scheme) LT_TRY(prep_scheme_find(scheme, &l->scheme));
    LT_CHECK(!scheme || l->words, LT_ERR_ARG, "--scheme is for words with tags");
    LT_CHECK(!space || !strcmp(space, "auto") || !strcmp(space, "yes") || !strcmp(space, "no"), LT_ERR_ARG,
             "--word-space: expected auto, yes or no, found \"%s\"", space);
    LT_TRY(read_labels(a, d));
    if (d->labels.fixed && !l->words) {
        l->n_labels = d->labels.n;
        l->label_name = (const char *const *)d->labels.name;
    }
    return read_map(a, d);
}

/* --- what becomes of rows ----------------------------------------------------------------------------------------------------------- */

/* "0.8,0.1,0.1" or "80,10,10" of train, dev, test. */
static lt_status read_shares(const prep_args *a, prep_data *d) {
    const char *old = lt_cli_value(&a->cli, "hash-split"), *given = lt_cli_value(&a->cli, "split"), *text = old ? old : given;
    prep_spec *s = &d->spec;
    double sum = 0;
    bool good = text;
    LT_CHECK(!(old && given), LT_ERR_ARG, "--hash-split is the old name of --split: give one of them");
    if (!text) return LT_OK;
    for (const char *p = text; good;) {
        char *end;
        double share = strtod(p, &end);
        good = end != p && share > 0 && share < 100 && s->n_shares < PREP_MAX_SHARES && (*end == ',' || !*end);
        if (!good) break;
        s->share[s->n_shares++] = share;
        sum += share;
        if (!*end) break;
        p = end + 1;
    }
    bool fractions = !old && fabs(sum - 1) < 1e-6, percent = fabs(sum - 100) < 1e-6;
    LT_CHECK(good && s->n_shares >= 2 && (percent || fractions), LT_ERR_ARG,
             "--%s: expected the %s of train, dev and perhaps test, each above 0, together %s, such as %s; found \"%s\"",
             old ? "hash-split" : "split", old ? "percentages" : "shares", old ? "100" : "1", old ? "80,10,10" : "0.8,0.1,0.1", text);
    for (int i = 0; i < s->n_shares; i++) {
        if (fractions) s->share[i] *= 100;
        LT_TRY(prep_split_get(d, share_name[i], &d->share[i])); /* in this order in the report */
    }
    return LT_OK;
}

static int cores(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > 1024 ? 1024 : n;
}

static lt_status read_numbers(const prep_args *a, prep_spec *s) {
    /* one thread reads, at the pace of seven that tokenise; and each costs some 7 MB */
    enum { MOST_THREADS = 16 };
    int64_t threads;
    LT_TRY(lt_cli_int(&a->cli, "max-length", 4, 1 << 20, 0, &s->max_length));
    LT_TRY(lt_cli_int(&a->cli, "seed", 0, INT32_MAX, 0, &s->seed));
    LT_TRY(lt_cli_int(&a->cli, "per-label", 1, INT32_MAX, 0, &s->per_label));
    LT_TRY(lt_cli_int(&a->cli, "threads", 1, 1024, cores() < MOST_THREADS ? cores() : MOST_THREADS, &threads));
    s->threads = (int)threads;
    s->drop_leaks = lt_cli_value(&a->cli, "drop-leaks");
    s->force = lt_cli_value(&a->cli, "force");
    s->json = lt_cli_value(&a->cli, "json");
    LT_CHECK(!(s->per_label && s->words), LT_ERR_ARG, "--per-label draws rows by their label; rows of words with tags have none");
    LT_CHECK(!lt_cli_value(&a->cli, "seed") || s->n_shares || s->per_label, LT_ERR_ARG,
             "--seed draws nothing without --split or --per-label");
    return LT_OK;
}

lt_status prep_options_words(const prep_args *a, prep_labels *l) {
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

/* With shares: those of --hash-split take all rows, those of --split what is training data. */
static lt_status add_file(const prep_args *a, prep_data *d, const char *path, const char *split, bool named) {
    bool all = lt_cli_value(&a->cli, "hash-split"), training = !split || !strcmp(split, "train");
    LT_CHECK(!(all && named), LT_ERR_ARG, "\"%s=%s\" names a split, but --hash-split distributes the lines", split, path);
    bool spread = d->spec.n_shares && (all || training);
    for (int i = 0; d->spec.n_shares && !spread && i < d->spec.n_shares; i++)
        LT_CHECK(strcmp(split, share_name[i]) != 0, LT_ERR_ARG,
                 "split '%s' is given by %s and would get a share of --split, too: leave out one of the two", split, path);
    LT_CHECK(split || spread || a->cli.n_words == 1, LT_ERR_ARG, "which split is %s? Write train=%s, dev=%s or test=%s, or use --split",
             path, path, path, path);
    if (!split) split = "train";
    prep_file *grown = realloc(d->file, (size_t)(d->n_files + 1) * sizeof *grown);
    LT_CHECK(grown, LT_ERR_NOMEM, "no memory for file names");
    d->file = grown;
    d->file[d->n_files] = (prep_file){.spread = spread};
    LT_CHECK(strlen(split) < LT_NAME_BYTES, LT_ERR_ARG, "\"%s\" is too long for the name of a split", split);
    (void)snprintf(d->file[d->n_files].split, LT_NAME_BYTES, "%s", split);
    LT_TRY(lt_strdup(&d->file[d->n_files].path, path));
    d->n_files++;
    return LT_OK;
}

/* The files of a preset in a folder. */
static lt_status add_folder(const prep_args *a, prep_data *d, const char *dir) {
    const prep_preset *p;
    prep_preset_file *file;
    const char *task = lt_cli_value(&a->cli, "task");
    int n;
    LT_CHECK(task, LT_ERR_ARG, "%s is a folder: name its files, or the data set it holds with --task", dir);
    LT_TRY(prep_preset_find(task, &p));
    LT_TRY(prep_preset_files(p, dir, &file, &n));
    lt_status st = LT_OK;
    for (int i = 0; i < n && st == LT_OK; i++) st = add_file(a, d, file[i].path, file[i].split, false);
    prep_preset_files_free(file, n);
    return st;
}

/* The words of the command line: FILE, SPLIT=FILE, or a folder. */
static lt_status find_files(const prep_args *a, prep_data *d) {
    struct stat info;
    LT_CHECK(a->cli.n_words > 0, LT_ERR_ARG, "no file to read: name one or more");
    for (int i = 0; i < a->cli.n_words; i++) {
        const char *word = a->cli.word[i], *eq = strchr(word, '='), *slash = strchr(word, '/');
        char name[LT_NAME_BYTES] = "";
        bool named = eq && eq != word && !(slash && slash < eq) && eq - word < LT_NAME_BYTES;
        if (named) {
            (void)snprintf(name, sizeof name, "%.*s", (int)(eq - word), word);
            word = eq + 1;
        }
        bool folder = strcmp(word, "-") && stat(word, &info) == 0 && S_ISDIR(info.st_mode);
        LT_TRY(folder && !named ? add_folder(a, d, word) : add_file(a, d, word, named ? name : prep_split_of_name(word), named));
    }
    return LT_OK;
}

/* What can be known about the output before an hour of work. */
static lt_status check_output(const prep_data *d) {
    struct stat out, in;
    char dir[4096];
    const char *path = d->spec.output, *slash = strrchr(path, '/');
    bool there = stat(path, &out) == 0;
    (void)snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
    LT_CHECK(!(there && S_ISDIR(out.st_mode)), LT_ERR_ARG, "-o %s is a folder, expected a file name", path);
    for (int i = 0; there && i < d->n_files; i++)
        LT_CHECK(stat(d->file[i].path, &in) != 0 || in.st_dev != out.st_dev || in.st_ino != out.st_ino, LT_ERR_ARG,
                 "-o %s would overwrite a file to read", path);
    LT_CHECK(!there || d->spec.force, LT_ERR_ARG, "%s is there already: --force replaces it", path);
    LT_CHECK(access(dir, W_OK | X_OK) == 0, LT_ERR_IO, "cannot write %s: folder %s: %m", path, dir);
    return LT_OK;
}

lt_status prep_options_read(const prep_args *a, prep_data *d) {
    const char *space;
    d->spec.output = lt_cli_value(&a->cli, "output");
    d->spec.tokenizer = lt_cli_value(&a->cli, "tokenizer");
    LT_TRY(read_layout(a, d));
    LT_CHECK(d->spec.tokenizer, LT_ERR_ARG, "no tokenizer: give the model's folder with -t DIR");
    LT_CHECK(d->spec.output, LT_ERR_ARG, "no output: give a file name with -o OUT.h5");
    prep_spool_place(d->spec.output, d->spool_dir, sizeof d->spool_dir);
    LT_TRY(read_shares(a, d));
    LT_TRY(read_numbers(a, &d->spec));
    if (d->labels.fixed) LT_TRY(prep_options_words(a, &d->labels));
    LT_TRY(find_files(a, d));
    LT_TRY(check_output(d));
    space = lt_cli_value(&a->cli, "word-space");
    d->spec.word_space = !space || !strcmp(space, "auto") ? prep_words_need_space(d->spec.tokenizer) : !strcmp(space, "yes");
    return LT_OK;
}
