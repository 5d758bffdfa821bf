#pragma once
/* Private to the train room: the dialogues of gpta trials (arXiv 2404.00189) and what measuring their candidates takes.
 *
 * A round stands between two steps: the assistant is asked, its candidates are measured on the probe under the student as it is, the best comes into use.  The
 * rounds of a step are whole or have not been: a signal inside them leaves all dialogues as they were, and all are due again. */

#include "assistant/assistant.h"
#include "assistant/dialogue.h"
#include "train/bank_impl.h"

enum { LT_QUESTION_TOKENS = 1024 }; /* of what an assistant is told, at most */

/* Of one trial. */
typedef struct lt_run_dialogue {
    lt_dialogue talk;
    int64_t *probe, n_probe; /* training samples in the order in which they are taken */
    char **exemplar;         /* [n_exemplars] */
    int n_exemplars;
} lt_run_dialogue;

typedef struct lt_run_gpta {
    lt_run_dialogue *of; /* [n_trials]; NULL = no trial has a dialogue */
    lt_templates templates;
    lt_assistant *assistant; /* NULL = nobody is asked */
    bool shares_model;       /* its model is the student's */
    size_t assistant_bytes;  /* what its own model takes of a rank, */
    int assistant_tp;        /* of so many that hold it together */
    /* candidates beside the prefix in use, number 0 */
    int most;
    lt_run_bank bank; /* their slots */
    float *kv;        /* device, as lt_lead.kv: of one after the other */
    size_t kv_bytes;
    lt_lead *lead;    /* [most] */
    lt_tuner **tuner; /* [n_trials] */
    lt_tuner shadow;
    double asked_s, measured_s;
    int64_t rounds, asked, taken; /* of this start: rounds, answers, candidates */
} lt_run_gpta;
