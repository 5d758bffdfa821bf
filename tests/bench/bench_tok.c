// TEST rooms: text
/* How fast a tokenizer is by itself: the lines of a file are in memory before the clock starts, ids are counted and thrown away.
 *
 *     bench_tok encode TOKENIZER FILE [THREADS]    tokens and seconds of one pass over all lines, with special tokens; a twin for each thread
 *     bench_tok load TOKENIZER [REPEATS]           seconds of opening it, the median of the repeats */
#include "base/log.h"
#include "base/mem.h"
#include "text/tokenizer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_THREADS = 64, SHARE = 256 }; /* lines that a thread takes at a time */

typedef struct lines {
    char *text;
    size_t bytes, n, *start; /* line i is [start[i], start[i + 1] - 1): a line end between each two */
} lines;

typedef struct worker {
    pthread_t thread;
    const lines *l;
    atomic_size_t *next;
    lt_tok *tok;
    int64_t tokens;
    char failed[256]; /* what went wrong, in the words of this thread */
} worker;

static int die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, lt_err_last()->msg);
    return 1;
}

static lt_status read_lines(const char *path, lines *l) {
    FILE *f = fopen(path, "rb");
    LT_CHECK(f, LT_ERR_IO, "cannot open %s", path);
    lt_status st = LT_OK;
    LT_CHECK_GOTO(fseek(f, 0, SEEK_END) == 0 && ftell(f) > 0, st, done, LT_ERR_IO, "%s has no bytes that can be counted", path);
    l->bytes = (size_t)ftell(f);
    rewind(f);
    l->text = malloc(l->bytes + 1);
    LT_CHECK_GOTO(l->text && fread(l->text, 1, l->bytes, f) == l->bytes, st, done, LT_ERR_IO, "cannot read %s", path);
    if (l->text[l->bytes - 1] != '\n') l->text[l->bytes++] = '\n';
    for (size_t i = 0; i < l->bytes; i++) l->n += l->text[i] == '\n';
    l->start = malloc((l->n + 1) * sizeof *l->start);
    LT_CHECK_GOTO(l->start, st, done, LT_ERR_NOMEM, "no memory for the places of %zu lines", l->n);
    l->start[0] = l->n = 0;
    for (size_t i = 0; i < l->bytes; i++)
        if (l->text[i] == '\n') l->start[++l->n] = i + 1;
done:
    fclose(f);
    return st;
}

static void *work(void *argument) {
    worker *w = argument;
    lt_ids ids = {0};
    lt_status st = LT_OK;
    for (size_t at; st == LT_OK && (at = atomic_fetch_add(w->next, SHARE)) < w->l->n;)
        for (size_t i = at; st == LT_OK && i < at + SHARE && i < w->l->n; i++) {
            ids.n = 0;
            st = lt_tok_encode(w->tok, w->l->text + w->l->start[i], w->l->start[i + 1] - 1 - w->l->start[i], true, &ids, NULL);
            w->tokens += ids.n;
        }
    if (st != LT_OK) (void)snprintf(w->failed, sizeof w->failed, "%.250s", lt_err_last()->msg);
    lt_ids_free(&ids);
    return NULL;
}

static int encode(const char *folder, const char *path, int threads) {
    static worker w[MOST_THREADS];
    lines l = {0};
    lt_tok *tok = NULL;
    atomic_size_t next = 0;
    int64_t tokens = 0;
    if (threads < 1 || threads > MOST_THREADS) {
        fprintf(stderr, "bench_tok: threads: expected 1 to %d, found %d\n", MOST_THREADS, threads);
        return 2;
    }
    if (read_lines(path, &l) != LT_OK) return die(path);
    if (lt_tok_open(folder, &tok) != LT_OK) return die(folder);
    for (int t = 0; t < threads; t++) {
        w[t] = (worker){.l = &l, .next = &next};
        if (lt_tok_twin(tok, &w[t].tok) != LT_OK) return die("twin");
    }
    double start = lt_time_s();
    for (int t = 1; t < threads; t++)
        if (pthread_create(&w[t].thread, NULL, work, &w[t]) != 0) return die("pthread_create");
    work(&w[0]);
    for (int t = 1; t < threads; t++) (void)pthread_join(w[t].thread, NULL);
    double seconds = lt_time_s() - start;
    for (int t = 0; t < threads; t++) {
        if (w[t].failed[0]) {
            fprintf(stderr, "%s: %s\n", path, w[t].failed);
            return 1;
        }
        tokens += w[t].tokens;
        lt_tok_close(&w[t].tok);
    }
    printf("%lld tokens %.6f s %zu lines %zu bytes\n", (long long)tokens, seconds, l.n, l.bytes);
    lt_tok_close(&tok);
    free(l.text);
    free(l.start);
    return 0;
}

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int load(const char *folder, int repeats) {
    double seconds[100];
    if (repeats < 1 || repeats > 100) repeats = 5;
    for (int r = 0; r < repeats; r++) {
        lt_tok *tok = NULL;
        double start = lt_time_s();
        if (lt_tok_open(folder, &tok) != LT_OK) return die(folder);
        seconds[r] = lt_time_s() - start;
        lt_tok_close(&tok);
    }
    qsort(seconds, (size_t)repeats, sizeof *seconds, rising);
    printf("loaded in %.6f s\n", seconds[repeats / 2]);
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 3 && !strcmp(argv[1], "encode")) return encode(argv[2], argv[3], argc > 4 ? atoi(argv[4]) : 1);
    if (argc > 2 && !strcmp(argv[1], "load")) return load(argv[2], argc > 3 ? atoi(argv[3]) : 5);
    fprintf(stderr, "usage: bench_tok encode TOKENIZER FILE [THREADS] | load TOKENIZER [REPEATS]\n");
    return 2;
}
