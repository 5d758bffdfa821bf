#pragma once
/* The methods: their names and what is said of them, in one table.  Whatever knows a method by name, its number, or its description takes it from here; what
 * a method computes is a file of src/tuner. */

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(ID, "name", judges (text, label) pairs, " settings of method.* that it reads ", "description, lines indented for `ltune help methods`") */
#define LT_METHOD_LIST(X)                                                                                                                  \
    X(HEAD, "head", false, " ", "the head alone, on the frozen model's read-out. Trainable: K(C+1)\n")                                     \
    X(PROMPT, "prompt", false, " length init text ",                                                                                       \
      "P trainable rows before the embeddings, the same for every input (Lester et al. 2021). P*C + K(C+1)\n"                              \
      "init: vocab (default: embeddings of random words), text, random, zero\n")                                                           \
    X(PREFIX, "prefix", false, " length init text mlp ",                                                                                   \
      "P trainable keys and values in every layer (Li and Liang 2021). 2*m*P*Hkv*D + K(C+1)\n"                                             \
      "init: vocab (default: real keys and values of random words), text, random, zero; mlp: hidden width of a\n"                          \
      "reparametrisation, rows = W2 tanh(W1 e + b1) + b2\n")                                                                               \
    X(LT_PROMPT, "lt_prompt", true, " objective compat labels ",                                                                           \
      "L-Tuning (arXiv 2402.01643): rows e(y) = h_y W before the embeddings, one W [C, C] for all labels. C*C + 2(C+1)\n")                 \
    X(LT_PREFIX, "lt_prefix", true, " pooling objective compat labels ",                                                                   \
      "L-Tuning: keys and values of every layer made from h_y.\n"                                                                          \
      "pooling none: one map C -> 2*m*Hkv*D for each label token (default); softmax: a = softmax(h_y w), maps P -> m*P*Hkv*D\n"            \
      "without biases (the paper); scores: raw scores and biases (the authors' decoder code)\n")

#define LT_METHOD_WORD_(id, name, pairs, keys, about) "|" name
/* "head|prompt|..." in the order of lt_method. */
#define LT_METHOD_WORDS                               (&(LT_METHOD_LIST(LT_METHOD_WORD_))[1])
#define LT_METHOD_ID_(id, name, pairs, keys, about)   LT_METHOD_##id,
typedef enum lt_method { LT_METHOD_LIST(LT_METHOD_ID_) LT_METHOD_COUNT } lt_method;

typedef struct lt_method_info {
    const char *name;
    bool pairs;       /* reads (text, candidate label), answers yes or no; evaluation scores every label */
    const char *keys; /* " length init ": leaves of method.* that it reads besides name */
    const char *about;
} lt_method_info;

/* [LT_METHOD_COUNT] by lt_method. */
extern const lt_method_info lt_methods[];

/* Local.  True if the method reads method.LEAF. */
bool lt_method_reads(lt_method method, const char *leaf);

#ifdef __cplusplus
}
#endif
