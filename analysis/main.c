/* ltune-report: reads run logs, prints tables and curves, writes HTML, CSV and pictures. */
#include "report.h"

#include "base/cli.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/fs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const lt_cli_option options[] = {
    {"all", NULL, "before the groups one line a trial (its best evaluation)", 0},
    {"details", NULL, "behind the groups what the best evaluation of each trial counted: entities by type, the confusion matrix", 0},
    {"curves", NULL, "the curves also where standard output is no terminal (80 columns there)", 0},
    {"dialogue", "TRIAL", "instead of tables the dialogue of a gpta trial, round by round; with --details also prompts and whole answers",
     0},
    {"x", "AXIS",
     "x axis of the curves: step (default); tokens or seconds used by then; sentences: best evaluations over training sentences for each "
     "label",
     0},
    {"smooth", "STEPS", "width of the window over the loss; 1 = none (default: 4% of the steps, at least 5)", 0},
    {"html", "OUT.html", "one page with tables, curves, time and configuration of each run", 0},
    {"csv", "OUT.csv", "every recorded row, one a line: run, trial, method, seed, kind, step, ...", 0},
    {"png", "OUT.png", "the curves as a picture (needs gnuplot)", 0},
    {"pdf", "OUT.pdf", "the same for print", 0},
    {"version", NULL, "what this is", 0},
    {0}};

static const lt_cli_command command = {
    .program = "ltune-report",
    .name = "",
    .usage = "RUN_DIR_OR_H5... [options]",
    .about = "Prints a table with one line a group of trials and, on a terminal, the curves.  A group is the trials that\n"
             "differ in nothing but their seed.  Runs that are still going can be read: run.h5 is complete at any time.\n"
             "Several runs are compared: trials of other runs with the same model, data and settings are further seeds\n"
             "of a group; where a seed comes twice, each run has groups of its own.\n",
    .option = options,
    .notes =
        "table:\n"
        "  seeds            trials of the group; 2/3: two of three have an evaluation, and the figures are of these two\n"
        "  accuracy, mcc    at the best evaluation of each trial: mean +- standard deviation (of a sample)\n"
        "  f1, f1_strict    the same, of runs that label tokens: F1 of entities, as seqeval counts them and in its strict mode\n"
        "                   (f1 is over tokens, a mean over labels, where labels are no IOB tags)\n"
        "  last             at the last evaluation, what the run chose its best by: accuracy, MCC for CoLA, or F1 of labels on tokens\n"
        "  best@            step of the best evaluations, first to last\n"
        "  tokens/s         of the run, all its trials together\n"
        "  settings         in which groups of one method differ, and the run where that is not enough\n"
        "  [...]            [linear probe, control]: method head; [authors' padding]: method.compat: authors\n"
        "  gpta/STUDENT     gpta by what its student trains; behind it, in brackets, which control it is\n\n"
        "gpta:\n"
        "  a line each group: what the run chose its best by, and the difference to the control no_prefix of the same settings,\n"
        "  data and student: mean +- standard deviation of the differences of equal seeds, and of how many; without equal seeds\n"
        "  (0) the difference of means, and the root of the sum of both squared deviations\n\n"
        "sentences for each label:\n"
        "  a row each method (more where other settings differ at one number), a column each number of training sentences\n"
        "  divided by the number of labels; in brackets the seeds\n\n"
        "dialogue:\n"
        "  gain      loss of the prefix in use - that of this one, on the same sentences: above 0 is better; * came into use\n"
        "  accuracy  share of these sentences that it got right - that of the prefix in use\n"
        "  [...]     why an answer was not taken\n\n"
        "curves:\n"
        "  colours  one a method (of one method alone: one a group); further groups of a method have other dashes\n"
        "  line     mean over the seeds; a seed that has stopped counts no further, losses that are NaN or infinite not at all\n"
        "  band     one standard deviation (of a sample) to either side\n"
        "  loss     of each trial smoothed by a triangular window, which is narrower at the first steps, single spikes left\n"
        "           out; faint: the mean without smoothing; over 1000 steps first averaged in 1000 bins\n"
        "  axis     of the loss: without values far off (beyond the quantiles of 5% and 95% by more than 3 times what these\n"
        "           span; its title then says the highest), logarithmic where these span a factor of over 100\n"
        "  NO_COLOR and locales without UTF-8 are respected.\n",
    .examples = "ltune-report runs/demo\nltune-report runs/demo --curves --x tokens | less\n"
                "ltune-report runs/*/run.h5 --all --csv all.csv --html all.html\n"
                "ltune-report runs/few --dialogue a\n"
                "ltune-report runs/16 runs/64 runs/256 --x sentences --png sizes.png\n"};

/* Opens DIR/run.h5 or a file. */
static lt_status open_run(const char *given, lt_report_run *run) {
    struct stat info;
    char *path = NULL;
    LT_CHECK(stat(given, &info) == 0, LT_ERR_IO, "cannot open %s: %m", given);
    LT_TRY(S_ISDIR(info.st_mode) ? lt_fs_path(&path, "%s/run.h5", given) : lt_fs_path(&path, "%s", given));
    lt_status st = stat(path, &info) == 0 ? LT_OK : LT_FAIL(LT_ERR_IO, "cannot open %s: %m; is %s a run.dir of ltune train?", path, given);
    if (st == LT_OK) st = lt_fs_path(&run->dir, "%s", given);
    if (st == LT_OK) st = lt_runlog_open(path, 1e9, &run->log);
    free(path);
    if (st != LT_OK) return st;
    int64_t n;
    double tokens = 0, seconds = 0;
    const lt_perf_row *p = lt_runlog_perf(run->log, &n);
    for (int64_t i = 0; i < n; i++) {
        tokens += (double)p[i].tokens;
        seconds += p[i].seconds;
    }
    run->tokens_per_s = seconds > 0 ? tokens / seconds : 0;
    const char *metric = lt_report_fact(run->log, -1, "metric");
    run->metric = !strcmp(metric, "mcc") || !strcmp(metric, "f1") ? metric : "accuracy";
    return LT_OK;
}

lt_status lt_report_open(lt_report *r, const char *const *given, int n) {
    *r = (lt_report){.n_runs = n};
    LT_TRY(lt_calloc(&r->run, n + 1, sizeof *r->run, "the runs"));
    for (int i = 0; i < n; i++) LT_TRY(open_run(given[i], &r->run[i]));
    LT_TRY(lt_report_find_trials(r));
    return lt_report_find_groups(r);
}

void lt_report_close(lt_report *r) {
    for (int i = 0; i < r->n_groups; i++) {
        free(r->group[i].trial);
        free(r->group[i].differs);
        free(r->group[i].label);
    }
    for (int i = 0; r->trial && i < r->n_trials; i++) {
        free(r->trial[i].settings);
        free(r->trial[i].own_method);
    }
    for (int i = 0; r->run && i < r->n_runs; i++) {
        free(r->run[i].dir);
        lt_runlog_close(&r->run[i].log);
    }
    free(r->group);
    free(r->trial);
    free(r->run);
}

/* Figures, and what is made of them: over steps, tokens or seconds, and over training sentences. */
static lt_status figures(const lt_cli_args *a, const lt_report *r, const lt_report_sizes *s, lt_report_axis axis, int64_t smooth,
                         bool draw) {
    const char *html = lt_cli_value(a, "html"), *png = lt_cli_value(a, "png"), *pdf = lt_cli_value(a, "pdf");
    bool by_size = axis == LT_REPORT_SENTENCES;
    lt_report_figure steps = {0}, sizes = {0};
    lt_status st = LT_OK;
    if (!draw && !html && !png && !pdf) return LT_OK;
    if (!by_size || html) LT_TRY_GOTO(lt_report_figure_make(r, by_size ? LT_REPORT_STEP : axis, smooth, &steps), st, done);
    if (s->n > 1) LT_TRY_GOTO(lt_report_sizes_figure(r, s, &sizes), st, done);
    const lt_report *shown = by_size ? &s->rows : r;
    const lt_report_figure *f = by_size ? &sizes : &steps;
    if (draw) LT_TRY_GOTO(lt_report_draw(shown, f, lt_report_screen_of_stdout(), stdout), st, done);
    if (png) LT_TRY_GOTO(lt_report_plot(shown, f, LT_REPORT_PNG, png), st, done);
    if (pdf) LT_TRY_GOTO(lt_report_plot(shown, f, LT_REPORT_PDF, pdf), st, done);
    if (html) LT_TRY_GOTO(lt_report_html(r, &steps, s, &sizes, html), st, done);
done:
    lt_report_figure_free(r, &steps);
    lt_report_figure_free(&s->rows, &sizes);
    return st;
}

static lt_status report(const lt_cli_args *a) {
    static const char *const axes[] = {"step", "tokens", "seconds", "sentences"}; /* in the order of lt_report_axis */
    enum { AXES = sizeof axes / sizeof *axes };
    const char *x = lt_cli_value(a, "x"), *csv = lt_cli_value(a, "csv"), *dialogue = lt_cli_value(a, "dialogue");
    bool details = lt_cli_value(a, "details"), draw = lt_cli_value(a, "curves") || (isatty(STDOUT_FILENO) && !dialogue);
    lt_report_sizes s = {0};
    int64_t smooth;
    lt_report r;
    int axis = 0;
    LT_CHECK(a->n_words > 0, LT_ERR_ARG, "no run: name one or more folders or run logs");
    while (x && axis < AXES && strcmp(x, axes[axis]) != 0) axis++;
    LT_CHECK(axis < AXES, LT_ERR_ARG, "--x must be step, tokens, seconds or sentences, found \"%s\"", x);
    LT_TRY(lt_cli_int(a, "smooth", 1, 1000000000, 0, &smooth));
    lt_status st = lt_report_open(&r, a->word, a->n_words);
    if (st == LT_OK) st = lt_report_sizes_make(&r, &s);
    if (st == LT_OK && axis == LT_REPORT_SENTENCES && s.n < 2)
        st = LT_FAIL(LT_ERR_ARG, "--x sentences needs runs with two or more numbers of training sentences for each label, found %d", s.n);
    if (st == LT_OK && dialogue) st = lt_report_dialogue(&r, dialogue, details, stdout);
    if (st == LT_OK && !dialogue) {
        lt_report_table(&r, lt_cli_value(a, "all") != NULL, stdout);
        lt_report_table_gpta(&r, stdout);
        lt_report_table_sizes(&r, &s, stdout);
        if (details) lt_report_table_details(&r, stdout);
    }
    if (st == LT_OK && csv) st = lt_report_csv(&r, csv);
    if (st == LT_OK) st = figures(a, &r, &s, (lt_report_axis)axis, smooth, draw);
    lt_report_sizes_free(&s);
    lt_report_close(&r);
    return st;
}

int main(int argc, char **argv) {
    lt_cli_args a;
    if (argc < 2 || lt_cli_wants_help(argc - 1, argv + 1)) {
        lt_cli_help(&command, argc < 2 ? stderr : stdout);
        return argc < 2 ? LT_CLI_EXIT_USAGE : 0;
    }
    lt_status st = lt_cli_parse(&command, argc - 1, argv + 1, &a);
    if (st == LT_OK && lt_cli_value(&a, "version")) {
        printf("ltune-report %s (git %s)\n", LT_VERSION, LT_GIT[0] ? LT_GIT : "unknown");
        return 0;
    }
    if (st == LT_OK) st = report(&a);
    if (st == LT_OK && (fflush(stdout) != 0 || ferror(stdout))) st = LT_FAIL(LT_ERR_IO, "cannot write to standard output: %m");
    if (st != LT_OK) lt_err_print("ltune-report", 0, 1, "this host");
    if (st == LT_ERR_ARG) fprintf(stderr, "  see `ltune-report --help`\n");
    return st == LT_ERR_ARG ? LT_CLI_EXIT_USAGE : lt_status_exit_code(st);
}
