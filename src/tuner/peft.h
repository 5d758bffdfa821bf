#pragma once
/* Trained values as Hugging Face's PEFT has them: a folder with adapter_config.json and adapter_model.safetensors, written and read.
 *
 *   lora     <module>.lora_A.weight [R, in], <module>.lora_B.weight [out, R] of every layer
 *   prompt   prompt_embeddings [P, C]
 *   prefix   prompt_embeddings [P, m*2*Hkv*D]: a row holds [m][k|v][Hkv][D] of one position; with method.mlp the rows that it makes
 *
 * Fused matrices.  Ours are updates of q, k and v, each with an A and a B; PEFT's is one of the matrix that holds all three.  n of them are one update of
 * rank n*R: the A's one below the other, and a B whose rows stand as the fused matrix has them, zero outside the columns of their own part.  The other way, an
 * update of that form comes apart again exactly, and one of rank R gives every part its A and the part's rows of B.
 *
 * The head goes in where a class of transformers has one that gives exactly our logits (model/modules.h), else the caller keeps it apart. */

#include "model/modules.h"
#include "tuner/tuner.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_peft {
    const lt_arch *arch;
    const lt_method_cfg *cfg;
    const char *base;       /* writing: what the file calls the base model */
    const lt_hf_class *cls; /* writing: NULL = the model has no head */
} lt_peft;

/* Local.  CONFIG unless PEFT has a form for what the method trains, and gives it the same meaning. */
lt_status lt_peft_check(const lt_arch *arch, const lt_method_cfg *cfg);
/* Local.  Writes both files into a folder that is there.  value: all parameters of the trial, by name, whole.  Errors: CONFIG, IO, NOMEM. */
lt_status lt_peft_write(const char *dir, const lt_peft *p, const lt_named *value, int n);
/* Local.  Fills the values of a trial from such a folder; everything is checked: kind, rank, scale, targets and every shape.  head.*: where the folder has
 * a head of their shape (also beside the adapter, in head.safetensors); *head tells, and leaves them as they are where not.  A trial that is a head alone
 * takes it from such a file or from a whole model.
 * Errors: CONFIG (another method, rank, scale or targets), FORMAT, SHAPE (an adapter of another base: tensor, expected and found are named), IO, NOMEM. */
lt_status lt_peft_read(const char *dir, const lt_peft *p, lt_named *value, int n, bool *head);

/* One matrix's update as PEFT and transformers have it: W += scale B A. */
typedef struct lt_update {
    lt_module module;
    unsigned parts; /* targets of the trial that lie in it */
    int64_t R;      /* rank of all of them together */
    float *A, *B;   /* [R, K], [N, R]; filled for one layer at a time, owned */
} lt_update;

/* Local.  The modules that a trial's targets lie in, each once; *u released by lt_updates_free.  value: as above.  Errors: CONFIG, NOMEM. */
lt_status lt_updates_list(const lt_peft *p, lt_update **u, int *n);
void lt_updates_free(lt_update *u, int n);
/* Local.  Fills A and B of a layer from the trial's values.  Errors: FORMAT (a value is missing). */
lt_status lt_update_fill(lt_update *u, const lt_peft *p, const lt_named *value, int n, int layer);

#ifdef __cplusplus
}
#endif
