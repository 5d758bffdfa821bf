#pragma once
/* A model as Hugging Face's modules: what the matrix of a block is called there, where the rows of q, k and v stand in a fused one, and which class reads out
 * a label as we do.  For files that other programs load, and for theirs. */

#include "base/method.h"
#include "model/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lt_module {
    char name[LT_NAME_BYTES]; /* without the family's prefix; %d: the layer */
    int64_t N, K;             /* outputs and inputs, whole */
    bool turned;              /* its weight lies as [K, N] */
    unsigned parts;           /* targets whose rows it holds, bits 1 << lt_target */
} lt_module;

/* Local.  The module that holds a target of every block; false: the model has no such matrix. */
bool lt_module_of(const lt_arch *a, lt_target t, lt_module *module);
/* Local.  Which row of its module the row of a target is. */
int64_t lt_module_row(const lt_arch *a, lt_target t, int64_t row);
/* Local.  The module's name in a layer. */
void lt_module_name(const lt_module *module, int layer, char name[LT_NAME_BYTES]);
/* Local.  The shortest end of its name, whole words between dots, that no other tensor of the model's rows has; NULL: only the layer's number tells it. */
const char *lt_module_short(const lt_arch *a, const lt_module *module);
/* Local.  What stands before every name in a model with a head ("model."). */
const char *lt_module_prefix(const lt_arch *a);
/* Local.  Full name of the dense layer before the classifier, where the family has one, without ".weight"; else NULL. */
const char *lt_module_pooler(const lt_arch *a);

/* A class that reads out labels. */
typedef struct lt_hf_class {
    const char *name; /* "LlamaForSequenceClassification" */
    const char *head; /* the module of its last matrix */
    bool bias;        /* which has one */
    bool tokens;      /* a label for each token */
} lt_hf_class;

/* How rows become logits. */
typedef struct lt_head_form {
    lt_readout readout;
    bool pooler;    /* the model's file has the dense layer */
    bool prompt;    /* trained rows stand before the text */
    bool bias;      /* of our head */
    bool own_masks; /* every layer sees what the architecture lets it see */
} lt_head_form;

/* Local.  The class whose logits are exactly ours; false: there is none, so that the model goes without a head. */
bool lt_hf_class_of(const lt_arch *a, const lt_head_form *form, lt_hf_class *c);

#ifdef __cplusplus
}
#endif
