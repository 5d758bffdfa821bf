/* Signals that are fetched; see signal.h. */
#include "base/signal.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

static sigset_t asked;
static bool installed;
static _Atomic int pending; /* threads of a loop may all look */

void lt_signal_install(void) {
    sigemptyset(&asked);
    sigaddset(&asked, SIGTERM);
    sigaddset(&asked, SIGUSR1);
    (void)signal(SIGTERM, SIG_DFL); /* what is ignored is not kept either */
    (void)signal(SIGUSR1, SIG_DFL);
    (void)pthread_sigmask(SIG_BLOCK, &asked, NULL);
    installed = true;
}

int lt_signal_pending(void) {
    if (installed && !pending) {
        int sig = sigtimedwait(&asked, NULL, &(struct timespec){0});
        if (sig > 0) pending = sig;
    }
    return pending;
}
