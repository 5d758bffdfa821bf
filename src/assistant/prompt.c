/* What the assistant is told; see dialogue.h.
 *
 * A template is text with placeholders.  It is filled line by line, so that a line can be left out where there is nothing to say ("Texts:
 * {exemplars}"), and what
 * was put in is not looked at again. */
#include "assistant/dialogue_impl.h"

#include "base/fault.h"
#include "base/mem.h"
#include "store/fs.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEMPLATE_BYTES = 1 << 20 };
enum { DESCRIPTION, LABELS, EXEMPLARS, HISTORY, BEST, WORST, IN_USE, ROUND, CANDIDATES, MAX_WORDS, PLACES };
static const char *const place_name[PLACES] = {"description", "labels", "exemplars", "history",    "best",
                                               "worst",       "in_use", "round",     "candidates", "max_words"};

/* ---- templates ---- */

/* The placeholder in braces at s, which begins with '{': its number, *bytes with the braces; -1: none of ours. */
static int place_at(const char *s, size_t n, size_t *bytes) {
    for (int i = 0; i < PLACES; i++) {
        size_t len = strlen(place_name[i]);
        *bytes = len + 2;
        if (n >= len + 2 && !memcmp(s + 1, place_name[i], len) && s[len + 1] == '}') return i;
    }
    return -1;
}

/* The next piece of a line [n bytes]: a placeholder (*place), a brace, or a character as it stands; its bytes.  0: a lone or unknown one. */
static size_t next_piece(const char *s, size_t n, int *place) {
    size_t bytes = 1;
    *place = -1;
    if (s[0] != '{' && s[0] != '}') return 1;
    if (n > 1 && s[1] == s[0]) return 2;
    if (s[0] == '{') *place = place_at(s, n, &bytes);
    return *place >= 0 ? bytes : 0;
}

static size_t line_bytes(const char *s) { return strcspn(s, "\n"); }

static lt_status check(const char *text, const char *name) {
    int line = 1, place;
    for (const char *s = text; *s; line++) {
        size_t n = line_bytes(s);
        for (size_t i = 0; i < n;) {
            size_t bytes = next_piece(s + i, n - i, &place);
            size_t shown = n - i < 24 ? n - i : 24;
            LT_CHECK(
                bytes, LT_ERR_FORMAT,
                "%s, line %d: \"%.*s\" begins no placeholder; known: {description}, {labels}, {exemplars}, {history}, {best}, {worst}, "
                "{in_use}, {round}, {candidates}, {max_words}; write {{ and }} for braces",
                name, line, (int)shown, s + i);
            i += bytes;
        }
        s += n + (s[n] == '\n');
    }
    return LT_OK;
}

static lt_status is_utf8(const char *s, size_t n, const char *name) {
    for (size_t i = 0; i < n;) {
        int bytes;
        int32_t c = lt_char_at(s + i, n - i, &bytes);
        LT_CHECK(c > 0, LT_ERR_FORMAT, "%s is not UTF-8 text: see byte %zu", name, i);
        i += (size_t)bytes;
    }
    return LT_OK;
}

/* Without a byte order mark and carriage returns. */
static size_t plain(char *s, size_t n) {
    size_t to = 0;
    for (size_t i = n >= 3 && !memcmp(s, "\xEF\xBB\xBF", 3) ? 3 : 0; i < n; i++)
        if (s[i] != '\r' || i + 1 == n || s[i + 1] != '\n') s[to++] = s[i];
    s[to] = 0;
    return to;
}

/* A template as it is filled: without the newline at its end. */
static void drop_last_newline(char *s) {
    size_t n = strlen(s);
    if (n && s[n - 1] == '\n') s[n - 1] = 0;
}

static lt_status load_one(const char *dir, const char *name, char **out) {
    char *path = NULL, *text = NULL;
    lt_status st = lt_fs_path(&path, "%s/%s", dir, name);
    if (st != LT_OK) return st;
    FILE *in = fopen(path, "rb");
    LT_CHECK_GOTO(in, st, done, LT_ERR_IO, "cannot open the template %s: %s (assistant.templates is a folder with first.txt and next.txt)",
                  path, strerror(errno));
    LT_TRY_GOTO(lt_calloc(&text, TEMPLATE_BYTES + 2, 1, "a template"), st, done);
    size_t n = fread(text, 1, TEMPLATE_BYTES + 1, in);
    LT_CHECK_GOTO(!ferror(in), st, done, LT_ERR_IO, "cannot read the template %s: %s", path, strerror(errno));
    LT_CHECK_GOTO(n <= TEMPLATE_BYTES, st, done, LT_ERR_FORMAT, "the template %s is longer than %d bytes", path, TEMPLATE_BYTES);
    LT_TRY_GOTO(is_utf8(text, n, path), st, done);
    (void)plain(text, n);
    drop_last_newline(text);
    LT_TRY_GOTO(check(text, path), st, done);
    *out = text;
    text = NULL;
done:
    if (in) (void)fclose(in);
    free(text);
    free(path);
    return st;
}

static lt_status built_in(const char *text, char **out) {
    LT_TRY(lt_strdup(out, text));
    drop_last_newline(*out);
    return check(*out, "a built-in template");
}

lt_status lt_templates_load(const char *dir, lt_templates *t) {
    bool own = dir && dir[0];
    *t = (lt_templates){0};
    LT_TRY(LT_FAULT_POINT("assistant.templates"));
    lt_status st = own ? load_one(dir, "first.txt", &t->first) : built_in(lt_template_first, &t->first);
    if (st == LT_OK) st = own ? load_one(dir, "next.txt", &t->next) : built_in(lt_template_next, &t->next);
    if (st != LT_OK) lt_templates_free(t);
    return st;
}

void lt_templates_free(lt_templates *t) {
    free(t->first);
    free(t->next);
    *t = (lt_templates){0};
}

/* ---- history ---- */

/* A prefix that is shown, and the measures that it is shown with. */
typedef struct shown {
    const lt_prefix *prefix, *measure;
    int number; /* of prefix */
} shown;

static double value(const lt_method_cfg *c, const lt_prefix *p) {
    return c->feedback == LT_FEEDBACK_ACCURACY && !isnan(p->accuracy) ? lt_prefix_accuracy(p) : lt_prefix_gain(p);
}

static int compare(const lt_method_cfg *c, const shown *a, const shown *b) {
    double x = value(c, a->measure), y = value(c, b->measure);
    if (x == y) { /* of equal accuracy by loss, then by age */
        x = lt_prefix_gain(a->measure);
        y = lt_prefix_gain(b->measure);
    }
    return x < y ? -1 : x > y ? 1 : a->measure < b->measure ? -1 : a->measure > b->measure;
}

/* Worst first.  A few hundred at most are ever sorted, and qsort has no argument for cfg. */
static void sort(const lt_method_cfg *c, shown *s, int n) {
    for (int i = 1; i < n; i++) {
        shown x = s[i];
        int k = i;
        for (; k > 0 && compare(c, &x, &s[k - 1]) < 0; k--) s[k] = s[k - 1];
        s[k] = x;
    }
}

/* The measured ones, each text once (its last measure), worst first; then only the history's best and worst.  How many. */
static int choose(const lt_dialogue *d, shown *s) {
    int n = 0, most = d->cfg->history;
    for (int i = 0; i < d->open0; i++) {
        const lt_prefix *p = &d->prefix[i];
        int k = 0;
        if (isnan(p->gain) || !p->text[0]) continue;
        while (k < n && strcmp(s[k].prefix->text, p->text)) k++;
        s[k] = (shown){p, p, i};
        n += k == n;
    }
    sort(d->cfg, s, n);
    if (n <= most) return n;
    int worst = most / 2, best = most - worst;
    memmove(s + worst, s + n - best, (size_t)best * sizeof *s);
    return most;
}

/* Control `shuffled`: measures are dealt anew. */
static lt_status deal(const lt_dialogue *d, const lt_rng *rng, shown *s, int n) {
    int64_t *to = NULL;
    const lt_prefix **measure = NULL;
    lt_status st = lt_calloc(&to, n + 1, sizeof *to, "a history");
    if (st == LT_OK) st = lt_calloc(&measure, n + 1, sizeof *measure, "a history");
    if (st == LT_OK) {
        lt_rng_permutation(rng, n, to);
        for (int i = 0; i < n; i++) measure[i] = s[i].prefix;
        for (int i = 0; i < n; i++) s[i].measure = measure[to[i]];
        sort(d->cfg, s, n);
    }
    free(to);
    free(measure);
    return st;
}

static lt_status add_measure(const lt_method_cfg *c, const lt_prefix *p, lt_text *t) {
    if (c->feedback == LT_FEEDBACK_RANK) return lt_text_addf(t, "place %d of %d", p->rank, p->of);
    double gain = lt_prefix_gain(p), accuracy = lt_prefix_accuracy(p);
    if (c->feedback == LT_FEEDBACK_ACCURACY && !isnan(p->accuracy))
        return lt_text_addf(t, "accuracy %s by %.1f points", accuracy < 0 ? "lower" : "higher", 100 * fabs(accuracy));
    return lt_text_addf(t, "loss %s by %.4f", gain < 0 ? "higher" : "lower", fabs(gain));
}

static lt_status add_history(const lt_method_cfg *c, const shown *s, int n, lt_text *t) {
    for (int i = 0; i < n; i++) {
        LT_TRY(lt_text_addf(t, "%s\"%s\" (", i ? "\n" : "", s[i].prefix->text));
        LT_TRY(add_measure(c, s[i].measure, t));
        LT_TRY(lt_text_addf(t, "%s)", n == 1 ? "" : i == 0 ? ", the worst" : i == n - 1 ? ", the best" : ""));
    }
    return LT_OK;
}

/* ---- filling ---- */

/* On one line. */
static lt_status add_line(lt_text *t, const char *s) {
    size_t from = t->n;
    LT_TRY(lt_text_add(t, s, strlen(s)));
    for (size_t i = from; i < t->n; i++)
        if ((unsigned char)t->p[i] < ' ') t->p[i] = ' ';
    return LT_OK;
}

static lt_status fill_values(const lt_dialogue *d, const char *const *labels, int n_labels, const char *const *exemplars, int n_exemplars,
                             const shown *s, int n, lt_text *value) {
    const lt_method_cfg *c = d->cfg;
    const char *in_use = d->in_use >= 0 ? d->prefix[d->in_use].text : "";
    int words = c->max_prefix_tokens * 3 / 4;
    if (c->control == LT_CONTROL_SHUFFLED && n > 0) in_use = s[n - 1].prefix->text;
    for (int i = 0; i < PLACES; i++) LT_TRY(lt_text_add(&value[i], "", 0));
    if (c->description) LT_TRY(lt_text_add(&value[DESCRIPTION], c->description, strlen(c->description)));
    for (int i = 0; i < n_labels; i++) {
        if (i) LT_TRY(lt_text_add(&value[LABELS], ", ", 2));
        LT_TRY(add_line(&value[LABELS], labels[i]));
    }
    for (int i = 0; i < n_exemplars; i++) {
        if (i) LT_TRY(lt_text_add(&value[EXEMPLARS], "\n", 1));
        LT_TRY(add_line(&value[EXEMPLARS], exemplars[i]));
    }
    LT_TRY(add_history(c, s, n, &value[HISTORY]));
    if (n > 0) {
        LT_TRY(add_line(&value[BEST], s[n - 1].prefix->text));
        LT_TRY(add_line(&value[WORST], s[0].prefix->text));
    }
    LT_TRY(add_line(&value[IN_USE], in_use));
    LT_TRY(lt_text_addf(&value[ROUND], "%d", d->rounds + 1));
    LT_TRY(lt_text_addf(&value[CANDIDATES], "%d", c->candidates));
    return lt_text_addf(&value[MAX_WORDS], "%d", words > 0 ? words : 1);
}

static lt_status fill(const char *template, const lt_text *value, lt_text *out) {
    bool first = true;
    for (const char *s = template;;) {
        size_t n = line_bytes(s), from = out->n;
        int places = 0, filled = 0, place;
        if (!first) LT_TRY(lt_text_add(out, "\n", 1));
        for (size_t i = 0, bytes; i < n; i += bytes) {
            bytes = next_piece(s + i, n - i, &place);
            LT_ASSERT(bytes > 0); /* templates were checked */
            if (place >= 0) {
                places++;
                filled += value[place].n > 0;
                LT_TRY(lt_text_add(out, value[place].p, value[place].n));
            } else {
                LT_TRY(lt_text_add(out, s + i, 1));
            }
        }
        if (places && !filled)
            out->n = from; /* with the newline before it */
        else
            first = false;
        if (!s[n]) return lt_text_add(out, "", 0);
        s += n + 1;
    }
}

lt_status lt_dialogue_prompt(const lt_dialogue *d, const lt_templates *t, const char *const *labels, int n_labels,
                             const char *const *exemplars, int n_exemplars, const lt_rng *rng, char **prompt) {
    lt_text value[PLACES] = {0}, out = {0};
    shown *s = NULL;
    lt_status st = lt_calloc(&s, d->n + 1, sizeof *s, "a history");
    if (st != LT_OK) return st;
    int n = choose(d, s);
    if (d->cfg->control == LT_CONTROL_SHUFFLED) st = deal(d, rng, s, n);
    if (st == LT_OK) st = fill_values(d, labels, n_labels, exemplars, n_exemplars, s, n, value);
    if (st == LT_OK) st = fill(n > 0 ? t->next : t->first, value, &out);
    if (st == LT_OK) st = lt_text_take(&out, prompt);
    for (int i = 0; i < PLACES; i++) free(value[i].p);
    free(out.p);
    free(s);
    return st;
}
