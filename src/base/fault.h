#pragma once
/* Fault injection for tests: LT_FAULT=site:rank:nth[:action] makes the nth pass of that rank through a named site fail.
 * Actions: fail (default: returns LT_ERR_INTERNAL-like failure IO with a clear message), kill (SIGKILL to itself), term (SIGTERM to itself), stall
 * (sleeps for ever), nan (only sites that ask lt_fault_hit).  Compiled in when LT_FAULTS is defined (a CMake option, on in tests); costs nothing otherwise. */

#include "base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Local.  The world rank used to match the rule; call once after MPI starts. */
void lt_fault_init(int rank);
/* Local.  True if this pass is the one named by LT_FAULT with action `action` ("fail", "nan"); executes kill, term and stall itself. */
bool lt_fault_hit(const char *site, const char *action);

#ifdef LT_FAULTS
#define LT_FAULT_POINT(site)                                                                                                               \
    (lt_fault_hit((site), "fail") ? LT_FAIL(LT_ERR_IO, "fault injected at %s (LT_FAULT is set: unset it for real runs)", (site)) : LT_OK)
#else
#define LT_FAULT_POINT(site) LT_OK
#endif

#ifdef __cplusplus
}
#endif
