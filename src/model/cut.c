/* Cuts of a model over tensor-parallel ranks; see cut.h.
 *
 * n units over t ranks: rank r has [r*n/t, (r+1)*n/t), which is even where t divides n.  Feed-forward columns that do not divide are cut at multiples of 64,
 * so that matrix kernels meet whole blocks, or of a smaller power of two where that would give a rank more than its share and 2%. */
#include "model/cut.h"

#include <stdio.h>
#include <string.h>

enum { WIDEST_UNIT = 64, LISTED_RANKS = 16 };

/* Where rank r's part of F columns starts; r = tp: F. */
static int64_t f_start(int64_t F, int64_t tp, int64_t r) {
    if (F % tp == 0) return F / tp * r;
    int64_t unit = WIDEST_UNIT, units = 0;
    for (;; unit /= 2) {
        units = (F + unit - 1) / unit;
        if (unit == 1 || (units >= tp && 100 * ((units + tp - 1) / tp * unit * tp) <= 102 * F)) break;
    }
    int64_t at = units * r / tp * unit;
    return at < F ? at : F; /* the last unit may be a part of one */
}

/* First rank that serves key/value head g, where ranks share them: the least r with floor(r * Hkv / tp) = g. */
static int first_rank(int64_t Hkv, int64_t tp, int64_t g) { return (int)((g * tp + Hkv - 1) / Hkv); }

lt_cut lt_arch_cut(const lt_arch *a, int tp, int rank) {
    int64_t t = tp, r = rank, group = a->H / a->Hkv;
    lt_cut c = {.kv0 = (int)(r * a->Hkv / t), .v0 = a->V * r / t, .v1 = a->V * (r + 1) / t, .f0 = f_start(a->F, t, r)};
    c.F = f_start(a->F, t, r + 1) - c.f0;
    if (a->Hkv >= tp) {
        c.Hkv = (int)((r + 1) * a->Hkv / t) - c.kv0;
        c.h0 = c.kv0 * (int)group;
        c.H = c.Hkv * (int)group;
        return c;
    }
    int64_t first = first_rank(a->Hkv, t, c.kv0), sharers = first_rank(a->Hkv, t, c.kv0 + 1) - first, mine = r - first;
    c.Hkv = 1;
    c.h0 = (int)(c.kv0 * group + mine * group / sharers);
    c.H = (int)(c.kv0 * group + (mine + 1) * group / sharers) - c.h0;
    return c;
}

/* No group of H / Hkv query heads has more than ceil(tp / Hkv) ranks, so with tp <= H each has a head. */
static int64_t most_ranks(const lt_arch *a) { return a->H < a->F ? a->H : a->F; }

bool lt_arch_tp_works(const lt_arch *a, int tp) { return tp >= 1 && tp <= most_ranks(a); }

lt_status lt_arch_check_tp(const lt_arch *a, int tp) {
    if (lt_arch_tp_works(a, tp)) return LT_OK;
    return LT_FAIL(LT_ERR_SHAPE,
                   "parallel.tp = %d is more than this model can be cut into: %d attention heads, %d key/value heads, feed-forward width "
                   "%lld, and every rank needs a head and a column; tp that work: 1 to %lld",
                   tp, a->H, a->Hkv, (long long)a->F, (long long)most_ranks(a));
}

double lt_arch_widest(const lt_arch *a, int tp, int *rank) {
    int64_t most = 0, all = 0;
    for (int r = 0; r < tp; r++) {
        lt_cut c = lt_arch_cut(a, tp, r);
        int64_t columns = 2 * (int64_t)(c.H + c.Hkv) * a->D + c.F * (a->glu ? 3 : 2);
        if (columns > most && rank) *rank = r;
        most = columns > most ? columns : most;
        all += columns;
    }
    return (double)most * tp / (double)all;
}

/* Appends "; n WHAT over tp ranks: a, b, ..." unless all parts are the same. */
static void say(char *buf, size_t bytes, int64_t n, const char *what, const int64_t *part, int tp) {
    int64_t least = part[0], most = part[0];
    size_t at = strlen(buf);
    for (int r = 0; r < tp; r++) {
        least = part[r] < least ? part[r] : least;
        most = part[r] > most ? part[r] : most;
    }
    if (least == most) return;
    (void)snprintf(buf + at, bytes - at, "%s%lld %s over %d ranks:", at ? "; " : "", (long long)n, what, tp);
    at = strlen(buf);
    if (tp > LISTED_RANKS) (void)snprintf(buf + at, bytes - at, " %lld to %lld", (long long)least, (long long)most);
    for (int r = 0; r < tp && tp <= LISTED_RANKS; r++, at = strlen(buf))
        (void)snprintf(buf + at, bytes - at, "%s%lld", r ? ", " : " ", (long long)part[r]);
}

void lt_arch_describe_cut(const lt_arch *a, int tp, char *buf, size_t bytes) {
    enum { KINDS = 3, MOST = 4096 };
    static const char *const what[KINDS] = {"heads", "key/value heads", "feed-forward columns"};
    int64_t part[KINDS][MOST], n[KINDS] = {a->H, a->Hkv, a->F};
    buf[0] = 0;
    if (tp > MOST) return;
    for (int r = 0; r < tp; r++) {
        lt_cut c = lt_arch_cut(a, tp, r);
        part[0][r] = c.H;
        part[1][r] = c.Hkv;
        part[2][r] = c.F;
    }
    for (int k = 0; k < KINDS; k++) say(buf, bytes, n[k], what[k], part[k], tp);
}
