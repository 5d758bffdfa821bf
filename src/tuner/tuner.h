#pragma once
/* A tuner turns the trainable parameters of one trial into what the frozen model sees (bank slots, prompt rows) and gradients of these back into
 * gradients of the parameters.  One file a method behind one vtable; what is trainable lives only in this room.
 *
 * In a step: forward() of every tuner fills the whole bank (all heads) from the parameters; the model runs all sequences of all trials; gradients of the
 * bank, the prompt rows and the "direct" parameters (heads, adapters) are summed over all ranks in one message; backward() of every tuner, a function of
 * those sums, gives the rest.  So one message a step carries everything, and parameters, gradients and optimizer state are mirrored on every rank, whatever
 * tp and dp are; only large maps (lt_prefix) are spread over the ranks by rows: each rank makes, learns and keeps its rows, and what the rows put out is
 * gathered instead.
 *
 * Parameters, gradients, moments, label states and scratch are device arrays (kernels/ops.h): host code passes their addresses to ops and copies.
 *
 * Methods (METHODS in `ltune help methods`):
 *   head       nothing but the classification head on the frozen read-out
 *   prompt     P trainable rows before the embeddings (Lester et al. 2021), K-way head
 *   prefix     P trainable keys and values per layer (Li & Liang 2021), direct or through an MLP, K-way head
 *   lt_prompt  e(y) = h_y W_gamma before the embeddings; 2-way head on (text, label) pairs (L-Tuning, arXiv 2402.01643)
 *   lt_prefix  per-layer keys and values from h_y (same paper); 2-way head on pairs
 *   lora       low-rank updates of matrices in every layer (Hu et al. 2022), K-way head (arXiv 2310.01208)
 *   gpta       what one of head, prompt, prefix, lora trains, behind a *lead*: a text that an assistant wrote (arXiv 2404.00189)
 * h_y: last-layer states of the label's words under the frozen model, a constant of the run. */

#include "base/config.h"
#include "base/rng.h"
#include "model/model.h"
#include "text/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LT_TUNER_MAX_PARAMS = 16 };

typedef struct lt_tuner lt_tuner;

/* One trainable tensor with its gradient and AdamW moments.  Memory: the tuner's arena. */
typedef struct lt_param {
    lt_named value;                /* name and shape of the whole tensor; data: rows [row0, row1) of it */
    int64_t row0, row1;            /* 0 and dim[0] where the tensor is mirrored on every rank */
    float *grad, *adam_m, *adam_v; /* [lt_param_elems]; grad of a direct parameter lies in the step's message (set by the trainer) */
    bool direct;                   /* gradient is accumulated by the step itself (heads, adapters), not by backward() */
    bool partial;                  /* direct, and each rank of a tp group holds a share of the gradient: their sum is the whole */
} lt_param;

/* Local.  Elements of a parameter that this rank holds. */
static inline int64_t lt_param_elems(const lt_param *p) {
    return p->value.dim[0] ? lt_named_elems(&p->value) / p->value.dim[0] * (p->row1 - p->row0) : 0;
}
/* Local.  True if every rank holds the whole tensor. */
static inline bool lt_param_mirrored(const lt_param *p) { return p->row1 - p->row0 == p->value.dim[0]; }

/* The labels of the data set as L-Tuning reads them. */
typedef struct lt_labels {
    int K;
    char **name, **word; /* [K]; owned */
    int32_t *tokens;     /* [K][P] all labels at one length, specials included */
    int P;
} lt_labels;

/* A text before every input, which nobody trains (gpta).
 *
 * Where the student is frozen below its input, the lead is read once and its keys and values stand in the tuner's bank slot, before those that are trained: an
 * input costs no row more.  In a causal model that is what reading it before each text would give: the slot holds the special tokens that begin a text, and the
 * text's own rows come without them.  In a model that sees both ways the lead is read by itself, with its own special tokens.  With adapters inside the
 * layers its keys are not constant, and it stands among the rows of each text, behind the special tokens that begin it. */
typedef struct lt_lead {
    int32_t *token; /* [n] without special tokens; owned */
    int n;          /* 0 = none */
    float *kv;      /* device [m][2][lead_most][Hkv][D], of which kv_rows rows are set; NULL where it stands among the rows */
    int kv_rows;    /* 0 = none */
} lt_lead;

typedef struct lt_tuner_ops {
    /* Local.  Sizes: sets n_out, P, n_slots, n_prompts and declares parameters (lt_tuner_impl_add_param).  Errors: CONFIG. */
    lt_status (*plan)(lt_tuner *t);
    /* Collective(world) through the model.  Writes the initial parameter values, a function of the seed only.  states: host [K][P][C] or NULL. */
    lt_status (*init)(lt_tuner *t, lt_model *m, lt_tok *tok, const float *states);
    /* Local.  NULL, or: parameters -> this tuner's slots of the whole bank kv [S][m][2][P_max][Hkv][D] and prompt rows [rows, C]; what is spread over ranks
     * only as far as this rank's rows go, into t->gather. */
    lt_status (*forward)(lt_tuner *t, float *kv, int64_t P_max, float *prompt);
    /* Local.  NULL, or: what all ranks put into t->gather -> slots. */
    lt_status (*gathered)(lt_tuner *t, float *kv, int64_t P_max);
    /* Local.  NULL, or: gradients of bank and prompt rows, summed over ranks -> grad of the parameters that are not direct (overwritten). */
    lt_status (*backward)(lt_tuner *t, const float *d_kv, int64_t P_max, const float *d_prompt);
} lt_tuner_ops;

struct lt_tuner {
    const lt_tuner_ops *ops;
    const lt_method_cfg *cfg; /* borrowed */
    const lt_arch *arch;      /* borrowed */
    const lt_ctx *ctx;        /* borrowed */
    const lt_labels *labels;  /* borrowed */
    uint64_t seed;
    int rank, ranks; /* place among all ranks: whose rows of spread parameters are here */
    bool pairs;      /* of the method: input is (text, candidate label), 2-way head, evaluation scores every label */
    /* decided by plan() */
    int n_out;                   /* width of the head: 2 or K */
    int P;                       /* prefix length or prompt rows a sequence; 0 for head */
    int n_slots, n_prompts;      /* bank slots and prompt rows (rows, not prompts) this tuner owns */
    int pooling;                 /* lt_prefix: resolved LT_POOLING_* */
    int init;                    /* resolved LT_INIT_* */
    int adapter_rank;            /* rank of its adapters inside the layers; 0 = none */
    int64_t gather_elems;        /* size of gather; 0 = nothing is spread */
    const lt_tuner_ops *student; /* gpta: of what is trained; else NULL */
    int lead_most;               /* rows of the longest lead; 0 = the method has none */
    bool lead_in_rows;           /* it stands among the rows of a text */
    bool lead_alone;             /* nothing in the slot is trained */
    /* set by the trainer */
    int slot0, prompt0; /* first own slot and row in the bank */
    float *gather;      /* [gather_elems], summed over all ranks between forward() and gathered(); zeroed by the trainer before */
    lt_lead lead;       /* in use */
    const lt_lead
        *choice; /* leads that are measured side by side: input `label` has choice[label] and the slot of that number; NULL usually */
    int32_t *lead_frame; /* [lead_frame_n] special tokens around a text, `lead_begin` of them before it; owned */
    int lead_frame_n, lead_begin;
    bool lead_joins;     /* every layer is causal: a lead in the slot is the beginning of the text, special tokens included */
    int32_t lead_end[4]; /* [lead_end_n] tokens of a line end */
    int lead_end_n;
    bool pools_logits; /* every row gives logits, and those of a sequence are the maxima of its rows' (train/samples.h) */
    int head;          /* first parameter of the head: head.weight [n_out, C], then head.bias [n_out] if it has one; direct, and the last */
    lt_param param[LT_TUNER_MAX_PARAMS];
    int n_params;
    lt_arena arena;      /* device: values, gradients (not of direct parameters), moments, label states, scratch */
    float *label_states; /* [K][P][C], or NULL for methods without */
    float *scratch;      /* method's own, size asked by plan() */
    int64_t scratch_elems;
};

/* What the table of methods says of a trial's. */
static inline const lt_method_info *lt_method_of(const lt_method_cfg *c) { return &lt_methods[c->name]; }

/* True if something inside the frozen model is trained: its sequences run backward. */
static inline bool lt_tuner_trains_input(const lt_tuner *t) {
    return (t->n_slots > 0 && !t->lead_alone) || t->n_prompts > 0 || t->adapter_rank > 0;
}

/* True if its sequences carry padding, as the authors' do (train/samples.h). */
static inline bool lt_tuner_pads(const lt_tuner *t) { return t->cfg->compat == LT_COMPAT_AUTHORS; }

/* True if its head reads what the frozen model makes of the text and nothing else. */
static inline bool lt_tuner_reads_base(const lt_tuner *t) { return !lt_tuner_trains_input(t) && t->lead_most == 0 && !lt_tuner_pads(t); }

/* True if what its head reads of a sample is the same in every step: padding and leads are not. */
static inline bool lt_tuner_reads_constants(const lt_tuner *t) { return lt_tuner_reads_base(t) && t->cfg->head_dropout == 0; }

/* What a sequence of this tuner looks like to the packer, for the candidate label y (ignored unless pairs). */
typedef struct lt_tuner_input {
    int32_t slot; /* -1 = none */
    int32_t prefix_len;
    int64_t prompt, prompt_rows;
    const int32_t *lead; /* among the rows of the text, behind its first `lead_at`; NULL = not there */
    int32_t n_lead, lead_at;
    int32_t skip; /* of the text's first tokens, which the slot has already */
} lt_tuner_input;

/* Local.  Labels of the data set with the words to use: cfg's override, else the data set's words; for the pair methods tokenised without specials,
 * padded to the longest with the token ".", wrapped in [CLS] ... [SEP] for encoders (L-Tuning, section 2); for the others P is 0.
 * Errors: CONFIG (a label of cfg that the data set lacks, words without tokens), NOMEM. */
lt_status lt_labels_create(int K, char *const *name, char *const *word, const lt_method_cfg *cfg, lt_tok *tok, bool encoder,
                           lt_labels *out);
/* Local.  Frees; accepts a zeroed struct. */
void lt_labels_destroy(lt_labels *l);

/* Local.  Plans the tuner of a trial and reserves its memory.  grid: NULL = one rank; only rank and size are read.  cfg, arch, ctx and labels must
 * outlive the tuner.  Errors: CONFIG, NOMEM. */
lt_status lt_tuner_create(const lt_method_cfg *cfg, uint64_t seed, const lt_arch *arch, const lt_ctx *ctx, const lt_grid *grid,
                          const lt_labels *labels, lt_tuner *t);
/* Local.  Frees; accepts a zeroed struct. */
void lt_tuner_destroy(lt_tuner *t);
/* Collective(world) through the model.  Takes over the label states (host [K][P][C]; NULL for methods that read none) and makes the initial parameter values.
 * A failure is this rank's own: the caller agrees.  Errors: CONFIG, NOMEM. */
lt_status lt_tuner_init(lt_tuner *t, lt_model *m, lt_tok *tok, const float *label_states);
/* Local.  label: of the pair methods the candidate label; with a choice of leads which of them. */
lt_tuner_input lt_tuner_input_of(const lt_tuner *t, int label);
/* Local.  Rows that a slot holds, at most, and with this lead. */
int lt_tuner_slot_most(const lt_tuner *t);
int lt_tuner_slot_len(const lt_tuner *t, const lt_lead *lead);
/* Local.  Rows of a sequence besides its text's, at most. */
int lt_tuner_rows_most(const lt_tuner *t);
/* Local.  Of the n > 0 tokens of a text: how many do not come into a pack.  One stays. */
static inline int64_t lt_tuner_skips(const lt_tuner_input *in, int64_t n) { return in->skip < n ? in->skip : n - 1; }
/* Local.  Packed rows of a text of n tokens with this input, without padding. */
static inline int64_t lt_tuner_rows(const lt_tuner_input *in, int64_t n) {
    return in->prompt_rows + in->n_lead + n - lt_tuner_skips(in, n);
}

/* text_init.c.  Local.  A token of the vocabulary, not a special one, drawn for a place by a counter-based generator. */
int32_t lt_tuner_random_word(const lt_tuner *t, const lt_tok *tok, const lt_rng *rng, uint64_t place);
/* gpta.c.  Local.  Special tokens of the tokenizer that a lead has to respect; once, before the first lead.  Errors: NOMEM. */
lt_status lt_tuner_lead_frame(lt_tuner *t, const lt_tok *tok);
/* Local.  What the model reads to make a lead's keys and values: token [n] between special tokens, and a line end where the tokenizer has one.  out
 * [lead_most]; the number.  Where leads stand among the rows: the same without special tokens. */
int lt_tuner_lead_text(const lt_tuner *t, const int32_t *token, int n, int32_t *out);
/* Local.  Puts a lead into use: token [n] as lt_tuner_lead_text gave them; kv host [m][2][n][Hkv][D] of lt_model_text_kv, NULL where it stands among the rows.
 * Both are read before it returns.  n = 0: none.  Errors: NOMEM. */
lt_status lt_tuner_set_lead(lt_tuner *t, const int32_t *token, int n, const float *kv);
/* Local.  Elements of the keys and values of so many rows in all layers. */
int64_t lt_tuner_lead_elems(const lt_tuner *t, int64_t rows);
/* Local.  Keys and values of the lead in use: host [lt_tuner_lead_elems of t->lead.kv_rows], caller-owned.  Errors: those of copies: bugs. */
lt_status lt_tuner_get_lead(const lt_tuner *t, float *kv);
/* Local.  Candidate labels of a sentence that are scored against each other in training (method.objective: all); 1 where a sequence is judged alone. */
int lt_tuner_candidates(const lt_tuner *t);
/* Local.  Factor of LoRA's updates: alpha / R or alpha / sqrt(R). */
double lt_lora_scale(const lt_method_cfg *cfg);
/* Local.  Its adapters as the model takes them, all 0 if it has none; after the trainer gave gradients their place. */
lt_adapter lt_tuner_adapter(const lt_tuner *t);
/* Local.  Trainable scalars, head included. */
int64_t lt_tuner_trainable(const lt_tuner *t);
/* Local.  Head parameters; the bias may be NULL. */
lt_param *lt_tuner_head_weight(lt_tuner *t);
lt_param *lt_tuner_head_bias(lt_tuner *t);
/* Local.  Elements of the label states, 0 for methods without. */
int64_t lt_tuner_states_elems(const lt_tuner *t);
/* Local.  Bytes of the tuner's arena. */
size_t lt_tuner_bytes(const lt_tuner *t);

#ifdef __cplusplus
}
#endif
