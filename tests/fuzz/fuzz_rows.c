/* Rows under fuzzing: see fuzz_rows.h. */
#include "fuzz_rows.h"

#include "source.h"

#include <zlib.h>

prep_column fuzz_column(unsigned byte, const char *const name[4]) {
    return byte >= 200 ? (prep_column){.name = {name[byte % 4], byte % 8 >= 4 ? name[(byte + 1) % 4] : NULL}}
                       : (prep_column){.number = (int)(byte % 8) + 1};
}

void fuzz_switches(prep_layout *l, unsigned byte) {
    static const char *const labels[] = {"0", "pos", "neg", "PER"};
    l->bad = (prep_bytes)(byte % 3);
    l->keep_nul = byte & 4;
    l->label_optional = byte & 8;
    l->unlabelled[0] = byte & 16 ? "-1" : "";
    if (byte & 32) {
        l->n_labels = 4;
        l->label_name = labels;
    }
    l->numbered = byte & 64;
    if (byte & 128) l->base = -1;
}

/* What is remembered of a reading. */
typedef struct reading {
    lt_status st;
    int64_t rows, words;
    uint64_t sum;
    prep_rows_counts counts;
} reading;

static void add(reading *a, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) a->sum = (a->sum ^ (unsigned char)s[i]) * 1099511628211u;
    a->sum += 1;
}

/* I- continues a span of its type. */
static void check_tags(const prep_row *row, prep_scheme scheme) {
    const char *before = NULL;
    for (int i = 0; row->tag && i < row->n_words; i++) {
        const char *tag = row->tag[i];
        FUZZ_REQUIRE(tag[0]);
        if (scheme == PREP_SCHEME_PLAIN) continue;
        FUZZ_REQUIRE(!strcmp(tag, "O") || ((tag[0] == 'B' || tag[0] == 'I') && tag[1] == '-' && tag[2]));
        if (tag[0] == 'I') FUZZ_REQUIRE(before && !strcmp(before, tag + 2));
        before = tag[0] == 'O' ? NULL : tag + 2;
    }
}

static void check_row(const prep_layout *l, const prep_rows *r, const prep_row *row, reading *a) {
    FUZZ_REQUIRE(row->line > 0);
    FUZZ_REQUIRE(row->text[0] || row->n_words > 0);
    for (int k = 0; k < 2 && row->text[k]; k++) {
        FUZZ_REQUIRE(row->text[k][row->bytes[k]] == 0);
        FUZZ_REQUIRE(prep_utf8_check(row->text[k], row->bytes[k], l->keep_nul) == row->bytes[k]);
        add(a, row->text[k], row->bytes[k]);
    }
    if (row->label) {
        FUZZ_REQUIRE(prep_utf8_check(row->label, strlen(row->label), false) == strlen(row->label));
        add(a, row->label, strlen(row->label));
    }
    if (row->text[0]) return;
    for (int i = 0; i < row->n_words; i++) {
        FUZZ_REQUIRE(prep_utf8_check(row->word[i], strlen(row->word[i]), false) == strlen(row->word[i]));
        add(a, row->word[i], strlen(row->word[i]));
        if (row->tag) add(a, row->tag[i], strlen(row->tag[i]));
    }
    check_tags(row, prep_rows_scheme(r));
    a->words += row->n_words;
}

static reading read_all(const prep_layout *l, const char *path) {
    prep_rows *r = NULL;
    prep_row row;
    reading a = {.st = prep_rows_open(l, path, NULL, &r)};
    FUZZ_REQUIRE((a.st == LT_OK) == (r != NULL));
    for (bool more = true; a.st == LT_OK && more;) {
        int64_t before = r ? prep_rows_count(r)->lines : 0;
        a.st = prep_rows_next(r, &row, &more);
        if (a.st != LT_OK || !more) continue;
        check_row(l, r, &row, &a);
        FUZZ_REQUIRE(row.line <= prep_rows_count(r)->lines && prep_rows_count(r)->lines >= before);
        a.rows++;
    }
    if (a.st != LT_OK) FUZZ_REQUIRE(lt_err_last()->msg[0]);
    if (r) {
        a.counts = *prep_rows_count(r);
        FUZZ_REQUIRE(strlen(prep_rows_about(r)) > 0);
    }
    prep_rows_close(&r);
    return a;
}

void fuzz_rows(const prep_layout *l, fuzz_input file) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s.gz", fuzz_path("rows.txt"));
    fuzz_write("rows.txt", file.data, file.bytes);
    reading plain = read_all(l, fuzz_path("rows.txt"));
    /* in two members, as `cat a.gz b.gz` makes */
    for (int k = 0; k < 2; k++) {
        gzFile z = gzopen(path, k ? "ab1" : "wb1");
        size_t half = file.bytes / 2, n = k ? file.bytes - half : half;
        FUZZ_REQUIRE(z);
        if (n) FUZZ_REQUIRE(gzwrite(z, file.data + (k ? half : 0), (unsigned)n) == (int)n);
        FUZZ_REQUIRE(gzclose(z) == Z_OK);
    }
    if (file.bytes >= 2 && file.data[0] == 0x1F && file.data[1] == 0x8B) return; /* packed already */
    reading packed = read_all(l, path);
    FUZZ_REQUIRE(plain.st == packed.st && plain.rows == packed.rows && plain.words == packed.words && plain.sum == packed.sum);
    FUZZ_REQUIRE(!memcmp(&plain.counts, &packed.counts, sizeof plain.counts));
}
