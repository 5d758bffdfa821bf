/* Texts that commands read; see texts.h. */
#include "app/texts.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

lt_status lt_app_texts_push(lt_app_texts *in, const char *text, const char *pair) {
    if (in->n == in->cap) {
        in->cap = in->cap ? 2 * in->cap : 256;
        char **t = realloc(in->text, (size_t)in->cap * sizeof *t), **p = t ? realloc(in->pair, (size_t)in->cap * sizeof *p) : NULL;
        if (t) in->text = t;
        if (p) in->pair = p;
        LT_CHECK(t && p, LT_ERR_NOMEM, "no memory for %lld texts", (long long)in->cap);
    }
    in->text[in->n] = in->pair[in->n] = NULL;
    LT_TRY(lt_strdup(&in->text[in->n], text));
    if (pair) LT_TRY(lt_strdup(&in->pair[in->n], pair));
    in->n++;
    return LT_OK;
}

static lt_status push_json(lt_app_texts *in, const char *path, int64_t line_no, const char *line) {
    json_error_t e;
    json_t *o = json_loads(line, 0, &e);
    const char *text = json_string_value(json_object_get(o, "text")), *pair = json_string_value(json_object_get(o, "pair"));
    lt_status st = text ? lt_app_texts_push(in, text, pair)
                        : LT_FAIL(LT_ERR_FORMAT, "%s:%lld: expected a JSON object with a string \"text\"", path, (long long)line_no);
    json_decref(o);
    return st;
}

/* Lines of f; path names it in messages.  Closes f. */
static lt_status read_lines(lt_app_texts *in, FILE *f, const char *path, bool pairs) {
    char *line = NULL;
    size_t cap = 0;
    int64_t line_no = 0;
    lt_status st = LT_OK;
    for (ssize_t n; st == LT_OK && (n = getline(&line, &cap, f)) >= 0;) {
        line_no++;
        if (memchr(line, 0, (size_t)n)) {
            st = LT_FAIL(LT_ERR_FORMAT, "%s:%lld: a NUL byte; expected text in UTF-8", path, (long long)line_no);
            break;
        }
        if (n > 0 && line[n - 1] == '\n') line[--n] = 0;
        if (n > 0 && line[n - 1] == '\r') line[--n] = 0; /* of CRLF; inside a line it is text */
        char *tab = pairs ? strchr(line, '\t') : NULL;
        if (line[0] == '{') {
            st = push_json(in, path, line_no, line);
        } else {
            if (tab) *tab = 0;
            st = lt_app_texts_push(in, line, tab ? tab + 1 : NULL);
        }
    }
    if (st == LT_OK && ferror(f)) st = LT_FAIL(LT_ERR_IO, "cannot read %s: %m", path);
    free(line);
    fclose(f);
    return st;
}

static lt_status slurp(FILE *f, char **text, size_t *bytes) {
    size_t cap = 0;
    *text = NULL;
    for (*bytes = 0;;) {
        if (*bytes + 1 >= cap) {
            cap = cap ? 2 * cap : 65536;
            char *more = realloc(*text, cap);
            LT_CHECK(more, LT_ERR_NOMEM, "no memory for %zu bytes of standard input", cap);
            *text = more;
        }
        size_t n = fread(*text + *bytes, 1, cap - *bytes - 1, f);
        if (n == 0) break;
        *bytes += n;
    }
    LT_CHECK(!ferror(f), LT_ERR_IO, "cannot read standard input: %m");
    return LT_OK;
}

/* The launcher gives standard input to rank 0 alone: it reads for all. */
lt_status lt_app_texts_read_stdin(lt_comm *world, lt_app_texts *in, bool pairs) {
    char *text = NULL;
    size_t bytes = 0;
    int rank = lt_comm_rank(world);
    lt_status st = lt_agree(world, rank == 0 ? slurp(stdin, &text, &bytes) : LT_OK);
    if (st == LT_OK) {
        lt_bcast_host(world, &bytes, sizeof bytes, 0);
        if (rank != 0) st = lt_calloc(&text, (int64_t)bytes + 1, 1, "standard input");
        st = lt_agree(world, st);
    }
    if (st == LT_OK) lt_bcast_host(world, text, bytes, 0);
    if (st == LT_OK && bytes > 0) {
        FILE *f = fmemopen(text, bytes, "rb");
        st = f ? read_lines(in, f, "standard input", pairs) : LT_FAIL(LT_ERR_NOMEM, "no memory to read standard input");
    }
    free(text);
    return lt_agree(world, st);
}

lt_status lt_app_texts_read(lt_app_texts *in, const char *path, bool pairs) {
    FILE *f = fopen(path, "rb");
    LT_CHECK(f, LT_ERR_IO, "cannot open %s: %m", path);
    return read_lines(in, f, path, pairs);
}

lt_status lt_app_texts_same(lt_comm *world, const lt_app_texts *in) {
    char *all = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&all, &bytes);
    for (int64_t i = 0; f && i < in->n; i++) fprintf(f, "%s\n%s\n", in->text[i], in->pair[i] ? in->pair[i] : "");
    bool written = f && fclose(f) == 0;
    lt_status st = lt_agree_same(world, written ? LT_OK : LT_FAIL(LT_ERR_NOMEM, "no memory for the texts"), all, bytes, "the input");
    free(all);
    return st;
}

lt_status lt_app_find_trial(const lt_run *r, const char *name, int *which) {
    char list[1024] = "";
    *which = 0;
    if (!name && lt_run_n_trials(r) == 1) return LT_OK;
    for (int i = 0; i < lt_run_n_trials(r); i++) {
        size_t at = strlen(list);
        if (name && !strcmp(lt_run_trial(r, i)->cfg->name, name)) {
            *which = i;
            return LT_OK;
        }
        (void)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", lt_run_trial(r, i)->cfg->name);
    }
    return name ? LT_FAIL(LT_ERR_ARG, "no trial \"%s\" in this run; its trials: %s", name, list)
                : LT_FAIL(LT_ERR_ARG, "this run has %d trials: say which with --trial NAME; its trials: %s", lt_run_n_trials(r), list);
}

void lt_app_texts_free(lt_app_texts *in) {
    for (int64_t i = 0; i < in->n; i++) {
        free(in->text[i]);
        free(in->pair[i]);
    }
    free(in->text);
    free(in->pair);
    *in = (lt_app_texts){0};
}
