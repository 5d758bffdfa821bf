/* Warp operations: each lane leaves its operands, the last lane of the mask computes all results, each goes on with its own. */
#include "device/emulated/grid_impl.h"
#include "device/emulated/matrix.h"
#include "device/emulated/shadow.h"

namespace lt_emu {

static const char *const names[] = {"__syncwarp", "a shuffle", "a vote", "lt_mma_bf16", "lt_ldmatrix_x4"};

static void shuffle_lanes(const meeting *m) {
    for (int i = 0; i < 32; i++) {
        if (!(m->mask >> i & 1)) continue;
        shuffle *s = static_cast<shuffle *>(m->operands[i]);
        int width = s->width, first = i & ~(width - 1), last = first + width - 1, from;
        if (width < 1 || width > 32 || (width & (width - 1))) found_in_kernel(m->at, "the width of a shuffle is %d", width);
        switch (s->kind) {
        case SHUFFLE_INDEX:
            from = first + (s->lane & (width - 1));
            break;
        case SHUFFLE_UP:
            from = i - s->lane;
            break;
        case SHUFFLE_DOWN:
            from = i + s->lane;
            break;
        default:
            from = i ^ s->lane;
            break;
        }
        if (from < first || from > last) from = i;
        if (!(m->mask >> from & 1)) found_in_kernel(m->at, "a shuffle reads lane %d, which is not in the mask %08x", from, m->mask);
        s->result = static_cast<shuffle *>(m->operands[from])->value;
    }
}

static void count_votes(const meeting *m) {
    unsigned all = 0;
    for (int i = 0; i < 32; i++)
        if (m->mask >> i & 1 && static_cast<vote *>(m->operands[i])->value) all |= 1u << i;
    for (int i = 0; i < 32; i++)
        if (m->mask >> i & 1) static_cast<vote *>(m->operands[i])->result = all;
}

static void compute(warp *w, const meeting *m) {
    switch (m->kind) {
    case WARP_SYNC:
        shadow_warp(w, m->mask);
        break;
    case WARP_SHUFFLE:
        shuffle_lanes(m);
        break;
    case WARP_VOTE:
        count_votes(m);
        break;
    case WARP_MMA:
        matrix_multiply(m);
        break;
    case WARP_LOAD:
        matrix_load(w, m);
        break;
    }
}

/* The meeting that this lane joins. */
static meeting *find(warp *w, warp_kind kind, unsigned mask, place at) {
    for (int i = 0; i < w->n_meetings; i++) {
        meeting *m = &w->meetings[i];
        if (!(m->mask & mask)) continue;
        if (m->mask != mask || m->kind != kind || m->at.line != at.line || m->at.file != at.file)
            found_in_kernel(at, "lanes of a warp disagree: here %s with mask %08x, at %s:%d %s with mask %08x", names[kind], mask,
                            base_name(m->at.file), m->at.line, names[m->kind], m->mask);
        return m;
    }
    meeting *m = &w->meetings[w->n_meetings++];
    m->kind = kind;
    m->mask = mask;
    m->here = 0;
    m->at = at;
    return m;
}

void warp_meet(warp_kind kind, unsigned mask, void *operands, place at) {
    thread *me = running;
    warp *w = me->w;
    unsigned bit = 1u << me->lane, all = mask & w->present;
    if (!(mask & bit)) found_in_kernel(at, "%s: the calling lane %u is not in its mask %08x", names[kind], me->lane, mask);
    if (all != mask && (mask != 0xFFFFFFFFu || kind == WARP_MMA || kind == WARP_LOAD))
        found_in_kernel(at, "%s: mask %08x names lanes that the block has not", names[kind], mask);
    meeting *m = find(w, kind, all, at);
    m->operands[me->lane] = operands;
    m->pc = __builtin_return_address(0);
    m->here |= bit;
    me->waits_for = names[kind];
    me->at = at;
    me->state = THREAD_WAITS;
    if (m->here != all) {
        sleep_until_woken();
        me->state = THREAD_READY;
        return;
    }
    compute(w, m);
    wake_lanes(w, all & ~bit);
    *m = w->meetings[--w->n_meetings];
    woke_others();
}

} // namespace lt_emu
