/* The dialogue of a trial as text: round by round the prefixes, how each did, and which came into use. */
#include "report.h"

#include <math.h>
#include <string.h>

/* A text on one line of a terminal: what would move its cursor is written out. */
static void put_text(FILE *f, const char *s) {
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        bool c1 = p[0] == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0; /* U+0080 .. U+009F */
        if (*p == '\n')
            fputs("\\n", f);
        else if (*p < 0x20 || *p == 0x7F || c1)
            fprintf(f, "\\x%02X", c1 ? *++p : *p);
        else
            fputc(*p, f);
    }
}

/* A text of several lines, behind a bar. */
static void put_block(FILE *f, const char *title, const char *s) {
    fprintf(f, "  %s:\n", title);
    for (const char *next; *s; s = next) {
        size_t n = strcspn(s, "\n");
        next = s + n + (s[n] == '\n');
        fputs("  | ", f);
        for (size_t i = 0; i < n;) { /* pieces, so that no copy is needed */
            char piece[256];
            size_t part = n - i < sizeof piece - 1 ? n - i : sizeof piece - 1;
            while (part > 1 && i + part < n && ((unsigned char)s[i + part] & 0xC0) == 0x80) part--;
            memcpy(piece, s + i, part);
            piece[part] = 0;
            put_text(f, piece);
            i += part;
        }
        fputc('\n', f);
    }
}

static void put_number(FILE *f, bool sign, int width, double v) {
    char text[32] = "-";
    if (isfinite(v)) (void)snprintf(text, sizeof text, sign ? "%+.4f" : "%.4f", v);
    fprintf(f, "  %*s", width, text);
}

static void put_row(FILE *f, const lt_dialogue_row *row, bool whole) {
    fputc(row->chosen ? '*' : ' ', f);
    put_number(f, true, 8, row->gain);
    put_number(f, true, 8, row->accuracy);
    put_number(f, false, 7, row->probe_loss);
    if (row->probed > 0)
        fprintf(f, "  %6lld  ", (long long)row->probed);
    else
        fprintf(f, "  %6s  ", "-");
    bool taken = !row->verdict[0] || !strcmp(row->verdict, "taken");
    if (!taken) {
        fputc('[', f);
        put_text(f, row->verdict);
        fputs("] ", f);
    }
    if (taken && !row->prefix[0])
        fputs("(no prefix)", f);
    else if (taken || row->prefix[0])
        put_text(f, row->prefix);
    else
        put_text(f, row->answer);
    fputc('\n', f);
    if (whole && strcmp(row->answer, row->prefix) != 0) put_block(f, "answer", row->answer);
}

static void put_dialogue(const lt_report_trial *t, const lt_dialogue_row *row, int64_t n, bool whole, FILE *f) {
    const lt_dialogue_row *in_use = NULL;
    int64_t rounds = 0, measured = 0, taken = 0;
    for (int64_t i = 0; i < n; i++) {
        rounds += i == 0 || row[i].round != row[i - 1].round;
        measured += isfinite(row[i].gain);
        taken += !strcmp(row[i].verdict, "taken");
        if (row[i].chosen) in_use = &row[i];
    }
    fprintf(f, "%s, trial %s, %s: %lld round%s, %lld answers, %lld taken, %lld measured\n", t->run->dir, t->name, t->method,
            (long long)rounds, rounds == 1 ? "" : "s", (long long)n, (long long)taken, (long long)measured);
    for (int64_t i = 0; i < n; i++) {
        bool begins = i == 0 || row[i].round != row[i - 1].round;
        if (begins) fprintf(f, "\nround %lld, step %lld\n", (long long)row[i].round, (long long)row[i].step);
        if (whole && (begins || strcmp(row[i].prompt, row[i - 1].prompt) != 0)) put_block(f, "asked", row[i].prompt);
        if (begins) fprintf(f, " %10s%10s%9s%8s  %s\n", "gain", "accuracy", "loss", "probed", "prefix");
        put_row(f, &row[i], whole);
    }
    if (!in_use) return;
    fprintf(f, "\nin use at the end, since round %lld: ", (long long)in_use->round);
    put_text(f, in_use->prefix[0] ? in_use->prefix : "(no prefix)");
    fputc('\n', f);
}

lt_status lt_report_dialogue(const lt_report *r, const char *trial, bool whole, FILE *out) {
    bool known = false, any = false;
    for (int i = 0; i < r->n_trials; i++) {
        const lt_report_trial *t = &r->trial[i];
        int64_t n;
        if (strcmp(t->name, trial) != 0) continue;
        known = true;
        const lt_dialogue_row *row = lt_runlog_dialogue(t->run->log, t->id, &n);
        if (n == 0) continue;
        if (any) fputc('\n', out);
        put_dialogue(t, row, n, whole, out);
        any = true;
    }
    LT_CHECK(known, LT_ERR_ARG, "--dialogue: there is no trial \"%s\"; ltune-report RUN --all lists them", trial);
    LT_CHECK(any, LT_ERR_ARG, "--dialogue: trial %s has no dialogue: its method is not gpta, or its first round is not over", trial);
    return LT_OK;
}
