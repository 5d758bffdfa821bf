/* `ltune-prep show`: what an HDF5 file of ours holds. */
#include "show.h"

#include "store/layout.h"

#include <stdlib.h>
#include <string.h>

static lt_status show(const prep_show *o, hid_t file, const char *kind) {
    static const struct {
        const char *kind, *what;
    } known[] = {
        {LT_KIND_DATASET, "data set"}, {LT_KIND_RUN, "run log"}, {LT_KIND_CKPT, "checkpoint"}, {"ltune-features", "hidden states"}};
    int64_t version;
    const char *what = NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(kind, known[i].kind)) what = known[i].what;
    LT_CHECK(what, LT_ERR_FORMAT, "%s is of kind \"%s\", which is none of ltune's: expected ltune-dataset, -run, -checkpoint or -features",
             o->path, kind);
    LT_TRY(lt_h5_get_i64(file, LT_ATTR_VERSION, &version));
    printf("%s: %s (%s, version %lld)\n", o->path, what, kind, (long long)version);
    if (!strcmp(kind, LT_KIND_DATASET)) return prep_show_dataset(o, file);
    if (!strcmp(kind, LT_KIND_RUN)) return prep_show_run(o);
    return prep_show_tree(o, file, 0);
}

static lt_status run(const prep_args *a) {
    prep_show o = {.tokenizer = lt_cli_value(&a->cli, "tokenizer")};
    char *kind = NULL;
    hid_t file = -1;
    LT_CHECK(a->cli.n_words == 1, LT_ERR_ARG, "expected one file, found %d", a->cli.n_words);
    LT_TRY(lt_cli_int(&a->cli, "rows", 0, 1000000, 3, &o.rows));
    o.path = a->cli.word[0];
    LT_TRY(lt_h5_open(o.path, &file));
    lt_status st = lt_h5_get_str(file, LT_ATTR_KIND, &kind);
    if (st != LT_OK)
        st = LT_FAIL(LT_ERR_FORMAT, "%s is HDF5, but not a file of ltune: it has no attribute \"kind\" (h5dump -n shows what it holds)",
                     o.path);
    else
        st = show(&o, file, kind);
    free(kind);
    lt_h5_close(&file);
    return st;
}

static const lt_cli_option options[] = {
    {"rows", "N", "samples of each split, or values of each tensor (default 3)", 0},
    {"tokenizer", "DIR", "tokenizer to decode samples with; default: the folder the data set was made with, if it is still there", 't'},
    {0}};

const prep_command prep_cmd_show = {
    .cli = {.program = "ltune-prep",
            .name = "show",
            .summary = "what a data set, run log, checkpoint or features file holds",
            .usage = "FILE.h5 [--rows N] [-t DIR]",
            .about = "Checks the file's digest and prints what it holds: of a data set labels, splits and the first samples as text; of a "
                     "run log the\n"
                     "facts, last losses and best results; of a checkpoint and of features the tensors with shapes and first values.\n",
            .option = options,
            .examples = "ltune-prep show sst2.h5 --rows 10\nltune-prep show runs/demo/run.h5\nltune-prep show runs/demo/ck/best.a\n"},
    .run = run};
