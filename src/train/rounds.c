/* Signals in long loops.
 *
 * A signal may come to one rank only, or to each at another moment, but all must take the same branch.  So loops over packs go in rounds: before each, all
 * ranks say in one maximum whether a signal came, whether packs are left, and how long one takes; the answer is the number of packs of the next round,
 * about half a second of them.  From a signal to the branch it takes at most that. */
#include "train/run_impl.h"

#include "base/signal.h"

enum { MOST_PACKS = 64, ROUND_US = 400000 };
#define STOP ((int64_t)1 << 61)
#define MORE ((int64_t)1 << 60)

int64_t lt_run_impl_round(lt_comm *world, bool more, double pack_s) {
    int64_t us = pack_s > 0 ? (int64_t)(1e6 * pack_s) + 1 : ROUND_US;
    int64_t says = lt_signal_pending() ? STOP : more ? MORE + (us < MORE ? us : MORE - 1) : 0;
    says = lt_max_host(world, says);
    if (says >= STOP) return LT_ROUND_STOP;
    if (says < MORE) return 0;
    int64_t packs = ROUND_US / (says - MORE);
    return packs < 1 ? 1 : packs > MOST_PACKS ? MOST_PACKS : packs;
}

lt_status lt_run_impl_stopped(const char *what) { return LT_FAIL(LT_ERR_STOPPED, "stopped by a signal %s", what); }

lt_status lt_run_impl_check_stop(lt_comm *world, const char *what) {
    return lt_max_host(world, lt_signal_pending() != 0) > 0 ? lt_run_impl_stopped(what) : LT_OK;
}
