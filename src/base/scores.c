/* Precision, recall, F1; see scores.h. */
#include "base/scores.h"

#include <string.h>

const char *const lt_average_names[LT_AVERAGE_COUNT] = {"micro", "macro", "weighted"};

lt_hits lt_hits_sum(const lt_hits *h, int64_t n) {
    lt_hits sum = {0};
    for (int64_t i = 0; i < n; i++) {
        sum.truth += h[i].truth;
        sum.predicted += h[i].predicted;
        sum.right += h[i].right;
    }
    return sum;
}

lt_scores lt_scores_of(lt_hits h) {
    double p = h.predicted > 0 ? (double)h.right / (double)h.predicted : 0, r = h.truth > 0 ? (double)h.right / (double)h.truth : 0;
    return (lt_scores){.precision = p, .recall = r, .f1 = p + r > 0 ? 2 * p * r / (p + r) : 0};
}

lt_scores lt_scores_average(lt_average kind, const lt_hits *h, int64_t n) {
    lt_scores sum = {0};
    double weights = 0;
    if (kind == LT_AVERAGE_MICRO) return lt_scores_of(lt_hits_sum(h, n));
    for (int64_t i = 0; i < n; i++) {
        if (!lt_hits_occur(h[i])) continue;
        double w = kind == LT_AVERAGE_MACRO ? 1 : (double)h[i].truth;
        lt_scores s = lt_scores_of(h[i]);
        sum.precision += w * s.precision;
        sum.recall += w * s.recall;
        sum.f1 += w * s.f1;
        weights += w;
    }
    if (weights == 0) return (lt_scores){0};
    return (lt_scores){.precision = sum.precision / weights, .recall = sum.recall / weights, .f1 = sum.f1 / weights};
}

/* ---- tables ---- */

enum { NAME_WIDTH = 12, CELL_WIDTH = 7, LONGEST_NAME = 40 };

/* Columns of the widest name; characters of more than a byte make a column a little wider than need be. */
static int name_width(const char *const *name, int64_t n) {
    int width = NAME_WIDTH;
    for (int64_t i = 0; i < n; i++) {
        int bytes = (int)strnlen(name[i], LONGEST_NAME);
        if (bytes > width) width = bytes;
    }
    return width;
}

static void print_line(const char *name, int width, lt_scores s, const double *strict, int64_t support, FILE *out) {
    fprintf(out, "  %-*.*s %9.4f %9.4f %9.4f", width, LONGEST_NAME, name, s.precision, s.recall, s.f1);
    if (strict) fprintf(out, " %9.4f", *strict);
    fprintf(out, " %9lld\n", (long long)support);
}

void lt_scores_print(const char *const *name, const lt_hits *h, const lt_hits *strict, int64_t n, FILE *out) {
    int width = name_width(name, n);
    fprintf(out, "  %-*s %9s %9s %9s%s %9s\n", width, "", "precision", "recall", "f1", strict ? " f1_strict" : "", "support");
    for (int64_t i = 0; i < n; i++) {
        double also = strict ? lt_scores_of(strict[i]).f1 : 0;
        if (lt_hits_occur(h[i])) print_line(name[i], width, lt_scores_of(h[i]), strict ? &also : NULL, h[i].truth, out);
    }
    for (int k = 0; k < LT_AVERAGE_COUNT; k++) {
        double also = strict ? lt_scores_average((lt_average)k, strict, n).f1 : 0;
        char title[32];
        (void)snprintf(title, sizeof title, "%s avg", lt_average_names[k]);
        print_line(title, width, lt_scores_average((lt_average)k, h, n), strict ? &also : NULL, lt_hits_sum(h, n).truth, out);
    }
}

static bool occurs(const int64_t *count, int64_t n, int64_t k) {
    for (int64_t i = 0; i < n; i++)
        if (count[k * n + i] || count[i * n + k]) return true;
    return false;
}

void lt_scores_print_confusion(const char *const *name, const int64_t *count, int64_t n, FILE *out) {
    static const char corner[] = "truth \\ predicted";
    int width = name_width(name, n);
    if (width < (int)sizeof corner - 1) width = (int)sizeof corner - 1;
    fprintf(out, "  %-*s", width, corner);
    for (int64_t k = 0; k < n; k++)
        if (occurs(count, n, k)) fprintf(out, " %*.*s", CELL_WIDTH, CELL_WIDTH, name[k]);
    fputc('\n', out);
    for (int64_t k = 0; k < n; k++) {
        if (!occurs(count, n, k)) continue;
        fprintf(out, "  %-*.*s", width, LONGEST_NAME, name[k]);
        for (int64_t i = 0; i < n; i++)
            if (occurs(count, n, i)) fprintf(out, " %*lld", CELL_WIDTH, (long long)count[k * n + i]);
        fputc('\n', out);
    }
}
