#pragma once
/* The methods: their names and what is said of them, in one table.  Whatever knows a method by name, its number, or its description takes it from here; what
 * a method computes is a file of src/tuner. */

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Matrices of a block that LoRA may ride on, with their words: X(ID, "word"). */
#define LT_TARGET_LIST(X)         X(Q, "q") X(K, "k") X(V, "v") X(O, "o") X(UP, "up") X(GATE, "gate") X(DOWN, "down")
#define LT_TARGET_WORD_(id, word) "|" word
/* "q|k|..." in the order of lt_target. */
#define LT_TARGET_WORDS           (&(LT_TARGET_LIST(LT_TARGET_WORD_))[1])
#define LT_TARGET_ID_(id, word)   LT_TARGET_##id,
typedef enum lt_target { LT_TARGET_LIST(LT_TARGET_ID_) LT_TARGET_COUNT } lt_target;
/* [LT_TARGET_COUNT] by lt_target. */
extern const char *const lt_target_words[];

/* What a gpta trial is a control of, with its words: X(ID, "word"). */
#define LT_CONTROL_LIST(X)         X(NONE, "none") X(NO_PREFIX, "no_prefix") X(RANDOM, "random") X(SHUFFLED, "shuffled") X(FIRST, "first")
#define LT_CONTROL_WORD_(id, word) "|" word
/* "none|no_prefix|..." in the order of lt_control. */
#define LT_CONTROL_WORDS           (&(LT_CONTROL_LIST(LT_CONTROL_WORD_))[1])
#define LT_CONTROL_ID_(id, word)   LT_CONTROL_##id,
typedef enum lt_control { LT_CONTROL_LIST(LT_CONTROL_ID_) LT_CONTROL_COUNT } lt_control;
/* [LT_CONTROL_COUNT] by lt_control. */
extern const char *const lt_control_words[];

/* Keys that every method reads: the head's. */
#define LT_HEAD_KEYS "head_bias head_dropout "

/* X(ID, "name", judges (text, label) pairs, " settings of method.* that it reads ", "description, lines indented for `ltune help methods`") */
#define LT_METHOD_LIST(X)                                                                                                                  \
    X(HEAD, "head", false, " compat from " LT_HEAD_KEYS, "the head alone, on the frozen model's read-out. Trainable: K(C+1)\n")            \
    X(PROMPT, "prompt", false, " length init text from " LT_HEAD_KEYS,                                                                     \
      "P trainable rows before the embeddings, the same for every input (Lester et al. 2021). P*C + K(C+1)\n"                              \
      "init: vocab (default: embeddings of random words), text, random, zero\n")                                                           \
    X(PREFIX, "prefix", false, " length init text from mlp " LT_HEAD_KEYS,                                                                 \
      "P trainable keys and values in every layer (Li and Liang 2021). 2*m*P*Hkv*D + K(C+1)\n"                                             \
      "init: vocab (default: real keys and values of random words), text, random, zero; mlp: hidden width of a\n"                          \
      "reparametrisation, rows = W2 tanh(W1 e + b1) + b2\n")                                                                               \
    X(LT_PROMPT, "lt_prompt", true, " objective compat labels " LT_HEAD_KEYS,                                                              \
      "L-Tuning (arXiv 2402.01643): rows e(y) = h_y W before the embeddings, one W [C, C] for all labels. C*C + 2(C+1)\n")                 \
    X(LT_PREFIX, "lt_prefix", true, " pooling objective compat labels " LT_HEAD_KEYS,                                                      \
      "L-Tuning: keys and values of every layer made from h_y.\n"                                                                          \
      "pooling none: one map C -> 2*m*Hkv*D for each label token (default); softmax: a = softmax(h_y w), maps P -> m*P*Hkv*D\n"            \
      "without biases (the paper); scores: raw scores and biases (the authors' decoder code)\n")                                           \
    X(LORA, "lora", false, " rank alpha scaling dropout targets compat from " LT_HEAD_KEYS,                                                \
      "low-rank updates of matrices in every layer (Hu et al. 2022), y += alpha / R * B (A drop(x)), and a K-way head: with\n"             \
      "model.bidirectional the label-supervised tuning of arXiv 2310.01208. m*R*(in + out) a target + K(C+1)\n"                            \
      "A starts uniform in +-1/sqrt(in), B at zero (as PEFT does)\n")                                                                      \
    X(GPTA, "gpta", false,                                                                                                                 \
      " student description candidates rounds every patience probe scoring feedback history exemplars max_prefix_tokens control "          \
      "init_dialogue " LT_HEAD_KEYS,                                                                                                       \
      "an assistant writes texts that stand before every input of a student (arXiv 2404.00189), which trains what method.student\n"        \
      "says; see ltune help assistant. Trainable: what the student's method trains\n")

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
