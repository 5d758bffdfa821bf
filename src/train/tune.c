/* Ways of products over the starts of a run: bytes of the back end, written into checkpoints as hexadecimal digits. */
#include "train/run_impl.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static lt_status to_text(const unsigned char *bytes, size_t n, char **text) {
    static const char digit[] = "0123456789abcdef";
    LT_TRY(lt_calloc(text, 2 * (int64_t)n + 1, 1, "ways of products"));
    for (size_t i = 0; i < n; i++) {
        (*text)[2 * i] = digit[bytes[i] >> 4];
        (*text)[2 * i + 1] = digit[bytes[i] & 15];
    }
    return LT_OK;
}

static int value(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

static lt_status to_bytes(const char *text, unsigned char **bytes, size_t *n) {
    *n = text ? strlen(text) / 2 : 0;
    if (!*n) return LT_OK;
    LT_TRY(lt_calloc(bytes, (int64_t)*n, 1, "ways of products"));
    for (size_t i = 0; i < *n; i++) {
        int high = value(text[2 * i]), low = value(text[2 * i + 1]);
        LT_CHECK(high >= 0 && low >= 0, LT_ERR_FORMAT, "the checkpoint's ways of products are not hexadecimal digits");
        (*bytes)[i] = (unsigned char)(high << 4 | low);
    }
    return LT_OK;
}

lt_status lt_run_impl_tune(lt_run *r) {
    unsigned char *stored = NULL;
    void *bytes = NULL;
    size_t n_stored = 0, n = 0;
    if (!r->device.ops->tune || r->purpose != LT_RUN_TRAIN) return LT_OK;
    lt_status st = lt_agree(r->grid.world, to_bytes(r->folder.resume_products, &stored, &n_stored));
    if (st == LT_OK) st = lt_model_tune(r->model, stored, n_stored, &bytes, &n);
    if (st == LT_OK) st = lt_agree(r->grid.world, n ? to_text(bytes, n, &r->products) : LT_OK);
    free(stored);
    free(bytes);
    return st;
}
