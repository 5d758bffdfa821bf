// TEST np: 0  rooms: base  labels: unit  timeout: 30
/* Signals are kept, not handled: nothing runs when one comes, it is seen when asked for and stays seen, threads made later do not take it.
 * Control: without lt_signal_install nothing is seen, and the signal does what it does by default. */
#include "lt_test.h"

#include "base/signal.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void *mask_of_thread(void *out) {
    (void)pthread_sigmask(SIG_BLOCK, NULL, out);
    return NULL;
}

/* What a process that asks for signals finds, as its exit code. */
static int child(int sig, int install) {
    struct sigaction a;
    sigset_t mask;
    pthread_t t;
    (void)signal(sig, SIG_IGN); /* as a shell may leave it */
    if (!install) (void)signal(sig, SIG_DFL);
    if (install) lt_signal_install();
    if (lt_signal_pending() != 0) return 1;
    (void)sigaction(sig, NULL, &a);
    if (a.sa_handler != SIG_DFL) return 2;
    if (pthread_create(&t, NULL, mask_of_thread, &mask) != 0 || pthread_join(t, NULL) != 0) return 3;
    if (sigismember(&mask, sig) != install) return 4;
    (void)kill(getpid(), sig);
    if (lt_signal_pending() != sig || lt_signal_pending() != sig) return 5;
    (void)kill(getpid(), SIGTERM == sig ? SIGUSR1 : SIGTERM); /* another one does not end it either */
    return lt_signal_pending() == sig ? 0 : 6;
}

static int end_of(int sig, int install) {
    int end = 0;
    pid_t pid = fork();
    if (pid == 0) _exit(child(sig, install));
    (void)waitpid(pid, &end, 0);
    return WIFSIGNALED(end) ? -WTERMSIG(end) : WEXITSTATUS(end);
}

int main(void) {
    CHECK_INT(end_of(SIGTERM, 1), 0);
    CHECK_INT(end_of(SIGUSR1, 1), 0);
    CHECK_INT(end_of(SIGTERM, 0), -SIGTERM);
    CHECK_INT(end_of(SIGUSR1, 0), -SIGUSR1);
    return test_end();
}
