/* Rows of a file to their splits. */
#include "data.h"

#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

/* Train, dev or test by the first 32 bits of the text's SHA-256: the same text always falls into the same split. */
static lt_status hash_split(prep_data *d, const char *text, const char *pair, prep_split **s) {
    static const char *const name[PREP_MAX_SHARES] = {"train", "dev", "test"};
    char hex[LT_SHA_HEX_BYTES];
    lt_sha *sha;
    int i = 0;
    LT_TRY(lt_sha_begin(&sha));
    lt_sha_add(sha, text, strlen(text));
    if (pair) {
        lt_sha_add(sha, "\t", 1);
        lt_sha_add(sha, pair, strlen(pair));
    }
    LT_TRY(lt_sha_finish(&sha, hex));
    hex[8] = 0;
    double at = 100.0 * (double)strtoul(hex, NULL, 16) / 4294967296.0, upto = d->spec.share[0];
    while (i + 1 < d->spec.n_shares && at >= upto) upto += d->spec.share[++i];
    return prep_split_get(d, name[i], s);
}

static lt_status add_row(prep_data *d, const char *path, const prep_row *row, const char *split) {
    prep_split *s;
    int k;
    LT_CHECK(row->text[0] && row->label, LT_ERR_FORMAT, "%s:%lld: a row without a label, or of words", path, (long long)row->line);
    LT_TRY(prep_label_intern(&d->labels, row->label, &k));
    LT_TRY(d->spec.n_shares ? hash_split(d, row->text[0], row->text[1], &s) : prep_split_get(d, split, &s));
    lt_status st = prep_split_add(d, s, row->text[0], row->text[1], k);
    if (st == LT_ERR_FORMAT) st = LT_FAIL(st, "%s:%lld: the text is empty and gives no tokens", path, (long long)row->line);
    return st;
}

lt_status prep_read_file(prep_data *d, const char *path, const char *split) {
    prep_rows *r = NULL;
    prep_row row;
    bool more = true;
    if (d->labels.fixed) {
        d->spec.layout.n_labels = d->labels.n;
        d->spec.layout.label_name = (const char *const *)d->labels.name;
    }
    lt_status st = prep_rows_open(&d->spec.layout, path, d->source, &r);
    while (st == LT_OK && more) {
        st = prep_rows_next(r, &row, &more);
        if (st == LT_OK && more) st = add_row(d, path, &row, split);
    }
    if (r) {
        d->blank += prep_rows_count(r)->blank;
        d->left_out += prep_rows_count(r)->left_out;
    }
    prep_rows_close(&r);
    return st;
}
