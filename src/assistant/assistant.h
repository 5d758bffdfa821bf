#pragma once
/* Who writes prefixes for a student (GPTA, arXiv 2404.00189): a decoder that all ranks hold together, or a program that rank 0 talks to.
 *
 * An assistant is asked with a text, or with several at once, and gives up to n answers to each.  It never ends a run: one that says nothing, too much, no
 * text at all, or dies, gives fewer answers or none and a word about why (lt_answers.problem); the student goes on.
 *
 * A model writes by sampling: the answers are a function of (weights, prompt, seed), not of what was asked before, nor, but for roundings, of ranks and of
 * what is asked at once.  A prompt is read once for all its answers, and what is asked at once is written at once, for reading the weights is what writing
 * costs.  It lies beside the student's model in the memory of the same ranks, which take turns, in a grid of its own (assistant.tp); where it is the
 * student's own base it is there once.
 *
 * A command reads one JSON object a line and answers with one line each:
 *     {"version": 1, "prompt": "...", "n": 8, "seed": 123, "max_tokens": 48, "temperature": 0.9, "top_p": 0.95}
 *     {"answers": ["...", ...]}      or      {"error": "what went wrong"}
 * It is started by the first question, kept for the next ones, and started again after a failure, assistant.retries times a question; it has
 * assistant.timeout seconds for an answer.  Its standard error goes to the log.  When the run ends its standard input is closed, and it has a few seconds
 * before it is killed, with its children. */

#include "base/config.h"
#include "model/generate.h"
#include "text/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LT_ANSWER_BYTES = 1 << 16 }; /* an answer is cut behind so many */

/* Owned by the caller; start from {0}. */
typedef struct lt_answers {
    char **text; /* [n] zero-terminated, perhaps not UTF-8, perhaps empty */
    int n;
    char *problem;         /* why there are fewer than were asked for, in words for the log; NULL = there are not fewer */
    double seconds;        /* that asking took: its share where several questions were asked at once */
    int64_t read, written; /* tokens of a model: of the question, of the answers; 0 of a command */
} lt_answers;
/* Local.  Frees and empties. */
void lt_answers_free(lt_answers *a);

typedef struct lt_assistant lt_assistant;

typedef struct lt_assistant_args {
    const lt_assistant_cfg *cfg; /* borrowed */
    int most;                    /* answers to one question, at most */
    int questions;               /* at once, at most; at least 1 */
    int64_t longest;             /* tokens of a question, at most; longer ones lose their middle */
    const lt_ops *ops;           /* of the device; NULL with student */
    int threads;                 /* of OpenMP */
    /* The student's model and its grid where assistant.model is its folder and it can write (loaded with its head, planned with lt_assistant_limits);
     * NULL = a model of its own.  Borrowed. */
    lt_model *student;
    const lt_grid *grid;
} lt_assistant_args;

/* Local.  True if assistant.model names the folder that the student's model is from. */
bool lt_assistant_is_student(const lt_assistant_cfg *cfg, const char *student_path);
/* Local.  What the settings ask for can be had: a model or a command, not both; a model that can write, with its tokenizer, and for as many ranks.
 * Nothing is loaded.  Errors: CONFIG, and those of lt_arch_read and lt_arch_check_writes. */
lt_status lt_assistant_check(const lt_assistant_cfg *cfg);
/* Local.  Widens limits of the student's model for lt_assistant_ask.  Errors: FORMAT (the folder's config.json). */
lt_status lt_assistant_limits(const lt_assistant_args *a, const lt_arch *arch, lt_model_limits *limits);
/* Collective(world).  Bytes that an open assistant takes on each rank (of an uneven cut: on the one with most) of a job of so many ranks, which a plan's world
 * does not have: then all are taken to be on one node.  tp: ranks that hold it together.  0 and 1 of a command and of the student's model.  What the
 * library of a GPU's collectives takes is not in it.  Nothing is loaded.  Errors: those of lt_assistant_check and of creating a model, CONFIG
 * (assistant.tp) (agreed). */
lt_status lt_assistant_measure(const lt_assistant_args *a, lt_comm *world, int ranks, size_t *bytes, int *tp);
/* Collective(world).  Loads the model; a command is started by the first question.  Errors: those of loading a model (agreed). */
lt_status lt_assistant_open(const lt_assistant_args *a, lt_comm *world, lt_assistant **out);
/* Collective(world).  Accepts NULL inside; sets NULL. */
void lt_assistant_close(lt_assistant **a);
typedef struct lt_question {
    const char *prompt; /* UTF-8; borrowed */
    uint64_t seed;
} lt_question;
/* Collective(world).  Up to n answers to each of `count` questions, which are the same on every rank as the answers are: out [count].  Errors: STOPPED (a
 * signal came; nothing is kept), NOMEM (agreed); what an assistant does wrong is no error. */
lt_status lt_assistant_ask(lt_assistant *a, const lt_question *question, int count, int n, lt_answers *out);
/* Local.  "gemma-3-270m, 2 ranks" or "the command ...": for the log.  Borrowed. */
const char *lt_assistant_name(const lt_assistant *a);

#ifdef __cplusplus
}
#endif
