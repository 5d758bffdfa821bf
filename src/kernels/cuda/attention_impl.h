#pragma once
/* Private to attention*.cu: what the kernels read, how blocks find their work, tables of a backward, and what each file gives the entries.
 *
 * Rows.  All query heads that read a kv head read the same keys, so they are rows of one matrix: row r of a sequence under a kv head is query r / group under
 * query head kv * group + r % group.  A block owns consecutive rows of one sequence ("stationary" rows, 16 a warp in the tensor core kernels) and walks over
 * blocks of keys, or owns keys and walks over blocks of rows.
 *
 * A row's numbers depend on its own sequence alone: blocks of keys begin at multiples of N from key 0 of the sequence (bank rows apart, before them), and a
 * block in which the row sees nothing changes no bit of it: weights 0 are added, factors 1 multiplied.  So neither the number of rows a block owns nor which
 * blocks are skipped nor the neighbours in the pack show.
 *
 * Work lists.  Sequence i owns the tiles from first_tile(i) = cu[i] * group / M + i on.  This rises by at least the number of tiles of M rows that the sequence
 * has, so the place is known without a sum over the sequences before it, and a block finds its sequence by search.  Tiles that are too many leave at once:
 * at most one a sequence. */

#include "kernels/cuda/cuda_impl.h"

namespace LT_GPU_SPACE {

enum {
    ATTN_MAX_D = 1024, /* the plain kernels */
    ATTN_MMA_D = 256,  /* the tensor core kernels */
    ATTN_REL_D = 64,   /* the same with relative positions (every DeBERTa has 64) and one query head a kv head */
    ATTN_PIECE = 256,  /* keys of a piece where sequences have one query: a multiple of every block of keys */
    ATTN_NONE = 1 << 30
};

/* What a backward makes for its later launches, in the workspace.  Rows "by slot": query rows of the sequences that have slot 0, then slot 1, ..., in pack
 * order within a slot. */
struct attn_tables {
    int32_t *key_tile; /* [n_seq + 1] tiles of keys before the sequence */
    int32_t *slot_row; /* [n_slots + 1] rows, by slot, before the slot */
    int32_t *seq_row;  /* [n_seq] place, by slot, of the first row of the sequence; unset without a slot */
    int32_t *bank_row; /* [n_q] query rows by slot */
};

/* lt_attn_args and its plan, flat; device pointers. */
template <typename T> struct attn {
    const T *q, *k, *v, *d_o;
    T *o, *dq, *dk, *dv;
    int64_t ld_q, ld_k, ld_v, ld_dq, ld_dk, ld_dv;
    const float *bank;
    float *d_bank;
    int64_t slot_stride, bank_v, bank_ld; /* values behind keys; elements of a bank row under all kv heads */
    float *lse, *delta;                   /* [n_q, heads]; delta = <d_o, o>, made by the pass for dq */
    const float *slopes, *c2p, *p2c;
    int64_t reach, rel_rows, rel_width;
    const int32_t *cu_q, *k_row0, *k_len, *first, *end, *q_index, *slot, *slot_len;
    int64_t n_q, P_max;
    int n_seq, n_slots, heads, kv_heads, group, D; /* n_slots: those that have a gradient, which are the first */
    float scale;
    /* Forward of one query a sequence: piece p of a sequence has its keys from p * ATTN_PIECE on, and for p = 0 its bank rows. */
    int pieces;
    float *part_o, *part_top, *part_sum; /* [pieces][n_q][heads] of D, 1, 1; unused with one piece */
    /* Backward. */
    attn_tables table;
    int key_tile;  /* keys a block of dk, dv owns */
    int chunk;     /* rows of a slot that a block of the bank's gradient walks over */
    float *part_b; /* [2 n_q / chunk][2][P_max][bank_ld]: see bank_part() */
};

/* ---- finding work ---- */

/* Largest i in [0, n) with at(i) <= x; at rises and at(0) <= x.  All lanes of a warp ask alike: 32 places are looked at together. */
template <typename F> LT_DEVICE int attn_search(int n, F at, int x) {
    const int lane = (int)threadIdx.x % WARP;
    int low = 0;
    while (n > 1) {
        int step = (n + WARP - 1) / WARP;
        bool yes = lane * step < n && at(low + lane * step) <= x;
        int last = __popc(__ballot_sync(0xFFFFFFFFu, yes)) - 1;
        low += last * step;
        n = min(step, n - last * step);
    }
    return low;
}

/* Stationary rows of a block: rows row0 .. of a sequence under a kv head; what the sequence reads. */
struct attn_span {
    int seq, kv;
    int q0, rows, row0; /* first query row; rows of the sequence (queries * group); first row of the block */
    int k0, n_k, P;     /* first key row, keys, bank rows */
    const float *bank;  /* keys of the slot under the kv head; values bank_v behind */
};

template <typename T> LT_DEVICE void attn_sequence(const attn<T> &a, int seq, int kv, attn_span *s) {
    s->seq = seq;
    s->kv = kv;
    s->q0 = a.cu_q[seq];
    s->rows = (a.cu_q[seq + 1] - s->q0) * a.group;
    s->k0 = a.k_row0[seq];
    s->n_k = a.k_len[seq];
    s->P = 0;
    s->bank = nullptr;
    int slot = a.bank ? a.slot[seq] : -1;
    if (slot >= 0) {
        s->P = a.slot_len[slot];
        s->bank = a.bank + slot * a.slot_stride + (int64_t)kv * a.D;
    }
}

/* Tile `index` of M rows; false: none such. */
template <typename T> LT_DEVICE bool attn_find_rows(const attn<T> &a, int M, int index, int kv, attn_span *s) {
    auto first_tile = [&](int i) { return a.cu_q[i] * a.group / M + i; };
    int seq = attn_search(a.n_seq, first_tile, index);
    attn_sequence(a, seq, kv, s);
    s->row0 = (index - first_tile(seq)) * M;
    return s->row0 < s->rows;
}
template <typename T> static inline int64_t attn_row_tiles(const attn<T> &a, int M) { return a.n_q * a.group / M + a.n_seq; }

/* Tile `index` of keys: their first in row0. */
template <typename T> LT_DEVICE bool attn_find_keys(const attn<T> &a, int index, int kv, attn_span *s) {
    if (index >= a.table.key_tile[a.n_seq]) return false;
    int seq = attn_search(
        a.n_seq, [&](int i) { return a.table.key_tile[i]; }, index);
    attn_sequence(a, seq, kv, s);
    s->row0 = (index - a.table.key_tile[seq]) * a.key_tile;
    return true;
}

/* One row as the masks and places see it: it sees text keys low .. high - 1; key j stands j - place behind it. */
struct attn_row {
    int low, high, place;
    float slope;
};

/* Row r of the sequence; r beyond its rows sees nothing.  Its keys are cut to [from, to). */
template <typename T> LT_DEVICE attn_row attn_row_of(const attn<T> &a, const attn_span &s, int r, int from, int to) {
    attn_row x = {ATTN_NONE, 0, 0, 0.0f};
    if (r >= s.rows) return x;
    const int q = s.q0 + r / a.group;
    int low = max(a.first[q], from), high = min(min(a.end[q], s.n_k), to);
    if (low < high) {
        x.low = low;
        x.high = high;
    }
    if (a.slopes || a.c2p || a.p2c) x.place = a.q_index[q];
    if (a.slopes) x.slope = a.slopes[s.kv * a.group + r % a.group];
    return x;
}

/* Minimum of low and maximum of high over the lanes of a warp. */
LT_DEVICE void attn_hull(int *low, int *high) {
    for (int o = WARP / 2; o; o >>= 1) {
        *low = min(*low, __shfl_xor_sync(0xFFFFFFFFu, *low, o));
        *high = max(*high, __shfl_xor_sync(0xFFFFFFFFu, *high, o));
    }
}
/* The same over a block; every thread gets it.  room: [2 * warps] shared. */
LT_DEVICE void attn_block_hull(int *room, int *low, int *high) {
    const int warp = (int)threadIdx.x / WARP, warps = (int)blockDim.x / WARP;
    attn_hull(low, high);
    if (threadIdx.x % WARP == 0) {
        room[2 * warp] = *low;
        room[2 * warp + 1] = *high;
    }
    __syncthreads();
    for (int w = 0; w < warps; w++) {
        *low = min(*low, room[2 * w]);
        *high = max(*high, room[2 * w + 1]);
    }
    __syncthreads();
}

/* Row r of the sequence as (query row, head) of arrays [n_q, heads], and where its numbers begin in an array of row stride ld. */
template <typename T> LT_DEVICE int64_t attn_place(const attn<T> &a, const attn_span &s, int r) {
    return (int64_t)(s.q0 + r / a.group) * a.heads + s.kv * a.group + r % a.group;
}
template <typename T> LT_DEVICE int64_t attn_q_at(const attn<T> &a, const attn_span &s, int r, int64_t ld) {
    return (s.q0 + r / a.group) * ld + (int64_t)(s.kv * a.group + r % a.group) * a.D;
}

/* The constants for query place i and text key place j. */
template <typename T> LT_DEVICE const float *attn_c2p(const attn<T> &a, int head, int i, int j) {
    return a.c2p ? a.c2p + (head * a.rel_rows + a.reach - 1 - (i - j)) * a.rel_width : nullptr;
}
template <typename T> LT_DEVICE const float *attn_p2c(const attn<T> &a, int head, int i, int j) {
    return a.p2c ? a.p2c + (head * a.rel_rows + a.reach - 1 + (i - j)) * a.rel_width : nullptr;
}

/* Blocks of keys of a tile of query rows: bank rows, then text keys from a multiple of N on. */
struct attn_walk {
    int bank, blocks; /* blocks of bank rows, blocks in all */
    int text;         /* first block of text */
};
LT_DEVICE attn_walk attn_walk_of(int N, int P, int low, int high) {
    attn_walk w;
    w.bank = (P + N - 1) / N;
    w.text = low < high ? low / N : 0;
    w.blocks = w.bank + (low < high ? (high + N - 1) / N - w.text : 0);
    return w;
}

/* A moving row: where its q and its d_o begin, -1 = none; which keys see it. */
struct attn_moving {
    int64_t q, o;
    float lse, delta, slope, place;
    int low, high;
};

template <typename T> LT_DEVICE attn_moving attn_moving_row(const attn<T> &a, int query, int head, int low, int high, int place) {
    attn_moving m;
    const int64_t at = (int64_t)query * a.heads + head;
    m.q = query * a.ld_q + (int64_t)head * a.D;
    m.o = at * a.D;
    m.lse = a.lse[at];
    m.delta = a.delta[at];
    m.slope = a.slopes ? a.slopes[head] : 0.0f;
    m.place = (float)place;
    m.low = low;
    m.high = high;
    return m;
}
LT_DEVICE attn_moving attn_no_row() { return attn_moving{-1, -1, 0.0f, 0.0f, 0.0f, 0.0f, ATTN_NONE, 0}; }

/* First and end of the rows of the sequence that see one of the keys [k0, k1).  room: see attn_block_hull(). */
template <typename T>
LT_DEVICE void attn_rows_of_keys(const attn<T> &a, const attn_span &s, int k0, int k1, int *room, int *first, int *end) {
    *first = ATTN_NONE;
    *end = 0;
    for (int i = (int)threadIdx.x; i < s.rows / a.group; i += (int)blockDim.x) {
        int low = a.first[s.q0 + i], high = a.end[s.q0 + i];
        if (low < high && low < k1 && high > k0) {
            *first = min(*first, i * a.group);
            *end = max(*end, (i + 1) * a.group);
        }
    }
    attn_block_hull(room, first, end);
}

/* ---- tables ---- */

/* attention_bank.cu: chunk `index` of a slot's rows; false: none such. */
struct attn_chunk {
    int slot, P;
    int row0, rows; /* by slot */
    float *sum; /* where its sum goes, laid out like a slot of the bank, from the kv head on: d_bank itself where the slot is one chunk */
    bool add;   /* sum += */
    const float *bank; /* keys of the slot under the kv head */
};
template <typename T> LT_DEVICE int64_t bank_part(const attn<T> &a) { return 2 * a.P_max * a.bank_ld; }

template <typename T> LT_DEVICE bool attn_find_chunk(const attn<T> &a, int index, int kv, attn_chunk *c) {
    const int32_t *row = a.table.slot_row;
    auto first_chunk = [&](int s) { return row[s] / a.chunk + s; };
    c->slot = attn_search(a.n_slots, first_chunk, index);
    int from = (index - first_chunk(c->slot)) * a.chunk, rows = row[c->slot + 1] - row[c->slot];
    if (from >= rows) return false;
    c->P = a.slot_len[c->slot];
    c->row0 = row[c->slot] + from;
    c->rows = min(a.chunk, rows - from);
    c->add = rows <= a.chunk;
    /* A slot of more than one chunk has at most 2 rows / chunk of them, rounded down: a place without a sum over slots here too. */
    int64_t part = 2 * (int64_t)row[c->slot] / a.chunk + from / a.chunk;
    c->sum = (c->add ? a.d_bank + c->slot * a.slot_stride : a.part_b + part * bank_part(a)) + (int64_t)kv * a.D;
    c->bank = a.bank + c->slot * a.slot_stride + (int64_t)kv * a.D;
    return true;
}
/* Is a gradient of the bank wanted? */
template <typename T> static inline bool attn_has_bank(const attn<T> &a) { return a.d_bank && a.P_max > 0 && a.n_q > 0; }
/* Chunks of all slots at most; partial sums at most. */
template <typename T> static inline int64_t attn_chunks(const attn<T> &a) { return a.n_q / a.chunk + a.n_slots; }
static inline int64_t attn_parts(int64_t n_q, int chunk) { return n_q > chunk ? 2 * n_q / chunk : 0; }

/* Row t of a chunk, a query under one of the heads of the group: its query row and head.  It sees the whole slot. */
template <typename T> LT_DEVICE int attn_bank_query(const attn<T> &a, const attn_chunk &c, int t) {
    return a.table.bank_row[c.row0 + t / a.group];
}

/* The whole block makes the tables; blocks of at most 128 threads. */
template <typename T> LT_DEVICE void attn_make_tables(const attn<T> &a);

/* out[i] := sum of get(0) .. get(i - 1), i = 0 .. n.  The whole block. */
template <typename F> LT_DEVICE void attn_scan(int32_t *room, int n, int32_t *out, F get) {
    const int threads = (int)blockDim.x, me = (int)threadIdx.x, each = (n + threads - 1) / threads;
    const int from = min(n, me * each), to = min(n, from + each);
    int32_t sum = 0;
    for (int i = from; i < to; i++) sum += get(i);
    room[me] = sum;
    __syncthreads();
    int32_t at = 0;
    for (int i = 0; i < me; i++) at += room[i];
    __syncthreads();
    for (int i = from; i < to; i++) {
        int32_t x = get(i);
        out[i] = at;
        at += x;
    }
    if (to == n && (from < to || me == 0)) out[n] = at; /* who has the last item; of none the first thread */
    __syncthreads();
}

template <typename T> LT_DEVICE void attn_make_tables(const attn<T> &a) {
    LT_SHARED(int32_t, room, [128]);
    const int threads = (int)blockDim.x, me = (int)threadIdx.x;
    attn_scan(room, a.n_seq, a.table.key_tile, [&](int i) { return (a.k_len[i] + a.key_tile - 1) / a.key_tile; });
    if (!a.d_bank) return;
    /* Rows of each slot, counted by one thread a slot, which also leaves where its sequences lie within the slot. */
    int32_t *row = a.table.slot_row;
    for (int s = me; s < a.n_slots; s += threads) {
        int32_t rows = 0;
        for (int i = 0; i < a.n_seq; i++)
            if (a.slot[i] == s) {
                a.table.seq_row[i] = rows;
                rows += a.cu_q[i + 1] - a.cu_q[i];
            }
        a.table.bank_row[s] = rows; /* room for a moment: see attn_table_rows() */
    }
    __syncthreads();
    attn_scan(room, a.n_slots, row, [&](int s) { return a.table.bank_row[s]; });
    for (int i = me; i < a.n_seq; i += threads) {
        if (a.slot[i] < 0 || a.slot[i] >= a.n_slots) continue;
        int32_t at = row[a.slot[i]] + a.table.seq_row[i];
        for (int q = a.cu_q[i]; q < a.cu_q[i + 1]; q++) a.table.bank_row[at++] = q;
    }
}
/* Entries of bank_row: counts of slots lie there while it is made. */
static inline int64_t attn_table_rows(int64_t n_q, int64_t n_slots) { return n_q > n_slots ? n_q : n_slots; }

/* ---- what the files give ---- */

/* Tensor cores: bf16, D a multiple of 8 up to ATTN_MMA_D, 16-byte rows. */
lt_status attn_mma_fwd(const lt_ctx *c, const attn<lt_bf16> &a, int64_t max_q, int64_t max_k);
lt_status attn_mma_dq(const lt_ctx *c, const attn<lt_bf16> &a, int64_t max_q, int64_t max_k);
lt_status attn_mma_dkv(const lt_ctx *c, const attn<lt_bf16> &a, int64_t tiles, int64_t max_q);
int attn_mma_key_tile(const lt_ctx *c, const attn<lt_bf16> &a, int64_t max_q, int64_t max_k);
/* FMA: any of the two types, any D, relative positions. */
lt_status attn_plain_fwd(const lt_ctx *c, const attn<float> &a);
lt_status attn_plain_fwd(const lt_ctx *c, const attn<lt_bf16> &a);
lt_status attn_plain_dq(const lt_ctx *c, const attn<float> &a);
lt_status attn_plain_dq(const lt_ctx *c, const attn<lt_bf16> &a);
lt_status attn_plain_dkv(const lt_ctx *c, const attn<float> &a, int64_t tiles);
lt_status attn_plain_dkv(const lt_ctx *c, const attn<lt_bf16> &a, int64_t tiles);
int attn_plain_key_tile(int D);
/* attention_bank.cu: partial sums of chunks onto d_bank. */
lt_status attn_bank_sum(const lt_ctx *c, const attn<float> &a);
lt_status attn_bank_sum(const lt_ctx *c, const attn<lt_bf16> &a);
/* attention_bank.cu: o and lse from the pieces. */
lt_status attn_merge(const lt_ctx *c, const attn<float> &a);
lt_status attn_merge(const lt_ctx *c, const attn<lt_bf16> &a);

} // namespace LT_GPU_SPACE
