/* Known data sets: by name, as a layout, as files of a folder, and as a list. */
#include "preset.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

lt_status prep_preset_find(const char *name, const prep_preset **preset) {
    char known[256] = "";
    for (const prep_preset *p = prep_presets; p->name; p++) {
        size_t at = strlen(known);
        (void)snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", p->name);
        if (strcmp(p->name, name)) continue;
        *preset = p;
        return LT_OK;
    }
    return LT_FAIL(LT_ERR_ARG, "--task: unknown task \"%s\"; known: %s; for other data use --format with --text and --label", name, known);
}

prep_layout prep_preset_layout(const prep_preset *p) {
    return (prep_layout){.format = PREP_DETECT,
                         .words = p->words,
                         .label_optional = true,
                         .n_labels = p->n_labels,
                         .label_name = p->label_name,
                         .numbered = !p->words,
                         .base = -1,
                         .unlabelled = {"", "-1", "-"},
                         .preset = p};
}

/* --- files of a folder -------------------------------------------------------------------------------------------------------------- */

static const char *const endings[] = {".tsv", ".csv", ".jsonl", ".json", ".txt", ".conll", ".label", ".annotated", ""};
/* Names that fit every task. */
static const struct {
    const char *name, *split;
} common[] = {{"train", "train"}, {"dev", "dev"}, {"valid", "dev"}, {"validation", "dev"}, {"test", "test"}};

typedef struct found {
    prep_preset_file *file;
    int n;
} found;

static lt_status add(found *f, const char *dir, const char *name, const char *split) {
    for (size_t i = 0; i < 2 * sizeof endings / sizeof *endings; i++) {
        char path[4096];
        struct stat info;
        int n = snprintf(path, sizeof path, "%s/%s%s%s", dir, name, endings[i / 2], i % 2 ? ".gz" : "");
        if (n < 0 || (size_t)n >= sizeof path || stat(path, &info) != 0 || S_ISDIR(info.st_mode)) continue;
        prep_preset_file *grown = realloc(f->file, (size_t)(f->n + 1) * sizeof *grown);
        LT_CHECK(grown, LT_ERR_NOMEM, "no memory for the files of %s", dir);
        f->file = grown;
        f->file[f->n] = (prep_preset_file){.split = split};
        LT_TRY(lt_strdup(&f->file[f->n].path, path));
        f->n++;
        return LT_OK;
    }
    return LT_OK;
}

static bool has(const found *f, const char *split) {
    for (int i = 0; i < f->n; i++)
        if (!strcmp(f->file[i].split, split)) return true;
    return false;
}

lt_status prep_preset_files(const prep_preset *p, const char *dir, prep_preset_file **file, int *n) {
    static const char *const order[] = {"train", "dev", "dev_mismatched", "test", "test_mismatched"};
    found f = {0};
    lt_status st = LT_OK;
    char looked[600] = "";
    for (size_t s = 0; s < sizeof order / sizeof *order && st == LT_OK; s++) {
        for (size_t i = 0; i < sizeof common / sizeof *common && st == LT_OK; i++)
            if (!strcmp(common[i].split, order[s]) && !has(&f, order[s])) st = add(&f, dir, common[i].name, order[s]);
        for (int i = 0; i < PREP_PRESET_FILES && p->file[i].name && st == LT_OK; i++)
            if (!strcmp(p->file[i].split, order[s]) && !has(&f, order[s])) st = add(&f, dir, p->file[i].name, order[s]);
    }
    for (int i = 0; i < PREP_PRESET_FILES && p->file[i].name; i++) {
        size_t at = strlen(looked);
        (void)snprintf(looked + at, sizeof looked - at, "%s, ", p->file[i].name);
    }
    if (st == LT_OK && f.n == 0)
        st = LT_FAIL(LT_ERR_IO,
                     "%s has none of the files of %s: looked for %strain, dev, valid, validation, test with .tsv, .csv, .jsonl, .json, "
                     ".txt, .conll, or these and .gz",
                     dir, p->name, looked);
    if (st != LT_OK) {
        prep_preset_files_free(f.file, f.n);
        return st;
    }
    *file = f.file;
    *n = f.n;
    return LT_OK;
}

void prep_preset_files_free(prep_preset_file *file, int n) {
    for (int i = 0; i < n; i++) free(file[i].path);
    free(file);
}

const char *prep_split_of_name(const char *path) {
    static const struct {
        const char *word, *split;
    } known[] = {{"train", "train"}, {"training", "train"}, {"dev", "dev"}, {"valid", "dev"}, {"validation", "dev"}, {"test", "test"}};
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const char *slash = strrchr(path, '/'), *at = slash ? slash + 1 : path, *split = NULL;
    /* whole words only: "latest" is no test, "devices" no dev; a name with words of two splits says nothing */
    for (size_t n; (at += strcspn(at, letters)), (n = strspn(at, letters)) > 0; at += n)
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            if (strlen(known[i].word) != n || strncmp(at, known[i].word, n) != 0) continue;
            if (split && strcmp(split, known[i].split) != 0) return NULL;
            split = known[i].split;
        }
    return split;
}

/* --- list --------------------------------------------------------------------------------------------------------------------------- */

/* Words of a list behind a heading, broken where a line is full. */
typedef struct column_list {
    FILE *out;
    int at, n;
} column_list;

static void begin_list(column_list *l, FILE *out, const char *heading) {
    *l = (column_list){.out = out, .at = fprintf(out, "            %s ", heading)};
}

static void put(column_list *l, const char *a, const char *between, const char *b) {
    if (l->n) l->at += fprintf(l->out, ", ");
    if (l->n++ && l->at > 110) l->at = fprintf(l->out, "\n              ");
    l->at += fprintf(l->out, "%s%s%s", a, between, b);
}

void prep_preset_list(FILE *out) {
    for (const prep_preset *p = prep_presets; p->name; p++) {
        column_list l;
        fprintf(out, "%-11s %s (%s)\n", p->name, p->about, p->metric);
        begin_list(&l, out, p->words ? "types and words:" : "labels and words:");
        for (int i = 0; i < p->n_labels; i++) put(&l, p->label_name[i], " = ", p->label_words[i]);
        fputc('\n', out);
        for (int i = 0; i < p->n_forms; i++) fprintf(out, "            %s %s\n", i ? "or" : "file:", p->form[i].about);
        if (!p->file[0].name) continue;
        begin_list(&l, out, "in a folder also");
        for (int i = 0; i < PREP_PRESET_FILES && p->file[i].name; i++) put(&l, p->file[i].split, " from ", p->file[i].name);
        fputc('\n', out);
    }
    fputs("\nIn a folder every task finds train, dev (valid, validation) and test, ending in .tsv, .csv, .jsonl, .json, .txt, .conll, or "
          "one of these and .gz.\n"
          "\"header\" means TSV or CSV whose first line names the columns, in any order; other columns are ignored. A file without labels, "
          "or with -1 in their\n"
          "place, is read as unlabelled.\n",
          out);
}
