/* Signal flag; see signal.h. */
#include "base/signal.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t pending;

static void remember(int sig) { pending = sig; }

void lt_signal_install(void) {
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = remember;
    a.sa_flags = SA_RESTART; /* reads and waits go on: the loop decides where to stop */
    sigemptyset(&a.sa_mask);
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGUSR1, &a, NULL);
}

int lt_signal_pending(void) { return pending; }
