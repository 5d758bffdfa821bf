/* `ltune-prep data`: the command, and its manual. */
#include "data.h"

#include "base/mem.h"
#include "base/sha256.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static lt_status report_json(const prep_data *d, const lt_dataset_info *info) {
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "output", d->spec.output, "task", d->spec.task, "tokenizer",
                          lt_tok_kind_name(d->tok), "tokenizer_sha256", info->tokenizer_sha256, "source_sha256", info->source_sha256);
    LT_CHECK(o, LT_ERR_NOMEM, "no memory for the report");
    lt_status st = prep_report_json(&d->report, o);
    if (st == LT_OK) {
        json_dumpf(o, stdout, JSON_PRESERVE_ORDER);
        putchar('\n');
    }
    json_decref(o);
    return st;
}

static lt_status report(const prep_data *d, const lt_dataset_info *info) {
    prep_report_warn(&d->report);
    if (d->spec.json) return report_json(d, info);
    printf("%s: task %s, tokenizer %s, ", d->spec.output, d->spec.task, lt_tok_kind_name(d->tok));
    if (d->spec.max_length)
        printf("cut to %lld tokens\n", (long long)d->spec.max_length);
    else
        printf("any length\n");
    if (d->report.sources) printf("read: %s\n", d->report.sources);
    prep_report_print(&d->report, stdout);
    return LT_OK;
}

static lt_status settle_labels(const prep_args *a, prep_data *d, int fresh[LT_MAX_LABELS]) {
    prep_labels *l = &d->labels;
    bool given = l->fixed, spans = d->spec.words && d->spec.layout.scheme != PREP_SCHEME_PLAIN;
    LT_CHECK(l->n > 0, LT_ERR_FORMAT, "no row has a label: name the labels with --labels A,B,.. so that a run knows what to predict");
    LT_CHECK(l->n > 1, LT_ERR_FORMAT, "every %s has the same label \"%s\": is --label the right column?", d->spec.words ? "word" : "line",
             l->name[0]);
    LT_TRY(prep_labels_sort(l, spans, fresh));
    if (!given) LT_TRY(prep_options_words(a, l));
    for (int k = 0; k < l->n; k++)
        if (!l->words[k]) LT_TRY(lt_strdup(&l->words[k], l->name[k]));
    return LT_OK;
}

static lt_status make(const prep_args *a, prep_data *d) {
    int fresh[LT_MAX_LABELS];
    LT_TRY(prep_options_read(a, d));
    LT_TRY(lt_tok_open(d->spec.tokenizer, &d->tok));
    LT_TRY(lt_sha_begin(&d->source));
    prep_repeats_init(&d->texts, d->spool_dir);
    LT_TRY(prep_pipeline_run(d));
    LT_TRY(settle_labels(a, d, fresh));
    LT_TRY(prep_collect_end(d));
    lt_dataset_info info = {.task = (char *)(uintptr_t)d->spec.task, /* borrowed, read only */
                            .command = a->command,
                            .n_labels = d->labels.n,
                            .label_name = d->labels.name,
                            .label_words = d->labels.words};
    LT_TRY(lt_tok_sha256(d->tok, info.tokenizer_sha256));
    LT_TRY(lt_sha_finish(&d->source, info.source_sha256));
    LT_CHECK(d->spec.force || access(d->spec.output, F_OK) != 0, LT_ERR_IO, "%s has come into being meanwhile: --force replaces it",
             d->spec.output);
    LT_TRY(prep_write(d, &info, fresh));
    return report(d, &info);
}

static lt_status run(const prep_args *a) {
    prep_data *d = NULL;
    if (lt_cli_value(&a->cli, "list")) {
        prep_preset_list(stdout);
        return LT_OK;
    }
    (void)signal(SIGXFSZ, SIG_IGN); /* a file size limit is told like a full disk */
    LT_TRY(lt_calloc(&d, 1, sizeof *d, "a data set"));
    lt_status st = make(a, d);
    prep_data_fini(d);
    free(d);
    return st;
}

static const lt_cli_option options[] = {
    {"tokenizer", "DIR", "folder of the model (or its tokenizer file)", 't'},
    {"output", "OUT.h5", "the data set; appears under this name only when it is complete", 'o'},
    {"force", NULL, "replace OUT.h5 if it is there", 0},
    {"task", "NAME", "a known data set; it knows its files, columns, labels and their words", 0},
    {"list", NULL, "list the known data sets and end", 0},
    {"format", "F",
     "tsv: columns separated by tabs, quotes have no meaning. csv: as in RFC 4180. jsonl: an object a line.\n"
     "conll: a word and its tag a line, an empty line ends a text. lines: a text a line, labels in another file.\n"
     "trees: a tree in brackets a line, (3 (2 It) (4 works)); the label is that of the whole.\n"
     "All may be packed by gzip; blank lines are skipped",
     0},
    {"text", "COL", "column of the text: its number, from 1, or its name in the header; in JSON a field or a.b", 0},
    {"text2", "COL", "column of a second part, which is joined to the first by a space (title and body)", 0},
    {"pair", "COL", "column of a second text", 0},
    {"label", "COL", "column of the label, or of the tags; conll: default -1, the last column", 0},
    {"label-file", "FILE", "lines: the labels, line by line; default: labels.txt for text.txt, x_labels.txt for x_text.txt", 0},
    {"tags", NULL, "jsonl: --text is a list of words, --label a list of tags (conll: always so)", 0},
    {"scheme", "S", "how spans are written in tags: iob1, iob2, bioes, io, begin; plain: no spans. Default: detected. They become IOB2", 0},
    {"word-space", "auto|yes|no",
     "a space before each word that is tokenised by itself; auto: where Hugging Face's tokenizer insists on it\n"
     "(GPT-2, RoBERTa and their like), so that ids are those of is_split_into_words=True",
     0},
    {"header", NULL, "the first line names the columns (so too if a column is given by name)", 0},
    {"no-header", NULL, "it does not (default)", 0},
    {"separator", "C", "what parts columns: a character, or tab", 0},
    {"label-rule", "RULE",
     "name: the label as it stands (default). sign: a number, above 0 positive, below 0 negative; lines with 0\n"
     "are left out and counted",
     0},
    {"map", "FOUND=NAME,..", "labels are renamed, or joined; may be repeated", 0},
    {"labels", "A,B,..",
     "the labels, in this order; any other is an error. Default: those found, sorted. Of spans: their types;\n"
     "the labels are O, then B- and I- of each",
     0},
    {"words", "L=TEXT,..", "the words that label tuning reads for a label; default: its name", 0},
    {"unlabelled", NULL,
     "rows may lack a label. A split of such rows alone keeps its name, and ltune predict --split takes it; next to\n"
     "rows with labels they go to a split NAME_unlabelled",
     0},
    {"invalid", "error|replace|skip", "rows that are not UTF-8: stop (default), read U+FFFD for what is wrong, or leave them out", 0},
    {"split", "P,Q,R",
     "shares of train, dev and test, such as 0.8,0.1,0.1, of all rows that are not of another split by name. Where a\n"
     "text goes depends on it and the seed alone: the first 32 bits of the SHA-256 of the text (of text TAB second\n"
     "text; of SEED TAB text if the seed is not 0), as a share of 2^32. So equal texts are in one split, whatever\n"
     "else changes",
     0},
    {"hash-split", "P,Q,R", "the same for all rows of all files, in percent", 0},
    {"seed", "N", "of --split and --per-label; default 0", 0},
    {"per-label", "N", "keep N rows of each label in train, those with the smallest hash: N = 10 are among N = 100", 0},
    {"drop-leaks", NULL, "rows whose text is in another split, too, are dropped from train", 0},
    {"max-length", "N",
     "cut longer samples to N tokens (of a pair, the longer text first) and count them. Default: nothing is cut\n"
     "here; a run cuts at data.max_length",
     0},
    {"threads", "N", "threads; the file does not depend on it. Default: the cores that this process may use, at most 16", 0},
    {"json", NULL, "one JSON object instead of the table", 0},
    {0}};

const prep_command prep_cmd_data = {
    .cli = {.program = "ltune-prep",
            .name = "data",
            .summary = "tokenise a labelled data set into one HDF5 file",
            .usage = "--task NAME FILE... -t DIR -o OUT.h5\n"
                     "--format F --text COL --label COL [options] FILE... -t DIR -o OUT.h5",
            .about = "Reads rows of labelled text, tokenises them and writes one HDF5 file with named splits (`ltune help formats`), and a "
                     "report of\n"
                     "what is in it.\n\n"
                     "FILE: its split is SPLIT=FILE, else train, dev (valid) or test from its name; a single file is train. Files of one\n"
                     "split follow each other. With --task also a folder, in which its files are found. - is standard input.\n",
            .option = options,
            .notes = "Memory does not grow with the input; temporary files, about as large as OUT.h5, lie in its folder, or in $TMPDIR if "
                     "that is set.\n",
            .examples =
                "ltune-prep data --list\n"
                "ltune-prep data --task sst2 SST-2/ -t MiniLM/ -o sst2.h5\n"
                "ltune-prep data --task rte train=RTE/train.tsv dev=RTE/dev.tsv --max-length 256 -t MiniLM/ -o rte.h5\n"
                "ltune-prep data --format tsv --text 3 --label 2 --label-rule sign --split 0.8,0.1,0.1 reviews.tsv -t MiniLM/ -o "
                "reviews.h5\n"
                "ltune-prep data --format csv --text body --label topic --words sci=science,rec=leisure train.csv dev.csv -t MiniLM/ -o "
                "topics.h5\n"
                "ltune-prep data --format jsonl --text tokens --label ner_tags --tags train.jsonl dev.jsonl -t MiniLM/ -o ner.h5\n"
                "ltune-prep data --format conll train.txt dev.txt test.txt -t MiniLM/ -o ner.h5\n"
                "ltune-prep data --task sst2 SST-2/ --per-label 16 --seed 3 -t MiniLM/ -o sst2-16.h5\n"},
    .run = run};
