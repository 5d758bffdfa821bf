// TEST rooms: store
/* write_runlog OUT.h5 < LINES: a run log as a test wants it.  Lines: "run KEY TEXT...", "trial NAME KEY TEXT" (facts), "train NAME STEP
 * LOSS", "eval NAME STEP ACCURACY MCC LOSS", "perf STEP SECONDS TOKENS"; "config" begins the configuration, which goes to the end.
 * Numbers may be nan or inf. */
#include "store/runlog.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lt_status add(lt_runlog *log, char *line) {
    char *word[8] = {NULL}, *rest = line;
    int n = 0;
    bool text = !strncmp(line, "run ", 4);
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
