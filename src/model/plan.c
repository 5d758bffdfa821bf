/* What attention needs to know of a pack: for each mask that layers share, the interval of keys of every query row; and the upload of all of it with
 * the pack in one block of 32-bit words.
 *
 * Rows of a pack are queries and keys alike, so the keys of sequence i are its rows [cu[i], cu[i + 1]).  With a cache they are rows of the cache, the first
 * start[i] from earlier packs, and the pack's queries stand behind them.  In a last layer of which only the read-out rows are computed ("picked"), queries are
 * one row a sequence. */
#include "model/model_impl.h"

#include <stdlib.h>
#include <string.h>

static bool same_mask(const lt_layer *a, const lt_layer *b) { return a->causal == b->causal && a->window == b->window; }

lt_status lt_model_impl_find_masks(lt_model *m) {
    m->n_masks = 0;
    for (int l = 0; l < m->arch.m; l++) {
        const lt_layer *layer = &m->arch.layer[l];
        int k = 0;
        while (k < m->n_masks && !same_mask(&m->mask[k].kind, layer)) k++;
        LT_CHECK(k < LT_MAX_MASKS, LT_ERR_FORMAT, "the layers of this model have more than %d different masks", LT_MAX_MASKS);
        if (k == m->n_masks) m->mask[m->n_masks++] = (lt_mask){.kind = *layer};
        m->block[l].plan = k;
    }
    return LT_OK;
}

/* Keys that the query at place i of a sequence of n sees. */
static void interval(const lt_layer *k, int32_t i, int32_t n, int32_t *first, int32_t *end) {
    int32_t w = k->window;
    *first = w && i - w + 1 > 0 ? i - w + 1 : 0;
    *end = k->causal ? i + 1 : w && i + w < n ? i + w : n;
}

/* A cursor over the block: hands out places on both sides. */
typedef struct cursor {
    int32_t *host, *device;
    int64_t at, room;
} cursor;

static int32_t *take(cursor *c, int64_t n, const int32_t **device) {
    int64_t at = c->at;
    c->at += (n + 15) / 16 * 16; /* pieces start on cache lines */
    *device = c->device + at;
    return c->host + at;
}

static void put(cursor *c, const void *from, int64_t n, const int32_t **device) {
    memcpy(take(c, n, device), from, (size_t)n * sizeof(int32_t));
}

int64_t lt_model_impl_pack_words(const lt_model *m) {
    int64_t T = m->limits.tokens, B = m->limits.seqs, pieces = 27 + 4 * m->n_masks;
    return T * (7 + 2 * m->n_masks) + B * (14 + 2 * m->n_masks) + m->limits.slots + 2 * 16 + pieces * 16;
}

/* Keys of sequence i: those that a cache has, and its rows here. */
static int32_t keys_of(const lt_pack *p, int64_t i) { return p->start[i] + p->cu[i + 1] - p->cu[i]; }

/* The row of sequence i that is read out. */
static int32_t readout_row(const lt_pack *p, lt_readout r, int64_t i) {
    return r == LT_READ_FIRST ? p->cu[i] : r == LT_READ_CLS ? p->text0[i] : p->text1[i] - 1;
}

/* Plans of a mask: all rows, and the picked ones. */
static void fill_mask(cursor *c, lt_mask *mask, const lt_pack *p, const lt_attn_plan *common, lt_readout readout) {
    mask->all = *common;
    int32_t *first = take(c, p->n_tok, &mask->all.first), *end = take(c, p->n_tok, &mask->all.end);
    for (int64_t i = 0; i < p->n_seq; i++)
        for (int32_t row = p->cu[i]; row < p->cu[i + 1]; row++)
            interval(&mask->kind, p->start[i] + row - p->cu[i], keys_of(p, i), &first[row], &end[row]);
    if (!lt_model_impl_one_row(readout)) return;
    mask->picked = *common;
    first = take(c, p->n_seq, &mask->picked.first);
    end = take(c, p->n_seq, &mask->picked.end);
    for (int64_t i = 0; i < p->n_seq; i++)
        interval(&mask->kind, p->start[i] + readout_row(p, readout, i) - p->cu[i], keys_of(p, i), &first[i], &end[i]);
}

/* Numbers of the rows within their sequences, picked or all. */
static void fill_picked(cursor *c, lt_model *m, const lt_pack *p, lt_readout readout, lt_attn_plan *picked) {
    lt_device_pack *d = &m->dev;
    int32_t *row = take(c, p->n_seq, &d->pick_row), *pos = take(c, p->n_seq, &d->pick_pos), *index = take(c, p->n_seq, &picked->q_index),
            *cu = take(c, p->n_seq + 1, &picked->cu_q);
    for (int64_t i = 0; i < p->n_seq; i++) {
        row[i] = readout_row(p, readout, i);
        pos[i] = p->pos[row[i]];
        index[i] = p->start[i] + row[i] - p->cu[i];
        cu[i] = (int32_t)i;
    }
    cu[p->n_seq] = (int32_t)p->n_seq;
    picked->n_q = p->n_seq;
    picked->max_q = 1;
}

/* Where the keys lie: in the pack's rows, or in a cache, of which these rows are the newest. */
static void fill_keys(cursor *c, lt_model *m, const lt_forward_args *a, lt_attn_plan *plan) {
    const lt_pack *p = a->pack;
    int32_t *len = take(c, p->n_seq, &plan->k_len), *index = take(c, p->n_tok, &plan->q_index), *row0 = NULL, *cached = NULL;
    if (a->cache) {
        row0 = take(c, p->n_seq, &plan->k_row0);
        cached = take(c, p->n_tok, &m->dev.cached);
        plan->n_k = a->cache->seqs * a->cache->room;
    }
    for (int64_t i = 0; i < p->n_seq; i++) {
        len[i] = keys_of(p, i);
        if (len[i] > plan->max_k) plan->max_k = len[i];
        if (row0) row0[i] = (int32_t)(p->home[i] * a->cache->room);
        for (int32_t row = p->cu[i]; row < p->cu[i + 1]; row++) {
            index[row] = p->start[i] + row - p->cu[i];
            if (cached) cached[row] = row0[i] + index[row];
        }
    }
    if (a->repeats) plan->max_k = a->cache->room;
}

void lt_model_impl_upload(lt_model *m, const lt_forward_args *a) {
    const lt_pack *p = a->pack;
    lt_device_pack *d = &m->dev;
    lt_event *sent = &d->sent[d->turn ^= 1]; /* the copy of the pack before the last has left its place, or is waited for */
    lt_status st = sent->impl ? m->ctx.ops->wait(&m->ctx, sent) : LT_OK;
    cursor c = {d->host[d->turn], d->device, 0, d->words};
    bool pick = lt_model_impl_one_row(a->readout);
    int64_t T = p->n_tok, B = p->n_seq, out = pick || a->readout != LT_READ_TOKENS ? B : T;
    const int32_t *cu, *weight, *key;
    put(&c, p->id, T, &d->id);
    put(&c, p->pos, T, &d->pos);
    put(&c, p->type, T, &d->type);
    put(&c, p->text0, B, &d->text0);
    put(&c, p->cu, B + 1, &cu);
    d->row1 = cu + 1;
    d->cu = cu;
    put(&c, p->target, out, &d->target);
    put(&c, p->weight, out, &weight);
    d->weight = (const float *)(const void *)weight;
    memcpy(take(&c, 2 * B, &key), p->key, (size_t)B * sizeof *p->key);
    d->key = (const uint64_t *)(const void *)key;
    d->read_cu = cu;
    if (a->readout != LT_READ_TOKENS) {
        int32_t *one_each = take(&c, B + 1, &d->read_cu);
        for (int64_t i = 0; i <= B; i++) one_each[i] = (int32_t)i;
    }
    lt_attn_plan plan = {.n_seq = B, .n_q = T, .n_k = T, .cu_q = cu, .k_row0 = cu, .max_q = p->max_len}, picked;
    fill_keys(&c, m, a, &plan);
    if (lt_arch_is_relative(&m->arch)) d->pos = plan.q_index; /* what stands in front of the text in a prefix has no place in it */
    put(&c, p->slot, B, &plan.slot);
    if (a->bank && a->bank->S > 0) {
        put(&c, a->bank->slot_len, a->bank->S, &plan.slot_len);
        plan.n_slots = a->bank->S;
        plan.P_max = a->bank->P_max;
    }
    picked = plan;
    if (pick) fill_picked(&c, m, p, a->readout, &picked);
    for (int k = 0; k < m->n_masks; k++) {
        fill_mask(&c, &m->mask[k], p, &plan, a->readout);
        if (!pick) continue;
        lt_attn_plan own = m->mask[k].picked;
        m->mask[k].picked = picked;
        m->mask[k].picked.first = own.first;
        m->mask[k].picked.end = own.end;
    }
    if (st == LT_OK && c.at > c.room)
        st = LT_FAIL(LT_ERR_INTERNAL, "a pack takes %lld words, planned were %lld", (long long)c.at, (long long)c.room);
    if (st == LT_OK) st = lt_ctx_upload(&m->ctx, d->device, c.host, (size_t)c.at * sizeof(int32_t));
    if (st == LT_OK) st = m->ctx.ops->record(&m->ctx, sent);
    if (st != LT_OK) lt_fatal(m->grid->world, st);
}
