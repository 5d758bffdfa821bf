// TEST np: 0  rooms: text  labels: unit  timeout: 120
/* All ids of SST-2, CoLA and RTE (training and development) against hashes of Hugging Face's (golden/text_cases.h), and how fast.  Skipped without the
 * shared data. */
#include "golden/text_cases.h"
#include "text_util.h"

#include <time.h>

typedef struct source {
    const char *name;
    const char *file[2];    /* training, development */
    int skip, column, pair; /* lines before the first row; columns of the texts, pair -1 = none */
} source;

static const source sources[] = {{"sst2", {"train.tsv", "dev.tsv"}, 1, 1, -1},
                                 {"cola", {"in_domain_train.tsv", "in_domain_dev.tsv"}, 0, 3, -1},
                                 {"rte", {"train.tsv", "dev.tsv"}, 1, 1, 2}};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Column n of a line without its end, cut off in place. */
static char *column(char *line, int n) {
    for (; n > 0; n--) {
        line = strchr(line, '\t');
        if (!line) return NULL;
        line++;
    }
    return line;
}

typedef struct counts {
    int rows;
    int64_t ids;
    double seconds; /* in the tokenizer */
} counts;

/* Hashes the ids of one file; spoil: one id is off by one, for the control. */
static lt_status hash_file(const lt_tok *tok, const source *s, const char *path, bool spoil, lt_sha *sha, counts *c) {
    char *line = NULL;
    size_t cap = 0;
    lt_status st = LT_OK;
    lt_ids ids = {0};
    FILE *f = fopen(path, "rb");
    LT_CHECK(f, LT_ERR_IO, "cannot open %s", path);
    int number = 0;
    for (ssize_t n; st == LT_OK && (n = getline(&line, &cap, f)) > 0; number++) {
        int64_t segment;
        bool cut;
        if (line[n - 1] == '\n') line[--n] = 0;
        if (number < s->skip || n == 0) continue;
        char *a = column(line, s->column), *b = s->pair < 0 ? NULL : column(line, s->pair);
        for (char *end = line; (end = strchr(end, '\t')); end++) *end = 0;
        ids.n = 0;
        double start = now();
        st = a ? text_encode_pair(tok, a, b, 0, &ids, &segment, &cut)
               : LT_FAIL(LT_ERR_FORMAT, "%s:%d: a column is missing", path, number + 1);
        c->seconds += now() - start;
        c->ids += ids.n;
        if (st == LT_OK) st = lt_ids_push(&ids, -1);
        if (st == LT_OK && spoil && c->rows == 100) ids.id[0]++;
        if (st == LT_OK) lt_sha_add(sha, ids.id, (size_t)ids.n * sizeof *ids.id);
        c->rows++;
    }
    free(line);
    fclose(f);
    lt_ids_free(&ids);
    return st;
}

static lt_status hash_source(const char *shared, const lt_tok *tok, const source *s, bool spoil, char hex[LT_SHA_HEX_BYTES], counts *c) {
    char path[4300];
    lt_sha *sha = NULL;
    LT_TRY(lt_sha_begin(&sha));
    lt_status st = LT_OK;
    for (int i = 0; i < 2 && st == LT_OK; i++) {
        (void)snprintf(path, sizeof path, "%s/data/%s/%s", shared, s->name, s->file[i]);
        st = hash_file(tok, s, path, spoil, sha, c);
    }
    LT_KEEP(st, lt_sha_finish(&sha, hex));
    return st;
}

int main(void) {
    const char *shared = text_shared();
    char path[4300], hex[LT_SHA_HEX_BYTES] = "";
    if (!shared) {
        printf("skipped: no folder with shared data (LT_SHARED, or shared beside the source tree)\n");
        return 77;
    }
    for (size_t i = 0; i < sizeof case_hash / sizeof *case_hash; i++) {
        const source *s = sources;
        lt_tok *tok = NULL;
        counts c = {0};
        while (strcmp(s->name, case_hash[i].data) != 0) s++;
        (void)snprintf(path, sizeof path, "%s/%s", shared, case_hash[i].tokenizer);
        CHECK_OK(lt_tok_open(path, &tok));
        if (!tok) continue;
        CHECK_OK(hash_source(shared, tok, s, false, hex, &c));
        CHECK_INT(c.rows, case_hash[i].rows);
        CHECK_STR(hex, case_hash[i].sha256);
        printf("%-30s %-5s %6d texts, %8lld ids, %7.0f texts/s\n", case_hash[i].tokenizer, s->name, c.rows, (long long)c.ids,
               c.rows / c.seconds);
        if (i == 1) { /* control: one id of many is wrong */
            c = (counts){0};
            CHECK_OK(hash_source(shared, tok, s, true, hex, &c));
            CHECK(strcmp(hex, case_hash[i].sha256) != 0);
        }
        lt_tok_close(&tok);
    }
    return test_end();
}
