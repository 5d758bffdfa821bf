/* `ltune help TOPIC`. */
#include "app/app.h"

#include "assistant/dialogue.h"
#include "store/runlog.h"

#include <stdio.h>
#include <string.h>

static void exit_codes(void) {
    printf("Exit codes of ltune, ltune-prep and ltune-report:\n\n    0  done\n    2  usage: the command line is wrong; nothing was done\n"
           "   75  stopped by SIGTERM or SIGUSR1 with the state saved: run the same command again\n");
#define X(name, num, text)                                                                                                                 \
    if ((num) > 1 && LT_ERR_##name != LT_ERR_STOPPED) printf("%5d  %-9s %s\n", 10 + (num), #name, text);
    LT_STATUS_LIST(X)
#undef X
    printf("\nTIMEOUT: a rank waits at most LT_DEADLINE_S seconds (environment, default 600, 0 = for ever) for the others.\n"
           "All ranks of a job leave with the same code; the rank where the failure began prints the message.\n"
           "A rank that is killed (137) or a lost node is reported by the launcher; run again: training continues from the last "
           "checkpoint.\n");
}

static void methods(void) {
    printf("Methods (method.name). The transformer is frozen in all of them; a classification head is always trained.\n\n");
    for (int i = 0; i < LT_METHOD_COUNT; i++) {
        printf("  %-9s  ", lt_methods[i].name);
        lt_cli_print_lines(lt_methods[i].about, 13, stdout);
    }
    printf("\n"
           "h_y are the last-layer states of the label's words (data set words, or method.labels) under the frozen model: computed once, "
           "kept in\n"
           "the checkpoint. L-Tuning asks \"is y the label of x?\": training pairs are half true, half with a uniformly drawn wrong label, "
           "a function of\n"
           "seed and place in the sample stream; evaluation scores every label and takes the best. With objective: all training does as "
           "evaluation\n"
           "does: each sentence is read with every label, and the loss is that of the softmax over their scores, true minus false logit. "
           "That is K\n"
           "times the work of a sentence, and a pack (parallel.tokens) must have room for the K sequences of the longest text.\n\n"
           "Read-out (model.pool): auto is cls for encoders (through the pooler where the model has one) and last for decoders; first is "
           "the first row\n"
           "of the sequence, a prompt row where there is a prompt (what HF PEFT reads from BERT); mean and max are over the text rows.\n\n"
           "Positions: with a prefix of length P the text starts at position P (where scores know distances, in DeBERTa, a prefix takes "
           "none);\nprompt rows count as positions 0..P-1.\n\n"
           "Padding: there is none, unless a lora or head trial of a decoder says compat: authors, to stand beside numbers of the code of "
           "arXiv 2310.01208.\n"
           "Then texts have padding tokens behind them, up to the longest of the blocks of 1,000 samples that the batch is from; with "
           "model.bidirectional\n"
           "every row sees them, mean and max run over them (max over the logits), and words that data.max_length took are not counted. In "
           "a causal\nmodel last and labels of tokens do not see them. It costs what it adds in rows.\n");
}

static void metrics(void) {
    printf(
        "What an evaluation says (ltune train, ltune eval --json, /trials/<trial>/eval of the run log).  Rows are sequences, or the tokens "
        "that\n"
        "carry a label (the first of each word).\n\n"
        "  loss, accuracy, mcc          of rows: cross-entropy, share that is right, Matthews correlation (R_K for more than two labels)\n"
        "  f1                           two labels of sequences: F1 of the second; IOB tags: micro average over entities; else: mean over "
        "labels\n"
        "  precision, recall            of what f1 is of\n"
        "  micro_f1, macro_f1,          averages over types of entities, else over labels (micro_f1 is the accuracy then)\n"
        "    weighted_f1\n"
        "  f1_strict, precision_strict, of entities by the strict reading\n"
        "    recall_strict\n"
        "  token_f1                     labels on tokens: mean over labels, also where entities are judged\n"
        "  broken_truth,                I- tags that continue nothing, in the data and in what was predicted\n"
        "    broken_predicted\n\n"
        "Averages are over what occurs in the data or is predicted, as scikit-learn's and seqeval's.  The best checkpoint is the one of "
        "highest\n"
        "accuracy (CoLA: mcc; labels on tokens: f1), then of lowest loss.\n\n"
        "Entities are judged where every label is O, B-TYPE, I-TYPE, B or I.  The numbers are seqeval 1.2.2's.  An I- that continues "
        "nothing (behind\n"
        "O or another type) begins an entity, which is seqeval's default and conlleval's way; in the strict reading (mode=\"strict\",\n"
        "scheme=IOB2) it belongs to none.  Words whose token a cut took away are judged as O.  With other labels on tokens (parts of "
        "speech,\n"
        "types without prefix) tokens alone are judged.\n\n"
        "Of the best and the last evaluation the run log and --json have the counts behind them: \"types\" by type of entity, and for up "
        "to %d\n"
        "labels \"confusion\", rows of the true label by the predicted one.  `ltune-report --details` prints both.\n",
        LT_MAX_CONFUSION);
}

static void formats(void) {
    printf(
        "Files, all HDF5 (drawn in full in docs/FORMATS.md; h5py, h5dump, HDFView, Julia and MATLAB open them):\n\n"
        "  data set    /splits/<name>/{tokens int32 [T], offsets int64 [n+1], segment_offsets int64 [n+1], label int32 [n]\n"
        "              or token_label int32 [T]; of words word_offsets int64 [n+1], word_label, word_token int32 [W]}\n"
        "              /report (what ltune-prep counted), /labels/{name, words}; attributes kind, format_version, task, tokenizer_sha256, "
        "source_sha256, command\n"
        "  run log     run.dir/run.h5: /trials/<trial>/train/{step, loss, lr, grad_norm}, /trials/<trial>/eval/{step, split, loss, "
        "accuracy, mcc, f1, ...},\n"
        "              /trials/<trial>/{best, last}/{types, types_strict, confusion} (`ltune help metrics`),\n"
        "              /perf/{step, seconds, tokens, sentences, t_compute, t_comm, t_data, t_io, t_linear, t_attention},\n"
        "              /run (configuration, versions, hosts, SLURM_*)\n"
        "  checkpoint  run.dir/ck/step_NNNNNNNN.h5; ck/last and ck/best.<trial> are links to the files\n"
        "              /trials/<trial>/{params, adam_m, adam_v, label_states}/<tensor> f32, whole tensors whatever tp and dp wrote them\n\n"
        "Every dataset has an attribute sha256 of its bytes.\n");
}

/* A text with each of its lines behind a margin. */
static void print_margin(const char *text) {
    for (const char *end; *text; text = end) {
        size_t n = strcspn(text, "\n");
        end = text + n + (text[n] == '\n');
        printf("    |%s%.*s\n", n ? " " : "", (int)n, text);
    }
}

static void assistant(void) {
    printf(
        "Assistants of gpta: who writes the texts that stand before a student's inputs (docs/GPTA.md, arXiv 2404.00189).\n\n"
        "assistant.model: folder of a decoder with its tokenizer; all ranks hold it together, and it writes by sampling.  Or\n"
        "assistant.command: a program that rank 0 runs with sh -c.  It reads a JSON object a line from its standard input:\n\n"
        "    {\"version\": 1, \"prompt\": \"...\", \"n\": 8, \"seed\": 123, \"max_tokens\": 48, \"temperature\": 0.9, \"top_p\": 0.95}\n\n"
        "and writes one line for each to its standard output:\n\n"
        "    {\"answers\": [\"...\", ...]}      or      {\"error\": \"what went wrong\"}\n\n"
        "n is how many answers are wanted: more are left out, fewer are taken.  The other numbers are assistant.* and a seed (below 2^53) "
        "that belongs\n"
        "to the round: a program that follows it gives a run the same bits again.  A program in a few lines of shell, which always says "
        "the same:\n\n"
        "    while read -r question; do\n"
        "        echo \"$question\" >>questions.jsonl\n"
        "        echo '{\"answers\": [\"Was the film liked?\", \"Say whether the writer would see it again.\"]}'\n"
        "    done\n\n"
        "It is started by the first question, kept for the next ones, and ends when its standard input does; what is left of it and its "
        "children two\n"
        "seconds later gets SIGTERM, and SIGKILL after another one.  A program that ends behind each answer is started for each question.\n"
        "It has assistant.timeout seconds for an answer, its start included.  One that is late, ends, or writes anything else than such a "
        "line\n"
        "(of 4 MiB at most; print nothing else there, and flush) is killed and started again, assistant.retries times a question; an "
        "\"error\" is taken for\n"
        "its last word on the question.  Nothing of this ends the run, which goes on with the prefix that it has and says why.\n"
        "Standard error goes to the log.\n\n"
        "Templates: assistant.templates is a folder with first.txt (what is asked while no measured prefix can be shown) and next.txt (all "
        "other rounds).  In them stand\n\n"
        "    {description}  method.description              {labels}      their names, one \", \" another\n"
        "    {history}      earlier prefixes, one a line in quotes with its measure (method.feedback), the worst first, the best last\n"
        "    {best} {worst} {in_use}  texts                 {exemplars}   method.exemplars training sentences, one a line\n"
        "    {round}        from 1                          {candidates}  method.candidates\n"
        "    {max_words}    about what method.max_prefix_tokens are\n\n"
        "{{ and }} are braces.  A line whose placeholders are all empty is left out, and so is the newline that ends a file.  Of an answer "
        "the first line with a\n"
        "word is taken, without numbers, names and quotes around it; special tokens end it.\n\n"
        "The built-in templates are a text that goes on, for decoders that were not taught to chat.  For a chat model write its turn marks "
        "into templates of your\n"
        "own, as text: the tokenizer reads them as its special tokens.  A first.txt for Gemma:\n\n"
        "    | <start_of_turn>user\n"
        "    | Write one instruction, of at most {max_words} words, for this task: {description}<end_of_turn>\n"
        "    | <start_of_turn>model\n"
        "    |\n\n"
        "(the empty line at the end is there because the newline that ends a file is no part of the prompt).  With the marks of ChatML the "
        "lines begin\n"
        "<|im_start|>user and <|im_start|>assistant, and <|im_end|> ends a turn.\n\n"
        "first.txt, built in:\n\n");
    print_margin(lt_template_first);
    printf("\nnext.txt, built in:\n\n");
    print_margin(lt_template_next);
}

bool lt_app_help(const char *topic) {
    if (!strcmp(topic, "exit-codes"))
        exit_codes();
    else if (!strcmp(topic, "methods"))
        methods();
    else if (!strcmp(topic, "metrics"))
        metrics();
    else if (!strcmp(topic, "formats"))
        formats();
    else if (!strcmp(topic, "assistant"))
        assistant();
    else if (!strcmp(topic, "config"))
        lt_config_help(stdout);
    else {
        for (int i = 0; lt_app_commands[i]; i++)
            if (!strcmp(topic, lt_app_commands[i]->cli.name)) {
                lt_cli_help(&lt_app_commands[i]->cli, stdout);
                return true;
            }
        return false;
    }
    return true;
}
