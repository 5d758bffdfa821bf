/* Command lines; see cli.h. */
#include "base/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_BASE = 256 }; /* what getopt_long returns for option i: VALUE_BASE + i */

static int n_options_of(const lt_cli_command *c) {
    int n = 0;
    while (c->option && c->option[n].name) n++;
    return n;
}

/* ---- names ---- */

static int least_of(int a, int b) { return a < b ? a : b; }

int lt_cli_distance(const char *a, const char *b) {
    int row[3][64], n = (int)strlen(b), m = (int)strlen(a);
    if (n >= 64 || m >= 64) return 99;
    for (int j = 0; j <= n; j++) row[0][j] = j;
    for (int i = 1; i <= m; i++) {
        int *now = row[i % 3];
        const int *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= n; j++) {
            now[j] = least_of(up[j - 1] + (a[i - 1] != b[j - 1]), least_of(up[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = least_of(now[j], up2[j - 2] + 1);
        }
    }
    return row[m % 3][n];
}

const char *lt_cli_nearest(const char *word, int n, const char *(*name)(int i, const void *arg), const void *arg) {
    const char *best = NULL;
    int least = 1 + (int)strlen(word) / 3; /* more edits than that are another word */
    for (int i = 0; i < n; i++) {
        int d = lt_cli_distance(word, name(i, arg));
        if (d > least || (best && d == least)) continue;
        least = d;
        best = name(i, arg);
    }
    return best;
}

void lt_cli_suggest(const char *word, int n, const char *(*name)(int i, const void *arg), const void *arg, FILE *out) {
    const char *near = lt_cli_nearest(word, n, name, arg);
    if (near) fprintf(out, " (did you mean %s?)", near);
}

/* ---- taking apart ---- */

static const char *option_name(int i, const void *command) {
    const lt_cli_command *c = command;
    return i < n_options_of(c) ? c->option[i].name : "help";
}

static lt_status unknown_option(const lt_cli_command *c, const char *given) {
    char name[64];
    if (given[0] != '-' || given[1] != '-') return LT_FAIL(LT_ERR_ARG, "unknown option %.2s", given);
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(given + 2, "="), given + 2);
    int alike = 0;
    for (int i = 0; i < n_options_of(c); i++) alike += !strncmp(c->option[i].name, name, strlen(name));
    if (alike > 1) return LT_FAIL(LT_ERR_ARG, "option --%s could be several: write it in full", name);
    const char *near = lt_cli_nearest(name, n_options_of(c) + 1, option_name, c);
    return LT_FAIL(LT_ERR_ARG, "unknown option --%s%s%s%s", name, near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

static bool is_setting(const char *word) {
    const char *eq = strchr(word, '='), *slash = strchr(word, '/');
    return eq && eq != word && (!slash || slash > eq);
}

static void add_word(const lt_cli_command *c, const char *word, lt_cli_args *a) {
    if (c->settings && is_setting(word))
        a->setting[a->n_settings++] = word;
    else
        a->word[a->n_words++] = word;
}

lt_status lt_cli_parse(const lt_cli_command *c, int argc, char **argv, lt_cli_args *a) {
    struct option table[LT_CLI_MAX_OPTIONS + 1] = {0};
    char letters[2 * LT_CLI_MAX_OPTIONS + 2] = "-:", *at = letters + 2; /* '-': words come in order, ':': a missing value is told apart */
    char *all[LT_CLI_MAX_WORDS + 1] = {(char[]){""}};                   /* getopt_long begins at 1 */
    int n = n_options_of(c), found;
    *a = (lt_cli_args){0};
    LT_ASSERT(n < LT_CLI_MAX_OPTIONS);
    LT_CHECK(argc < LT_CLI_MAX_WORDS, LT_ERR_ARG, "more than %d words", LT_CLI_MAX_WORDS - 1);
    for (int i = 0; i < argc; i++) all[i + 1] = argv[i];
    for (int i = 0; i < n; i++) {
        const lt_cli_option *o = &c->option[i];
        table[i] = (struct option){o->name, o->value ? required_argument : no_argument, NULL, VALUE_BASE + i};
        if (!o->letter) continue;
        *at++ = o->letter;
        if (o->value) *at++ = ':';
    }
    opterr = 0;
    optind = 0; /* starts anew */
    while (optind <= argc && (found = getopt_long(argc + 1, all, letters, table, NULL)) != -1) {
        int k = found - VALUE_BASE;
        if (found == 1) { /* a word */
            add_word(c, optarg, a);
            continue;
        }
        if (found == ':' || found == '?') {
            int which = optopt >= VALUE_BASE ? optopt - VALUE_BASE : -1;
            for (int i = 0; which < 0 && optopt && i < n; i++)
                if (c->option[i].letter == optopt) which = i;
            if (which < 0 || (found == '?' && optopt < VALUE_BASE))
                return unknown_option(c, optopt ? (char[]){'-', (char)optopt, 0} : all[optind - 1]);
            return LT_FAIL(LT_ERR_ARG, "option --%s %s", c->option[which].name,
                           c->option[which].value ? "needs a value" : "takes no value");
        }
        for (int i = 0; k < 0 && i < n; i++)
            if (c->option[i].letter == found) k = i;
        LT_CHECK(a->n_options < LT_CLI_MAX_WORDS - 1, LT_ERR_ARG, "more than %d options", LT_CLI_MAX_WORDS - 1); /* -vvv is three */
        a->option[a->n_options].name = c->option[k].name;
        a->option[a->n_options++].value = optarg ? optarg : "";
    }
    for (int i = optind; i <= argc; i++) add_word(c, all[i], a); /* behind "--" */
    return LT_OK;
}

bool lt_cli_wants_help(int argc, char **argv) {
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return true;
    return false;
}

const char *lt_cli_value(const lt_cli_args *a, const char *name) {
    for (int i = a->n_options - 1; i >= 0; i--)
        if (!strcmp(a->option[i].name, name)) return a->option[i].value;
    return NULL;
}

lt_status lt_cli_int(const lt_cli_args *a, const char *name, int64_t lo, int64_t hi, int64_t fallback, int64_t *value) {
    const char *text = lt_cli_value(a, name);
    char *end = NULL;
    *value = fallback;
    if (!text) return LT_OK;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    LT_CHECK(end != text && !*end && !errno && n >= lo && n <= hi, LT_ERR_ARG,
             "--%s %s: expected a whole number from %lld to %lld, found \"%s\"", name, text, (long long)lo, (long long)hi,
             *text ? text : "nothing");
    *value = n;
    return LT_OK;
}

/* ---- the manual ---- */

void lt_cli_print_lines(const char *text, int indent, FILE *out) {
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        if (line != text && n) fprintf(out, "%*s", indent, "");
        fprintf(out, "%.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

static int width_of(const lt_cli_option *o) { return (int)(4 + 2 + strlen(o->name) + (o->value ? 1 + strlen(o->value) : 0)); }

void lt_cli_help(const lt_cli_command *c, FILE *out) {
    int n = n_options_of(c), width = 0;
    const char *usage = c->usage;
    for (bool first = true; *usage; first = false) {
        size_t bytes = strcspn(usage, "\n");
        fprintf(out, "%s %s%s%s%s %.*s\n", first ? "usage:" : "      ", c->mpi ? "[mpirun -n R] " : "", c->program, *c->name ? " " : "",
                c->name, (int)bytes, usage);
        usage += bytes + (usage[bytes] == '\n');
    }
    fputc('\n', out);
    lt_cli_print_lines(c->about, 0, out);
    for (int i = 0; i < n; i++)
        if (width_of(&c->option[i]) > width && width_of(&c->option[i]) <= 24) width = width_of(&c->option[i]);
    if (n) fputs("\noptions:\n", out);
    for (int i = 0; i < n; i++) {
        const lt_cli_option *o = &c->option[i];
        if (o->letter)
            fprintf(out, "  -%c, ", o->letter);
        else
            fputs("      ", out);
        fprintf(out, "--%s%s%s%*s", o->name, o->value ? " " : "", o->value ? o->value : "",
                width - width_of(o) > 0 ? width - width_of(o) + 2 : 2, "");
        lt_cli_print_lines(o->help, width + 4, out);
    }
    if (c->notes) {
        fputc('\n', out);
        lt_cli_print_lines(c->notes, 0, out);
    }
    fputs("\nexamples:\n  ", out);
    lt_cli_print_lines(c->examples, 2, out);
    fputs("\nexit codes: `ltune help exit-codes`\n", out);
}
