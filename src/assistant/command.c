/* An assistant that is a program; see assistant.h for what is said.
 *
 * Rank 0 has the child.  A question goes in turns: rank 0 talks to it for some milliseconds, the others sleep as long, and then all say in one maximum
 * whether the question goes on or a signal came (to whichever rank).  So nobody waits for a collective longer than a turn, whatever the program does, and
 * ranks do not take the cores that it computes on.  Turns grow from 1 ms to 200 ms: a quick answer is had at once.
 *
 * Failures count against assistant.retries: no start, no answer in time, an end, a line that is none of the protocol.  That a program from an earlier
 * question has ended since does not count, so one that answers once and ends is fine.  {"error": ...} is an answer: the program says that it will not have a
 * better one. */
#include "assistant/assistant_impl.h"
#include "assistant/child_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/signal.h"
#include "comm/comm.h"
#include "store/json.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { VERSION = 1, MOST_TURN_MS = 200, SHOWN_BYTES = 80, ERROR_BYTES = 400, WORDS = 640 };
enum { GOES_ON = 1, STOPPED = 2 };
#define GRACE_S 2.0 /* between the end of its standard input and SIGTERM */
#define TERM_S  1.0 /* between SIGTERM and SIGKILL */

typedef struct command {
    lt_assistant base;
    lt_child child; /* rank 0 */
} command;

/* A question that is being asked; rank 0. */
typedef struct question {
    char *line; /* [bytes] as it is sent; owned */
    size_t bytes;
    int n;        /* answers wanted */
    bool fresh;   /* its child was started for it */
    int failures; /* that count */
    double until; /* when this try ends */
    char why[WORDS];
} question;

/* ---- the question ---- */

static lt_status make_question(const lt_assistant_cfg *cfg, const char *prompt, int n, uint64_t seed, question *q) {
    /* a number of 53 bits: all readers of JSON have it whole */
    json_t *o = json_pack("{s:i, s:s, s:i, s:I, s:i, s:f, s:f}", "version", VERSION, "prompt", prompt, "n", n, "seed",
                          (json_int_t)(seed & (((uint64_t)1 << 53) - 1)), "max_tokens", cfg->max_tokens, "temperature", cfg->temperature,
                          "top_p", cfg->top_p);
    char *text = o ? json_dumps(o, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(o);
    LT_CHECK(text, LT_ERR_NOMEM, "no memory for a question to the assistant");
    q->n = n;
    q->bytes = strlen(text) + 1;
    q->line = realloc(text, q->bytes + 1);
    if (!q->line) free(text);
    LT_CHECK(q->line, LT_ERR_NOMEM, "no memory for a question to the assistant");
    memcpy(q->line + q->bytes - 1, "\n", 2);
    return LT_OK;
}

/* ---- the answer ---- */

/* What is no UTF-8 becomes U+FFFD: one bad byte shall not cost the other answers. */
static lt_status mend(const char *s, size_t n, lt_text *out) {
    size_t from = 0;
    for (size_t i = 0; i < n;) {
        int bytes;
        bool good = lt_char_at(s + i, n - i, &bytes) >= 0;
        if (!good) {
            LT_TRY(lt_text_add(out, s + from, i - from));
            LT_TRY(lt_text_add(out, "\xEF\xBF\xBD", 3));
            from = i + (size_t)bytes;
        }
        i += (size_t)bytes;
    }
    return lt_text_add(out, s + from, n - from);
}

/* Bytes of a text that is cut behind `most`, at a character. */
static size_t cut(const char *s, size_t n, size_t most) {
    if (n <= most) return n;
    while (most && ((unsigned char)s[most] & 0xC0) == 0x80) most--;
    return most;
}

/* Takes the texts of a list, n at most.  What is no text is passed over. */
static lt_status take_texts(const json_t *list, int n, lt_answers *out) {
    LT_TRY(lt_calloc(&out->text, n, sizeof *out->text, "answers"));
    for (size_t i = 0; i < json_array_size(list) && out->n < n; i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (!s) continue;
        size_t bytes = cut(s, strlen(s), LT_ANSWER_BYTES); /* a \u0000 ends it */
        char *copy = strndup(s, bytes);
        LT_CHECK(copy, LT_ERR_NOMEM, "no memory for an answer");
        out->text[out->n++] = copy;
    }
    return LT_OK;
}

/* An answer in a line, or why it is none (q->why; *good is false). */
static lt_status take_line(question *q, const char *s, size_t n, lt_answers *out, bool *good) {
    lt_text line = {0};
    json_error_t where;
    lt_status st = mend(s, n, &line);
    json_t *o = st == LT_OK ? json_loadb(line.p, line.n, JSON_ALLOW_NUL, &where) : NULL;
    const json_t *list = json_object_get(o, "answers");
    const char *error = json_string_value(json_object_get(o, "error"));
    size_t shown = cut(s, n, SHOWN_BYTES);
    const char *more = shown < n ? "..." : "";
    *good = st == LT_OK && (json_is_array(list) || error);
    if (json_is_array(list)) st = take_texts(list, q->n, out);
    if (*good && error)
        (void)snprintf(q->why, sizeof q->why, "it says: %.*s", (int)cut(error, strlen(error), ERROR_BYTES), error);
    else if (*good)
        (void)snprintf(q->why, sizeof q->why, "its list holds %d texts", out->n);
    else if (!o)
        (void)snprintf(q->why, sizeof q->why, "its line is no JSON: \"%.*s%s\"", (int)shown, line.p ? line.p : "", more);
    else
        (void)snprintf(q->why, sizeof q->why, "its line has neither a list \"answers\" nor a text \"error\": \"%.*s%s\"", (int)shown,
                       line.p, more);
    json_decref(o);
    free(line.p);
    return st;
}

/* ---- the talk ---- */

/* The try has failed, for q->why.  *over: it was the last. */
static void fail(command *c, question *q, bool counts, bool *over) {
    const lt_assistant_cfg *cfg = c->base.cfg;
    lt_child_kill(&c->child);
    if (!counts) return;
    *over = ++q->failures > cfg->retries;
    if (!*over) lt_info("the assistant's command: %s; it is started again (%d of %d)", q->why, q->failures, cfg->retries);
}

static bool blank(const char *s, size_t n) {
    while (n && strchr(" \t\r\n", s[n - 1]) && s[n - 1]) n--;
    return n == 0;
}

/* A turn of at most ms.  *over: out has what there is, and q->why is said of what there is not.  Errors: NOMEM. */
static lt_status turn(command *c, question *q, int ms, lt_answers *out, bool *over) {
    const lt_assistant_cfg *cfg = c->base.cfg;
    lt_child *child = &c->child;
    lt_child_news news = LT_CHILD_WAITS;
    bool good = false;
    if (!child->pid) {
        q->fresh = true;
        q->until = lt_time_s() + cfg->timeout;
        if (lt_child_start(child, cfg->command) != LT_OK) {
            (void)snprintf(q->why, sizeof q->why, "%.*s", WORDS - 1, lt_err_last()->msg);
            lt_err_clear();
            fail(c, q, true, over);
            return LT_OK;
        }
        lt_child_ask(child, q->line, q->bytes);
    }
    LT_TRY(lt_child_listen(child, ms, &news));
    if (news == LT_CHILD_LINE && blank(child->heard.p, child->seen)) { /* an empty line says nothing */
        child->heard.n -= child->seen;
        memmove(child->heard.p, child->heard.p + child->seen, child->heard.n);
        child->seen = 0;
        news = LT_CHILD_WAITS;
    }
    switch (news) {
    case LT_CHILD_LINE:
        LT_TRY(take_line(q, child->heard.p, child->seen - 1, out, &good));
        *over = good;
        if (!good) fail(c, q, true, over);
        return LT_OK;
    case LT_CHILD_FULL:
        (void)snprintf(q->why, sizeof q->why, "its line is longer than %d MiB", LT_CHILD_LINE_BYTES >> 20);
        fail(c, q, true, over);
        return LT_OK;
    case LT_CHILD_GONE:
        if (!blank(child->heard.p, child->heard.n))
            LT_TRY(take_line(q, child->heard.p, child->heard.n, out, &good)); /* no newline behind its last */
        if (good) {
            lt_child_kill(child);
            *over = true;
            return LT_OK;
        }
        lt_child_end_words(child, q->why, sizeof q->why);
        fail(c, q, q->fresh, over);
        return LT_OK;
    default:
        if (lt_time_s() < q->until) return LT_OK;
        (void)snprintf(q->why, sizeof q->why, "it gave no answer in %g s", cfg->timeout);
        fail(c, q, true, over);
        return LT_OK;
    }
}

/* Local, rank 0.  The first turn's preparations. */
static lt_status begin(command *c, const char *prompt, int n, uint64_t seed, question *q) {
    LT_TRY(make_question(c->base.cfg, prompt, n, seed, q));
    q->until = lt_time_s() + c->base.cfg->timeout;
    if (!c->child.pid) return LT_OK; /* the first turn starts it */
    if (lt_child_forget(&c->child)) lt_warn("the assistant's command said something that nobody had asked for; it is left out");
    lt_child_ask(&c->child, q->line, q->bytes);
    return LT_OK;
}

/* Local, rank 0.  Why there are fewer answers than were wanted. */
static lt_status explain(const question *q, lt_answers *out) {
    lt_text t = {0};
    if (out->n >= q->n) return LT_OK;
    lt_status st = lt_text_addf(&t, "%s", q->why);
    if (st == LT_OK && q->failures > 1) st = lt_text_addf(&t, " (the last of %d tries)", q->failures);
    if (st == LT_OK) st = lt_text_take(&t, &out->problem);
    free(t.p);
    return st;
}

/* ---- the same on every rank ---- */

static lt_status pack(const lt_answers *a, lt_text *t) {
    for (int i = 0; i < a->n; i++) LT_TRY(lt_text_add(t, a->text[i], strlen(a->text[i]) + 1));
    return lt_text_add(t, a->problem ? a->problem : "", a->problem ? strlen(a->problem) + 1 : 1);
}

static lt_status unpack(const char *p, int n, lt_answers *a) {
    LT_TRY(lt_calloc(&a->text, n ? n : 1, sizeof *a->text, "answers"));
    for (; a->n < n; p += strlen(p) + 1) {
        LT_TRY(lt_strdup(&a->text[a->n], p));
        a->n++;
    }
    return p[0] ? lt_strdup(&a->problem, p) : LT_OK;
}

/* Collective(world).  Rank 0's answers on every rank; st: its status. */
static lt_status share(lt_comm *world, lt_status st, lt_answers *a) {
    lt_text t = {0};
    char *all = NULL;
    int rank = lt_comm_rank(world);
    int64_t size[2] = {0};
    if (rank == 0 && st == LT_OK) st = pack(a, &t);
    st = lt_agree(world, st);
    if (st != LT_OK) goto done;
    size[0] = a->n;
    size[1] = (int64_t)t.n;
    lt_bcast_host(world, size, sizeof size, 0);
    if (rank != 0) st = lt_calloc(&all, size[1], 1, "answers");
    st = lt_agree(world, st);
    if (st != LT_OK) goto done;
    lt_bcast_host(world, rank == 0 ? t.p : all, (size_t)size[1], 0);
    if (rank != 0) st = unpack(all, (int)size[0], a);
    st = lt_agree(world, st);
done:
    free(t.p);
    free(all);
    return st;
}

/* ---- the kind ---- */

static lt_status ask_one(command *c, const lt_question *asked, int n, lt_answers *out) {
    lt_assistant *a = &c->base;
    question q = {0};
    bool first = lt_comm_rank(a->world) == 0, over = false;
    int64_t says = GOES_ON;
    /* part a: local */
    lt_status st = LT_FAULT_POINT("assistant.ask");
    if (st == LT_OK && first) st = begin(c, asked->prompt, n, asked->seed, &q);
    /* part b */
    st = lt_agree(a->world, st);
    if (st != LT_OK) goto done;
    /* part c: turns */
    for (int ms = 1; says == GOES_ON; ms = 2 * ms < MOST_TURN_MS ? 2 * ms : MOST_TURN_MS) {
        (void)lt_fault_hit("assistant.wait", "term"); /* for tests: a signal while it is asked */
        if (first)
            st = turn(c, &q, ms, out, &over);
        else
            (void)nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
        says = lt_max_host(a->world, lt_signal_pending() ? STOPPED : first && !over && st == LT_OK ? GOES_ON : 0);
    }
    if (says == STOPPED) {
        st = LT_FAIL(LT_ERR_STOPPED, "stopped by a signal while the assistant was asked");
    } else {
        if (first && st == LT_OK) st = explain(&q, out);
        st = share(a->world, st, out);
    }
done:
    /* at work on what nobody wants any more, or still to be told the rest of what it has answered */
    if (first && (st != LT_OK || c->child.n_ask)) lt_child_kill(&c->child);
    free(q.line);
    return st;
}

/* One after the other: the protocol has one question a line. */
static lt_status ask(lt_assistant *a, const lt_question *question, int count, int n, lt_answers *out) {
    lt_status st = LT_OK;
    for (int i = 0; st == LT_OK && i < count; i++) st = ask_one((command *)a, &question[i], n, &out[i]);
    return st;
}

/* Rank 0.  Listens for so long, or until it has ended. */
static void wait_for_end(command *c, double seconds) {
    lt_child *child = &c->child;
    double until = lt_time_s() + seconds;
    for (lt_child_news news; !lt_child_ended(child) && lt_time_s() < until; child->heard.n = child->seen = 0) {
        lt_comm_progress(c->base.world);
        if (lt_child_listen(child, 20, &news) != LT_OK || child->out < 0) (void)nanosleep(&(struct timespec){.tv_nsec = 10000000L}, NULL);
    }
}

static void close_command(lt_assistant *a) {
    command *c = (command *)a;
    if (c->child.pid) {
        lt_child_hang_up(&c->child);
        wait_for_end(c, GRACE_S);
        if (!lt_child_ended(&c->child)) {
            lt_child_signal(&c->child, SIGTERM);
            wait_for_end(c, TERM_S);
        }
        lt_child_kill(&c->child); /* what is left of its group */
    }
    free(c);
}

static const lt_assistant_kind kind = {ask, close_command};

lt_status lt_assistant_impl_open_command(const lt_assistant_args *a, lt_comm *world, lt_assistant **out) {
    command *c = NULL;
    lt_status st = LT_FAULT_POINT("assistant.command");
    if (st == LT_OK) st = lt_calloc(&c, 1, sizeof *c, "an assistant");
    st = lt_agree(world, st);
    if (st != LT_OK) {
        free(c);
        return st;
    }
    *c = (command){.base = {.kind = &kind, .cfg = a->cfg, .world = world, .most = a->most, .questions = a->questions},
                   .child = LT_CHILD_NONE};
    size_t n = cut(a->cfg->command, strlen(a->cfg->command), sizeof c->base.name - 20);
    (void)snprintf(c->base.name, sizeof c->base.name, "the command %.*s", (int)n, a->cfg->command);
    *out = &c->base;
    return LT_OK;
}
