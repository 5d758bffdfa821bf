#pragma once
/* SIGTERM and SIGUSR1 ask a run to save its state and leave with exit code 75; loops look at the flag where they can stop. */

#ifdef __cplusplus
extern "C" {
#endif

/* Local.  Installs the handlers; call once, before the work begins. */
void lt_signal_install(void);
/* Local.  The signal that came, or 0. */
int lt_signal_pending(void);

#ifdef __cplusplus
}
#endif
