/* A configuration back to text: as YAML with the source of every value, and as settings that decide results; and the keys that nobody reads. */
#include "base/config_impl.h"

#include <stdlib.h>
#include <string.h>

static const char *source_of(const lt_config *cfg, const char *path) {
    for (int i = 0; i < cfg->entries->n; i++)
        if (!strcmp(cfg->entries->entry[i].path, path)) return cfg->entries->entry[i].source;
    return "default";
}

static void print_source(const char *source, bool wanted, FILE *out) { fprintf(out, wanted && source ? "  # %s\n" : "\n", source); }

/* Whether words for a label were given here, not taken over from the run (NULL: there is none to take them from). */
static bool is_own_label(const lt_method_cfg *m, int label, const lt_method_cfg *run) {
    return !run || label >= run->n_labels || run->label_source[label] != m->label_source[label]; /* a trial's begin with the run's */
}

/* The first of a method's own labels, -1 = none. */
static int first_own_label(const lt_method_cfg *m, const lt_method_cfg *run) {
    for (int i = 0; i < m->n_labels; i++)
        if (is_own_label(m, i, run)) return i;
    return -1;
}

static void print_labels(const lt_method_cfg *m, const lt_method_cfg *run, const char *indent, bool with_source, FILE *out) {
    if (first_own_label(m, run) < 0) return;
    fprintf(out, "%slabels:\n", indent);
    for (int i = 0; i < m->n_labels; i++) {
        if (!is_own_label(m, i, run)) continue;
        fprintf(out, "%s  ", indent);
        lt_config_impl_print_text(m->label_name[i], out);
        fputs(": ", out);
        lt_config_impl_print_text(m->label_word[i], out);
        print_source(m->label_source[i], with_source, out);
    }
}

/* Whether a trial's value differs from the run's. */
static bool differs(const lt_key *k, const lt_config *cfg, const lt_trial_cfg *t) {
    const void *run = lt_config_impl_field(k, (lt_config *)cfg, NULL), *own = lt_config_impl_field(k, (lt_config *)cfg, (lt_trial_cfg *)t);
    switch (k->type) {
    case LT_KEY_I64:
    case LT_KEY_AUTO:
        return *(const int64_t *)run != *(const int64_t *)own;
    case LT_KEY_NUM:
        return *(const double *)run != *(const double *)own;
    case LT_KEY_STR:
        return strcmp(*(char *const *)run, *(char *const *)own) != 0;
    case LT_KEY_RESUME:
    case LT_KEY_LAYERS:
        return false; /* never a trial's */
    default:
        return *(const int *)run != *(const int *)own;
    }
}

static const char *source_in_trial(const lt_trial_cfg *t, const lt_key *k) { return t->source[k - lt_config_impl_keys]; }

static void print_trial(const lt_config *cfg, const lt_trial_cfg *t, bool with_source, FILE *out) {
    static const char *const section[LT_SEC_COUNT] = {[LT_SEC_TRAIN] = "train", [LT_SEC_METHOD] = "method"};
    const char *seed = source_in_trial(t, lt_config_impl_find("run.seed"));
    fprintf(out, "  - name: \"%s\"", t->name);
    print_source(t->name_source ? t->name_source : "made of its settings", with_source, out);
    fprintf(out, "    seed: %lld", (long long)t->seed);
    print_source(seed ? seed : "run.seed", with_source, out);
    for (int s = LT_SEC_TRAIN; s <= LT_SEC_METHOD; s++) {
        bool labels = s == LT_SEC_METHOD && first_own_label(&t->method, &cfg->method) >= 0, any = false;
        for (int i = 0; i < lt_config_impl_n_keys; i++) {
            const lt_key *k = &lt_config_impl_keys[i];
            if ((int)k->section != s || (!differs(k, cfg, t) && !(with_source && source_in_trial(t, k)))) continue;
            if (!any) fprintf(out, "    %s:\n", section[s]);
            any = true;
            fprintf(out, "      %s: ", strchr(k->path, '.') + 1);
            lt_config_impl_print(k, cfg, t, out);
            print_source(source_in_trial(t, k), with_source, out);
        }
        if (labels && !any) fprintf(out, "    %s:\n", section[s]);
        if (labels) print_labels(&t->method, &cfg->method, "      ", with_source, out);
    }
}

static bool is_method_key(const lt_key *k) { return k->section == LT_SEC_METHOD; }
static const char *leaf_of(const lt_key *k) { return strchr(k->path, '.') + 1; }

/* What gpta reads, and of its student's keys those that a student beginning anew has a use for. */
static bool method_reads(const lt_method_cfg *m, const char *leaf) {
    bool student = m->name == LT_METHOD_GPTA && strcmp(leaf, "from") != 0 && strcmp(leaf, "compat") != 0;
    return lt_method_reads((lt_method)m->name, leaf) || (student && lt_method_reads(lt_method_trained(m), leaf));
}

static bool some_trial_reads(const lt_config *cfg, const lt_key *k) {
    for (int t = 0; t < cfg->n_trials; t++)
        if (method_reads(&cfg->trial[t].method, leaf_of(k))) return true;
    return false;
}

lt_status lt_config_dump(const lt_config *cfg, FILE *out, bool with_source) {
    for (int i = 0; i < lt_config_impl_n_keys; i++) {
        const lt_key *k = &lt_config_impl_keys[i];
        const char *dot = strchr(k->path, '.'), *source = source_of(cfg, k->path);
        if (i == 0 || k->section != k[-1].section) fprintf(out, "%.*s:\n", (int)(dot - k->path), k->path);
        if (!k->fallback && !strcmp(source, "default")) {
            fprintf(out, "  # %s: (required, not given)\n", dot + 1);
            continue;
        }
        bool unread = is_method_key(k) && !some_trial_reads(cfg, k); /* given all the same, it would be refused */
        fprintf(out, "  %s%s: ", unread ? "# " : "", dot + 1);
        lt_config_impl_print(k, cfg, NULL, out);
        print_source(unread ? "no trial reads it" : source, with_source, out);
    }
    print_labels(&cfg->method, NULL, "  ", with_source, out);
    fprintf(out, "trials:\n");
    for (int t = 0; t < cfg->n_trials; t++) print_trial(cfg, &cfg->trial[t], with_source, out);
    LT_CHECK(!ferror(out), LT_ERR_IO, "cannot write the configuration");
    return LT_OK;
}

lt_status lt_config_text(const lt_config *cfg, char **text) {
    size_t bytes = 0;
    *text = NULL;
    FILE *f = open_memstream(text, &bytes);
    LT_CHECK(f, LT_ERR_NOMEM, "no memory for the configuration as text");
    lt_status st = lt_config_dump(cfg, f, false);
    fclose(f);
    return st;
}

lt_status lt_config_settings(const lt_config *cfg, char **text) {
    size_t bytes = 0;
    FILE *f = open_memstream(text, &bytes);
    LT_CHECK(f, LT_ERR_NOMEM, "no memory for the configuration as text");
    /* keys of the run once, keys of the trials for every trial as resolved */
    for (int t = -1; t < cfg->n_trials; t++) {
        if (t >= 0) fprintf(f, "trial %s\nrun.seed: %lld\n", cfg->trial[t].name, (long long)cfg->trial[t].seed);
        for (int i = 0; i < lt_config_impl_n_keys; i++) {
            const lt_key *k = &lt_config_impl_keys[i];
            if (!k->in_fingerprint || lt_config_impl_per_trial(k) != (t >= 0)) continue;
            fprintf(f, "%s: ", k->path);
            lt_config_impl_print(k, cfg, t >= 0 ? &cfg->trial[t] : NULL, f);
            fputc('\n', f);
        }
        if (t >= 0) print_labels(&cfg->trial[t].method, NULL, "", false, f);
    }
    LT_CHECK(fclose(f) == 0, LT_ERR_NOMEM, "no memory for the configuration as text");
    return LT_OK;
}

lt_status lt_config_fingerprint(const lt_config *cfg, char hex[LT_SHA_HEX_BYTES]) {
    char *text = NULL;
    LT_TRY(lt_config_settings(cfg, &text));
    lt_status st = lt_sha_bytes(text, strlen(text), hex);
    free(text);
    return st;
}

/* ---- keys that nobody reads ---- */

/* "; METHOD reads name, length, ..." behind what is in text. */
static void say_reads(lt_method method, char *text, size_t bytes) {
    const char *keys = lt_methods[method].keys;
    size_t at = strlen(text);
    at += (size_t)snprintf(text + at, bytes - at, "; %s reads name", lt_methods[method].name);
    for (const char *word = keys; at < bytes && *(word += strspn(word, " ")); word += strcspn(word, " "))
        at += (size_t)snprintf(text + at, bytes - at, ", %.*s", (int)strcspn(word, " "), word);
}

/* A key of the run's own method section, a default of the trials. */
static lt_status unread_default(const lt_config *cfg, const lt_key *k) {
    char reads[1024] = "";
    bool said[LT_METHOD_COUNT] = {false};
    for (int t = 0; t < cfg->n_trials; t++) {
        lt_method method = (lt_method)cfg->trial[t].method.name;
        if (!said[method]) say_reads(method, reads, sizeof reads);
        said[method] = true;
    }
    return LT_FAIL(LT_ERR_CONFIG, "%s: no trial reads %s%s", source_of(cfg, k->path), k->path, reads);
}

static lt_status unread_in_trial(const lt_trial_cfg *t, const char *path, const char *source) {
    char reads[1024] = "";
    say_reads((lt_method)t->method.name, reads, sizeof reads);
    return LT_FAIL(LT_ERR_CONFIG, "%s: trial %s sets %s, which %s does not read%s", source, t->name, path, lt_methods[t->method.name].name,
                   reads);
}

lt_status lt_config_check_used(const lt_config *cfg) {
    for (int i = 0; i < lt_config_impl_n_keys; i++) {
        const lt_key *k = &lt_config_impl_keys[i];
        if (!is_method_key(k)) continue;
        for (int t = 0; t < cfg->n_trials; t++) {
            const lt_trial_cfg *trial = &cfg->trial[t];
            if (source_in_trial(trial, k) && !method_reads(&trial->method, leaf_of(k)))
                return unread_in_trial(trial, k->path, source_in_trial(trial, k));
        }
        if (strcmp(source_of(cfg, k->path), "default") != 0 && !some_trial_reads(cfg, k)) return unread_default(cfg, k);
    }
    for (int t = 0; t < cfg->n_trials; t++) {
        const lt_trial_cfg *trial = &cfg->trial[t];
        int own = first_own_label(&trial->method, &cfg->method);
        if (own >= 0 && !method_reads(&trial->method, "labels"))
            return unread_in_trial(trial, "method.labels", trial->method.label_source[own]);
    }
    return LT_OK;
}
