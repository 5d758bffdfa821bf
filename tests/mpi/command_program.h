#pragma once
/* A program that answers questions as assistants do, well or badly, by its mode.  It notes its process numbers and what it was asked in a file. */
#include "assistant/assistant.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char notes[64]; /* the file */

static void nap(double s) { (void)nanosleep(&(struct timespec){(time_t)s, (long)((s - (double)(time_t)s) * 1e9)}, NULL); }

static void note(const char *what, long x) {
    FILE *f = fopen(notes, "a");
    if (f) fprintf(f, "%s %ld\n", what, x);
    if (f) (void)fclose(f);
}

static void answer(const char *line, int more) {
    const char *at = strstr(line, "\"n\": ");
    int n = (at ? atoi(at + 5) : 0) + more;
    printf("{\"answers\": [");
    for (int i = 0; i < n; i++) printf("%s\"%ld says %d\"", i ? ", " : "", (long)getpid(), i);
    printf("]}\n");
}

/* What it got from its parent: blocked or ignored signals, descriptors. */
static void answer_inherited(void) {
    sigset_t blocked;
    int n = 0, fds = 0;
    (void)sigprocmask(SIG_BLOCK, NULL, &blocked);
    for (int s = 1; s < 32; s++) {
        struct sigaction a;
        n += sigismember(&blocked, s) || (sigaction(s, NULL, &a) == 0 && a.sa_handler == SIG_IGN);
    }
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *e; dir && (e = readdir(dir));) fds += atoi(e->d_name) > 2 && atoi(e->d_name) != dirfd(dir);
    if (dir) (void)closedir(dir);
    printf("{\"answers\": [\"%d signals\", \"%d descriptors\", \"%s\"]}\n", n, fds, getpgrp() == getpid() ? "own group" : "foreign group");
}

static void sleep_for_ever(void) {
    (void)signal(SIGTERM, SIG_IGN);
    for (;;) nap(100);
}

static int assistant(const char *mode) {
    static char *line; /* reachable whichever way it ends */
    size_t cap = 0;
#define IS(m) (!strcmp(mode, m))
    note("pid", getpid());
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (IS("dies")) return 3;
    if (IS("deaf")) {
        printf("{\"answers\": [\"deaf\"]}\n");
        sleep_for_ever();
    }
    while (getline(&line, &cap, stdin) > 0) {
        FILE *f = fopen(notes, "a");
        if (f) fprintf(f, "question %s", line);
        if (f) (void)fclose(f);
        if (IS("answers")) answer(line, 0);
        if (IS("fewer")) answer(line, -1);
        if (IS("more")) answer(line, 3);
        if (IS("once") || IS("no newline")) {
            if (IS("once"))
                answer(line, 0);
            else
                printf("{\"answers\": [\"a\", \"b\", \"c\"]}");
            return 0;
        }
        if (IS("late")) nap(100);
        if (IS("is killed")) (void)raise(SIGKILL);
        if (IS("garbage")) printf("garbage\n");
        if (IS("a list")) printf("[\"a\", \"b\"]\n");
        if (IS("deep")) {
            for (int i = 0; i < 100000; i++) putchar('[');
            putchar('\n');
        }
        if (IS("numbers")) printf("{\"answers\": [1, \"two\", null, {}]}\n");
        if (IS("bad UTF-8")) printf("{\"answers\": [\"caf\xE9 \xFF\", \"gut\", \"a\\u0000b\"]}\n");
        if (IS("blank lines")) printf("\n  \r\n{\"answers\": [\"a\", \"b\", \"c\"]}\r\n");
        if (IS("error")) printf("{\"error\": \"no paper\"}\n");
        if (IS("says why")) {
            fprintf(stderr, "\x1b[31mthe printer is on fire\x1b[0m");
            return 4;
        }
        if (IS("murmurs")) {
            for (int i = 0; i < 20000; i++) fprintf(stderr, "line %d of many\n", i);
            answer(line, 0);
        }
        if (IS("flood")) {
            for (int i = 0; i < 10 << 20; i++) putchar('x');
            putchar('\n');
        }
        if (IS("long")) {
            printf("{\"answers\": [\"");
            for (int i = 0; i < LT_ANSWER_BYTES; i++) printf("%s", i == 0 ? "a" : "\xC3\xA4");
            printf("\"]}\n");
        }
        if (IS("unasked")) {
            answer(line, 0);
            printf("{\"answers\": [\"stale\"]}\n");
            note("said", 1);
        }
        if (IS("inherited")) answer_inherited();
        if (IS("parent")) {
            pid_t child = fork();
            if (child == 0) sleep_for_ever();
            note("pid", child);
            answer(line, 0);
        }
        if (IS("ignores TERM")) {
            answer(line, 0);
            sleep_for_ever();
        }
        if (IS("second time")) { /* fails in the first two lives */
            int lives = 0;
            char text[200];
            f = fopen(notes, "r");
            while (f && fgets(text, sizeof text, f)) lives += !strncmp(text, "pid", 3);
            if (f) (void)fclose(f);
            if (lives < 3) return 1;
            answer(line, 0);
        }
    }
    note("end", 0);
    return 0;
}
