/* Data sets that are known by name, as GLUE and their authors give them out. */
#include "prep.h"

#include <string.h>

const prep_preset prep_presets[] = {
    {.name = "sst2",
     .about = "SST-2, film reviews: columns 'sentence' (or 'content') and 'label' 0, 1 named in the header",
     .header = true,
     .text = {.name = {"sentence", "content"}},
     .label = {.name = {"label"}},
     .n_labels = 2,
     .label_name = {"0", "1"},
     .label_words = {"negative", "positive"},
     .file = {{"train.tsv", "train"}, {"dev.tsv", "dev"}}},
    {.name = "cola",
     .about = "CoLA, acceptability: no header; column 2 is the label 0, 1, column 4 the sentence",
     .text = {.number = 4},
     .label = {.number = 2},
     .n_labels = 2,
     .label_name = {"0", "1"},
     .label_words = {"unacceptable", "acceptable"},
     .file = {{"train.tsv", "train"}, {"in_domain_train.tsv", "train"}, {"dev.tsv", "dev"}, {"in_domain_dev.tsv", "dev"}}},
    {.name = "rte",
     .about = "RTE, entailment: columns 'sentence1', 'sentence2' and 'label' entailment, not_entailment named in the header",
     .header = true,
     .text = {.name = {"sentence1"}},
     .pair = {.name = {"sentence2"}},
     .label = {.name = {"label"}},
     .n_labels = 2,
     .label_name = {"entailment", "not_entailment"},
     .label_words = {"entailment", "not entailment"},
     .file = {{"train.tsv", "train"}, {"dev.tsv", "dev"}}},
    {.name = NULL},
};

lt_status prep_preset_find(const char *name, const prep_preset **preset) {
    char known[256] = "";
    for (const prep_preset *p = prep_presets; p->name; p++) {
        size_t at = strlen(known);
        (void)snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", p->name);
        if (strcmp(p->name, name)) continue;
        *preset = p;
        return LT_OK;
    }
    return LT_FAIL(LT_ERR_ARG, "--task: unknown task \"%s\"; known: %s; for other data use --format tsv with --text and --label", name,
                   known);
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
