/* Dealing and packing; see batch.h. */
#include "train/batch.h"

#include "base/mem.h"

#include <stdlib.h>

lt_status lt_batch_create(int64_t max_items, lt_batch *b) {
    *b = (lt_batch){.max_items = max_items};
    LT_TRY(lt_calloc(&b->item, max_items, sizeof *b->item, "a batch"));
    lt_status st = lt_calloc(&b->order, 2 * max_items, sizeof *b->order, "a batch");
    if (st != LT_OK) lt_batch_destroy(b);
    return st;
}

void lt_batch_destroy(lt_batch *b) {
    free(b->item);
    free(b->order);
    *b = (lt_batch){0};
}

void lt_batch_clear(lt_batch *b) { b->n = b->rows = b->next = 0; }

lt_status lt_batch_add(lt_batch *b, const lt_tuner *t, const lt_samples *s, lt_item item) {
    LT_ASSERT(b->n < b->max_items);
    lt_tuner_input in = lt_tuner_input_of(t, item.candidate);
    item.rows = (int32_t)lt_tuner_rows(&in, s->offset[item.sample + 1] - s->offset[item.sample]) + item.padding;
    b->item[b->n++] = item;
    b->rows += item.rows;
    return LT_OK;
}

/* Rows of an item and of the rivals behind it, which are as long. */
static int64_t rows_of_group(const lt_item *it) { return (1 + (int64_t)it->rivals) * it->rows; }

/* Falling length of the first of a group; equal lengths in list order, so that every rank sorts alike. */
static int longer_first(const void *x, const void *y, void *items) {
    const lt_item *item = items;
    int64_t i = *(const int64_t *)x, j = *(const int64_t *)y, a = rows_of_group(&item[i]), b = rows_of_group(&item[j]);
    if (a != b) return a > b ? -1 : 1;
    return i < j ? -1 : 1;
}

/* Back and forth over the ranks: 0 1 2 2 1 0 0 1 2 ... */
static int dealt_to(int64_t i, int dp_size) {
    int place = (int)(i % dp_size);
    return i / dp_size % 2 ? dp_size - 1 - place : place;
}

void lt_batch_deal(lt_batch *b, int dp_rank, int dp_size) {
    if (dp_size == 1) return;
    int64_t *keep = b->order + b->max_items, kept = 0, groups = 0;
    for (int64_t i = 0; i < b->n; i += 1 + b->item[i].rivals) b->order[groups++] = i;
    qsort_r(b->order, (size_t)groups, sizeof *b->order, longer_first, b->item);
    for (int64_t g = 0; g < groups; g++)
        for (int64_t k = 0; k <= b->item[b->order[g]].rivals; k++) keep[b->order[g] + k] = dealt_to(g, dp_size) == dp_rank;
    b->rows = 0;
    for (int64_t i = 0; i < b->n; i++)
        if (keep[i]) {
            b->rows += b->item[i].rows;
            b->item[kept++] = b->item[i];
        }
    b->n = kept;
}

void lt_batch_plan(lt_batch *b, int64_t n_even, int64_t budget) {
    int64_t rows = 0, packs;
    for (int64_t i = 0; i < n_even; i++) rows += b->item[i].rows;
    packs = (rows + budget - 1) / budget;
    b->next = 0;
    b->n_even = n_even;
    b->budget = budget;
    b->pack_rows = packs ? (rows + packs - 1) / packs : 0;
}

/* Is item i the first of its rivals, or one without? */
static bool opens_group(const lt_batch *b, int64_t i) { return i == 0 || b->item[i - 1].rivals == 0; }

/* Is there room for item i and its rivals? */
static bool fits(const lt_batch *b, const lt_pack *pack, int64_t i) {
    return pack->n_seq + b->item[i].rivals < pack->max_seq && pack->n_tok + rows_of_group(&b->item[i]) <= pack->max_tok;
}

/* May item i ride in the same pack as the one before it? */
static bool rides_along(const lt_batch *b, lt_tuner *const *tuner, int64_t i) {
    const lt_item *it = &b->item[i];
    const lt_tuner *t = tuner[it->trial], *before = tuner[it[-1].trial];
    return i != b->n_even && it->block == it[-1].block && lt_tuner_trains_input(t) == lt_tuner_trains_input(before) &&
           t->pools_logits == before->pools_logits;
}

static int longer_sample(const void *x, const void *y, void *offsets) {
    const int64_t *o = offsets, i = *(const int64_t *)x, j = *(const int64_t *)y, a = o[i + 1] - o[i], b = o[j + 1] - o[j];
    if (a != b) return a > b ? -1 : 1;
    return i < j ? -1 : 1;
}

lt_status lt_deal_samples(const lt_samples *s, int dp_rank, int dp_size, bool *mine, int64_t *n_mine) {
    int64_t *order = NULL;
    LT_TRY(lt_calloc(&order, s->n, sizeof *order, "an order of samples"));
    for (int64_t i = 0; i < s->n; i++) order[i] = i;
    qsort_r(order, (size_t)s->n, sizeof *order, longer_sample, s->offset);
    *n_mine = 0;
    for (int64_t i = 0; i < s->n; i++) *n_mine += mine[order[i]] = dealt_to(i, dp_size) == dp_rank;
    free(order);
    return LT_OK;
}

lt_status lt_batch_next(lt_batch *b, const lt_samples *s, lt_tuner *const *tuner, lt_pack *pack, int64_t *first, int64_t *count) {
    lt_pack_clear(pack);
    *first = b->next;
    int64_t most = b->next < b->n_even ? b->pack_rows : b->budget;
    for (; b->next < b->n; b->next++) {
        if (opens_group(b, b->next)) { /* what a pack begins with it has room for */
            if (pack->n_tok >= most || !fits(b, pack, b->next) || (b->next > *first && !rides_along(b, tuner, b->next))) break;
        }
        const lt_item *it = &b->item[b->next];
        lt_tuner_input in = lt_tuner_input_of(tuner[it->trial], it->candidate);
        int64_t n = s->offset[it->sample + 1] - s->offset[it->sample], skip = lt_tuner_skips(&in, n);
        lt_pack_seq seq = {.tokens = s->tokens + s->offset[it->sample] + skip,
                           .n = n - skip,
                           .segment = s->segment[it->sample] - skip,
                           .lead = in.lead,
                           .n_lead = in.n_lead,
                           .lead_at = in.lead_at,
                           .padding = it->padding,
                           .pad = s->pad,
                           .prompt = in.prompt,
                           .prompt_rows = in.prompt_rows,
                           .slot = in.slot,
                           .prefix_len = in.prefix_len,
                           .trial = it->trial,
                           .key = it->key};
        LT_TRY(lt_pack_add(pack, &seq));
    }
    *count = b->next - *first;
    LT_CHECK(*count > 0 || b->next == b->n, LT_ERR_SHAPE,
             "a sequence of %d rows, or it and its %d rivals, does not fit a pack of %lld rows: raise parallel.tokens",
             b->item[b->next].rows, b->item[b->next].rivals, (long long)pack->max_tok);
    return LT_OK;
}
