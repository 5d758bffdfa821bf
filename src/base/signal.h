#pragma once
/* SIGTERM and SIGUSR1 ask a run to save its state and leave with exit code 75; loops look for them where they can stop.
 *
 * The signals are blocked and fetched, not handled: there is no handler anywhere.  A handler's frame lies below the stack pointer of whatever it interrupts,
 * and the AVX-512 products that oneDNN 2.6 generates keep data there, more than the 128 bytes that the ABI spares: one signal inside a product
 * wrote into the heap. */

#ifdef __cplusplus
extern "C" {
#endif

/* Local.  Blocks both signals in this thread and in all that it starts from now on: call it before MPI, OpenMP or anything else makes threads. */
void lt_signal_install(void);
/* Local, any thread.  The signal that came since lt_signal_install, or 0; what came stays. */
int lt_signal_pending(void);

#ifdef __cplusplus
}
#endif
