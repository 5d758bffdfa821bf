#pragma once
/* Private to the export: what both formats work with, on rank 0. */

#include "store/safetensors_write.h"
#include "train/export.h"
#include "train/run_impl.h"
#include "tuner/peft.h"

typedef struct lt_export {
    lt_run *run; /* borrowed */
    const lt_export_args *args;
    const lt_trial *trial;
    lt_method_cfg method; /* of what is trained: of gpta its student's */
    const lt_arch *arch;
    char *base; /* real path of the model */
    char *tmp;  /* where the folder is made */
    int64_t step;
    float *values; /* of all parameters */
    lt_named value[LT_TUNER_MAX_PARAMS];
    int n;
    const char *lead;    /* gpta: the text that stands before every input, NULL = none; borrowed */
    int32_t *lead_token; /* [n_lead] its tokens, which stand behind the special ones that begin a text */
    int n_lead;
    lt_head_form form;
    lt_hf_class cls;
    bool exact; /* cls gives our logits */
    lt_peft peft;
} lt_export;

/* merge.c: Local.  Weights, config.json and the tokenizer's files, into e->tmp.  Errors: IO, FORMAT, NOMEM. */
lt_status lt_run_impl_merge(const lt_export *e);
/* export_about.c: Local.  ltune.json and, where no class of transformers reads out as we do, head.safetensors; says what cannot be said. */
lt_status lt_run_impl_export_about(const lt_export *e);
/* load.c: Collective(world).  The checkpoint that `which` means for a trial, open on rank 0 (*ck); path owned by the caller.  Errors: IO (there is none),
 * FORMAT, CONFIG (agreed). */
lt_status lt_run_impl_open_trial(lt_run *r, const char *which, int trial, lt_ckpt **ck);
