// TEST rooms: store
/* write_runlog OUT.h5 < LINES: a run log as a test wants it.  Lines: "run KEY TEXT...", "trial NAME KEY TEXT" (facts), "train NAME STEP
 * LOSS", "eval NAME STEP ACCURACY MCC LOSS", "perf STEP SECONDS TOKENS"; "dialogue NAME STEP ROUND CHOSEN GAIN ACCURACY LOSS PROBED VERDICT
 * PREFIX..." (the answer is the prefix between quotes, "\e" in it an escape, and the prompt says its round); "config" begins the configuration, which goes
 * to the end.
 * Numbers may be nan or inf. */
#include "store/runlog.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The line behind its first word. */
static lt_status add_dialogue(lt_runlog *log, char *rest) {
    enum { WORDS = 10 };
    char *word[WORDS] = {NULL}, prompt[64], answer[512];
    for (int i = 0; i < WORDS; i++) LT_CHECK(word[i] = strsep(&rest, i < WORDS - 1 ? " " : "\n"), LT_ERR_ARG, "a dialogue of %d words", i);
    for (char *p = word[9]; (p = strstr(p, "\\e"));) {
        *p++ = 27;
        memmove(p, p + 1, strlen(p));
    }
    (void)snprintf(prompt, sizeof prompt, "Write for round %s.\nOne a line.", word[2]);
    (void)snprintf(answer, sizeof answer, "\"%s\"", word[9]);
    bool taken = !strcmp(word[8], "taken");
    lt_dialogue_row row = {
        .step = atoll(word[1]), .round = atoll(word[2]), .prompt = prompt, .answer = answer, .prefix = taken ? word[9] : ""};
    row.verdict = word[8];
    row.chosen = word[3][0] == '1';
    row.gain = strtod(word[4], NULL);
    row.accuracy = strtod(word[5], NULL);
    row.probe_loss = strtod(word[6], NULL);
    row.probed = atoll(word[7]);
    return lt_runlog_add_dialogue(log, word[0], &row);
}

static lt_status add(lt_runlog *log, char *line) {
    char *word[8] = {NULL}, *rest = line;
    int n = 0;
    bool text = !strncmp(line, "run ", 4);
    if (!strncmp(line, "dialogue ", 9)) return add_dialogue(log, line + 9);
    while (n < 8 && (word[n] = text && n == 2 ? strsep(&rest, "\n") : strsep(&rest, " \n")) && word[n][0]) n++;
    if (n == 0) return LT_OK;
    if (text && n == 3) return lt_runlog_put_str(log, word[1], word[2]);
    if (!strcmp(word[0], "trial") && n == 4) return lt_runlog_put_trial_str(log, word[1], word[2], word[3]);
    if (!strcmp(word[0], "train") && n == 4) {
        lt_train_row row = {.step = atoll(word[2]), .loss = strtod(word[3], NULL), .lr = 1e-3, .grad_norm = 1};
        return lt_runlog_add_train(log, word[1], &row);
    }
    if (!strcmp(word[0], "eval") && n == 6) {
        lt_eval_row row = {
            .step = atoll(word[2]), .split = "dev", .loss = strtod(word[5], NULL), .f1 = 0.5, .sequences = 100, .seconds = 1};
        row.precision = row.recall = row.micro_f1 = row.macro_f1 = row.weighted_f1 = NAN;
        row.precision_strict = row.recall_strict = row.f1_strict = row.token_f1 = NAN;
        row.accuracy = strtod(word[3], NULL);
        row.mcc = strtod(word[4], NULL);
        return lt_runlog_add_eval(log, word[1], &row);
    }
    if (!strcmp(word[0], "perf") && n == 4) {
        lt_perf_row row = {.step = atoll(word[1]), .seconds = strtod(word[2], NULL), .tokens = atoll(word[3]), .sentences = 1};
        return lt_runlog_add_perf(log, &row);
    }
    return LT_FAIL(LT_ERR_ARG, "a line of %d words that begins with %s", n, word[0]);
}

int main(int argc, char **argv) {
    lt_runlog *log = NULL;
    char *line = NULL, *config = NULL;
    size_t cap = 0, bytes = 0;
    if (argc != 2) return 2;
    lt_status st = lt_runlog_open(argv[1], 1e9, &log);
    if (st == LT_OK) st = lt_runlog_start(log);
    while (st == LT_OK && getline(&line, &cap, stdin) >= 0) {
        if (!strcmp(line, "config\n")) {
            FILE *f = open_memstream(&config, &bytes);
            if (!f) return 1;
            while (getline(&line, &cap, stdin) >= 0) fputs(line, f);
            fclose(f);
            st = lt_runlog_put_str(log, "config", config);
        } else {
            st = add(log, line);
        }
    }
    if (st == LT_OK) st = lt_runlog_flush(log, true);
    if (st != LT_OK) lt_err_print("write_runlog", 0, 1, "this host");
    lt_runlog_close(&log);
    free(line);
    free(config);
    return lt_status_exit_code(st);
}
