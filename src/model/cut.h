#pragma once
/* Which part of a model a tensor-parallel rank holds: the one place that says so.  What is cut (the shard plan, the bank, adapters, slopes) asks here.
 *
 * Query heads go with the key/value heads that they read.  With at least as many key/value heads as ranks, a rank holds some of them and all their query
 * heads; with fewer, ranks share a key/value head (each has a copy of it) and divide its query heads.  So on every rank the query heads divide evenly among
 * its key/value heads, whatever tp is.  Parts that do not divide evenly differ by one unit at most: a head of a group, a few columns of F, a row of V. */

#include "model/arch.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_cut {
    int h0, H;      /* query heads [h0, h0 + H) */
    int kv0, Hkv;   /* key/value heads; with fewer than ranks, one that others may hold too */
    int64_t f0, F;  /* feed-forward columns */
    int64_t v0, v1; /* vocabulary rows [v0, v1) */
} lt_cut;

/* Local.  The part of rank 0 <= rank < tp; tp must work. */
lt_cut lt_arch_cut(const lt_arch *arch, int tp, int rank);
/* Local.  Does this tp fit?  Every rank needs a query head and a feed-forward column. */
bool lt_arch_tp_works(const lt_arch *arch, int tp);
/* Local.  SHAPE unless it does; the message says how far tp may go. */
lt_status lt_arch_check_tp(const lt_arch *arch, int tp);
/* Local.  Weights of a block on the rank that has most, over their mean: 1 where all ranks have the same.  *rank: the first that has most; may be NULL. */
double lt_arch_widest(const lt_arch *arch, int tp, int *rank);
/* Local.  One phrase for people about what is uneven ("71 heads over 4 ranks: 17, 18, 18, 18"); empty where nothing is. */
void lt_arch_describe_cut(const lt_arch *arch, int tp, char *buf, size_t bytes);

#ifdef __cplusplus
}
#endif
