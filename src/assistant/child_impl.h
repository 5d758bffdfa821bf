#pragma once
/* Private to the assistant room: a program that is spoken to over pipes, one question and one line of answer at a time.
 *
 * It runs under `sh -c` in a process group of its own, with no signal blocked or ignored and no descriptor of ours but its three pipes.  Its standard error
 * goes to the log line by line.  Nothing here waits longer than it is told.  MPI's rules for children of a rank are kept by posix_spawn, which copies
 * no memory and runs no code of ours in the child. */

#include "assistant/dialogue_impl.h"

#include <sys/types.h>

enum { LT_CHILD_LINE_BYTES = 4 << 20, LT_CHILD_WORDS = 200 };

/* Start from LT_CHILD_NONE; owns its process and pipes. */
typedef struct lt_child {
    pid_t pid;        /* 0 = there is none */
    int in, out, err; /* our ends of its pipes; -1 = closed */
    const char *ask;  /* [n_ask] what is still to be sent; borrowed */
    size_t n_ask;
    lt_text heard, murmur;     /* from its output, from its standard error: lines that have not ended */
    size_t seen;               /* of heard: bytes that hold no newline */
    int lines;                 /* of standard error that were logged since the question */
    char word[LT_CHILD_WORDS]; /* the last of them */
} lt_child;
#define LT_CHILD_NONE ((lt_child){.in = -1, .out = -1, .err = -1})

/* Local.  Starts one.  Errors: IO (no pipes, no process). */
lt_status lt_child_start(lt_child *c, const char *command);
/* Local.  What it said since the last question is left out.  True if there was something. */
bool lt_child_forget(lt_child *c);
/* Local.  A question, which must stay until it is answered: lt_child_listen sends it. */
void lt_child_ask(lt_child *c, const char *line, size_t n);

typedef enum lt_child_news {
    LT_CHILD_WAITS, /* nothing yet */
    LT_CHILD_LINE,  /* heard begins with a line: its bytes, with the newline, are c->seen */
    LT_CHILD_FULL,  /* more than LT_CHILD_LINE_BYTES without a newline */
    LT_CHILD_GONE   /* it has ended, or closed its output */
} lt_child_news;
/* Local.  Sends and hears for at most that many milliseconds, or until there is news.  Errors: NOMEM. */
lt_status lt_child_listen(lt_child *c, int ms, lt_child_news *news);
/* Local.  True if its process has ended (it may have children yet). */
bool lt_child_ended(const lt_child *c);
/* Local.  How it ended, in words: "ended with exit code 3", and its last line of standard error. */
void lt_child_end_words(lt_child *c, char *text, size_t bytes);
/* Local.  No more questions: closes its standard input. */
void lt_child_hang_up(lt_child *c);
/* Local.  A signal to it and its children. */
void lt_child_signal(const lt_child *c, int sig);
/* Local.  Kills it and its children at once, if they are there, and forgets it. */
void lt_child_kill(lt_child *c);
