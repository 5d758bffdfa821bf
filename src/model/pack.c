/* Packs; see pack.h. */
#include "model/pack.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

lt_status lt_pack_create(int64_t max_tok, int64_t max_seq, lt_pack *p) {
    lt_status st = LT_OK;
    *p = (lt_pack){.max_tok = max_tok, .max_seq = max_seq};
    LT_TRY_GOTO(lt_calloc(&p->id, max_tok, sizeof *p->id, "a pack"), st, fail);
    LT_TRY_GOTO(lt_calloc(&p->pos, max_tok, sizeof *p->pos, "a pack"), st, fail);
    LT_TRY_GOTO(lt_calloc(&p->type, max_tok, sizeof *p->type, "a pack"), st, fail);
    LT_TRY_GOTO(lt_calloc(&p->cu, max_seq + 1, sizeof *p->cu, "a pack"), st, fail);
    LT_TRY_GOTO(lt_calloc(&p->text0, max_seq, sizeof *p->text0, "a pack"), st, fail);
    LT_TRY_GOTO(lt_calloc(&p->text1, max_seq, sizeof *p->text1, "a pack"), st, fail);
    LT_TRY_GOTO(lt_calloc(&p->slot, max_seq, sizeof *p->slot, "a pack"), st, fail);
    LT_TRY_GOTO(lt_calloc(&p->start, max_seq, sizeof *p->start, "a pack"), st, fail);
    LT_TRY_GOTO(lt_calloc(&p->home, max_seq, sizeof *p->home, "a pack"), st, fail);
    LT_TRY_GOTO(lt_calloc(&p->key, max_seq, sizeof *p->key, "a pack"), st, fail);
    LT_TRY_GOTO(lt_calloc(&p->trial, max_seq, sizeof *p->trial, "a pack"), st, fail);
    LT_TRY_GOTO(lt_calloc(&p->target, max_tok, sizeof *p->target, "a pack"), st, fail);
    LT_TRY_GOTO(lt_calloc(&p->weight, max_tok, sizeof *p->weight, "a pack"), st, fail);
    return LT_OK;
fail:
    lt_pack_destroy(p);
    return st;
}

void lt_pack_destroy(lt_pack *p) {
    void *const owned[] = {p->id,    p->pos,  p->type, p->cu,    p->text0,  p->text1, p->slot,
                           p->start, p->home, p->key,  p->trial, p->target, p->weight};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) free(owned[i]);
    *p = (lt_pack){0};
}

void lt_pack_clear(lt_pack *p) { p->n_tok = p->n_seq = p->n_trial = p->max_len = 0; }

bool lt_pack_fits(const lt_pack *p, const lt_pack_seq *s) {
    return p->n_seq < p->max_seq && p->n_tok + s->prompt_rows + s->n_lead + s->n + s->padding <= p->max_tok;
}

/* Number in s->tokens of place t of the text, and -1 for the lead's places. */
static int64_t token_at(const lt_pack_seq *s, int64_t t) {
    if (t < s->lead_at || s->n_lead == 0) return t;
    return t < s->lead_at + s->n_lead ? -1 : t - s->n_lead;
}

lt_status lt_pack_add(lt_pack *p, const lt_pack_seq *s) {
    LT_ASSERT(lt_pack_fits(p, s) && s->prompt_rows + s->n > 0);
    int64_t row = p->n_tok, text = s->n_lead + s->n, len = s->prompt_rows + text + s->padding;
    for (int64_t i = 0; i < len; i++, row++) {
        int64_t place = i - s->prompt_rows, t = place < 0 ? -1 : token_at(s, place);
        p->id[row] = place < 0       ? (int32_t)(-1 - (s->prompt + i))
                     : place >= text ? s->pad
                     : t < 0         ? s->lead[place - s->lead_at]
                                     : s->tokens[t];
        p->type[row] = t >= s->segment && t < s->n;
        p->pos[row] = s->start + (int32_t)i + s->prefix_len;
        p->target[row] = 0;
        p->weight[row] = 0;
    }
    lt_pack_trial *last = p->n_trial ? &p->trial[p->n_trial - 1] : NULL;
    if (!last || last->trial != s->trial) {
        last = &p->trial[p->n_trial++];
        *last = (lt_pack_trial){.trial = s->trial, .seq0 = (int32_t)p->n_seq, .row0 = (int32_t)p->n_tok};
    }
    p->text0[p->n_seq] = (int32_t)(p->n_tok + s->prompt_rows);
    p->text1[p->n_seq] = (int32_t)(p->n_tok + s->prompt_rows + text);
    p->slot[p->n_seq] = s->slot;
    p->start[p->n_seq] = s->start;
    p->home[p->n_seq] = s->home;
    p->key[p->n_seq] = s->key;
    p->cu[p->n_seq] = (int32_t)p->n_tok;
    p->n_tok += len;
    p->cu[++p->n_seq] = (int32_t)p->n_tok;
    last->seq1 = (int32_t)p->n_seq;
    last->row1 = (int32_t)p->n_tok;
    if (len > p->max_len) p->max_len = len;
    return LT_OK;
}

void lt_pack_cut(const lt_pack *from, int64_t seq0, int64_t seq1, lt_pack *to) {
    int32_t row0 = from->cu[seq0], row1 = from->cu[seq1];
    size_t rows = (size_t)(row1 - row0), seqs = (size_t)(seq1 - seq0);
    lt_pack_clear(to);
    to->n_tok = row1 - row0;
    to->n_seq = seq1 - seq0;
    memcpy(to->id, from->id + row0, rows * sizeof *to->id);
    memcpy(to->pos, from->pos + row0, rows * sizeof *to->pos);
    memcpy(to->type, from->type + row0, rows * sizeof *to->type);
    memcpy(to->slot, from->slot + seq0, seqs * sizeof *to->slot);
    memcpy(to->start, from->start + seq0, seqs * sizeof *to->start);
    memcpy(to->home, from->home + seq0, seqs * sizeof *to->home);
    memcpy(to->key, from->key + seq0, seqs * sizeof *to->key);
    for (int64_t i = 0; i < to->n_seq; i++) {
        int64_t len = from->cu[seq0 + i + 1] - from->cu[seq0 + i];
        to->cu[i] = from->cu[seq0 + i] - row0;
        to->text0[i] = from->text0[seq0 + i] - row0;
        to->text1[i] = from->text1[seq0 + i] - row0;
        if (len > to->max_len) to->max_len = len;
    }
    to->cu[to->n_seq] = row1 - row0;
    for (int64_t t = 0; t < from->n_trial; t++) {
        lt_pack_trial part = from->trial[t];
        if (part.seq1 <= seq0 || part.seq0 >= seq1) continue;
        part.seq0 = (int32_t)(part.seq0 > seq0 ? part.seq0 - seq0 : 0);
        part.seq1 = (int32_t)((part.seq1 < seq1 ? part.seq1 : seq1) - seq0);
        part.row0 = part.row0 > row0 ? part.row0 - row0 : 0;
        part.row1 = (part.row1 < row1 ? part.row1 : row1) - row0;
        to->trial[to->n_trial++] = part;
    }
}
