/* Fault injection; see fault.h. */
#include "base/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int my_rank;

void lt_fault_init(int rank) { my_rank = rank; }

#ifdef LT_FAULTS
bool lt_fault_hit(const char *site, const char *action) {
    static _Atomic int passes; /* of the one site that LT_FAULT names, by any thread */
    char want[64], act[16] = "fail";
    int rank, nth;
    const char *rule = getenv("LT_FAULT");
    if (!rule || sscanf(rule, "%63[^:]:%d:%d:%15s", want, &rank, &nth, act) < 3) return false;
    if (strcmp(want, site) != 0 || rank != my_rank) return false;
    if (atomic_fetch_add(&passes, 1) + 1 != nth) return false;
    if (!strcmp(act, "kill")) (void)kill(getpid(), SIGKILL);
    if (!strcmp(act, "term")) (void)kill(getpid(), SIGTERM);
    while (!strcmp(act, "stall")) sleep(1000);
    return !strcmp(act, action);
}
#else
bool lt_fault_hit(const char *site, const char *action) {
    (void)site, (void)action, (void)my_rank;
    return false;
}
#endif
