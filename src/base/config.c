/* From leaves to structs: defaults, file, command line; trials and their sweep; and back to text. */
#include "base/config_impl.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char labels_prefix[] = "method.labels.";

static bool starts_with(const char *s, const char *prefix) { return !strncmp(s, prefix, strlen(prefix)); }

/* ---- labels: a map, not a row of the table ---- */

static void free_labels(lt_method_cfg *m) {
    for (int i = 0; i < m->n_labels; i++) {
        free(m->label_name[i]);
        free(m->label_word[i]);
    }
    free(m->label_name);
    free(m->label_word);
    free(m->label_source);
    m->label_name = m->label_word = NULL;
    m->label_source = NULL;
    m->n_labels = 0;
}

static lt_status set_label(lt_method_cfg *m, const char *name, const lt_config_entry *v) {
    LT_CHECK(*name, LT_ERR_CONFIG, "%s: %s has no name of a label behind its last dot", v->source, v->path);
    LT_CHECK(!v->list && v->item[0][0], LT_ERR_CONFIG, "%s: method.labels.%s must be the words of that label", v->source, name);
    for (int i = 0; i < m->n_labels; i++)
        if (!strcmp(m->label_name[i], name)) {
            free(m->label_word[i]);
            m->label_word[i] = NULL;
            m->label_source[i] = v->source;
            return lt_strdup(&m->label_word[i], v->item[0]);
        }
    LT_CHECK(m->n_labels < LT_MAX_LABELS, LT_ERR_CONFIG, "%s: method.labels has more than %d labels", v->source, LT_MAX_LABELS);
    size_t n = (size_t)m->n_labels + 1;
    char **names = realloc(m->label_name, n * sizeof *names);
    if (names) m->label_name = names;
    char **words = realloc(m->label_word, n * sizeof *words);
    if (words) m->label_word = words;
    const char **sources = realloc(m->label_source, n * sizeof *sources);
    if (sources) m->label_source = sources;
    LT_CHECK(names && words && sources, LT_ERR_NOMEM, "no memory for labels");
    m->label_name[n - 1] = m->label_word[n - 1] = NULL;
    m->label_source[n - 1] = v->source;
    m->n_labels++;
    LT_TRY(lt_strdup(&m->label_name[n - 1], name));
    return lt_strdup(&m->label_word[n - 1], v->item[0]);
}

/* ---- trials ---- */

/* The texts of method.*, but the words of labels. */
enum { N_TEXTS = 4 };
static void texts_of(lt_method_cfg *m, char **text[N_TEXTS]) {
    char **const all[N_TEXTS] = {&m->text, &m->from, &m->description, &m->init_dialogue};
    memcpy(text, all, sizeof all);
}

static void free_texts(lt_method_cfg *m) {
    char **text[N_TEXTS];
    texts_of(m, text);
    for (int i = 0; i < N_TEXTS; i++) {
        free(*text[i]);
        *text[i] = NULL;
    }
}

static void free_trial(lt_trial_cfg *t) {
    free(t->name);
    free(t->source);
    free_texts(&t->method);
    free_labels(&t->method);
    *t = (lt_trial_cfg){0};
}

/* to := a copy of from that owns its texts. */
static lt_status copy_trial(const lt_trial_cfg *from, lt_trial_cfg *to) {
    char **old[N_TEXTS], **text[N_TEXTS];
    lt_method_cfg given = from->method;
    texts_of(&given, old);
    *to = *from;
    to->name = NULL;
    texts_of(&to->method, text);
    for (int i = 0; i < N_TEXTS; i++) *text[i] = NULL;
    to->method.label_name = to->method.label_word = NULL;
    to->source = to->method.label_source = NULL;
    to->method.n_labels = 0;
    LT_TRY(lt_calloc(&to->source, lt_config_impl_n_keys, sizeof *to->source, "a trial"));
    if (from->source) memcpy(to->source, from->source, (size_t)lt_config_impl_n_keys * sizeof *to->source);
    if (from->name) LT_TRY(lt_strdup(&to->name, from->name));
    for (int i = 0; i < N_TEXTS; i++)
        if (*old[i]) LT_TRY(lt_strdup(text[i], *old[i]));
    if (from->method.n_labels == 0) return LT_OK;
    LT_TRY(lt_calloc(&to->method.label_name, from->method.n_labels, sizeof(char *), "labels"));
    LT_TRY(lt_calloc(&to->method.label_word, from->method.n_labels, sizeof(char *), "labels"));
    LT_TRY(lt_calloc(&to->method.label_source, from->method.n_labels, sizeof(char *), "labels"));
    to->method.n_labels = from->method.n_labels; /* what is not copied yet is NULL */
    for (int i = 0; i < from->method.n_labels; i++) {
        to->method.label_source[i] = from->method.label_source[i];
        LT_TRY(lt_strdup(&to->method.label_name[i], from->method.label_name[i]));
        LT_TRY(lt_strdup(&to->method.label_word[i], from->method.label_word[i]));
    }
    return LT_OK;
}

static lt_status unknown_key(const lt_config_entry *v, const char *path) {
    const char *near = lt_config_impl_nearest(path);
    return LT_FAIL(LT_ERR_CONFIG, "%s: unknown key %s%s%s%s; `ltune help config` lists all keys", v->source, v->path,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* Whether a path names a group of keys.  Such a leaf is a group without keys (`train:` and nothing below); with a value it is an error. */
static bool is_group(const char *path, bool in_trial) {
    static const char *const group[] = {"train", "method",   "method.labels", "run",      "model",
                                        "data",  "parallel", "sweep",         "generate", "assistant"};
    for (int i = 0; i < (in_trial ? 4 : 9); i++)
        if (!strcmp(path, group[i])) return true;
    return false;
}

static lt_status check_group(const lt_config_entry *v) {
    LT_CHECK(!v->list && !v->item[0][0], LT_ERR_CONFIG, "%s: %s is a group of keys, not a value", v->source, v->path);
    return LT_OK;
}

static const char name_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

static lt_status check_name(const lt_config_entry *v, const char *name) {
    LT_CHECK(*name && strlen(name) <= 80 && strspn(name, name_letters) == strlen(name) && name[0] != '.', LT_ERR_CONFIG,
             "%s: trial name \"%s\": use 1 to 80 letters, digits and . _ -, the first no dot", v->source, name);
    LT_CHECK(!strstr(name, ".tmp."), LT_ERR_CONFIG, "%s: trial name \"%s\": \".tmp.\" marks files that are being written", v->source, name);
    return LT_OK;
}

/* One leaf of a trial; path without "trials.N.". */
static lt_status set_in_trial(lt_config *cfg, lt_trial_cfg *t, const char *path, const lt_config_entry *v) {
    if (!strcmp(path, "name")) {
        LT_CHECK(!v->list, LT_ERR_CONFIG, "%s: a trial's name must be text", v->source);
        LT_TRY(check_name(v, v->item[0]));
        free(t->name);
        t->name = NULL;
        t->name_source = v->source;
        return lt_strdup(&t->name, v->item[0]);
    }
    if (starts_with(path, labels_prefix)) return set_label(&t->method, path + strlen(labels_prefix), v);
    if (is_group(path, true)) return check_group(v);
    const lt_key *k = lt_config_impl_find(strcmp(path, "seed") ? path : "run.seed");
    if (!k) return unknown_key(v, path);
    LT_CHECK(lt_config_impl_per_trial(k), LT_ERR_CONFIG, "%s: %s is one for the whole run: a trial may set train.*, method.* and seed",
             v->source, k->path);
    t->source[k - lt_config_impl_keys] = v->source;
    return lt_config_impl_set(k, cfg, t, v);
}

static bool is_trials(const char *path) { return !strcmp(path, "trials") || starts_with(path, "trials."); }

/* Number in "trials.N.rest"; *rest set.  -1 if it is no such path. */
static long trial_index(const char *path, const char **rest) {
    char *end;
    if (!starts_with(path, "trials.")) return -1;
    long i = strtol(path + 7, &end, 10);
    *rest = *end == '.' ? end + 1 : "";
    return end > path + 7 && *end == '.' && i >= 0 && i < LT_CFG_MAX_TRIALS ? i : -1;
}

/* The trials as listed, before the sweep. */
static lt_status list_trials(lt_config *cfg) {
    const lt_config_entries *all = cfg->entries;
    const char *rest;
    long n = 0;
    for (int i = 0; i < all->n; i++) {
        long t = trial_index(all->entry[i].path, &rest);
        if (is_trials(all->entry[i].path) && t < 0)
            return LT_FAIL(LT_ERR_CONFIG, "%s: trials must be a list of at most %d maps, e.g. trials: [{name: a, train: {lr: 1e-3}}]",
                           all->entry[i].source, LT_CFG_MAX_TRIALS);
        if (t + 1 > n) n = t + 1;
    }
    LT_TRY(lt_calloc(&cfg->trial, n ? n : 1, sizeof *cfg->trial, "trials"));
    for (long t = 0; t < (n ? n : 1); t++) {
        lt_trial_cfg base = {.seed = cfg->run.seed, .train = cfg->train, .method = cfg->method};
        cfg->n_trials++;
        LT_TRY(copy_trial(&base, &cfg->trial[t]));
        bool given = n == 0;
        for (int i = 0; i < all->n; i++) {
            if (trial_index(all->entry[i].path, &rest) != t) continue;
            LT_TRY(set_in_trial(cfg, &cfg->trial[t], rest, &all->entry[i]));
            given = true;
        }
        LT_CHECK(given, LT_ERR_CONFIG, "command line: trials.%ld is set, but there is no trials.%ld: trials count from 0", n - 1, t);
    }
    return LT_OK;
}

/* Multiplies the trials by the values of one swept key. */
static lt_status sweep_key(lt_config *cfg, const char *path, const lt_config_entry *v) {
    const char *leaf = strrchr(path, '.') ? strrchr(path, '.') + 1 : path;
    lt_trial_cfg *grown = NULL, *old = cfg->trial;
    int n_old = cfg->n_trials, n = n_old * v->n_items;
    if (!strcmp(path, "name")) return unknown_key(v, path);
    LT_CHECK(v->list && v->n_items > 0, LT_ERR_CONFIG, "%s: sweep.%s must be a list of values, e.g. [1e-3, 1e-2]", v->source, path);
    LT_CHECK(n <= LT_CFG_MAX_TRIALS, LT_ERR_CONFIG, "%s: sweep.%s makes %d trials; at most %d", v->source, path, n, LT_CFG_MAX_TRIALS);
    LT_TRY(lt_calloc(&grown, n, sizeof *grown, "trials"));
    cfg->trial = grown; /* owns what is built so far, also on failure */
    cfg->n_trials = 0;
    lt_status st = LT_OK;
    for (int t = 0; t < n_old && st == LT_OK; t++)
        for (int k = 0; k < v->n_items && st == LT_OK; k++) {
            char name[256];
            lt_config_entry one = {.path = v->path, .source = v->source, .item = &v->item[k], .n_items = 1};
            lt_trial_cfg *to = &cfg->trial[cfg->n_trials++];
            st = copy_trial(&old[t], to);
            if (st == LT_OK) st = set_in_trial(cfg, to, path, &one);
            /* method.name needs no key in the name: an unnamed trial takes it anyway */
            if (st == LT_OK && (old[t].name || strcmp(path, "method.name"))) {
                (void)snprintf(name, sizeof name, "%.100s-%s%.60s", old[t].name ? old[t].name : lt_methods[to->method.name].name,
                               strcmp(path, "method.name") ? leaf : "", v->item[k]);
                for (char *c = name; (c += strspn(c, name_letters)), *c;) *c = '_'; /* values may be any text */
                free(to->name);
                to->name = NULL;
                st = lt_strdup(&to->name, name);
            }
        }
    for (int t = 0; t < n_old; t++) free_trial(&old[t]);
    free(old);
    return st;
}

/* Names for those without, then all different. */
static lt_status name_trials(lt_config *cfg) {
    int next[LT_METHOD_COUNT] = {0}; /* copies of each method's word that are taken: trials may be many */
    for (int t = 0; t < cfg->n_trials; t++) {
        lt_trial_cfg *trial = &cfg->trial[t];
        bool given = trial->name != NULL;
        lt_config_entry where = {.source = cfg->file ? cfg->file : (char *)"command line"};
        char name[300];
        for (int copy = next[trial->method.name] + 1; !given; copy++) {
            bool taken = false;
            (void)snprintf(name, sizeof name, copy > 1 ? "%s-%d" : "%s", lt_methods[trial->method.name].name, copy);
            for (int o = 0; o < cfg->n_trials; o++) taken |= o != t && cfg->trial[o].name && !strcmp(cfg->trial[o].name, name);
            next[trial->method.name] = copy;
            if (taken) continue;
            LT_TRY(lt_strdup(&trial->name, name));
            given = true;
        }
        LT_TRY(check_name(&where, trial->name));
        for (int o = 0; o < t; o++)
            LT_CHECK(strcmp(cfg->trial[o].name, trial->name) != 0, LT_ERR_CONFIG, "%s: two trials are called %s: names must differ",
                     where.source, trial->name);
    }
    return LT_OK;
}

static lt_status resolve(lt_config *cfg) {
    for (int i = 0; i < lt_config_impl_n_keys; i++) {
        const lt_key *k = &lt_config_impl_keys[i];
        char *text = (char *)k->fallback;
        lt_config_entry v = {.source = (char *)"default", .item = &text, .n_items = 1};
        if (text) LT_TRY(lt_config_impl_set(k, cfg, NULL, &v));
    }
    for (int i = 0; i < cfg->entries->n; i++) {
        const lt_config_entry *v = &cfg->entries->entry[i];
        const lt_key *k = lt_config_impl_find(v->path);
        if (k)
            LT_TRY(lt_config_impl_set(k, cfg, NULL, v));
        else if (starts_with(v->path, labels_prefix))
            LT_TRY(set_label(&cfg->method, v->path + strlen(labels_prefix), v));
        else if (is_group(v->path, false))
            LT_TRY(check_group(v));
        else if (!is_trials(v->path) && !starts_with(v->path, "sweep."))
            return unknown_key(v, v->path);
    }
    LT_TRY(list_trials(cfg));
    int swept = 0;
    for (int i = 0; i < cfg->entries->n; i++) {
        swept += starts_with(cfg->entries->entry[i].path, "sweep.");
        LT_CHECK(swept <= LT_CFG_MAX_SWEEP_KEYS, LT_ERR_CONFIG, "%s: sweep has more than %d keys", cfg->entries->entry[i].source,
                 LT_CFG_MAX_SWEEP_KEYS);
    }
    for (int i = 0; i < cfg->entries->n; i++)
        if (starts_with(cfg->entries->entry[i].path, "sweep."))
            LT_TRY(sweep_key(cfg, cfg->entries->entry[i].path + 6, &cfg->entries->entry[i]));
    return name_trials(cfg);
}

/* ---- loading ---- */

static lt_status read_file(const char *path, lt_config_entries *e) {
    enum { MAX_BYTES = 1 << 20 };
    lt_status st = LT_OK;
    char *text = NULL;
    FILE *f = fopen(path, "rb");
    LT_CHECK(f, LT_ERR_IO, "cannot open the run file %s: %s", path, strerror(errno));
    LT_TRY_GOTO(lt_calloc(&text, MAX_BYTES + 1, 1, "the run file"), st, done);
    size_t n = fread(text, 1, MAX_BYTES + 1, f);
    LT_CHECK_GOTO(!ferror(f), st, done, LT_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    LT_CHECK_GOTO(n <= MAX_BYTES, st, done, LT_ERR_CONFIG, "%s is larger than 1 MiB: is it a run file?", path);
    LT_TRY_GOTO(lt_config_impl_read(e, text, n, path, NULL, false), st, done);
done:
    free(text);
    fclose(f);
    return st;
}

/* Whether the value of a path is a text: its own, or that of trials.N.path. */
static bool is_text(const char *path) {
    const char *rest;
    bool in_trial = trial_index(path, &rest) >= 0;
    const lt_key *k = lt_config_impl_find(in_trial ? rest : path);
    return (k && (k->type == LT_KEY_STR || k->type == LT_KEY_RESUME)) || starts_with(in_trial ? rest : path, labels_prefix);
}

/* A text that a user typed may hold ": " or " #" or begin with [ or *: it is no YAML unless it begins with a quote. */
static lt_status read_text(const char *key, const char *value, lt_config_entries *e) {
    char *quoted = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&quoted, &bytes);
    LT_CHECK(f, LT_ERR_NOMEM, "no memory for the configuration");
    lt_config_impl_print_text(value, f);
    fclose(f);
    lt_status st = lt_config_impl_read(e, quoted, bytes, "command line", key, true);
    free(quoted);
    return st;
}

/* A key may hold the name of a label, and so any text; it is stored as YAML, which must be UTF-8. */
static lt_status check_key(const char *key) {
    lt_config_entries none = {0};
    lt_status st = read_text("key", key, &none);
    lt_config_impl_entries_free(&none);
    LT_CHECK(st == LT_OK || st == LT_ERR_NOMEM, LT_ERR_CONFIG, "command line: the key \"%.80s\" is not UTF-8 text", key);
    return st;
}

static lt_status read_override(const char *over, lt_config_entries *e) {
    char key[256];
    const char *eq = strchr(over, '=');
    LT_CHECK(eq && eq > over && (size_t)(eq - over) < sizeof key, LT_ERR_CONFIG, "command line: \"%.80s\" is not key=value", over);
    (void)snprintf(key, sizeof key, "%.*s", (int)(eq - over), over);
    LT_TRY(check_key(key));
    if (is_text(key) && eq[1] && eq[1] != '"' && eq[1] != '\'') return read_text(key, eq + 1, e);
    return lt_config_impl_read(e, eq + 1, strlen(eq + 1), "command line", key, true);
}

lt_status lt_config_load(const char *file, int n_over, const char *const *over, lt_config **out) {
    lt_config *cfg = NULL;
    lt_status st = LT_OK;
    LT_TRY(lt_calloc(&cfg, 1, sizeof *cfg, "the configuration"));
    LT_TRY_GOTO(lt_calloc(&cfg->entries, 1, sizeof *cfg->entries, "the configuration"), st, fail);
    if (file) {
        LT_TRY_GOTO(lt_strdup(&cfg->file, file), st, fail);
        LT_TRY_GOTO(read_file(file, cfg->entries), st, fail);
    }
    for (int i = 0; i < n_over; i++) LT_TRY_GOTO(read_override(over[i], cfg->entries), st, fail);
    LT_TRY_GOTO(resolve(cfg), st, fail);
    *out = cfg;
    return LT_OK;
fail:
    lt_config_free(&cfg);
    return st;
}

void lt_config_free(lt_config **config) {
    lt_config *cfg = *config;
    if (!cfg) return;
    for (int t = 0; t < cfg->n_trials; t++) free_trial(&cfg->trial[t]);
    if (cfg->entries) lt_config_impl_entries_free(cfg->entries);
    free_labels(&cfg->method);
    free_texts(&cfg->method);
    void *const owned[] = {cfg->trial,
                           cfg->entries,
                           cfg->file,
                           cfg->run.dir,
                           cfg->run.resume_path,
                           cfg->model.path,
                           cfg->data.path,
                           cfg->data.train,
                           cfg->data.eval,
                           cfg->assistant.model,
                           cfg->assistant.command,
                           cfg->assistant.templates,
                           cfg->model.bidirectional_layers};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    free(cfg);
    *config = NULL;
}

lt_status lt_config_require(const lt_config *cfg, const char *key) {
    for (int i = 0; i < cfg->entries->n; i++)
        if (!strcmp(cfg->entries->entry[i].path, key) && cfg->entries->entry[i].item[0][0]) return LT_OK;
    return LT_FAIL(LT_ERR_CONFIG, "%s: %s is missing: it has no default; set it in the run file or as %s=...",
                   cfg->file ? cfg->file : "command line", key, key);
}
