/* The table of families.  One more is a row here and, in the file of its relatives, how its config.json is read and what its tensors are called.  What would
 * change the numbers and is not implemented is an error that names it. */
#include "model/family_impl.h"

static const lt_family *const families[] = {&lt_family_bert,   &lt_family_roberta, &lt_family_xlm_roberta, &lt_family_distilbert,
                                            &lt_family_llama,  &lt_family_mistral, &lt_family_qwen2,       &lt_family_qwen3,
                                            &lt_family_gemma3, &lt_family_gpt2,    &lt_family_gpt_neox,    &lt_family_bloom,
                                            &lt_family_falcon, &lt_family_deberta, &lt_family_deberta_v2};

const lt_family *const *lt_families(size_t *n) {
    *n = sizeof families / sizeof *families;
    return families;
}
