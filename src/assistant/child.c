/* A program over pipes; see child_impl.h.
 *
 * The pipes are non-blocking at our ends.  Writing to one that nobody reads raises SIGPIPE in the writing thread: it is blocked there for the call and taken
 * away behind it, so that neither its action nor a handler matters.
 *
 * A process that has ended is left a zombie (WNOWAIT) until its group has been killed: so long its number, which is the group's, is nobody else's. */
#include "assistant/child_impl.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    CHUNK = 1 << 16,
    MOST_CHUNKS = 64, /* that are left out before a question: a program that never ends speaking fails then */
    MOST_LINES = 200, /* of standard error for one question */
    LOG_LINE_BYTES = 1000 /* longer ones are cut into several */,
    REAP_MS = 2000, /* that a killed process may take to go: one that hangs in the file system */
    TELL_MS = 200   /* between closing its output and its end, for its exit code */
};

static void nap_ms(int ms) { (void)nanosleep(&(struct timespec){ms / 1000, (ms % 1000) * 1000000L}, NULL); }

static void shut(int *fd) {
    if (*fd >= 0) (void)close(*fd);
    *fd = -1;
}

/* ---- start ---- */

/* Both ends above the standard ones, closed in other programs. */
static bool make_pipe(int end[2]) {
    if (pipe2(end, O_CLOEXEC) != 0) return false;
    for (int i = 0; i < 2; i++) {
        if (end[i] > 2) continue;
        int low = end[i];
        end[i] = fcntl(low, F_DUPFD_CLOEXEC, 3);
        (void)close(low);
    }
    if (end[0] >= 0 && end[1] >= 0) return true;
    shut(&end[0]);
    shut(&end[1]);
    return false;
}

/* Every descriptor above the standard ones: those that MPI and HDF5 opened are not closed by exec.  Closing one that has gone meanwhile does nothing. */
static int close_others(posix_spawn_file_actions_t *files) {
    int rc = 0;
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *e; dir && rc == 0 && (e = readdir(dir));) {
        int fd = atoi(e->d_name);
        if (fd > 2) rc = posix_spawn_file_actions_addclose(files, fd);
    }
    if (dir) (void)closedir(dir);
    return rc;
}

/* 0 or errno. */
static int spawn(pid_t *pid, const char *command, const int stand[3]) {
    static const int own[] = {SIGTERM, SIGUSR1, SIGUSR2, SIGINT, SIGQUIT, SIGHUP, SIGPIPE, SIGCHLD, SIGALRM};
    extern char **environ;
    char *text = strdup(command), *argv[] = {(char[]){"sh"}, (char[]){"-c"}, text, NULL};
    posix_spawnattr_t how;
    posix_spawn_file_actions_t files;
    sigset_t usual, none;
    (void)sigemptyset(&usual);
    (void)sigemptyset(&none);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) (void)sigaddset(&usual, own[i]);
    (void)posix_spawnattr_init(&how);
    (void)posix_spawn_file_actions_init(&files);
    int rc = text ? posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) : ENOMEM;
    if (rc == 0) rc = posix_spawnattr_setpgroup(&how, 0);
    if (rc == 0) rc = posix_spawnattr_setsigmask(&how, &none);
    if (rc == 0) rc = posix_spawnattr_setsigdefault(&how, &usual);
    for (int i = 0; i < 3 && rc == 0; i++) rc = posix_spawn_file_actions_adddup2(&files, stand[i], i);
    if (rc == 0) rc = close_others(&files);
    if (rc == 0) rc = posix_spawn(pid, "/bin/sh", &files, &how, argv, environ);
    (void)posix_spawn_file_actions_destroy(&files);
    (void)posix_spawnattr_destroy(&how);
    free(text);
    return rc;
}

lt_status lt_child_start(lt_child *c, const char *command) {
    int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1}, rc = 0;
    *c = LT_CHILD_NONE;
    if (!make_pipe(in) || !make_pipe(out) || !make_pipe(err)) rc = errno ? errno : EMFILE;
    if (rc == 0) rc = spawn(&c->pid, command, (const int[]){in[0], out[1], err[1]});
    shut(&in[0]);
    shut(&out[1]);
    shut(&err[1]);
    c->in = in[1];
    c->out = out[0];
    c->err = err[0];
    if (rc == 0) {
        int end[3] = {c->in, c->out, c->err};
        for (int i = 0; i < 3; i++) (void)fcntl(end[i], F_SETFL, fcntl(end[i], F_GETFL) | O_NONBLOCK);
        return LT_OK;
    }
    c->pid = 0;
    lt_child_kill(c);
    return LT_FAIL(LT_ERR_IO, "cannot start a shell for it: %s", strerror(rc));
}

/* ---- standard error ---- */

/* One line to the log, what a terminal would obey left out. */
static void log_line(lt_child *c, const char *s, size_t n) {
    char text[LOG_LINE_BYTES + 1];
    size_t to = 0;
    for (size_t i = 0; i < n && to < LOG_LINE_BYTES; i++) text[to++] = (unsigned char)s[i] < ' ' || s[i] == 127 ? ' ' : s[i];
    while (to && text[to - 1] == ' ') to--;
    text[to] = 0;
    if (!to) return;
    (void)snprintf(c->word, sizeof c->word, "%.*s", LT_CHILD_WORDS - 1, text);
    if (c->lines++ < MOST_LINES) lt_info("the assistant's command: %s", text);
    if (c->lines == MOST_LINES) lt_info("the assistant's command says more than %d lines; the rest is left out", MOST_LINES);
}

/* Logs the lines that have ended, or are long; all of it at the end. */
static void log_lines(lt_child *c, bool all) {
    size_t at = 0;
    while (at < c->murmur.n) {
        size_t left = c->murmur.n - at, n = left < LOG_LINE_BYTES ? left : LOG_LINE_BYTES;
        const char *end = memchr(c->murmur.p + at, '\n', n);
        if (!end && !all && n < LOG_LINE_BYTES) break;
        if (end) n = (size_t)(end - (c->murmur.p + at));
        log_line(c, c->murmur.p + at, n);
        at += n + (end != NULL);
    }
    c->murmur.n -= at;
    if (at && c->murmur.n) memmove(c->murmur.p, c->murmur.p + at, c->murmur.n);
}

/* ---- sending and hearing ---- */

static void send_some(lt_child *c) {
    sigset_t one, before, waits;
    (void)sigemptyset(&one);
    (void)sigaddset(&one, SIGPIPE);
    (void)sigpending(&waits);
    (void)pthread_sigmask(SIG_BLOCK, &one, &before);
    ssize_t n = write(c->in, c->ask, c->n_ask);
    int why = errno;
    if (n < 0 && why == EPIPE && !sigismember(&waits, SIGPIPE)) (void)sigtimedwait(&one, NULL, &(struct timespec){0});
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (n >= 0) {
        c->ask += n;
        c->n_ask -= (size_t)n;
    } else if (why != EAGAIN && why != EINTR) {
        shut(&c->in); /* it reads no more; perhaps it has said its answer, so that is no failure yet */
        c->n_ask = 0;
    }
}

/* Reads a chunk onto a text; closes the descriptor at its end. */
static lt_status hear(int *fd, lt_text *t) {
    char chunk[CHUNK];
    ssize_t n = read(*fd, chunk, sizeof chunk);
    if (n > 0) return lt_text_add(t, chunk, (size_t)n);
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) shut(fd);
    return LT_OK;
}

static lt_child_news news_of(lt_child *c) {
    const char *end = c->heard.n > c->seen ? memchr(c->heard.p + c->seen, '\n', c->heard.n - c->seen) : NULL;
    c->seen = end ? (size_t)(end - c->heard.p) + 1 : c->heard.n;
    if (c->seen > LT_CHILD_LINE_BYTES) return LT_CHILD_FULL;
    return end ? LT_CHILD_LINE : LT_CHILD_WAITS;
}

lt_status lt_child_listen(lt_child *c, int ms, lt_child_news *news) {
    double until = lt_time_s() + ms * 1e-3;
    for (;;) {
        double left = until - lt_time_s();
        struct pollfd p[3] = {
            {.fd = c->n_ask ? c->in : -1, .events = POLLOUT}, {.fd = c->out, .events = POLLIN}, {.fd = c->err, .events = POLLIN}};
        if (poll(p, 3, left > 0 ? (int)(left * 1e3) + 1 : 0) < 0) memset(p, 0, sizeof p); /* EINTR */
        if (p[0].revents) send_some(c);
        if (p[2].revents) {
            LT_TRY(hear(&c->err, &c->murmur));
            log_lines(c, false);
        }
        if (p[1].revents) LT_TRY(hear(&c->out, &c->heard));
        *news = news_of(c);
        if (*news == LT_CHILD_WAITS && (c->out < 0 || (!p[1].revents && lt_child_ended(c)))) *news = LT_CHILD_GONE;
        if (*news != LT_CHILD_WAITS || left <= 0) return LT_OK;
    }
}

bool lt_child_forget(lt_child *c) {
    lt_child_news news = LT_CHILD_LINE;
    size_t words = 0;
    for (int i = 0, more = 1; more && i < MOST_CHUNKS; i++) {
        c->heard.n = c->seen = 0;
        more = lt_child_listen(c, 0, &news) == LT_OK && c->heard.n > 0 && news != LT_CHILD_GONE;
        for (size_t k = 0; k < c->heard.n; k++) words += (unsigned char)c->heard.p[k] > ' ';
    }
    c->heard.n = c->seen = 0;
    return words > 0;
}

void lt_child_ask(lt_child *c, const char *line, size_t n) {
    c->lines = 0;
    c->word[0] = 0;
    c->ask = line;
    c->n_ask = c->in >= 0 ? n : 0;
}

/* ---- its end ---- */

bool lt_child_ended(const lt_child *c) {
    siginfo_t info = {0};
    return c->pid == 0 || waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
}

void lt_child_end_words(lt_child *c, char *text, size_t bytes) {
    siginfo_t info = {0};
    for (int ms = 0; ms < TELL_MS && !lt_child_ended(c); ms += 5) nap_ms(5);
    while (c->err >= 0) { /* what it left in the pipe; its children may hold that open */
        struct pollfd p = {.fd = c->err, .events = POLLIN};
        if (c->lines > MOST_LINES || poll(&p, 1, 0) <= 0 || hear(&c->err, &c->murmur) != LT_OK) break;
        log_lines(c, false);
    }
    log_lines(c, true);
    int rc = waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    if (rc != 0 || info.si_pid == 0)
        (void)snprintf(text, bytes, "it closed its output");
    else if (info.si_code == CLD_EXITED)
        (void)snprintf(text, bytes, "it ended with exit code %d", info.si_status);
    else
        (void)snprintf(text, bytes, "it was ended by signal %d (%s)", info.si_status, strsignal(info.si_status));
    size_t n = strlen(text);
    if (c->word[0]) (void)snprintf(text + n, bytes - n, ", and said: %s", c->word);
}

void lt_child_hang_up(lt_child *c) { shut(&c->in); }

void lt_child_signal(const lt_child *c, int sig) {
    if (c->pid > 0) (void)kill(-c->pid, sig);
}

void lt_child_kill(lt_child *c) {
    int ms = 0;
    lt_child_signal(c, SIGKILL);
    while (c->pid > 0 && waitpid(c->pid, NULL, WNOHANG) == 0 && ms < REAP_MS) {
        nap_ms(ms < 20 ? 1 : 20);
        ms += ms < 20 ? 1 : 20;
    }
    if (ms >= REAP_MS) lt_warn("the assistant's command (process %ld) was killed and does not go", (long)c->pid);
    log_lines(c, true);
    shut(&c->in);
    shut(&c->out);
    shut(&c->err);
    free(c->heard.p);
    free(c->murmur.p);
    *c = LT_CHILD_NONE;
}
