#pragma once
/* What a Hugging Face config.json says about a transformer, as data.
 *
 * The forward and backward passes read this struct, not family names: a new family of an existing shape is a row in arch.c and a table of tensor
 * names in shard.c.  Letters: see tensor.h. */

#include "kernels/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum lt_family { LT_FAMILY_BERT, LT_FAMILY_LLAMA } lt_family;

typedef struct lt_arch {
    lt_family family;
    char model_type[32]; /* as in config.json */
    int64_t C, F, V;
    int H, Hkv, D, m;
    int64_t max_pos; /* longest sequence, prefix included */
    int64_t types;   /* token types (segments); 0 = none */
    float eps;       /* of the norms */
    lt_norm_kind norm;
    lt_act act;
    bool post_norm;   /* norm after the residual sum (BERT), else before the layer (LLaMA) */
    bool glu;         /* gated feed-forward: act(gate) * up */
    bool learned_pos; /* position table added to the embeddings, else rotary */
    bool causal;      /* as pre-trained */
    bool tied;        /* output embedding = input embedding */
    double rope_theta;
} lt_arch;

/* Local.  Reads dir/config.json.  Errors: IO (missing), FORMAT (not JSON; a field missing or of the wrong type; an architecture or option that is
 * not known: the message names the known ones). */
lt_status lt_arch_read(const char *dir, lt_arch *arch);
/* Local.  N of the 4N rule: weights of all linear layers inside the blocks. */
int64_t lt_arch_block_weights(const lt_arch *arch);
/* Local.  SHAPE unless heads, key/value heads and F divide by tp (key/value heads may also be replicated when tp is a multiple of them); the
 * message lists the tp that work. */
lt_status lt_arch_check_tp(const lt_arch *arch, int tp);
/* Local.  True if this tp fits. */
bool lt_arch_tp_works(const lt_arch *arch, int tp);
/* Local.  One paragraph for people. */
void lt_arch_describe(const lt_arch *arch, char *buf, size_t bytes);

#ifdef __cplusplus
}
#endif
