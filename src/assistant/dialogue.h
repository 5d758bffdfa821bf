#pragma once
/* The dialogue between a student and its assistant: what was proposed, how it did, and what the assistant is told of it (GPTA's "dialogue gradient",
 * arXiv 2404.00189, whose published text leaves the form open; docs/GPTA.md says which parts are ours).
 *
 * No communication, no model: texts and numbers.  Mirrored on every rank.
 *
 *     lt_dialogue_prompt -> (assistant) -> lt_dialogue_take -> (student measures) -> lt_dialogue_close_round
 *
 * A measure is a difference: loss of the prefix in use minus loss of the candidate, on the same sentences and under the same student.  What the assistant is
 * told is the sum of the differences that led from the first prefix to this one, so that prefixes of different rounds can stand side by side though the
 * student, and the prefix in use, have changed in between. */

#include "base/config.h"
#include "base/rng.h"
#include "text/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One text that was proposed. */
typedef struct lt_prefix {
    char *text;     /* UTF-8, one line, no blanks at its ends; what its tokens say.  "" = no prefix */
    int32_t *token; /* [n_tokens] of the student's tokenizer, without specials */
    int n_tokens;
    int round;       /* in which it was proposed, from 0 */
    double gain;     /* loss of the prefix in use then - its own, larger is better; NaN = never measured */
    double accuracy; /* share of the probe that it got right - that of the prefix in use; NaN */
    double loss;     /* its own mean loss on the sentences that it was measured on; NaN */
    int rank, of;    /* place by gain among the measured ones of its round, from 1, the prefix in use counted; 0 = not measured */
    int64_t probed;  /* sentences that it was measured on */
    double base, base_accuracy; /* what the prefix in use then had gained over the first one */
} lt_prefix;

/* Local.  Gain over the first prefix in use: by these, prefixes of different rounds are compared.  0 where nothing was measured. */
static inline double lt_prefix_gain(const lt_prefix *p) { return p->base + (p->gain == p->gain ? p->gain : 0); }
static inline double lt_prefix_accuracy(const lt_prefix *p) { return p->base_accuracy + (p->accuracy == p->accuracy ? p->accuracy : 0); }

typedef struct lt_dialogue {
    const lt_method_cfg *cfg; /* borrowed */
    lt_prefix *prefix;        /* [n] all that were proposed and kept, in order; owned */
    int n, cap;
    int in_use; /* number of the prefix before the student's inputs; -1 = none */
    int rounds; /* that are closed */
    int stale;  /* rounds since the prefix in use changed */
    int open0;  /* first prefix of the open round: prefix[open0 .. n) are its candidates */
} lt_dialogue;
/* Local.  The prefix in use, NULL where there is none or it is empty.  Borrowed. */
static inline const lt_prefix *lt_dialogue_in_use(const lt_dialogue *d) {
    const lt_prefix *p = d->in_use >= 0 ? &d->prefix[d->in_use] : NULL;
    return p && p->n_tokens > 0 ? p : NULL;
}

/* Prompt templates: first = while no measured prefix can be shown (the first round), next = the others.  Files first.txt and next.txt of a folder,
 * or the built-in ones. */
typedef struct lt_templates {
    char *first, *next; /* owned */
} lt_templates;
/* Local.  dir: NULL or "" = built-in.  The newline that ends a file is no part of the prompt.  Placeholders are {description}, {labels} (names, one
 * ", " another), {exemplars} (one a line, empty without),
 * {history} (a line each: the prefix in quotes and its measure as method.feedback says; the worst first, the best last, both marked), {best}, {worst},
 * {in_use} (texts), {round} (from 1), {candidates}, {max_words} (about what max_prefix_tokens are); {{ and }} are braces.  A line whose placeholders are
 * all empty is left out.  Errors: IO, FORMAT (an unknown placeholder or a lone brace, by file and line; not UTF-8), NOMEM. */
lt_status lt_templates_load(const char *dir, lt_templates *t);
void lt_templates_free(lt_templates *t);
/* The built-in ones, as printed by `ltune help assistant`. */
extern const char lt_template_first[], lt_template_next[];

/* Local. */
void lt_dialogue_init(lt_dialogue *d, const lt_method_cfg *cfg);
void lt_dialogue_free(lt_dialogue *d);
/* Local.  The text for the next round.  labels [n_labels] names; exemplars [n_exemplars] texts that the user opted into (0 usually); rng: a fresh counter for
 * control `shuffled`, whose measures are dealt anew among the prefixes that are shown (their order, {best}, {worst} and {in_use} follow).  History:
 * the method.history best and worst measured ones, half and half,
 * each text once.  *prompt: released by free().  Errors: NOMEM. */
lt_status lt_dialogue_prompt(const lt_dialogue *d, const lt_templates *t, const char *const *labels, int n_labels,
                             const char *const *exemplars, int n_exemplars, const lt_rng *rng, char **prompt);

/* What became of an answer. */
typedef enum lt_verdict {
    LT_ANSWER_TAKEN,
    LT_ANSWER_EMPTY,    /* nothing is left of it after repair */
    LT_ANSWER_REPEATED, /* proposed before, in this round or another (compared without case, blanks and closing punctuation) */
    LT_ANSWER_GARBAGE,  /* no word in it: fewer than half of its characters are letters */
    LT_ANSWER_LEFT      /* the round had all its candidates */
} lt_verdict;
/* Local.  The word of a verdict for the log: "taken", "empty", "repeated", "garbage", "left over". */
const char *lt_verdict_word(lt_verdict v);

/* Local.  The prefix in an answer.  Repair: invalid UTF-8 becomes U+FFFD and is dropped; special tokens written as text ("<eos>", "<end_of_turn>") end it; of
 * several lines the first with a word; numbering ("1.", "-", "*"), "Prefix:" or "Instruction:" and quotes around it go; control characters become blanks;
 * runs of blanks become one.  *text: released by free(), "" where nothing is left.  Errors: NOMEM. */
lt_status lt_prefix_repair(const char *answer, size_t bytes, char **text);
/* Local.  Opens a round and adds candidates from answers [n]; texts longer than method.max_prefix_tokens are cut at a word.  verdict: [n] out; candidate: [n]
 * out, number in d->prefix or -1.  At most method.candidates are taken.  Errors: NOMEM, and FORMAT never: garbage is a verdict. */
lt_status lt_dialogue_take(lt_dialogue *d, const lt_tok *tok, const char *const *answer, int n, lt_verdict *verdict, int *candidate);
/* Local.  Adds one prefix of given tokens to the open round (control `random`; transfer).  Errors: NOMEM, ARG (a token outside the vocabulary). */
lt_status lt_dialogue_add_tokens(lt_dialogue *d, const lt_tok *tok, const int32_t *token, int n, int *candidate);
/* Local.  Ends the open round; gains of its candidates are set.  The best of those measured on most sentences comes into use if its gain
 * is above 0; where none is in use yet and none was measured, the first candidate does.  *changed: another prefix is in use now. */
void lt_dialogue_close_round(lt_dialogue *d, bool *changed);
/* Local.  Drops the candidates of an open round. */
void lt_dialogue_abandon_round(lt_dialogue *d);
/* Local.  True if no round will come: method.rounds are closed, method.patience is used up (by rounds that measured something), or the
 * control has its one prefix. */
bool lt_dialogue_ended(const lt_dialogue *d);

/* Local.  The state as JSON text for a checkpoint, and back (d: initialised).  *text: released by free().  No round is open.  Numbers come back as
 * the same bits.
 * Errors: NOMEM; FORMAT (not such a text). */
lt_status lt_dialogue_write(const lt_dialogue *d, char **text);
lt_status lt_dialogue_read(lt_dialogue *d, const lt_tok *tok, const char *text);

#ifdef __cplusplus
}
#endif
